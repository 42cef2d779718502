package key

import (
	"bytes"
	"crypto/fips140"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/secret"
)

// every has all specs, the quick ones first.
var every = []Spec{
	Symmetric, HMAC224, HMAC256, HMAC384, HMAC512, P256, P384, P521, Secp256k1, Ed25519,
	MLDSA44, MLDSA65, MLDSA87, MLKEM512, MLKEM768, MLKEM1024, RSA2048, RSA3072, RSA4096,
}

// made keeps the material of tests: RSA keys take long to make.
var made = map[Spec]*Material{}

func of(t testing.TB, spec Spec) *Material {
	t.Helper()
	if made[spec] == nil {
		m, err := Generate(spec)
		if err != nil {
			t.Fatal(spec, err)
		}
		made[spec] = m
	}
	return made[spec]
}

// can returns the specs that this process can do: under fips140=only not all.
func can() []Spec {
	return slices.DeleteFunc(slices.Clone(every), func(s Spec) bool {
		return s.Approved("") != nil || fips140.Enabled() && (s == RSA3072 || s == RSA4096) // twice is too long
	})
}

func TestSpecs(t *testing.T) {
	codes := map[byte]Spec{}
	for spec, traits := range specs {
		if !slices.Contains(every, spec) {
			t.Errorf("%s is not tested", spec)
		}
		if other := codes[traits.code]; other != "" || traits.code == 0 || specOf(traits.code) != spec {
			t.Errorf("%s and %s have code %d", spec, other, traits.code)
		}
		codes[traits.code] = spec
	}
	if len(specs) != len(every) {
		t.Errorf("%d specs, %d tested", len(specs), len(every))
	}
	if Spec("SM2").Known() || Spec("").Pair() || Spec("SM2").Algorithms(Signs) != nil || Spec("SM2").MaxPlaintext(OAEPSHA1) != 0 {
		t.Error("SM2 is known")
	}
	if _, err := Generate("SM2"); !errors.Is(err, ErrSpec) {
		t.Error(err)
	}
	if _, err := Import("SM2", nil); !errors.Is(err, ErrSpec) {
		t.Error(err)
	}
	if _, _, err := NewPair(HMAC256); !errors.Is(err, ErrSpec) {
		t.Error(err)
	}
}

// TestKept takes material of every spec through its wrapped form, and compares it with what
// its own secret imports as.
func TestKept(t *testing.T) {
	d := NewDomain(7)
	for _, spec := range can() {
		m := of(t, spec)
		wrapped, err := d.Wrap(m, testARN, 3)
		if err != nil {
			t.Fatal(spec, err)
		}
		back, err := d.Unwrap(wrapped, testARN, 3)
		if err != nil || back.ID() != m.ID() || back.Spec() != spec || !back.Same(m) {
			t.Fatal(spec, back, err)
		}
		imported, err := Import(spec, bytes.Clone(m.key.Reveal()))
		if err != nil || !imported.Same(m) || imported.ID() == m.ID() {
			t.Errorf("%s: imported again: %v", spec, err)
		}
		if m.Fingerprint("x") != back.Fingerprint("x") || m.Fingerprint("x") == m.Fingerprint("y") {
			t.Errorf("%s: fingerprint", spec)
		}
		same(t, spec, m, back)
		for i := range min(len(wrapped), 120) {
			bad := bytes.Clone(wrapped)
			bad[i] ^= 1
			if _, err := d.Unwrap(bad, testARN, 3); !errors.Is(err, ErrWrapped) {
				t.Errorf("%s: byte %d flipped: %v", spec, i, err)
			}
		}
		if _, err := d.Unwrap(wrapped, testARN, 4); !errors.Is(err, ErrWrapped) {
			t.Errorf("%s: other version: %v", spec, err)
		}
	}
}

// same checks that two materials have the same public key, or none.
func same(t *testing.T, spec Spec, a, b *Material) {
	t.Helper()
	pa, ea := a.PublicKey()
	pb, eb := b.PublicKey()
	if !bytes.Equal(pa, pb) || (ea == nil) != spec.Pair() || (eb == nil) != spec.Pair() || !spec.Pair() && !errors.Is(ea, ErrSpec) {
		t.Errorf("%s: public keys %x, %x, %v, %v", spec, pa, pb, ea, eb)
	}
}

// operations are all that can be done with material. Each returns the error of doing it by a.
var operations = map[Usage]map[string]func(m *Material, a Algorithm) error{
	Ciphers: {
		"encrypt": func(m *Material, a Algorithm) error {
			if a == AESGCM {
				return last(m.Encrypt(Data, []byte("x"), nil))
			}
			return last(m.EncryptRSA(a, []byte("x")))
		},
		"decrypt": func(m *Material, a Algorithm) error {
			if a == AESGCM {
				return last(m.Decrypt(Ciphertext{raw: make([]byte, minimum)}, nil))
			}
			return last(m.DecryptRSA(a, []byte("x")))
		},
	},
	Signs: {
		"sign":   func(m *Material, a Algorithm) error { return last(m.Sign(a, typeFor(a), messageFor(a))) },
		"verify": func(m *Material, a Algorithm) error { return m.Verify(a, typeFor(a), messageFor(a), []byte("x")) },
	},
	Authenticate: {
		"mac":        func(m *Material, a Algorithm) error { return last(m.MAC(a, []byte("x"))) },
		"verify mac": func(m *Material, a Algorithm) error { return m.VerifyMAC(a, []byte("x"), []byte("x")) },
	},
	Agrees: {"agree": func(m *Material, _ Algorithm) error { return last(m.Agree([]byte("x"))) }},
	Encapsulates: {
		"encapsulate": func(m *Material, _ Algorithm) error { _, _, err := m.Encapsulate(); return err },
		"decapsulate": func(m *Material, _ Algorithm) error { return last(m.Decapsulate([]byte("x"))) },
	},
}

func typeFor(a Algorithm) MessageType {
	if a == EdDSAph {
		return Digest
	}
	return Raw
}

func messageFor(a Algorithm) []byte {
	if a == EdDSAph {
		return make([]byte, 64)
	}
	return []byte("message")
}

// TestWhatGoesWithWhat asks material of every spec for every operation by every algorithm: what
// the table gives is not ErrSpec, and all else is.
func TestWhatGoesWithWhat(t *testing.T) {
	all := map[Usage][]Algorithm{}
	for _, traits := range specs {
		for u, list := range traits.algorithms {
			all[u] = append(all[u], list...)
		}
	}
	for _, spec := range can() {
		for usage, ops := range operations {
			for _, a := range all[usage] {
				if spec.Approved(a) != nil {
					continue
				}
				for name, op := range ops {
					err := op(of(t, spec), a)
					if want := slices.Contains(spec.Algorithms(usage), a); errors.Is(err, ErrSpec) == want {
						t.Errorf("%s: %s by %s: %v", spec, name, a, err)
					}
				}
			}
		}
	}
}

// TestSignatures signs and verifies by every algorithm and message type, and refuses what is changed.
func TestSignatures(t *testing.T) {
	for _, spec := range can() {
		m := of(t, spec)
		for _, a := range spec.Algorithms(Signs) {
			for _, typ := range []MessageType{Raw, Digest, ExternalMu, "OTHER"} {
				message := []byte("attack at dawn")
				switch {
				case typ == ExternalMu || a == EdDSAph:
					message = bytes.Repeat([]byte{3}, 64)
				case typ == Digest && hashes[a] != 0:
					message = sum(hashes[a], message)
				}
				signature, err := m.Sign(a, typ, message)
				takes := typ == Raw && a != EdDSAph || typ == Digest && a != EdDSA && a != MLDSA || typ == ExternalMu && a == MLDSA
				if !takes {
					if !errors.Is(err, ErrMessageType) {
						t.Errorf("%s %s %s: %v", spec, a, typ, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(spec, a, typ, err)
				}
				if err := m.Verify(a, typ, message, signature); err != nil {
					t.Errorf("%s %s %s: %v", spec, a, typ, err)
				}
				if typ == Digest && hashes[a] != 0 {
					if err := m.Verify(a, Raw, []byte("attack at dawn"), signature); err != nil {
						t.Errorf("%s %s: signed the digest, verified the message: %v", spec, a, err)
					}
				}
				refuses(t, m, a, typ, message, signature)
			}
		}
	}
}

func refuses(t *testing.T, m *Material, a Algorithm, typ MessageType, message, signature []byte) {
	t.Helper()
	changed := bytes.Clone(message)
	changed[0] ^= 1
	flipped := bytes.Clone(signature)
	flipped[len(flipped)/2] ^= 1
	for name, err := range map[string]error{
		"other message":       m.Verify(a, typ, changed, signature),
		"flipped signature":   m.Verify(a, typ, message, flipped),
		"no signature":        m.Verify(a, typ, message, nil),
		"cut signature":       m.Verify(a, typ, message, signature[:len(signature)-1]),
		"lengthened":          m.Verify(a, typ, message, append(bytes.Clone(signature), 0)),
		"signature of nought": m.Verify(a, typ, message, make([]byte, len(signature))),
	} {
		if !errors.Is(err, ErrSignature) {
			t.Errorf("%s %s %s: %s: %v", m.spec, a, typ, name, err)
		}
	}
	if typ != Raw {
		for _, n := range []int{0, len(message) - 1, len(message) + 1} {
			if _, err := m.Sign(a, typ, make([]byte, n)); !errors.Is(err, ErrMessage) {
				t.Errorf("%s %s: digest of %d bytes: %v", m.spec, a, n, err)
			}
		}
	}
}

func TestMACs(t *testing.T) {
	for _, spec := range can() {
		for _, a := range spec.Algorithms(Authenticate) {
			m := of(t, spec)
			mac, err := m.MAC(a, []byte("m"))
			if err != nil || len(mac) != m.key.Len() {
				t.Fatal(spec, len(mac), err)
			}
			for _, c := range []struct {
				message string
				mac     []byte
				want    error
			}{{"m", mac, nil}, {"n", mac, ErrMAC}, {"m", mac[:len(mac)-1], ErrMAC}, {"m", nil, ErrMAC}, {"m", append(bytes.Clone(mac), 0), ErrMAC}} {
				if err := m.VerifyMAC(a, []byte(c.message), c.mac); !errors.Is(err, c.want) {
					t.Errorf("%s: %q %x: %v", spec, c.message, c.mac, err)
				}
			}
		}
	}
}

func TestOAEP(t *testing.T) {
	for _, spec := range can() {
		if !strings.HasPrefix(string(spec), "RSA") {
			continue
		}
		m := of(t, spec)
		for _, a := range spec.Algorithms(Ciphers) {
			if spec.Approved(a) != nil {
				continue
			}
			longest := spec.MaxPlaintext(a)
			for _, n := range []int{0, 1, longest} {
				plain := bytes.Repeat([]byte{5}, n)
				c, err := m.EncryptRSA(a, plain)
				if err != nil || len(c) != specs[spec].size/8 {
					t.Fatal(spec, a, n, len(c), err)
				}
				if got, err := m.DecryptRSA(a, c); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%s %s: %x, %v", spec, a, got, err)
				}
				c[len(c)/2] ^= 1
				if _, err := m.DecryptRSA(a, c); err != ErrCiphertext {
					t.Errorf("%s %s: flipped: %v", spec, a, err)
				}
			}
			if _, err := m.EncryptRSA(a, make([]byte, longest+1)); !errors.Is(err, ErrMessage) {
				t.Errorf("%s %s: too long: %v", spec, a, err)
			}
		}
	}
}

// TestMaxima has the lengths that the KMS API reference gives (Encrypt).
func TestMaxima(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		a    Algorithm
		want int
	}{
		{RSA2048, OAEPSHA1, 214}, {RSA2048, OAEPSHA256, 190}, {RSA3072, OAEPSHA1, 342}, {RSA3072, OAEPSHA256, 318},
		{RSA4096, OAEPSHA1, 470}, {RSA4096, OAEPSHA256, 446}, {Symmetric, AESGCM, 4096}, {P256, OAEPSHA1, 0}, {RSA2048, PSSSHA256, 0},
	} {
		if c.spec.Approved(c.a) != nil {
			continue
		}
		if got := c.spec.MaxPlaintext(c.a); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.spec, c.a, got, c.want)
		}
	}
}

func TestAgree(t *testing.T) {
	for _, spec := range []Spec{P256, P384, P521} {
		m := of(t, spec)
		peer, err := Generate(spec)
		if err != nil {
			t.Fatal(err)
		}
		mine, _ := m.PublicKey()
		theirs, _ := peer.PublicKey()
		a, err := m.Agree(theirs)
		b, err2 := peer.Agree(mine)
		if err != nil || err2 != nil || !bytes.Equal(a, b) || len(a) == 0 {
			t.Errorf("%s: %x, %x, %v, %v", spec, a, b, err, err2)
		}
		for _, other := range []Spec{P256, P384, P521, Ed25519, RSA2048} {
			if pub, _ := of(t, other).PublicKey(); other != spec {
				if _, err := m.Agree(pub); !errors.Is(err, ErrPublicKey) {
					t.Errorf("%s with %s: %v", spec, other, err)
				}
			}
		}
		for i := range theirs {
			bad := bytes.Clone(theirs)
			bad[i] ^= 1
			if got, err := m.Agree(bad); err == nil && bytes.Equal(got, a) {
				t.Errorf("%s: byte %d flipped changes nothing", spec, i)
			}
		}
	}
}

func TestEncapsulate(t *testing.T) {
	for _, spec := range can() {
		if spec.Algorithms(Encapsulates) == nil {
			continue
		}
		m := of(t, spec)
		shared, c, err := m.Encapsulate()
		if err != nil || len(shared) != 32 {
			t.Fatal(spec, len(shared), err)
		}
		if got, err := m.Decapsulate(c); err != nil || !bytes.Equal(got, shared) {
			t.Errorf("%s: %x, %v", spec, got, err)
		}
		c[0] ^= 1
		if got, err := m.Decapsulate(c); err != nil || len(got) != 32 || bytes.Equal(got, shared) {
			t.Errorf("%s: implicit rejection: %x, %v", spec, got, err)
		}
		if _, err := m.Decapsulate(c[1:]); !errors.Is(err, ErrCiphertext) {
			t.Errorf("%s: cut: %v", spec, err)
		}
	}
}

// TestNewPair says that a pair imports, and that its halves belong together.
func TestNewPair(t *testing.T) {
	for _, spec := range can() {
		if !spec.Pair() || spec == RSA3072 || spec == RSA4096 {
			continue
		}
		private, public, err := NewPair(spec)
		if err != nil {
			t.Fatal(spec, err)
		}
		m, err := Import(spec, private)
		if err != nil {
			t.Fatal(spec, err)
		}
		if got, err := m.PublicKey(); err != nil || !bytes.Equal(got, public) {
			t.Errorf("%s: %x, %v", spec, got, err)
		}
		if !bytes.Equal(private, make([]byte, len(private))) {
			t.Errorf("%s: what was imported is still there", spec)
		}
	}
}

// TestImportRefuses gives material of every spec to every other one, and rubbish to all.
func TestImportRefuses(t *testing.T) {
	for _, spec := range can() {
		for _, other := range can() {
			raw := bytes.Clone(of(t, other).key.Reveal())
			if spec == other || len(raw) == specs[spec].size {
				continue
			}
			if _, err := Import(spec, raw); !errors.Is(err, ErrMaterial) {
				t.Errorf("%s as %s: %v", other, spec, err)
			}
		}
		good := of(t, spec).key.Reveal()
		for name, raw := range map[string][]byte{
			"nothing": nil, "cut": bytes.Clone(good[:len(good)-1]), "lengthened": append(bytes.Clone(good), 0), "long": make([]byte, 1<<16),
		} {
			if _, err := Import(spec, raw); !errors.Is(err, ErrMaterial) {
				t.Errorf("%s: %s: %v", spec, name, err)
			}
		}
	}
}

// TestPairsWiped proves that what we hold of a key pair leaves memory with its last reference.
func TestPairsWiped(t *testing.T) {
	for _, spec := range can() {
		if !spec.Pair() || spec == RSA3072 || spec == RSA4096 {
			continue
		}
		raw := bytes.Clone(of(t, spec).key.Reveal())
		m := newMaterial(ID{}, spec, secret.New(raw))
		if _, err := m.PublicKey(); err != nil {
			t.Fatal(spec, err)
		}
		runtime.KeepAlive(m)
		gone := false
		for range 100 {
			runtime.GC()
			time.Sleep(time.Millisecond)
			if gone = bytes.Equal(raw, make([]byte, len(raw))); gone {
				break
			}
		}
		if !gone {
			t.Errorf("%s outlives its last reference", spec)
		}
	}
}

// TestNotApproved says what a process under fips140=only refuses.
func TestNotApproved(t *testing.T) {
	if !fips140.Enforced() {
		t.Skip("only under GODEBUG=fips140=only, where TestFIPSOnly runs it")
	}
	for _, spec := range every {
		if spec == RSA3072 || spec == RSA4096 {
			continue
		}
		want := spec == Secp256k1 || spec == MLKEM512 || spec == MLDSA44 || spec == MLDSA65 || spec == MLDSA87
		if _, err := Generate(spec); errors.Is(err, ErrNotApproved) != want {
			t.Errorf("%s: %v", spec, err)
		}
	}
	if _, err := of(t, RSA2048).EncryptRSA(OAEPSHA1, nil); !errors.Is(err, ErrNotApproved) {
		t.Error(err)
	}
	if _, err := of(t, RSA2048).DecryptRSA(OAEPSHA1, nil); !errors.Is(err, ErrNotApproved) {
		t.Error(err)
	}
	m := newMaterial(ID{}, MLDSA44, secret.New(nil))
	if _, err := m.Sign(MLDSA, Raw, nil); !errors.Is(err, ErrNotApproved) {
		t.Error(err)
	}
}

func BenchmarkSign(b *testing.B) {
	for _, c := range []struct {
		spec Spec
		a    Algorithm
	}{{P256, ECDSASHA256}, {RSA2048, PSSSHA256}, {Secp256k1, ECDSASHA256}, {Ed25519, EdDSA}, {MLDSA65, MLDSA}} {
		b.Run(string(c.spec), func(b *testing.B) {
			m := of(b, c.spec)
			for b.Loop() {
				if _, err := m.Sign(c.a, Raw, []byte("message")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
