package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service/amp/series"
)

// ampStore is a store of series: ours, or Prometheus's own of the same version.
type ampStore interface {
	storage.SampleAndChunkQueryable
	Appender(context.Context) storage.Appender
	AppenderV2(context.Context) storage.AppenderV2
	Close() error
}

// ampKeys wraps data keys under a key of the benchmark, as KMS does.
type ampKeys struct{ key secret.Bytes }

func newAmpKeys() *ampKeys {
	key := make([]byte, seal.KeySize)
	rand.Read(key)
	return &ampKeys{secret.New(key)}
}

func (k *ampKeys) Make(context.Context) (seal.DataKey, error) {
	key := make([]byte, seal.KeySize)
	rand.Read(key)
	wrapped, err := seal.Bytes(k.key, key, nil)
	return seal.DataKey{Plaintext: secret.New(key), Wrapped: wrapped}, err
}

func (k *ampKeys) Open(_ context.Context, wrapped []byte) (secret.Bytes, error) {
	key, err := seal.OpenBytes(k.key, wrapped, nil)
	return secret.New(key), err
}

// ampLedger keeps in memory what the house keeps in its store.
type ampLedger struct {
	mu    sync.Mutex
	state series.State
}

func (l *ampLedger) Load(context.Context) (series.State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return series.State{Blocks: slices.Clone(l.state.Blocks), Covered: l.state.Covered}, nil
}

func (l *ampLedger) Pending(context.Context, string) error { return nil }

func (l *ampLedger) Replace(_ context.Context, remove []ulid.ULID, add []series.Block, covered series.Covered) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Blocks = slices.DeleteFunc(l.state.Blocks, func(b series.Block) bool { return slices.Contains(remove, b.Meta.ULID) })
	l.state.Blocks = append(l.state.Blocks, add...)
	l.state.Covered = covered
	return nil
}

// sealedStore is ours, in a folder.
type sealedStore struct {
	*series.DB
	blobs  string // folder of the blocks
	memory string
}

func openSealedStore(tb testing.TB, dir, name string, blobs blob.Store) *sealedStore {
	tb.Helper()
	memory, err := series.Memory(series.DefaultMemory, fmt.Sprintf("strongroom-bench-%d-%s", os.Getpid(), name))
	if err != nil {
		tb.Fatalf("%v: the benchmark means nothing without it", err)
	}
	s := &sealedStore{blobs: filepath.Join(dir, "blobs"), memory: memory}
	if blobs == nil {
		d, err := blob.OpenDir(s.blobs)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { d.Close() })
		blobs = d
	}
	s.DB, err = series.Open(context.Background(), series.Options{
		Name: name, Log: filepath.Join(dir, "log"), Memory: memory, Blobs: blobs, Prefix: "amp/", Keys: newAmpKeys(), Ledger: new(ampLedger),
		Marks: secret.New(make([]byte, seal.KeySize)),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.DB.Close(); os.RemoveAll(memory) })
	return s
}

// plainStore is Prometheus's own. With sync set, an append is on the disk when it returns, as ours is.
type plainStore struct {
	*tsdb.DB
	dir  string
	sync bool
}

func openPlainStore(tb testing.TB, dir string, sync bool) *plainStore {
	tb.Helper()
	o := tsdb.DefaultOptions()
	o.EnableExemplarStorage, o.MaxExemplars = true, 10_000
	db, err := tsdb.Open(dir, nil, prometheus.NewRegistry(), o, nil)
	if err != nil {
		tb.Fatal(err)
	}
	db.DisableCompactions()
	tb.Cleanup(func() { db.Close() })
	return &plainStore{db, dir, sync}
}

func (p *plainStore) AppenderV2(ctx context.Context) storage.AppenderV2 {
	if !p.sync {
		return p.DB.AppenderV2(ctx)
	}
	return &syncing{p.DB.AppenderV2(ctx).(storage.ExemplarAppenderV2), filepath.Join(p.dir, "wal")}
}

// syncing syncs the newest segment of Prometheus's log after each commit.
type syncing struct {
	storage.ExemplarAppenderV2
	wal string
}

func (s *syncing) Commit() error {
	if err := s.ExemplarAppenderV2.Commit(); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.wal)
	if err != nil || len(entries) == 0 {
		return fmt.Errorf("log of Prometheus: %d files, %w", len(entries), err)
	}
	f, err := os.OpenFile(filepath.Join(s.wal, entries[len(entries)-1].Name()), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return syscall.Fdatasync(int(f.Fd()))
}

// size returns how many bytes the files below a folder have.
func size(tb testing.TB, dir string) (n int64) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		tb.Fatal(err)
	}
	return n
}

// ownCPU returns the processor time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
