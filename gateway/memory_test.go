package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/audit"
)

// memoryLog is an audit.Sink in memory, that fails when told.
type memoryLog struct {
	mu          sync.Mutex
	entries     []*audit.Entry
	waited      audit.Position
	waits       int
	appendError error
	waitError   error
}

func (l *memoryLog) Append(_ context.Context, e *audit.Entry) (audit.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.appendError != nil {
		return 0, l.appendError
	}
	l.entries = append(l.entries, e)
	return audit.Position(len(l.entries)), nil
}

func (l *memoryLog) Wait(_ context.Context, _, pos audit.Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waitError != nil {
		return l.waitError
	}
	l.waited = max(l.waited, pos)
	l.waits++
	return nil
}

// records returns the records of an account, or of all.
func (l *memoryLog) records(t *testing.T, account string) []audit.Record {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []audit.Record
	for _, e := range l.entries {
		var r audit.Record
		if err := json.Unmarshal(e.JSON, &r); err != nil {
			t.Fatalf("a record is not JSON: %v\n%s", err, e.JSON)
		}
		if account == "" || e.Account == account {
			out = append(out, r)
		}
	}
	return out
}

// plainRoot wraps by marking, for tests of what is wrapped.
type plainRoot struct{}

func (plainRoot) Wrap(purpose string, plaintext []byte) ([]byte, error) {
	return append([]byte(purpose+"\x00"), plaintext...), nil
}

func (plainRoot) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(wrapped, []byte(purpose+"\x00"))
	if !ok {
		return nil, errors.New("wrong root key")
	}
	return bytes.Clone(plain), nil
}
