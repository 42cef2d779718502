package series

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
)

// testKeys wraps data keys under a key of the test.
type testKeys struct{ lost atomic.Bool }

var wrapping = secret.New(bytes.Repeat([]byte{9}, seal.KeySize))

var errLost = errors.New("key is lost")

func (k *testKeys) Make(context.Context) (seal.DataKey, error) {
	if k.lost.Load() {
		return seal.DataKey{}, errLost
	}
	key := make([]byte, seal.KeySize)
	rand.Read(key)
	wrapped, err := seal.Bytes(wrapping, key, nil)
	return seal.DataKey{Plaintext: secret.New(key), Wrapped: wrapped}, err
}

func (k *testKeys) Open(_ context.Context, wrapped []byte) (secret.Bytes, error) {
	if k.lost.Load() {
		return secret.Bytes{}, errLost
	}
	key, err := seal.OpenBytes(wrapping, wrapped, nil)
	return secret.New(key), err
}

// testLedger keeps blocks in memory.
type testLedger struct {
	mu      sync.Mutex
	state   State
	pending []string
	fail    error
}

func (l *testLedger) Load(context.Context) (State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return State{slices.Clone(l.state.Blocks), l.state.Covered}, nil
}

func (l *testLedger) Pending(_ context.Context, key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, key)
	return l.fail
}

func (l *testLedger) Replace(_ context.Context, remove []ulid.ULID, add []Block, covered Covered) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	l.state.Blocks = slices.DeleteFunc(l.state.Blocks, func(b Block) bool { return slices.Contains(remove, b.Meta.ULID) })
	l.state.Blocks = append(l.state.Blocks, add...)
	l.state.Covered = covered
	return nil
}

// place is where a store lies, so that it can be opened again.
type place struct {
	opts   Options
	ledger *testLedger
	keys   *testKeys
	blobs  string
}

func newPlace(t testing.TB, change func(*Options)) *place {
	t.Helper()
	p := &place{ledger: new(testLedger), keys: new(testKeys), blobs: t.TempDir()}
	blobs, err := blob.OpenDir(p.blobs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	p.opts = Options{Name: "ws-1", Log: t.TempDir(), Memory: t.TempDir(), Blobs: blobs, Prefix: "amp/", Keys: p.keys, Ledger: p.ledger, Marks: wrapping}
	if change != nil {
		change(&p.opts)
	}
	return p
}

func (p *place) open(t testing.TB) *DB {
	t.Helper()
	p.opts.Memory = t.TempDir() // a new process has its own
	db, err := Open(context.Background(), p.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// put appends samples "name time value" and commits them.
func put(t testing.TB, db *DB, samples ...string) {
	t.Helper()
	app := db.Appender(context.Background())
	for _, s := range samples {
		var name string
		var at int64
		var v float64
		if _, err := fmt.Sscan(s, &name, &at, &v); err != nil {
			t.Fatal(err)
		}
		if _, err := app.Append(0, labels.FromStrings("__name__", name, "secret", "canary-"+name), at, v); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// all returns everything there is, as "name time value".
func all(t testing.TB, db *DB) []string {
	t.Helper()
	list, err := read(db)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func read(db *DB) (list []string, err error) {
	q, err := db.Querier(-1<<60, 1<<60)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
	var it chunkenc.Iterator
	for set.Next() {
		name := strings.Clone(set.At().Labels().Get("__name__"))
		it = set.At().Iterator(it)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			switch kind {
			case chunkenc.ValFloat:
				at, v := it.At()
				list = append(list, fmt.Sprint(name, " ", at, " ", v))
			case chunkenc.ValHistogram:
				at, h := it.AtHistogram(nil)
				list = append(list, fmt.Sprint(name, " ", at, " ", h))
			case chunkenc.ValFloatHistogram:
				at, h := it.AtFloatHistogram(nil)
				list = append(list, fmt.Sprint(name, " ", at, " ", h))
			}
		}
		if err := it.Err(); err != nil {
			return nil, err
		}
	}
	return list, set.Err()
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	sort.Strings(got)
	sort.Strings(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %d %.400q, want %d %.400q", what, len(got), got, len(want), want)
	}
}

var _ storage.Storage = (*sealedOnRead)(nil)

// sealedOnRead is a store whose samples are all in sealed blocks whenever somebody asks.
type sealedOnRead struct {
	*DB
	t testing.TB
}

func (s *sealedOnRead) Querier(mint, maxt int64) (storage.Querier, error) {
	if s.ActiveSeries() != 0 { // else nothing was written since
		if err := s.Flush(context.Background()); err != nil {
			s.t.Error(err)
		}
	}
	if n := s.ActiveSeries(); n != 0 {
		s.t.Errorf("%d series are still in the head", n)
	}
	return s.DB.Querier(mint, maxt)
}
