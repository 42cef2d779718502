package audit

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/strongroom/strongroom/secret"
)

// testKeys wraps with AES-GCM under a fixed key, the purpose as associated data.
type testKeys struct{ key []byte }

func (k testKeys) aead(t string) cipher.AEAD {
	sub, _ := hkdf.Key(sha256.New, k.key, nil, t, 32)
	block, _ := aes.NewCipher(sub)
	aead, _ := cipher.NewGCM(block)
	return aead
}

func (k testKeys) Wrap(purpose string, plain []byte) ([]byte, error) {
	nonce := make([]byte, 12)
	rand.Read(nonce)
	return k.aead(purpose).Seal(nonce, nonce, plain, nil), nil
}

func (k testKeys) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 12 {
		return nil, errors.New("too short")
	}
	return k.aead(purpose).Open(nil, wrapped[:12], wrapped[12:], nil)
}

func (k testKeys) Derive(purpose string) secret.Bytes {
	sub, _ := hkdf.Key(sha256.New, k.key, nil, "derive "+purpose, 32)
	return secret.New(sub)
}

var keysForTest = testKeys{bytes.Repeat([]byte{7}, 32)}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func mustOpen(t testing.TB, dir string) *Log {
	t.Helper()
	l, err := Open(dir, keysForTest, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

const acct = "111122223333"

func entry(i int) *Entry {
	return &Entry{
		Account: acct, Time: time.Unix(1_700_000_000+int64(i), 0), Region: "eu-central-1", EventID: fmt.Sprintf("id-%d", i),
		Attributes: Attributes{
			EventName: []string{"Encrypt", "Decrypt"}[i%2], EventSource: "kms.amazonaws.com", Username: fmt.Sprintf("user%d", i%3),
			AccessKeyID: "AKIAEXAMPLE", ReadOnly: i%2 == 0,
			Resources: []Resource{{acct, "AWS::KMS::Key", fmt.Sprintf("arn:aws:kms:eu-central-1:%s:key/k%d", acct, i%5)}},
		},
		JSON: fmt.Appendf(nil, `{"eventID":"id-%d"}`, i),
	}
}

func mustAppend(t testing.TB, l *Log, e *Entry) Position {
	t.Helper()
	p, err := l.Append(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(context.Background(), p, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func lookup(t testing.TB, l *Log, q Query) []Found {
	t.Helper()
	if q.Account == "" {
		q.Account = acct
	}
	q.Region = "eu-central-1"
	if q.Limit == 0 {
		q.Limit = 1 << 20
	}
	found, err := l.Lookup(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// copyDir copies a log as a crash would leave it: without closing it.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	names, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(from, n.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, n.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func shorten(path string, by int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-by)
}

func openAndCheck(dir string) error {
	l, err := Open(dir, keysForTest, quiet())
	if err != nil {
		return err
	}
	return errors.Join(l.Check(context.Background(), nil), l.Close())
}
