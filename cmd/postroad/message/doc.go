// Package message holds the commands send, receive and request, which exchange messages with whoever is attached to
// the mesh.
package message
