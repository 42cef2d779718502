package cryptfs

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// testRoot is a root key for tests.
type testRoot struct{ aead cipher.AEAD }

func newTestRoot() testRoot {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return testRoot{aead}
}

func (r testRoot) Wrap(purpose string, plaintext []byte) ([]byte, error) {
	return r.aead.Seal(nil, nil, plaintext, []byte(purpose)), nil
}

func (r testRoot) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	return r.aead.Open(nil, nil, wrapped, []byte(purpose))
}

const ringPath = "keyring"

func newFS(t testing.TB, base vfs.FS) *FS {
	t.Helper()
	ring, err := OpenKeyring(base, ringPath, newTestRoot(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return New(base, ring)
}

func create(t testing.TB, fs vfs.FS, name string) vfs.File {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// writeAll writes a file in pieces and closes it.
func writeAll(t testing.TB, fs vfs.FS, name string, pieces ...[]byte) {
	t.Helper()
	f := create(t, fs, name)
	for _, p := range pieces {
		if _, err := f.Write(bytes.Clone(p)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func readBack(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// rawBytes returns the bytes of the file below.
func rawBytes(t testing.TB, base vfs.FS, name string) []byte {
	t.Helper()
	b, err := readFile(base, name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func putRaw(t testing.TB, base vfs.FS, name string, data []byte) {
	t.Helper()
	writeAll(t, base, name, data)
}

func pattern(n int) []byte {
	b := make([]byte, n)
	r := mrand.New(mrand.NewPCG(uint64(n), 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestRoundTrip writes files of both kinds in pieces of all sorts, and reads them at once,
// and from random places.
func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"000001.sst", "000002.log", "MANIFEST-000003", "OPTIONS-000004"} {
		for _, size := range []int{0, 1, 15, 16, 4095, 4096, 4097, 8192, 100_000, 3 << 20} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				base := vfs.NewMem()
				fs := newFS(t, base)
				want := pattern(size)
				r := mrand.New(mrand.NewPCG(uint64(size), 2))
				f := create(t, fs, name)
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 1+r.IntN([]int{5, 5000, 200_000}[r.IntN(3)]))
					if size > 1<<20 {
						n = min(len(rest), n+30_000)
					}
					if _, err := f.Write(bytes.Clone(rest[:n])); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
					if r.IntN(3) == 0 {
						if err := f.Sync(); err != nil {
							t.Fatal(err)
						}
					}
				}
				if info, err := f.Stat(); err != nil || info.Size() != int64(size) {
					t.Errorf("size while writing is %v, %v", info, err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				checkContent(t, fs, name, want)
				if raw := rawBytes(t, base, name); size > 64 && bytes.Contains(raw, want[:32]) {
					t.Error("the file holds plaintext")
				}
			})
		}
	}
}

func checkContent(t *testing.T, fs *FS, name string, want []byte) {
	t.Helper()
	got, err := readBack(fs, name)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes, %v, want %d", len(got), err, len(want))
	}
	info, err := fs.Stat(name)
	if err != nil || info.Size() != int64(len(want)) {
		t.Errorf("size is %v, %v, want %d", info, err, len(want))
	}
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Fd() != vfs.InvalidFd {
		t.Error("the file gives its descriptor away")
	}
	r := mrand.New(mrand.NewPCG(uint64(len(want)), 3))
	for range 50 {
		off := r.IntN(len(want) + 10)
		p := make([]byte, r.IntN(20_000))
		n, err := f.ReadAt(p, int64(off))
		end := min(off+len(p), len(want))
		if off >= len(want) {
			end = off
		}
		if n != max(end-off, 0) || n < len(p) && err != io.EOF || n == len(p) && err != nil {
			t.Fatalf("ReadAt(%d bytes, %d) of %d = %d, %v", len(p), off, len(want), n, err)
		}
		if n > 0 && !bytes.Equal(p[:n], want[off:off+n]) {
			t.Fatalf("ReadAt(%d bytes, %d) gave wrong bytes", len(p), off)
		}
	}
	if _, err := f.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative offset was read")
	}
}

// TestEveryByte changes, and cuts, small files of both kinds at every byte: the error
// names the file, and no wrong byte is ever read.
func TestEveryByte(t *testing.T) {
	for _, name := range []string{"000001.sst", "000002.log"} {
		for _, size := range []int{0, 40, 5000} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				base := vfs.NewMem()
				fs := newFS(t, base)
				want := pattern(size)
				writeAll(t, fs, name, want[:size/3], want[size/3:])
				good := rawBytes(t, base, name)
				for i := range good {
					bad := bytes.Clone(good)
					bad[i] ^= 1 << (i % 8)
					putRaw(t, base, name, bad)
					if _, err := readBack(fs, name); !isCorrupt(err, name) {
						t.Fatalf("change of byte %d of %d: got %v, want ErrCorrupt with the name", i, len(good), err)
					}
				}
				for i := range good {
					putRaw(t, base, name, good[:i])
					got, err := readBack(fs, name)
					if isLog(name) && err == nil && bytes.HasPrefix(want, got) {
						continue // a log may lose its end
					}
					if !isCorrupt(err, name) {
						t.Fatalf("cut at byte %d of %d: got %d bytes, %v", i, len(good), len(got), err)
					}
				}
				putRaw(t, base, name, append(bytes.Clone(good), make([]byte, 16)...))
				if got, err := readBack(fs, name); !isCorrupt(err, name) {
					t.Errorf("bytes appended: got %d bytes, %v", len(got), err)
				}
			})
		}
	}
}

func isCorrupt(err error, name string) bool {
	return errors.Is(err, ErrCorrupt) && errors.Is(err, pebble.ErrCorruption) && strings.Contains(err.Error(), name)
}

// TestMoves puts sealed bytes in places where they do not belong.
func TestMoves(t *testing.T) {
	base := vfs.NewMem()
	fs := newFS(t, base)
	writeAll(t, fs, "000001.sst", pattern(4*pageSize))
	writeAll(t, fs, "000002.sst", pattern(4*pageSize))
	writeAll(t, fs, "000003.log", pattern(1000), pattern(1000), pattern(1000))
	a, b := rawBytes(t, base, "000001.sst"), rawBytes(t, base, "000002.sst")
	log := rawBytes(t, base, "000003.log")
	page := func(f []byte, i int) []byte { return f[headerSize+i*sealedPage : headerSize+(i+1)*sealedPage] }
	frameAt := (len(log) - headerSize - frameHeader) / 3
	frame := func(i int) []byte { return log[headerSize+i*frameAt : headerSize+(i+1)*frameAt] }
	swap := func(f []byte, x, y []byte) []byte {
		out := bytes.Clone(f)
		i, j := bytes.Index(out, x), bytes.Index(out, y)
		copy(out[i:], y)
		copy(out[j:], x)
		return out
	}
	for name, test := range map[string]struct {
		file string
		data []byte
	}{
		"pages swapped":          {"000001.sst", swap(a, page(a, 0), page(a, 1))},
		"page of another file":   {"000001.sst", bytes.Replace(a, page(a, 1), page(b, 1), 1)},
		"content of another":     {"000001.sst", append(bytes.Clone(a[:headerSize]), b[headerSize:]...)},
		"another file":           {"000001.sst", b},
		"last page dropped":      {"000001.sst", a[:len(a)-sealedPage]},
		"page dropped":           {"000001.sst", append(bytes.Clone(a[:headerSize]), a[headerSize+sealedPage:]...)},
		"frames swapped":         {"000003.log", swap(log, frame(0), frame(1))},
		"frame dropped":          {"000003.log", append(bytes.Clone(log[:headerSize]), log[headerSize+frameAt:]...)},
		"frame doubled":          {"000003.log", bytes.Replace(log, frame(0), append(bytes.Clone(frame(0)), frame(0)...), 1)},
		"closing frame doubled":  {"000003.log", append(bytes.Clone(log), log[len(log)-frameHeader:]...)},
		"log where a table is":   {"000001.sst", log},
		"header of zeros":        {"000001.sst", append(make([]byte, headerSize), a[headerSize:]...)},
		"nothing but the header": {"000001.sst", a[:headerSize]},
	} {
		t.Run(name, func(t *testing.T) {
			good := rawBytes(t, base, test.file)
			defer putRaw(t, base, test.file, good)
			putRaw(t, base, test.file, test.data)
			if _, err := readBack(fs, test.file); !isCorrupt(err, test.file) {
				t.Errorf("got %v, want ErrCorrupt", err)
			}
		})
	}
	if err := base.Rename("000002.sst", "000009.sst"); err != nil {
		t.Fatal(err)
	}
	if _, err := readBack(fs, "000009.sst"); !isCorrupt(err, "000009.sst") {
		t.Errorf("a file under another name: got %v, want ErrCorrupt", err)
	}
}

// TestRenameAndLink checks that our own renames and links keep files readable.
func TestRenameAndLink(t *testing.T) {
	base := vfs.NewMem()
	fs := newFS(t, base)
	want := pattern(10_000)
	writeAll(t, fs, "a.dbtmp", want)
	if err := fs.Rename("a.dbtmp", "OPTIONS-000001"); err != nil || fs.Err() != nil {
		t.Fatal(err, fs.Err())
	}
	if err := fs.Link("OPTIONS-000001", "other"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"OPTIONS-000001", "other"} {
		if got, err := readBack(fs, name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if err := fs.Link("OPTIONS-000001", "other"); !errors.Is(err, os.ErrExist) {
		t.Errorf("link over a file: got %v, want exist", err)
	}
	w, err := fs.ReuseForWrite("other", "000002.log", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Open("other"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reused file: got %v, want not exist", err)
	}
	if _, err := fs.OpenReadWrite("x", vfs.WriteCategoryUnspecified); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v, want unsupported", err)
	}
}

// TestLogAfterPowerCut appends synced and unsynced writes to a log, cuts the power, and
// reads: everything synced is there, and what follows is a prefix of the rest.
func TestLogAfterPowerCut(t *testing.T) {
	for seed := range uint64(300) {
		r := mrand.New(mrand.NewPCG(seed, 4))
		base := vfs.NewCrashableMem()
		fs := newFS(t, base)
		if err := base.MkdirAll("db", 0o700); err != nil {
			t.Fatal(err)
		}
		name := "db/000001.log"
		f := create(t, fs, name)
		if err := errors.Join(SyncDir(base, "db"), SyncDir(base, "/")); err != nil {
			t.Fatal(err)
		}
		var want []byte
		synced := 0
		for range r.IntN(30) {
			p := pattern(r.IntN(3000))
			want = append(want, p...)
			if _, err := f.Write(p); err != nil {
				t.Fatal(err)
			}
			if r.IntN(2) == 0 {
				if err := f.Sync(); err != nil {
					t.Fatal(err)
				}
				synced = len(want)
			}
		}
		after := base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(101), RNG: r})
		got, err := readBack(New(after, fs.ring), name)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(got) < synced || !bytes.HasPrefix(want, got) {
			t.Fatalf("seed %d: %d bytes are left of %d, %d synced", seed, len(got), len(want), synced)
		}
	}
}

// TestDamageToSyncedLog changes every byte of a log that was not closed. What a later
// frame proves to have been synced must be an error; no change may be read.
func TestDamageToSyncedLog(t *testing.T) {
	base := vfs.NewMem()
	fs := newFS(t, base)
	f := create(t, fs, "000001.log")
	var want []byte
	lastFrame := 0
	for i := range 12 {
		p := pattern(100 + i)
		want = append(want, p...)
		lastFrame = int(f.(*logWriter).end)
		if _, err := f.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	good := rawBytes(t, base, "000001.log")
	for i := range good {
		for _, zero := range []int{0, 512} { // a flip, or the loss of the sector
			bad := bytes.Clone(good)
			bad[i] ^= 0x10
			from := i / 512 * 512
			clear(bad[from:min(from+zero, len(bad))])
			putRaw(t, base, "000001.log", bad)
			got, err := readBack(fs, "000001.log")
			if err == nil && from+512 <= lastFrame {
				t.Fatalf("damage at byte %d of %d (%d zeroed) went unseen", i, len(bad), zero)
			}
			if err == nil && !bytes.HasPrefix(want, got) || err != nil && !isCorrupt(err, "000001.log") {
				t.Fatalf("damage at byte %d: got %d bytes, %v", i, len(got), err)
			}
			if zero == 0 && err == nil {
				t.Fatalf("the change of byte %d went unseen", i)
			}
		}
	}
}

func TestFreeze(t *testing.T) {
	fail := errorfs.InjectorFunc(func(errorfs.Op) error { return nil })
	var inject func(op errorfs.Op) error
	base := vfs.NewMem()
	fs := newFS(t, base)
	fs.base = errorfs.Wrap(base, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if inject != nil {
			return inject(op)
		}
		return fail(op)
	}))
	fs.Opened()
	table := create(t, fs, "000001.sst")
	log := create(t, fs, "000002.log")
	writeAll(t, fs, "000003.sst", pattern(10))

	boom := errors.New("boom")
	inject = func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite {
			return boom
		}
		return nil
	}
	if _, err := table.Write(pattern(100_000)); !errors.Is(err, boom) || fs.Err() != nil {
		t.Errorf("table: got %v, frozen by %v; want the failure and no freeze", err, fs.Err())
	}
	if err := table.Close(); !errors.Is(err, boom) {
		t.Errorf("close of a broken table: got %v, want the failure", err)
	}
	if n, err := log.Write(pattern(10)); n != 10 || err != nil {
		t.Errorf("log: got %d, %v; want the failure hidden", n, err)
	}
	if !errors.Is(fs.Err(), boom) {
		t.Fatalf("frozen by %v, want the failure", fs.Err())
	}
	inject = nil
	if err := errors.Join(log.Sync(), log.Close(), fs.Remove("000003.sst"), fs.Rename("000003.sst", "x"), fs.MkdirAll("d", 0o700)); err != nil {
		t.Errorf("a frozen file system refused a change: %v", err)
	}
	if _, err := fs.Create("000004.sst", vfs.WriteCategoryUnspecified); !errors.Is(err, boom) {
		t.Errorf("new table: got %v, want the failure", err)
	}
	writeAll(t, fs, "000005.log", pattern(10))
	names, err := base.List("")
	if err != nil || len(names) != 4 { // keyring and the three files from before
		t.Errorf("a frozen file system made changes: %v, %v", names, err)
	}
	if got, err := readBack(fs, "000003.sst"); err != nil || len(got) != 10 {
		t.Errorf("a frozen file system does not read: %d bytes, %v", len(got), err)
	}
}

func TestKeyring(t *testing.T) {
	base, root := vfs.NewMem(), newTestRoot()
	open := func(limits Limits) *Keyring {
		t.Helper()
		r, err := OpenKeyring(base, ringPath, root, limits)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	fs := New(base, open(Limits{KeyBytes: 50_000}))
	for i := range 5 {
		writeAll(t, fs, fmt.Sprintf("%06d.sst", i), pattern(40_000))
	}
	ring := open(Limits{})
	if len(ring.keys) != 3 {
		t.Errorf("%d data keys after five files of 40,000 bytes at 50,000 a key, want 3", len(ring.keys))
	}
	fs = New(base, ring)
	for i := range 5 {
		if _, err := readBack(fs, fmt.Sprintf("%06d.sst", i)); err != nil {
			t.Error(err)
		}
	}
	for i := range 4 {
		if err := fs.Remove(fmt.Sprintf("%06d.sst", i)); err != nil {
			t.Fatal(err)
		}
	}
	used, err := fs.UsedKeys("")
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Keep(used); err != nil {
		t.Fatal(err)
	}
	ring = open(Limits{KeyAge: time.Nanosecond})
	if len(ring.keys) != 1 {
		t.Errorf("%d data keys are kept, want 1", len(ring.keys))
	}
	writeAll(t, New(base, ring), "000009.sst", nil)
	if len(ring.keys) != 2 || ring.keys[1].number != 4 {
		t.Errorf("keys after the age are %d, want 2, the last with number 4", len(ring.keys))
	}
	if _, err := OpenKeyring(base, ringPath, newTestRoot(), Limits{}); !isCorrupt(err, ringPath) {
		t.Errorf("other root key: got %v, want ErrCorrupt with the name", err)
	}
	good := rawBytes(t, base, ringPath)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x40
		putRaw(t, base, ringPath, bad)
		if _, err := OpenKeyring(base, ringPath, root, Limits{}); !isCorrupt(err, ringPath) {
			t.Errorf("change of byte %d: got %v, want ErrCorrupt", i, err)
		}
		putRaw(t, base, ringPath, good[:i])
		if _, err := OpenKeyring(base, ringPath, root, Limits{}); !isCorrupt(err, ringPath) {
			t.Errorf("cut at byte %d: got %v, want ErrCorrupt", i, err)
		}
	}
}

func FuzzDecodeLog(f *testing.F) {
	base := vfs.NewMem()
	fs := newFS(f, base)
	writeAll(f, fs, "000001.log", pattern(100), pattern(200))
	data := rawBytes(f, base, "000001.log")
	h, err := parseHeader(data, "000001.log", fs.ring)
	if err != nil {
		f.Fatal(err)
	}
	aead := h.aead()
	want := append(pattern(100), pattern(200)...)
	f.Add(data[headerSize:])
	f.Add(data[headerSize : len(data)-40])
	f.Add(make([]byte, 600))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := decodeLog(aead, "log", append(bytes.Clone(data[:headerSize]), content...))
		if err == nil && !bytes.HasPrefix(want, got) {
			t.Errorf("forged %d bytes", len(got))
		}
	})
}
