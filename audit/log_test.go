package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestCrashKeepsWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	for i := range 20 {
		mustAppend(t, l, entry(i))
		back := mustOpen(t, copyDir(t, dir))
		if got := len(lookup(t, back, Query{})); got != i+1 {
			t.Fatalf("after %d records and a crash: %d", i+1, got)
		}
		mustAppend(t, back, entry(1000))
		if err := back.Close(); err != nil {
			t.Fatal(err)
		}
		again := mustOpen(t, back.dir)
		if err := again.Check(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFailedWriteIsReportedAndSurvived(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	mustAppend(t, l, entry(0))
	if err := l.active.file.Close(); err != nil { // every write fails from here
		t.Fatal(err)
	}
	lost, err := l.Append(context.Background(), entry(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(context.Background(), lost, lost); err == nil {
		t.Fatal("a record that could not be written was acknowledged")
	}
	mustAppend(t, l, entry(2))
	if err := l.Wait(context.Background(), lost, lost); err == nil {
		t.Fatal("a later record made the lost one look written")
	}
	if err := l.Wait(context.Background(), lost-1, lost+1); err == nil {
		t.Fatal("records around the lost one hide it")
	}
	if got := lookup(t, l, Query{}); len(got) != 2 || got[0].EventID != "id-2" || got[1].EventID != "id-0" {
		t.Fatalf("lookup: %v", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir)
	if err := l.Check(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if got := lookup(t, l, Query{}); len(got) != 2 {
		t.Fatalf("after reopening: %d records", len(got))
	}
}

func TestDirectoryThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	p, err := l.Append(context.Background(), entry(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(context.Background(), p, p); err == nil {
		t.Fatal("acknowledged without a directory")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, entry(1))
}

func TestManyWriters(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 25 {
				p, err := l.Append(context.Background(), entry(w*100+i))
				if err == nil && i%3 > 0 {
					err = l.Wait(context.Background(), p, p)
				}
				if err != nil {
					t.Error(err)
				}
				if _, err := l.Lookup(context.Background(), Query{Account: acct, Region: "eu-central-1", Limit: 2}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(context.Background(), entry(0)); !errors.Is(err, ErrClosed) {
		t.Fatalf("append after close: %v", err)
	}
	l = mustOpen(t, dir)
	if got := len(lookup(t, l, Query{})); got != 400 {
		t.Fatalf("got %d records, want 400", got)
	}
	if err := l.Check(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir)
	if _, err := Open(dir, keysForTest, quiet()); err == nil {
		t.Fatal("a second log opened the same directory")
	}
}

func TestOversizeEntryIsRefused(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	e := entry(0)
	e.JSON = make([]byte, MaxEntry+1)
	if _, err := l.Append(context.Background(), e); !errors.Is(err, ErrEntry) {
		t.Fatalf("got %v", err)
	}
}

func TestNothingIsReadable(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	e := entry(0)
	e.Username = "canary-user"
	e.JSON = []byte(`{"eventID":"canary-json"}`)
	mustAppend(t, l, e)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(dir, n.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("canary")) || bytes.Contains(b, []byte(acct)) {
			t.Errorf("%s holds plaintext", n.Name())
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add(appendEntry(nil, entry(1)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEntry(b)
		if err == nil && checkEntry(e) == nil && len(b) > 8 && b[8] <= 1 && !bytes.Equal(appendEntry(nil, e), b) {
			t.Errorf("%x reads as another entry", b)
		}
	})
}

func FuzzDecodeSummary(f *testing.F) {
	s := newSummary(1, nil)
	s.frames = append(s.frames, frameRef{offset: 10})
	s.add(1, entry(1), nil)
	f.Add(s.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeSummary(b); err == nil {
			s.hits(Query{Account: acct, Limit: 1}, 100)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			l := mustOpen(b, b.TempDir())
			json := bytes.Repeat([]byte("x"), 900)
			b.SetParallelism(writers / 2)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					e := entry(i)
					e.JSON = json
					mustAppend(b, l, e)
				}
			})
		})
	}
}
