package sasl

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// scramClient is the client of SCRAM.
type scramClient struct {
	hash func() hash.Hash
	cfg  ClientConfig

	header    string
	bare      string
	nonce     string
	signature []byte // that the server has to show; nil until server-first came
	verified  bool
}

// first returns client-first.
func (c *scramClient) first() []byte {
	c.nonce = c.cfg.Nonce()
	c.header = "n,,"
	if c.cfg.Authorization != "" {
		c.header = "n,a=" + nameEscaper.Replace(c.cfg.Authorization) + ","
	}
	c.bare = "n=" + nameEscaper.Replace(c.cfg.Username) + ",r=" + c.nonce
	return []byte(c.header + c.bare)
}

// step takes server-first, or a server-final that comes as a challenge.
func (c *scramClient) step(challenge []byte) ([]byte, error) {
	if c.signature != nil {
		return []byte{}, c.verify(string(challenge))
	}
	server, err := parseServerFirst(string(challenge))
	if err != nil {
		return nil, err
	}
	if len(server.nonce) <= len(c.nonce) || !strings.HasPrefix(server.nonce, c.nonce) {
		return nil, errors.New("server-first: the nonce does not continue the client's")
	}
	salted, err := saltedPassword(c.hash, c.cfg.Password, server.salt, server.iterations)
	if err != nil {
		return nil, err
	}
	withoutProof := "c=" + base64.StdEncoding.EncodeToString([]byte(c.header)) + ",r=" + server.nonce
	auth := c.bare + "," + string(challenge) + "," + withoutProof
	clientKey := mac(c.hash, salted, "Client Key")
	proof := mac(c.hash, digest(c.hash, clientKey), auth)
	subtle.XORBytes(proof, proof, clientKey)
	c.signature = mac(c.hash, mac(c.hash, salted, "Server Key"), auth)
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// verify checks server-final.
func (c *scramClient) verify(message string) error {
	if c.verified {
		return errors.New("the server went on after server-final")
	}
	field, _, _ := strings.Cut(message, ",")
	if text, found := strings.CutPrefix(field, "e="); found {
		return fmt.Errorf("server-final: the server reports %.40q", text)
	}
	text, found := strings.CutPrefix(field, "v=")
	signature, err := base64.StdEncoding.DecodeString(text)
	if !found || err != nil {
		return errors.New("server-final: no v=signature")
	}
	if !hmac.Equal(signature, c.signature) {
		return errors.New("server-final: the server does not know the password")
	}
	c.verified = true
	return nil
}

// finish takes the additional-data of a successful outcome.
func (c *scramClient) finish(additional []byte) error {
	switch {
	case c.signature == nil:
		return errors.New("the server said ok before the exchange was over")
	case !c.verified:
		return c.verify(string(additional))
	}
	return nil
}
