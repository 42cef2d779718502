package git

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/test/outside"
)

func snapshot(t *testing.T, r *Remote, branch string) *Snapshot {
	t.Helper()
	s, err := r.Snapshot(context.Background(), branch)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSnapshot: what stands at the tip of a branch is read over every way, and the same content has the
// same name.
func TestSnapshot(t *testing.T) {
	for name, way := range map[string]func(*bench) *Connection{"folder": (*bench).overFolder, "http": (*bench).overHTTP, "ssh": (*bench).overSSH} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			r := remote(t, way(b))
			b.write("templates/net/v1/schema/schema.yaml", "schema: {}\n")
			b.write("templates/net/v1/run.sh", "#!/bin/sh\n")
			if err := os.Chmod(filepath.Join(b.work, "templates/net/v1/run.sh"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("run.sh", filepath.Join(b.work, "templates/net/v1/link")); err != nil {
				t.Fatal(err)
			}
			b.commit("a template")
			tips, err := r.Branches(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			first := snapshot(t, r, "main")
			if first.Commit != tips["main"] || first.Commit != outside.Git(b.t, b.bare(), "rev-parse", "main") {
				t.Errorf("the tip is %s, and %s of %v", first.Commit, tips["main"], tips)
			}
			if dir, ok, err := first.Find("", "net"); dir != "templates/net" || !ok || err != nil {
				t.Errorf("found %q, %v, %v", dir, ok, err)
			}
			if dir, ok, _ := first.Find("./templates/net/", "net"); dir != "templates/net" || !ok {
				t.Errorf("in itself found %q, %v", dir, ok)
			}
			if dir, ok, _ := first.Find("shop", "net"); ok {
				t.Errorf("elsewhere found %q", dir)
			}
			files, err := first.Files("/templates/net/v1")
			if err != nil {
				t.Fatal(err)
			}
			want := []File{{Path: "link", Data: []byte("run.sh"), Link: true}, {Path: "run.sh", Data: []byte("#!/bin/sh\n"), Exec: true}, {Path: "schema/schema.yaml", Data: []byte("schema: {}\n")}}
			if !reflect.DeepEqual(files, want) {
				t.Errorf("files %+v", files)
			}
			if data, ok, err := first.File("./README.md"); string(data) != "ours\n" || !ok || err != nil {
				t.Errorf("README.md is %q, %v, %v", data, ok, err)
			}
			if _, ok, err := first.File("README.md/none"); ok || err != nil {
				t.Errorf("a file below a file: %v, %v", ok, err)
			}
			b.write("README.md", "new")
			b.commit("another file")
			second := snapshot(t, r, "main")
			before, _, _ := first.Folder("templates/net/v1")
			after, _, _ := second.Folder("templates/net/v1")
			if second.Commit == first.Commit || before != after {
				t.Errorf("unchanged folder: %s, then %s", before, after)
			}
		})
	}
}

// TestSnapshotLeavesLargeFilesOut: where the remote can, what no bundle could hold is not sent.
func TestSnapshotLeavesLargeFilesOut(t *testing.T) {
	b := newBench(t)
	outside.Git(b.t, b.bare(), "config", "uploadpack.allowFilter", "true")
	b.write("large.bin", strings.Repeat("x", maxFileSize+10))
	b.commit("large")
	s := snapshot(t, remote(t, b.overFolder()), "main")
	if _, ok, err := s.File("large.bin"); !ok || err == nil || !strings.Contains(err.Error(), "larger than 5 MB") {
		t.Errorf("large.bin: %v, %v", ok, err)
	}
	if data, ok, err := s.File("shop/main.tf"); string(data) != "old\n" || !ok || err != nil {
		t.Errorf("shop/main.tf is %q, %v, %v", data, ok, err)
	}
}

func TestSnapshotRefusals(t *testing.T) {
	b := newBench(t)
	r := remote(t, b.overFolder())
	var e *Error
	if _, err := r.Snapshot(context.Background(), "none"); !errors.As(err, &e) || !strings.Contains(e.Sentence, "it has no branch none") {
		t.Errorf("a branch that is not there: %v", err)
	}
	if err := os.RemoveAll(b.bare()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Snapshot(context.Background(), "main"); !errors.As(err, &e) || !strings.HasPrefix(e.Sentence, "The repository platform/environments could not be read") {
		t.Errorf("a repository that has gone: %v", err)
	}
	if _, err := r.Branches(context.Background()); !errors.As(err, &e) {
		t.Errorf("branches of a repository that has gone: %v", err)
	}
}

// TestTreesThatNameThemselvesEnd: a few small trees that unfold to millions of entries are not followed, and
// neither are names that no checkout could have.
func TestTreesThatNameThemselvesEnd(t *testing.T) {
	objects := make(map[hash]object)
	add := func(k kind, data []byte) hash {
		h := nameOf(k, data)
		objects[h] = object{k, data}
		return h
	}
	at := add(blobKind, []byte("x"))
	mode := fileMode
	for range 8 {
		var list []treeEntry
		for i := range 16 {
			list = append(list, treeEntry{mode, string(rune('a' + i)), at})
		}
		at, mode = add(treeKind, formatTree(list)), folderMode
	}
	s := &Snapshot{root: at, objects: objects}
	if _, err := s.Files(""); !errors.Is(err, errLooked) {
		t.Errorf("files: %v", err)
	}
	if _, _, err := s.Find("", "none"); !errors.Is(err, errLooked) {
		t.Errorf("find: %v", err)
	}
	for _, name := range []string{"..", ".git", "a:b", "a\\b"} {
		s := &Snapshot{root: add(treeKind, formatTree([]treeEntry{{folderMode, name, at}})), objects: objects}
		if _, err := s.Files(""); err == nil {
			t.Errorf("a folder named %s is followed", name)
		}
	}
	s = &Snapshot{root: add(treeKind, formatTree([]treeEntry{{"160000", "sub", at}})), objects: objects}
	if _, err := s.Files(""); err == nil || !strings.Contains(err.Error(), "submodule") {
		t.Errorf("a submodule: %v", err)
	}
}
