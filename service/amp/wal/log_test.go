package wal

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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

func open(t testing.TB, dir string, opts Options) (*Log, []string, error) {
	t.Helper()
	l, err := Open(dir, "ws-1", new(testKeys), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var got []string
	err = l.Replay(t.Context(), 0, func(_ uint64, frame []byte) error {
		got = append(got, strings.Split(strings.TrimSuffix(string(frame), "\n"), "\n")...)
		return nil
	})
	return l, got, err
}

func mustOpen(t testing.TB, dir string, opts Options) (*Log, []string) {
	t.Helper()
	l, got, err := open(t, dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return l, got
}

func add(l *Log, text string) error {
	return l.Append(context.Background(), func(_ uint64, dst []byte) ([]byte, error) { return append(dst, text+"\n"...), nil })
}

func mustAdd(t testing.TB, l *Log, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := add(l, text); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReplay(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for round := range 3 {
		l, got := mustOpen(t, dir, Options{})
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: got %v, want %v", round, got, want)
		}
		for i := range 5 {
			want = append(want, fmt.Sprintf("%d.%d", round, i))
			mustAdd(t, l, want[len(want)-1])
		}
		if _, err := l.Cut(t.Context()); err != nil {
			t.Fatal(err)
		}
		want = append(want, "after the cut")
		mustAdd(t, l, "after the cut")
	}
	l, _ := mustOpen(t, dir, Options{})
	if err := l.Drop(2); err != nil {
		t.Fatal(err)
	}
	l, err := Open(dir, "ws-1", new(testKeys), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got string
	err = l.Replay(t.Context(), 3, func(_ uint64, frame []byte) error { got += string(frame); return nil })
	if text := strings.Join(want[6:], "\n") + "\n"; err != nil || got != text {
		t.Errorf("after two segments went: got %q and %v, want %q", got, err, text)
	}
}

func TestTogether(t *testing.T) {
	dir := t.TempDir()
	var syncs atomic.Int64
	l, _ := mustOpen(t, dir, Options{Segment: 2000, Sync: func(f *os.File) error { syncs.Add(1); return f.Sync() }})
	const writers, each = 16, 40
	var wg sync.WaitGroup
	var segments sync.Map
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := l.Append(context.Background(), func(n uint64, dst []byte) ([]byte, error) {
					segments.Store(fmt.Sprintf("%d.%d", w, i), n)
					return fmt.Appendf(dst, "%d.%d\n", w, i), nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := syncs.Load(); n > writers*each {
		t.Errorf("%d syncs for %d appends", n, writers*each)
	}
	again, err := Open(dir, "ws-1", new(testKeys), Options{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	err = again.Replay(t.Context(), 0, func(n uint64, frame []byte) error {
		for _, text := range strings.Fields(string(frame)) {
			seen[text] = true
			if said, _ := segments.Load(text); said != n {
				t.Errorf("%s was encoded for segment %v and stands in %d", text, said, n)
			}
		}
		return nil
	})
	if err != nil || len(seen) != writers*each {
		t.Errorf("%d of %d came back, %v", len(seen), writers*each, err)
	}
}

// sample writes a log of two segments and returns its folder.
func sample(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	l, _ := mustOpen(t, dir, Options{})
	mustAdd(t, l, "one", "two")
	if _, err := l.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, l, "three", "four")
	l.Close()
	return dir
}

// TestFlips changes every byte of a log: nothing that was changed is replayed, and nothing goes unseen.
func TestFlips(t *testing.T) {
	dir := sample(t)
	for _, name := range []string{"00000001", "00000002"} {
		path := filepath.Join(dir, name)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := range raw {
			bad := bytes.Clone(raw)
			bad[at] ^= 1 << (at % 8)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, got, err := open(t, dir, Options{}); !errors.Is(err, seal.ErrCorrupt) {
				t.Errorf("%s, byte %d: got %v and %v, want ErrCorrupt", name, at, got, err)
			}
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTorn cuts the newest segment at every byte: what lies before is there, and appending goes on.
func TestTorn(t *testing.T) {
	dir := sample(t)
	path := filepath.Join(dir, "00000002")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"one", "two", "three", "four"}
	for _, zeros := range []int{0, 100} {
		for at := range raw {
			if err := os.WriteFile(path, append(bytes.Clone(raw[:at]), make([]byte, zeros)...), 0o600); err != nil {
				t.Fatal(err)
			}
			l, got, err := open(t, dir, Options{})
			if zeros > 0 && errors.Is(err, seal.ErrCorrupt) {
				continue // zeros within a frame are no torn write that we know how to tell from damage
			}
			if err != nil {
				t.Fatalf("cut at %d: %v", at, err)
			}
			if len(got) < 2 || !slices.Equal(got, all[:len(got)]) || at > len(raw)-1 {
				t.Errorf("cut at %d: got %v", at, got)
			}
			mustAdd(t, l, "later")
			l.Close()
			if _, more := mustOpen(t, dir, Options{}); !slices.Equal(more, append(got, "later")) {
				t.Errorf("cut at %d and continued: got %v", at, more)
			}
			os.Remove(filepath.Join(dir, "00000003"))
		}
	}
	// An older one may not be torn.
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "00000001"), 150); err != nil {
		t.Fatal(err)
	}
	if _, _, err := open(t, dir, Options{}); !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("old segment cut: got %v", err)
	}
}

func TestMisplaced(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(dir string) error
	}{
		{"missing between", func(dir string) error {
			return os.Rename(filepath.Join(dir, "00000002"), filepath.Join(dir, "00000003"))
		}},
		{"first taken away", func(dir string) error { return os.Remove(filepath.Join(dir, "00000001")) }},
		{"swapped", func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "00000001"), filepath.Join(dir, "x")),
				os.Rename(filepath.Join(dir, "00000002"), filepath.Join(dir, "00000001")),
				os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, "00000002")))
		}},
		{"another file", func(dir string) error { return os.WriteFile(filepath.Join(dir, "1"), nil, 0o600) }},
	} {
		dir := sample(t)
		if err := tt.do(dir); err != nil {
			t.Fatal(err)
		}
		if _, got, err := open(t, dir, Options{}); !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("%s: got %v and %v", tt.name, got, err)
		}
	}
	l, err := Open(sample(t), "ws-2", new(testKeys), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Replay(t.Context(), 0, func(uint64, []byte) error { return nil }); !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("log of another workspace: got %v", err)
	}
}

func TestPoison(t *testing.T) {
	dir := t.TempDir()
	fail := errors.New("disk is full")
	var failing atomic.Bool
	l, _ := mustOpen(t, dir, Options{Sync: func(f *os.File) error {
		if failing.Load() {
			return fail
		}
		return f.Sync()
	}})
	mustAdd(t, l, "one")
	failing.Store(true)
	if err := add(l, "two"); !errors.Is(err, fail) || !errors.Is(err, ErrPoisoned) {
		t.Errorf("got %v", err)
	}
	failing.Store(false)
	if err := add(l, "three"); !errors.Is(err, ErrPoisoned) {
		t.Errorf("after a failed sync: got %v", err)
	}
	if _, got := mustOpen(t, dir, Options{}); len(got) == 0 || got[0] != "one" || slices.Contains(got, "three") {
		t.Errorf("got %v", got)
	}
}

func TestKeyLost(t *testing.T) {
	dir := t.TempDir()
	keys := new(testKeys)
	l, err := Open(dir, "ws-1", keys, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Replay(t.Context(), 0, nil); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, l, "one")
	keys.lost.Store(true)
	if _, err := l.Cut(t.Context()); !errors.Is(err, errLost) {
		t.Errorf("got %v", err)
	}
	keys.lost.Store(false)
	mustAdd(t, l, "two") // a key that comes back is no poison
	l.Close()
	if _, got := mustOpen(t, dir, Options{}); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("got %v", got)
	}
}

func FuzzRead(f *testing.F) {
	dir := sample(f)
	for _, name := range []string{"00000001", "00000002"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("SRML"))
	l, err := Open(f.TempDir(), "ws-1", new(testKeys), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, number := range []uint64{1, 2} {
			whole, err := l.read(t.Context(), raw, number, func(_ uint64, frame []byte) error {
				if !strings.Contains("one\ntwo\nthree\nfour\n", string(frame)) {
					t.Errorf("frame %q was never written", frame)
				}
				return nil
			})
			if err != nil && !errors.Is(err, errTorn) && !errors.Is(err, seal.ErrCorrupt) {
				t.Errorf("got %v", err)
			}
			if whole > int64(len(raw)) {
				t.Errorf("%d of %d bytes are whole", whole, len(raw))
			}
		}
	})
}
