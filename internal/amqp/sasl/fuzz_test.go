package sasl

import (
	"bytes"
	"strings"
	"testing"
)

// No sequence of responses authenticates somebody without the secret, ends in a panic, or goes on for ever.
func FuzzServer(f *testing.F) {
	for i := range mechanisms {
		for _, seed := range []string{
			"", "\x00bob\x00x", "n,,n=bob,r=abc|c=biws,r=abcdef,p=" + proof32, "y,a=b,n==2C,r=x|p=",
		} {
			f.Add(uint8(i), []byte(seed))
		}
	}
	users := parse(f, "bob:{PLAIN}"+newNonce()+"\n")
	f.Fuzz(func(t *testing.T, which uint8, script []byte) {
		mechanism := mechanisms[int(which)%len(mechanisms)]
		s, err := NewServer(mechanism, ServerConfig{Credentials: users, PeerIdentity: "CN=bob", Nonce: fixed("def")})
		if err != nil {
			t.Fatal(err)
		}
		steps := 0
		for _, message := range append(bytes.Split(script, []byte("|")), nil, nil, nil) {
			challenge, outcome, identity := s.Step(message)
			steps++
			switch outcome {
			case OK:
				if mechanism != Anonymous && mechanism != External {
					t.Fatalf("%s authenticated %q with %q", mechanism, identity, script)
				}
			case AuthFailed:
				if challenge != nil || identity != "" || s.Err() == nil {
					t.Fatalf("a failure with challenge %q, identity %q, error %v", challenge, identity, s.Err())
				}
			case Continue:
				if steps > 3 {
					t.Fatalf("%s goes on after %d steps", mechanism, steps)
				}
			default:
				t.Fatalf("outcome %v", outcome)
			}
		}
	})
}

// No challenge makes a client panic, or accept a server that does not know the password.
func FuzzClient(f *testing.F) {
	const nonce = "rOprNGfwEbeRWgbNEkqO"
	f.Add([]byte("r="+nonce+"x,s=AAAA,i=4096"), []byte("v=AAAA"))
	f.Add([]byte("e=other-error"), []byte(nil))
	f.Add([]byte("r="+nonce+"x,s=AAAA,i=999999999"), []byte("v="))
	password := newNonce()
	f.Fuzz(func(t *testing.T, challenge, final []byte) {
		if bytes.Contains(challenge, []byte(",i=")) && !bytes.Contains(challenge, []byte(",i=4")) {
			return // hashing a million times is allowed and slow
		}
		for _, asChallenge := range []bool{false, true} {
			c, err := NewClient(ScramSHA256, ClientConfig{Username: "bob", Password: password, Nonce: fixed(nonce)})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = c.Step(challenge)
			if asChallenge {
				_, _ = c.Step(final)
				final = nil
			}
			if c.Finish(OK, final) == nil {
				t.Fatalf("the client trusts %q, %q", challenge, final)
			}
		}
	})
}

// No text makes the parser panic, and what it accepts has users that can be asked for.
func FuzzParseUsers(f *testing.F) {
	f.Add("a:{PLAIN}b\n# c\n")
	f.Add("user:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==," + proof32 + "," + proof32)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "{PLAIN}") > 2 {
			return // each costs milliseconds
		}
		u, err := ParseUsers(strings.NewReader(text), "users", Decoy{})
		if err != nil {
			return
		}
		if (u.Len() == 0) != (len(u.Mechanisms()) == 0) {
			t.Fatalf("%d users, mechanisms %q", u.Len(), u.Mechanisms())
		}
		for name := range u.names {
			if checkName("user name", name) != nil || strings.Contains(name, ":") {
				t.Fatalf("accepted the user name %q", name)
			}
		}
	})
}
