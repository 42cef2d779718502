package runner

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/durable"
)

// TestSweepOwn leaves what is not a dead runner's where it is: a live one's, strange names, links, and folders that were never locked.
func TestSweepOwn(t *testing.T) {
	temp, elsewhere := t.TempDir(), t.TempDir()
	live, lock, err := makeOwn(temp)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	make := func(name string, locked bool) string {
		t.Helper()
		dir := filepath.Join(temp, name)
		if err := os.MkdirAll(filepath.Join(dir, "job-1", "src"), 0o700); err != nil {
			t.Fatal(err)
		}
		if !locked {
			return dir
		}
		l, err := durable.LockDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Release(); err != nil { // as the kernel does when a process is killed
			t.Fatal(err)
		}
		return dir
	}
	dead := make(ownPrefix+"1", true)
	kept := filepath.Join(elsewhere, "kept")
	if err := errors.Join(os.WriteFile(kept, []byte("x"), 0o600), os.Symlink(elsewhere, filepath.Join(dead, "job-1", "link"))); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(elsewhere, ownPrefix+"9")
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := durable.LockDir(target)
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
	link := filepath.Join(temp, ownPrefix+"2")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	stay := []string{live, kept, target, link, make(ownPrefix+"3", false), make(ownPrefix+"test-4", true), make("other-5", true)}
	if os.Geteuid() == 0 {
		stranger := make(ownPrefix+"6", true)
		if err := os.Chown(stranger, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		stay = append(stay, stranger)
	}
	var log bytes.Buffer
	sweepOwn(temp, slog.New(slog.NewTextHandler(&log, nil)))
	if _, err := os.Lstat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the dead runner's folder is still there: %v\n%s", err, &log)
	}
	for _, path := range stay {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s is gone: %v", path, err)
		}
	}
	if n := bytes.Count(log.Bytes(), []byte("\n")); n != 1 {
		t.Errorf("%d lines are in the log:\n%s", n, &log)
	}
}

// TestOwnFoldersTogether starts runners together that sweep and make folders: none takes another's away.
func TestOwnFoldersTogether(t *testing.T) {
	temp := t.TempDir()
	var mu sync.Mutex
	var dirs []string
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				sweepOwn(temp, slog.New(slog.DiscardHandler))
				dir, lock, err := makeOwn(temp)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Lstat(filepath.Join(dir, lockFile)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				dirs = append(dirs, dir)
				mu.Unlock()
				t.Cleanup(func() { _ = lock.Release() })
			}
		})
	}
	wg.Wait()
	for _, dir := range dirs {
		if _, err := os.Lstat(filepath.Join(dir, lockFile)); err != nil {
			t.Errorf("the folder of a live runner is gone: %v", err)
		}
	}
}
