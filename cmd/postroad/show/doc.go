// Package show holds the commands that show the mesh and change nothing: topology, members, path, what-if and trace.
// They ask the routers' management, or read a topology.
package show
