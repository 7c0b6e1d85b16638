package foreign

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/postroad/postroad/internal/lab"
)

// routerVariable names another router program than the one of this module.
const routerVariable = "POSTROAD_TEST_ROUTER"

// Foreign reports whether the router under test is another one than Postroad, which may differ in what it is known to
// differ in.
func Foreign() bool {
	return os.Getenv(routerVariable) != ""
}

// routerProgram returns the router under test. Postroad is built once, and reads Interconnect's configuration files, too.
var routerProgram = sync.OnceValues(func() (lab.Program, error) {
	if program := os.Getenv(routerVariable); program != "" {
		return lab.Qdrouterd(program), nil
	}
	dir, err := buildDir()
	if err != nil {
		return lab.Program{}, err
	}
	p := lab.Postroad(filepath.Join(dir, "postroad"))
	p.Suffix = ".conf"
	return p, lab.Build("cmd/postroad", p.Words[0], lab.RaceFlags...)
})
