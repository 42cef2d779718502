package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFileReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, want := range []string{"first", "", "a third and longer text"} {
		if err := WriteFile(path, []byte(want), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v, %v, want 0640", info.Mode(), err)
	}
	if n := entries(t, filepath.Dir(path)); n != 1 {
		t.Errorf("folder holds %d entries, want 1", n)
	}
}

func TestWriteFileFailureLeavesOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if n := entries(t, dir); n != 1 {
		t.Errorf("the failure left %d entries, want 1", n)
	}
	if err := WriteFile(filepath.Join(dir, "absent", "f"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want not exist", err)
	}
}

func TestSweepTakesOnlyTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".f" + tempInfix + "123", "f", ".hidden", "f" + tempInfix + "1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(dir); err != nil {
		t.Fatal(err)
	}
	if n := entries(t, dir); n != 3 {
		t.Errorf("%d entries are left, want 3", n)
	}
	if err := Sweep(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want not exist", err)
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	for range 2 {
		if err := MkdirAll(deep, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{file, filepath.Join(file, "below")} {
		if err := MkdirAll(bad, 0o700); err == nil {
			t.Errorf("made a folder at %s", bad)
		}
	}
}

func TestRename(t *testing.T) {
	dir := t.TempDir()
	old, other := filepath.Join(dir, "old"), filepath.Join(dir, "sub", "new")
	if err := MkdirAll(filepath.Dir(other), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Rename(old, other); err != nil {
		t.Fatal(err)
	}
	if err := Rename(old, other); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want not exist", err)
	}
}

func TestRenameNewNeverReplaces(t *testing.T) {
	for name, rename := range map[string]func(a, b string) error{"rename": RenameNew, "link": linkNew} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
			for path, text := range map[string]string{a: "a", b: "b"} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := rename(a, b); !errors.Is(err, fs.ErrExist) {
				t.Errorf("got %v, want exist", err)
			}
			if got, _ := os.ReadFile(b); string(got) != "b" {
				t.Errorf("b holds %q", got)
			}
			if err := os.Remove(b); err != nil {
				t.Fatal(err)
			}
			if err := rename(a, b); err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(b); string(got) != "a" || entries(t, dir) != 1 {
				t.Errorf("b holds %q, folder has %d entries", got, entries(t, dir))
			}
		})
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	file, tree := filepath.Join(dir, "f"), filepath.Join(dir, "tree")
	if err := os.MkdirAll(filepath.Join(tree, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(tree, "x", "y")} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := Remove(file); err != nil {
			t.Error(err)
		}
		if err := RemoveAll(tree); err != nil {
			t.Error(err)
		}
	}
	if n := entries(t, dir); n != 0 {
		t.Errorf("%d entries are left, want none", n)
	}
	for _, bad := range []string{"", "/", ".", "..", "a/..", "../.."} {
		if err := RemoveAll(bad); err == nil {
			t.Errorf("RemoveAll(%q) was not refused", bad)
		}
	}
	if err := RemoveAll(filepath.Join(dir, "absent", "tree")); err != nil {
		t.Error(err)
	}
}

func TestLockIsThere(t *testing.T) {
	dir := t.TempDir()
	l, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !l.There() {
		t.Error("a lock that was just taken is not there")
	}
	path := filepath.Join(dir, lockName)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if l.There() {
		t.Error("a lock whose file is gone is there")
	}
	other, err := LockDir(dir) // of another file of that name
	if err != nil {
		t.Fatal(err)
	}
	if l.There() || !other.There() {
		t.Errorf("two files of one name: got %v and %v, want false and true", l.There(), other.There())
	}
	if err := errors.Join(l.Release(), other.Release()); err != nil {
		t.Fatal(err)
	}
	if other.There() {
		t.Error("a lock that was given back is there")
	}
}

func TestLockDirIsExclusive(t *testing.T) {
	dir := t.TempDir()
	lock, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockDir(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("second lock: got %v, want ErrLocked", err)
	}
	for range 2 {
		if err := lock.Release(); err != nil {
			t.Error(err)
		}
	}
	again, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Release()
	if _, err := LockDir(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want not exist", err)
	}
}

func TestSyncData(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	StartWrite(f, 0, 1)
	if err := SyncData(f); err != nil {
		t.Error(err)
	}
	f.Close()
	if err := SyncData(f); err == nil {
		t.Error("a closed file was synced")
	}
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
