// Package spawn starts routers in processes of their own, of this program or of others, to be measured or shown.
package spawn
