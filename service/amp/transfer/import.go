package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
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
// this import has sent.
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
		n, err := sendStep(ctx, from, to, start, end, again)
		if sent += n; err != nil {
			return sent, fmt.Errorf("samples from %s on: %w", when(start), err)
		}
		p.Through, p.Begun, p.Samples = &end, false, p.Samples+n
		if err := o.save(p); err != nil {
			return sent, err
		}
		o.Say("%s, %d samples, %d%%", when(end), sent, 100*(end-from.mint+1)/(from.maxt-from.mint+1))
		start = end + 1
	}
	return sent, nil
}

func mod(a, b int64) int64 { return (a%b + b) % b }

func when(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// sendStep sends the samples from mint to maxt. again says that some of them may be there already.
func sendStep(ctx context.Context, from *Source, to *Workspace, mint, maxt int64, again bool) (sent int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	requests := make(chan *request)
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for r := range requests {
				err := to.write(ctx, r)
				var no *refusal
				if err != nil && !(again && errors.As(err, &no) && no.known()) {
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
		return sent, cause
	}
	return sent, err
}
