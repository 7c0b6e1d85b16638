package config

import (
	"os"
	"strings"
	"testing"
)

// TestSamplesOfTheDocumentation: what the pages for users show as configuration is accepted without a warning.
func TestSamplesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"../../docs/addressing.md", "../../docs/operations/mesh.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		samples := strings.Split(string(text), "\n```yaml\n")[1:]
		if len(samples) == 0 {
			t.Errorf("%s has no samples", page)
		}
		for _, sample := range samples {
			sample, _, _ = strings.Cut(sample, "\n```\n")
			file := sample + "\n"
			if !strings.Contains(file, "router:") {
				file += "router: {id: A, mode: interior}\n"
			}
			if !strings.Contains(file, "listeners:") {
				file += "listeners: [{host: 127.0.0.1}]\n"
			}
			if c, problems := Parse("router.yaml", []byte(file)); c == nil || len(problems) > 0 {
				t.Errorf("%s: the sample\n%s\nhas problems:\n%s", page, sample, problems)
			}
		}
	}
}
