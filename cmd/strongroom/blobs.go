package main

import (
	"context"
	"errors"
	"sync"

	"github.com/strongroom/strongroom/blob"
)

// heldBlobs holds back deletions while a backup runs: what the backup's records name
// must still be there when its turn comes to be copied.
type heldBlobs struct {
	*blob.Dir

	mu    sync.Mutex
	held  int      // backups that run
	queue []string // deleted meanwhile
}

// Delete removes a blob, or notes it for later while deletions are held. A blob that is
// forgotten because the house stopped is an orphan, which its service sweeps.
func (h *heldBlobs) Delete(ctx context.Context, key string) error {
	h.mu.Lock()
	if h.held > 0 {
		h.queue = append(h.queue, key)
		h.mu.Unlock()
		return nil
	}
	h.mu.Unlock()
	return h.Dir.Delete(ctx, key)
}

// hold begins to hold deletions back; release ends it and does those that were asked for.
func (h *heldBlobs) hold() (release func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held++
	return func(ctx context.Context) error {
		h.mu.Lock()
		h.held--
		var due []string
		if h.held == 0 {
			due, h.queue = h.queue, nil
		}
		h.mu.Unlock()
		var errs []error
		for _, key := range due {
			errs = append(errs, h.Dir.Delete(ctx, key))
		}
		return errors.Join(errs...)
	}
}
