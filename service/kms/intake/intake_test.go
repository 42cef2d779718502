package intake

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

const testARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

var testKey = sync.OnceValue(func() *Key {
	k, err := New(2048)
	if err != nil {
		panic(err)
	}
	return k
})

// wrapAES is AES key wrap with padding the other way round, as a client does it.
func wrapAES(t testing.TB, kek, material []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	n := (len(material) + 7) / 8
	out := make([]byte, 8+8*n)
	binary.BigEndian.PutUint32(out, kwpPrefix)
	binary.BigEndian.PutUint32(out[4:], uint32(len(material)))
	copy(out[8:], material)
	if n == 1 {
		block.Encrypt(out, out)
		return out
	}
	var b [16]byte
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(b[:], out[:8])
			copy(b[8:], out[8*i:])
			block.Encrypt(b[:], b[:])
			binary.BigEndian.PutUint64(out, binary.BigEndian.Uint64(b[:])^uint64(n*j+i))
			copy(out[8*i:], b[8:])
		}
	}
	return out
}

func wrap(t testing.TB, k *Key, a Algorithm, material []byte) []byte {
	t.Helper()
	seal := func(plain []byte) []byte {
		out, err := rsa.EncryptOAEP(a.hash(), rand.Reader, &k.private.PublicKey, plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if a == OAEPSHA1 || a == OAEPSHA256 {
		return seal(material)
	}
	kek := make([]byte, aesSize)
	rand.Read(kek)
	return append(seal(kek), wrapAES(t, kek, material)...)
}

// TestKeyWrapVectors are those of RFC 5649, section 6.
func TestKeyWrapVectors(t *testing.T) {
	kek, _ := hex.DecodeString("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
	for plain, wrapped := range map[string]string{
		"c37b7e6492584340bed12207808941155068f738": "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
		"466f7250617369": "afbeb0f07dfbf5419200f2ccb50bb24f",
	} {
		raw, _ := hex.DecodeString(wrapped)
		got, err := unwrapAES(kek, raw)
		if err != nil || hex.EncodeToString(got) != plain {
			t.Errorf("got %x, %v, want %s", got, err, plain)
		}
		for i := range raw {
			bad := bytes.Clone(raw)
			bad[i] ^= 1
			if got, err := unwrapAES(kek, bad); !errors.Is(err, ErrWrapped) {
				t.Errorf("byte %d flipped: %x, %v", i, got, err)
			}
		}
	}
}

// TestKeyWrapPadding says that only zeros of the right number are padding.
func TestKeyWrapPadding(t *testing.T) {
	kek := make([]byte, 32)
	for n := 1; n <= 40; n++ {
		material := bytes.Repeat([]byte{0xab}, n)
		got, err := unwrapAES(kek, wrapAES(t, kek, material))
		if err != nil || !bytes.Equal(got, material) {
			t.Errorf("%d bytes: %x, %v", n, got, err)
		}
	}
	block, _ := aes.NewCipher(kek)
	for name, plain := range map[string]string{
		"padding of ones": "a65959a600000007abababababababff", "too long": "a65959a600000009abababababababab", "too short": "a65959a600000000abababababababab",
		"far too long": "a65959a6ffffffffabababababababab", "other prefix": "a65959a700000008abababababababab", "padding of one inside": "a65959a60000000501020304050001" + "00",
	} {
		raw, _ := hex.DecodeString(plain)
		block.Encrypt(raw, raw)
		if got, err := unwrapAES(kek, raw); !errors.Is(err, ErrWrapped) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for _, n := range []int{0, 7, 8, 15, 17, 23, maxMaterial + 8} {
		if _, err := unwrapAES(kek, make([]byte, n)); !errors.Is(err, ErrWrapped) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestUnwrap(t *testing.T) {
	k, material := testKey(), []byte("0123456789abcdef0123456789abcdef")
	other, err := New(2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range algorithms[1:] {
		blob := wrap(t, k, a, material)
		if got, err := k.Unwrap(a, blob); err != nil || !bytes.Equal(got, material) {
			t.Errorf("%s: %x, %v", a, got, err)
		}
		for _, b := range algorithms {
			if _, err := k.Unwrap(b, blob); a != b && !errors.Is(err, ErrWrapped) {
				t.Errorf("%s opened as %q: %v", a, b, err)
			}
		}
		if _, err := other.Unwrap(a, blob); !errors.Is(err, ErrWrapped) {
			t.Errorf("%s under another key: %v", a, err)
		}
		for _, bad := range [][]byte{nil, blob[:len(blob)-1], append(bytes.Clone(blob), 0), blob[:255]} {
			if _, err := k.Unwrap(a, bad); !errors.Is(err, ErrWrapped) {
				t.Errorf("%s, %d bytes: %v", a, len(bad), err)
			}
		}
	}
	// An AES key of another length wraps nothing.
	short, err := rsa.EncryptOAEP(AESSHA256.hash(), rand.Reader, &k.private.PublicKey, make([]byte, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Unwrap(AESSHA256, append(short, wrapAES(t, make([]byte, 16), material)...)); !errors.Is(err, ErrWrapped) {
		t.Errorf("AES-128: %v", err)
	}
}

func TestToken(t *testing.T) {
	secret, at := bytes.Repeat([]byte{3}, 32), time.Date(2030, 1, 2, 3, 4, 5, 600, time.UTC)
	tok := NewToken(AESSHA256, at)
	sealed, err := tok.Seal(secret, testARN)
	if err != nil || len(sealed) != tokenSize {
		t.Fatal(len(sealed), err)
	}
	kept, err := tok.SealKey(testKey(), testARN)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenToken(secret, sealed, testARN, at.Add(-2*time.Second))
	if err != nil || *got != *tok {
		t.Fatal(got, err)
	}
	k, err := got.OpenKey(kept, testARN)
	if err != nil || !k.private.Equal(testKey().private) {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"other key":    last(OpenToken(secret, sealed, testARN+"c", at.Add(-time.Hour))),
		"other secret": last(OpenToken(make([]byte, 32), sealed, testARN, at.Add(-time.Hour))),
		"cut":          last(OpenToken(secret, sealed[1:], testARN, at.Add(-time.Hour))),
		"nothing":      last(OpenToken(secret, nil, testARN, at.Add(-time.Hour))),
		"kept, other":  last(got.OpenKey(kept, testARN+"c")),
		"kept, cut":    last(got.OpenKey(kept[:20], testARN)),
		"kept, token":  last(NewToken(AESSHA256, at).OpenKey(kept, testARN)),
	} {
		if !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenToken(secret, sealed, testARN, at); !errors.Is(err, ErrExpired) {
		t.Errorf("late: %v", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := OpenToken(secret, bad, testARN, at.Add(-time.Hour)); !errors.Is(err, ErrToken) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
	}
	got.Wipe()
	if _, err := got.OpenKey(kept, testARN); !errors.Is(err, ErrToken) {
		t.Errorf("wiped: %v", err)
	}
}

func last[T any](_ T, err error) error { return err }

func TestPublic(t *testing.T) {
	der, err := testKey().Public()
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil || !testKey().private.PublicKey.Equal(public) {
		t.Errorf("%v, %v", public, err)
	}
	if s := fmt.Sprintf("%v %+v %#v", testKey(), testKey(), testKey()); s != "[wrapping key] [wrapping key] [wrapping key]" {
		t.Errorf("printed %s", s)
	}
	for spec, want := range map[string]int{"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096, "SM2": 0} {
		if got := Size(spec); got != want {
			t.Errorf("%s: %d", spec, got)
		}
	}
}

// TestFIPSOnly runs what is approved in a process that refuses everything else.
func TestFIPSOnly(t *testing.T) {
	if os.Getenv("GODEBUG") == "fips140=only" {
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^(TestToken|TestKeyWrapPadding|TestPublic)$")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func FuzzUnwrap(f *testing.F) {
	k, material := testKey(), []byte("0123456789abcdef")
	for _, a := range algorithms[1:] {
		f.Add(string(a), wrap(f, k, a, material))
	}
	f.Fuzz(func(t *testing.T, a string, blob []byte) {
		got, err := k.Unwrap(Algorithm(a), blob)
		if err == nil && !bytes.Equal(got, material) || err != nil && !errors.Is(err, ErrWrapped) {
			t.Fatalf("%x, %v", got, err)
		}
	})
}

func FuzzUnwrapAES(f *testing.F) {
	kek := make([]byte, 32)
	f.Add(wrapAES(f, kek, []byte("0123456")))
	f.Add(wrapAES(f, kek, []byte("0123456789abcdef")))
	f.Fuzz(func(t *testing.T, blob []byte) {
		got, err := unwrapAES(kek, blob)
		if err == nil && !bytes.Equal(wrapAES(t, kek, got), blob) {
			t.Fatalf("opened %x as %x", blob, got)
		}
	})
}

func FuzzOpenToken(f *testing.F) {
	secret := make([]byte, 32)
	good, err := NewToken(OAEPSHA1, time.Unix(1<<33, 0)).Seal(secret, testARN)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, raw []byte) {
		tok, err := OpenToken(secret, raw, testARN, time.Unix(0, 0))
		if err == nil && (!tok.Algorithm.Valid() || len(raw) != tokenSize) || err != nil && !errors.Is(err, ErrToken) {
			t.Fatalf("%x: %v, %v", raw, tok, err)
		}
	})
}
