// Package meshview is the mesh as the management nodes of its routers describe it: asked for, and drawn as text, DOT
// or SVG.
package meshview
