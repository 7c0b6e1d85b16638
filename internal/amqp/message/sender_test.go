package message

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAManagementRequestNamesItsSender(t *testing.T) {
	t.Parallel()
	b := section(t, 0x72, 3, stringX+"a3 0d 'x-opt-qd.user' a1 03 'ann'"+routerTo)
	var e Envelope
	if ok, err := e.Scan(b, true); !ok || err != nil {
		t.Fatal(ok, err)
	}
	want := Envelope{Priority: 4, Bare: len(b), UserCount: 1, User: unhex(t, stringX), HasRouter: true,
		RouterAnnotations: RouterAnnotations{To: []byte("q1"), Sender: []byte("ann")}}
	if diff := cmp.Diff(want, e, sameEnvelope); diff != "" {
		t.Error(diff)
	}
	if got := AppendAnnotations(nil, e.UserCount, e.User, &RouterAnnotations{To: e.To, Sender: e.Sender}); !bytes.Equal(got, b) {
		t.Errorf("\n got % x\nwant % x", got, b)
	}
}
