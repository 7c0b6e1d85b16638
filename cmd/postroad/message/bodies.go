package message

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
)

// body is the content of one message to be sent; text may become a string value, the rest is sent as it is.
type body struct {
	octets []byte
	text   bool
}

// bodyFlags say where the bodies of messages come from.
type bodyFlags struct {
	count int
	size  int
	file  string
	lines bool
}

// longestLine bounds one line of --lines.
const longestLine = 64 << 20

// register adds the flags to a command.
func (f *bodyFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.IntVarP(&f.count, "count", "n", 0, "how many messages to send; the bodies are repeated in turn. Unless given, one\n"+
		"for each body")
	fs.IntVar(&f.size, "size", -1, "send generated bodies of so many octets")
	fs.StringVarP(&f.file, "file", "f", "", "read the body from a file, - for standard input")
	fs.BoolVar(&f.lines, "lines", false, "send each line of --file (standard input unless given) as a message")
}

// bodySource yields bodies one after the other; ok is false after the last one.
type bodySource struct {
	next  func() (b body, ok bool, err error)
	total int // how many there will be, -1 when that is not known
	close func()
}

// open returns the source the flags and arguments describe.
func (f *bodyFlags) open(args []string, stdin io.Reader) (*bodySource, error) {
	if f.lines && f.file == "" {
		f.file = "-"
	}
	sources := 0
	for _, given := range []bool{len(args) > 0, f.size >= 0, f.file != ""} {
		if given {
			sources++
		}
	}
	switch {
	case sources > 1:
		return nil, command.UsageErrorf("give the body once: as arguments, with --file or with --size")
	case f.count < 0:
		return nil, command.UsageErrorf("--count %d is negative", f.count)
	case f.size < -1 || f.size > 1<<30:
		return nil, command.UsageErrorf("--size %d is not 0 to %d", f.size, 1<<30)
	case f.file != "":
		return f.openFile(stdin)
	case f.size >= 0:
		pattern := bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz"), f.size/26+1)[:f.size]
		return repeat([]body{{octets: pattern}}, f.count), nil
	case len(args) > 0:
		bodies := make([]body, len(args))
		for i, a := range args {
			bodies[i] = body{octets: []byte(a), text: true}
		}
		return repeat(bodies, f.count), nil
	}
	n, total := 0, max(f.count, 1)
	return &bodySource{total: total, close: func() {}, next: func() (body, bool, error) {
		n++
		return body{octets: fmt.Appendf(nil, "message %d", n), text: true}, n <= total, nil
	}}, nil
}

// repeat yields bodies in turn, count of them, or each once when count is 0.
func repeat(bodies []body, count int) *bodySource {
	if count == 0 {
		count = len(bodies)
	}
	n := 0
	return &bodySource{total: count, close: func() {}, next: func() (body, bool, error) {
		if n == count {
			return body{}, false, nil
		}
		n++
		return bodies[(n-1)%len(bodies)], true, nil
	}}
}

// openFile reads a file as one body, or line by line as it comes.
func (f *bodyFlags) openFile(stdin io.Reader) (*bodySource, error) {
	in, close := stdin, func() {}
	if f.file != "-" {
		file, err := os.Open(f.file)
		if err != nil {
			return nil, fmt.Errorf("--file: %w", err)
		}
		in, close = file, func() { file.Close() }
	}
	if !f.lines {
		defer close()
		octets, err := io.ReadAll(in)
		if err != nil {
			return nil, fmt.Errorf("--file %s: %w", f.file, err)
		}
		return repeat([]body{{octets: octets}}, max(f.count, 1)), nil
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestLine)
	n := 0
	return &bodySource{total: -1, close: close, next: func() (body, bool, error) {
		if f.count > 0 && n == f.count || !lines.Scan() {
			err := lines.Err()
			if errors.Is(err, bufio.ErrTooLong) {
				err = fmt.Errorf("line %d is longer than %d octets", n+1, longestLine)
			}
			if err != nil {
				err = fmt.Errorf("--file %s: %w", f.file, err)
			}
			return body{}, false, err
		}
		n++
		return body{octets: bytes.Clone(lines.Bytes()), text: true}, true, nil
	}}, nil
}
