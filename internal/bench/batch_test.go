package bench

import (
	"fmt"
	"testing"
)

func TestBatchFramesCarryOneMessageEach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ size, frame int }{{16, 512}, {100, 4096}, {255, 4096}, {256, 4096}, {5000, 512}, {1 << 20, 65536}} {
		t.Run(fmt.Sprintf("%d octets in frames of %d", c.size, c.frame), func(t *testing.T) {
			t.Parallel()
			b, err := newBatch(c.size, false, c.frame)
			if err != nil {
				t.Fatal(err)
			}
			for i := range min(b.messages, 3) {
				b.stamp(i, uint32(70+i), int64(1000+i), uint64(2000+i))
				var payload []byte
				for f := range b.frames {
					octets := b.buf[b.offset(i, f):b.offset(i, f+1)]
					if len(octets) > c.frame {
						t.Fatalf("frame %d has %d octets", f, len(octets))
					}
					_, cur, rest, err := splitDescribed(octets[8:])
					if err != nil {
						t.Fatal(err)
					}
					tr, err := parseTransfer(cur, rest)
					if err != nil || tr.deliveryID != uint32(70+i) || tr.more != (f < b.frames-1) || tr.settled {
						t.Fatalf("frame %d: %+v, error %v", f, tr, err)
					}
					payload = append(payload, tr.payload...)
				}
				m, ok, err := parseMark(payload)
				if !ok || err != nil || m.due != int64(1000+i) || m.seq != uint64(2000+i) || m.size != c.size ||
					m.offset+c.size != len(payload) {
					t.Fatalf("message %d: mark %+v, ok %v, error %v", i, m, ok, err)
				}
			}
		})
	}
}

func TestBatchRefusesWhatCannotBeMeasured(t *testing.T) {
	t.Parallel()
	if _, err := newBatch(MinSize-1, false, 4096); err == nil {
		t.Error("a body without room for the mark was accepted")
	}
	if _, err := newBatch(100, false, 40); err == nil {
		t.Error("a frame without room for the mark was accepted")
	}
}

func TestMarkIsFoundBehindOtherSections(t *testing.T) {
	t.Parallel()
	b, err := newBatch(100, false, 4096)
	if err != nil {
		t.Fatal(err)
	}
	b.stamp(0, 0, 5, 6)
	section := b.buf[b.message-b.body : b.message]
	header := encodeDescribed(0x70, boolTrue)
	annotations := append([]byte{0x00, 0x53, 0x72, 0xc1, 6, 2, 0xa3, 1, 'x', 0xa1}, 0)
	all := append(append(append([]byte{}, header...), annotations...), section...)
	m, ok, err := parseMark(all)
	if !ok || err != nil || m.seq != 6 || m.offset != len(all)-100 {
		t.Fatalf("%+v, ok %v, error %v", m, ok, err)
	}
	for n := range m.offset + MinSize {
		if _, ok, err := parseMark(all[:n]); ok || err != nil {
			t.Errorf("the first %d octets: ok %v, error %v; more is needed", n, ok, err)
		}
	}
}
