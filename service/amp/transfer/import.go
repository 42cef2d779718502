package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/storage"

	"github.com/strongroom/strongroom/durable"
)

const (
	// step is how much time is sent before the next: the head of a store takes what is an hour behind its newest sample.
	step    = int64(30 * time.Minute / time.Millisecond)
	senders = 4
)

// Options of an import.
type Options struct {
	// Progress is a file that says how far the import came. One that is there is gone on with.
	Progress string
	// Name says what is imported and where to, so that a file of progress is not taken for another's.
	Name string
	// Say tells a person how it goes.
	Say func(format string, args ...any)
}

// progress is what the file holds.
type progress struct {
	Name    string `json:"import"`
	Through *int64 `json:"through,omitempty"` // milliseconds; all up to here is in the workspace
	Begun   bool   `json:"begun,omitempty"`   // and some of what follows may be
	Samples int64  `json:"samples"`
	LeftOut int64  `json:"leftOut,omitempty"` // samples that the workspace did not take
	Unclear int64  `json:"unclear,omitempty"` // and such that it may not have taken
}

func (o *Options) load() (p progress, err error) {
	text, err := os.ReadFile(o.Progress)
	if errors.Is(err, os.ErrNotExist) {
		return progress{Name: o.Name}, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return p, fmt.Errorf("progress: %w", err)
	}
	if p.Name != o.Name {
		return p, fmt.Errorf("%s is the progress of another import (%s): name another file, or remove it", o.Progress, p.Name)
	}
	return p, nil
}

func (o *Options) save(p progress) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return durable.WriteFile(o.Progress, text, 0o600)
}

// Import sends all samples of a source to a workspace, from where an import before it ended. It returns how many samples
// this import has sent. A *LeftOutError says that it came to its end without some samples, also of an import before it.
func Import(ctx context.Context, from *Source, to *Workspace, o Options) (sent int64, err error) {
	p, err := o.load()
	if err != nil {
		return 0, err
	}
	start := from.mint
	if p.Through != nil {
		start = max(start, *p.Through+1)
		o.Say("going on after %s", when(*p.Through))
	}
	for again := p.Begun; start <= from.maxt; again = false {
		end := min(start-mod(start, step)+step-1, from.maxt)
		p.Begun = true
		if err := o.save(p); err != nil {
			return sent, err
		}
		n, refused, err := sendStep(ctx, from, to, start, end, again)
		if sent += n; err != nil {
			return sent, fmt.Errorf("samples from %s on: %w", when(start), err)
		}
		if refused > 0 {
			if err := o.leaveOut(ctx, &p, from, to, start, end, refused); err != nil {
				return sent, err
			}
		}
		p.Through, p.Begun, p.Samples = &end, false, p.Samples+n
		if err := o.save(p); err != nil {
			return sent, err
		}
		o.Say("%s, %d samples, %d%%", when(end), sent, 100*(end-from.mint+1)/(from.maxt-from.mint+1))
		start = end + 1
	}
	if p.LeftOut > 0 || p.Unclear > 0 {
		return sent, &LeftOutError{p.LeftOut, p.Unclear}
	}
	return sent, nil
}

// leaveOut finds out which of the samples that were refused, in a step that had begun before, came in then and which are
// nowhere in the workspace, and tells.
func (o *Options) leaveOut(ctx context.Context, p *progress, from *Source, to *Workspace, mint, maxt, refused int64) error {
	n, err := missing(ctx, from, to, mint, maxt)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		p.Unclear += refused
		o.Say("%s to %s: %d samples were refused; the workspace cannot be read to see whether it has them: %v", when(mint), when(maxt), refused, err)
	case n > 0:
		p.LeftOut += n
		o.Say("%s to %s: %d samples were left out: the workspace has newer ones of their series, or others at their times", when(mint), when(maxt), n)
	}
	return nil
}

func mod(a, b int64) int64 { return (a%b + b) % b }

func when(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// sendStep sends the samples from mint to maxt. again says that some of them may be there already: then it returns how many
// were refused as if they were.
func sendStep(ctx context.Context, from *Source, to *Workspace, mint, maxt int64, again bool) (sent, refused int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	requests := make(chan *request)
	var wg sync.WaitGroup
	var notTaken atomic.Int64
	for range senders {
		wg.Go(func() {
			for r := range requests {
				err := to.write(ctx, r)
				var no *refusal
				switch {
				case err == nil:
				case again && errors.As(err, &no) && no.known():
					notTaken.Add(max(int64(r.samples)-no.written, 0))
				default:
					cancel(err)
				}
			}
		})
	}
	r := newRequest()
	give := func() error {
		select {
		case requests <- r:
			sent += int64(r.samples)
			r = newRequest()
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	err = from.between(ctx, mint, maxt, func(s storage.Series) error {
		if err := r.add(s); err != nil || r.samples < fullRequest {
			return err
		}
		return give()
	})
	if err == nil && r.samples > 0 {
		err = give()
	}
	close(requests)
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return sent, 0, cause
	}
	return sent, notTaken.Load(), err
}
