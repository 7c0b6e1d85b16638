package logging

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// Format is the form of lines.
type Format uint8

// The formats. Lines for syslog have no timestamp in either.
const (
	Text Format = iota // Interconnect's lines
	JSON               // one object a line: time, level, module, msg, the attributes, source
)

// Settings are the attributes of a log entity. What is empty or nil is inherited from module DEFAULT, and for that one
// it is info+, stderr, timestamps, no source.
type Settings struct {
	Enable           string // as for [ParseEnable]
	OutputFile       string // stderr, stdout, syslog, or the name of a file that is appended to
	IncludeTimestamp *bool
	IncludeSource    *bool // the file and line that reported the event
}

// Options are what [New] starts from. The zero value logs info and above to standard error.
type Options struct {
	Modules         map[Module]Settings
	Format          Format
	TimestampFormat string // of text, as in C's strftime; empty means [DefaultTimestampFormat]
	UTC             bool   // timestamps are in UTC, not in local time

	Stdout, Stderr io.Writer        // nil means those of the process
	Now            func() time.Time // nil means [time.Now]
}

// Counts are the events of a module, written or not, by level.
type Counts [levelCount]uint64

// Logs is the log of one router: all modules. It is safe for concurrent use.
type Logs struct {
	format    Format
	timestamp timeFormat
	utc       bool
	stdout    io.Writer
	stderr    io.Writer
	now       func() time.Time
	dialLocal func() (output, error)

	loggers [moduleCount]Logger
	ring    ring

	mu       sync.Mutex // settings change one at a time; guards what follows
	settings [moduleCount]Settings
	sinks    map[string]*sink
	closed   bool
	lost     uint64 // lines that sinks which are gone could not write
}

// effective is what a module does with an event; immutable.
type effective struct {
	timestamp, source bool
	sink              *sink
}

// New opens the outputs. The error names every module whose settings are wrong.
func New(o Options) (*Logs, error) {
	if o.TimestampFormat == "" {
		o.TimestampFormat = DefaultTimestampFormat
	}
	format, err := parseTimeFormat(o.TimestampFormat)
	if err != nil {
		return nil, err
	}
	l := &Logs{
		format: o.Format, timestamp: format, utc: o.UTC, stdout: o.Stdout, stderr: o.Stderr, now: o.Now,
		sinks: make(map[string]*sink),
	}
	l.dialLocal = func() (output, error) { return openSyslog("", "") }
	if l.stdout == nil {
		l.stdout = os.Stdout
	}
	if l.stderr == nil {
		l.stderr = os.Stderr
	}
	if l.now == nil {
		l.now = time.Now
	}
	for m := range moduleCount {
		l.loggers[m].logs, l.loggers[m].module = l, m
	}
	if err := l.Replace(o.Modules); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Module returns the logger of a module. It stays valid, whatever is configured later.
func (l *Logs) Module(m Module) *Logger { return &l.loggers[m] }

// Configure changes the settings of some modules, like UPDATE on their log entities: what is empty or nil stays as it
// was; enable "default" inherits again. The error names every module whose settings are wrong, and then nothing has
// changed. Events that are reported meanwhile go to the old or the new output, and are not lost.
func (l *Logs) Configure(modules map[Module]Settings) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.change(l.settings, modules)
}

// Replace is Configure from the beginning: the settings are those of modules and nothing else.
func (l *Logs) Replace(modules map[Module]Settings) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.change(defaults(), modules)
}

// defaults are the settings before anything is configured.
func defaults() (all [moduleCount]Settings) {
	yes, no := true, false
	all[Default] = Settings{
		Enable: "info+", OutputFile: outputStderr, IncludeTimestamp: &yes, IncludeSource: &no,
	}
	return all
}

// change merges changes into settings and puts the result in force.
func (l *Logs) change(settings [moduleCount]Settings, changes map[Module]Settings) error {
	if l.closed {
		return errors.New("log: closed")
	}
	var levels [moduleCount]Levels
	var opened []*sink
	var problems []error
	for _, m := range slices.Backward(Modules()) { // DEFAULT, which the others inherit from, is last
		settings[m] = merge(settings[m], changes[m])
		set, inherit, err := ParseEnable(settings[m].Enable)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("log %s: %w", m, err))
		case m == Default && inherit:
			set = From(LevelInfo)
		case settings[m].Enable == "" || inherit:
			set = levels[Default]
		}
		levels[m] = set
		s, err := l.open(settings[m].OutputFile)
		if err != nil {
			problems = append(problems, fmt.Errorf("log %s: %w", m, err))
		} else if s != nil {
			opened = append(opened, s)
		}
	}
	if len(problems) > 0 {
		slices.Reverse(problems)
		for _, s := range opened {
			delete(l.sinks, s.name)
			problems = append(problems, s.close())
		}
		return errors.Join(problems...)
	}
	l.settings = settings
	l.apply(levels)
	l.closeUnused()
	return nil
}

// merge returns settings with a change.
func merge(s, change Settings) Settings {
	if change.Enable != "" {
		s.Enable = change.Enable
	}
	if change.OutputFile != "" {
		s.OutputFile = change.OutputFile
	}
	if change.IncludeTimestamp != nil {
		s.IncludeTimestamp = change.IncludeTimestamp
	}
	if change.IncludeSource != nil {
		s.IncludeSource = change.IncludeSource
	}
	return s
}

// open makes sure that a sink exists; it is nil if there was one, or the name is empty.
func (l *Logs) open(name string) (*sink, error) {
	if name == "" || l.sinks[name] != nil {
		return nil, nil
	}
	s := &sink{name: name, notify: l.complain}
	var err error
	switch name {
	case outputStderr:
		s.out = streamOutput{l.stderr}
		s.notify = func(error) {} // there is nobody left to tell
	case outputStdout:
		s.out = streamOutput{l.stdout}
	case outputSyslog:
		s.syslog = true
		s.out, err = l.dialLocal()
	default:
		s.out, err = openFile(name)
	}
	if err != nil {
		return nil, err
	}
	l.sinks[name] = s
	return s, nil
}

// complain tells standard error about an output that fails.
func (l *Logs) complain(err error) { _, _ = fmt.Fprintf(l.stderr, "%v\n", err) }

// apply publishes the settings to the modules.
func (l *Logs) apply(levels [moduleCount]Levels) {
	base := l.settings[Default]
	for m := range moduleCount {
		own := l.settings[m]
		name, timestamp, source := base.OutputFile, *base.IncludeTimestamp, *base.IncludeSource
		if own.OutputFile != "" {
			name = own.OutputFile
		}
		if own.IncludeTimestamp != nil {
			timestamp = *own.IncludeTimestamp
		}
		if own.IncludeSource != nil {
			source = *own.IncludeSource
		}
		s := l.sinks[name]
		l.loggers[m].effective.Store(&effective{timestamp: timestamp && !s.syslog, source: source, sink: s})
		l.loggers[m].enabled.Store(uint32(levels[m]))
	}
}

// closeUnused closes the sinks that no module uses any more.
func (l *Logs) closeUnused() {
	used := make(map[*sink]bool)
	for m := range moduleCount {
		used[l.loggers[m].effective.Load().sink] = true
	}
	for name, s := range l.sinks {
		if used[s] {
			continue
		}
		delete(l.sinks, name)
		if err := s.close(); err != nil {
			s.notify(fmt.Errorf("log output %q: %w", name, err))
		}
		l.lost += s.lost.Load()
	}
}

// Settings returns what was configured for a module, without what it inherits.
func (l *Logs) Settings(m Module) Settings {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settings[m]
}

// Stats returns how many events a module has reported, written or not.
func (l *Logs) Stats(m Module) Counts {
	var c Counts
	for i := range c {
		c[i] = l.loggers[m].counts[i].Load()
	}
	return c
}

// Recent returns the last events that were written, at most 1,000, the oldest first; limit bounds their number unless
// it is negative.
func (l *Logs) Recent(limit int) []Entry { return l.ring.last(limit) }

// Lost returns how many lines could not be written.
func (l *Logs) Lost() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.lost
	for _, s := range l.sinks {
		n += s.lost.Load()
	}
	return n
}

// Reopen opens the files again under their names, for a tool that renames them (logrotate). Where that fails the old
// file stays in use.
func (l *Logs) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var problems []error
	for _, s := range l.sinks {
		problems = append(problems, s.reopen())
	}
	return errors.Join(problems...)
}

// Close closes the outputs. Later events are counted and kept in memory, and written nowhere.
func (l *Logs) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var problems []error
	for _, s := range l.sinks {
		problems = append(problems, s.close())
	}
	return errors.Join(problems...)
}
