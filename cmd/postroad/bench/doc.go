// Package bench holds the command bench and those below it: they measure routes and routers with the load client of
// internal/bench. Routers that they start run in processes of their own.
package bench
