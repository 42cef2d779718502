package key

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"testing"
)

// testHolder holds the other half of a key as an honest holder does, until it is told to lie.
type testHolder struct {
	metadata string
	key      byte
	asked    int
	lie      func(o *Outer)
	opened   func(inner []byte) []byte
}

var errHolder = errors.New("holder refuses")

func (h *testHolder) aead() cipher.AEAD {
	block, err := aes.NewCipher(bytes.Repeat([]byte{h.key}, 32))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func (h *testHolder) Seal(_ context.Context, inner, aad []byte) (Outer, error) {
	h.asked++
	raw := h.aead().Seal(nil, nil, inner, append(bytes.Clone(aad), h.metadata...))
	end := len(raw) - 16
	o := Outer{Metadata: []byte(h.metadata), IV: raw[:12], Body: raw[12:end], Tag: raw[end:]}
	if h.lie != nil {
		h.lie(&o)
	}
	return o, nil
}

func (h *testHolder) Open(_ context.Context, o Outer, aad []byte) ([]byte, error) {
	h.asked++
	inner, err := h.aead().Open(nil, nil, slices.Concat(o.IV, o.Body, o.Tag), append(bytes.Clone(aad), o.Metadata...))
	if err != nil {
		return nil, errHolder
	}
	if h.opened != nil {
		inner = h.opened(inner)
	}
	return inner, nil
}

func newHolder() *testHolder { return &testHolder{metadata: "v=1", key: 5} }

func TestOuterRoundTrip(t *testing.T) {
	m := New()
	for _, n := range []int{0, 1, 32, 4096} {
		for _, kind := range []Kind{Data, DataKey} {
			for _, metadata := range []string{"", "v=1", "twenty bytes of text"} {
				h := &testHolder{metadata: metadata, key: 5}
				plain := bytes.Repeat([]byte{'p'}, n)
				raw, err := m.EncryptOuter(t.Context(), h, kind, plain, testContext)
				if err != nil || len(raw) > n+OuterOverhead {
					t.Fatal(len(raw), err)
				}
				c, err := Parse(raw)
				if err != nil || c.ID != m.ID() || c.Kind != kind || !c.Outer() {
					t.Fatal(c, err)
				}
				if got, err := m.DecryptOuter(t.Context(), h, c, testContext); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%d: %q, %v", n, got, err)
				}
				if _, err := m.Decrypt(c, testContext); !errors.Is(err, ErrCiphertext) {
					t.Errorf("opened without the holder: %v", err)
				}
			}
		}
	}
}

// TestOuterAgainstDrawing opens a ciphertext with nothing but the drawing of the format.
func TestOuterAgainstDrawing(t *testing.T) {
	if os.Getenv("GODEBUG") == "fips140=only" {
		t.Skip("it opens GCM by hand")
	}
	m, h := fixed(), newHolder()
	raw, err := m.EncryptOuter(t.Context(), h, DataKey, []byte("attack at dawn"), testContext)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw[:5], []byte{1, 2, 3, 0, 0x78}) || !bytes.Equal(raw[5:37], m.id[:]) || raw[37] != 2 || raw[54] != 3 || raw[55] != 12 || string(raw[56:59]) != "v=1" {
		t.Fatalf("header %x", raw[:60])
	}
	kdf := func(label string) []byte {
		mac := hmac.New(sha256.New, bytes.Repeat([]byte{7}, 32))
		mac.Write([]byte("\x00\x00\x00\x01" + label + "\x00" + string(raw[38:54]) + "\x00\x00\x01\x00"))
		return mac.Sum(nil)
	}
	end := len(raw) - 32
	mac := hmac.New(sha256.New, kdf("strongroom kms seal"))
	mac.Write([]byte{0, 0, byte(end >> 8), byte(end)})
	mac.Write(raw[:end])
	mac.Write(testContext)
	if !hmac.Equal(mac.Sum(nil), raw[end:]) {
		t.Error("the seal is not as drawn")
	}
	ad := append(bytes.Clone(raw[:54]), testContext...)
	aad := sha256.Sum256(ad)
	open := func(k, iv, sealed, ad []byte) []byte {
		block, err := aes.NewCipher(k)
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := gcm.Open(nil, iv, sealed, ad)
		if err != nil {
			t.Fatal(err)
		}
		return plain
	}
	inner := open(bytes.Repeat([]byte{5}, 32), raw[59:71], slices.Concat(raw[87:end], raw[71:87]), append(aad[:], "v=1"...))
	if got := open(kdf("strongroom kms message"), inner[:12], inner[12:], ad); string(got) != "attack at dawn" {
		t.Errorf("got %q", got)
	}
}

// TestOuterVectors opens what version 2 once wrote. These never change.
func TestOuterVectors(t *testing.T) {
	for name, v := range map[string]struct {
		sealed  string
		context []byte
	}{
		"data, with a context": {goldenOuterData, testContext},
		"data key, without":    {goldenOuterDataKey, nil},
	} {
		raw, err := hex.DecodeString(v.sealed)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(raw)
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := fixed().DecryptOuter(t.Context(), newHolder(), c, v.context); err != nil || string(got) != "hello, vault" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestOuterFlip changes every bit, and looks that the holder is never asked.
func TestOuterFlip(t *testing.T) {
	m, h := fixed(), newHolder()
	raw, err := m.EncryptOuter(t.Context(), h, Data, []byte("hello, vault"), testContext)
	if err != nil {
		t.Fatal(err)
	}
	h.asked = 0
	refuse := func(what string, bad, bound []byte, m *Material) {
		t.Helper()
		c, err := Parse(bad)
		if err == nil {
			_, err = m.DecryptOuter(t.Context(), h, c, bound)
		}
		if !errors.Is(err, ErrCiphertext) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			refuse("flipped", bad, testContext, m)
		}
		refuse("cut", raw[:i], testContext, m)
	}
	refuse("longer", append(bytes.Clone(raw), 0), testContext, m)
	refuse("other context", raw, otherContext, m)
	refuse("no context", raw, nil, m)
	refuse("other material", raw, testContext, New())
	plain, err := m.Encrypt(Data, []byte("hello, vault, and some more of it so that it is long enough"), testContext)
	if err != nil {
		t.Fatal(err)
	}
	refuse("a version 1 ciphertext", plain, testContext, m)
	if h.asked != 0 {
		t.Errorf("the holder was asked %d times", h.asked)
	}
}

// TestOuterLies has the holder return what cannot be.
func TestOuterLies(t *testing.T) {
	m := New()
	for name, lie := range map[string]func(o *Outer){
		"metadata": func(o *Outer) { o.Metadata = make([]byte, 21) },
		"no IV":    func(o *Outer) { o.IV = nil },
		"IV":       func(o *Outer) { o.IV = make([]byte, 13) },
		"tag":      func(o *Outer) { o.Tag = o.Tag[:12] },
		"longer":   func(o *Outer) { o.Body = append(o.Body, 0) },
		"shorter":  func(o *Outer) { o.Body = o.Body[1:] },
	} {
		h := newHolder()
		h.lie = lie
		if _, err := m.EncryptOuter(t.Context(), h, Data, []byte("x"), nil); !errors.Is(err, ErrOuter) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	h := newHolder()
	raw, err := m.EncryptOuter(t.Context(), h, Data, []byte("hello"), testContext)
	if err != nil {
		t.Fatal(err)
	}
	other, err := m.EncryptOuter(t.Context(), h, Data, []byte("other"), testContext)
	if err != nil {
		t.Fatal(err)
	}
	var another []byte
	h.opened = func(inner []byte) []byte { another = bytes.Clone(inner); return inner }
	c, _ := Parse(other)
	if _, err := m.DecryptOuter(t.Context(), h, c, testContext); err != nil {
		t.Fatal(err)
	}
	c, _ = Parse(raw)
	for name, opened := range map[string]func(inner []byte) []byte{
		"nothing":             func([]byte) []byte { return nil },
		"zeros":               func(inner []byte) []byte { return make([]byte, len(inner)) },
		"another's":           func([]byte) []byte { return another },
		"a bit of it flipped": func(inner []byte) []byte { inner[20] ^= 1; return inner },
	} {
		h.opened = opened
		if got, err := m.DecryptOuter(t.Context(), h, c, testContext); !errors.Is(err, ErrOuter) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	h.key = 6
	if _, err := m.DecryptOuter(t.Context(), h, c, testContext); !errors.Is(err, errHolder) {
		t.Errorf("a holder that refuses: %v", err)
	}
}

func FuzzDecryptOuter(f *testing.F) {
	m := fixed()
	for _, s := range []string{goldenOuterData, goldenOuterDataKey, goldenData} {
		raw, _ := hex.DecodeString(s)
		f.Add(raw, testContext)
	}
	f.Fuzz(func(t *testing.T, raw, bound []byte) {
		c, err := Parse(raw)
		if err != nil {
			return
		}
		got, err := m.DecryptOuter(t.Context(), newHolder(), c, bound)
		if err == nil && string(got) != "hello, vault" {
			t.Fatalf("forged %q", got)
		}
	})
}
