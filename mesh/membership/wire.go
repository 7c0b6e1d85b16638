package membership

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// meta is what a member says about itself in every alive message: as little as possible, because it delays gossip.
//
//	octet    version of the form, 1
//	octet    role
//	8        instance
//	4        version of the details
//	octet, n site
//
// What follows is ignored, for later versions.
type meta struct {
	role     Role
	instance uint64
	version  uint32
	site     string
}

const formVersion = 1

// errShort is for input that ends too early.
var errShort = errors.New("it ends too early")

func (m meta) append(b []byte) []byte {
	b = append(b, formVersion, byte(m.role))
	b = binary.BigEndian.AppendUint64(b, m.instance)
	b = binary.BigEndian.AppendUint32(b, m.version)
	return appendText(b, m.site)
}

func parseMeta(b []byte) (meta, error) {
	in := input{b: b}
	if v := in.octet(); v != formVersion && !in.short {
		return meta{}, fmt.Errorf("form %d of the metadata is not known", v)
	}
	m := meta{role: Role(in.octet()), instance: in.uint64(), version: in.uint32(), site: in.text()}
	switch {
	case in.short:
		return meta{}, fmt.Errorf("metadata: %w", errShort)
	case m.role > RoleEdge:
		return meta{}, fmt.Errorf("metadata: %v does not exist", m.role)
	}
	return m, checkSite(m.site)
}

// details is the rest of what a member says: once to each other member, which asks for it by the version.
//
//	octet    version of the form, 1
//	octet, n id
//	8        instance
//	4        version
//	octet    number of endpoints; of each: octet, n transport; octet, n host; 2 port
//	octet    number of relays; of each: octet, n id
//
// What follows is ignored, for later versions.
type details struct {
	id        string
	instance  uint64
	version   uint32
	endpoints []Endpoint
	relays    []string
}

func (d details) append(b []byte) []byte {
	b = appendText(append(b, formVersion), d.id)
	b = binary.BigEndian.AppendUint64(b, d.instance)
	b = binary.BigEndian.AppendUint32(b, d.version)
	b = append(b, byte(len(d.endpoints)))
	for _, e := range d.endpoints {
		b = appendText(appendText(b, e.Transport), e.Host)
		b = binary.BigEndian.AppendUint16(b, e.Port)
	}
	b = append(b, byte(len(d.relays)))
	for _, r := range d.relays {
		b = appendText(b, r)
	}
	return b
}

func parseDetails(b []byte) (details, error) {
	if len(b) > maxDetails {
		return details{}, fmt.Errorf("details of %d octets, must be at most %d", len(b), maxDetails)
	}
	in := input{b: b}
	if v := in.octet(); v != formVersion && !in.short {
		return details{}, fmt.Errorf("form %d of the details is not known", v)
	}
	d := details{id: in.text(), instance: in.uint64(), version: in.uint32()}
	if in.short {
		return details{}, fmt.Errorf("details: %w", errShort)
	}
	if err := checkID(d.id); err != nil {
		return details{}, err
	}
	n := int(in.octet())
	if n > maxEndpoints {
		return details{}, fmt.Errorf("%d endpoints, must be at most %d", n, maxEndpoints)
	}
	for range n {
		e := Endpoint{Transport: in.text(), Host: in.text(), Port: in.uint16()}
		if in.short {
			return details{}, fmt.Errorf("details: %w", errShort)
		}
		if err := e.check(); err != nil {
			return details{}, err
		}
		d.endpoints = append(d.endpoints, e)
	}
	n = int(in.octet())
	if n > maxRelays {
		return details{}, fmt.Errorf("%d relays, must be at most %d", n, maxRelays)
	}
	for range n {
		r := in.text()
		if in.short {
			return details{}, fmt.Errorf("details: %w", errShort)
		}
		if err := checkID(r); err != nil {
			return details{}, err
		}
		d.relays = append(d.relays, r)
	}
	if in.short {
		return details{}, fmt.Errorf("details: %w", errShort)
	}
	return d, nil
}

// appendText appends a text of at most 255 octets with its length before it.
func appendText(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

// input reads values one after the other; at the end short says whether there were too few octets for them.
type input struct {
	b     []byte
	short bool
}

// take returns the next n octets, nil if there are fewer.
func (in *input) take(n int) []byte {
	if in.short || len(in.b) < n {
		in.short = true
		return nil
	}
	b := in.b[:n]
	in.b = in.b[n:]
	return b
}

func (in *input) octet() byte {
	if b := in.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (in *input) uint16() uint16 {
	if b := in.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (in *input) uint32() uint32 {
	if b := in.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (in *input) uint64() uint64 {
	if b := in.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (in *input) text() string { return string(in.take(int(in.octet()))) }
