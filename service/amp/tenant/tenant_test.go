package tenant

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/amp/series"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

func TestKeyLostAndFound(t *testing.T) {
	h := newHarness(t)
	mine, other := h.add("ws-mine", customerKey), h.add("ws-other", "")
	for i := range 3 {
		if err := errors.Join(h.write(mine, float64(i)), h.write(other, float64(i))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // samples of one millisecond would be one
	}
	x, done, err := h.Use(ctx, mine)
	if err != nil {
		t.Fatal(err)
	}
	inUse, cancel := x.Context(ctx)
	defer cancel()

	for name, c := range map[string]struct {
		lose, find func()
		code       string
	}{
		"disabled": {func() { h.kms.disabled = true }, func() { h.kms.disabled = false }, "DisabledException"},
		"denied":   {func() { h.kms.denied = true }, func() { h.kms.denied = false }, "AccessDeniedException"},
	} {
		h.kms.set(c.lose)
		var k *KeyError
		if err := h.write(mine, 1); !errors.As(err, &k) || k.Code != c.code || !k.Retryable() || !strings.Contains(k.Error(), mine.ARN()) {
			t.Errorf("%s: a write says %v", name, err)
		}
		if _, err := h.samples(mine); !errors.As(err, &k) {
			t.Errorf("%s: a query says %v", name, err)
		}
		if h.dir.have[mine].Lost {
			t.Fatalf("%s: the workspace is marked as lost", name)
		}
		if slices.Contains(h.Open(), mine) {
			t.Errorf("%s: the workspace is still open", name)
		}
		h.kms.set(c.find)
		h.wantSamples(mine, 3)
	}
	var k *KeyError
	if context.Cause(inUse) == nil || !errors.As(x.Closed(), &k) {
		t.Errorf("who had it in use was told %v, %v", context.Cause(inUse), x.Closed())
	}
	if app := x.DB.Appender(ctx); app != nil {
		_, err := app.Append(0, labels.FromStrings("__name__", "up"), 1, 1)
		if err = errors.Join(err, app.Commit()); !errors.Is(err, series.ErrClosed) {
			t.Errorf("appending to what was closed: %v", err)
		}
	}
	done()
	h.restart()
	h.wantSamples(mine, 3)
	h.wantSamples(other, 3)
}

// Each of the three grants is needed, and what is gone stays gone.
func TestAnyGrantRevoked(t *testing.T) {
	for i := range 3 {
		h := newHarness(t)
		id, other := h.add("ws-mine", customerKey), h.add("ws-other", "arn:aws:kms:eu-central-1:111122223333:key/2")
		if err := errors.Join(h.write(id, 1), h.write(other, 1)); err != nil {
			t.Fatal(err)
		}
		source, grant := Sources(id.ARN())[i], h.dir.have[id].Grants[i]
		h.dir.have[other].Grants = []string{"o0", "o1", "o2"}
		h.kms.set(func() { h.kms.revoked[source], h.kms.revoked[grant] = true, true })
		var k *KeyError
		if _, err := h.samples(id); !errors.As(err, &k) || !k.Lost || k.Retryable() {
			t.Errorf("grant %d: a query says %v", i, err)
		}
		h.kms.set(func() { clear(h.kms.revoked) }) // one like it is no help
		if err := h.write(id, 1); !errors.As(err, &k) || !k.Lost {
			t.Errorf("grant %d: a write says %v", i, err)
		}
		h.wantSamples(other, 1)
	}
}

func TestReaderNeedsTheKey(t *testing.T) {
	h := newHarness(t)
	id, owned := h.add("ws-mine", customerKey), h.add("ws-owned", "")
	h.kms.set(func() { h.kms.reader = false })
	asked := call.With(ctx, &call.Call{Principal: &identity.Principal{Account: "111122223333"}, Region: "eu-central-1"})
	_, done, err := h.Use(asked, id)
	if err != nil {
		t.Fatalf("use: %v", err)
	}
	done()
	var e *wire.Error
	if _, _, err := h.Read(asked, id); !errors.As(err, &e) || e.Code != "AccessDeniedException" || e.Status != 403 {
		t.Errorf("read without the right: %v", err)
	}
	if !slices.Contains(h.Open(), id) {
		t.Error("a reader who may not has closed the workspace")
	}
	h.kms.set(func() { h.kms.reader = true })
	for _, id := range []ID{id, owned} {
		_, done, err := h.Read(asked, id)
		if err != nil {
			t.Fatal(err)
		}
		done()
	}
}

func TestCheckIsSharedByThoseWhoWait(t *testing.T) {
	h := newHarness(t)
	id := h.add("ws-mine", customerKey)
	if err := h.write(id, 1); err != nil {
		t.Fatal(err)
	}
	block := make(chan struct{})
	h.kms.set(func() { h.kms.decrypts, h.kms.block = 0, block })
	const many = 50
	var wg sync.WaitGroup
	var failed atomic.Int64
	for range many {
		wg.Go(func() {
			_, done, err := h.Use(ctx, id)
			if err != nil {
				failed.Add(1)
				return
			}
			done()
		})
	}
	time.Sleep(50 * time.Millisecond) // they gather; should some come later, there are more checks, still few
	close(block)
	wg.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d uses failed", failed.Load())
	}
	if n := h.kms.decrypts; n > 3*many/2 {
		t.Errorf("%d uses at one moment asked KMS %d times", many, n)
	}
}

// An answer that was on its way when the question was put does not count.
func TestGateAsksAgain(t *testing.T) {
	var g gate
	first, begun := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := g.ask(ctx, func() error { close(begun); <-first; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-begun
	gone := errors.New("gone")
	var asked atomic.Int64
	for range 10 {
		wg.Go(func() {
			if err := g.ask(ctx, func() error { asked.Add(1); return gone }); !errors.Is(err, gone) {
				t.Errorf("got %v", err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	close(first)
	wg.Wait()
	if n := asked.Load(); n == 0 || n > 10 {
		t.Errorf("asked %d times", n)
	}
}

func TestDocuments(t *testing.T) {
	h := newHarness(t)
	id := h.add("ws-mine", "")
	x, done, err := h.Use(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	long := bytes.Repeat([]byte("canary-in-the-clear "), 60_000)
	for _, text := range [][]byte{[]byte("canary-in-the-clear"), long, {}, long, []byte("short")} {
		if err := x.PutDocument(ctx, "rules/a", text, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := x.Document(ctx, "rules/a"); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%d bytes came back as %d, %v", len(text), len(got), err)
		}
	}
	if err := x.PutDocument(ctx, "rules/b", long, nil); err != nil {
		t.Fatal(err)
	}
	if list, err := x.Documents(ctx, "rules/"); err != nil || !slices.Equal(list, []string{"rules/a", "rules/b"}) {
		t.Errorf("listed %v, %v", list, err)
	}
	sealed, err := x.sealed(ctx, "rules/a")
	if err != nil || bytes.Contains(sealed, []byte("canary")) {
		t.Errorf("sealed: %v", err)
	}
	if _, err := x.Open(ctx, "rules/other", sealed); !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("opened under another name: %v", err)
	}
	for _, at := range []int{0, 1, 5, len(sealed) - 1} {
		bad := bytes.Clone(sealed)
		bad[at] ^= 1
		if _, err := x.Open(ctx, "rules/a", bad); !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	stop := errors.New("stop")
	if err := x.PutDocument(ctx, "rules/a", []byte("not kept"), func(store.Tx) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	if err := x.DeleteDocument(ctx, "rules/a", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Document(ctx, "rules/a"); !errors.Is(err, ErrNoDocument) {
		t.Errorf("deleted document: %v", err)
	}
}

// TestErase: nothing is left of a workspace, and nothing of another is touched.
func TestErase(t *testing.T) {
	h := newHarness(t)
	gone, stays := h.add("ws-gone", ""), h.add("ws-stays", "")
	for _, id := range []ID{gone, stays} {
		if err := h.write(id, 1); err != nil {
			t.Fatal(err)
		}
		x, done, err := h.Use(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(x.DB.Flush(ctx), x.PutDocument(ctx, "long", make([]byte, 300_000), nil)); err != nil {
			t.Fatal(err)
		}
		done()
	}
	before := h.blobs()
	if err := h.Erase(ctx, gone); err != nil {
		t.Fatal(err)
	}
	if after := h.blobs(); after == 0 || after*2 != before {
		t.Errorf("of %d blobs %d are left", before, after)
	}
	if keys, _, err := h.remains(ctx, gone); err != nil || len(keys) > 0 {
		t.Errorf("left in the store: %q, %v", keys, err)
	}
	h.wantSamples(stays, 1)
}

// TestOrphansAreSwept: a blob that was written and never named is gone when the workspace is opened again.
func TestOrphansAreSwept(t *testing.T) {
	h := newHarness(t)
	id := h.add("ws-mine", "")
	if err := h.write(id, 1); err != nil {
		t.Fatal(err)
	}
	x, done, err := h.Use(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	d, err := x.keep(ctx, []byte("sealed bytes that nobody names"))
	if err != nil {
		t.Fatal(err)
	}
	done()
	h.restart()
	h.wantSamples(id, 1)
	if _, err := h.opts.Blobs.Stat(ctx, d.Blob); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("the orphan is there: %v", err)
	}
	if n := h.blobs(); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
}

func TestTrimClosesTheLeastUsed(t *testing.T) {
	h := newHarness(t)
	h.opts.Budget = 2*baseCost + 10*seriesCost
	h.restart()
	var ids []ID
	for i := range 4 {
		id := h.add(fmt.Sprint("ws-", i), "")
		ids = append(ids, id)
		if err := h.write(id, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	_, done, err := h.Use(ctx, ids[0]) // the oldest is in use
	if err != nil {
		t.Fatal(err)
	}
	h.Trim()
	open := h.Open()
	if len(open) != 2 || !slices.Contains(open, ids[0]) || !slices.Contains(open, ids[3]) {
		t.Errorf("open are %v", open)
	}
	done()
	for _, id := range ids {
		h.wantSamples(id, 1)
	}
	h.now = func() time.Time { return time.Now().Add(time.Hour) }
	h.Trim()
	if open := h.Open(); len(open) > 0 {
		t.Errorf("after an hour, open are %v", open)
	}
}

func TestUpkeepLeavesLockedWorkspacesAlone(t *testing.T) {
	h := newHarness(t)
	id := h.add("ws-mine", customerKey)
	if err := h.write(id, 1); err != nil {
		t.Fatal(err)
	}
	h.Upkeep(ctx, []ID{id})
	h.kms.set(func() { h.kms.disabled = true })
	h.Upkeep(ctx, []ID{id})
	if open := h.Open(); len(open) > 0 {
		t.Errorf("open are %v", open)
	}
	h.kms.set(func() { h.kms.disabled = false })
	h.wantSamples(id, 1)
}

func TestUnknownAndClosed(t *testing.T) {
	h := newHarness(t)
	if _, _, err := h.Use(ctx, ID{"r", "1", "ws-none"}); !errors.Is(err, ErrNoWorkspace) {
		t.Errorf("got %v", err)
	}
	id := h.add("ws-mine", "")
	if err := h.write(id, 1); err != nil {
		t.Fatal(err)
	}
	memory, _ := h.opts.Memory()
	if _, err := os.Stat(memory); err != nil {
		t.Fatal(err)
	}
	if err := h.Tenants.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(memory); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder in memory is still there: %v", err)
	}
	if _, _, err := h.Use(ctx, id); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// A data key that was changed is damage, and not a matter of the customer's key.
func TestChangedDataKeyIsCorrupt(t *testing.T) {
	h := newHarness(t)
	id := h.add("ws-mine", customerKey)
	k := newKeys(seal.NewKeys(h.kms), id, h.dir.have[id])
	dk, err := k.Make(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dk.Wrapped[len(dk.Wrapped)-1] ^= 1
	if _, err := k.Open(ctx, dk.Wrapped); !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

// TestLabelSetLimits: the limits of a workspace's configuration count with the next use, and after a restart.
func TestLabelSetLimits(t *testing.T) {
	h := newHarness(t)
	id := h.add("ws-mine", "")
	if err := h.write(id, 1); err != nil {
		t.Fatal(err)
	}
	limited := *h.dir.have[id]
	limited.Limits.PerLabelSet = []LabelSetLimit{{Labels: map[string]string{"team": "x"}, MaxSeries: 1}, {MaxSeries: 1}}
	h.dir.mu.Lock()
	h.dir.have[id] = &limited
	h.dir.mu.Unlock()
	add := func(pairs ...string) error {
		x, done, err := h.Use(ctx, id)
		if err != nil {
			return err
		}
		defer done()
		app := x.DB.Appender(ctx)
		if _, err := app.Append(0, labels.FromStrings(pairs...), time.Now().UnixMilli(), 1); err != nil {
			return errors.Join(err, app.Rollback())
		}
		return app.Commit()
	}
	for range 2 {
		if err := add("__name__", "other"); !errors.Is(err, series.ErrTooManyOfLabels) {
			t.Errorf("the series that no set fits: got %v", err)
		}
		if err := add("__name__", "up", "team", "x"); err != nil {
			t.Error(err)
		}
		if err := add("__name__", "other", "team", "x"); !errors.Is(err, series.ErrTooManyOfLabels) {
			t.Errorf("the set: got %v", err)
		}
		h.restart()
	}
}

func FuzzParseDocument(f *testing.F) {
	f.Add([]byte{1, 0, 1, 2, 3})
	f.Add([]byte{1, 255, 255})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		wrapped, body, err := parseDocument(sealed)
		if err == nil && (len(wrapped) == 0 || len(wrapped)+len(body)+3 != len(sealed)) {
			t.Errorf("%d bytes became %d and %d", len(sealed), len(wrapped), len(body))
		}
		if err != nil && !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("got %v", err)
		}
	})
}
