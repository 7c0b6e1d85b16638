package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var corpus = flag.String("corpus", "", "directory of more .conf files to read and convert")

// tolerated reports whether YAML refuses something in the configuration.
func tolerated(problems Problems) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Tolerated })
}

// roundTrip writes the configuration in YAML, reads that, and returns the differences and the YAML.
func roundTrip(t *testing.T, c *Config, notes Problems) (diff, yaml string) {
	t.Helper()
	var b bytes.Buffer
	if err := c.WriteYAML(&b, notes); err != nil {
		t.Fatal(err)
	}
	again, problems := Parse("router.yaml", b.Bytes())
	if again == nil {
		return problems.String(), b.String()
	}
	if c.Router.GeneratedID && again.Router.GeneratedID {
		again.Router.ID = c.Router.ID
	}
	again.Format = c.Format
	want := *c
	want.Unsupported = written(c.Unsupported)
	again.Unsupported = written(again.Unsupported)
	return cmp.Diff(&want, again, ignorePositions, cmpopts.EquateEmpty()), b.String()
}

// written returns the entities that YAML has a key for, by type.
func written(entities []Entity) []Entity {
	kept := slices.DeleteFunc(slices.Clone(entities), func(e Entity) bool { return mustType(e.Type).Key == "" })
	slices.SortStableFunc(kept, func(a, b Entity) int { return strings.Compare(a.Type, b.Type) })
	return kept
}

// TestWriteYAML: a configuration written in YAML is the same configuration.
func TestWriteYAML(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/samples/*")
	if err != nil {
		t.Fatal(err)
	}
	if *corpus != "" {
		more, err := filepath.Glob(filepath.Join(*corpus, "*.conf"))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, more...)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c, problems := Parse(filepath.Base(path), data)
		if c == nil {
			t.Errorf("%s:\n%v", path, problems)
			continue
		}
		if diff, yaml := roundTrip(t, c, problems); diff != "" {
			t.Errorf("%s:\n%s\n%s", path, yaml, diff)
		}
	}
}

// TestWriteYAMLText: what is written is short, ordered, and says in comments what was left out.
func TestWriteYAMLText(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/samples/interior.conf")
	if err != nil {
		t.Fatal(err)
	}
	c, problems := Parse("qdrouterd.conf", data)
	var b bytes.Buffer
	if err := c.WriteYAML(&b, problems); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/interior.yaml"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("YAML (-want +got):\n%s", diff)
	}
}

// TestReference: docs/reference/configuration.md is what the schema says.
func TestReference(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	const path = "../../docs/reference/configuration.md"
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(committed), b.String()); diff != "" {
		t.Errorf("the file is out of date, run this test with -update (-file +schema):\n%s", diff)
	}
}
