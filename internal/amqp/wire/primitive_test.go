package wire

import (
	"bytes"
	"testing"
)

// Integers of every AMQP type are read where any will do, ulongs as far as they fit.
func TestReadInteger(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"43": 0, "44": 0, "50 ff": 255, "51 ff": -1, "52 ff": 255, "53 ff": 255, "54 ff": -1, "55 ff": -1, "60 ff ff": 65535,
		"61 ff ff": -1, "70 ff ff ff ff": 4294967295, "71 ff ff ff ff": -1, "81 ff ff ff ff ff ff ff ff": -1,
		"80 7f ff ff ff ff ff ff ff": 9223372036854775807,
	} {
		if got, rest, err := ReadInteger(unhex(t, text+"'rest'")); got != want || err != nil || string(rest) != "rest" {
			t.Errorf("%s: %d, %v, rest %q", text, got, err, rest)
		}
	}
	for _, text := range []string{"", "40", "41", "50", "70 00", "72 00 00 00 00", "80 80 00 00 00 00 00 00 00", "a1 00",
		"83 00 00 00 00 00 00 00 00", "45", "00 53 24 45"} {
		b := unhex(t, text)
		_, _, err := ReadInteger(b)
		checkError(t, err, len(b))
	}
}

// Readers of one type refuse every other type, and say which was found.
func TestReadersRefuseOtherTypes(t *testing.T) {
	t.Parallel()
	readers := map[string]func([]byte) error{
		"41":       func(b []byte) error { _, _, err := ReadBool(b); return err },
		"50 01":    func(b []byte) error { _, _, err := ReadUbyte(b); return err },
		"52 01":    func(b []byte) error { _, _, err := ReadUint32(b); return err },
		"53 01":    func(b []byte) error { _, _, err := ReadUlong(b); return err },
		"a0 00":    func(b []byte) error { _, _, err := ReadBinary(b); return err },
		"a1 00":    func(b []byte) error { _, _, err := ReadString(b); return err },
		"a3 00":    func(b []byte) error { _, _, err := ReadSymbol(b); return err },
		"45":       func(b []byte) error { _, _, _, err := ReadListHeader(b); return err },
		"c1 01 00": func(b []byte) error { _, _, _, err := ReadMapHeader(b); return err },
	}
	for own, read := range readers {
		for text := range readers {
			b := unhex(t, text)
			err := read(b)
			if (err == nil) != (own == text) {
				t.Errorf("the reader of %s about %s: %v", own, text, err)
			}
			if err != nil && err.(*DecodeError).Condition != ErrInvalidField {
				t.Errorf("the reader of %s about %s: %v", own, text, err)
			}
		}
		checkError(t, read(nil), 0)
	}
}

// Text is read be it string or symbol.
func TestReadText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a1 01 'x'", "a3 01 'x'", "b1 00 00 00 01 'x'", "b3 00 00 00 01 'x'"} {
		if got, rest, err := ReadText(unhex(t, text+"'r'")); string(got) != "x" || string(rest) != "r" || err != nil {
			t.Errorf("%s: %q, %q, %v", text, got, rest, err)
		}
	}
	for _, text := range []string{"", "a0 00", "40", "a1 05"} {
		b := unhex(t, text)
		_, _, err := ReadText(b)
		checkError(t, err, len(b))
	}
}

// Headers of lists and maps give their values and what follows them.
func TestReadHeaders(t *testing.T) {
	t.Parallel()
	count, content, rest, err := ReadListHeader(unhex(t, "c0 03 02 41 42 'rest'"))
	if count != 2 || string(content) != "\x41\x42" || string(rest) != "rest" || err != nil {
		t.Error(count, content, rest, err)
	}
	count, content, rest, err = ReadMapHeader(unhex(t, "d1 00 00 00 06 00 00 00 02 41 42 'rest'"))
	if count != 2 || string(content) != "\x41\x42" || string(rest) != "rest" || err != nil {
		t.Error(count, content, rest, err)
	}
}

// Appenders choose the smallest encoding.
func TestAppendChoosesTheSmallestEncoding(t *testing.T) {
	t.Parallel()
	for want, got := range map[string][]byte{
		"43":                            AppendUint32(nil, 0),
		"52 ff":                         AppendUint32(nil, 255),
		"70 ff ff ff ff":                AppendUint32(nil, 1<<32-1),
		"44":                            AppendUlong(nil, 0),
		"53 ff":                         AppendUlong(nil, 255),
		"80 ff ff ff ff ff ff ff ff":    AppendUlong(nil, 1<<64-1),
		"54 80":                         AppendInt32(nil, -128),
		"71 ff ff ff 7f":                AppendInt32(nil, -129),
		"55 7f":                         AppendInt64(nil, 127),
		"81 00 00 00 00 00 00 00 80":    AppendInt64(nil, 128),
		"41":                            AppendBool(nil, true),
		"42":                            AppendBool(nil, false),
		"45":                            AppendListHeader(nil, 0, 0),
		"c0 ff 01":                      AppendListHeader(nil, 254, 1),
		"d0 00 00 01 03 00 00 00 01":    AppendListHeader(nil, 255, 1),
		"c1 ff 02":                      AppendMapHeader(nil, 254, 1),
		"d1 00 00 01 04 00 00 01 00":    AppendMapHeader(nil, 256, 128),
		"00 80 00 00 46 8c 00 00 00 04": AppendDescriptor(nil, 0x468c00000004),
		"e0 02 00 a3":                   AppendSymbolArray(nil, nil),
	} {
		if !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("want %s, got % x", want, got)
		}
	}
}
