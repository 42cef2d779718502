package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strings"
)

// List walks the folders in the order of the keys. It holds the names of one
// folder on each level in memory. Blobs that come or go meanwhile may be seen or not.
func (d *Dir) List(ctx context.Context, prefix, after string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		l := lister{ctx: ctx, prefix: prefix, after: after, yield: yield}
		if _, err := l.folder(d.path(blobsName), ""); err != nil {
			yield(Info{}, fmt.Errorf("list blobs: %w", err))
		}
	}
}

type lister struct {
	ctx           context.Context
	prefix, after string
	yield         func(Info, error) bool
}

// wants reports whether there may be a key to yield that begins with part.
func (l *lister) wants(part string) bool {
	if !strings.HasPrefix(part, l.prefix) && !strings.HasPrefix(l.prefix, part) {
		return false
	}
	return part > l.after || strings.HasPrefix(l.after, part)
}

// folder lists the keys that begin with base, which is empty or ends with a slash. Their next
// parts are folders of that name, or files two folders deeper.
func (l *lister) folder(path, base string) (more bool, err error) {
	names, err := readNames(path)
	if err != nil {
		return false, err
	}
	var fans, parts []string
	for _, name := range names {
		if strings.HasPrefix(name, "=") {
			fans = append(fans, name)
		} else {
			parts = append(parts, name)
		}
	}
	return l.merge(group{path: path, dir: path, base: base, names: fans, parts: parts})
}

// group is a set of keys that begin with base and start: those of the files below
// path, which names stands for, and those below the folders in dir that parts names.
type group struct {
	path, dir   string
	base, start string
	depth       int // of "=" folders passed
	names       []string
	parts       []string
}

// merge lists the keys of a group in order.
func (l *lister) merge(g group) (more bool, err error) {
	for len(g.names) > 0 || len(g.parts) > 0 {
		switch {
		case len(g.names) == 0 || len(g.parts) > 0 && g.partFirst():
			more, err = l.part(g.dir, g.base, g.parts[0])
			g.parts = g.parts[1:]
		case g.depth == 2:
			more, err = l.file(g.path, g.base+g.names[0])
			g.names = g.names[1:]
		default:
			var below group
			if below, err = l.below(&g); err == nil {
				more, err = l.merge(below)
			}
		}
		if !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// next returns what the keys of the files in the next "=" folder start with.
func (g *group) next() string { return g.start + g.names[0][1:] }

// belongs reports whether the keys below a part lie among those of the next folder. The
// folder of a key too short to fill its name holds that key alone.
func (g *group) belongs(part string) bool {
	next, full := g.next(), fanOne
	if g.depth == 1 {
		full = fanTwo
	}
	return part == next || len(next) == full && strings.HasPrefix(part, next)
}

// partFirst reports whether the keys below the first part come before the next name's.
func (g *group) partFirst() bool {
	if g.depth == 2 {
		return g.parts[0]+"/" < g.names[0]
	}
	return !g.belongs(g.parts[0]) && g.parts[0] < g.next()
}

// below takes the next "=" folder from g, with the parts that lie among its keys.
func (l *lister) below(g *group) (group, error) {
	sub := group{path: g.path + "/" + g.names[0], dir: g.dir, base: g.base, start: g.next(), depth: g.depth + 1}
	n := 0
	for n < len(g.parts) && g.belongs(g.parts[n]) {
		n++
	}
	sub.parts, g.parts = g.parts[:n], g.parts[n:]
	g.names = g.names[1:]
	if !l.wants(sub.base + sub.start) {
		return sub, nil
	}
	var err error
	sub.names, err = readNames(sub.path)
	return sub, err
}

func (l *lister) part(dir, base, part string) (more bool, err error) {
	if !l.wants(base + part + "/") {
		return true, nil
	}
	return l.folder(dir+"/"+part, base+part+"/")
}

func (l *lister) file(dir, key string) (more bool, err error) {
	if !strings.HasPrefix(key, l.prefix) || key <= l.after {
		return true, nil
	}
	if err := l.ctx.Err(); err != nil {
		return false, err
	}
	info, err := os.Lstat(dir + "/" + key[strings.LastIndexByte(key, '/')+1:])
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return l.yield(Info{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil), nil
}

// readNames returns the names in a folder, sorted, or none if it is gone.
func readNames(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}
