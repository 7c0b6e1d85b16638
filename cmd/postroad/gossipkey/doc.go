// Package gossipkey holds the command gossip-key and those below it, which make and rotate the keys of gossip.
package gossipkey
