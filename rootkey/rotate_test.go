package rootkey

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/secret"
)

// initVersion1 makes a seal file as it was written before there were rings.
func initVersion1(t *testing.T, sealPath string, p Provider) *Key {
	t.Helper()
	s, k := newSeal(), version1(random(keySize))
	s.Version = sealVersion1
	if err := errors.Join(s.add(k, p), s.write(sealPath, k)); err != nil {
		t.Fatal(err)
	}
	return k
}

// initOne makes a house with a key file.
func initOne(t *testing.T, sealPath string, p Provider) *Key {
	t.Helper()
	k, _, err := Init(sealPath, p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRotate(t *testing.T) {
	for name, begin := range map[string]func(*testing.T, string, Provider) *Key{"version 1": initVersion1, "version 2": initOne} {
		t.Run(name, func(t *testing.T) { testRotate(t, begin) })
	}
}

func testRotate(t *testing.T, begin func(*testing.T, string, Provider) *Key) {
	sealPath, oldPath := paths(t)
	newPath := filepath.Join(filepath.Dir(oldPath), "new.key")
	k := begin(t, sealPath, FileProvider(oldPath))
	wrapped, err := k.Wrap("test/a", []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	if wrapped[0] != 1 {
		t.Errorf("first generation is %d", wrapped[0])
	}
	derived := k.Derive("test/b")
	if unfinished, err := Unfinished(sealPath, k); err != nil || unfinished {
		t.Errorf("new house: unfinished %v, %v", unfinished, err)
	}
	next, code, err := Rotate(sealPath, k, FileProvider(newPath))
	if err != nil {
		t.Fatal(err)
	}
	k.Close() // what it shares with next must not go with it
	if _, err := Open(sealPath, FileProvider(oldPath)); !errors.Is(err, ErrWrongKey) {
		t.Errorf("the old key file: got %v, want ErrWrongKey", err)
	}
	for what, p := range map[string]Provider{"file": FileProvider(newPath), "code": RecoveryProvider(say(string(code.Reveal())))} {
		opened, err := Open(sealPath, p)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, key := range []*Key{next, opened} {
			got, err := key.Unwrap("test/a", wrapped)
			if err != nil || string(got) != "text" || !key.Derive("test/b").Equal(derived) || key.Generation() != 2 {
				t.Errorf("%s: %q, %v, generation %d", what, got, err, key.Generation())
			}
		}
	}
	if unfinished, err := Unfinished(sealPath, next); err != nil || !unfinished {
		t.Errorf("rotated: unfinished %v, %v", unfinished, err)
	}
	if _, _, err := Rotate(sealPath, next, FileProvider(newPath)); !errors.Is(err, ErrUnfinished) {
		t.Errorf("second rotation: got %v, want ErrUnfinished", err)
	}
	again, changed, err := next.Rewrap("test/a", wrapped)
	if err != nil || !changed || len(again) != len(wrapped) || again[0] != 2 {
		t.Errorf("rewrapped: %x, %v, %v", again, changed, err)
	}
	if same, changed, err := next.Rewrap("test/a", again); err != nil || changed || !bytes.Equal(same, again) {
		t.Errorf("rewrapped twice: %v, %v", changed, err)
	}
	if _, _, err := next.Rewrap("test/b", wrapped); !errors.Is(err, ErrCorrupt) {
		t.Errorf("other purpose: got %v", err)
	}
	bad := append([]byte{3}, again[1:]...)
	if _, _, err := next.Rewrap("test/a", bad); !errors.Is(err, ErrCorrupt) {
		t.Errorf("generation to come: got %v", err)
	}
	if err := FinishRotation(sealPath, next); err != nil {
		t.Fatal(err)
	}
	if unfinished, err := Unfinished(sealPath, next); err != nil || unfinished {
		t.Errorf("finished: unfinished %v, %v", unfinished, err)
	}
	if _, err := AddSlot(sealPath, next, FileProvider(oldPath)); err != nil {
		t.Error(err)
	}
}

// TestRotationShutsOut sees that the old root key opens nothing of the new seal file, and
// nothing that was rewrapped.
func TestRotationShutsOut(t *testing.T) {
	sealPath, keyPath := paths(t)
	k := initOne(t, sealPath, FileProvider(keyPath))
	wrapped, err := k.Wrap("p", []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	next, _, err := Rotate(sealPath, k, FileProvider(keyPath))
	if err != nil {
		t.Fatal(err)
	}
	wrapped, _, err = next.Rewrap("p", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Unwrap("p", wrapped); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the old key opened what was rewrapped: %v", err)
	}
	forged := append([]byte{1}, wrapped[1:]...)
	if _, err := k.Unwrap("p", forged); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the old key opened what was rewrapped under another generation: %v", err)
	}
	s, err := readSeal(sealPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.openRing(&Key{root: k.root}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the old root key opened the ring: %v", err)
	}
	if _, err := AddSlot(sealPath, k, FileProvider(keyPath)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the old key changed the seal file: %v", err)
	}
	if _, _, err := Rotate(sealPath, k, FileProvider(keyPath)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the old key rotated again: %v", err)
	}
}

func TestRotateRefusals(t *testing.T) {
	sealPath, keyPath := paths(t)
	k := initOne(t, sealPath, FileProvider(keyPath))
	before, err := os.ReadFile(sealPath)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Rotate(sealPath, k); err == nil {
		t.Error("rotated to no provider")
	}
	if _, _, err := Rotate(sealPath, k, RecoveryProvider(say("x"))); err == nil {
		t.Error("rotated to a recovery code that was chosen")
	}
	if _, _, err := Rotate(sealPath, k, FileProvider(filepath.Join(filepath.Dir(sealPath), "k"))); !errors.Is(err, ErrExposed) {
		t.Errorf("key file beside the seal file: got %v", err)
	}
	if after, err := os.ReadFile(sealPath); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a refused rotation changed the seal file (%v)", err)
	}
	full := &Key{root: k.root, derive: k.derive}
	for range maxGeneration {
		full.wraps = append(full.wraps, secret.New(random(keySize)))
	}
	s, err := readSeal(sealPath)
	if err != nil {
		t.Fatal(err)
	}
	s.Rewrapped = maxGeneration
	if err := errors.Join(s.putRing(full), s.write(sealPath, full)); err != nil {
		t.Fatal(err)
	}
	full, err = Open(sealPath, FileProvider(keyPath))
	if err != nil || full.Generation() != maxGeneration {
		t.Fatal(err)
	}
	if _, _, err := Rotate(sealPath, full, FileProvider(keyPath)); err == nil {
		t.Error("the generations ran over")
	}
}
