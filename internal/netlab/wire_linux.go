package netlab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conditions are what a wire does to the frames it carries, in each direction.
type Conditions struct {
	Delay     time.Duration // each frame takes so long
	Loss      float64       // share of the frames that are lost, 0 to 1
	BlackHole bool          // all are lost
	NoUDP     bool          // those of UDP are lost, as where a firewall has no use for it
}

// isUDP reports whether an Ethernet frame has a datagram of UDP.
func isUDP(frame []byte) bool {
	const header = 14 // of Ethernet, which ends with the protocol
	if len(frame) < header+10 {
		return false
	}
	switch uint16(frame[12])<<8 | uint16(frame[13]) {
	case unix.ETH_P_IP:
		return frame[header+9] == unix.IPPROTO_UDP
	case unix.ETH_P_IPV6:
		return frame[header+6] == unix.IPPROTO_UDP
	}
	return false
}

// wire carries the frames of a link through a namespace between those of the two routers, from one packet socket to
// another.
type wire struct {
	namespace  *namespace
	ends       [2]*os.File
	conditions atomic.Pointer[Conditions]
	carriers   sync.WaitGroup
	lost       atomic.Uint64
}

// newWire makes the devices of a link that leads through a wire, and lets it work.
func newWire(a, b device, c Conditions) (*wire, error) {
	n, err := newNamespace()
	if err != nil {
		return nil, err
	}
	w := &wire{namespace: n}
	w.set(c)
	for i, d := range []device{a, b} {
		name := fmt.Sprintf("end%d", i)
		if err = pair(d.router.namespace, d.name, n, name); err == nil {
			err = n.do(func() (err error) {
				w.ends[i], err = openEnd(name)
				return err
			})
		}
		if err == nil {
			err = n.up(name)
		}
		if err == nil {
			err = d.router.namespace.do(func() error { return withoutOffload(d.name) })
		}
		if err != nil {
			w.close()
			return nil, err
		}
	}
	w.carriers.Go(func() { w.carry(w.ends[0], w.ends[1]) })
	w.carriers.Go(func() { w.carry(w.ends[1], w.ends[0]) })
	return w, nil
}

// openEnd opens a packet socket that gets every frame of a device and sends frames through it. The thread has to be in
// its namespace.
func openEnd(device string) (*os.File, error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return nil, err
	}
	all := uint16(unix.ETH_P_ALL)<<8 | unix.ETH_P_ALL>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		return nil, explain(fmt.Errorf("open a packet socket: %w", err))
	}
	err = errors.Join(
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 16<<20),
	)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up a packet socket on %s: %w", device, err)
	}
	return os.NewFile(uintptr(fd), device), nil
}

// Requests of the ioctl SIOCETHTOOL, which set a device feature to a value.
const (
	ethtoolSetTransmitChecksums = 0x17
	ethtoolSetTCPSegmentation   = 0x1f
	ethtoolSetSegmentation      = 0x24
)

// withoutOffload has a device send frames as they would be on a cable: no longer than its MTU, with their checksums.
// The thread has to be in its namespace.
func withoutOffload(device string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, command := range []uint32{ethtoolSetTCPSegmentation, ethtoolSetSegmentation, ethtoolSetTransmitChecksums} {
		value := [2]uint32{command, 0} // struct ethtool_value
		var pinner runtime.Pinner
		pinner.Pin(&value)
		request := struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}{data: unsafe.Pointer(&value)}
		copy(request.name[:unix.IFNAMSIZ-1], device)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
		pinner.Unpin()
		if errno != 0 {
			return fmt.Errorf("switch an offload of %s off (request %#x): %w", device, command, errno)
		}
	}
	return nil
}

// set changes the conditions, for the frames that come from now on.
func (w *wire) set(c Conditions) { w.conditions.Store(&c) }

// carry takes frames from one end to the other until the wire is closed. Delayed frames wait in their order for one
// timer.
func (w *wire) carry(from, to *os.File) {
	q := &delayed{to: to}
	frame := make([]byte, 64<<10)
	for {
		n, err := from.Read(frame)
		switch {
		case errors.Is(err, unix.ENETDOWN):
			continue // the device is down; reading waits until it is up
		case err != nil:
			q.close()
			return
		}
		c := w.conditions.Load()
		switch {
		case c.BlackHole || c.NoUDP && isUDP(frame[:n]) || c.Loss > 0 && rand.Float64() < c.Loss:
			w.lost.Add(1)
		case c.Delay > 0 || q.waiting():
			q.add(append([]byte(nil), frame[:n]...), time.Now().Add(c.Delay))
		default:
			to.Write(frame[:n]) // an end that is down loses it
		}
	}
}

// close ends the wire.
func (w *wire) close() {
	for _, f := range w.ends {
		if f != nil {
			f.Close()
		}
	}
	w.carriers.Wait()
	w.namespace.close()
}

// delayed is the frames that are under way in one direction. They do not overtake each other.
type delayed struct {
	to *os.File

	mu     sync.Mutex
	frames []delayedFrame
	timer  *time.Timer // set while frames wait
	closed bool
}

// delayedFrame is a frame and when it is to be written.
type delayedFrame struct {
	octets []byte
	due    time.Time
}

func (q *delayed) waiting() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.frames) > 0
}

// add puts a frame at the end.
func (q *delayed) add(octets []byte, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.frames = append(q.frames, delayedFrame{octets, due})
	if q.timer == nil {
		q.timer = time.AfterFunc(time.Until(due), q.deliver)
	}
}

// deliver writes what is due.
func (q *delayed) deliver() {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	n := 0
	for n < len(q.frames) && !q.frames[n].due.After(now) && !q.closed {
		q.to.Write(q.frames[n].octets)
		n++
	}
	q.frames = q.frames[n:]
	q.timer = nil
	if len(q.frames) > 0 && !q.closed {
		q.timer = time.AfterFunc(time.Until(q.frames[0].due), q.deliver)
	}
}

// close drops what waits.
func (q *delayed) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.timer != nil {
		q.timer.Stop()
	}
}
