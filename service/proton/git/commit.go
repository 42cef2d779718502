package git

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Modes of what stands in a tree.
const (
	folderMode = "40000"
	fileMode   = "100644"
)

// treeEntry is one name in a tree.
type treeEntry struct {
	mode, name string
	hash       hash
}

// parseTree reads a tree object.
func parseTree(data []byte) ([]treeEntry, error) {
	var list []treeEntry
	for len(data) > 0 {
		head, rest, ok := bytes.Cut(data, []byte{0})
		mode, name, spaced := strings.Cut(string(head), " ")
		if !ok || !spaced || len(rest) < len(hash{}) || name == "" || mode == "" {
			return nil, errPack
		}
		list = append(list, treeEntry{mode, name, hash(rest[:20])})
		data = rest[20:]
	}
	return list, nil
}

// formatTree writes a tree object, in the order that Git has: folders as if their names ended in a slash.
func formatTree(list []treeEntry) []byte {
	key := func(e treeEntry) string {
		if e.mode == folderMode {
			return e.name + "/"
		}
		return e.name
	}
	slices.SortFunc(list, func(a, b treeEntry) int { return strings.Compare(key(a), key(b)) })
	var out []byte
	for _, e := range list {
		out = fmt.Appendf(out, "%s %s\x00", e.mode, e.name)
		out = append(out, e.hash[:]...)
	}
	return out
}

// commit is what is read of a commit.
type commit struct {
	tree    hash
	parents []hash
	message string
}

// parseCommit reads a commit object.
func parseCommit(data []byte) (c commit, err error) {
	head, message, _ := strings.Cut(string(data), "\n\n")
	c.message = message
	for i, line := range strings.Split(head, "\n") {
		word, value, _ := strings.Cut(line, " ")
		switch {
		case word == "tree" && i == 0, word == "parent" && i > 0:
			h, ok := parseHash(value)
			if !ok {
				return c, errPack
			}
			if i == 0 {
				c.tree = h
			} else {
				c.parents = append(c.parents, h)
			}
		case i == 0:
			return c, errPack
		}
	}
	return c, nil
}

// signature writes who made a commit, and when.
func signature(who string, at time.Time) string {
	return fmt.Sprintf("%s %d +0000", who, at.Unix())
}

// builder makes the objects of a commit on top of another one's tree.
type builder struct {
	old     map[hash]object
	made    []object
	written map[hash]bool
}

func (b *builder) add(k kind, data []byte) hash {
	h := nameOf(k, data)
	if !b.written[h] {
		b.written[h] = true
		b.made = append(b.made, object{k, data})
	}
	return h
}

// change is a tree of what a change puts and takes.
type change struct {
	folders map[string]*change
	files   map[string][]byte // nil to take the file out
}

// folder returns where the files of a change go in a repository with the tree.
func (b *builder) folder(tree hash, c *Change) (string, error) {
	if c.Nested == c.Folder {
		return c.Folder, nil
	}
	list, err := b.list(tree)
	for _, e := range list {
		if e.name == "environments" && e.mode == folderMode {
			return c.Nested, err
		}
	}
	return c.Folder, err
}

// plant makes a tree of paths below a folder.
func plant(folder string, files map[string][]byte, remove []string) *change {
	root := &change{}
	put := func(name string, data []byte) {
		at := root
		parts := strings.Split(path.Join(folder, name), "/")
		for _, part := range parts[:len(parts)-1] {
			if at.folders == nil {
				at.folders = make(map[string]*change)
			}
			if at.folders[part] == nil {
				at.folders[part] = &change{}
			}
			at = at.folders[part]
		}
		if at.files == nil {
			at.files = make(map[string][]byte)
		}
		at.files[parts[len(parts)-1]] = data
	}
	for _, name := range remove {
		put(name, nil)
	}
	for name, data := range files {
		if data == nil {
			data = []byte{}
		}
		put(name, data)
	}
	return root
}

// tree writes the tree that a change makes of an old one; empty says that nothing is left in it.
func (b *builder) tree(old *hash, c *change) (h hash, empty bool, err error) {
	var entries map[string]treeEntry
	if entries, err = b.entries(old); err != nil {
		return h, false, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		data := c.files[name]
		if data == nil {
			if e, ok := entries[name]; ok && e.mode != folderMode {
				delete(entries, name)
			}
			continue
		}
		entries[name] = treeEntry{fileMode, name, b.add(blobKind, data)}
	}
	for _, name := range slices.Sorted(maps.Keys(c.folders)) {
		var below *hash
		if e, ok := entries[name]; ok && e.mode == folderMode {
			below = &e.hash
		}
		h, none, err := b.tree(below, c.folders[name])
		if err != nil {
			return h, false, err
		}
		if none {
			delete(entries, name)
			continue
		}
		entries[name] = treeEntry{folderMode, name, h}
	}
	return b.add(treeKind, formatTree(slices.Collect(maps.Values(entries)))), len(entries) == 0, nil
}

// entries reads an old tree; nil for none.
func (b *builder) entries(old *hash) (map[string]treeEntry, error) {
	entries := make(map[string]treeEntry)
	if old == nil {
		return entries, nil
	}
	list, err := b.list(*old)
	for _, e := range list {
		entries[e.name] = e
	}
	return entries, err
}

func (b *builder) list(h hash) ([]treeEntry, error) {
	o, ok := b.old[h]
	if !ok || o.kind != treeKind {
		return nil, errPack
	}
	return parseTree(o.data)
}

// holds reports whether the tree has all files of a change as they are, and none that it removes.
func (b *builder) holds(tree hash, c *change) (bool, error) {
	list, err := b.list(tree)
	if err != nil {
		return false, err
	}
	found := make(map[string]treeEntry, len(list))
	for _, e := range list {
		found[e.name] = e
	}
	for name, data := range c.files {
		e, ok := found[name]
		if data == nil && ok && e.mode != folderMode || data != nil && (!ok || e.hash != nameOf(blobKind, data)) {
			return false, nil
		}
	}
	for name, below := range c.folders {
		e, ok := found[name]
		if !ok || e.mode != folderMode {
			if below.puts() {
				return false, nil
			}
			continue
		}
		if same, err := b.holds(e.hash, below); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// puts reports whether a change writes any file.
func (c *change) puts() bool {
	for _, data := range c.files {
		if data != nil {
			return true
		}
	}
	for _, below := range c.folders {
		if below.puts() {
			return true
		}
	}
	return false
}
