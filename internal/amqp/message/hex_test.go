package message

import (
	"encoding/hex"
	"strings"
	"testing"
)

// unhex decodes hexadecimal text with blanks and with 'quoted' ASCII text in it.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var out []byte
	for k, part := range strings.Split(text, "'") {
		if k%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(part), ""))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}
