// Package storetest is the contract of package store as tests, to be run on every
// engine:
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.DB { ... })
//	}
//
// open returns a new empty store each time. The suite closes it.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/store"
)

// Run runs the suite. Engines whose handles are parts of another store (store.Sub) pass
// too: the suite assumes nothing of revisions but their order, and leaves out Backup.
func Run(t *testing.T, open func(t *testing.T) store.DB) {
	for _, test := range []struct {
		name string
		fn   func(t *testing.T, db store.DB)
	}{
		{"ReadWrite", testReadWrite},
		{"OwnWrites", testOwnWrites},
		{"Failure", testFailure},
		{"Snapshot", testSnapshot},
		{"Scan", testScan},
		{"Slices", testSlices},
		{"Limits", testLimits},
		{"Outcome", testOutcome},
		{"Watch", testWatch},
		{"WatchWaits", testWatchWaits},
		{"Observe", testObserve},
		{"ObserveInOrder", testObserveInOrder},
		{"Told", testTold},
		{"Context", testContext},
		{"Check", testCheck},
		{"Random", testRandom},
		{"Linearizable", testLinearizable},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := open(t)
			defer func() {
				if err := db.Close(); err != nil {
					t.Error("close:", err)
				}
			}()
			test.fn(t, db)
		})
	}
}

func update(t *testing.T, db store.DB, fn func(tx store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), store.TxID{}, fn); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, db store.DB, pairs ...string) {
	t.Helper()
	update(t, db, func(tx store.Tx) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := tx.Put([]byte(pairs[i]), []byte(pairs[i+1])); err != nil {
				return err
			}
		}
		return nil
	})
}

// dump returns the records of a range as text, in the order they came.
func dump(t *testing.T, r store.Reader, rg store.Range) string {
	t.Helper()
	var out []string
	for rec, err := range r.Scan(rg) {
		if err != nil {
			t.Fatal(err)
		}
		if rg.KeysOnly && rec.Value != nil {
			t.Errorf("KeysOnly gave the value %q", rec.Value)
		}
		out = append(out, fmt.Sprintf("%s=%s", rec.Key, rec.Value))
	}
	return strings.Join(out, " ")
}

func dumpAll(t *testing.T, db store.DB) (out string) {
	t.Helper()
	if err := db.View(t.Context(), func(r store.Reader) error {
		out = dump(t, r, store.Range{})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func testReadWrite(t *testing.T, db store.DB) {
	odd := string([]byte{0, 0xff, 'd', 0})
	put(t, db, "a", "1", "b", "", odd, "odd", "\xff\xff", "last")
	put(t, db, "a", "2")
	err := db.View(t.Context(), func(r store.Reader) error {
		for key, want := range map[string]string{"a": "2", "b": "", odd: "odd", "\xff\xff": "last"} {
			got, err := r.Get([]byte(key))
			if err != nil || string(got) != want || got == nil {
				t.Errorf("Get(%q) = %q, %v, want %q", key, got, err, want)
			}
		}
		if got, err := r.Get([]byte("c")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get of nothing = %q, %v, want ErrNotFound", got, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx store.Tx) error {
		return errors.Join(tx.Delete([]byte("a")), tx.Delete([]byte("never")), tx.Delete([]byte(odd)))
	})
	if got, want := dumpAll(t, db), "b= \xff\xff=last"; got != want {
		t.Errorf("store holds %q, want %q", got, want)
	}
}

func testOwnWrites(t *testing.T, db store.DB) {
	put(t, db, "a", "1", "b", "1", "c", "1", "e", "1")
	update(t, db, func(tx store.Tx) error {
		err := errors.Join(
			tx.Put([]byte("b"), []byte("2")), tx.Delete([]byte("c")), tx.Put([]byte("d"), []byte("2")),
			tx.Put([]byte("f"), []byte("x")), tx.Delete([]byte("f")), tx.Delete([]byte("a")), tx.Put([]byte("a"), []byte("3")),
		)
		if err != nil {
			return err
		}
		if got, err := tx.Get([]byte("b")); err != nil || string(got) != "2" {
			t.Errorf("own write reads %q, %v", got, err)
		}
		for _, gone := range []string{"c", "f"} {
			if _, err := tx.Get([]byte(gone)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("own delete of %s reads %v, want ErrNotFound", gone, err)
			}
		}
		for _, test := range []struct {
			rg   store.Range
			want string
		}{
			{store.Range{}, "a=3 b=2 d=2 e=1"},
			{store.Range{Reverse: true}, "e=1 d=2 b=2 a=3"},
			{store.Range{From: []byte("b"), To: []byte("e")}, "b=2 d=2"},
			{store.Range{Limit: 3}, "a=3 b=2 d=2"},
			{store.Range{Limit: 2, Reverse: true}, "e=1 d=2"},
			{store.Range{KeysOnly: true}, "a= b= d= e="},
		} {
			if got := dump(t, tx, test.rg); got != test.want {
				t.Errorf("Scan(%+v) = %q, want %q", test.rg, got, test.want)
			}
		}
		// Writing while scanning is allowed and does not change what the scan yields.
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			if err := tx.Put(append([]byte("z"), rec.Key...), nil); err != nil {
				return err
			}
			if err := tx.Delete(rec.Key); err != nil {
				return err
			}
		}
		return nil
	})
	if got, want := dumpAll(t, db), "za= zb= zd= ze="; got != want {
		t.Errorf("store holds %q, want %q", got, want)
	}
}

func testFailure(t *testing.T, db store.DB) {
	put(t, db, "a", "1")
	want := errors.New("no")
	err := db.Update(t.Context(), store.TxID{1}, func(tx store.Tx) error {
		return errors.Join(tx.Put([]byte("a"), []byte("2")), tx.Put([]byte("b"), nil), want)
	})
	if !errors.Is(err, want) {
		t.Errorf("got %v, want the function's own error", err)
	}
	if err := db.View(t.Context(), func(store.Reader) error { return want }); err != want {
		t.Errorf("got %v, want the function's own error", err)
	}
	if done, err := db.Outcome(t.Context(), store.TxID{1}); done || err != nil {
		t.Errorf("outcome of a failed update is %v, %v", done, err)
	}
	if got := dumpAll(t, db); got != "a=1" {
		t.Errorf("store holds %q, want only a=1", got)
	}
	func() {
		defer func() { _ = recover() }()
		_ = db.Update(t.Context(), store.TxID{}, func(tx store.Tx) error {
			_ = tx.Put([]byte("a"), []byte("3"))
			panic("in the middle")
		})
	}()
	put(t, db, "b", "1") // a panic must not leave a lock behind
	if got := dumpAll(t, db); got != "a=1 b=1" {
		t.Errorf("store holds %q, want a=1 b=1", got)
	}
}

func testSnapshot(t *testing.T, db store.DB) {
	put(t, db, "a", "1", "b", "1")
	var late store.Reader
	err := db.View(t.Context(), func(r store.Reader) error {
		put(t, db, "a", "2", "c", "2")
		update(t, db, func(tx store.Tx) error { return tx.Delete([]byte("b")) })
		if got := dump(t, r, store.Range{}); got != "a=1 b=1" {
			t.Errorf("snapshot shows %q, want a=1 b=1", got)
		}
		if got, err := r.Get([]byte("b")); err != nil || string(got) != "1" {
			t.Errorf("snapshot shows b=%q, %v", got, err)
		}
		late = r
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := dumpAll(t, db); got != "a=2 c=2" {
		t.Errorf("store holds %q, want a=2 c=2", got)
	}
	if _, err := late.Get([]byte("a")); err == nil {
		t.Error("a reader serves after its transaction")
	}
	for _, err := range late.Scan(store.Range{}) {
		if err == nil {
			t.Error("a reader scans after its transaction")
		}
	}
}

func testScan(t *testing.T, db store.DB) {
	put(t, db, "a", "1", "ab", "2", "b", "3", "b\x00", "4", "c", "5", "\xff", "6", "\xff\xff", "7")
	b := []byte("b")
	for _, test := range []struct {
		name string
		rg   store.Range
		want string
	}{
		{"all", store.Range{}, "a=1 ab=2 b=3 b\x00=4 c=5 \xff=6 \xff\xff=7"},
		{"prefix", store.Prefix([]byte("a")), "a=1 ab=2"},
		{"prefix ff", store.Prefix([]byte("\xff")), "\xff=6 \xff\xff=7"},
		{"prefix of nothing", store.Prefix([]byte("x")), ""},
		{"from", store.Range{From: b}, "b=3 b\x00=4 c=5 \xff=6 \xff\xff=7"},
		{"to", store.Range{To: b}, "a=1 ab=2"},
		{"empty", store.Range{From: b, To: b}, ""},
		{"empty to", store.Range{To: []byte{}}, ""},
		{"backwards bounds", store.Range{From: b, To: []byte("a")}, ""},
		{"reverse", store.Range{From: []byte("ab"), To: []byte("c"), Reverse: true}, "b\x00=4 b=3 ab=2"},
		{"limit", store.Range{From: b, Limit: 2}, "b=3 b\x00=4"},
		{"limit reverse", store.Range{Limit: 2, Reverse: true}, "\xff\xff=7 \xff=6"},
		{"limit exact", store.Range{To: b, Limit: 2}, "a=1 ab=2"},
		{"keys only", store.Range{To: b, KeysOnly: true}, "a= ab="},
	} {
		t.Run(test.name, func(t *testing.T) {
			check := func(r store.Reader) {
				if got := dump(t, r, test.rg); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			}
			if err := db.View(t.Context(), func(r store.Reader) error {
				check(r)
				seq := r.Scan(test.rg) // a sequence may be used again
				for range 2 {
					n := 0
					for range seq {
						if n++; n == 1 {
							break
						}
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			update(t, db, func(tx store.Tx) error { check(tx); return nil })
		})
	}
}

// testSlices checks who owns which bytes.
func testSlices(t *testing.T, db store.DB) {
	key, value := []byte("key"), []byte("value")
	update(t, db, func(tx store.Tx) error {
		err := tx.Put(key, value)
		copy(key, "xxx")
		copy(value, "xxxxx")
		return err
	})
	err := db.View(t.Context(), func(r store.Reader) error {
		got, err := r.Get([]byte("key"))
		if err != nil || string(got) != "value" {
			t.Errorf("got %q, %v", got, err)
		}
		copy(got, "xxxxx")
		again, err := r.Get([]byte("key"))
		if err != nil || string(again) != "value" {
			t.Errorf("after writing to the result got %q, %v", again, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx store.Tx) error {
		if err := tx.Put([]byte("key"), []byte("own")); err != nil {
			return err
		}
		got, err := tx.Get([]byte("key"))
		copy(got, "xxx")
		return err
	})
	if got := dumpAll(t, db); got != "key=own" {
		t.Errorf("store holds %q, want key=own", got)
	}
}

func testOutcome(t *testing.T, db store.DB) {
	ids := []store.TxID{{1}, {2}, {3}}
	for _, id := range ids[:2] {
		if err := db.Update(t.Context(), id, func(tx store.Tx) error {
			if id == ids[1] {
				return nil // an update that writes nothing is one too
			}
			return tx.Put([]byte("a"), nil)
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range ids {
		if got, err := db.Outcome(t.Context(), id); err != nil || got != (i < 2) {
			t.Errorf("outcome of %v is %v, %v", id, got, err)
		}
	}
	if got := dumpAll(t, db); got != "a=" {
		t.Errorf("store shows %q, want a= and no outcomes", got)
	}
}

func testCheck(t *testing.T, db store.DB) {
	for i := range 50 {
		put(t, db, fmt.Sprint("key", i), strings.Repeat("v", 1000))
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func testContext(t *testing.T, db store.DB) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	called := false
	errs := []error{
		db.View(ctx, func(store.Reader) error { called = true; return nil }),
		db.Update(ctx, store.TxID{}, func(store.Tx) error { called = true; return nil }),
	}
	_, err := db.Outcome(ctx, store.TxID{1})
	errs = append(errs, err)
	for _, err := range db.Watch(ctx, nil, 0) {
		errs = append(errs, err)
	}
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: got %v, want context.Canceled", i, err)
		}
	}
	if called || len(errs) != 4 {
		t.Errorf("called %v, %d errors", called, len(errs))
	}
}

func testLimits(t *testing.T, db store.DB) {
	type step func(tx store.Tx) error
	repeat := func(n int, fn func(tx store.Tx, i int) error) step {
		return func(tx store.Tx) error {
			for i := range n {
				if err := fn(tx, i); err != nil {
					return err
				}
			}
			return nil
		}
	}
	key := func(i int) []byte { return fmt.Appendf(nil, "k%06d", i) }
	big := bytes.Repeat([]byte("v"), store.MaxValue)
	half := store.MaxKey / 2 // a store that is a part of another has less
	for _, test := range []struct {
		name string
		fn   step
		ok   bool
	}{
		{"long key", func(tx store.Tx) error { return tx.Put(bytes.Repeat([]byte("k"), half), nil) }, true},
		{"too long key", func(tx store.Tx) error { return tx.Put(bytes.Repeat([]byte("k"), store.MaxKey+1), nil) }, false},
		{"too long key deleted", func(tx store.Tx) error { return tx.Delete(bytes.Repeat([]byte("k"), store.MaxKey+1)) }, false},
		{"empty key", func(tx store.Tx) error { return tx.Put(nil, nil) }, false},
		{"empty key deleted", func(tx store.Tx) error { return tx.Delete([]byte{}) }, false},
		{"empty key read", func(tx store.Tx) error { _, err := tx.Get(nil); return err }, false},
		{"long value", func(tx store.Tx) error { return tx.Put(key(0), big) }, true},
		{"too long value", func(tx store.Tx) error { return tx.Put(key(0), append(big, 'v')) }, false},
		{"many writes", repeat(store.MaxTxWrites, func(tx store.Tx, i int) error { return tx.Put(key(i), nil) }), true},
		{"too many writes", repeat(store.MaxTxWrites+1, func(tx store.Tx, i int) error { return tx.Put(key(i), nil) }), false},
		{"too many deletes", repeat(store.MaxTxWrites+1, func(tx store.Tx, i int) error { return tx.Delete(key(i)) }), false},
		{"many bytes", repeat(3, func(tx store.Tx, i int) error { return tx.Put(key(i), big) }), true},
		{"too many bytes", repeat(5, func(tx store.Tx, i int) error { return tx.Put(key(i), big) }), false},
		{"error not passed on", func(tx store.Tx) error { _ = tx.Put(nil, nil); return nil }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := dumpAll(t, db)
			err := db.Update(t.Context(), store.TxID{}, test.fn)
			if test.ok && err != nil || !test.ok && !errors.Is(err, store.ErrLimit) {
				t.Errorf("got %v, want success %v or ErrLimit", err, test.ok)
			}
			if !test.ok && dumpAll(t, db) != before {
				t.Error("an update beyond the limits changed the store")
			}
		})
	}
}
