package audit

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/strongroom/strongroom/secret"
)

// testKeys wraps with AES-GCM under a fixed key, the purpose as associated data.
type testKeys struct{ key []byte }

func (k testKeys) aead(t string) cipher.AEAD {
	sub, _ := hkdf.Key(sha256.New, k.key, nil, t, 32)
	block, _ := aes.NewCipher(sub)
	aead, _ := cipher.NewGCM(block)
	return aead
}

func (k testKeys) Wrap(purpose string, plain []byte) ([]byte, error) {
	nonce := make([]byte, 12)
	rand.Read(nonce)
	return k.aead(purpose).Seal(nonce, nonce, plain, nil), nil
}

func (k testKeys) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 12 {
		return nil, errors.New("too short")
	}
	return k.aead(purpose).Open(nil, wrapped[:12], wrapped[12:], nil)
}

func (k testKeys) Derive(purpose string) secret.Bytes {
	sub, _ := hkdf.Key(sha256.New, k.key, nil, "derive "+purpose, 32)
	return secret.New(sub)
}

var keysForTest = testKeys{bytes.Repeat([]byte{7}, 32)}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func mustOpen(t testing.TB, dir string) *Log {
	t.Helper()
	l, err := Open(dir, keysForTest, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

const acct = "111122223333"

func entry(i int) *Entry {
	return &Entry{
		Account: acct, Time: time.Unix(1_700_000_000+int64(i), 0), Region: "eu-central-1", EventID: fmt.Sprintf("id-%d", i),
		Attributes: Attributes{
			EventName: []string{"Encrypt", "Decrypt"}[i%2], EventSource: "kms.amazonaws.com", Username: fmt.Sprintf("user%d", i%3),
			AccessKeyID: "AKIAEXAMPLE", ReadOnly: i%2 == 0,
			Resources: []Resource{{acct, "AWS::KMS::Key", fmt.Sprintf("arn:aws:kms:eu-central-1:%s:key/k%d", acct, i%5)}},
		},
		JSON: fmt.Appendf(nil, `{"eventID":"id-%d"}`, i),
	}
}

func mustAppend(t testing.TB, l *Log, e *Entry) Position {
	t.Helper()
	p, err := l.Append(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(context.Background(), p, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func lookup(t testing.TB, l *Log, q Query) []Found {
	t.Helper()
	if q.Account == "" {
		q.Account = acct
	}
	q.Region = "eu-central-1"
	if q.Limit == 0 {
		q.Limit = 1 << 20
	}
	found, err := l.Lookup(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	for i := range 30 {
		mustAppend(t, l, entry(i))
		if i == 12 { // so that there are closed segments too
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = mustOpen(t, dir)
		}
	}
	other := entry(100)
	other.Account = "444455556666"
	mustAppend(t, l, other)
	elsewhere := entry(101)
	elsewhere.Region = "us-east-1"
	mustAppend(t, l, elsewhere)

	for name, c := range map[string]struct {
		q    Query
		want int
	}{
		"all":             {Query{}, 30},
		"event id":        {Query{Attribute: ByEventID, Value: "id-3"}, 1},
		"event name":      {Query{Attribute: ByEventName, Value: "Encrypt"}, 15},
		"read only":       {Query{Attribute: ByReadOnly, Value: "false"}, 15},
		"user":            {Query{Attribute: ByUsername, Value: "user2"}, 10},
		"source":          {Query{Attribute: ByEventSource, Value: "kms.amazonaws.com"}, 30},
		"access key":      {Query{Attribute: ByAccessKeyID, Value: "AKIAOTHER"}, 0},
		"resource type":   {Query{Attribute: ByResourceType, Value: "AWS::KMS::Key"}, 30},
		"resource arn":    {Query{Attribute: ByResourceName, Value: "arn:aws:kms:eu-central-1:" + acct + ":key/k4"}, 6},
		"resource name":   {Query{Attribute: ByResourceName, Value: "k4"}, 6},
		"time":            {Query{From: time.Unix(1_700_000_010, 0), To: time.Unix(1_700_000_019, 0)}, 10},
		"limit":           {Query{Limit: 7}, 7},
		"unknown account": {Query{Account: "999999999999"}, 0},
	} {
		found := lookup(t, l, c.q)
		if len(found) != c.want {
			t.Errorf("%s: got %d records, want %d", name, len(found), c.want)
		}
		for i := 1; i < len(found); i++ {
			if found[i].Position >= found[i-1].Position {
				t.Errorf("%s: not newest first", name)
			}
		}
	}
	var ids []string
	q := Query{Limit: 4}
	for {
		page := lookup(t, l, q)
		for _, f := range page {
			ids = append(ids, f.EventID)
			q.Before = f.Position
		}
		if len(page) < q.Limit {
			break
		}
	}
	if len(ids) != 30 || ids[0] != "id-29" || ids[29] != "id-0" {
		t.Errorf("pages: %v", ids)
	}
}

// copyDir copies a log as a crash would leave it: without closing it.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	names, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(from, n.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, n.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

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

func TestTornFrameIsCutOff(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	mustAppend(t, l, entry(0))
	begin := l.written
	mustAppend(t, l, entry(1))
	end := l.written
	path := segmentPath(dir, 1)
	for cut := begin; cut < end; cut++ {
		back := copyDir(t, dir)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		clear(b[cut:end])
		if err := os.WriteFile(segmentPath(back, 1), b, 0o600); err != nil {
			t.Fatal(err)
		}
		l2, err := Open(back, keysForTest, quiet())
		if err != nil {
			t.Fatalf("cut at %d of %d..%d: %v", cut, begin, end, err)
		}
		want := 1
		if got := len(lookup(t, l2, Query{})); got != want && cut != end-1 {
			t.Fatalf("cut at %d: %d records, want %d", cut, got, want)
		}
		if err := l2.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	for i := range 3 {
		mustAppend(t, l, entry(i))
	}
	size := l.written
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir)
	mustAppend(t, l, entry(3))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Base(segmentPath("", 1)), filepath.Base(summaryPath("", 1))} {
		whole, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		n := int64(len(whole))
		if filepath.Ext(name) == segmentExt {
			n = size // what follows is zeros that no one reads
		}
		for i := range n {
			bad := bytes.Clone(whole)
			bad[i] ^= 0x40
			if err := os.WriteFile(filepath.Join(dir, name), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := openAndCheck(dir); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s, byte %d flipped: %v", name, i, err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := openAndCheck(dir); err != nil {
		t.Fatal(err)
	}
}

func shorten(path string, by int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-by)
}

func openAndCheck(dir string) error {
	l, err := Open(dir, keysForTest, quiet())
	if err != nil {
		return err
	}
	return errors.Join(l.Check(context.Background(), nil), l.Close())
}

func TestMissingAndShortenedFilesAreFound(t *testing.T) {
	build := func(t *testing.T) string {
		dir := t.TempDir()
		for i := range 4 {
			l := mustOpen(t, dir)
			mustAppend(t, l, entry(i))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for name, harm := range map[string]func(dir string) error{
		"first segment gone":    func(dir string) error { return os.Remove(segmentPath(dir, 1)) },
		"middle segment gone":   func(dir string) error { return os.Remove(segmentPath(dir, 2)) },
		"segment shortened":     func(dir string) error { return shorten(segmentPath(dir, 2), 10) },
		"segment emptied":       func(dir string) error { return os.Truncate(segmentPath(dir, 3), 0) },
		"segments swapped":      func(dir string) error { return os.Rename(segmentPath(dir, 2), segmentPath(dir, 3)) },
		"stranger among them":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "zz.seg"), nil, 0o600) },
		"summary of another":    func(dir string) error { return os.Rename(summaryPath(dir, 2), summaryPath(dir, 3)) },
		"another house's files": func(dir string) error { return os.WriteFile(segmentPath(dir, 2), []byte(magic), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := build(t)
			if err := harm(dir); err != nil {
				t.Fatal(err)
			}
			if err := openAndCheck(dir); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("got %v", err)
			}
		})
	}
	t.Run("summary gone is made again", func(t *testing.T) {
		dir := build(t)
		for n := range uint64(4) {
			if err := os.Remove(summaryPath(dir, n+1)); err != nil {
				t.Fatal(err)
			}
		}
		if err := openAndCheck(dir); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("another root key", func(t *testing.T) {
		if _, err := Open(build(t), testKeys{bytes.Repeat([]byte{8}, 32)}, quiet()); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestCheckpointsProveNothingWasTakenOut(t *testing.T) {
	dir := t.TempDir()
	var checkpoints [][]byte
	for i := range 9 {
		l := mustOpen(t, dir)
		mustAppend(t, l, entry(i))
		mustAppend(t, l, entry(i+100))
		c, err := l.Checkpoint(acct)
		if err != nil {
			t.Fatal(err)
		}
		checkpoints = append(checkpoints, c)
		for _, c := range checkpoints {
			if err := l.Verify(c); err != nil {
				t.Fatal(err)
			}
		}
		size := l.tree(acct).size
		for index := range size {
			proof, err := l.Prove(acct, size, index)
			if err != nil {
				t.Fatal(err)
			}
			which := int(index / 2)
			if index%2 == 1 {
				which += 100
			}
			tree := l.tree(acct)
			if err := tlog.CheckRecord(proof, int64(size), tree.root(), int64(index), tlog.RecordHash(entry(which).JSON)); err != nil {
				t.Fatalf("record %d of %d: %v", index, size, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Whoever takes the newest segment away leaves a log that reads well, and a checkpoint that it does not hold.
	if err := errors.Join(os.Remove(segmentPath(dir, 9)), os.Remove(summaryPath(dir, 9))); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, dir)
	if err := l.Check(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Verify(checkpoints[8]); !errors.Is(err, ErrCheckpoint) {
		t.Fatalf("Verify: %v", err)
	}
	mustAppend(t, l, entry(7))
	mustAppend(t, l, entry(8))
	if err := l.Verify(checkpoints[8]); !errors.Is(err, ErrCheckpoint) {
		t.Fatalf("Verify of a rewritten log: %v", err)
	}
	forged := bytes.Replace(checkpoints[7], []byte("\n16\n"), []byte("\n15\n"), 1)
	if err := l.Verify(forged); !errors.Is(err, ErrCheckpoint) {
		t.Fatalf("Verify of a forged checkpoint: %v", err)
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

func TestTreeMatchesTlog(t *testing.T) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		got := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			got[i] = stored[x]
		}
		return got, nil
	})
	var grown tree
	for n := range int64(200) {
		stored = grown.grow(tlog.RecordHash(fmt.Append(nil, n)), stored)
		want, err := tlog.TreeHash(n+1, reader)
		if err != nil {
			t.Fatal(err)
		}
		if grown.root() != want {
			t.Fatalf("size %d: head differs", n+1)
		}
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
