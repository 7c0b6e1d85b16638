package bench

import (
	"bytes"
	"strings"
	"testing"
)

func TestPerformativesReadBackAsWritten(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	body := encodeDescribed(codeOpen, encodeString("me"), encodeString(long), encodeUint(512), encodeUshort(7), null,
		boolTrue)
	d, rest, err := decodeDescribed(append(body, 0x99))
	if err != nil {
		t.Fatal(err)
	}
	if d.code != codeOpen || d.at(0).text() != "me" || d.at(1).text() != long || d.at(2).uintOr(0) != 512 ||
		d.at(3).uintOr(0) != 7 || !d.at(4).isNull() || !d.at(5).truth() || !d.at(6).isNull() {
		t.Errorf("read back as %+v", d)
	}
	if !bytes.Equal(rest, []byte{0x99}) {
		t.Errorf("what follows the list is % x", rest)
	}
}

func TestDescriptorsMayBeSymbolsOrWideNumbers(t *testing.T) {
	t.Parallel()
	for name, descriptor := range map[string]field{
		"symbol":        encodeSymbol("amqp:flow:list"),
		"eight octets":  {0x80, 0, 0, 0, 0, 0, 0, 0, codeFlow},
		"smallest form": {0x53, codeFlow},
	} {
		body := append(append([]byte{0x00}, descriptor...), 0xc0, 2, 1, 0x41)
		code, c, _, err := splitDescribed(body)
		f, _ := c.next()
		if err != nil || code != codeFlow || !f.truth() {
			t.Errorf("%s: code 0x%x, field % x, error %v", name, code, []byte(f), err)
		}
	}
}

func TestMechanismsAreReadFromSymbolAndArray(t *testing.T) {
	t.Parallel()
	array := append(field{0xe0, 18, 2, 0xa3, 9}, "ANONYMOUS\x05PLAIN"...)
	if got := array.symbols(); len(got) != 2 || got[0] != "ANONYMOUS" || got[1] != "PLAIN" {
		t.Errorf("array read as %q", got)
	}
	if got := encodeSymbol("PLAIN").symbols(); len(got) != 1 || got[0] != "PLAIN" {
		t.Errorf("symbol read as %q", got)
	}
}

func TestTransferIsParsedInAnyEncoding(t *testing.T) {
	t.Parallel()
	narrow := encodeDescribed(codeTransfer, field{0x43}, field{0x52, 9}, encodeBinary([]byte("tag")), field{0x43},
		boolTrue, boolTrue)
	wide := []byte{0x00, 0x53, codeTransfer, 0xd0, 0, 0, 0, 22, 0, 0, 0, 10}
	wide = append(wide, 0x43, 0x70, 0, 0, 0, 9, 0xa0, 1, 7, 0x43, 0x56, 1, 0x56, 1, 0x40, 0x40, 0x40, 0x56)
	wide = append(wide, 0) // aborted: false
	wide[7] = byte(len(wide) - 8)
	for name, body := range map[string][]byte{"list8": narrow, "list32": wide} {
		_, c, rest, err := splitDescribed(append(body, "payload"...))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := parseTransfer(c, rest)
		if err != nil || got.deliveryID != 9 || !got.hasID || !got.settled || !got.more || got.aborted ||
			string(got.payload) != "payload" {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
	}
}

func TestHotPerformativesAreParsedWithoutAllocating(t *testing.T) {
	b, err := newBatch(100, false, 4096)
	if err != nil {
		t.Fatal(err)
	}
	transferBody := b.buf[8:b.message]
	accepted := appendAccepted(nil, 3, 9)[8:]
	flowBody := encodeFlow(1, 2, 3, 4, false)
	if n := testing.AllocsPerRun(100, func() {
		_, c, rest, _ := splitDescribed(transferBody)
		if tr, err := parseTransfer(c, rest); err != nil || len(tr.payload) != 105 {
			t.Errorf("%+v, error %v", tr, err)
		}
		_, c, _, _ = splitDescribed(accepted)
		if d, err := parseDisposition(c); err != nil || d.first != 3 || d.last != 9 || outcomeOf(d.state) != outcomeAccepted {
			t.Errorf("%+v, error %v", d, err)
		}
		_, c, _, _ = splitDescribed(flowBody)
		if f, err := parseFlow(c); err != nil || f.credit != 4 || f.deliveryCount != 3 {
			t.Errorf("%+v, error %v", f, err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBrokenInputIsAnErrorAndNoPanic(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"nothing":                   {},
		"a descriptor only":         {0x00, 0x53, 0x10},
		"no list":                   {0x00, 0x53, 0x10, 0x41},
		"a list that runs out":      {0x00, 0x53, 0x10, 0xc0, 20, 1, 0x41},
		"more elements than octets": {0x00, 0x53, 0x10, 0xd0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x41},
		"an unknown constructor":    {0x00, 0x53, 0x10, 0xc0, 2, 1, 0x3f},
		"endless descriptors":       bytes.Repeat([]byte{0}, 1000),
		"a size of 2^32-1":          {0x00, 0x53, 0x10, 0xd0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1},
	} {
		if _, _, err := decodeDescribed(b); err == nil {
			t.Errorf("%s was decoded", name)
		}
	}
}

func TestFramesAreCutFromAnyChunks(t *testing.T) {
	t.Parallel()
	var stream []byte
	for i := range 50 {
		stream = appendFrame(stream, frameAMQP, uint16(i), bytes.Repeat([]byte{1}, i))
	}
	for chunk := 1; chunk < 40; chunk += 7 {
		r := newFrameReader(&chunked{stream, chunk}, 64, 64)
		for i := 1; i < 50; i++ { // the first one is empty and passed over
			f, err := r.read()
			if err != nil || f.channel != uint16(i) || len(f.body) != i {
				t.Fatalf("chunks of %d: frame %d is %+v, error %v", chunk, i, f, err)
			}
		}
	}
}

// chunked is a stream that yields at most n octets a read.
type chunked struct {
	b []byte
	n int
}

func (c *chunked) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), c.n)], c.b)
	c.b = c.b[n:]
	return n, nil
}

func TestFramesOfAnImpossibleSizeAreRefused(t *testing.T) {
	t.Parallel()
	for _, head := range [][]byte{
		{0, 0, 0, 7, 2, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0}, {0, 0, 0, 8, 1, 0, 0, 0},
		{0, 0, 0, 8, 3, 0, 0, 0}, {0, 0, 1, 0, 2, 0, 0, 0},
	} {
		r := newFrameReader(bytes.NewReader(head), 64, 64)
		if _, err := r.read(); err == nil || !strings.Contains(err.Error(), "frame of") {
			t.Errorf("frame header % x: error %v", head, err)
		}
	}
}

func FuzzPeerInput(f *testing.F) {
	f.Add([]byte(encodeFlow(1, 2, 3, 4, false)))
	f.Add(appendAccepted(nil, 1, 2)[8:])
	b, _ := newBatch(100, false, 4096)
	f.Add(b.buf[8:b.message])
	f.Fuzz(func(t *testing.T, b []byte) {
		_, c, rest, err := splitDescribed(b)
		if err != nil {
			return
		}
		parseTransfer(c, rest)
		parseFlow(c)
		d, _ := parseDisposition(c)
		outcomeOf(d.state)
		parseMark(rest)
		if d, _, err := decodeDescribed(b); err == nil {
			for i := range d.fields {
				d.at(i).ulong()
				d.at(i).text()
				d.at(i).symbols()
				d.at(i).truth()
				d.at(i).peerError()
			}
		}
	})
}
