package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/secret"
)

// twoKeys opens what an old and a new root key wrapped, and wraps under the new one, with a
// byte before it all that says which.
type twoKeys struct{ old, new testKeys }

func (k twoKeys) Wrap(purpose string, plain []byte) ([]byte, error) {
	out, err := k.new.Wrap(purpose, plain)
	return append([]byte{2}, out...), err
}

func (k twoKeys) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	switch {
	case len(wrapped) > 0 && wrapped[0] == 1:
		return k.old.Unwrap(purpose, wrapped[1:])
	case len(wrapped) > 0 && wrapped[0] == 2:
		return k.new.Unwrap(purpose, wrapped[1:])
	}
	return nil, errors.New("unknown generation")
}

func (k twoKeys) Derive(purpose string) secret.Bytes { return k.old.Derive(purpose) }

func (k twoKeys) Rewrap(purpose string, wrapped []byte) ([]byte, bool, error) {
	if wrapped[0] == 2 {
		return wrapped, false, nil
	}
	plain, err := k.Unwrap(purpose, wrapped)
	if err != nil {
		return nil, false, err
	}
	out, err := k.Wrap(purpose, plain)
	return out, true, err
}

// oldKeys is the old root key, before there was a new one.
type oldKeys struct{ testKeys }

func (k oldKeys) Wrap(purpose string, plain []byte) ([]byte, error) {
	out, err := k.testKeys.Wrap(purpose, plain)
	return append([]byte{1}, out...), err
}

func (k oldKeys) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	if len(wrapped) == 0 || wrapped[0] != 1 {
		return nil, errors.New("unknown generation")
	}
	return k.testKeys.Unwrap(purpose, wrapped[1:])
}

var (
	before = oldKeys{keysForTest}
	after  = twoKeys{keysForTest, testKeys{bytes.Repeat([]byte{8}, 32)}}
)

// rewrapLog makes a log of three segments under the old root key.
func rewrapLog(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i := range 3 {
		l, err := Open(dir, before, quiet())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(context.Background(), entry(i)); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// whole opens the log under the new root key and reads all of it.
func whole(t *testing.T, dir string) {
	t.Helper()
	l, err := Open(dir, after, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Check(context.Background(), func(int, int) {}); err != nil {
		t.Error(err)
	}
	if heads, _ := filepath.Glob(filepath.Join(dir, "*"+headerExt)); len(heads) > 0 {
		t.Errorf("%v are left", heads)
	}
}

func TestRewrap(t *testing.T) {
	dir := rewrapLog(t)
	told := 0
	n, err := Rewrap(dir, after, func(done, of int) { told = done*10 + of })
	if err != nil || n != 3 || told != 33 {
		t.Errorf("got %d, %v, told %d", n, err, told)
	}
	if n, err := Rewrap(dir, after, nil); err != nil || n != 0 {
		t.Errorf("a second time: got %d, %v", n, err)
	}
	whole(t, dir)
	if _, err := Open(dir, before, quiet()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the old root key: got %v", err)
	}
	if n, err := Rewrap(filepath.Join(dir, "absent"), after, nil); err != nil || n != 0 {
		t.Errorf("no log: got %d, %v", n, err)
	}
}

// TestRewrapCrash tears a header at every byte, as a power cut can while it is written, with the
// file that holds it beside it.
func TestRewrapCrash(t *testing.T) {
	dir := rewrapLog(t)
	path := segmentPath(dir, 2)
	s, err := openSegment(path, before)
	if err != nil {
		t.Fatal(err)
	}
	old := make([]byte, s.start)
	if _, err := s.file.ReadAt(old, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := rewrapSegment(dir, 2, after); err != nil {
		t.Fatal(err)
	}
	fresh := make([]byte, s.start)
	if _, err := s.file.ReadAt(fresh, 0); err != nil || bytes.Equal(old, fresh) {
		t.Fatal("the header is what it was", err)
	}
	_ = s.close()
	for _, torn := range []int{0, 1, len(old) / 3, len(old) / 2, len(old) - 1, len(old)} {
		t.Run(fmt.Sprint(torn), func(t *testing.T) {
			if err := os.WriteFile(headerPath(dir, 2), fresh, 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = file.WriteAt(append(bytes.Clone(fresh[:torn]), old[torn:]...), 0)
			if err := errors.Join(err, file.Close()); err != nil {
				t.Fatal(err)
			}
			if torn%2 == 0 {
				whole(t, dir)
			}
			if _, err := Rewrap(dir, after, nil); err != nil {
				t.Fatal(err)
			}
			whole(t, dir)
		})
	}
}

// TestRewrapRefusals leaves files that no rewrapping left.
func TestRewrapRefusals(t *testing.T) {
	dir := rewrapLog(t)
	head, err := os.ReadFile(segmentPath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSegment(segmentPath(dir, 1), before)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.close()
	head = head[:s.start]
	for name, test := range map[string]struct {
		number uint64
		data   []byte
	}{
		"of another segment": {2, head},
		"cut":                {1, head[:len(head)-1]},
		"more":               {1, append(bytes.Clone(head), 0)},
		"changed":            {1, append(bytes.Clone(head[:len(head)-1]), head[len(head)-1]^1)},
	} {
		if err := os.WriteFile(headerPath(dir, test.number), test.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, after, quiet()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
		if err := os.Remove(headerPath(dir, test.number)); err != nil {
			t.Fatal(err)
		}
	}
	whole(t, dir)
}
