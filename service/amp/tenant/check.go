package tenant

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// checkTime bounds one check of a key.
const checkTime = 20 * time.Second

// ownedFresh is how long a check of a service owned key holds: nobody can disable one, and no grant is on it.
const ownedFresh = time.Minute

// gate lets those through who wait for the same answer at the same moment. An answer counts only for those who asked
// before the question was put: what changed in between must count.
type gate struct {
	mu   sync.Mutex
	busy *round // under way
	next *round // that those who come now wait for
}

type round struct {
	done chan struct{}
	err  error
}

// ask returns what fn says, which begins after ask was called. The first of those who wait puts the question.
func (g *gate) ask(ctx context.Context, fn func() error) error {
	g.mu.Lock()
	if r := g.next; r != nil {
		g.mu.Unlock()
		return r.wait(ctx)
	}
	r, before := &round{done: make(chan struct{})}, g.busy
	if before == nil {
		g.busy = r
	} else {
		g.next = r
	}
	g.mu.Unlock()
	if before != nil {
		<-before.done // bounded by checkTime; those who wait for this round need it whoever leads
		g.mu.Lock()
		g.busy, g.next = r, nil
		g.mu.Unlock()
	}
	r.err = errors.New("check of the key was broken off")
	defer func() {
		g.mu.Lock()
		if g.busy == r {
			g.busy = nil
		}
		g.mu.Unlock()
		close(r.done)
	}()
	r.err = fn()
	return r.err
}

func (r *round) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// check proves that the key of a workspace can be used now.
func (ts *Tenants) check(ctx context.Context, e *entry, w *Workspace) error {
	if w.Lost {
		return &KeyError{ARN: w.ARN, Code: "AccessDeniedException", Lost: true}
	}
	if w.Key == "" {
		if ts.now().Sub(e.proven()) < ownedFresh {
			return nil
		}
	}
	return e.gate.ask(ctx, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTime)
		defer cancel()
		err := ts.prove(ctx, e.id, w)
		if err == nil {
			e.prove(ts.now())
		}
		return err
	})
}

// prove opens the workspace's proof under each grant.
func (ts *Tenants) prove(ctx context.Context, id ID, w *Workspace) error {
	if len(w.Proof) == 0 {
		return fmt.Errorf("workspace %s has no proof of its key", w.ARN)
	}
	sources := Sources(w.ARN)
	if w.Key == "" {
		_, err := ts.seal.Open(as(ctx, id, w.ARN), "", w.Proof, pairs(w.ARN))
		return keyError(w.ARN, err)
	}
	for i, source := range sources {
		_, err := ts.seal.Open(as(ctx, id, source), w.Key, w.Proof, pairs(w.ARN))
		if err == nil {
			continue
		}
		err = keyError(w.ARN, err)
		var k *KeyError
		if errors.As(err, &k) && k.Code == "AccessDeniedException" && i < len(w.Grants) {
			return ts.refused(ctx, id, w, k)
		}
		return err
	}
	return nil
}

// refused finds out whether KMS denies a use because a grant is gone, which is for ever, or because the key's
// policy says so, which may change.
func (ts *Tenants) refused(ctx context.Context, id ID, w *Workspace, k *KeyError) error {
	for _, g := range w.Grants {
		there, err := ts.stands(ctx, id, w.Key, g)
		if err != nil {
			return errors.Join(k, err)
		}
		if there {
			continue
		}
		if err := ts.dir.Lose(ctx, id); err != nil {
			return errors.Join(k, err)
		}
		k.Lost = true
		return k
	}
	return k
}

// mayRead returns nil when the caller of the call in ctx may decrypt under the key of the workspace himself ("Encryption at
// rest", Amazon Managed Service for Prometheus User Guide: whoever reads a workspace needs the right to use its key).
// Without a customer's key, or without a caller, there is nothing to ask.
func (ts *Tenants) mayRead(ctx context.Context, id ID, w *Workspace) error {
	if w.Key == "" || call.From(ctx) == nil {
		return nil
	}
	out, err := ts.kms.Decrypt(call.InRegion(ctx, id.Region), &kms.DecryptInput{
		CiphertextBlob: w.Proof, KeyId: &w.Key, EncryptionContext: pairs(w.ARN),
	})
	if err == nil {
		clear(out.Plaintext)
		return nil
	}
	var e *wire.Error
	if errors.As(err, &e) && e.Code == "AccessDeniedException" {
		return &wire.Error{Code: e.Code, Status: 403, Message: e.Message}
	}
	return keyError(w.ARN, err)
}
