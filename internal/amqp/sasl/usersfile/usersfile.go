// Package usersfile keeps the users of package sasl in step with a file.
package usersfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/postroad/postroad/internal/amqp/sasl"
)

// maxSize is the largest file that is read, in octets.
const maxSize = 64 << 20

// File is a file of users in the form of [sasl.ParseUsers]. It implements [sasl.Credentials] with the content it last
// read well, and is safe for concurrent use; a look-up takes no lock.
type File struct {
	path  string
	decoy sasl.Decoy
	users atomic.Pointer[sasl.Users]

	mu       sync.Mutex // one reader of the file at a time; guards warnings
	warnings []string
}

var _ sasl.Credentials = (*File)(nil)

// Load reads a file of users. The error says what is wrong with every bad line.
func Load(path string) (*File, error) {
	f := &File{path: path, decoy: sasl.NewDecoy()}
	if err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload reads the file again. After an error the users are those of the last good content. Exchanges that are under
// way finish with the users they began with.
func (f *File) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("users: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("users: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("users: %s is no regular file", f.path)
	case info.Size() > maxSize:
		return fmt.Errorf("users: %s has %d octets, at most %d are read", f.path, info.Size(), maxSize)
	}
	warning, err := checkMode(f.path, info.Mode().Perm())
	if err != nil {
		return err
	}
	users, err := sasl.ParseUsers(io.LimitReader(file, maxSize), f.path, f.decoy)
	if err != nil {
		return err
	}
	f.warnings = nil
	if warning != "" {
		f.warnings = append(f.warnings, warning)
	}
	if users.Len() == 0 {
		f.warnings = append(f.warnings, fmt.Sprintf("users file %s names no user", f.path))
	}
	f.users.Store(users)
	return nil
}

// Warnings returns what an administrator should know about the file as it was last read.
func (f *File) Warnings() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.warnings
}

// Path returns the path of the file.
func (f *File) Path() string { return f.path }

// Verify implements [sasl.Credentials].
func (f *File) Verify(user, password string) bool { return f.users.Load().Verify(user, password) }

// SCRAM implements [sasl.Credentials].
func (f *File) SCRAM(mechanism, user string) (sasl.Verifier, bool) {
	return f.users.Load().SCRAM(mechanism, user)
}

// Mechanisms implements [sasl.Credentials].
func (f *File) Mechanisms() []string { return f.users.Load().Mechanisms() }

// Len returns the number of users.
func (f *File) Len() int { return f.users.Load().Len() }

// checkMode looks at who else could read the secrets of a file, or add users of their own.
func checkMode(path string, mode os.FileMode) (warning string, err error) {
	if runtime.GOOS == "windows" {
		return "", nil // permission bits mean nothing there
	}
	if mode&0o002 != 0 {
		return "", errors.New("users: " + path + " can be written by everybody: chmod o-w it")
	}
	if mode&0o004 != 0 {
		return fmt.Sprintf("users file %s can be read by everybody: its secrets are not safe, chmod o-r it", path), nil
	}
	return "", nil
}
