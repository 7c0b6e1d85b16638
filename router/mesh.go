package router

import (
	"time"

	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh"
)

// newMesh makes the link-state engine of an interior router. It does nothing before its Start.
func (r *Router) newMesh() (*mesh.Node, error) {
	s := &r.cfg.Router
	return mesh.New(mesh.Config{
		ID:                r.plane.ID,
		Instance:          r.plane.Began.UnixMilli(), // Interconnect takes seconds; two starts within one must differ
		HelloInterval:     seconds(s.HelloIntervalSeconds),
		HelloMaxAge:       seconds(s.HelloMaxAgeSeconds),
		FastHelloInterval: time.Duration(s.FastHelloMilliseconds) * time.Millisecond,
		RAInterval:        seconds(s.RAIntervalSeconds),
		RAIntervalFlux:    seconds(s.RAIntervalFluxSeconds),
		LSMaxAge:          seconds(s.RemoteLSMaxAgeSeconds),
		LogLevel:          r.meshLogLevel(),
		Received:          r.control.Heard,
		Clock:             time.Now,
	})
}

// meshLogLevel returns the lowest level that a module of the mesh logs at the start.
func (r *Router) meshLogLevel() mesh.Level {
	level := mesh.LevelTrace
	for ; level < mesh.LevelCritical; level++ {
		for _, m := range []logging.Module{logging.Router, logging.RouterHello, logging.RouterLS, logging.RouterMA} {
			if r.host.Log(m).Enabled(logging.Level(level)) {
				return level
			}
		}
	}
	return level
}

// seconds returns a number of seconds as a duration.
func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
