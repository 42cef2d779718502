package scrape

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
)

// The parts of a scraper that events are of, as the API calls them.
const (
	Discovery = "SERVICE_DISCOVERY"
	Collector = "COLLECTOR"
	Exporter  = "EXPORTER"
)

// Event is something that went wrong with a scraper.
type Event struct {
	Component string // one of those above
	Level     string // "WARN" or "ERROR"
	Text      string
	Error     string // why; "" where nothing says so
	Job       string // of the configuration; "" for none
	Target    string // its address, without what may be secret in it; "" for none
}

// listener makes events of what upstream's code logs. That names targets with their parameters and errors with whole addresses, which may hold
// tokens: of an address only scheme, host and path are told.
type listener struct {
	told  func(Event)
	attrs []slog.Attr
}

var _ slog.Handler = (*listener)(nil)

// failed is what upstream says of a scrape that failed, among what is only for who looks for faults in its code.
const failed = "Scrape failed"

// Enabled reports whether messages of a level are looked at.
func (l *listener) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelDebug }

// Handle tells of a warning, an error or a failed scrape.
func (l *listener) Handle(_ context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && r.Message != failed {
		return nil
	}
	e := Event{Component: Collector, Level: "WARN", Text: r.Message}
	if r.Level >= slog.LevelError {
		e.Level = "ERROR"
	}
	switch r.Message {
	case "Creating target failed":
		e.Component = Discovery
	case "Scrape commit failed", "Stale commit failed":
		e.Component = Exporter
	}
	see := func(a slog.Attr) bool {
		switch a.Key {
		case "scrape_pool":
			e.Job = a.Value.String()
		case "target":
			e.Target = address(a.Value.String())
		case "err":
			e.Error = reason(a.Value)
		}
		return true
	}
	for _, a := range l.attrs {
		see(a)
	}
	r.Attrs(see)
	l.told(e)
	return nil
}

// WithAttrs returns a handler of messages that say more.
func (l *listener) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &listener{l.told, append(slices.Clone(l.attrs), attrs...)}
}

// WithGroup returns the handler itself: no group of upstream's holds what is told.
func (l *listener) WithGroup(string) slog.Handler { return l }

// address is an address without user, parameters and fragment.
func address(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// reason is what an error says, without the address that a request went to.
func reason(v slog.Value) string {
	err, ok := v.Any().(error)
	if !ok {
		return v.String()
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Op + ": " + u.Err.Error()
	}
	return err.Error()
}
