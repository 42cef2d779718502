// Package blobtest is the contract of package blob as tests, to be run on every driver:
//
//	func TestContract(t *testing.T) {
//		blobtest.Run(t, func(t *testing.T) blob.Store { ... })
//	}
//
// open returns a new empty store each time, and closes it with t.Cleanup.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/strongroom/strongroom/blob"
)

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, test := range []struct {
		name string
		fn   func(t *testing.T, s blob.Store)
	}{
		{"PutGet", testPutGet},
		{"Ranges", testRanges},
		{"NeverOverwrites", testNeverOverwrites},
		{"FailedPut", testFailedPut},
		{"Keys", testKeys},
		{"Delete", testDelete},
		{"List", testList},
		{"Context", testContext},
		{"Together", testTogether},
	} {
		t.Run(test.name, func(t *testing.T) { test.fn(t, open(t)) })
	}
}

func put(t *testing.T, s blob.Store, key, text string) {
	t.Helper()
	n, err := s.Put(t.Context(), key, strings.NewReader(text))
	if err != nil || n != int64(len(text)) {
		t.Fatalf("Put(%s) = %d, %v, want %d", key, n, err, len(text))
	}
}

func get(ctx context.Context, s blob.Store, key string, off, n int64) (string, error) {
	r, err := s.Get(ctx, key, off, n)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

func content(size int) string {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(uint64(size), 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func testPutGet(t *testing.T, s blob.Store) {
	before := time.Now().Add(-2 * time.Second)
	for _, size := range []int{0, 1, 4096, 100_000, 256 << 10, 256<<10 + 1, 9 << 20} {
		key, want := fmt.Sprintf("size/%d", size), content(size)
		// A reader of odd pieces, which says the end together with the last one.
		n, err := s.Put(t.Context(), key, iotest.DataErrReader(iotest.HalfReader(strings.NewReader(want))))
		if err != nil || n != int64(size) {
			t.Fatalf("Put = %d, %v, want %d", n, err, size)
		}
		if got, err := get(t.Context(), s, key, 0, -1); err != nil || got != want {
			t.Errorf("Get returned %d bytes, %v, want %d", len(got), err, size)
		}
		info, err := s.Stat(t.Context(), key)
		if err != nil || info.Key != key || info.Size != int64(size) {
			t.Errorf("Stat = %+v, %v", info, err)
		}
		if info.Modified.Before(before) || info.Modified.After(time.Now().Add(2*time.Second)) {
			t.Errorf("modified at %v", info.Modified)
		}
	}
}

func testRanges(t *testing.T, s blob.Store) {
	want := content(10_000)
	put(t, s, "a", want)
	for _, test := range []struct{ off, n, from, to int64 }{
		{0, -1, 0, 10_000}, {0, 0, 0, 0}, {0, 1, 0, 1}, {9_999, 1, 9_999, 10_000}, {10_000, -1, 10_000, 10_000},
		{10_000, 5, 10_000, 10_000}, {5_000, 100_000, 5_000, 10_000}, {4_095, 2, 4_095, 4_097}, {1, -1, 1, 10_000},
	} {
		got, err := get(t.Context(), s, "a", test.off, test.n)
		if err != nil || got != want[test.from:test.to] {
			t.Errorf("Get(%d, %d) returned %d bytes, %v, want %d", test.off, test.n, len(got), err, test.to-test.from)
		}
	}
	for _, off := range []int64{-1, 10_001} {
		if _, err := s.Get(t.Context(), "a", off, 1); !errors.Is(err, blob.ErrRange) {
			t.Errorf("Get at %d: got %v, want ErrRange", off, err)
		}
	}
	r, err := s.Get(t.Context(), "a", 1_000, 500)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if at, ok := r.(io.ReaderAt); ok {
		p := make([]byte, 100)
		if n, err := at.ReadAt(p, 450); n != 50 || err != io.EOF || string(p[:n]) != want[1_450:1_500] {
			t.Errorf("ReadAt near the end of the range = %d, %v", n, err)
		}
	}
}

func testNeverOverwrites(t *testing.T, s blob.Store) {
	put(t, s, "a", "first")
	if _, err := s.Put(t.Context(), "a", strings.NewReader("second")); !errors.Is(err, blob.ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	// Two at once: one wins, whole.
	const rivals = 8
	var wg sync.WaitGroup
	errs := make([]error, rivals)
	for i := range rivals {
		wg.Go(func() {
			_, errs[i] = s.Put(t.Context(), "b", strings.NewReader(strings.Repeat(fmt.Sprint(i), 50_000)))
		})
	}
	wg.Wait()
	won := -1
	for i, err := range errs {
		if err == nil && won < 0 {
			won = i
		} else if !errors.Is(err, blob.ErrExists) {
			t.Errorf("rival %d: got %v, want ErrExists", i, err)
		}
	}
	if got, err := get(t.Context(), s, "b", 0, -1); err != nil || got != strings.Repeat(fmt.Sprint(won), 50_000) {
		t.Errorf("the blob is not the winner's: %d bytes, %v", len(got), err)
	}
	if got, err := get(t.Context(), s, "a", 0, -1); err != nil || got != "first" {
		t.Errorf("the first blob is %q, %v", got, err)
	}
}

// testFailedPut lets the reader fail at the start, in the middle and at the end.
func testFailedPut(t *testing.T, s blob.Store) {
	boom := errors.New("boom")
	for name, r := range map[string]io.Reader{
		"start":     iotest.ErrReader(boom),
		"middle":    io.MultiReader(strings.NewReader(content(300_000)), iotest.ErrReader(boom)),
		"with data": iotest.DataErrReader(io.MultiReader(strings.NewReader("x"), iotest.ErrReader(boom))),
		"cut short": io.MultiReader(strings.NewReader("x"), iotest.ErrReader(io.ErrUnexpectedEOF)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Put(t.Context(), "a", r)
			if !errors.Is(err, boom) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v, want the reader's error", err)
			}
			if _, err := s.Stat(t.Context(), "a"); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("after a failed Put Stat says %v, want ErrNotFound", err)
			}
		})
	}
	for info, err := range s.List(t.Context(), "", "") {
		t.Errorf("a failed Put left %v, %v", info, err)
	}
	put(t, s, "a", "good")
}

func testKeys(t *testing.T, s blob.Store) {
	for _, key := range []string{
		"", "/", "a/", "/a", "a//b", "A", "a b", "a.b", "..", "../a", "a/../b", "a\\b", "a\x00", "=a", "é",
		strings.Repeat("a", 129), "a\n",
	} {
		_, put := s.Put(t.Context(), key, strings.NewReader("x"))
		_, get := s.Get(t.Context(), key, 0, -1)
		_, stat := s.Stat(t.Context(), key)
		for op, err := range map[string]error{"Put": put, "Get": get, "Stat": stat, "Delete": s.Delete(t.Context(), key)} {
			if !errors.Is(err, blob.ErrKey) {
				t.Errorf("%s(%q): got %v, want ErrKey", op, key, err)
			}
		}
	}
	for _, key := range []string{"a", "0", "a/b/c/d", strings.Repeat("z", 128), strings.Repeat("a/", 63) + "b"} {
		put(t, s, key, key)
		if got, err := get(t.Context(), s, key, 0, -1); err != nil || got != key {
			t.Errorf("blob %q is %q, %v", key, got, err)
		}
	}
}

func testDelete(t *testing.T, s blob.Store) {
	put(t, s, "a/b", "x")
	put(t, s, "a/c", "y")
	r, err := s.Get(t.Context(), "a/b", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 {
		if err := s.Delete(t.Context(), "a/b"); err != nil {
			t.Error(err)
		}
	}
	if err := s.Delete(t.Context(), "never/there"); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(t.Context(), "a/b", 0, -1); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	if got, err := get(t.Context(), s, "a/c", 0, -1); err != nil || got != "y" {
		t.Errorf("the other blob is %q, %v", got, err)
	}
	put(t, s, "a/b", "again")
}

func testList(t *testing.T, s blob.Store) {
	var keys []string
	for _, key := range []string{
		"a", "a/a", "a/b/c", "a0", "a0/x", "ab", "ab/y", "abc", "abc/x/y", "abc0", "abcd", "abd", "abz/q", "ac", "az/1",
		"b", "b/0", "b/1", "b/aa", "b/aaa", "b/aaaa", "b/aab", "zzz", "0", "00/00", "000", "0000", "aaz/q", "aa0",
	} {
		put(t, s, key, key)
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "ab", "abc", "abc/", "b/", "b/aa", "zz", "nothing", "A"} {
		for _, after := range append([]string{"", "zzzz", "a/", "abc/x", "b/a", "~"}, keys...) {
			var want, got []string
			for _, key := range keys {
				if strings.HasPrefix(key, prefix) && key > after {
					want = append(want, key)
				}
			}
			for info, err := range s.List(t.Context(), prefix, after) {
				if err != nil {
					t.Fatal(err)
				}
				if info.Size != int64(len(info.Key)) {
					t.Errorf("%s has size %d", info.Key, info.Size)
				}
				got = append(got, info.Key)
			}
			if !slices.Equal(got, want) {
				t.Errorf("List(%q, %q) = %q, want %q", prefix, after, got, want)
			}
		}
	}
	for range s.List(t.Context(), "", "") {
		break
	}
}

func testContext(t *testing.T, s blob.Store) {
	put(t, s, "a", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, put := s.Put(ctx, "b", strings.NewReader("x"))
	_, get := s.Get(ctx, "a", 0, -1)
	_, stat := s.Stat(ctx, "a")
	var list error
	for _, err := range s.List(ctx, "", "") {
		list = err
	}
	for op, err := range map[string]error{"Put": put, "Get": get, "Stat": stat, "Delete": s.Delete(ctx, "a"), "List": list} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context.Canceled", op, err)
		}
	}
	ctx, cancel = context.WithCancel(t.Context())
	_, err := s.Put(ctx, "c", io.MultiReader(strings.NewReader(content(300_000)), readerFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil // never ends by itself
	})))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Put cancelled midway: got %v, want context.Canceled", err)
	}
	if _, err := s.Stat(t.Context(), "c"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Put cancelled midway left the blob: %v", err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// testTogether runs all calls at once.
func testTogether(t *testing.T, s blob.Store) {
	const workers, each = 8, 20
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				key, want := fmt.Sprintf("%d/%x", w, i*2654435761), content(1000+i*100)
				if _, err := s.Put(t.Context(), key, bytes.NewReader([]byte(want))); err != nil {
					t.Error(err)
					return
				}
				if got, err := get(t.Context(), s, key, 0, -1); err != nil || got != want {
					t.Errorf("%s: %d bytes, %v", key, len(got), err)
				}
				if i%3 == 0 {
					if err := s.Delete(t.Context(), key); err != nil {
						t.Error(err)
					}
				}
				if i%5 == 0 {
					for _, err := range s.List(t.Context(), "", "") {
						if err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
	}
	wg.Wait()
	n := 0
	for range s.List(t.Context(), "", "") {
		n++
	}
	if want := workers * (each - 7); n != want {
		t.Errorf("%d blobs are left, want %d", n, want)
	}
}
