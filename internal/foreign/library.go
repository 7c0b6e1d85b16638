package foreign

import (
	"fmt"
	"path/filepath"
	"sync"

	"github.com/postroad/postroad/internal/lab"
)

// Library is a foreign AMQP 1.0 client library.
type Library string

// The libraries under test.
const (
	ProtonPython Library = "proton-python"
	ProtonCpp    Library = "proton-cpp"
	Rhea         Library = "rhea"
	GoAMQP       Library = "go-amqp"
)

// Libraries returns all of them.
func Libraries() []Library {
	return []Library{ProtonPython, ProtonCpp, Rhea, GoAMQP}
}

// python is Debian's interpreter: python3-qpid-proton is installed for no other.
const python = "/usr/bin/python3"

// programs maps a library to the function that prepares its client, once, and returns the words of its command line.
var programs = map[Library]func() ([]string, error){
	ProtonPython: sync.OnceValues(func() ([]string, error) {
		dir, err := sourceDir()
		if err != nil {
			return nil, err
		}
		if err := run(dir, python, "-c", "import proton"); err != nil {
			return nil, err
		}
		return []string{python, filepath.Join(dir, "python", "client.py")}, nil
	}),
	ProtonCpp: sync.OnceValues(func() ([]string, error) {
		program, err := cppBuild()
		return []string{program}, err
	}),
	Rhea: sync.OnceValues(func() ([]string, error) {
		dir, err := sourceDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(dir, "rhea")
		if err := run(dir, "node", "-e", "require('rhea')"); err != nil {
			return nil, err
		}
		return []string{"node", filepath.Join(dir, "client.js")}, nil
	}),
	GoAMQP: sync.OnceValues(func() ([]string, error) {
		dir, err := buildDir()
		if err != nil {
			return nil, err
		}
		program := filepath.Join(dir, "goclient")
		return []string{program}, lab.Build("internal/foreign/goclient", program)
	}),
}

// command returns the words which start the library's client. The error of a machine that lacks the library says how to
// get it.
func (l Library) command() ([]string, error) {
	words, err := programs[l]()
	if err != nil {
		return nil, fmt.Errorf("the %s client cannot run here; `make tools` installs what it needs: %w", l, err)
	}
	return words, nil
}

// environment is what clients run with: Python is kept from leaving bytecode in the source tree.
var environment = []string{"PYTHONDONTWRITEBYTECODE=1"}
