package sasl

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// anonymousIdentity is the user that ANONYMOUS makes of everybody, as in Interconnect.
const anonymousIdentity = "anonymous"

// maxTrace is the longest trace of ANONYMOUS in characters (RFC 4505 section 2).
const maxTrace = 255

// anonymousServer is the server of ANONYMOUS (RFC 4505): one message, whose content is a trace that proves nothing.
type anonymousServer struct{}

// step accepts everybody. The initial response may be missing: early AMQP clients send none and expect no challenge.
func (anonymousServer) step([]byte) ([]byte, bool, string, error) {
	return nil, true, anonymousIdentity, nil
}

// anonymousInitial is the trace a client sends.
func anonymousInitial(username string) []byte {
	if username == "" || utf8.RuneCountInString(username) > maxTrace {
		username = anonymousIdentity
	}
	return []byte(username)
}

// externalServer is the server of EXTERNAL (RFC 4422 appendix A): the peer was authenticated by TLS.
type externalServer struct{ identity string }

// step accepts the identity that TLS proved. The response is the user to act as; as nobody may act for others, it is
// empty or the identity itself. A missing initial response counts as empty: AMQP clients do not expect a challenge.
func (e externalServer) step(response []byte) ([]byte, bool, string, error) {
	if len(response) > 0 && string(response) != e.identity {
		return nil, false, "", fmt.Errorf("%.100q may not act as %.100q", e.identity, response)
	}
	return nil, true, e.identity, nil
}

// plainServer is the server of PLAIN (RFC 4616).
type plainServer struct {
	credentials Credentials
	asked       bool // an empty challenge asked for the message that sasl-init lacked
}

// step takes authzid NUL authcid NUL password.
func (p *plainServer) step(response []byte) ([]byte, bool, string, error) {
	if response == nil && !p.asked {
		p.asked = true // RFC 4422 section 3: without an initial response the server asks with an empty challenge
		return []byte{}, false, "", nil
	}
	fields := bytes.Split(response, []byte{0})
	if len(fields) != 3 {
		return nil, false, "", fmt.Errorf("the message has %d NULs, it needs 2: [authzid] NUL user NUL password",
			len(fields)-1)
	}
	authorization, user, password := string(fields[0]), string(fields[1]), string(fields[2])
	if err := checkName("user name", user); err != nil {
		return nil, false, "", err
	}
	switch {
	case authorization != "" && authorization != user:
		return nil, false, "", fmt.Errorf("%.100q may not act as %.100q", user, authorization)
	case password == "":
		return nil, false, "", fmt.Errorf("the password of %.100q is empty", user)
	case !utf8.ValidString(password):
		return nil, false, "", fmt.Errorf("the password of %.100q is not valid UTF-8", user)
	case !p.credentials.Verify(user, password):
		return nil, false, "", fmt.Errorf("no user %.100q with this password", user)
	}
	return nil, true, user, nil
}

// plainInitial is the message of a client of PLAIN.
func plainInitial(cfg ClientConfig) ([]byte, error) {
	message := []byte(cfg.Authorization + "\x00" + cfg.Username + "\x00" + cfg.Password)
	if bytes.Count(message, []byte{0}) != 2 {
		return nil, errors.New("user name and password must not contain NUL")
	}
	return message, checkSize(message)
}
