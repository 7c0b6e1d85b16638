package addressing

import (
	"fmt"
	"testing"
)

// BenchmarkMatchAmongPatterns shows that a look-up takes as long among 100,000 patterns as among ten, whatever they are:
// what matters is the number of tokens of the address. A matching pattern is one of many that begin like the address.
func BenchmarkMatchAmongPatterns(b *testing.B) {
	for _, c := range []struct {
		name, pattern, address string
		matches                bool
	}{
		{"prefixes", "tenant%d/#", "tenant7/orders/eu", true},
		{"one token free in front", "*/service%d/#", "tenant/service7/orders/eu", true},
		{"one token free in the middle", "orders/*/item%d", "orders/eu/item7", true},
		{"any number of tokens free in front", "#/item%d", "orders/eu/shop/item7", true},
		{"twice any number of tokens", "tenant%d/#/item/#/eu", "tenant7/a/item/b/eu", true},
		{"no match", "orders/*/item%d", "orders/eu/other", false},
		{"no match of many tokens free", "#/a/#/item%d", "orders/a/eu/a/shop/a/other", false},
	} {
		for _, n := range []int{10, 1000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				entries := make([]Entry[int], n)
				for i := range entries {
					entries[i] = Entry[int]{fmt.Sprintf(c.pattern, i), i}
				}
				tree, err := NewTree(entries)
				if err != nil {
					b.Fatal(err)
				}
				address := []byte(c.address)
				b.ReportAllocs()
				for b.Loop() {
					if v, ok := tree.MatchBytes(address); ok != c.matches || ok && v != 7 {
						b.Fatal(v, ok)
					}
				}
			})
		}
	}
}
