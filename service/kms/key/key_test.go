package key

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/secret"
)

const testARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

var (
	testContext  = []byte("\x00\x01\x00\x01a\x00\x02bc")
	otherContext = []byte("\x00\x01\x00\x02ab\x00\x01c")
)

func fixed() *Material {
	id := ID(bytes.Repeat([]byte{0xab}, 32))
	return newMaterial(id, Symmetric, secret.New(bytes.Repeat([]byte{7}, Size)))
}

func TestRoundTrip(t *testing.T) {
	m := New()
	for _, n := range []int{0, 1, 32, 4096} {
		for _, kind := range []Kind{Data, DataKey} {
			plain := bytes.Repeat([]byte{'p'}, n)
			raw, err := m.Encrypt(kind, plain, testContext)
			if err != nil || len(raw) != n+Overhead {
				t.Fatal(len(raw), err)
			}
			c, err := Parse(raw)
			if err != nil || c.ID != m.ID() || c.Kind != kind {
				t.Fatal(c, err)
			}
			if got, err := m.Decrypt(c, testContext); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d: %q, %v", n, got, err)
			}
		}
	}
	a, _ := m.Encrypt(Data, []byte("x"), nil)
	b, _ := m.Encrypt(Data, []byte("x"), nil)
	if bytes.Equal(a[nonceAt:bodyAt], b[nonceAt:bodyAt]) {
		t.Error("two messages under one message key")
	}
}

// TestAgainstDrawing opens a ciphertext with nothing but the drawing of the format.
func TestAgainstDrawing(t *testing.T) {
	m := fixed()
	raw, err := m.Encrypt(DataKey, []byte("attack at dawn"), testContext)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw[:5], []byte{1, 2, 3, 0, 0x78}) || !bytes.Equal(raw[5:37], m.id[:]) || raw[37] != 1 {
		t.Fatalf("header %x", raw[:38])
	}
	mac := hmac.New(sha256.New, bytes.Repeat([]byte{7}, 32))
	mac.Write([]byte("\x00\x00\x00\x01strongroom kms message\x00" + string(raw[38:54]) + "\x00\x00\x01\x00"))
	block, _ := aes.NewCipher(mac.Sum(nil))
	gcm, _ := cipher.NewGCM(block)
	got, err := gcm.Open(nil, raw[54:66], raw[66:], append(bytes.Clone(raw[:54]), testContext...))
	if err != nil || string(got) != "attack at dawn" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestVectors opens what version 1 once wrote. These never change.
func TestVectors(t *testing.T) {
	for name, v := range map[string]struct {
		sealed  string
		context []byte
	}{
		"data, with a context": {goldenData, testContext},
		"data key, without":    {goldenDataKey, nil},
	} {
		raw, err := hex.DecodeString(v.sealed)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(raw)
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := fixed().Decrypt(c, v.context); err != nil || string(got) != "hello, vault" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	d, err := OpenDomain(5, bytes.Repeat([]byte{9}, Size))
	if err != nil {
		t.Fatal(err)
	}
	seed, err := marshalSeeded(MLDSA44, bytes.Repeat([]byte{6}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]*Material{
		goldenWrapped: fixed(), goldenWrapped2: fixed(),
		goldenWrappedMAC:  newMaterial(fixed().id, HMAC224, secret.New(bytes.Repeat([]byte{8}, 28))),
		goldenWrappedPair: newMaterial(fixed().id, MLDSA44, secret.New(seed)),
	} {
		wrapped, _ := hex.DecodeString(text)
		m, err := d.Unwrap(wrapped, testARN, 2)
		if err != nil || m.id != want.id || !m.Same(want) {
			t.Errorf("wrapped %s: %v, %v", want.spec, m, err)
		}
		for i := range wrapped {
			bad := bytes.Clone(wrapped)
			bad[i] ^= 1
			if _, err := d.Unwrap(bad, testARN, 2); !errors.Is(err, ErrWrapped) {
				t.Errorf("%s: byte %d flipped: %v", want.spec, i, err)
			}
		}
	}
}

func TestFlipAnyByte(t *testing.T) {
	m := fixed()
	raw, _ := m.Encrypt(Data, []byte("hello, vault"), testContext)
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			c, err := Parse(bad)
			if err == nil {
				_, err = m.Decrypt(c, testContext)
			}
			if !errors.Is(err, ErrCiphertext) || err.Error() != ErrCiphertext.Error() {
				t.Errorf("bit %d of byte %d flipped: %v", bit, i, err)
			}
		}
		if c, err := Parse(raw[:i]); err == nil {
			if _, err := m.Decrypt(c, testContext); !errors.Is(err, ErrCiphertext) {
				t.Errorf("cut to %d: %v", i, err)
			}
		}
	}
}

func TestWrongContextOrMaterial(t *testing.T) {
	m := fixed()
	raw, _ := m.Encrypt(Data, []byte("hello"), testContext)
	c, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, context := range map[string][]byte{"none": nil, "boundary moved": otherContext, "longer": append(bytes.Clone(testContext), 0)} {
		if _, err := m.Decrypt(c, context); !errors.Is(err, ErrCiphertext) {
			t.Errorf("%s: %v", name, err)
		}
	}
	twin := newMaterial(m.id, Symmetric, secret.New(bytes.Repeat([]byte{8}, Size)))
	for name, other := range map[string]*Material{"other id": New(), "same id, other secret": twin} {
		if _, err := other.Decrypt(c, testContext); !errors.Is(err, ErrCiphertext) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrap(t *testing.T) {
	m, d := New(), NewDomain(3)
	wrapped, err := d.Wrap(m, testARN, 1)
	if err != nil {
		t.Fatal(err)
	}
	back, err := d.Unwrap(wrapped, testARN, 1)
	if err != nil || back.id != m.id || !back.key.Equal(m.key) {
		t.Fatal(back, err)
	}
	same, _ := OpenDomain(3, bytes.Clone(d.Secret().Reveal()))
	if _, err := same.Unwrap(wrapped, testARN, 1); err != nil {
		t.Errorf("domain key opened again: %v", err)
	}
	for name, err := range map[string]error{
		"other key":     last(d.Unwrap(wrapped, testARN+"c", 1)),
		"other version": last(d.Unwrap(wrapped, testARN, 2)),
		"other domain":  last(NewDomain(3).Unwrap(wrapped, testARN, 1)),
		"other number":  last(NewDomain(4).Unwrap(wrapped, testARN, 1)),
		"cut":           last(d.Unwrap(wrapped[:len(wrapped)-1], testARN, 1)),
		"nothing":       last(d.Unwrap(nil, testARN, 1)),
	} {
		if !errors.Is(err, ErrWrapped) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range wrapped {
		bad := bytes.Clone(wrapped)
		bad[i] ^= 1
		if _, err := d.Unwrap(bad, testARN, 1); !errors.Is(err, ErrWrapped) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
	}
}

func last[T any](_ T, err error) error { return err }

func TestID(t *testing.T) {
	id := New().ID()
	if back, err := ParseID(id.String()); err != nil || back != id {
		t.Error(back, err)
	}
	for _, s := range []string{"", "ab", strings.Repeat("g", 64), strings.Repeat("a", 66)} {
		if _, err := ParseID(s); err == nil {
			t.Errorf("read %q", s)
		}
	}
	if _, err := OpenDomain(1, make([]byte, 31)); err == nil {
		t.Error("took a short domain key")
	}
}

// TestWiped proves that material leaves memory with its last reference.
func TestWiped(t *testing.T) {
	raw := bytes.Repeat([]byte{7}, Size)
	m := newMaterial(ID{}, Symmetric, secret.New(raw))
	if _, err := m.Encrypt(Data, []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(m)
	for range 100 {
		runtime.GC()
		time.Sleep(time.Millisecond) // cleanups run on a goroutine of the runtime's
		if bytes.Equal(raw, make([]byte, Size)) {
			return
		}
	}
	t.Error("material outlives its last reference")
}

// TestNeverPrinted says that no way of printing shows a secret.
func TestNeverPrinted(t *testing.T) {
	m, d := fixed(), newDomain(5, secret.New(bytes.Repeat([]byte{7}, Size)))
	inside := []any{struct{ m *Material }{m}, []*Material{m}, map[string]*Domain{"d": d}}
	for verb, values := range map[string][]any{
		"%v": append(inside, m, d), "%+v": append(inside, m, d), "%#v": append(inside, m, d),
		"%s": {m, d}, "%x": {m, d}, "%d": {m, d}, "%q": {m, d},
	} {
		for _, v := range values {
			s := fmt.Sprintf(verb, v)
			if strings.Contains(s, "7 7 7") || strings.Contains(s, "0707") || strings.Contains(s, "0x7, 0x7") || strings.Contains(s, `\a`) {
				t.Errorf("%s of %T: %s", verb, v, s)
			}
		}
	}
}

// TestFIPSOnly runs the tests again in a process that refuses everything the FIPS 140-3
// module does not approve, and in one that only uses the module.
func TestFIPSOnly(t *testing.T) {
	if fips140.Enabled() {
		return
	}
	for _, mode := range []string{"only", "on"} {
		// The one that is left out opens GCM by hand.
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^Test", "-test.skip=^(TestAgainstDrawing|TestWycheproof|TestACVP)")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140="+mode)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", mode, err, out)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	m := fixed()
	for _, s := range []string{goldenData, goldenDataKey} {
		raw, _ := hex.DecodeString(s)
		f.Add(raw, testContext)
	}
	f.Fuzz(func(t *testing.T, raw, context []byte) {
		c, err := Parse(raw)
		if err != nil {
			return
		}
		got, err := m.Decrypt(c, context)
		if err == nil && string(got) != "hello, vault" {
			t.Fatalf("forged %q", got)
		}
	})
}

func BenchmarkEncrypt(b *testing.B) {
	m, plain := New(), make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Encrypt(Data, plain, testContext); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecrypt(b *testing.B) {
	m := New()
	raw, _ := m.Encrypt(Data, make([]byte, 32), testContext)
	b.ReportAllocs()
	for b.Loop() {
		c, _ := Parse(raw)
		if _, err := m.Decrypt(c, testContext); err != nil {
			b.Fatal(err)
		}
	}
}
