// Package durable makes changes to files and folders that survive a power cut.
//
// A file system keeps three things apart: the bytes of a file, the name that a
// folder gives it, and the folder's own name. Each is durable only after an fsync of
// the thing that holds it, so that a new file needs an fsync of the file and then one
// of its folder. Every function here has done both when it returns nil.
//
//	WriteFile   replace a small file, all or nothing
//	SyncDir     make the names in a folder durable
//	MkdirAll    make folders, and their names durable
//	Rename      move, and both names durable
//	Remove      take a name away, durably; RemoveAll a whole tree
//	LockDir     keep a second process off a folder
//
// After a failed fsync the kernel may have dropped the bytes and still show them, so
// an error of this package means "unknown", and nothing here retries.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tempInfix marks the files that WriteFile has not yet renamed. Sweep knows them by it.
const tempInfix = ".tmp-"

// WriteFile replaces the file at path by data with permissions perm, whatever the
// process's umask. A reader, and a power cut, see the old file or the new one whole;
// when it returns nil the new one is durable. A crash may leave a temporary file
// beside path, which Sweep removes.
func WriteFile(path string, data []byte, perm fs.FileMode) (err error) {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+base+tempInfix)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(dir)
}

// Sweep removes what a crash in the middle of WriteFile left in folder dir. No
// WriteFile may run in dir meanwhile.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasPrefix(e.Name(), ".") && strings.Contains(e.Name(), tempInfix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
		}
	}
	return nil
}

// SyncDir makes every change to the names in folder dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// MkdirAll makes folder dir and the parents that are missing, with permissions perm
// less the umask, and makes their names durable. That dir is there already is no error.
func MkdirAll(dir string, perm fs.FileMode) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if parent != filepath.Clean(dir) {
		if err := MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, perm); err != nil {
		if info, serr := os.Stat(dir); serr == nil && info.IsDir() {
			return nil // made by somebody else since the first look
		}
		return fmt.Errorf("make folder: %w", err)
	}
	return SyncDir(parent)
}

// Rename moves a file or folder to newPath, replacing a file of that name, and makes
// both the new name and the loss of the old one durable. The bytes of a file must have
// been synced before.
func Rename(oldPath, newPath string) error {
	if err := os.Rename(oldPath, newPath); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	oldDir, newDir := filepath.Dir(oldPath), filepath.Dir(newPath)
	if err := SyncDir(newDir); err != nil {
		return err
	}
	if oldDir == newDir {
		return nil
	}
	return SyncDir(oldDir)
}

// Remove takes the file or empty folder at path away, durably. That there is none is
// no error.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("remove: %w", err)
	}
	return SyncDir(filepath.Dir(path))
}

// RemoveAll takes folder dir and everything in it away, durably: first its name, so
// that a power cut leaves either the whole tree under its name or nothing under it.
// It refuses the paths that name no folder of their own: the empty path, a root, "."
// and "..". That there is no such folder is no error.
func RemoveAll(dir string) error {
	base := filepath.Base(filepath.Clean(dir))
	if dir == "" || base == "." || base == ".." || base == string(filepath.Separator) {
		return fmt.Errorf("remove tree: refused for path %q", dir)
	}
	parent := filepath.Dir(filepath.Clean(dir))
	grave, err := os.MkdirTemp(parent, "."+base+".removed-")
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("remove tree: %w", err)
	}
	if err := os.Rename(dir, filepath.Join(grave, base)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(grave)
		return fmt.Errorf("remove tree: %w", err)
	}
	if err := SyncDir(parent); err != nil {
		return err
	}
	if err := os.RemoveAll(grave); err != nil {
		return fmt.Errorf("remove tree: %w", err)
	}
	return SyncDir(parent)
}
