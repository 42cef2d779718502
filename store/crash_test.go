package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// ledger is a workload whose state tells whether it is a whole number of commits: each
// adds a numbered entry, in two records, and the count of all entries.
type ledger struct {
	acked atomic.Uint64 // the greatest number acknowledged
	pad   string
}

var countKey = []byte("count")

func entryKey(side string, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("entry/"+side+"/"), n)
}

func number(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// add appends an entry and notes that it is acknowledged.
func (l *ledger) add(db DB, id TxID) error {
	var n uint64
	err := db.Update(context.Background(), id, func(tx Tx) error {
		n = 0
		if v, err := tx.Get(countKey); err == nil {
			n = number(v)
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
		n++
		value := append(binary.BigEndian.AppendUint64(nil, n), l.pad...)
		return errors.Join(tx.Put(countKey, value), tx.Put(entryKey("left", n), value), tx.Put(entryKey("right", n), value))
	})
	for err == nil {
		if was := l.acked.Load(); n <= was || l.acked.CompareAndSwap(was, n) {
			break
		}
	}
	return err
}

// check reads the whole ledger and returns the count. What was acknowledged before must
// be there, and nothing in part.
func (l *ledger) check(db DB) (count uint64, err error) {
	acked := l.acked.Load()
	err = db.View(context.Background(), func(r Reader) error {
		count = 0
		if v, err := r.Get(countKey); err == nil {
			count = number(v)
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
		for _, side := range []string{"left", "right"} {
			n := uint64(0)
			for rec, err := range r.Scan(Prefix([]byte("entry/" + side + "/"))) {
				if err != nil {
					return err
				}
				if n++; string(rec.Key) != string(entryKey(side, n)) || number(rec.Value) != n {
					return fmt.Errorf("entry %d on the %s is %x = %x", n, side, rec.Key, rec.Value)
				}
			}
			if n != count {
				return fmt.Errorf("%d entries on the %s, the count is %d", n, side, count)
			}
		}
		if count < acked {
			return fmt.Errorf("%d entries are left of %d that were acknowledged", count, acked)
		}
		return nil
	})
	return count, err
}

func mustOpen(t *testing.T, base vfs.FS, root Wrapper, opts Options) *File {
	t.Helper()
	f, err := openOn(base, "store", root, opts)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestPowerCuts cuts the power again and again under concurrent writers, with anything
// unsynced kept or lost at random.
func TestPowerCuts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	root := newTestRoot()
	base := vfs.NewCrashableMem()
	l := &ledger{pad: strings.Repeat("x", 2000)}
	cuts := 40
	if testing.Short() {
		cuts = 12 // the ledger that is read after each grows
	}
	for cut := range cuts {
		f := mustOpen(t, base, root, Options{HistoryBytes: 100_000})
		if _, err := l.check(f); err != nil {
			t.Fatalf("after cut %d: %v", cut, err)
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := l.add(f, TxID{}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		target := l.acked.Load() + uint64(rng.IntN(60))
		for l.acked.Load() < target && !t.Failed() {
			time.Sleep(50 * time.Microsecond)
		}
		// What is acknowledged from here on may be missing from the image.
		acked := l.acked.Load()
		image := base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		close(stop)
		wg.Wait()
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		base = image
		l.acked.Store(acked)
	}
}

// failing is a file system that fails on command.
type failing struct {
	vfs.FS
	count atomic.Int64 // operations that could fail, so far
	at    atomic.Int64 // the one that fails; 0 for none
	after atomic.Bool  // all later ones fail too
	only  string       // part of the names of files that fail
	err   error
}

func newFailing(base vfs.FS, err error) *failing {
	f := &failing{err: err}
	f.FS = errorfs.Wrap(base, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpLock || !strings.Contains(op.Path, f.only) {
			return nil
		}
		n, at := f.count.Add(1), f.at.Load()
		if at > 0 && (n == at || n > at && f.after.Load()) {
			return f.err
		}
		return nil
	}))
	return f
}

// TestFailureAtEveryOperation lets each write operation fail in turn, once or for a
// while, and checks that nothing acknowledged is lost and that the store works on.
func TestFailureAtEveryOperation(t *testing.T) {
	boom := errors.New("boom")
	for _, lasting := range []bool{false, true} {
		t.Run(fmt.Sprint("lasting=", lasting), func(t *testing.T) {
			for at := int64(1); ; at++ {
				base := vfs.NewCrashableMem()
				fs := newFailing(base, boom)
				fs.at.Store(at)
				fs.after.Store(lasting)
				if failOnce(t, base, fs, at) {
					t.Logf("%d operations", at)
					return
				}
			}
		})
	}
}

// failOnce runs the workload with the failure at one operation. It reports whether the
// workload was over before it.
func failOnce(t *testing.T, base *vfs.MemFS, fs *failing, at int64) (over bool) {
	root, l := newTestRoot(), &ledger{pad: strings.Repeat("x", 3000)}
	f, err := openOn(fs, "store", root, Options{})
	if err == nil {
		for range 8 {
			_ = l.add(f, TxID{})
			if _, err := l.check(f); err != nil {
				t.Fatalf("operation %d: during failure: %v", at, err)
			}
		}
	}
	rng := rand.New(rand.NewPCG(uint64(at), 3))
	image := base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	acked := l.acked.Load()
	fs.at.Store(0)
	if err == nil {
		f.retryNow()
		if err := l.add(f, TxID{}); err != nil {
			t.Fatalf("operation %d: after failure: %v", at, err)
		}
		if _, err := l.check(f); err != nil {
			t.Fatalf("operation %d: after failure: %v", at, err)
		}
		if err := f.Close(); err != nil {
			t.Fatalf("operation %d: close: %v", at, err)
		}
		again := mustOpen(t, base, root, Options{})
		if _, err := l.check(again); err != nil {
			t.Fatalf("operation %d: opened again: %v", at, err)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// The same failure, and then the power goes.
	l.acked.Store(acked)
	f, oerr := openOn(image, "store", root, Options{})
	if oerr != nil {
		t.Fatalf("operation %d: image does not open: %v", at, oerr)
	}
	if _, err := l.check(f); err != nil {
		t.Fatalf("operation %d: image: %v", at, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return fs.count.Load() < at
}

// TestOpeningCutOff cuts the power at each write of an opening of a closed store. The next must take it up.
func TestOpeningCutOff(t *testing.T) {
	boom := errors.New("boom")
	for at := int64(1); ; at++ {
		base, root, l := vfs.NewCrashableMem(), newTestRoot(), &ledger{pad: "some more text"}
		f := mustOpen(t, base, root, Options{})
		for range 6 {
			if err := l.add(f, TxID{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		fs := newFailing(base, boom)
		fs.at.Store(at)
		fs.after.Store(true)
		f, err := openOn(fs, "store", root, Options{})
		for _, percent := range []int{0, 50, 100} {
			rng := rand.New(rand.NewPCG(uint64(at), uint64(percent)))
			image := base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
			again := mustOpen(t, image, root, Options{})
			if _, err := l.check(again); err != nil {
				t.Fatalf("operation %d, %d %%: %v", at, percent, err)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err == nil {
			fs.at.Store(0)
			_ = f.Close()
		}
		if fs.count.Load() < at {
			t.Logf("%d operations", at)
			return
		}
	}
}

// retryNow lets the next update open the store anew without waiting.
func (f *File) retryNow() {
	f.w.Lock()
	f.retry = time.Time{}
	f.w.Unlock()
}

// TestUnknownOutcome fails the sync of the log under an update with an id.
func TestUnknownOutcome(t *testing.T) {
	fs := newFailing(vfs.NewMem(), errors.New("boom"))
	fs.only = ".log"
	f := mustOpen(t, fs, newTestRoot(), Options{})
	l := &ledger{}
	if err := l.add(f, TxID{1}); err != nil {
		t.Fatal(err)
	}
	var invalidated atomic.Bool
	f.Observe(func([]Change) { invalidated.Store(true) })
	fs.at.Store(fs.count.Load() + 2) // the write passes, its sync fails
	if err := l.add(f, TxID{2}); !errors.Is(err, ErrUnknown) {
		t.Fatalf("got %v, want ErrUnknown", err)
	}
	if n, err := l.check(f); err != nil || n != 1 {
		t.Fatalf("views see %d entries, %v, want the durable one", n, err)
	}
	first, err := f.Outcome(t.Context(), TxID{2})
	if err != nil {
		t.Fatal(err)
	}
	if !invalidated.Load() {
		t.Error("observers were not told of an update that may have happened")
	}
	n, err := l.check(f)
	if err != nil || (n == 2) != first {
		t.Errorf("outcome is %v and there are %d entries, %v", first, n, err)
	}
	if err := l.add(f, TxID{3}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[TxID]bool{{1}: true, {2}: first, {3}: true, {4}: false} {
		if got, err := f.Outcome(t.Context(), id); err != nil || got != want {
			t.Errorf("outcome of %v is %v, %v, want %v", id[0], got, err, want)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFullDisk fills the disk, for all files or only for tables, and makes room again.
func TestFullDisk(t *testing.T) {
	for name, only := range map[string]string{"all files": "", "tables": ".sst"} {
		t.Run(name, func(t *testing.T) {
			fs := newFailing(vfs.NewMem(), syscall.ENOSPC)
			fs.only = only
			f := mustOpen(t, fs, newTestRoot(), Options{})
			l := &ledger{pad: strings.Repeat("x", 100_000)}
			if err := l.add(f, TxID{}); err != nil {
				t.Fatal(err)
			}
			fs.after.Store(true)
			fs.at.Store(fs.count.Load() + 1)
			var err error
			for range 300 {
				if err = l.add(f, TxID{}); err != nil {
					break
				}
			}
			if !errors.Is(err, ErrFull) {
				t.Errorf("got %v, want ErrFull", err)
			}
			if _, err := l.check(f); err != nil {
				t.Error(err)
			}
			fs.at.Store(0)
			for deadline := time.Now().Add(20 * time.Second); ; {
				f.retryNow()
				if err = l.add(f, TxID{}); err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the store did not recover:", err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			if _, err := l.check(f); err != nil {
				t.Error(err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// littleRoom is a disk with little free space.
type littleRoom struct {
	vfs.FS
	free atomic.Uint64
}

func (l *littleRoom) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: l.free.Load()}, nil
}

func TestReserve(t *testing.T) {
	fs := &littleRoom{FS: vfs.NewMem()}
	fs.free.Store(1 << 30)
	f := mustOpen(t, fs, newTestRoot(), Options{Reserve: 10 << 20})
	l := &ledger{}
	if err := l.add(f, TxID{}); err != nil {
		t.Fatal(err)
	}
	fs.free.Store(5 << 20)
	f.disk.checked = time.Time{}
	if err := l.add(f, TxID{}); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if n, err := l.check(f); n != 1 || err != nil {
		t.Errorf("%d entries, %v, want one", n, err)
	}
	fs.free.Store(1 << 30)
	f.disk.checked = time.Time{}
	if err := l.add(f, TxID{}); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestViewIsDurable holds the sync of the log up: no view may show the commit before.
func TestViewIsDurable(t *testing.T) {
	var hold atomic.Pointer[chan struct{}]
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if ch := hold.Load(); ch != nil && op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") {
			<-*ch
		}
		return nil
	}))
	f := mustOpen(t, fs, newTestRoot(), Options{})
	l := &ledger{}
	gate := make(chan struct{})
	hold.Store(&gate)
	added := make(chan error, 1)
	applied := make(chan struct{})
	go func() {
		added <- f.Update(context.Background(), TxID{}, func(tx Tx) error {
			defer close(applied)
			return tx.Put([]byte("a"), []byte("1"))
		})
	}()
	<-applied
	answered := make(chan error, 1)
	go func() { // it sees the commit, and its answer must wait for it
		answered <- f.Update(context.Background(), TxID{}, func(tx Tx) error {
			if _, err := tx.Get([]byte("a")); err != nil {
				return err
			}
			return errRejected
		})
	}()
	for range 20 {
		if n, err := l.check(f); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		err := f.View(t.Context(), func(r Reader) error {
			_, err := r.Get([]byte("a"))
			return err
		})
		if !errors.Is(err, ErrNotFound) {
			t.Fatalf("a view shows a commit that is not durable: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-added:
		t.Errorf("acknowledged before it was durable: %v", err)
	case err := <-answered:
		t.Errorf("answered from what is not durable: %v", err)
	default:
	}
	hold.Store(nil)
	close(gate)
	if err := <-added; err != nil {
		t.Error(err)
	}
	if err := <-answered; err != errRejected {
		t.Errorf("got %v, want the function's own error", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

var errRejected = errors.New("rejected")

// TestLargeTables writes enough for tables over 2 MiB, flushes and compactions, and
// checks that nothing failed in the background.
func TestLargeTables(t *testing.T) {
	var logged atomic.Pointer[string]
	log := slog.New(&failHandler{&logged})
	dir, root := t.TempDir(), newTestRoot()
	f, err := OpenFile(dir, root, Options{Log: log, HistoryBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	value := make([]byte, 4000)
	for i := range 80 {
		err := f.Update(t.Context(), TxID{}, func(tx Tx) error {
			for j := range 100 {
				for k := range value {
					value[k] = byte(rng.Uint32())
				}
				copy(value, benchKey(i*100+j))
				if err := tx.Put(benchKey(i*100+j), value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.eng.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.eng.db.Compact(t.Context(), []byte{0}, []byte{0xff}, true); err != nil {
		t.Fatal(err)
	}
	levels, err := f.eng.db.SSTables()
	if err != nil {
		t.Fatal(err)
	}
	largest := uint64(0)
	for _, level := range levels {
		for _, table := range level {
			largest = max(largest, table.Size)
		}
	}
	if largest < 2<<20 {
		t.Errorf("the largest table has %d bytes; the test needs one over 2 MiB", largest)
	}
	if err := f.Check(t.Context()); err != nil {
		t.Error(err)
	}
	n := 0
	err = f.View(t.Context(), func(r Reader) error {
		for rec, err := range r.Scan(Range{}) {
			if err != nil {
				return err
			}
			if n++; string(rec.Value[:len(rec.Key)]) != string(rec.Key) {
				return fmt.Errorf("record %x holds another's value", rec.Key)
			}
		}
		return nil
	})
	if err != nil || n != 8000 {
		t.Errorf("%d records, %v, want 8000", n, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if msg := logged.Load(); msg != nil {
		t.Errorf("something failed in the background: %s", *msg)
	}
}

// failHandler keeps the last record that was logged.
type failHandler struct{ last *atomic.Pointer[string] }

func (h *failHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *failHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *failHandler) WithGroup(string) slog.Handler            { return h }
func (h *failHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	h.last.Store(&text)
	return nil
}
