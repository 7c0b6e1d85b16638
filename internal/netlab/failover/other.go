//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "failover: network namespaces are a matter of Linux")
	os.Exit(1)
}
