package proton

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/test/memory"
	"github.com/strongroom/strongroom/wire"
)

// grantor is as much of KMS as has to do with grants.
type grantor struct {
	mu     sync.Mutex
	grants []kms.GrantListEntry
}

func (g *grantor) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.grants)
}

// Invoke makes, lists and retires grants; a listing has one grant a page.
func (g *grantor) Invoke(_ context.Context, _ *wire.Operation, in any) (any, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch in := in.(type) {
	case *kms.CreateGrantInput:
		id := "grant-" + wire.Val(in.Name)
		g.grants = append(g.grants, kms.GrantListEntry{KeyId: in.KeyId, GrantId: &id, Name: in.Name})
		return &kms.CreateGrantOutput{GrantId: &id}, nil
	case *kms.RetireGrantInput:
		g.grants = slices.DeleteFunc(g.grants, func(e kms.GrantListEntry) bool { return *e.GrantId == *in.GrantId && *e.KeyId == *in.KeyId })
		return &kms.RetireGrantOutput{}, nil
	case *kms.ListRetirableGrantsInput:
		out, at := &kms.ListRetirableGrantsOutput{}, len(wire.Val(in.Marker))
		if at < len(g.grants) {
			out.Grants = g.grants[at : at+1]
			out.Truncated, out.NextMarker = wire.Ptr(true), wire.Ptr(strings.Repeat("x", at+1))
		}
		return out, nil
	}
	return nil, errors.New("not a call of grants")
}

// TestACreationThatWasCutOffLeavesNoGrant: the house stops between the grant and the record, once a record was
// written and once it was not, and between the deletion of a record and the retirement of its grant.
func TestACreationThatWasCutOffLeavesNoGrant(t *testing.T) {
	db, err := store.OpenFile(t.TempDir(), memory.Root{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	log, g := slog.New(slog.DiscardHandler), &grantor{}
	jobs := job.Open(db, log)
	s := &Service{db: db, jobs: jobs, log: log, kms: kms.NewClient(g), now: func() time.Time { return time.Now().Add(-2 * ungrantAfter) }}
	jobs.Handle(jobUngrant, s.ungrant)
	p := place{"eu-central-1", "111122223333"}
	begin := func(name string) (h *head, id, pledged string) {
		own := p.templateARN(environmentFamily, name)
		h = &head{Template: own, Resource: own, Key: "arn:aws:kms:eu-central-1:111122223333:key/one"}
		id, pledged, err := s.grant(t.Context(), p, h)
		if err != nil || id == "" {
			t.Fatal(id, err)
		}
		return h, id, pledged
	}
	_, kept, pledged := begin("kept")
	dropped, gone, pledgedToo := begin("dropped")
	begin("cut-off")
	begin("cut-off") // tried again, and cut off again
	err = s.update(t.Context(), func(tx store.Tx) error {
		return errors.Join(s.keepGrant(tx, pledged), s.keepGrant(tx, pledgedToo), s.dropGrant(tx, dropped, gone))
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		jobs.Run(ctx)
		close(over)
	}()
	for until := time.Now().Add(30 * time.Second); g.count() > 1 && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
	stop()
	<-over
	if len(g.grants) != 1 || *g.grants[0].GrantId != kept {
		t.Errorf("the grants that are left are %v, want %s alone", g.grants, kept)
	}
}
