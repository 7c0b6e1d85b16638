package logging

import (
	"context"
	"log/slog"
	"slices"
)

// Slog returns a view of a module for code that logs with slog. Its levels are those of [Level.Slog]; groups become
// prefixes of keys. Events that are not enabled are not counted.
func (l *Logger) Slog() *slog.Logger { return slog.New(handler{logger: l}) }

// handler is a module as a [slog.Handler]; immutable.
type handler struct {
	logger *Logger
	attrs  []slog.Attr // of WithAttrs, keys prefixed
	prefix string      // of WithGroup
}

// Enabled implements [slog.Handler].
func (h handler) Enabled(_ context.Context, level slog.Level) bool {
	return h.logger.Enabled(FromSlog(level))
}

// Handle implements [slog.Handler].
func (h handler) Handle(_ context.Context, r slog.Record) error {
	level := FromSlog(r.Level)
	if !h.logger.count(level) {
		return nil
	}
	attrs := slices.Grow(slices.Clone(h.attrs), r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, h.prefixed(a))
		return true
	})
	now := r.Time
	if now.IsZero() {
		now = h.logger.logs.now()
	}
	h.logger.emit(level, now, r.PC, r.Message, attrs)
	return nil
}

// WithAttrs implements [slog.Handler].
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		h.attrs = append(h.attrs, h.prefixed(a))
	}
	return h
}

// WithGroup implements [slog.Handler].
func (h handler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.prefix += name + "."
	}
	return h
}

// prefixed puts an attribute into the group; an inline group (empty key) stays one, its members get the prefix.
func (h handler) prefixed(a slog.Attr) slog.Attr {
	if h.prefix == "" || a.Equal(slog.Attr{}) {
		return a
	}
	a.Value = a.Value.Resolve()
	if a.Key == "" && a.Value.Kind() == slog.KindGroup {
		var members []slog.Attr
		for _, m := range a.Value.Group() {
			members = append(members, h.prefixed(m))
		}
		a.Value = slog.GroupValue(members...)
		return a
	}
	a.Key = h.prefix + a.Key
	return a
}
