package sasl

import (
	"encoding/base64"
	"strings"
	"testing"
)

// vector is one published SCRAM exchange with user "user" and password "pencil".
type vector struct {
	mechanism, clientNonce, serverNonce, salt string
	final, signature                          string
}

// vectors are from RFC 7677 section 3 and draft-melnikov-scram-sha-512 section 3.
var vectors = []vector{
	{
		mechanism: ScramSHA256, clientNonce: "rOprNGfwEbeRWgbNEkqO", serverNonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		salt:      "W22ZaJ0SNY7soEsUEjb6gQ==",
		final:     "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		signature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	},
	{
		mechanism: ScramSHA512, clientNonce: "rOprNGfwEbeRWgbNEkqO",
		serverNonce: "02431b08-2f89-4bad-a4e6-80c0564ec865",
		salt:        "Yin2FuHTt/M0kJWb0t9OI32n2VmOGi3m+JfjOvuDF88=",
		final:       "Hc5yec3NmCD7t+kFRw4/3yD6/F3SQHc7AVYschRja+Bc3sbdjlA0eH1OjJc0DD4ghn1tnXN5/Wr6qm9xmaHt4A==",
		signature:   "BQuhnKHqYDwQWS5jAw4sZed+C9KFUALsbrq81bB0mh+bcUUbbMPNNmBIupnS2AmyyDnG5CTBQtkjJ9kyY4kzmw==",
	},
}

// one is credentials of one user of one mechanism.
type one struct {
	mechanism, user string
	verifier        Verifier
	decoy           Decoy
}

func (o one) Verify(user, password string) bool {
	return user == o.user && o.verifier.matches(o.mechanism, password)
}

func (o one) SCRAM(mechanism, user string) (Verifier, bool) {
	if mechanism == o.mechanism && user == o.user {
		return o.verifier, true
	}
	return o.decoy.Verifier(mechanism, user, DefaultIterations, saltSize), false
}

func (o one) Mechanisms() []string { return []string{o.mechanism, Plain} }

// pencil returns credentials of the user of the vectors.
func pencil(t testing.TB, v vector) one {
	t.Helper()
	salt, err := base64.StdEncoding.DecodeString(v.salt)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := Derive(v.mechanism, "pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	return one{mechanism: v.mechanism, user: "user", verifier: verifier, decoy: NewDecoy()}
}

// fixed returns a source of one nonce.
func fixed(nonce string) func() string { return func() string { return nonce } }

// The published exchanges come out octet by octet, on both sides.
func TestScramVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors {
		t.Run(v.mechanism, func(t *testing.T) {
			t.Parallel()
			server, err := NewServer(v.mechanism, ServerConfig{Credentials: pencil(t, v), Nonce: fixed(v.serverNonce)})
			if err != nil {
				t.Fatal(err)
			}
			client, err := NewClient(v.mechanism,
				ClientConfig{Username: "user", Password: "pencil", Nonce: fixed(v.clientNonce)})
			if err != nil {
				t.Fatal(err)
			}
			wantText(t, "client-first", client.Start(), "n,,n=user,r="+v.clientNonce)
			challenge, outcome, _ := server.Step(client.Start())
			wantOutcome(t, server, outcome, Continue)
			nonce := v.clientNonce + v.serverNonce
			wantText(t, "server-first", challenge, "r="+nonce+",s="+v.salt+",i=4096")
			response, err := client.Step(challenge)
			if err != nil {
				t.Fatal(err)
			}
			wantText(t, "client-final", response, "c=biws,r="+nonce+",p="+v.final)
			challenge, outcome, identity := server.Step(response)
			wantOutcome(t, server, outcome, OK)
			wantText(t, "server-final", challenge, "v="+v.signature)
			if identity != "user" {
				t.Errorf("identity %q, want user", identity)
			}
			if err := client.Finish(OK, challenge); err != nil {
				t.Errorf("the client refuses the server's signature: %v", err)
			}
		})
	}
}

func wantText(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if string(got) != want {
		t.Errorf("%s\n got %s\nwant %s", what, got, want)
	}
}

func wantOutcome(t *testing.T, s *Server, got, want Outcome) {
	t.Helper()
	if got != want {
		t.Fatalf("outcome %v, want %v; error %v", got, want, s.Err())
	}
}

// A client verifies a server-final that comes as a challenge as well as one in the outcome.
func TestScramServerFinalAsChallenge(t *testing.T) {
	t.Parallel()
	v := vectors[0]
	client := afterServerFirst(t, v)
	response, err := client.Step([]byte("v=" + v.signature))
	if err != nil || response == nil || len(response) != 0 {
		t.Fatalf("got %q, %v, want an empty response", response, err)
	}
	if err := client.Finish(OK, nil); err != nil {
		t.Errorf("finish: %v", err)
	}
}

// afterServerFirst returns the client of a vector that has sent client-final.
func afterServerFirst(t *testing.T, v vector) *Client {
	t.Helper()
	client, err := NewClient(v.mechanism,
		ClientConfig{Username: "user", Password: "pencil", Nonce: fixed(v.clientNonce)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Step([]byte("r=" + v.clientNonce + v.serverNonce + ",s=" + v.salt + ",i=4096"))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// A client trusts no server that does not prove that it knows the password.
func TestScramClientRefusesServerFinal(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		outcome    Outcome
		additional string
		want       string
	}{
		"ok without a signature":  {OK, "", "no v=signature"},
		"a wrong signature":       {OK, "v=AAAA", "does not know the password"},
		"an empty signature":      {OK, "v=", "does not know the password"},
		"a signature not base64":  {OK, "v=%%%%", "no v=signature"},
		"an error":                {OK, "e=invalid-proof", "invalid-proof"},
		"refused":                 {AuthFailed, "", "outcome auth"},
		"an over-long signature":  {OK, "v=" + strings.Repeat("A", MaxMessage), "at most 4096"},
		"a failure of the server": {SysTemp, "v=" + vectors[0].signature, "outcome sys-temp"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantError(t, afterServerFirst(t, vectors[0]).Finish(tt.outcome, []byte(tt.additional)), tt.want)
		})
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

// A client refuses a hostile or malformed server-first before it hashes anything, and stays refused.
func TestScramClientRefusesServerFirst(t *testing.T) {
	t.Parallel()
	const nonce = "rOprNGfwEbeRWgbNEkqO"
	tests := map[string]struct{ challenge, want string }{
		"an iteration bomb":       {"r=" + nonce + "x,s=AAAA,i=1000001", "outside 4096 to 1000000"},
		"a larger bomb":           {"r=" + nonce + "x,s=AAAA,i=99999999999999999999", "no number"},
		"a negative count":        {"r=" + nonce + "x,s=AAAA,i=-4096", "no number"},
		"too few iterations":      {"r=" + nonce + "x,s=AAAA,i=1", "outside 4096"},
		"no count":                {"r=" + nonce + "x,s=AAAA,i=", "no number"},
		"a nonce not ours":        {"r=abcdefghijklmnopqrstuvwxyz,s=AAAA,i=4096", "does not continue"},
		"a nonce without theirs":  {"r=" + nonce + ",s=AAAA,i=4096", "does not continue"},
		"an unprintable nonce":    {"r=" + nonce + "\x01,s=AAAA,i=4096", "octet 0x01"},
		"no salt":                 {"r=" + nonce + "x,s=,i=4096", "salt of 0 octets"},
		"a salt not base64":       {"r=" + nonce + "x,s=*,i=4096", "not base64"},
		"a salt of 3 KiB":         {"r=" + nonce + "x,s=" + strings.Repeat("A", 3072) + ",i=4096", "salt of 2304"},
		"an unknown must":         {"m=foo,r=" + nonce + "x,s=AAAA,i=4096", "mandatory extensions"},
		"an early error":          {"e=other-error", "not of the form"},
		"nothing":                 {"", "not of the form"},
		"more than 4 KiB of text": {"r=" + nonce + strings.Repeat("x", MaxMessage), "at most 4096"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := NewClient(ScramSHA256, ClientConfig{Username: "user", Password: "pencil", Nonce: fixed(nonce)})
			if err != nil {
				t.Fatal(err)
			}
			response, err := c.Step([]byte(tt.challenge))
			wantError(t, err, tt.want)
			if response != nil {
				t.Errorf("response %q, want none", response)
			}
			if c.Finish(OK, nil) == nil {
				t.Error("a failed exchange finished well")
			}
		})
	}
}

// A server answers every malformed or wrong client message with a failure that says why to the log only.
func TestScramServerRefuses(t *testing.T) {
	t.Parallel()
	const first = "n,,n=user,r=abc"
	tests := map[string]struct{ first, final, want string }{
		"nothing":                       {"", "", "no gs2 header"},
		"channel binding":               {"p=tls-unique,,n=user,r=abc", "", "channel binding is not supported"},
		"an unknown flag":               {"x,,n=user,r=abc", "", `flag "x"`},
		"a mandatory extension":         {"n,,m=ext,n=user,r=abc", "", "mandatory extensions"},
		"no user":                       {"n,,r=abc", "", "no n=user"},
		"an empty user":                 {"n,,n=,r=abc", "", "user name is empty"},
		"a bad escape":                  {"n,,n=a=b,r=abc", "", "not followed by 2C or 3D"},
		"a user with NUL":               {"n,,n=a\x00b,r=abc", "", "control character"},
		"a user that is not UTF-8":      {"n,,n=a\xff,r=abc", "", "not valid UTF-8"},
		"no nonce":                      {"n,,n=user", "", "no n=user"},
		"an empty nonce":                {"n,,n=user,r=", "", "nonce is empty"},
		"a nonce with a control":        {"n,,n=user,r=\x7f", "", "octet 0x7f"},
		"an authzid without a=":         {"n,root,n=user,r=abc", "", "a=authzid belongs"},
		"acting as somebody else":       {"n,a=root,n=user,r=abc", "", `"user" may not act as "root"`},
		"over-long":                     {first + strings.Repeat("x", MaxMessage), "", "at most 4096"},
		"no proof":                      {first, "c=biws,r=abcdef", "no p=proof"},
		"a proof not base64":            {first, "c=biws,r=abcdef,p=!", "proof is not base64"},
		"a short proof":                 {first, "c=biws,r=abcdef,p=AAAA", "a proof of 3 octets, want 32"},
		"somebody else's nonce":         {first, "c=biws,r=abcxyz,p=AAAA", "nonce is not the one"},
		"no nonce in the end":           {first, "c=biws,p=AAAA", "no r=nonce"},
		"another header":                {first, "c=eSws,r=abcdef,p=AAAA", "not the one of client-first"},
		"no channel binding":            {first, "r=abcdef,p=AAAA", "no c=channel-binding"},
		"a channel binding not base64":  {first, "c=?,r=abcdef,p=AAAA", "binding is not base64"},
		"a wrong proof":                 {first, "c=biws,r=abcdef,p=" + proof32, "wrong password"},
		"a wrong proof, unknown user":   {"n,,n=mallory,r=abc", "c=biws,r=abcdef,p=" + proof32, `no user "mallory"`},
		"an empty response at the end":  {first, "", "no p=proof"},
		"client-first again at the end": {first, first, "no p=proof"},
	}
	credentials := pencil(t, vectors[0])
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := NewServer(ScramSHA256, ServerConfig{Credentials: credentials, Nonce: fixed("def")})
			if err != nil {
				t.Fatal(err)
			}
			challenge, outcome, identity := s.Step([]byte(tt.first))
			if outcome == Continue {
				challenge, outcome, identity = s.Step([]byte(tt.final))
			}
			if outcome != AuthFailed || identity != "" || challenge != nil {
				t.Errorf("outcome %v, identity %q, challenge %q: want auth and nothing else", outcome, identity, challenge)
			}
			wantError(t, s.Err(), tt.want)
			if _, outcome, _ = s.Step([]byte(first)); outcome != AuthFailed {
				t.Errorf("a step after the end: %v, want auth", outcome)
			}
		})
	}
}

// proof32 is a proof of the right size.
const proof32 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// Names with commas, equal signs and other scripts, and an authorization identity, survive the escaping both ways.
func TestScramNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a,b", "a=b", "=2C", "=,=,", "jürgen@例え.example"} {
		verifier, err := Derive(ScramSHA512, "pa,ss=word", []byte("0123456789abcdef"), MinIterations)
		if err != nil {
			t.Fatal(err)
		}
		users := one{mechanism: ScramSHA512, user: name, verifier: verifier}
		for _, authorization := range []string{"", name} {
			identity, err := converse(t, ScramSHA512, ServerConfig{Credentials: users},
				ClientConfig{Username: name, Password: "pa,ss=word", Authorization: authorization})
			if err != nil || identity != name {
				t.Errorf("%q as %q: identity %q, %v", name, authorization, identity, err)
			}
		}
	}
}

// converse lets a client and a server speak to each other and returns the identity.
func converse(t *testing.T, mechanism string, sc ServerConfig, cc ClientConfig) (string, error) {
	t.Helper()
	client, err := NewClient(mechanism, cc)
	if err != nil {
		return "", err
	}
	server, err := NewServer(mechanism, sc)
	if err != nil {
		return "", err
	}
	message := client.Start()
	for range 4 {
		challenge, outcome, identity := server.Step(message)
		if outcome != Continue {
			if err := client.Finish(outcome, challenge); err != nil {
				return "", err
			}
			return identity, server.Err()
		}
		if message, err = client.Step(challenge); err != nil {
			return "", err
		}
	}
	t.Fatal("the exchange does not end")
	return "", nil
}

// To a client that does not know the password, a user that does not exist looks like one that does: the same form of
// server-first, the same salt each time, and a refusal at the same step.
func TestScramUnknownUserLooksKnown(t *testing.T) {
	t.Parallel()
	users := parse(t, "user:{SCRAM-SHA-256}5000,W22ZaJ0SNY7soEsUEjb6gQ==,"+proof32+","+proof32+"\nbob:{PLAIN}secret\n")
	ask := func(user string) string {
		s, err := NewServer(ScramSHA256, ServerConfig{Credentials: users, Nonce: fixed("def")})
		if err != nil {
			t.Fatal(err)
		}
		challenge, outcome, _ := s.Step([]byte("n,,n=" + user + ",r=abc"))
		wantOutcome(t, s, outcome, Continue)
		if _, outcome, _ := s.Step([]byte("c=biws,r=abcdef,p=" + proof32)); outcome != AuthFailed {
			t.Errorf("%s: outcome %v, want auth", user, outcome)
		}
		return string(challenge)
	}
	mallory := ask("mallory")
	if again := ask("mallory"); again != mallory {
		t.Errorf("the salt of an unknown user changes:\n%s\n%s", mallory, again)
	}
	if other := ask("eve"); other == mallory {
		t.Errorf("two unknown users have the same salt: %s", other)
	}
	for _, known := range []string{"user", "bob"} {
		if got := ask(known); len(got) != len(mallory) {
			t.Errorf("%s is told from an unknown user by its server-first:\n%s\n%s", known, got, mallory)
		}
	}
}
