//go:build !linux

package netlab

import "testing"

func TestNetworksOfRoutersInNamespaces(t *testing.T) {
	t.Fatal("network namespaces are a matter of Linux: run the tests of this package there")
}
