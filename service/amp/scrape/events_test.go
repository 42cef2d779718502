package scrape

import (
	"errors"
	"log/slog"
	"net/url"
	"testing"
)

func TestEvents(t *testing.T) {
	var got []Event
	log := slog.New(&listener{told: func(e Event) { got = append(got, e) }}).With("scrape_pool", "a").With("target", "http://user:secret@10.0.0.1:9100/metrics?token=secret")
	broken := &url.Error{Op: "Get", URL: "http://10.0.0.1:9100/metrics?token=secret", Err: errors.New("connection refused")}
	log.Info("nothing to tell")
	log.Debug("nothing to tell", "series", "secret")
	log.Debug("Scrape failed", "err", broken)
	log.Warn("Append failed", "err", errors.New("no room"))
	log.Error("Scrape commit failed", "err", errors.New("no room"))
	log.Error("Creating target failed", "err", errors.New("no address"))
	const at = "http://10.0.0.1:9100/metrics"
	want := []Event{
		{Collector, "WARN", "Scrape failed", "Get: connection refused", "a", at},
		{Collector, "WARN", "Append failed", "no room", "a", at},
		{Exporter, "ERROR", "Scrape commit failed", "no room", "a", at},
		{Discovery, "ERROR", "Creating target failed", "no address", "a", at},
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}
