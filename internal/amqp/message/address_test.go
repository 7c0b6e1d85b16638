package message

import (
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// properties.to is found behind message-id and user-id of every form, as soon as its octets are there.
func TestAddressIsFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, bare string
		to         string
		present    bool
	}{
		{"usual", bareOnly, "q1", true},
		{"of a list32", "00 53 73 d0 00 00 00 0a 00 00 00 03 40 40 a1 02 'q1'", "q1", true},
		{"by long descriptor", "00 80 00 00 00 00 00 00 00 73 c0 07 03 40 40 a1 02 'q1'", "q1", true},
		{"by symbolic descriptor", "00 a3 14 'amqp:properties:list' c0 07 03 40 40 a1 02 'q1'", "q1", true},
		{"of a long string", "00 53 73 c0 0a 03 40 40 b1 00 00 00 02 'q1'", "q1", true},
		{"after a ulong and a user", "00 53 73 c0 0f 03 80 00 00 00 00 00 00 00 01 a0 00 a1 00", "", true},
		{"after ulong0", "00 53 73 c0 07 03 44 40 a1 02 'q1'", "q1", true},
		{"after a small ulong", "00 53 73 c0 08 03 53 07 40 a1 02 'q1'", "q1", true},
		{"after a uuid", "00 53 73 c0 16 03 98 00000000000000000000000000000000 40 a1 01 'q'", "q", true},
		{"after an empty string", "00 53 73 c0 07 03 a1 00 40 a1 01 'q'", "q", true},
		{"after a wide binary and user", "00 53 73 c0 10 03 b0 00 00 00 01 'i' b0 00 00 00 01 'u' a1 01 'q'", "q", true},
		{"null", "00 53 73 c0 04 03 40 40 40", "", false},
		{"absent", "00 53 73 c0 04 02 40 a0 00", "", false},
		{"not in an empty list", "00 53 73 45 00 53 77 40", "", false},
		{"not without properties", valueOnly, "", false},
		{"not with application properties", "00 53 74 c1 01 00", "", false},
		{"not in nothing", "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bare := unhex(t, c.bare)
			to, present, ok, err := Address(bare, true)
			if string(to) != c.to || present != c.present || !ok || err != nil {
				t.Fatalf("%q, present %v, ok %v, %v", to, present, ok, err)
			}
			for n := range len(bare) {
				to, present, ok, err := Address(bare[:n], false)
				if err != nil {
					t.Fatalf("after %d octets: %v", n, err)
				}
				if ok && (string(to) != c.to || present != c.present) {
					t.Fatalf("after %d octets: %q, present %v", n, to, present)
				}
			}
		})
	}
}

// Malformed properties are refused as far as they have to be read to find the address.
func TestAddressRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, bare, reason string }{
		{"something that is no section", "41 00 00", "where a section"},
		{"a header after the annotations", "00 53 70 45", "section 0x70 where the bare message should start"},
		{"a second section of annotations", "00 53 72 c1 01 00", "section 0x72 where the bare message"},
		{"an unknown section", "00 53 79 45", "section 0x79 where the bare message"},
		{"properties that are a map", "00 53 73 c1 01 00", "where the list of section properties"},
		{"fourteen fields", "00 53 73 c0 0f 0e 40 40 a1 01 'q'", "properties of 14 fields"},
		{"more fields than octets", "00 53 73 c0 03 03 40 40", "properties of 3 fields in 2 octets"},
		{"4 Gi fields", "00 53 73 d0 ff ff ff ff ff ff ff ff", "fields, which have only 13"},
		{"a size without room for the count", "00 53 73 d0 00 00 00 00 00 00 00 00", "no room for its count"},
		{"a message-id that is a list", "00 53 73 c0 06 03 45 40 a1 01 'q'", "0x45 where message-id"},
		{"a message-id that is a symbol", "00 53 73 c0 06 03 a3 00 a1 01 'q'", "0xa3 where message-id"},
		{"a user-id that is a string", "00 53 73 c0 07 03 40 a1 00 a1 01 'q'", "0xa1 where user-id"},
		{"a to that is a symbol", "00 53 73 c0 06 03 40 40 a3 01 'q'", "0xa3 where to"},
		{"a to that is not UTF-8", "00 53 73 c0 06 03 40 40 a1 01 ff", "not valid UTF-8"},
		{"a to past its list", "00 53 73 c0 06 03 40 40 a1 02 'q1'", "field 3 of the properties ends after"},
		{"a list that ends before to", "00 53 73 c0 05 03 40 a0 01 'u' a1 01 'q'", "nothing where field 3"},
		{"a message-id of 64 KiB", "00 53 73 d0 00 02 00 00 00 00 00 03 b1 00 01 00 00", "more than 65536 octets"},
		{"a to that is cut off", "00 53 73 c0 07 03 40 40 a1 02 'q'", "message ends after"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, ok, err := Address(unhex(t, c.bare), true)
			checkRefused(t, ok, err, wire.ErrDecode, c.reason)
		})
	}
}

// properties.subject is found behind the other fields, as soon as its octets are there.
func TestSubjectIsFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, bare string
		subject    string
		present    bool
	}{
		{"behind nulls", "00 53 73 c0 08 04 40 40 40 a1 02 's1'", "s1", true},
		{"behind all", "00 53 73 c0 12 06 53 07 a0 01 'u' a1 02 'q1' a1 02 's1' 40 40", "s1", true},
		{"of a list32 and a long string", "00 53 73 d0 00 00 00 0d 00 00 00 04 40 40 40 b1 00 00 00 01 's'", "s", true},
		{"empty", "00 53 73 c0 06 04 40 40 40 a1 00", "", true},
		{"null", "00 53 73 c0 05 04 40 40 40 40", "", false},
		{"absent", bareOnly, "", false},
		{"not in an empty list", "00 53 73 45 00 53 77 40", "", false},
		{"not without properties", valueOnly, "", false},
		{"not in nothing", "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bare := unhex(t, c.bare)
			subject, present, ok, err := Subject(bare, true)
			if string(subject) != c.subject || present != c.present || !ok || err != nil {
				t.Fatalf("%q, present %v, ok %v, %v", subject, present, ok, err)
			}
			for n := range len(bare) {
				subject, present, ok, err := Subject(bare[:n], false)
				if err != nil {
					t.Fatalf("after %d octets: %v", n, err)
				}
				if ok && (string(subject) != c.subject || present != c.present) {
					t.Fatalf("after %d octets: %q, present %v", n, subject, present)
				}
			}
		})
	}
	for _, c := range []struct{ name, bare, reason string }{
		{"a subject that is a symbol", "00 53 73 c0 07 04 40 40 40 a3 01 's'", "0xa3 where subject"},
		{"a subject that is not UTF-8", "00 53 73 c0 07 04 40 40 40 a1 01 ff", "not valid UTF-8"},
		{"a subject that is cut off", "00 53 73 c0 08 04 40 40 40 a1 02 's'", "message ends after"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, ok, err := Subject(unhex(t, c.bare), true)
			checkRefused(t, ok, err, wire.ErrDecode, c.reason)
		})
	}
}
