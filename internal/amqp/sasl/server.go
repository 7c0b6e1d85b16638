package sasl

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// MaxMessage is the largest response or challenge that is looked at, in octets. It leaves room for every name and
// password somebody could mean.
const MaxMessage = 4096

// ServerConfig is what a server checks an exchange against.
type ServerConfig struct {
	// Credentials are the users for PLAIN and SCRAM; nil makes those mechanisms fail.
	Credentials Credentials
	// PeerIdentity is the user that TLS proved the peer to be, for EXTERNAL; empty makes EXTERNAL fail.
	PeerIdentity string
	// Nonce returns a fresh unguessable nonce of printable ASCII without commas; nil uses the system's random source.
	Nonce func() string
}

// Server is the server's side of one exchange. Input: [Server.Step] for the initial response of sasl-init and then for
// each sasl-response. Output: what Step returns, and [Server.Err]. It belongs to one goroutine at a time.
type Server struct {
	mechanism string
	exchange  serverExchange
	done      bool
	err       error
}

// serverExchange is the state machine of one mechanism. Response is nil if sasl-init had no initial response. An error
// ends the exchange with [AuthFailed].
type serverExchange interface {
	step(response []byte) (challenge []byte, done bool, identity string, err error)
}

// NewServer starts an exchange with the mechanism that sasl-init names [5.3.3.2]. It fails for a mechanism that is
// unknown or that cfg gives no means for; the peer then gets [AuthFailed]. It is the caller's duty to accept only
// mechanisms that were announced.
func NewServer(mechanism string, cfg ServerConfig) (*Server, error) {
	if cfg.Nonce == nil {
		cfg.Nonce = newNonce
	}
	s := &Server{mechanism: mechanism}
	switch mechanism {
	case Anonymous:
		s.exchange = anonymousServer{}
	case External:
		if cfg.PeerIdentity == "" {
			return nil, errors.New("sasl: EXTERNAL needs a verified TLS certificate of the peer, and there is none")
		}
		s.exchange = externalServer{identity: cfg.PeerIdentity}
	case Plain, ScramSHA256, ScramSHA512:
		if cfg.Credentials == nil {
			return nil, fmt.Errorf("sasl: %s needs a file of users, and none is configured", mechanism)
		}
		if mechanism == Plain {
			s.exchange = &plainServer{credentials: cfg.Credentials}
			break
		}
		h, _ := scramHash(mechanism)
		s.exchange = &scramServer{mechanism: mechanism, hash: h, cfg: cfg}
	default:
		return nil, fmt.Errorf("sasl: mechanism %.40q is not supported", mechanism)
	}
	return s, nil
}

// Accept is [NewServer] for a peer's sasl-init: it also refuses a mechanism that was not announced [5.3.3.2].
func Accept(mechanism string, announced []string, cfg ServerConfig) (*Server, error) {
	if !slices.Contains(announced, mechanism) {
		return nil, fmt.Errorf("sasl: mechanism %.40q was not announced, only %q", mechanism, announced)
	}
	return NewServer(mechanism, cfg)
}

// Step takes the initial response of sasl-init, nil if that field was null, or the content of a sasl-response. With
// [Continue] the challenge is to be sent, even if it is empty. With [OK] the challenge is the additional-data of
// sasl-outcome [5.3.3.6], nil for none, and identity is the authenticated user, "anonymous" for ANONYMOUS. With any
// other outcome the exchange has failed, [Server.Err] says why, and nothing of that is to be told to the peer.
func (s *Server) Step(response []byte) (challenge []byte, outcome Outcome, identity string) {
	if s.done {
		s.err = fmt.Errorf("sasl: %s: a response after the end of the exchange", s.mechanism)
		return nil, AuthFailed, ""
	}
	var done bool
	err := checkSize(response)
	if err == nil {
		challenge, done, identity, err = s.exchange.step(response)
	}
	switch {
	case err != nil:
		s.done = true
		s.err = fmt.Errorf("sasl: %s: %w", s.mechanism, err)
		return nil, AuthFailed, ""
	case done:
		s.done = true
		return challenge, OK, identity
	}
	return challenge, Continue, ""
}

// Mechanism returns the name of the mechanism.
func (s *Server) Mechanism() string { return s.mechanism }

// Err says why the exchange failed, for the log of the server; nil if it did not. It contains no secret, but may tell
// whether a user exists.
func (s *Server) Err() error { return s.err }

// checkSize refuses a message that nobody needs.
func checkSize(message []byte) error {
	if len(message) > MaxMessage {
		return fmt.Errorf("a message of %d octets, at most %d are accepted", len(message), MaxMessage)
	}
	return nil
}

// checkName refuses what cannot be the name of a user.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the %s is empty", what)
	case !utf8.ValidString(name):
		return fmt.Errorf("the %s is not valid UTF-8", what)
	}
	for _, r := range name {
		if r < 0x20 || (r >= 0x7f && r < 0xa0) {
			return fmt.Errorf("the %s has the control character %U", what, r)
		}
	}
	return nil
}

// newNonce returns 144 random bits as printable ASCII (RFC 5802 section 5.1, attribute r).
func newNonce() string {
	var b [18]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}
