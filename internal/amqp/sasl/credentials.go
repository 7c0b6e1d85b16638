package sasl

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
)

// The bounds of the PBKDF2 iteration count of SCRAM. RFC 7677 section 4 asks for at least 4,096. A server that demands
// more than a million wants to burn the client's processor.
const (
	MinIterations     = 4096
	MaxIterations     = 1_000_000
	DefaultIterations = 4096
)

const saltSize = 16 // octets of a salt that is made here

// Credentials are the users that a [Server] checks PLAIN and SCRAM against. Implementations are safe for concurrent
// use and must not tell, by time or by content, whether a user exists.
type Credentials interface {
	// Verify reports whether the password is that of the user. It may take milliseconds.
	Verify(user, password string) bool
	// SCRAM returns what is stored about a user for a SCRAM mechanism. For a user that does not exist, or cannot use the
	// mechanism, known is false and the verifier is a decoy: always the same one for that name. [Decoy] makes them.
	SCRAM(mechanism, user string) (v Verifier, known bool)
	// Mechanisms returns those of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 that every user can use.
	Mechanisms() []string
}

// Verifier is what a server stores instead of a password for SCRAM (RFC 5802 section 3). Whoever has it cannot log in,
// but can pose as the server and guess passwords.
type Verifier struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// Derive computes the verifier of a password (RFC 5802 section 3). The time it takes is proportional to iterations. It
// fails for a mechanism that is not SCRAM, an empty salt, or iterations outside [MinIterations] to [MaxIterations].
func Derive(mechanism, password string, salt []byte, iterations int) (Verifier, error) {
	h, ok := scramHash(mechanism)
	if !ok {
		return Verifier{}, fmt.Errorf("sasl: %q is no SCRAM mechanism, use %s or %s",
			mechanism, ScramSHA256, ScramSHA512)
	}
	if err := checkIterations(iterations); err != nil {
		return Verifier{}, err
	}
	if len(salt) == 0 {
		return Verifier{}, fmt.Errorf("sasl: %s needs a salt", mechanism)
	}
	salted, err := saltedPassword(h, password, salt, iterations)
	if err != nil {
		return Verifier{}, err
	}
	clientKey := mac(h, salted, "Client Key")
	return Verifier{
		Salt: salt, Iterations: iterations,
		StoredKey: digest(h, clientKey), ServerKey: mac(h, salted, "Server Key"),
	}, nil
}

// matches reports in constant time whether the password is the one a verifier was derived from.
func (v Verifier) matches(mechanism, password string) bool {
	other, err := Derive(mechanism, password, v.Salt, v.Iterations)
	return err == nil && hmac.Equal(other.StoredKey, v.StoredKey)
}

// Decoy makes up verifiers for users that do not exist, so that SCRAM goes as far with them as with others: the same
// name always meets the same salt. The zero value is not usable.
type Decoy struct{ key [32]byte }

// NewDecoy returns a Decoy with a key of its own. The salts it makes up stay the same as long as it is kept.
func NewDecoy() Decoy {
	var d Decoy
	_, _ = rand.Read(d.key[:]) // never fails
	return d
}

// Salt returns size octets for a user name.
func (d Decoy) Salt(mechanism, user string, size int) []byte {
	var out []byte
	for block := byte(0); len(out) < size; block++ {
		m := hmac.New(sha256.New, d.key[:])
		m.Write([]byte{block})
		m.Write([]byte(mechanism))
		m.Write([]byte{0})
		m.Write([]byte(user))
		out = m.Sum(out)
	}
	return out[:size:size]
}

// Verifier returns a verifier that no password matches.
func (d Decoy) Verifier(mechanism, user string, iterations, size int) Verifier {
	n := sha256.Size
	if h, ok := scramHash(mechanism); ok {
		n = h().Size()
	}
	return Verifier{
		Salt: d.Salt(mechanism, user, size), Iterations: iterations,
		StoredKey: d.Salt(mechanism+" stored", user, n), ServerKey: d.Salt(mechanism+" server", user, n),
	}
}

// scramHash returns the hash function of a SCRAM mechanism.
func scramHash(mechanism string) (h func() hash.Hash, ok bool) {
	switch mechanism {
	case ScramSHA256:
		return sha256.New, true
	case ScramSHA512:
		return sha512.New, true
	}
	return nil, false
}

// checkIterations holds an iteration count against the bounds.
func checkIterations(n int) error {
	if n < MinIterations || n > MaxIterations {
		return fmt.Errorf("sasl: iteration count %d is outside %d to %d", n, MinIterations, MaxIterations)
	}
	return nil
}

// saltedPassword is Hi(password, salt, i) of RFC 5802 section 2.2.
func saltedPassword(h func() hash.Hash, password string, salt []byte, iterations int) ([]byte, error) {
	key, err := pbkdf2.Key(h, password, salt, iterations, h().Size())
	if err != nil {
		return nil, fmt.Errorf("sasl: PBKDF2: %w", err)
	}
	return key, nil
}

// mac is HMAC(key, text).
func mac(h func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// digest is H(data).
func digest(h func() hash.Hash, data []byte) []byte {
	d := h()
	d.Write(data)
	return d.Sum(nil)
}
