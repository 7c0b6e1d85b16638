// Package drain holds the command drain, which has a router leave the mesh.
package drain
