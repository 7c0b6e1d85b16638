package metrics

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestEveryMetricIsDocumentedAndEveryDocumentedOneExists(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, name := range regexp.MustCompile(`\b(postroad|qdr)_[a-z0-9_]*[a-z0-9]`).FindAllString(string(text), -1) {
		documented[name] = true
	}
	families, err := gather(t, sourceFunc(busy), DefaultAddresses).Gather()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]bool{}
	for _, f := range families {
		exported[f.GetName()] = true
		if !documented[f.GetName()] {
			t.Errorf("%s is not documented", f.GetName())
		}
	}
	for name := range documented {
		if !exported[name] {
			t.Errorf("%s is documented, and not exported", name)
		}
	}
	for _, d := range allDescs { // a metric without a value in the snapshot of these tests would be missed above
		name := strings.Split(d.String(), `"`)[1]
		if !exported[name] {
			t.Errorf("%s is described, and busy has nothing of it", name)
		}
	}
}
