package tenant

import (
	"context"
	"errors"
	"sync"
	"time"
)

// upkeepWorkers is how many workspaces are maintained at a time.
const upkeepWorkers = 2

// idleUpkeep is how often a workspace is opened only to be maintained: samples whose time is over go, also where nobody asks.
const idleUpkeep = 24 * time.Hour

// Upkeep cuts blocks, applies retention, and closes what is not in use. all are the workspaces that there are; those that are not
// open are opened once a day. It is to be called every minute or so. A workspace whose key cannot be used is left as it is.
func (ts *Tenants) Upkeep(ctx context.Context, all []ID) {
	due := ts.due(all)
	var wg sync.WaitGroup
	slots := make(chan struct{}, upkeepWorkers)
	for _, id := range due {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			ts.maintain(ctx, id)
		})
	}
	wg.Wait()
	ts.Trim()
}

// due returns the workspaces that are open, and those that have not been maintained for a day.
func (ts *Tenants) due(all []ID) (due []ID) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	now, known := ts.now(), make(map[ID]time.Time, len(all))
	for _, id := range all {
		last, ok := ts.upkept[id]
		if !ok {
			last = now // the house has begun: a day from now on
		}
		e := ts.entries[id]
		if e != nil && e.open() != nil || now.Sub(last) > idleUpkeep {
			due, last = append(due, id), now
		}
		known[id] = last
	}
	ts.upkept = known
	return due
}

func (ts *Tenants) maintain(ctx context.Context, id ID) {
	err := ts.maintainOne(ctx, id)
	var k *KeyError
	if err == nil || ctx.Err() != nil || errors.As(err, &k) || errors.Is(err, ErrNoWorkspace) || errors.Is(err, ErrClosed) {
		return
	}
	ts.opts.Log.Error("a workspace was not maintained; it is tried again", "workspace", id.ARN(), "error", err)
}

// maintainOne does not count as a use: what nobody else uses is closed all the same.
func (ts *Tenants) maintainOne(ctx context.Context, id ID) error {
	w, err := ts.dir.Workspace(ctx, id)
	if err != nil || w.Elsewhere {
		return err
	}
	e, err := ts.enter(id)
	if err != nil {
		return err
	}
	defer ts.leave(e)
	t, err := ts.admit(ctx, e, w, false)
	if err != nil {
		return err
	}
	ctx, cancel := t.Context(ctx)
	defer cancel()
	if err := t.DB.Maintain(ctx); err != nil {
		if closed := t.Closed(); closed != nil {
			return closed
		}
		return err
	}
	return nil
}
