package kms

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/cockroachdb/pebble/v2/vfs"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/store/cryptfs"
	"github.com/strongroom/strongroom/test/memory"
)

// files returns what stands in the files of the store, decrypted as somebody with the root key can. The store may be writing one
// meanwhile, or removing one: then it looks again.
func (h *testHouse) files() map[string][]byte {
	h.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		all, err := h.readFiles()
		if err == nil {
			return all
		}
		if time.Now().After(end) {
			h.Fatal(err)
		}
	}
}

func (h *testHouse) readFiles() (map[string][]byte, error) {
	ring, err := cryptfs.OpenKeyring(vfs.Default, filepath.Join(h.dir, "keyring"), memory.Root{}, cryptfs.Limits{})
	if err != nil {
		return nil, err
	}
	fs, dir := cryptfs.New(vfs.Default, ring), filepath.Join(h.dir, "db")
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, name := range names {
		f, err := fs.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(f)
		if errors.Is(err, io.ErrUnexpectedEOF) { // the end of a log that is written to
			err = nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		all[name] = text
	}
	return all, nil
}

// lies reports whether something stands in a file of the store.
func (h *testHouse) lies(what []byte) bool {
	h.Helper()
	for _, text := range h.files() {
		if bytes.Contains(text, what) {
			return true
		}
	}
	return false
}

// secrets returns the records of wrapped material and of wrapping keys, and of domain keys if asked.
func (h *testHouse) secrets(tags string) map[string][]byte {
	found := map[string][]byte{}
	for name, value := range h.everything() {
		if strings.Contains(tags, name[:1]) {
			found[name] = value
		}
	}
	return found
}

// TestDestroyedIsErased is when material is gone for ever: no file of the store holds it in any form, and no
// cache.
func TestDestroyedIsErased(t *testing.T) {
	h := open(t)
	who := admin(t)
	there := who.in(elsewhere)
	kept := h.primary(who)
	blob := h.encrypt(who, kept.KeyId, nil)

	gone := map[string][]byte{} // by what it is
	note := func(when string, tags string, of string) {
		for name, value := range h.secrets(tags) {
			if strings.Contains(name, of) {
				gone[when+" "+name] = value
			}
		}
	}
	raw := make([]byte, 32)
	rand.Read(raw)
	plain, external := h.newKey(), h.external(who)
	h.mustImport(who, external.KeyId, raw, nil)
	h.replica(who, kept.KeyId)
	note("replica", backingTag, elsewhere)
	note("first", backingTag+paramsTag, *plain.KeyId)
	note("first", backingTag+paramsTag, *external.KeyId)
	note("old", domainTag, "")
	if err := errors.Join(h.runJob(domainJob, region), h.runJob(domainJob, elsewhere)); err != nil {
		t.Fatal(err)
	}
	must[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: plain.KeyId})
	note("later", backingTag, *plain.KeyId)
	note("later", backingTag, *external.KeyId)
	note("later replica", backingTag, elsewhere)
	if len(gone) != 10 {
		t.Fatalf("%d secrets: %q", len(gone), slicesOf(gone))
	}
	for what, secret := range gone {
		if !h.lies(secret) {
			t.Errorf("%q is nowhere before it is destroyed", what)
		}
	}
	cached := weak.Make(h.materialNow(plain))

	must[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: external.KeyId})
	for at, who := range map[home]*person{homeOfKey(plain): who, homeOfKey(external): who, {elsewhere, account, *kept.KeyId}: there} {
		must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: &at.id})
		if err := h.due(deletionJob, at, func(r *record) { r.Deletion = now().Add(-time.Hour) }); err != nil {
			t.Fatal(err)
		}
	}
	if j, found := h.job(eraseJob, ""); !found || time.Until(j.Due) > eraseDelay {
		t.Errorf("erasing %v, at %v", found, j.Due)
	}
	if err := h.runJob(eraseJob, ""); err != nil {
		t.Fatal(err)
	}
	for name, text := range h.files() {
		for what, secret := range gone {
			if bytes.Contains(text, secret) {
				t.Errorf("%q still stands in %s", what, name)
			}
		}
		if bytes.Contains(text, raw) {
			t.Errorf("imported material stands in %s in the clear", name)
		}
	}
	for i := 0; cached.Value() != nil; i++ {
		if i == 200 {
			t.Fatal("destroyed material is still in memory")
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob})
	if err := h.db.Check(t.Context()); err != nil {
		t.Error(err)
	}
	h.shut()
	h = openIn(t, h.dir)
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob})
	fails[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: plain.KeyId}, "NotFoundException", "")
}

func slicesOf(m map[string][]byte) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}

// materialNow returns the material that a key encrypts with, as the cache has it.
func (h *testHouse) materialNow(k *api.KeyMetadata) *key.Material {
	h.Helper()
	h.encrypt(admin(h), k.KeyId, nil)
	e, err := h.keys.Get(h.Context(), homeOfKey(k).path(keyTag))
	if err != nil {
		h.Fatal(err)
	}
	return e.material
}

// TestEraseIsScheduledOnce says that many keys are erased together, and that one which is destroyed
// while erasing is under way is erased after it.
func TestEraseIsScheduledOnce(t *testing.T) {
	h := open(t)
	plan := func() time.Time {
		if err := h.update(t.Context(), func(tx store.Tx) error { return h.scheduleErase(tx) }); err != nil {
			t.Fatal(err)
		}
		j, found := h.job(eraseJob, "")
		if !found {
			t.Fatal("not scheduled")
		}
		return j.Due
	}
	first := plan()
	if again := plan(); !again.Equal(first) {
		t.Errorf("put off from %v to %v", first, again)
	}
	err := h.update(t.Context(), func(tx store.Tx) error {
		return h.room.Jobs.Schedule(tx, job.Job{Kind: eraseJob, Due: time.Now().Add(-time.Second)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if next := plan(); !next.After(time.Now()) {
		t.Error("a job that may be running is taken for one to come")
	}
	h.room.Store = slow{h.db}
	if err := h.runErase(t.Context(), job.Job{Kind: eraseJob}); err != nil {
		t.Errorf("behind a long read: %v", err)
	}
	h.room.Store = h.db
	if j, found := h.job(eraseJob, ""); !found || !j.Due.After(time.Now()) {
		t.Error("what could not be erased is forgotten")
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.runErase(stopped, job.Job{Kind: eraseJob}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// slow is a store with a read under way that does not end.
type slow struct{ store.DB }

func (slow) Erase(context.Context, []byte) error {
	return fmt.Errorf("erase: %w", context.DeadlineExceeded)
}
