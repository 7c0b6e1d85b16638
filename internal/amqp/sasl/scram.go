package sasl

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The messages of SCRAM (RFC 5802 section 7):
//
//	client-first  gs2-header client-first-bare            n,,n=user,r=rOprNGfwEbeRWgbNEkqO
//	server-first  r=nonce,s=salt,i=iterations             r=rOprNGfwEbeRWgbNEkqO%hvYD…,s=W22ZaJ0SNY7soEs…,i=4096
//	client-final  c=base64(gs2-header),r=nonce,p=proof    c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYD…,p=dHzbZapWIk4jUhN…
//	server-final  v=signature                             v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
//
// AMQP carries client-first in sasl-init, server-first in a challenge, client-final in a response, and server-final in
// the additional-data of the outcome [5.3.3.6]; some servers send it as one more challenge.

// maxSalt bounds the salt a client hashes, in octets.
const maxSalt = 1024

// clientFirst is the content of a client-first message.
type clientFirst struct {
	header        string // gs2-header, as it was written
	bare          string // client-first-bare, as it was written
	user          string
	authorization string // "" for none
	nonce         string
}

// parseClientFirst reads a client-first message.
func parseClientFirst(message string) (clientFirst, error) {
	var c clientFirst
	flag, rest, ok1 := strings.Cut(message, ",")
	authorization, bare, ok2 := strings.Cut(rest, ",")
	if !ok1 || !ok2 {
		return c, errors.New("client-first: no gs2 header such as \"n,,\"")
	}
	switch {
	case strings.HasPrefix(flag, "p="):
		return c, errors.New("client-first: channel binding is not supported")
	case flag != "n" && flag != "y":
		return c, fmt.Errorf("client-first: channel binding flag %.20q, want n or y", flag)
	}
	c.header, c.bare = message[:len(message)-len(bare)], bare
	var err error
	if authorization != "" {
		name, found := strings.CutPrefix(authorization, "a=")
		if !found {
			return c, fmt.Errorf("client-first: %.40q where a=authzid belongs", authorization)
		}
		if c.authorization, err = unescapeName("authorization identity", name); err != nil {
			return c, err
		}
	}
	if strings.HasPrefix(bare, "m=") { // RFC 5802 section 5.1
		return c, errors.New("client-first: mandatory extensions are not supported")
	}
	name, rest, found := strings.Cut(bare, ",")
	user, isName := strings.CutPrefix(name, "n=")
	if !found || !isName {
		return c, errors.New("client-first: no n=user")
	}
	if c.user, err = unescapeName("user name", user); err != nil {
		return c, err
	}
	nonce, _, _ := strings.Cut(rest, ",") // extensions after it are ignored (RFC 5802 section 5.1)
	nonce, isNonce := strings.CutPrefix(nonce, "r=")
	if !isNonce {
		return c, errors.New("client-first: no r=nonce")
	}
	c.nonce = nonce
	return c, checkNonce(nonce)
}

// clientFinal is the content of a client-final message.
type clientFinal struct {
	withoutProof string // as it was written
	binding      string // the decoded gs2-header
	nonce        string
	proof        []byte
}

// parseClientFinal reads a client-final message.
func parseClientFinal(message string) (clientFinal, error) {
	var c clientFinal
	at := strings.LastIndex(message, ",p=")
	if at < 0 {
		return c, errors.New("client-final: no p=proof")
	}
	c.withoutProof = message[:at]
	proof, err := base64.StdEncoding.Strict().DecodeString(message[at+3:])
	if err != nil {
		return c, errors.New("client-final: the proof is not base64")
	}
	c.proof = proof
	binding, rest, _ := strings.Cut(c.withoutProof, ",")
	binding, isBinding := strings.CutPrefix(binding, "c=")
	if !isBinding {
		return c, errors.New("client-final: no c=channel-binding")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(binding)
	if err != nil {
		return c, errors.New("client-final: the channel binding is not base64")
	}
	c.binding = string(raw)
	nonce, _, _ := strings.Cut(rest, ",")
	nonce, isNonce := strings.CutPrefix(nonce, "r=")
	if !isNonce {
		return c, errors.New("client-final: no r=nonce")
	}
	c.nonce = nonce
	return c, nil
}

// serverFirst is the content of a server-first message.
type serverFirst struct {
	nonce      string
	salt       []byte
	iterations int
}

// parseServerFirst reads a server-first message.
func parseServerFirst(message string) (serverFirst, error) {
	var s serverFirst
	if strings.HasPrefix(message, "m=") {
		return s, errors.New("server-first: mandatory extensions are not supported")
	}
	fields := strings.Split(message, ",")
	if len(fields) < 3 || !strings.HasPrefix(fields[0], "r=") ||
		!strings.HasPrefix(fields[1], "s=") || !strings.HasPrefix(fields[2], "i=") {
		return s, errors.New("server-first: not of the form r=nonce,s=salt,i=iterations")
	}
	s.nonce = fields[0][2:]
	if err := checkNonce(s.nonce); err != nil {
		return s, err
	}
	var err error
	if s.salt, err = base64.StdEncoding.DecodeString(fields[1][2:]); err != nil {
		return s, errors.New("server-first: the salt is not base64")
	}
	if len(s.salt) == 0 || len(s.salt) > maxSalt {
		return s, fmt.Errorf("server-first: a salt of %d octets, want 1 to %d", len(s.salt), maxSalt)
	}
	digits := fields[2][2:]
	if len(digits) > 10 || strings.Trim(digits, "0123456789") != "" {
		return s, fmt.Errorf("server-first: iteration count %.40q is no number up to %d", digits, MaxIterations)
	}
	if s.iterations, err = strconv.Atoi(digits); err != nil {
		return s, fmt.Errorf("server-first: iteration count %.40q is no number", digits)
	}
	return s, checkIterations(s.iterations)
}

// checkNonce refuses what is no nonce: printable ASCII without commas (RFC 5802 section 7).
func checkNonce(nonce string) error {
	if nonce == "" {
		return errors.New("the nonce is empty")
	}
	for i := range len(nonce) {
		if c := nonce[i]; c < 0x21 || c > 0x7e || c == ',' {
			return fmt.Errorf("the nonce has the octet %#02x", c)
		}
	}
	return nil
}

// nameEscaper writes a saslname (RFC 5802 section 5.1, attribute n).
var nameEscaper = strings.NewReplacer("=", "=3D", ",", "=2C")

// unescapeName reads a saslname.
func unescapeName(what, name string) (string, error) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(name, "=")
		out.WriteString(before)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(after, "2C"):
			out.WriteByte(',')
		case strings.HasPrefix(after, "3D"):
			out.WriteByte('=')
		default:
			return "", fmt.Errorf("the %s has an \"=\" that is not followed by 2C or 3D", what)
		}
		name = after[2:]
	}
	return out.String(), checkName(what, out.String())
}
