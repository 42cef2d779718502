package tenant

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestElsewhere makes sure that a workspace whose series a cluster keeps is opened, checked and closed like any other, without a
// store of its own.
func TestElsewhere(t *testing.T) {
	h := newHarness(t)
	id := h.add("ws-1", customerKey)
	w := *h.dir.have[id]
	w.Elsewhere = true
	h.dir.have[id] = &w
	x, done, err := h.Use(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if x.DB != nil || x.Limits().QuerySamples == 0 {
		t.Errorf("opened with %v, %v", x.DB, x.Limits())
	}
	if err := x.PutDocument(ctx, "rules/a", []byte("text"), nil); err != nil {
		t.Error(err)
	}
	other := w
	other.Limits.Retention *= 2
	h.dir.have[id] = &other
	if y, done, err := h.Use(ctx, id); err != nil || y != x || y.Limits().Retention != other.Limits.Retention {
		t.Errorf("other limits: %v", err)
	} else {
		done()
	}
	asked, stop := x.Context(ctx)
	defer stop()
	h.kms.set(func() { h.kms.disabled = true })
	var k *KeyError
	if _, _, err := h.Read(ctx, id); !errors.As(err, &k) || !errors.As(x.Closed(), &k) {
		t.Errorf("the key is disabled: %v, closed: %v", err, x.Closed())
	}
	select {
	case <-asked.Done():
	case <-time.After(2 * time.Minute):
		t.Error("a request under way goes on")
	}
	done()
	h.kms.set(func() { h.kms.disabled = false })
	x, done, err = h.Use(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := x.Document(ctx, "rules/a"); err != nil || string(text) != "text" {
		t.Errorf("the document: %q, %v", text, err)
	}
	done()
	h.Upkeep(ctx, []ID{id})
	told := ""
	if err := h.Check(ctx, []ID{id}, func(line string) { told += line }); err != nil || told == "" {
		t.Errorf("check: %q, %v", told, err)
	}
	h.Shut(id, errors.New("test"))
	if err := h.Erase(ctx, id); err != nil {
		t.Error(err)
	}
	folder, _ := h.folder()
	if _, err := os.Stat(filepath.Join(folder, id.Workspace)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a log was made: %v", err)
	}
}
