package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/strongroom/strongroom/blob"
)

// ampChildEnv says what TestAmpChild does: the kind of the store, series in each, stores, samples of a series.
const ampChildEnv = "STRONGROOM_BENCH_AMP_CHILD"

// TestAmpChild is a process of its own for BenchmarkAmpMemory and BenchmarkAmpScale. It fills stores and prints the
// most memory that this process took.
func TestAmpChild(t *testing.T) {
	text := os.Getenv(ampChildEnv)
	if text == "" {
		t.Skip("is run by benchmarks")
	}
	var kind string
	var perStore, stores, times int
	if _, err := fmt.Sscan(text, &kind, &perStore, &stores, &times); err != nil {
		t.Fatal(err)
	}
	var open []ampStore
	var folders []string // in memory
	dir := t.TempDir()
	blobs, err := blob.OpenDir(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	for i := range stores {
		name := fmt.Sprint(kind, i)
		if kind == "plain" {
			open = append(open, openPlainStore(t, filepath.Join(dir, name), false))
			continue
		}
		s := openSealedStore(t, filepath.Join(dir, name), name, blobs)
		open, folders = append(open, s), append(folders, s.memory)
	}
	done, peaks := make(chan bool), make(chan int64)
	go func() { peaks <- watchMemory(done, folders) }()
	start := time.Now().Add(-2 * time.Hour).UnixMilli()
	before := ownCPU()
	for n := range times {
		for _, db := range open {
			fillStore(t, db, perStore, start+int64(n)*30_000)
		}
	}
	spent := ownCPU() - before
	time.Sleep(time.Second)
	close(done)
	fmt.Printf("cpu=%.0f ns a sample\n", float64(spent)/float64(perStore*stores*times))
	fmt.Printf("peak=%d\n", <-peaks)
}

// fillStore appends one sample of each series, in commits of 2,000.
func fillStore(t *testing.T, db ampStore, n int, at int64) {
	t.Helper()
	for i := 0; i < n; i += ampRequest {
		app := db.Appender(context.Background())
		for k := i; k < min(i+ampRequest, n); k++ {
			ls := labels.FromStrings("__name__", fmt.Sprintf("bench_%d_total", k%10), "instance", fmt.Sprintf("host-%d:9100", k/10), "job", "node", "mode", "user")
			if _, err := app.Append(0, ls, at, float64(at/1000+int64(k))); err != nil {
				t.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

// watchMemory returns the most memory seen until done: what the process has of its own and of files, and what lies in folders in
// memory.
func watchMemory(done <-chan bool, folders []string) (peak int64) {
	for {
		now := residentMemory()
		for _, dir := range folders {
			_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
				if err == nil && info.Mode().IsRegular() {
					now += info.Size()
				}
				return nil
			})
		}
		peak = max(peak, now)
		select {
		case <-done:
			return peak
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func residentMemory() (n int64) {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name == "RssAnon" || name == "RssFile" {
			kib, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			n += kib << 10
		}
	}
	return n
}
