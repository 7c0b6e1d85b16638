package config

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"
)

// seed adds every sample and every file with mistakes.
func seed(f *testing.F) {
	samples, _ := filepath.Glob("testdata/samples/*")
	for _, path := range samples {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	archives, _ := filepath.Glob("testdata/problems/*.txtar")
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
}

// fuzz states what holds for any content: it is either refused with an error that has a text, or gives a configuration
// that survives being written in YAML, if YAML allows all of it.
func fuzz(f *testing.F, name string) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, problems := Parse(name, data)
		if (c == nil) != problems.Refused() {
			t.Fatalf("configuration %v with problems:\n%v", c, problems)
		}
		for _, p := range problems {
			if p.Text == "" || p.File != name {
				t.Errorf("empty problem: %#v", p)
			}
		}
		if c == nil {
			return
		}
		c.Entities()
		if tolerated(problems) {
			return
		}
		if diff, yaml := roundTrip(t, c, problems); diff != "" {
			t.Errorf("%s\n%s", yaml, diff)
		}
	})
}

// FuzzConf feeds the parser of the section syntax.
func FuzzConf(f *testing.F) { fuzz(f, "a.conf") }

// FuzzJSON feeds the parser of the JSON form.
func FuzzJSON(f *testing.F) { fuzz(f, "a") }

// FuzzYAML feeds the parser of YAML.
func FuzzYAML(f *testing.F) { fuzz(f, "a.yaml") }
