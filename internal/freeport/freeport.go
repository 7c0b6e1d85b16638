// Package freeport finds TCP ports for servers of this machine.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// taken are the ports which this process has given out.
var taken sync.Map

// The range of the ports: outside that from which systems take the ports of outgoing connections.
const first, count = 20000, 12000

// attempts is how many ports are tried for one that is free.
const attempts = 10 * count

// One returns a port of 127.0.0.1 on which nobody listens, and which this process has not been given before. Another
// process may be given the same one, and the first to listen has it.
func One() (int, error) {
	err := fmt.Errorf("this process has taken all ports from %d to %d", first, first+count-1)
	for range attempts {
		port := first + rand.IntN(count)
		if _, again := taken.LoadOrStore(port, true); again {
			continue
		}
		l, listening := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if listening == nil {
			return port, l.Close()
		}
		err = listening
	}
	return 0, fmt.Errorf("no port is free: %w", err)
}

// Several returns so many ports, as One does.
func Several(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		var err error
		if ports[i], err = One(); err != nil {
			return nil, err
		}
	}
	return ports, nil
}
