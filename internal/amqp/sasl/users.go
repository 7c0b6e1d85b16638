package sasl

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLine is the longest line of a file of users, in octets.
const maxLine = 8192

// shape is how the verifiers of a mechanism look from outside.
type shape struct{ iterations, salt int }

// Users are credentials in memory. They are immutable and safe for concurrent use, and hold verifiers, no password.
type Users struct {
	verifiers  map[string]map[string]Verifier // mechanism, user
	names      map[string]bool
	mechanisms []string         // that every user can use
	checked    []string         // SCRAM mechanisms whose verifiers PLAIN is checked against
	shapes     map[string]shape // of the decoys of a mechanism
	decoy      Decoy
}

// ParseUsers reads users as text, one line for each secret of a user; name stands for the text in errors:
//
//	# comment
//	alice:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLw…
//	alice:{SCRAM-SHA-512}4096,salt,StoredKey,ServerKey
//	bob:{PLAIN}secret
//
// The user name ends at the first colon, so it contains none; it may contain @. After {SCRAM-SHA-256} and
// {SCRAM-SHA-512} come the iteration count, the salt, StoredKey and ServerKey of RFC 5802, the last three in base64:
// the form that [Entry] and Dovecot's "doveadm pw -s SCRAM-SHA-256" write. {PLAIN} is the password itself, up to the
// end of the line; two verifiers are derived from it when the text is read, which takes some milliseconds a user.
//
// A user may have one line for each scheme. A user with any line can use PLAIN; with {PLAIN} also both SCRAM
// mechanisms. Blank lines and lines that start with # are skipped. The error names every bad line, not only the first,
// and quotes no secret. Keep one decoy for all versions of a text.
func ParseUsers(r io.Reader, name string, decoy Decoy) (*Users, error) {
	u := &Users{
		verifiers: map[string]map[string]Verifier{ScramSHA256: {}, ScramSHA512: {}},
		names:     make(map[string]bool), shapes: make(map[string]shape), decoy: decoy,
	}
	var problems []error
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() {
		number++
		line := strings.TrimSuffix(lines.Text(), "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := u.add(line); err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", name, number, err))
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		problems = append(problems, fmt.Errorf("%s:%d: the line is longer than %d octets", name, number+1, maxLine))
	} else if lines.Err() != nil {
		problems = append(problems, fmt.Errorf("%s: %w", name, lines.Err()))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	u.summarize()
	return u, nil
}

// Entry returns the line of a file of users for a password, with a random salt. Scheme is SCRAM-SHA-256 or
// SCRAM-SHA-512; zero iterations mean [DefaultIterations].
func Entry(user, scheme, password string, iterations int) (string, error) {
	if iterations == 0 {
		iterations = DefaultIterations
	}
	if err := checkUser(user); err != nil {
		return "", fmt.Errorf("sasl: %w", err)
	}
	if err := checkPassword(password); err != nil {
		return "", fmt.Errorf("sasl: %w", err)
	}
	v, err := Derive(scheme, password, NewDecoy().Salt(scheme, user, saltSize), iterations)
	if err != nil {
		return "", err
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s:{%s}%d,%s,%s,%s", user, scheme, iterations, b64(v.Salt), b64(v.StoredKey),
		b64(v.ServerKey)), nil
}

// Verify implements [Credentials].
func (u *Users) Verify(user, password string) bool {
	verified := false
	for _, mechanism := range u.checked {
		v, known := u.SCRAM(mechanism, user)
		if v.matches(mechanism, password) && known {
			verified = true
		}
	}
	return verified
}

// SCRAM implements [Credentials].
func (u *Users) SCRAM(mechanism, user string) (Verifier, bool) {
	s := u.shapes[mechanism]
	decoy := u.decoy.Verifier(mechanism, user, s.iterations, s.salt)
	if v, ok := u.verifiers[mechanism][user]; ok {
		return v, true
	}
	return decoy, false
}

// Mechanisms implements [Credentials]. Without any user there is none.
func (u *Users) Mechanisms() []string { return slices.Clone(u.mechanisms) }

// Len returns the number of users.
func (u *Users) Len() int { return len(u.names) }

// add takes one line.
func (u *Users) add(line string) error {
	user, secret, found := strings.Cut(line, ":")
	if !found {
		return errors.New(`no colon: a line is user:{SCHEME}secret`)
	}
	if err := checkUser(user); err != nil {
		return err
	}
	scheme, value, found := strings.Cut(secret, "}")
	scheme, opened := strings.CutPrefix(scheme, "{")
	if !found || !opened {
		return fmt.Errorf("user %q: no scheme after the colon: a line is user:{SCHEME}secret", user)
	}
	switch scheme {
	case Plain:
		return u.addPlain(user, value)
	case ScramSHA256, ScramSHA512:
		v, err := parseVerifier(scheme, value)
		if err != nil {
			return fmt.Errorf("user %q: %w", user, err)
		}
		return u.put(scheme, user, v)
	}
	return fmt.Errorf("user %q: unknown scheme {%.40s}, use {%s}, {%s} or {%s}",
		user, scheme, ScramSHA256, ScramSHA512, Plain)
}

// addPlain derives the verifiers of a password. Salts come from the decoy, so that users of both kinds look alike and
// a salt is the same after the text was read again.
func (u *Users) addPlain(user, password string) error {
	if err := checkPassword(password); err != nil {
		return fmt.Errorf("user %q: %w", user, err)
	}
	for _, mechanism := range []string{ScramSHA256, ScramSHA512} {
		v, err := Derive(mechanism, password, u.decoy.Salt(mechanism, user, saltSize), DefaultIterations)
		if err != nil {
			return err
		}
		if err := u.put(mechanism, user, v); err != nil {
			return err
		}
	}
	return nil
}

// put stores a verifier.
func (u *Users) put(mechanism, user string, v Verifier) error {
	if _, ok := u.verifiers[mechanism][user]; ok {
		return fmt.Errorf("user %q has a secret for %s already", user, mechanism)
	}
	u.verifiers[mechanism][user] = v
	u.names[user] = true
	return nil
}

// summarize finds the mechanisms that all users can use, and the shape that most verifiers have.
func (u *Users) summarize() {
	for _, mechanism := range []string{ScramSHA512, ScramSHA256} {
		all := u.verifiers[mechanism]
		if len(all) == len(u.names) && len(all) > 0 {
			u.mechanisms = append(u.mechanisms, mechanism)
			u.checked = []string{mechanism}
		}
		counts := map[shape]int{{DefaultIterations, saltSize}: 0}
		for _, v := range all {
			counts[shape{v.Iterations, len(v.Salt)}]++
		}
		best := shape{DefaultIterations, saltSize}
		for s, n := range counts {
			if c := cmp.Or(cmp.Compare(n, counts[best]), cmp.Compare(s.iterations, best.iterations),
				cmp.Compare(s.salt, best.salt)); c > 0 {
				best = s
			}
		}
		u.shapes[mechanism] = best
	}
	if len(u.names) == 0 {
		return
	}
	u.mechanisms = append(u.mechanisms, Plain)
	if len(u.checked) == 0 { // some users have one mechanism, some the other: the time must not tell which
		u.checked = []string{ScramSHA256, ScramSHA512}
	}
}

// parseVerifier reads iterations,salt,StoredKey,ServerKey.
func parseVerifier(mechanism, value string) (Verifier, error) {
	h, _ := scramHash(mechanism)
	fields := strings.Split(value, ",")
	if len(fields) != 4 {
		return Verifier{}, fmt.Errorf("%d fields after {%s}, want 4: iterations,salt,StoredKey,ServerKey",
			len(fields), mechanism)
	}
	iterations, err := strconv.Atoi(fields[0])
	if err != nil {
		return Verifier{}, errors.New("the iteration count is no number")
	}
	if err := checkIterations(iterations); err != nil {
		return Verifier{}, err
	}
	var decoded [3][]byte
	for i, what := range []string{"salt", "StoredKey", "ServerKey"} {
		if decoded[i], err = base64.StdEncoding.DecodeString(fields[i+1]); err != nil {
			return Verifier{}, fmt.Errorf("the %s is not base64", what)
		}
		if n := len(decoded[i]); i > 0 && n != h().Size() {
			return Verifier{}, fmt.Errorf("the %s has %d octets, %s needs %d", what, n, mechanism, h().Size())
		} else if n == 0 || n > maxSalt {
			return Verifier{}, fmt.Errorf("the salt has %d octets, want 1 to %d", n, maxSalt)
		}
	}
	return Verifier{Salt: decoded[0], Iterations: iterations, StoredKey: decoded[1], ServerKey: decoded[2]}, nil
}

// checkUser refuses a name that the file cannot hold or a peer cannot send.
func checkUser(user string) error {
	if strings.Contains(user, ":") {
		return errors.New("a user name contains no colon")
	}
	if strings.TrimSpace(user) != user {
		return fmt.Errorf("user %q: space around a user name", user)
	}
	return checkName("user name", user)
}

// checkPassword refuses a password that a peer cannot send.
func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case !utf8.ValidString(password):
		return errors.New("the password is not valid UTF-8")
	case strings.ContainsAny(password, "\x00\n\r"):
		return errors.New("the password contains NUL or an end of line")
	}
	return nil
}
