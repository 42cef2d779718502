package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func loadNumber(r Reader, key []byte) (uint64, error) {
	v, err := r.Get(key)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(v), nil
}

func putNumber(db DB, key string, n uint64) error {
	return db.Update(context.Background(), TxID{}, func(tx Tx) error {
		if n == 0 {
			return tx.Delete([]byte(key))
		}
		return tx.Put([]byte(key), binary.BigEndian.AppendUint64(nil, n))
	})
}

func memStore(t testing.TB) *File {
	f, err := openOn(vfs.NewMem(), "store", newTestRoot(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestMemo(t *testing.T) {
	db := Sub(memStore(t), "part/")
	loads := 0
	boom := errors.New("boom")
	fail := false
	m := NewMemo(db, func(r Reader, key []byte) (uint64, error) {
		loads++
		if fail {
			return 0, boom
		}
		return loadNumber(r, key)
	}, MemoOptions{})
	defer m.Close()
	want := func(key string, n uint64, werr error, wloads int) {
		t.Helper()
		got, err := m.Get(t.Context(), key)
		if got != n || !errors.Is(err, werr) || loads != wloads {
			t.Errorf("Get(%s) = %d, %v after %d loads, want %d, %v, %d", key, got, err, loads, n, werr, wloads)
		}
	}
	want("a", 0, ErrNotFound, 1)
	want("a", 0, ErrNotFound, 1) // that there is none is kept too
	if err := putNumber(db, "a", 1); err != nil {
		t.Fatal(err)
	}
	want("a", 1, nil, 2)
	want("a", 1, nil, 2)
	if err := putNumber(db, "b", 1); err != nil {
		t.Fatal(err)
	}
	want("a", 1, nil, 2) // another key's change does not matter
	if err := putNumber(db, "a", 0); err != nil {
		t.Fatal(err)
	}
	want("a", 0, ErrNotFound, 3)
	fail = true
	want("b", 0, boom, 4)
	want("b", 0, boom, 5) // failures are not kept
	fail = false
	want("b", 1, nil, 6)
	m.Close()
}

// TestMemoInvalidates maps changed records to what was made of them.
func TestMemoInvalidates(t *testing.T) {
	db := memStore(t)
	m := NewMemo(db, func(r Reader, key []byte) (string, error) {
		var names []string
		for rec, err := range r.Scan(Prefix(append(key, '/'))) {
			if err != nil {
				return "", err
			}
			names = append(names, string(rec.Key))
		}
		return strings.Join(names, " "), nil
	}, MemoOptions{Invalidates: func(key []byte) []string {
		owner, _, _ := strings.Cut(string(key), "/")
		return []string{owner}
	}})
	defer m.Close()
	for i, want := range []string{"", "u/1", "u/1 u/2"} {
		if got, err := m.Get(t.Context(), "u"); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		if err := putNumber(db, fmt.Sprintf("u/%d", i+1), 1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMemoIsBounded(t *testing.T) {
	db := memStore(t)
	m := NewMemo(db, loadNumber, MemoOptions{Max: 64})
	defer m.Close()
	for i := range 1000 {
		key := fmt.Sprint("key", i%300)
		if _, err := m.Get(t.Context(), key); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		if i%7 == 0 {
			if err := putNumber(db, fmt.Sprint("key", i%50), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept := 0
	for i := range m.parts {
		p := &m.parts[i]
		kept += len(p.values)
		used := 0
		for place, key := range p.ring {
			if key == "" {
				continue
			}
			used++
			if v := p.values[key]; v == nil || v.place != place {
				t.Errorf("place %d is of %q, which is not there", place, key)
			}
		}
		if used != len(p.values) || used+len(p.free) != len(p.ring) || len(p.loads) != 0 {
			t.Errorf("%d places used, %d values, %d free of %d, %d loads", used, len(p.values), len(p.free), len(p.ring), len(p.loads))
		}
	}
	if kept == 0 || kept > 64 {
		t.Errorf("%d values are kept, want at most 64", kept)
	}
}

// TestMemoIsNeverStale writes growing numbers and reads them through the memo: what a Get
// returns is never older than what was acknowledged before it began.
func TestMemoIsNeverStale(t *testing.T) {
	for _, most := range []int{16, 4096} {
		t.Run(fmt.Sprint("max=", most), func(t *testing.T) {
			const keys, writers, readers, each = 24, 3, 3, 400
			db := memStore(t)
			m := NewMemo(db, loadNumber, MemoOptions{Max: most})
			defer m.Close()
			var acked [keys]atomic.Uint64
			var wg sync.WaitGroup
			var writing atomic.Int32
			writing.Store(writers)
			for w := range writers {
				wg.Go(func() {
					defer writing.Add(-1)
					for i := range each {
						k := (i*writers + w) % keys / writers * writers // a writer has its own keys
						k += w
						n := acked[k].Load() + 1
						if err := putNumber(db, fmt.Sprint("key", k), n); err != nil {
							t.Error(err)
							return
						}
						acked[k].Store(n)
						if got, err := m.Get(context.Background(), fmt.Sprint("key", k)); got != n || err != nil {
							t.Errorf("the writer of %d reads %d, %v", n, got, err)
						}
					}
				})
			}
			for r := range readers {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(r), 1))
					for writing.Load() > 0 {
						k := rng.IntN(keys)
						least := acked[k].Load()
						got, err := m.Get(context.Background(), fmt.Sprint("key", k))
						if err != nil && !errors.Is(err, ErrNotFound) || got < least {
							t.Errorf("key %d reads %d, %v; %d was acknowledged before", k, got, err, least)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestMemoLoadOvertaken lets a commit happen in the middle of a load.
func TestMemoLoadOvertaken(t *testing.T) {
	db := memStore(t)
	if err := putNumber(db, "a", 1); err != nil {
		t.Fatal(err)
	}
	overtake := true
	m := NewMemo(db, func(r Reader, key []byte) (uint64, error) {
		n, err := loadNumber(r, key)
		if overtake {
			overtake = false
			return n, errors.Join(err, putNumber(db, "a", 2))
		}
		return n, err
	}, MemoOptions{})
	defer m.Close()
	if got, err := m.Get(t.Context(), "a"); got != 1 || err != nil {
		t.Errorf("the load in whose middle the commit came gives %d, %v, want 1", got, err)
	}
	if got, err := m.Get(t.Context(), "a"); got != 2 || err != nil {
		t.Errorf("the next gives %d, %v, want 2", got, err)
	}
}
