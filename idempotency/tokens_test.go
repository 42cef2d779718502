package idempotency

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/test/memory"
)

// request is the input of an operation.
type request struct {
	ClientToken *string
	Name        string
}

var errConflict = errors.New("conflict")

// bench is a store with tokens, and a clock that is set.
type bench struct {
	*Tokens
	t   *testing.T
	now time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	db, err := store.OpenFile(filepath.Join(t.TempDir(), "store"), memory.Root{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	b := &bench{t: t, now: time.Now()}
	b.Tokens = &Tokens{
		Store: db, Jobs: job.Open(db, slog.New(slog.NewTextHandler(io.Discard, nil))), Secret: secret.New(bytes.Repeat([]byte{1}, 32)), Life: time.Hour,
		Now: func() time.Time { return b.now }, Conflict: func(format string, args ...any) error {
			return fmt.Errorf("%w: "+format, append([]any{errConflict}, args...)...)
		},
	}
	return b
}

func (b *bench) token(sent, name string) *Token {
	return b.Token([]byte("o\x00"+sent), request{&sent, name})
}

func (b *bench) put(k *Token, done string) error {
	return b.Store.Update(context.Background(), store.TxID{}, func(tx store.Tx) error { return k.Put(tx, done) })
}

// earlier is what was done before, "" for nothing.
func (b *bench) earlier(k *Token) string {
	b.t.Helper()
	done, err := k.Earlier(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	if done == nil {
		return ""
	}
	return *done
}

func TestTokens(t *testing.T) {
	b := newBench(t)
	one := b.token("a", "shop")
	if got := b.earlier(one); got != "" {
		t.Errorf("before the first request: %q", got)
	}
	if err := b.put(one, "made"); err != nil {
		t.Fatal(err)
	}
	if got := b.earlier(b.token("a", "shop")); got != "made" {
		t.Errorf("sent again: got %q, want made", got)
	}
	if got := b.earlier(b.token("b", "shop")); got != "" {
		t.Errorf("another token: %q", got)
	}
	if _, err := b.token("a", "mall").Earlier(context.Background()); !errors.Is(err, errConflict) {
		t.Errorf("another request with the token: got %v, want a conflict", err)
	}
	if err := b.put(b.token("a", "shop"), "made twice"); !errors.Is(err, errConflict) {
		t.Errorf("another beside it: got %v, want a conflict", err)
	}
	if err := b.put(b.token("a", "shop"), "made"); err != nil {
		t.Errorf("the same again: %v", err)
	}
	b.now = b.now.Add(time.Hour + time.Second)
	if got := b.earlier(b.token("a", "mall")); got != "" {
		t.Errorf("when its time is over: %q", got)
	}
}

// TestNoToken: a request without a token is remembered by nobody.
func TestNoToken(t *testing.T) {
	b := newBench(t)
	if got := b.earlier(nil); got != "" {
		t.Errorf("got %q", got)
	}
	if err := b.put(nil, "made"); err != nil {
		t.Error(err)
	}
}

// TestTokensAreForgotten: a job takes away what is over.
func TestTokensAreForgotten(t *testing.T) {
	b := newBench(t)
	b.Handle()
	b.now = time.Now().Add(-2 * time.Hour)
	k := b.token("a", "shop")
	if err := b.put(k, "made"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); b.Jobs.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := b.Store.View(ctx, func(r store.Reader) error { _, err := r.Get(k.key); return err })
		if errors.Is(err, store.ErrNotFound) {
			return
		}
		if err != nil || time.Now().After(until) {
			t.Fatalf("the token is still there: %v", err)
		}
	}
}
