package membership

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStepsOfARotationAreDoneOnce: each is kept in the file, and doing it again changes nothing.
func TestStepsOfARotationAreDoneOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring")
	k, err := CreateKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CreateKeyring(path); err == nil {
		t.Error("a keyring is made over another one")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(text))
	old, next := lines[len(lines)-1], GenerateKey()
	oldName, _ := Fingerprint(old)
	nextName, _ := Fingerprint(next)
	want := func(what string, err error, infos ...KeyInfo) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		again, err := LoadKeyring(path)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !slices.Equal(k.Keys(), infos) || !slices.Equal(again.Keys(), infos) {
			t.Fatalf("%s: keys are %v, in the file %v, want %v", what, k.Keys(), again.Keys(), infos)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: the mode is %v, %v", what, info.Mode(), err)
		}
	}
	want("at first", nil, KeyInfo{oldName, true})
	for range 2 {
		want("added", k.Add(next), KeyInfo{oldName, true}, KeyInfo{nextName, false})
	}
	if err := k.Remove(old); err == nil {
		t.Error("the key in use is removed")
	}
	for range 2 {
		want("used", k.Use(next), KeyInfo{nextName, true}, KeyInfo{oldName, false})
	}
	for range 2 {
		want("removed", k.Remove(old), KeyInfo{nextName, true})
	}
	if err := k.Use(old); err == nil || !strings.Contains(err.Error(), oldName) || strings.Contains(err.Error(), old) {
		t.Errorf("using a key that is not there: %v", err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || left != nil {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// TestAnotherProcessMayChangeTheKeyring: a change takes what is in the file now, and Reload brings it.
func TestAnotherProcessMayChangeTheKeyring(t *testing.T) {
	t.Parallel()
	first, second, third := GenerateKey(), GenerateKey(), GenerateKey()
	k := keyring(t, first)
	other, err := LoadKeyring(k.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Add(second); err != nil {
		t.Fatal(err)
	}
	if err := k.Add(third); err != nil {
		t.Fatal(err)
	}
	if err := other.Reload(); err != nil {
		t.Fatal(err)
	}
	if len(k.Keys()) != 3 || !slices.Equal(k.Keys(), other.Keys()) {
		t.Errorf("keys are %v and %v", k.Keys(), other.Keys())
	}
	if err := os.Remove(k.path); err != nil {
		t.Fatal(err)
	}
	if err := k.Reload(); err == nil || len(k.Keys()) != 3 {
		t.Errorf("without a file: %v, keys %v", err, k.Keys())
	}
}

// TestAnUnsafeOrWrongKeyringIsRefused, and the error does not repeat a key.
func TestAnUnsafeOrWrongKeyringIsRefused(t *testing.T) {
	t.Parallel()
	good := GenerateKey()
	for what, tt := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"readable for the group": {good, 0o640, "use chmod 600"},
		"readable for others":    {good, 0o604, "mode 0604"},
		"writable for others":    {good, 0o602, "use chmod 600"},
		"empty":                  {"# nothing\n", 0o600, "has no key"},
		"a short key":            {good + "\nc2hvcnQ=", 0o600, "line 2: a key must be 32 octets"},
		"no base64":              {good[1:], 0o600, "line 1: a key must be"},
		"too many": {strings.Join([]string{GenerateKey(), GenerateKey(), GenerateKey(), GenerateKey(), GenerateKey(),
			GenerateKey(), GenerateKey(), GenerateKey(), good}, "\n"), 0o600, "at most 8"},
		"too long": {strings.Repeat("#", maxKeyFile) + "\n" + good, 0o600, "more than"},
	} {
		path := filepath.Join(t.TempDir(), "keyring")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKeyring(path)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), good[1:]) {
			t.Errorf("%s: the error is %v, want %q in it", what, err, tt.want)
		}
	}
	if _, err := LoadKeyring(t.TempDir()); err == nil {
		t.Error("a directory is a keyring")
	}
	if _, err := LoadKeyring(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("nothing is a keyring")
	}
	k := keyring(t, good)
	if err := k.Add("nonsense"); err == nil {
		t.Error("nonsense is a key")
	}
}

// TestWhatIsSealedIsOpenedByTheSameMeshOnly, and not when a single octet is changed.
func TestWhatIsSealedIsOpenedByTheSameMeshOnly(t *testing.T) {
	t.Parallel()
	e := envelopes{"test", keyring(t, GenerateKey())}
	packed := e.pack(nil, kindPacket, []byte("hello"))
	if got, err := e.unpack(kindPacket, packed); err != nil || string(got) != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
	if len(packed) != 5+envelopeOctets("test") {
		t.Errorf("an envelope takes %d octets, not %d", len(packed)-5, envelopeOctets("test"))
	}
	for i := range packed {
		packed[i] ^= 1
		if _, err := e.unpack(kindPacket, packed); err == nil {
			t.Errorf("octet %d may be changed", i)
		}
		packed[i] ^= 1
	}
	if _, err := e.unpack(kindStream, packed); err == nil {
		t.Error("a packet is taken for a stream")
	}
	for i := range packed {
		if _, err := e.unpack(kindPacket, packed[:i]); err == nil {
			t.Errorf("%d octets are enough", i)
		}
	}
}

// TestAKeyIsFoundByTheBeginningOfItsFingerprint: when there is one such key.
func TestAKeyIsFoundByTheBeginningOfItsFingerprint(t *testing.T) {
	t.Parallel()
	k, err := CreateKeyring(filepath.Join(t.TempDir(), "ring"))
	if err != nil {
		t.Fatal(err)
	}
	key := GenerateKey()
	if err := k.Add(key); err != nil {
		t.Fatal(err)
	}
	fingerprint, err := Fingerprint(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Named(strings.ToUpper(fingerprint), k.Use); err != nil {
		t.Fatal(err)
	}
	if keys := k.Keys(); keys[0].Fingerprint != fingerprint {
		t.Errorf("the keys are %v, want %s in use", keys, fingerprint)
	}
	for _, wrong := range []string{"", "no"} {
		if err := k.Named(wrong, k.Use); err == nil {
			t.Errorf("a key is found by %q", wrong)
		}
	}
}
