package sasl

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
)

// errProof says that the client does not know the password.
var errProof = errors.New("wrong password")

// scramServer is the server of SCRAM.
type scramServer struct {
	mechanism string
	hash      func() hash.Hash
	cfg       ServerConfig

	asked       bool        // an empty challenge asked for the message that sasl-init lacked
	first       clientFirst // of the peer; nonce is "" until it arrived
	nonce       string      // of both
	serverFirst string
	verifier    Verifier
	known       bool
}

// step takes client-first, then client-final.
func (s *scramServer) step(response []byte) ([]byte, bool, string, error) {
	if s.nonce != "" {
		final, err := s.final(string(response))
		return final, err == nil, s.first.user, err
	}
	if response == nil && !s.asked {
		s.asked = true // RFC 4422 section 3
		return []byte{}, false, "", nil
	}
	var err error
	if s.first, err = parseClientFirst(string(response)); err != nil {
		return nil, false, "", err
	}
	if s.first.authorization != "" && s.first.authorization != s.first.user {
		return nil, false, "", fmt.Errorf("%.100q may not act as %.100q", s.first.user, s.first.authorization)
	}
	s.verifier, s.known = s.cfg.Credentials.SCRAM(s.mechanism, s.first.user)
	s.nonce = s.first.nonce + s.cfg.Nonce()
	s.serverFirst = "r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString(s.verifier.Salt) +
		",i=" + strconv.Itoa(s.verifier.Iterations)
	return []byte(s.serverFirst), false, "", nil
}

// final checks client-final and returns server-final. What depends on the existence of the user comes last, after the
// same work was done for all.
func (s *scramServer) final(message string) ([]byte, error) {
	final, err := parseClientFinal(message)
	switch {
	case err != nil:
		return nil, err
	case final.nonce != s.nonce:
		return nil, errors.New("client-final: the nonce is not the one of this exchange")
	case final.binding != s.first.header:
		return nil, errors.New("client-final: the channel binding is not the one of client-first")
	case len(final.proof) != len(s.verifier.StoredKey):
		return nil, fmt.Errorf("client-final: a proof of %d octets, want %d",
			len(final.proof), len(s.verifier.StoredKey))
	}
	auth := s.first.bare + "," + s.serverFirst + "," + final.withoutProof
	clientKey := mac(s.hash, s.verifier.StoredKey, auth)
	subtle.XORBytes(clientKey, clientKey, final.proof)
	proved := hmac.Equal(digest(s.hash, clientKey), s.verifier.StoredKey)
	signature := mac(s.hash, s.verifier.ServerKey, auth)
	if !s.known {
		return nil, fmt.Errorf("no user %.100q", s.first.user)
	}
	if !proved {
		return nil, fmt.Errorf("user %.100q: %w", s.first.user, errProof)
	}
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature)), nil
}
