package sasl

import (
	"slices"
	"strings"
	"testing"
)

// Every mechanism authenticates a client that has what it asks for, and gives its identity.
func TestConversations(t *testing.T) {
	t.Parallel()
	users := parse(t, "alice:{PLAIN}wonder land \n")
	alice := ClientConfig{Username: "alice", Password: "wonder land "}
	tests := []struct {
		mechanism string
		client    ClientConfig
		want      string
	}{
		{Anonymous, ClientConfig{}, "anonymous"},
		{Anonymous, ClientConfig{Username: "trace@example.com"}, "anonymous"},
		{Plain, alice, "alice"},
		{Plain, ClientConfig{Username: "alice", Password: "wonder land ", Authorization: "alice"}, "alice"},
		{External, ClientConfig{}, "CN=alice"},
		{External, ClientConfig{Authorization: "CN=alice"}, "CN=alice"},
		{ScramSHA256, alice, "alice"},
		{ScramSHA512, alice, "alice"},
	}
	for _, tt := range tests {
		identity, err := converse(t, tt.mechanism, ServerConfig{Credentials: users, PeerIdentity: "CN=alice"}, tt.client)
		if err != nil || identity != tt.want {
			t.Errorf("%s: identity %q, %v, want %q", tt.mechanism, identity, err, tt.want)
		}
	}
}

// A wrong password fails with every mechanism that has one.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	users := parse(t, "alice:{PLAIN}secret\n")
	for _, mechanism := range []string{Plain, ScramSHA256, ScramSHA512} {
		for _, c := range []ClientConfig{
			{Username: "alice", Password: "Secret"}, {Username: "Alice", Password: "secret"},
			{Username: "alice", Password: "secret "}, {Username: "alice", Password: "secret", Authorization: "bob"},
		} {
			identity, err := converse(t, mechanism, ServerConfig{Credentials: users}, c)
			if err == nil || identity != "" {
				t.Errorf("%s %+v: identity %q, want a failure", mechanism, c, identity)
			}
		}
	}
}

// A single message that is malformed, or claims too much, fails and says why to the log.
func TestHostileMessages(t *testing.T) {
	t.Parallel()
	users := parse(t, "alice:{PLAIN}secret\n")
	tests := map[string]struct{ mechanism, message, want string }{
		"PLAIN without NULs":          {Plain, "alice secret", "0 NULs, it needs 2"},
		"PLAIN with one NUL":          {Plain, "alice\x00secret", "1 NULs"},
		"PLAIN with a NUL too many":   {Plain, "\x00alice\x00secret\x00", "3 NULs"},
		"PLAIN of nothing":            {Plain, "", "0 NULs"},
		"PLAIN without a user":        {Plain, "\x00\x00secret", "user name is empty"},
		"PLAIN without a password":    {Plain, "\x00alice\x00", "password of \"alice\" is empty"},
		"PLAIN for somebody else":     {Plain, "bob\x00alice\x00secret", `"alice" may not act as "bob"`},
		"PLAIN not UTF-8":             {Plain, "\x00al\xffice\x00secret", "user name is not valid UTF-8"},
		"PLAIN password not UTF-8":    {Plain, "\x00alice\x00se\xffcret", "is not valid UTF-8"},
		"PLAIN with a line feed":      {Plain, "\x00alice\nroot\x00secret", "control character U+000A"},
		"PLAIN of 4,097 octets":       {Plain, "\x00alice\x00" + strings.Repeat("x", MaxMessage-6), "4097 octets"},
		"EXTERNAL for somebody else":  {External, "CN=bob", `"CN=alice" may not act as "CN=bob"`},
		"EXTERNAL with a NUL":         {External, "CN=alice\x00", "may not act as"},
		"ANONYMOUS with a long trace": {Anonymous, strings.Repeat("x", MaxMessage+1), "at most 4096"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := NewServer(tt.mechanism, ServerConfig{Credentials: users, PeerIdentity: "CN=alice"})
			if err != nil {
				t.Fatal(err)
			}
			challenge, outcome, identity := s.Step([]byte(tt.message))
			if outcome != AuthFailed || challenge != nil || identity != "" {
				t.Errorf("challenge %q, outcome %v, identity %q, want auth alone", challenge, outcome, identity)
			}
			wantError(t, s.Err(), tt.want)
			if strings.Contains(s.Err().Error(), "secret") {
				t.Errorf("the error tells the password: %v", s.Err())
			}
		})
	}
}

// A sasl-init without an initial response is asked for it once where the mechanism needs one, and is enough where AMQP
// clients expect no challenge.
func TestMissingInitialResponse(t *testing.T) {
	t.Parallel()
	users := parse(t, "alice:{PLAIN}secret\n")
	for _, mechanism := range Mechanisms() {
		s, err := NewServer(mechanism, ServerConfig{Credentials: users, PeerIdentity: "CN=alice"})
		if err != nil {
			t.Fatal(err)
		}
		challenge, outcome, _ := s.Step(nil)
		if mechanism == Anonymous || mechanism == External {
			wantOutcome(t, s, outcome, OK)
			continue
		}
		wantOutcome(t, s, outcome, Continue)
		if challenge == nil || len(challenge) != 0 {
			t.Errorf("%s: challenge %q, want an empty one", mechanism, challenge)
		}
		if _, outcome, _ = s.Step(nil); outcome != AuthFailed {
			t.Errorf("%s: outcome %v for a second silence, want auth", mechanism, outcome)
		}
	}
}

// A server starts no exchange for which it has no means, or whose mechanism it did not announce.
func TestNewServerRefuses(t *testing.T) {
	t.Parallel()
	for mechanism, want := range map[string]string{
		External: "needs a verified TLS certificate", Plain: "needs a file of users",
		ScramSHA256: "needs a file of users", ScramSHA512: "needs a file of users",
		"CRAM-MD5": "not supported", "": "not supported", "plain": "not supported",
		strings.Repeat("X", 1<<16): "not supported",
	} {
		_, err := NewServer(mechanism, ServerConfig{})
		wantError(t, err, want)
		if len(err.Error()) > 200 {
			t.Errorf("an error of %d octets for a hostile name", len(err.Error()))
		}
	}
	_, err := Accept(Anonymous, []string{External}, ServerConfig{})
	wantError(t, err, "was not announced")
	if _, err := Accept(Anonymous, []string{External, Anonymous}, ServerConfig{}); err != nil {
		t.Errorf("an announced mechanism is refused: %v", err)
	}
}

// A client needs what its mechanism proves, and refuses a server that leaves the mechanism.
func TestClientRefuses(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{Plain, ScramSHA256, ScramSHA512} {
		_, err := NewClient(mechanism, ClientConfig{Password: "x"})
		wantError(t, err, "user name is empty")
		_, err = NewClient(mechanism, ClientConfig{Username: "x"})
		wantError(t, err, "password is empty")
		_, err = NewClient(mechanism, ClientConfig{Username: strings.Repeat("x", MaxMessage), Password: "x"})
		wantError(t, err, "at most 4096")
	}
	_, err := NewClient(Plain, ClientConfig{Username: "x", Password: "a\x00b"})
	wantError(t, err, "must not contain NUL")
	_, err = NewClient("GSSAPI", ClientConfig{})
	wantError(t, err, "not supported")

	for _, mechanism := range []string{Anonymous, Plain, External} {
		c, err := NewClient(mechanism, ClientConfig{Username: "x", Password: "y"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Step(nil)
		wantError(t, err, "challenge where the mechanism has none")
	}
	c, err := NewClient(ScramSHA256, ClientConfig{Username: "x", Password: "y"})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, c.Finish(OK, nil), "before the exchange was over")
}

// The outcomes are the codes of the specification [5.3.3.6], both ways.
func TestOutcomeCodes(t *testing.T) {
	t.Parallel()
	want := map[Outcome]uint8{OK: 0, AuthFailed: 1, SysError: 2, SysPerm: 3, SysTemp: 4}
	for o, code := range want {
		if got, ok := o.Code(); got != code || !ok {
			t.Errorf("%v: code %d, %v, want %d", o, got, ok, code)
		}
		if got := OutcomeOf(code); got != o {
			t.Errorf("code %d: %v, want %v", code, got, o)
		}
	}
	if _, ok := Continue.Code(); ok {
		t.Error("continue has a code")
	}
	if got := OutcomeOf(5); got != SysError {
		t.Errorf("code 5: %v, want sys", got)
	}
}

// A listener announces what can succeed, the strongest first.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	both := parse(t, "alice:{PLAIN}secret\n")
	tests := []struct {
		why   string
		offer Offer
		want  string
	}{
		{"nothing configured", Offer{}, "ANONYMOUS"},
		{"users", Offer{Credentials: both}, "SCRAM-SHA-512 SCRAM-SHA-256 PLAIN ANONYMOUS"},
		{"no users in the file", Offer{Credentials: parse(t, "")}, "ANONYMOUS"},
		{"authenticatePeer", Offer{Credentials: both, Authenticate: true}, "SCRAM-SHA-512 SCRAM-SHA-256 PLAIN"},
		{"a certificate", Offer{PeerCertificate: true}, "EXTERNAL ANONYMOUS"},
		{"a choice", Offer{Credentials: both, Mechanisms: "PLAIN EXTERNAL"}, "PLAIN"},
		{"a choice in lower case", Offer{PeerCertificate: true, Mechanisms: "plain,external"}, "EXTERNAL"},
		{"only unknown ones", Offer{Mechanisms: "DIGEST-MD5"}, ""},
		{"nothing possible", Offer{Authenticate: true}, ""},
	}
	for _, tt := range tests {
		if got := strings.Join(Announce(tt.offer), " "); got != tt.want {
			t.Errorf("%s: announces %q, want %q", tt.why, got, tt.want)
		}
	}
}

// A client takes the strongest mechanism it can, and says why it can take none.
func TestChoose(t *testing.T) {
	t.Parallel()
	all := []string{Anonymous, Plain, "GSSAPI", ScramSHA256, ScramSHA512, External}
	everything := Possessions{Certificate: true, Password: true}
	tests := []struct {
		offered, allowed []string
		have             Possessions
		want, fault      string
	}{
		{all, nil, everything, External, ""},
		{all, nil, Possessions{Password: true}, ScramSHA512, ""},
		{[]string{Plain, ScramSHA256}, nil, everything, ScramSHA256, ""},
		{[]string{Anonymous, Plain}, nil, everything, Plain, ""},
		{all, []string{Plain}, everything, Plain, ""},
		{all, nil, Possessions{}, Anonymous, ""},
		{[]string{"GSSAPI"}, nil, everything, "", `"GSSAPI" is not supported`},
		{[]string{External}, nil, Possessions{}, "", "needs a TLS client certificate"},
		{[]string{Plain}, nil, Possessions{}, "", "needs saslUsername"},
		{[]string{Anonymous}, []string{Plain, External}, everything, "", "not among saslMechanisms PLAIN EXTERNAL"},
		{nil, nil, everything, "", "offers no mechanism"},
		{slices.Repeat([]string{strings.Repeat("Z", 1000)}, 1000), nil, everything, "", "992 more"},
	}
	for _, tt := range tests {
		got, err := Choose(tt.offered, tt.allowed, tt.have)
		if got != tt.want {
			t.Errorf("of %.100q: %q, want %q (%v)", tt.offered, got, tt.want, err)
		}
		if tt.fault != "" {
			wantError(t, err, tt.fault)
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d octets", len(err.Error()))
			}
		}
	}
}
