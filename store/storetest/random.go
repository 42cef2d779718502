package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"sync"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"

	"github.com/strongroom/strongroom/store"
)

// model is what the store should hold.
type model map[string]string

func (m model) scan(rg store.Range) (out []string) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if cmp.Compare(key, string(rg.From)) >= 0 && (rg.To == nil || cmp.Compare(key, string(rg.To)) < 0) {
			value := m[key]
			if rg.KeysOnly {
				value = ""
			}
			out = append(out, key+"="+value)
		}
	}
	if rg.Reverse {
		slices.Reverse(out)
	}
	if rg.Limit > 0 && len(out) > rg.Limit {
		out = out[:rg.Limit]
	}
	return out
}

// testRandom compares random histories with the model.
func testRandom(t *testing.T, db store.DB) {
	rapid.Check(t, func(t *rapid.T) {
		m := model{}
		wipe(t, db)
		keys := rapid.SampledFrom([]string{"a", "aa", "ab", "b", "b\x00", "b\xff", "c", "\x00", "\xff", "\xff\xff"})
		for range rapid.IntRange(1, 12).Draw(t, "transactions") {
			next := maps.Clone(m)
			err := db.Update(context.Background(), store.TxID{}, func(tx store.Tx) error {
				for range rapid.IntRange(0, 14).Draw(t, "writes") {
					key := keys.Draw(t, "key")
					if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
						delete(next, key)
						if err := tx.Delete([]byte(key)); err != nil {
							return err
						}
					} else {
						next[key] = rapid.StringN(0, 3, 8).Draw(t, "value")
						if err := tx.Put([]byte(key), []byte(next[key])); err != nil {
							return err
						}
					}
				}
				compare(t, tx, next, keys)
				if rapid.IntRange(0, 4).Draw(t, "fail") == 0 {
					next = m
					return errRandom
				}
				return nil
			})
			if err != nil && !errors.Is(err, errRandom) {
				t.Fatal(err)
			}
			m = next
			if err := db.View(context.Background(), func(r store.Reader) error {
				compare(t, r, m, keys)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

var errRandom = errors.New("chosen to fail")

func wipe(t *rapid.T, db store.DB) {
	err := db.Update(context.Background(), store.TxID{}, func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{KeysOnly: true}) {
			if err == nil {
				err = tx.Delete(rec.Key)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func compare(t *rapid.T, r store.Reader, m model, keys *rapid.Generator[string]) {
	key := keys.Draw(t, "get")
	got, err := r.Get([]byte(key))
	if want, ok := m[key]; ok && (err != nil || string(got) != want) || !ok && !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Get(%q) = %q, %v, want %q, %v", key, got, err, want, ok)
	}
	rg := store.Range{
		Limit:    rapid.IntRange(0, 4).Draw(t, "limit"),
		Reverse:  rapid.Bool().Draw(t, "reverse"),
		KeysOnly: rapid.Bool().Draw(t, "keysOnly"),
	}
	if rapid.Bool().Draw(t, "bounded") {
		rg.From, rg.To = []byte(keys.Draw(t, "from")), []byte(keys.Draw(t, "to"))
	}
	var all []string
	for rec, err := range r.Scan(rg) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(rec.Key)+"="+string(rec.Value))
	}
	if want := m.scan(rg); !slices.Equal(all, want) {
		t.Fatalf("Scan(%+v) = %q, want %q", rg, all, want)
	}
}

// The linearizability check runs transactions over three counters: reads of all of
// them, additions to one that return its old value, and moves from one to another.
type counters [3]byte

type countersOp struct {
	kind     int // 0 read all, 1 add, 2 move
	from, to int
}

var countersModel = porcupine.Model{
	Init: func() any { return counters{} },
	Step: func(state, input, output any) (bool, any) {
		s, op, out := state.(counters), input.(countersOp), output.(counters)
		next := op.apply(s)
		return out == s, next
	},
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v saw %v", input, output)
	},
}

func (op countersOp) apply(s counters) counters {
	switch op.kind {
	case 1:
		s[op.to]++
	case 2:
		s[op.from]--
		s[op.to]++
	}
	return s
}

func readCounters(r store.Reader) (s counters, err error) {
	for rec, err := range r.Scan(store.Prefix([]byte("counter/"))) {
		if err != nil {
			return s, err
		}
		s[rec.Key[len("counter/")]-'0'] = rec.Value[0]
	}
	return s, nil
}

func (op countersOp) run(ctx context.Context, db store.DB) (saw counters, err error) {
	if op.kind == 0 {
		err = db.View(ctx, func(r store.Reader) (err error) {
			saw, err = readCounters(r)
			return err
		})
		return saw, err
	}
	err = db.Update(ctx, store.TxID{}, func(tx store.Tx) (err error) {
		if saw, err = readCounters(tx); err != nil {
			return err
		}
		next := op.apply(saw)
		for i := range next {
			if !bytes.Equal(next[i:i+1], saw[i:i+1]) {
				if err := tx.Put(fmt.Appendf(nil, "counter/%d", i), next[i:i+1]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return saw, err
}

func testLinearizable(t *testing.T, db store.DB) {
	const clients, each = 6, 60
	begin := time.Now()
	histories := make([][]porcupine.Operation, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				op := countersOp{kind: (i*7 + c) % 3, from: (i + c) % 3, to: (i*5 + c + 1) % 3}
				call := time.Since(begin).Nanoseconds()
				saw, err := op.run(t.Context(), db)
				if err != nil {
					t.Error(err)
					return
				}
				histories[c] = append(histories[c], porcupine.Operation{
					ClientId: c, Input: op, Call: call, Output: saw, Return: time.Since(begin).Nanoseconds(),
				})
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	if !porcupine.CheckOperations(countersModel, slices.Concat(histories...)) {
		t.Error("the history is not linearizable")
	}
}
