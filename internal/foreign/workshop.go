package foreign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// buildLimit bounds one compilation.
const buildLimit = 5 * time.Minute

// moduleRoot returns the directory of go.mod.
var moduleRoot = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", errors.New("no go.mod found: run the tests inside the module")
	}
	return filepath.Dir(mod), nil
})

// sourceDir returns the directory of this package, below which the foreign clients' sources are.
func sourceDir() (string, error) {
	root, err := moduleRoot()
	return filepath.Join(root, "internal", "foreign"), err
}

// buildDir returns the directory for compiled programs, which git ignores, and makes it.
func buildDir() (string, error) {
	dir, err := sourceDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "build")
	return dir, os.MkdirAll(dir, 0o755)
}

// cppBuild compiles the C++ client, unless the build directory already holds one made from the same sources.
func cppBuild() (string, error) {
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	source = filepath.Join(source, "cpp")
	// The proton libraries overlap; the C++ one is linked with -core, so the few C functions have to come from there.
	args := []string{"-std=c++17", "-O1", "-Wall", "-Wextra", "client.cpp", "values.cpp",
		"-lqpid-proton-cpp", "-l:libqpid-proton-core.so.10"}
	sum := sha256.New()
	fmt.Fprintln(sum, args)
	for _, name := range []string{"client.cpp", "values.cpp", "values.hpp"} {
		b, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		sum.Write(b)
	}
	program := filepath.Join(dir, "cppclient-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	scratch := fmt.Sprintf("%s.%d", program, os.Getpid())
	if err := run(source, "g++", append(args, "-o", scratch)...); err != nil {
		return "", err
	}
	return program, os.Rename(scratch, program)
}

// run runs a program to its end; its error holds what the program printed.
func run(dir, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), buildLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
