package logging

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// The outputs that are no files.
const (
	outputStderr = "stderr"
	outputStdout = "stdout"
	outputSyslog = "syslog"
)

// sink is one output. Modules that name the same output share it.
type sink struct {
	name   string
	syslog bool

	mu     sync.Mutex // one write at a time; guards what follows
	out    output
	closed bool
	failed bool // the last write failed
	lost   atomic.Uint64
	notify func(error) // told about the first failure of a row
}

// output is where lines go.
type output interface {
	write(level Level, line []byte) error
	close() error
}

// write writes a line that ends with an end of line. It is false if the sink is closed, which means that settings have
// changed. A line that cannot be written is lost and counted: the router goes on.
func (s *sink) write(level Level, line []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	err := s.out.write(level, line)
	if err != nil {
		s.lost.Add(1)
		if !s.failed {
			s.notify(fmt.Errorf("cannot write log output to %q: %w", s.name, err))
		}
	}
	s.failed = err != nil
	return true
}

// reopen opens a file again under its name, after it was rotated; the old one stays if that fails.
func (s *sink) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, isFile := s.out.(fileOutput); !isFile || s.closed {
		return nil
	}
	fresh, err := openFile(s.name)
	if err != nil {
		return err
	}
	old := s.out
	s.out = fresh
	return old.close()
}

// close ends a sink.
func (s *sink) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.out.close()
}

// streamOutput is standard output or standard error, which are not closed.
type streamOutput struct{ w io.Writer }

func (o streamOutput) write(_ Level, line []byte) error {
	_, err := o.w.Write(line)
	return err
}

func (streamOutput) close() error { return nil }

// fileOutput is a file that is appended to.
type fileOutput struct{ f *os.File }

func (o fileOutput) write(_ Level, line []byte) error {
	_, err := o.f.Write(line)
	return err
}

func (o fileOutput) close() error { return o.f.Close() }

// openFile opens the file of an outputFile attribute.
func openFile(path string) (output, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("outputFile: %w", err)
	}
	return fileOutput{f}, nil
}
