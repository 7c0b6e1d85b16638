package sasl

import (
	"strconv"
	"strings"
	"testing"
)

// parse reads a file of users that is well-formed.
func parse(t testing.TB, text string) *Users {
	t.Helper()
	u, err := ParseUsers(strings.NewReader(text), "users", NewDecoy())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A stored verifier of RFC 7677's user accepts his password with PLAIN and with the mechanism it was made for.
func TestParseUsersVerifier(t *testing.T) {
	t.Parallel()
	u := parse(t, "# made by doveadm\n\nuser:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"+
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\r\n")
	if !u.Verify("user", "pencil") || u.Verify("user", "pen") || u.Verify("nobody", "pencil") {
		t.Error("PLAIN is not checked against the verifier")
	}
	identity, err := converse(t, ScramSHA256, ServerConfig{Credentials: u},
		ClientConfig{Username: "user", Password: "pencil"})
	if err != nil || identity != "user" {
		t.Errorf("identity %q, %v", identity, err)
	}
	if got := strings.Join(u.Mechanisms(), " "); got != "SCRAM-SHA-256 PLAIN" || u.Len() != 1 {
		t.Errorf("mechanisms %s of %d users", got, u.Len())
	}
}

// A line that Entry writes is read back and accepts the password, and only that.
func TestEntry(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{ScramSHA256, ScramSHA512} {
		line, err := Entry("alice@example.com", scheme, "pa:ss}wörd", 0)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "pa:ss") {
			t.Errorf("the line tells the password: %s", line)
		}
		u := parse(t, line+"\n")
		if !u.Verify("alice@example.com", "pa:ss}wörd") || u.Verify("alice@example.com", "password") {
			t.Errorf("%s: the line does not verify", line)
		}
		if again, _ := Entry("alice@example.com", scheme, "pa:ss}wörd", 0); again == line {
			t.Error("two lines have the same salt")
		}
	}
	for _, bad := range []struct{ user, scheme, password, want string }{
		{"a:b", ScramSHA256, "x", "no colon"}, {"", ScramSHA256, "x", "empty"}, {" a", ScramSHA256, "x", "space"},
		{"a", Plain, "x", "no SCRAM mechanism"}, {"a", ScramSHA256, "", "empty"}, {"a", ScramSHA256, "x\n", "end of line"},
	} {
		_, err := Entry(bad.user, bad.scheme, bad.password, 0)
		wantError(t, err, bad.want)
	}
	_, err := Entry("a", ScramSHA256, "x", 1)
	wantError(t, err, "outside 4096")
}

// Where users have different mechanisms, PLAIN works for all and only what all can use is announced.
func TestMixedUsers(t *testing.T) {
	t.Parallel()
	a, _ := Entry("a", ScramSHA256, "one", 0)
	b, _ := Entry("b", ScramSHA512, "two", 0)
	u := parse(t, a+"\n"+b+"\n")
	if got := strings.Join(u.Mechanisms(), " "); got != Plain {
		t.Errorf("mechanisms %s, want PLAIN", got)
	}
	if !u.Verify("a", "one") || !u.Verify("b", "two") || u.Verify("a", "two") || u.Verify("c", "one") {
		t.Error("PLAIN is not checked against either verifier")
	}
}

// Every bad line is reported with its number and what would be right, and no secret is quoted.
func TestParseUsersErrors(t *testing.T) {
	t.Parallel()
	lines := []struct{ line, want string }{
		{"nocolon-TOPSECRET", "no colon"},
		{":{PLAIN}TOPSECRET", "user name is empty"},
		{"a:TOPSECRET", "no scheme"},
		{"a:{MD5}TOPSECRET", "unknown scheme {MD5}, use {SCRAM-SHA-256}"},
		{"a:{PLAIN}", "password is empty"},
		{"a:{PLAIN}TOPSECRET\xff", "not valid UTF-8"},
		{"a\x01:{PLAIN}TOPSECRET", "control character"},
		{"a:{SCRAM-SHA-256}TOPSECRET", "1 fields"},
		{"a:{SCRAM-SHA-256}x,AAAA," + proof32 + "," + proof32, "no number"},
		{"a:{SCRAM-SHA-256}1000,AAAA," + proof32 + "," + proof32, "outside 4096"},
		{"a:{SCRAM-SHA-256}4096,," + proof32 + "," + proof32, "salt has 0 octets"},
		{"a:{SCRAM-SHA-256}4096,?," + proof32 + "," + proof32, "salt is not base64"},
		{"a:{SCRAM-SHA-512}4096,AAAA," + proof32 + "," + proof32, "32 octets, SCRAM-SHA-512 needs 64"},
		{"b:{PLAIN}fine", ""},
		{"b:{PLAIN}TOPSECRET", "has a secret for SCRAM-SHA-256 already"},
	}
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l.line + "\n")
	}
	_, err := ParseUsers(strings.NewReader(text.String()), "users", NewDecoy())
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.Split(err.Error(), "\n")
	at := 0
	for i, l := range lines {
		if l.want == "" {
			continue
		}
		prefix := "users:" + strconv.Itoa(i+1) + ": "
		if at >= len(got) || !strings.HasPrefix(got[at], prefix) || !strings.Contains(got[at], l.want) {
			t.Errorf("error %d: %q, want %s… %s", at, got[min(at, len(got)-1)], prefix, l.want)
		}
		at++
	}
	if strings.Contains(err.Error(), "TOPSECRET") {
		t.Errorf("an error tells a secret: %v", err)
	}
	_, err = ParseUsers(strings.NewReader("a:{PLAIN}"+strings.Repeat("x", maxLine)), "users", NewDecoy())
	wantError(t, err, "users:1: the line is longer than 8192 octets")
}

// The iteration count and salt size of an unknown user are those that most users have.
func TestDecoyShape(t *testing.T) {
	t.Parallel()
	const keys = "," + proof32 + "," + proof32 + "\n"
	u := parse(t, "a:{SCRAM-SHA-256}8192,AAAA"+keys+"b:{SCRAM-SHA-256}8192,AAAA"+keys+
		"c:{SCRAM-SHA-256}4096,AAAAAAAA"+keys)
	v, known := u.SCRAM(ScramSHA256, "nobody")
	if known || v.Iterations != 8192 || len(v.Salt) != 3 {
		t.Errorf("known %v, %d iterations, salt of %d octets, want 8192 and 3", known, v.Iterations, len(v.Salt))
	}
}
