package catalogue

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/service/proton/bundle"
)

// The limits of a folder.
const (
	maxEntries = 100_000   // files and folders
	maxText    = 1 << 20   // of a file that is not a bundle's
	maxFile    = 200 << 10 // of a bundle's: what a bundle may hold
)

// folder is a catalogue on disk. Everything goes through one os.Root, and links are refused.
type folder struct {
	root    *os.Root
	written map[string]bool
}

// openFolder opens the folder that is to be read, and refuses one that holds links or devices.
func openFolder(dir string) (*folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f := &folder{root: root, written: map[string]bool{}}
	if err := f.onlyFiles(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return f, nil
}

// makeFolder opens the folder that is to be written: a new one, an empty one, or one of an earlier export.
func makeFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	if _, err := f.root.Lstat(catalogueFile); err == nil {
		return f, nil
	}
	entries, err := f.entries(".")
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s holds other files and no %s: it is no export", dir, catalogueFile)
	}
	if err != nil {
		return nil, errors.Join(err, f.root.Close())
	}
	return f, nil
}

// onlyFiles refuses links and devices, and more than a catalogue can hold. What Git keeps is not looked at.
func (f *folder) onlyFiles() error {
	n := 0
	return fs.WalkDir(f.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p == ".git" {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if n++; n > maxEntries {
			return fmt.Errorf("the folder holds more than %d files", maxEntries)
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			return fmt.Errorf("%s is neither a file nor a folder: links are not followed", p)
		}
		return nil
	})
}

// entries are the names in a folder, sorted; none where there is no such folder.
func (f *folder) entries(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(f.root.FS(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return list, err
}

// folders are the names of the folders in a folder.
func (f *folder) folders(name string) (names []string, err error) {
	list, err := f.entries(name)
	for _, d := range list {
		if d.IsDir() {
			names = append(names, d.Name())
		}
	}
	return names, err
}

// read reads a file, to most bytes.
func (f *folder) read(name string, most int64) (data []byte, exec bool, err error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() {
		return nil, false, fmt.Errorf("%s is not a plain file", name)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	if data, err = io.ReadAll(io.LimitReader(file, most+1)); err != nil {
		return nil, false, err
	}
	if int64(len(data)) > most {
		return nil, false, fmt.Errorf("%s is larger than %d KB", name, most>>10)
	}
	return data, info.Mode()&0o100 != 0, nil
}

// text reads a file that may be missing; "" then.
func (f *folder) text(name string) (string, error) {
	data, _, err := f.read(name, maxText)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(data), err
}

// bundle reads the files of a bundle from a folder, and says what a house would not take of it.
func (f *folder) bundle(dir string) ([]bundle.File, []byte, error) {
	var files []bundle.File
	err := fs.WalkDir(f.root.FS(), dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, exec, err := f.read(p, maxFile)
		files = append(files, bundle.File{Name: strings.TrimPrefix(p, dir+"/"), Data: data, Exec: exec})
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	packed, err := bundle.Pack(files)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", dir, err)
	}
	files, err = bundle.Unpack(bytes.NewReader(packed)) // as the house will see them
	return files, packed, err
}

// write writes a file for its owner alone. One that is as it should be stays untouched.
func (f *folder) write(name string, data []byte, exec bool) error {
	if f.written[name] {
		return fmt.Errorf("%s would be written twice", name)
	}
	f.written[name] = true
	mode := fs.FileMode(0o600)
	if exec {
		mode = 0o700
	}
	if err := f.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	info, err := f.root.Lstat(name)
	if err == nil && info.Mode() == mode && info.Size() == int64(len(data)) {
		if old, _, err := f.read(name, int64(len(data))); err == nil && bytes.Equal(old, data) {
			return nil
		}
	}
	part := path.Join(path.Dir(name), ".part-"+rand.Text())
	file, err := f.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err == nil {
		err = f.root.Rename(part, name)
	}
	if err != nil {
		return errors.Join(err, f.root.Remove(part))
	}
	return nil
}

// tidy removes what an earlier export wrote and this one did not, in the folders that an export has.
func (f *folder) tidy() error {
	var dirs []string
	for _, top := range []string{environmentTemplates, serviceTemplates, environments, services, components} {
		err := fs.WalkDir(f.root.FS(), top, func(p string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case d.IsDir():
				dirs = append(dirs, p)
				return nil
			case f.written[p]:
				return nil
			}
			return f.root.Remove(p)
		})
		if err != nil {
			return err
		}
	}
	for _, dir := range slices.Backward(dirs) { // the inner ones first
		list, err := f.entries(dir)
		if err == nil && len(list) == 0 {
			err = f.root.Remove(dir)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) close() error { return f.root.Close() }
