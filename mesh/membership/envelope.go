package membership

import (
	"crypto/rand"
	"errors"
	"fmt"
)

// An envelope is around everything that goes to another member, packets as well as what is written to a stream:
//
//	octet    'G'
//	octet    version of the form, 1
//	octet    kind: packet or stream
//	octet    1 if sealed, 0 if not
//	octet, n name of the mesh
//	12, n    if sealed: nonce, and AES-256-GCM of the message with all before the nonce as authenticated data
//	n        if not: the message
//
// It takes the place of memberlist's own label and encryption, whose format is not checked before memory is reserved for
// what it announces, and whose keyring cannot be changed while it is in use without a race.
const (
	envelopeMagic = 'G'

	kindPacket = 1
	kindStream = 2

	nonceOctets = 12
	tagOctets   = 16
)

// envelopeOctets is the most that an envelope adds.
func envelopeOctets(mesh string) int { return 5 + len(mesh) + nonceOctets + tagOctets }

// The reasons why an envelope is refused.
var (
	errEnvelope = errors.New("it is not gossip of this version")
	errMesh     = errors.New("it is for another mesh")
	errPlain    = errors.New("it is not encrypted, and the keyring demands that")
	errSealed   = errors.New("it is encrypted, and there is no keyring")
	errKey      = errors.New("no key of the keyring opens it")
)

// envelopes packs and unpacks messages.
type envelopes struct {
	mesh string
	keys *Keyring // nil: nothing is encrypted
}

// pack appends the envelope with the message to b.
func (e envelopes) pack(b []byte, kind byte, message []byte) []byte {
	start := len(b)
	b = append(b, envelopeMagic, formVersion, kind, 0)
	b = appendText(b, e.mesh)
	if e.keys == nil {
		return append(b, message...)
	}
	b[start+3] = 1
	head := b[start:]
	var nonce [nonceOctets]byte
	_, _ = rand.Read(nonce[:]) // it does not fail; see crypto/rand
	one := (*e.keys.keys.Load())[0]
	return one.aead.Seal(append(b, nonce[:]...), nonce[:], message, head)
}

// unpack returns the message. It may be part of b.
func (e envelopes) unpack(kind byte, b []byte) ([]byte, error) {
	in := input{b: b}
	magic, version, k, sealed, mesh := in.octet(), in.octet(), in.octet(), in.octet(), in.take(int(in.octet()))
	switch {
	case in.short || magic != envelopeMagic || version != formVersion || k != kind || sealed > 1:
		return nil, errEnvelope
	case string(mesh) != e.mesh:
		return nil, fmt.Errorf("%w, %.80q", errMesh, mesh)
	case sealed == 0 && e.keys != nil:
		return nil, errPlain
	case sealed == 1 && e.keys == nil:
		return nil, errSealed
	case sealed == 0:
		return in.b, nil
	}
	head := b[:len(b)-len(in.b)]
	nonce := in.take(nonceOctets)
	if in.short {
		return nil, errEnvelope
	}
	for _, one := range *e.keys.keys.Load() {
		if message, err := one.aead.Open(nil, nonce, in.b, head); err == nil {
			return message, nil
		}
	}
	return nil, errKey
}
