package git

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
)

// Limits of what is read of a snapshot. A tree can name itself a thousand times, so what is looked at
// is counted.
const (
	maxLooked   = 50_000   // entries looked at in one call
	maxDepth    = 32       // of folders below one another
	maxFileSize = 5 << 20  // larger files are not asked for where the remote can leave them out
	maxGathered = 32 << 20 // bytes of the files that Files returns
)

// Snapshot is what a branch has at its tip. Its methods may be called together.
type Snapshot struct {
	Commit  string
	root    hash
	objects map[hash]object
}

// File is a file of a snapshot.
type File struct {
	Path string // below the folder that was asked for
	Data []byte
	Exec bool
	Link bool // a symbolic link; Data is where it points
}

// Branches returns the tips of all branches by name. Errors are *Error.
func (r *Remote) Branches(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	s, err := r.open(ctx, uploadPack)
	if err != nil {
		return nil, r.failed("did not say what branches it has", err)
	}
	defer s.Close()
	tips := make(map[string]string)
	for ref, h := range s.advertisement().refs {
		if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			tips[name] = h.String()
		}
	}
	return tips, nil
}

// Snapshot fetches the tip of a branch with its files, and nothing of its history. Errors are *Error.
func (r *Remote) Snapshot(ctx context.Context, branch string) (*Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*exchangeTime)
	defer cancel()
	tip, objects, err := fetchFiltered(ctx, r, fmt.Sprintf("blob:limit=%d", maxFileSize+1), func(a *advertisement) (hash, error) {
		h, ok := a.branch(branch)
		if !ok {
			return h, fmt.Errorf("it has no branch %s", sentence(branch))
		}
		return h, nil
	})
	if err != nil {
		return nil, r.failed("could not be read", err)
	}
	c, err := readCommit(objects, tip)
	if err != nil {
		return nil, r.failed("could not be read", err)
	}
	return &Snapshot{Commit: tip.String(), root: c.tree, objects: objects}, nil
}

// walk is one look at a snapshot.
type walk struct {
	s      *Snapshot
	looked int
}

var errLooked = fmt.Errorf("the repository has more than %d entries to look at", maxLooked)

// list reads the entries of a tree. Names that no checkout could have are an error.
func (w *walk) list(h hash) ([]treeEntry, error) {
	o, ok := w.s.objects[h]
	if !ok || o.kind != treeKind {
		return nil, errPack
	}
	list, err := parseTree(o.data)
	if err != nil {
		return nil, err
	}
	if w.looked += len(list); w.looked > maxLooked {
		return nil, errLooked
	}
	for _, e := range list {
		if strings.Contains(e.name, "/") || !validPath(e.name) {
			return nil, fmt.Errorf("the repository has a name that is not allowed: %s", sentence(e.name))
		}
	}
	return list, nil
}

// clean makes a path of a configuration one from the top, without ./ and slashes around it. "" is the top.
func clean(dir string) string {
	return strings.TrimPrefix(path.Clean("/"+dir), "/")
}

// entry returns what stands at a path; ok is false where there is nothing.
func (w *walk) entry(at string) (e treeEntry, ok bool, err error) {
	e = treeEntry{mode: folderMode, hash: w.s.root}
	if at == "" {
		return e, true, nil
	}
	for _, part := range strings.Split(at, "/") {
		if e.mode != folderMode {
			return e, false, nil
		}
		list, err := w.list(e.hash)
		if err != nil {
			return e, false, err
		}
		found := false
		for _, next := range list {
			if next.name == part {
				e, found = next, true
				break
			}
		}
		if !found {
			return e, false, nil
		}
	}
	return e, true, nil
}

// Folder returns the name that Git gives to what is in a folder: the same name is the same
// content. ok is false where there is no such folder.
func (s *Snapshot) Folder(dir string) (id string, ok bool, err error) {
	e, ok, err := (&walk{s: s}).entry(clean(dir))
	return e.hash.String(), ok && e.mode == folderMode, err
}

// Folders returns the names of the folders in a folder, in Git's order.
func (s *Snapshot) Folders(dir string) (names []string, err error) {
	w := &walk{s: s}
	e, ok, err := w.entry(clean(dir))
	if err != nil || !ok || e.mode != folderMode {
		return nil, err
	}
	list, err := w.list(e.hash)
	for _, e := range list {
		if e.mode == folderMode {
			names = append(names, e.name)
		}
	}
	return names, err
}

// Find returns the path of the first folder with a name, in dir or below it, those nearer to dir
// first; dir itself counts. ok is false where there is none.
func (s *Snapshot) Find(dir, name string) (found string, ok bool, err error) {
	w, dir := &walk{s: s}, clean(dir)
	top, ok, err := w.entry(dir)
	if err != nil || !ok || top.mode != folderMode {
		return "", false, err
	}
	if path.Base(dir) == name {
		return dir, true, nil
	}
	type folder struct {
		path string
		hash hash
	}
	level := []folder{{dir, top.hash}}
	for depth := 0; len(level) > 0 && depth < maxDepth; depth++ {
		var next []folder
		for _, at := range level {
			list, err := w.list(at.hash)
			if err != nil {
				return "", false, err
			}
			for _, e := range list {
				below := path.Join(at.path, e.name)
				switch {
				case e.mode != folderMode:
				case e.name == name:
					return below, true, nil
				default:
					next = append(next, folder{below, e.hash})
				}
			}
		}
		level = next
	}
	return "", false, nil
}

// File returns a file. ok is false where there is none at the path.
func (s *Snapshot) File(at string) (data []byte, ok bool, err error) {
	e, ok, err := (&walk{s: s}).entry(clean(at))
	if err != nil || !ok || e.mode == folderMode {
		return nil, false, err
	}
	f, err := s.file(clean(at), e)
	return f.Data, true, err
}

func (s *Snapshot) file(at string, e treeEntry) (File, error) {
	o, ok := s.objects[e.hash]
	switch {
	case e.mode == "160000":
		return File{}, fmt.Errorf("%s: a submodule is not followed", sentence(at))
	case !ok:
		return File{}, fmt.Errorf("%s: the file is larger than %d MB", sentence(at), maxFileSize>>20)
	case o.kind != blobKind:
		return File{}, errPack
	}
	return File{Path: at, Data: o.data, Exec: e.mode == "100755", Link: e.mode == "120000"}, nil
}

// Files returns the files in a folder and below it.
func (s *Snapshot) Files(dir string) (files []File, err error) {
	w := &walk{s: s}
	top, ok, err := w.entry(clean(dir))
	if err != nil || !ok || top.mode != folderMode {
		return nil, err
	}
	size := 0
	var gather func(at string, h hash, depth int) error
	gather = func(at string, h hash, depth int) error {
		list, err := w.list(h)
		if err != nil {
			return err
		}
		for _, e := range list {
			below := path.Join(at, e.name)
			if e.mode == folderMode {
				if depth == maxDepth {
					return errors.New("the repository nests folders too deep")
				}
				if err := gather(below, e.hash, depth+1); err != nil {
					return err
				}
				continue
			}
			f, err := s.file(below, e)
			if err != nil {
				return err
			}
			if size += len(f.Data); size > maxGathered {
				return fmt.Errorf("the files of %s are more than %d MB", sentence(dir), maxGathered>>20)
			}
			files = append(files, f)
		}
		return nil
	}
	return files, gather("", top.hash, 0)
}
