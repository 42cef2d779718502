package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// sums is a memo of the sums of numbers under a prefix, with each number, that reads only the numbers which have changed.
type sums struct {
	mu             sync.Mutex // for the counts
	whole, patched int
	m              *Memo[map[string]uint64]
}

func (s *sums) count(n *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
}

func newSums(db DB, patch Patch[map[string]uint64]) *sums {
	s := new(sums)
	patch.Load = func(r Reader, _ []byte, old map[string]uint64, changed [][]byte) (map[string]uint64, bool, error) {
		s.count(&s.patched)
		now := maps.Clone(old)
		for _, key := range changed {
			n, err := loadNumber(r, key)
			if errors.Is(err, ErrNotFound) {
				delete(now, string(key))
				continue
			}
			if err != nil {
				return nil, false, err
			}
			now[string(key)] = n
		}
		return now, len(now) != 3, nil
	}
	s.m = NewPatchedMemo(db, func(r Reader, key []byte) (map[string]uint64, error) {
		s.count(&s.whole)
		all := map[string]uint64{}
		for rec, err := range r.Scan(Prefix(append(key, '/'))) {
			if err != nil {
				return nil, err
			}
			all[string(rec.Key)] = binary.BigEndian.Uint64(rec.Value)
		}
		return all, nil
	}, patch, MemoOptions{Invalidates: func(key []byte) []string {
		owner, _, _ := strings.Cut(string(key), "/")
		return []string{owner}
	}})
	return s
}

// TestMemoPatches reads again only what has changed, and all of it where that cannot be, or may not.
func TestMemoPatches(t *testing.T) {
	db := memStore(t)
	s := newSums(db, Patch[map[string]uint64]{Keeps: func(key []byte) bool { return !bytes.HasSuffix(key, []byte("secret")) }})
	defer s.m.Close()
	want := func(n, whole, patched int) {
		t.Helper()
		for range 2 {
			got, err := s.m.Get(t.Context(), "u")
			if len(got) != n || err != nil || s.whole != whole || s.patched != patched {
				t.Errorf("%v, %v after %d loads and %d patches, want %d numbers, %d and %d", got, err, s.whole, s.patched, n, whole, patched)
			}
		}
	}
	put := func(key string, n uint64) {
		t.Helper()
		if err := putNumber(db, key, n); err != nil {
			t.Fatal(err)
		}
	}
	want(0, 1, 0)
	put("u/1", 1)
	put("u/2", 1)
	want(2, 1, 1)
	put("u/2", 0)
	want(1, 1, 2)
	put("u/2", 2)
	put("u/3", 3)
	want(3, 2, 3) // it declines three
	put("u/secret", 1)
	want(4, 3, 3) // it may not be kept
	for i := range uint64(maxPatch) {
		put("u/1", 10+i)
	}
	want(4, 3, 4)
	for i := range uint64(maxPatch + 1) {
		put("u/1", 10+i)
	}
	want(4, 4, 4)
	put("u/secret", 0)
	want(3, 5, 4)
	for range 2 { // two at once are too large to wait in memory
		if err := db.Update(t.Context(), TxID{}, func(tx Tx) error {
			return tx.Put([]byte("u/1"), make([]byte, maxPatchBytes/2+1))
		}); err != nil {
			t.Fatal(err)
		}
	}
	want(3, 6, 4)
}

// TestMemoPatchOvertaken lets a commit happen in the middle of a patch: what comes of it is not kept, and
// both changes are in the next.
func TestMemoPatchOvertaken(t *testing.T) {
	db := memStore(t)
	overtake := false
	s := newSums(db, Patch[map[string]uint64]{Keeps: func([]byte) bool { return true }})
	inner := s.m.patch.Load
	s.m.patch.Load = func(r Reader, key []byte, old map[string]uint64, changed [][]byte) (map[string]uint64, bool, error) {
		if overtake {
			overtake = false
			if err := putNumber(db, "u/2", 2); err != nil {
				return nil, false, err
			}
		}
		return inner(r, key, old, changed)
	}
	defer s.m.Close()
	get := func() int {
		got, err := s.m.Get(t.Context(), "u")
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	get()
	if err := putNumber(db, "u/1", 1); err != nil {
		t.Fatal(err)
	}
	overtake = true
	if first, second := get(), get(); first != 1 || second != 2 || s.whole != 1 {
		t.Errorf("%d and %d numbers after %d loads, want 1, 2 and 1", first, second, s.whole)
	}
}

// TestMemoPatchesWhole moves numbers from one record to another, from several sides at once: the sum of what a memo patches is
// that of a state that has been, and never older than what was acknowledged.
func TestMemoPatchesWhole(t *testing.T) {
	const numbers, writers, each, start = 6, 4, 300, 1_000_000
	db := memStore(t)
	s := newSums(db, Patch[map[string]uint64]{Keeps: func([]byte) bool { return true }})
	defer s.m.Close()
	for i := range numbers {
		if err := putNumber(db, fmt.Sprint("u/", i), start); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	var writing atomic.Int32
	writing.Store(writers)
	sum := func() (n uint64) {
		all, err := s.m.Get(context.Background(), "u")
		if err != nil {
			t.Error(err)
		}
		for _, v := range all {
			n += v
		}
		return n
	}
	for w := range writers {
		wg.Go(func() {
			defer writing.Add(-1)
			rng := rand.New(rand.NewPCG(uint64(w), 2))
			for range each {
				from := rng.IntN(numbers)
				to := (from + 1 + rng.IntN(numbers-1)) % numbers
				if err := move(db, fmt.Sprint("u/", from), fmt.Sprint("u/", to)); err != nil {
					t.Error(err)
				}
				if got := sum(); got != numbers*start {
					t.Errorf("the sum is %d, want %d", got, numbers*start)
				}
			}
		})
	}
	wg.Go(func() {
		for writing.Load() > 0 {
			if got := sum(); got != numbers*start {
				t.Errorf("the sum is %d, want %d", got, numbers*start)
			}
		}
	})
	wg.Wait()
	last, err := s.m.Get(t.Context(), "u")
	if err != nil {
		t.Fatal(err)
	}
	for key, n := range last {
		if err := db.View(t.Context(), func(r Reader) error {
			if want, err := loadNumber(r, []byte(key)); n != want || err != nil {
				t.Errorf("%s is kept as %d, want %d, %v", key, n, want, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// move takes one from a number and gives it to another.
func move(db DB, from, to string) error {
	return db.Update(context.Background(), TxID{}, func(tx Tx) error {
		a, err := loadNumber(tx, []byte(from))
		if err != nil {
			return err
		}
		b, err := loadNumber(tx, []byte(to))
		if err != nil {
			return err
		}
		return errors.Join(tx.Put([]byte(from), binary.BigEndian.AppendUint64(nil, a-1)), tx.Put([]byte(to), binary.BigEndian.AppendUint64(nil, b+1)))
	})
}

// TestMemoPeek asks for kept values in transactions, of which several run at once: what there is equals what the transaction reads.
func TestMemoPeek(t *testing.T) {
	const keys, writers, each = 8, 4, 400
	db := Sub(memStore(t), "part/")
	m := NewMemo(db, loadNumber, MemoOptions{})
	defer m.Close()
	var peeked atomic.Int32
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 3))
			for range each {
				key := fmt.Sprint("key", rng.IntN(keys))
				if _, err := m.Get(context.Background(), key); err != nil && !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
				if err := db.Update(context.Background(), TxID{}, func(tx Tx) error {
					n, err := loadNumber(tx, []byte(key))
					if err != nil && !errors.Is(err, ErrNotFound) {
						return err
					}
					if got, ok := m.Peek(tx, key); ok {
						peeked.Add(1)
						if got != n {
							t.Errorf("%s is kept as %d and is %d", key, got, n)
						}
					}
					if err := tx.Put([]byte(key), binary.BigEndian.AppendUint64(nil, n+1)); err != nil {
						return err
					}
					if _, ok := m.Peek(tx, key); ok {
						t.Error("a transaction sees what was there before its own write")
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if peeked.Load() == 0 {
		t.Error("nothing was kept in any transaction")
	}
}
