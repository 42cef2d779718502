package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/store"
)

func text(c store.Change) string {
	if c.Deleted {
		return string(c.Key) + "-"
	}
	return fmt.Sprintf("%s=%s", c.Key, c.Value)
}

// watch takes n changes.
func watch(t *testing.T, db store.DB, prefix string, rev uint64, n int) (all []store.Change) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for c, err := range db.Watch(ctx, []byte(prefix), rev) {
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, c); len(all) == n {
			break
		}
	}
	return all
}

func texts(all []store.Change) string {
	var out []string
	for _, c := range all {
		out = append(out, text(c))
	}
	return strings.Join(out, " ")
}

func testWatch(t *testing.T, db store.DB) {
	put(t, db, "a/1", "x", "b/1", "y")
	update(t, db, func(tx store.Tx) error {
		return errors.Join(tx.Put([]byte("a/2"), []byte("no")), tx.Put([]byte("a/2"), []byte("z")), tx.Delete([]byte("a/1")))
	})
	put(t, db, "b/2", "", "a/3", "w")
	all := watch(t, db, "a/", 0, 4)
	if got, want := texts(all), "a/1=x a/2=z a/1- a/3=w"; got != want {
		t.Errorf("changes are %q, want %q", got, want)
	}
	if !slices.IsSortedFunc(all, func(a, b store.Change) int { return int(a.Revision) - int(b.Revision) }) {
		t.Error("revisions are not in order")
	}
	if all[1].Revision != all[2].Revision || all[0].Revision == all[1].Revision {
		t.Error("revisions are not those of the commits")
	}
	for _, c := range all {
		if c.Deleted != (c.Value == nil) {
			t.Errorf("change %s has value %v", text(c), c.Value)
		}
	}
	if got, want := texts(watch(t, db, "", all[2].Revision, 2)), "b/2= a/3=w"; got != want {
		t.Errorf("later changes are %q, want %q", got, want)
	}
	for _, err := range db.Watch(t.Context(), nil, all[3].Revision+1000) {
		if !errors.Is(err, store.ErrPruned) {
			t.Errorf("a revision that never was: got %v, want ErrPruned", err)
		}
		break
	}
}

// testWatchWaits checks that a watcher that is at the end sees every later commit once,
// in order.
func testWatchWaits(t *testing.T, db store.DB) {
	const writers, each = 4, 25
	var wg sync.WaitGroup
	wg.Go(func() {
		next := make([]int, writers)
		var last uint64
		n := 0
		for c, err := range db.Watch(t.Context(), []byte("w"), 0) {
			if err != nil {
				t.Error(err)
				return
			}
			var writer, i int
			if _, err := fmt.Sscanf(string(c.Key), "w%d/%d", &writer, &i); err != nil {
				t.Error(err)
				return
			}
			if i != next[writer] || c.Revision <= last {
				t.Errorf("writer %d: change %d at revision %d, want change %d after %d", writer, i, c.Revision, next[writer], last)
				return
			}
			next[writer], last = i+1, c.Revision
			if n++; n == writers*each {
				return
			}
		}
	})
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := db.Update(t.Context(), store.TxID{}, func(tx store.Tx) error {
					return tx.Put(fmt.Appendf(nil, "w%d/%d", w, i), nil)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func testObserve(t *testing.T, db store.DB) {
	var mu sync.Mutex
	seen := make(map[string]int)
	stop := db.Observe(func(changes []store.Change) {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range changes {
			seen[string(c.Key)]++
		}
	})
	var others int
	stopOther := db.Observe(func(changes []store.Change) {
		mu.Lock()
		defer mu.Unlock()
		others++
		for _, c := range changes {
			if string(c.Key) != "d" && seen[string(c.Key)] == 0 {
				t.Errorf("of %s the second observer is told before the first", c.Key)
			}
		}
	})
	count := func(key string) int { mu.Lock(); defer mu.Unlock(); return seen[key] }
	put(t, db, "a", "1", "b", "1")
	update(t, db, func(tx store.Tx) error { return tx.Delete([]byte("a")) })
	_ = db.Update(t.Context(), store.TxID{}, func(tx store.Tx) error {
		return errors.Join(tx.Put([]byte("c"), nil), errors.New("no"))
	})
	update(t, db, func(store.Tx) error { return nil })
	if count("a") != 2 || count("b") != 1 || count("c") != 0 {
		t.Errorf("seen %v, want a twice and b once", seen)
	}
	stop()
	put(t, db, "d", "1")
	if count("d") != 0 {
		t.Error("an observer is called after stop")
	}
	stopOther()
	if others != 3 {
		t.Errorf("the other observer was called %d times, want 3", others)
	}
}

// testObserveInOrder lets several write at once: the observers see every commit, whole and in its order.
func testObserveInOrder(t *testing.T, db store.DB) {
	const writers, each = 4, 50
	told := make(map[string]string)
	var last uint64
	stop := db.Observe(func(changes []store.Change) { // one call at a time, so no lock
		if len(changes) != 2 {
			t.Errorf("a commit of two writes is told as %d", len(changes))
		}
		for _, c := range changes {
			if c.Revision <= last {
				t.Errorf("revision %d comes after %d", c.Revision, last)
			}
			if c.Deleted {
				delete(told, string(c.Key))
			} else {
				told[string(c.Key)] = string(c.Value)
			}
		}
		last = changes[0].Revision
	})
	defer stop()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := db.Update(t.Context(), store.TxID{}, func(tx store.Tx) error {
					first := tx.Put(fmt.Appendf(nil, "p%d", i%7), fmt.Appendf(nil, "%d/%d", w, i))
					if second := fmt.Appendf(nil, "p%d", 7+(i+w)%5); i%2 == 0 {
						return errors.Join(first, tx.Delete(second))
					} else {
						return errors.Join(first, tx.Put(second, fmt.Appendf(nil, "%d", w)))
					}
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := db.View(t.Context(), func(r store.Reader) error {
		n := 0
		for rec, err := range r.Scan(store.Prefix([]byte("p"))) {
			if err != nil {
				return err
			}
			if n++; told[string(rec.Key)] != string(rec.Value) {
				t.Errorf("%s is %q and was told as %q", rec.Key, rec.Value, told[string(rec.Key)])
			}
		}
		if n != len(told) {
			t.Errorf("%d records are there, %d were told", n, len(told))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// testTold holds an observer up: what it has not been told of is known as such, to views and to transactions, and an
// update that has read it does not return before.
func testTold(t *testing.T, db store.DB) {
	is := func(key string) func([]byte) bool { return func(k []byte) bool { return string(k) == key } }
	put(t, db, "old", "1")
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	stop := db.Observe(func([]store.Change) {
		once.Do(func() {
			close(entered)
			<-leave
		})
	})
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { put(t, db, "new", "1") })
	<-entered
	look := func(r store.Reader, want bool) {
		t.Helper()
		if got := r.Told(is("new")); got != want {
			t.Errorf("told of a new record: %t, want %t", got, want)
		}
		if !r.Told(is("old")) {
			t.Error("not told of a record of before")
		}
	}
	view := func(want bool) {
		t.Helper()
		if err := db.View(t.Context(), func(r store.Reader) error { look(r, want); return nil }); err != nil {
			t.Error(err)
		}
	}
	view(false)
	inside, returned := make(chan struct{}), make(chan struct{})
	wg.Go(func() {
		defer close(returned)
		if err := db.Update(t.Context(), store.TxID{}, func(tx store.Tx) error {
			look(tx, false)
			close(inside)
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	<-inside
	select {
	case <-returned:
		t.Error("an update returned before the observers knew of what it has read")
	case <-time.After(20 * time.Millisecond):
	}
	close(leave)
	wg.Wait()
	view(true)
	update(t, db, func(tx store.Tx) error {
		look(tx, true)
		if err := tx.Put([]byte("new"), nil); err != nil {
			return err
		}
		look(tx, false) // its own
		return nil
	})
}
