package route

import (
	"testing"

	"github.com/postroad/postroad/addressing"
)

// TestTheTreatmentOfAnAddress lists addresses of every kind.
func TestTheTreatmentOfAnAddress(t *testing.T) {
	t.Parallel()
	entry := func(pattern string, d addressing.Distribution) addressing.Entry[Treatment] {
		return addressing.Entry[Treatment]{Pattern: pattern, Value: Treatment{Distribution: d, Ingress: addressing.PhaseZero}}
	}
	tree, err := addressing.NewTree([]addressing.Entry[Treatment]{
		entry("multicast/#", addressing.DistributionMulticast), entry("no/#", addressing.DistributionUnavailable),
		entry("multicast/one", addressing.DistributionClosest), entry("_local/here", addressing.DistributionMulticast),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &Treatments{Tree: tree, Default: addressing.DistributionBalanced}
	const mobile, local = addressing.ClassMobile, addressing.ClassLocal
	for _, c := range []struct {
		class      addressing.Class
		text       string
		want       addressing.Distribution
		configured bool
	}{
		{mobile, "x", addressing.DistributionBalanced, false},
		{mobile, "multicast/x", addressing.DistributionMulticast, true},
		{mobile, "multicast/one", addressing.DistributionClosest, true},
		{mobile, "_$temp.abc", addressing.DistributionBalanced, false},
		{local, "here", addressing.DistributionMulticast, true},
		{local, "multicast/x", addressing.DistributionBalanced, false},
		{local, "temp.abc", addressing.DistributionClosest, false},
		{addressing.ClassRouter, "B", addressing.DistributionClosest, false},
	} {
		a := addressing.Address{Class: c.class, Text: c.text, Phase: addressing.PhaseZero}
		if got, configured := s.Of(a); got.Distribution != c.want || configured != c.configured {
			t.Errorf("%s is %v (configured %v), want %v", a.Key(), got.Distribution, configured, c.want)
		}
	}
	for key, want := range map[string]bool{"M0no/x": true, "M0x": false, "Lno/x": false, "?": false} {
		if got := s.IsUnavailable([]byte(key)); got != want {
			t.Errorf("%s is unavailable: %v", key, got)
		}
	}
}

// TestAFallbackIsDroppedWithItsMainAddress takes both out of the table at once.
func TestAFallbackIsDroppedWithItsMainAddress(t *testing.T) {
	t.Parallel()
	table := NewTable()
	a := &Address{Key: "M0q"}
	b := &Address{Key: "MFq", FallbackFor: a}
	a.Fallback = b
	table.Add(a, b)
	if table.Get([]byte("M0q")) != a || table.Get([]byte("MFq")) != b || table.Len() != 2 || b.Main() != a ||
		a.Other() != b {
		t.Error("the table does not have both")
	}
	table.Remove(a, b)
	again := &Address{Key: "M0q"}
	table.Add(again, nil)
	table.Remove(a, b) // a second time: it must not take the new one
	if !a.Gone.Load() || !b.Gone.Load() || table.Get([]byte("M0q")) != again || table.Len() != 1 {
		t.Error("a removal that comes twice takes a new address with the same key")
	}
}
