package netlab

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// namespace is a network namespace, and a thread that is in it.
type namespace struct {
	handle  netns.NsHandle
	netlink *netlink.Handle
	work    chan func()
	ended   chan struct{}
}

// newNamespace makes a namespace with a loopback device that is up.
func newNamespace() (*namespace, error) {
	n := &namespace{work: make(chan func()), ended: make(chan struct{})}
	ready := make(chan error)
	go n.serve(ready)
	if err := <-ready; err != nil {
		return nil, explain(err)
	}
	return n, nil
}

// serve is the thread. It is never unlocked, so that it ends with the goroutine.
func (n *namespace) serve(ready chan<- error) {
	runtime.LockOSThread()
	defer close(n.ended)
	err := n.enter()
	ready <- err
	if err != nil {
		return
	}
	for f := range n.work {
		f()
	}
	n.netlink.Close()
	n.handle.Close()
}

// enter moves the thread into a new namespace.
func (n *namespace) enter() (err error) {
	if n.handle, err = netns.New(); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	if n.netlink, err = netlink.NewHandle(); err != nil {
		return fmt.Errorf("open a netlink socket: %w", err)
	}
	return n.up("lo")
}

// do runs a function in the thread.
func (n *namespace) do(f func() error) error {
	result := make(chan error, 1)
	n.work <- func() { result <- f() }
	return <-result
}

// close ends the thread, and with it the processes that it has started. The namespace ends with the last process in it.
func (n *namespace) close() {
	close(n.work)
	<-n.ended
}

// up sets a device up.
func (n *namespace) up(device string) error {
	link, err := n.netlink.LinkByName(device)
	if err == nil {
		err = n.netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("set %s up: %w", device, err)
	}
	return nil
}

// down sets a device down. The other end of its pair loses the carrier.
func (n *namespace) down(device string) error {
	link, err := n.netlink.LinkByName(device)
	if err == nil {
		err = n.netlink.LinkSetDown(link)
	}
	if err != nil {
		return fmt.Errorf("set %s down: %w", device, err)
	}
	return nil
}

// pair makes a pair of veth devices between two namespaces.
func pair(a *namespace, nameA string, b *namespace, nameB string) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = nameA
	attributes.TxQLen = 1000
	veth := &netlink.Veth{LinkAttrs: attributes, PeerName: nameB, PeerNamespace: netlink.NsFd(int(b.handle))}
	if err := a.netlink.LinkAdd(veth); err != nil {
		return explain(fmt.Errorf("make the veth pair %s and %s: %w", nameA, nameB, err))
	}
	return nil
}

// address gives a device an address and sets it up.
func (n *namespace) address(device, cidr string) error {
	address, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	link, err := n.netlink.LinkByName(device)
	if err == nil {
		err = n.netlink.AddrAdd(link, address)
	}
	if err != nil {
		return fmt.Errorf("give %s the address %s: %w", device, cidr, err)
	}
	return n.up(device)
}

// Check reports what this machine lacks for a lab, nil if nothing.
func Check() error {
	a, err := newNamespace()
	if err != nil {
		return err
	}
	defer a.close()
	b, err := newNamespace()
	if err != nil {
		return err
	}
	defer b.close()
	return pair(a, "veth0", b, "veth0")
}

// explain says what is missing when the system refuses.
func explain(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w; it takes root, or the capabilities CAP_SYS_ADMIN and CAP_NET_ADMIN (this is user %d)",
			err, os.Getuid())
	default:
		return fmt.Errorf("%w; it takes a Linux kernel with network namespaces (CONFIG_NET_NS) and veth devices "+
			"(CONFIG_VETH)", err)
	}
}
