// Package capture keeps what programs under test print.
package capture

import (
	"bytes"
	"sync"
)

// Text is all that was written to it. The zero value is empty and ready. Its methods may be called together.
type Text struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write takes p and never fails.
func (t *Text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Write(p)
}

// String returns what was written so far.
func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.String()
}
