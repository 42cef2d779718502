package key

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha3"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"

	"filippo.io/mldsa"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/strongroom/strongroom/secret"
)

// holder returns material that has no more than a public key: vectors for verification have no
// other. It goes the same road as any.
func holder(spec Spec, k private) *Material {
	m := newMaterial(NewID(), spec, secret.New(nil))
	m.held.parse.Do(func() { m.held.parsed = noSecret{k} })
	return m
}

// noSecret is a private key that is none, and has nothing to wipe.
type noSecret struct{ private }

func (noSecret) wipe() {}

func (n noSecret) sign(a Algorithm, t MessageType, m []byte) ([]byte, error) {
	return nil, errors.New("no private key")
}

func (n noSecret) verify(a Algorithm, t MessageType, m, s []byte) bool {
	return n.private.(signer).verify(a, t, m, s)
}

// publicOf returns the holder of a public key in DER.
func publicOf(t *testing.T, spec Spec, der []byte) *Material {
	t.Helper()
	if spec == Secp256k1 {
		var info publicKeyInfo
		if _, err := asn1.Unmarshal(der, &info); err != nil {
			t.Fatal(err)
		}
		p, err := secp256k1.ParsePubKey(info.Key.RightAlign())
		if err != nil {
			t.Fatal(err)
		}
		return holder(spec, &secpKey{point: p})
	}
	p, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	switch p := p.(type) {
	case *rsa.PublicKey:
		return holder(spec, rsaKey{&rsa.PrivateKey{PublicKey: *p}})
	case *ecdsa.PublicKey:
		return holder(spec, &eccKey{&ecdsa.PrivateKey{PublicKey: *p}})
	case ed25519.PublicKey:
		return holder(spec, edKey(append(make([]byte, 32), p...)))
	}
	t.Fatalf("%T", p)
	return nil
}

func TestWycheproofSignatures(t *testing.T) {
	dir := module(t, wycheproof, wycheproofSum)
	for _, c := range []struct {
		file  string
		spec  Spec
		a     Algorithm
		least int
	}{
		{"ecdsa_secp256r1_sha256", P256, ECDSASHA256, 480}, {"ecdsa_secp384r1_sha384", P384, ECDSASHA384, 490},
		{"ecdsa_secp521r1_sha512", P521, ECDSASHA512, 530}, {"ecdsa_secp256k1_sha256", Secp256k1, ECDSASHA256, 470},
		{"ed25519", Ed25519, EdDSA, 150},
		{"rsa_signature_2048_sha256", RSA2048, PKCS1SHA256, 250}, {"rsa_signature_2048_sha384", RSA2048, PKCS1SHA384, 250},
		{"rsa_signature_2048_sha512", RSA2048, PKCS1SHA512, 250}, {"rsa_signature_3072_sha256", RSA3072, PKCS1SHA256, 250},
		{"rsa_signature_3072_sha384", RSA3072, PKCS1SHA384, 250}, {"rsa_signature_3072_sha512", RSA3072, PKCS1SHA512, 250},
		{"rsa_signature_4096_sha256", RSA4096, PKCS1SHA256, 250}, {"rsa_signature_4096_sha384", RSA4096, PKCS1SHA384, 250},
		{"rsa_signature_4096_sha512", RSA4096, PKCS1SHA512, 250},
		{"rsa_pss_2048_sha256_mgf1_32", RSA2048, PSSSHA256, 100}, {"rsa_pss_2048_sha384_mgf1_48", RSA2048, PSSSHA384, 60},
		{"rsa_pss_3072_sha256_mgf1_32", RSA3072, PSSSHA256, 100}, {"rsa_pss_4096_sha256_mgf1_32", RSA4096, PSSSHA256, 100},
		{"rsa_pss_4096_sha384_mgf1_48", RSA4096, PSSSHA384, 100}, {"rsa_pss_4096_sha512_mgf1_64", RSA4096, PSSSHA512, 60},
	} {
		wycheproofFile(t, dir, c.file, c.least, func(t *testing.T, g *wycheproofGroup) int {
			m := publicOf(t, c.spec, g.PublicKeyDer)
			for _, v := range g.Tests {
				err := m.Verify(c.a, Raw, v.Msg, v.Sig)
				if err != nil && !errors.Is(err, ErrSignature) {
					t.Errorf("%d: %v", v.ID, err)
				}
				v.check(t, c.file, err == nil)
			}
			return len(g.Tests)
		})
	}
}

// TestWycheproofOtherSalts says that a PSS signature whose salt is not as long as the digest is none here.
func TestWycheproofOtherSalts(t *testing.T) {
	dir := module(t, wycheproof, wycheproofSum)
	for file, c := range map[string]struct {
		spec Spec
		a    Algorithm
	}{"rsa_pss_2048_sha256_mgf1_0": {RSA2048, PSSSHA256}, "rsa_pss_4096_sha512_mgf1_32": {RSA4096, PSSSHA512}, "rsa_pss_2048_sha256_mgf1sha1_20": {RSA2048, PSSSHA256}} {
		wycheproofFile(t, dir, file, 60, func(t *testing.T, g *wycheproofGroup) int {
			m := publicOf(t, c.spec, g.PublicKeyDer)
			for _, v := range g.Tests {
				if v.Result == "valid" && m.Verify(c.a, Raw, v.Msg, v.Sig) == nil {
					t.Errorf("%d (%s) is taken", v.ID, v.Comment)
				}
			}
			return len(g.Tests)
		})
	}
}

// TestWycheproofPKCS1 signs with imported keys: PKCS #1 v1.5 has one signature for a message.
func TestWycheproofPKCS1(t *testing.T) {
	dir := module(t, wycheproof, wycheproofSum)
	for file, spec := range map[string]Spec{"rsa_pkcs1_2048_sig_gen": RSA2048, "rsa_pkcs1_3072_sig_gen": RSA3072, "rsa_pkcs1_4096_sig_gen": RSA4096} {
		wycheproofFile(t, dir, file, 10, func(t *testing.T, g *wycheproofGroup) int {
			a := map[string]Algorithm{"SHA-256": PKCS1SHA256, "SHA-384": PKCS1SHA384, "SHA-512": PKCS1SHA512}[g.Sha]
			if a == "" {
				return 0
			}
			m, err := Import(spec, g.PrivateKeyPkcs8)
			if parts, ok := g.PrivateKey.(map[string]any); ok && parts["publicExponent"] == "03" {
				if !errors.Is(err, ErrMaterial) {
					t.Errorf("an exponent of 3: %v", err)
				}
				return len(g.Tests)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range g.Tests {
				got, err := m.Sign(a, Raw, v.Msg)
				v.check(t, file, err == nil && bytes.Equal(got, v.Sig))
			}
			return len(g.Tests)
		})
	}
}

func TestWycheproofOAEP(t *testing.T) {
	dir := module(t, wycheproof, wycheproofSum)
	for _, c := range []struct {
		file string
		spec Spec
		a    Algorithm
	}{
		{"rsa_oaep_2048_sha1_mgf1sha1", RSA2048, OAEPSHA1}, {"rsa_oaep_2048_sha256_mgf1sha256", RSA2048, OAEPSHA256},
		{"rsa_oaep_3072_sha256_mgf1sha256", RSA3072, OAEPSHA256}, {"rsa_oaep_4096_sha256_mgf1sha256", RSA4096, OAEPSHA256},
	} {
		wycheproofFile(t, dir, c.file, 20, func(t *testing.T, g *wycheproofGroup) int {
			m, err := Import(c.spec, g.PrivateKeyPkcs8)
			if err != nil {
				t.Fatal(err)
			}
			used := 0
			for _, v := range g.Tests {
				if len(v.Label) > 0 { // KMS has no label
					continue
				}
				got, err := m.DecryptRSA(c.a, v.Ct)
				if err != nil && err != ErrCiphertext {
					t.Errorf("%d: %v", v.ID, err)
				}
				v.check(t, c.file, err == nil && bytes.Equal(got, v.Msg))
				used++
			}
			return used
		})
	}
	wycheproofFile(t, dir, "rsa_three_primes_oaep_2048_sha1_mgf1sha1", 1, func(t *testing.T, g *wycheproofGroup) int {
		if _, err := Import(RSA2048, g.PrivateKeyPkcs8); !errors.Is(err, ErrMaterial) {
			t.Errorf("three primes: %v", err)
		}
		return 1
	})
}

func TestWycheproofHMAC(t *testing.T) {
	dir := module(t, wycheproof, wycheproofSum)
	for spec, file := range map[Spec]string{HMAC224: "hmac_sha224", HMAC256: "hmac_sha256", HMAC384: "hmac_sha384", HMAC512: "hmac_sha512"} {
		a := spec.Algorithms(Authenticate)[0]
		wycheproofFile(t, dir, file, 50, func(t *testing.T, g *wycheproofGroup) int {
			if g.KeySize != 8*specs[spec].size {
				return 0
			}
			for _, v := range g.Tests {
				m, err := Import(spec, v.Key)
				if err != nil {
					t.Fatal(err)
				}
				got, err := m.MAC(a, v.Msg)
				v.check(t, file, err == nil && bytes.Equal(got[:g.TagSize/8], v.Tag))
				if whole := g.TagSize == 8*len(got); whole || v.Result == "valid" {
					// A MAC that was cut is none, though its bits are right.
					if ok := m.VerifyMAC(a, v.Msg, v.Tag) == nil; ok != (whole && v.Result == "valid") {
						t.Errorf("%s %d: %v", file, v.ID, ok)
					}
				}
			}
			return len(g.Tests)
		})
	}
}

func TestWycheproofECDH(t *testing.T) {
	dir := module(t, wycheproof, wycheproofSum)
	for spec, file := range map[Spec]string{P256: "ecdh_secp256r1", P384: "ecdh_secp384r1", P521: "ecdh_secp521r1"} {
		wycheproofFile(t, dir, file, 500, func(t *testing.T, g *wycheproofGroup) int {
			keys := map[string]*Material{}
			for _, v := range g.Tests {
				m := keys[string(v.Private)]
				if m == nil {
					m = scalarKey(t, spec, v.Private)
					keys[string(v.Private)] = m
				}
				got, err := m.Agree(v.Public)
				if err != nil && !errors.Is(err, ErrPublicKey) {
					t.Errorf("%d: %v", v.ID, err)
				}
				if err == nil && !bytes.Equal(got, v.Shared) {
					t.Errorf("%s %d (%s): another secret", file, v.ID, v.Comment)
				}
				v.check(t, file, err == nil)
			}
			return len(g.Tests)
		})
	}
}

// scalarKey imports the key of a scalar, of which leading zeros may be missing or too many.
func scalarKey(t *testing.T, spec Spec, scalar []byte) *Material {
	t.Helper()
	size := (curves[spec].Params().BitSize + 7) / 8
	padded := append(make([]byte, size), scalar...)
	k, err := ecdsa.ParseRawPrivateKey(curves[spec], padded[len(padded)-size:])
	if err != nil {
		t.Fatal(err)
	}
	der, err := (&eccKey{k}).marshal()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Import(spec, der)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// representative returns mu of a message (FIPS 204, algorithm 7, line 6, and algorithm 2, line 10).
func representative(public, context, message []byte) []byte {
	tr := make([]byte, 64)
	h := sha3.NewSHAKE256()
	h.Write(public)
	h.Read(tr)
	h = sha3.NewSHAKE256()
	h.Write(tr)
	h.Write([]byte{0, byte(len(context))})
	h.Write(context)
	h.Write(message)
	h.Read(tr)
	return tr
}

// TestWycheproofMLDSA verifies messages as they are, and again by their representatives, also those
// with a context, which KMS has in no other way.
func TestWycheproofMLDSA(t *testing.T) {
	dir := module(t, wycheproof, wycheproofSum)
	for _, spec := range []Spec{MLDSA44, MLDSA65, MLDSA87} {
		name := strings.ToLower(strings.Replace(string(spec), "ML_DSA", "mldsa", 1))
		parameters, _ := mldsaParameters(spec)
		wycheproofFile(t, dir, name+"_verify", 150, func(t *testing.T, g *wycheproofGroup) int {
			raw := g.public(t)
			public, err := mldsa.NewPublicKey(parameters, raw)
			for _, v := range g.Tests {
				if len(v.Ctx) < 256 { // a longer context has no representative
					v.check(t, name+" mu", verifyMu(spec, raw, representative(raw, v.Ctx, v.Msg), v.Sig))
				}
				if err != nil {
					v.check(t, name, false)
					continue
				}
				if len(v.Ctx) == 0 {
					m := holder(spec, &mldsaKey{spec: spec, point: public})
					v.check(t, name, m.Verify(MLDSA, Raw, v.Msg, v.Sig) == nil)
				}
			}
			return len(g.Tests)
		})
		wycheproofFile(t, dir, name+"_sign_seed", 40, func(t *testing.T, g *wycheproofGroup) int {
			m, err := importSeed(spec, g.PrivateSeed)
			if g.PrivateKeyPkcs8 != nil {
				m, err = Import(spec, g.PrivateKeyPkcs8)
			}
			if err != nil {
				if g.Tests[0].Result == "valid" {
					t.Errorf("%d: %v", g.Tests[0].ID, err)
				}
				return 0
			}
			der, err := m.PublicKey()
			if err != nil || !bytes.HasSuffix(der, g.public(t)) {
				t.Errorf("%d: another public key, %v", g.Tests[0].ID, err)
			}
			used := 0
			for _, v := range g.Tests {
				if v.Result != "valid" {
					continue
				}
				used++
				if len(v.Ctx) == 0 && len(v.Msg) > 0 {
					v.check(t, name, m.Verify(MLDSA, Raw, v.Msg, v.Sig) == nil)
				}
				if len(v.Mu) > 0 {
					v.check(t, name, m.Verify(MLDSA, ExternalMu, v.Mu, v.Sig) == nil)
					own, err := m.Sign(MLDSA, ExternalMu, v.Mu)
					v.check(t, name, err == nil && m.Verify(MLDSA, ExternalMu, v.Mu, own) == nil)
				}
			}
			return used
		})
	}
}

func TestWycheproofMLKEM(t *testing.T) {
	dir := module(t, wycheproof, wycheproofSum)
	for _, spec := range []Spec{MLKEM512, MLKEM768, MLKEM1024} {
		name := strings.ToLower(strings.Replace(string(spec), "ML_KEM", "mlkem", 1))
		for file, least := range map[string]int{name: 100, name + "_keygen_seed": 50} {
			wycheproofFile(t, dir, file, least, func(t *testing.T, g *wycheproofGroup) int {
				for _, v := range g.Tests {
					m, err := importSeed(spec, v.Seed)
					if err != nil {
						v.check(t, file, false)
						continue
					}
					der, err := m.PublicKey()
					ok := err == nil && (len(v.Ek) == 0 || bytes.HasSuffix(der, v.Ek))
					if v.C != nil {
						got, err := m.Decapsulate(v.C)
						ok = ok && err == nil && bytes.Equal(got, v.K)
					}
					v.check(t, file, ok)
				}
				return len(g.Tests)
			})
		}
	}
}

// importSeed imports the seed of an ML-DSA or ML-KEM key.
func importSeed(spec Spec, seed []byte) (*Material, error) {
	der, err := marshalSeeded(spec, bytes.Clone(seed))
	if err != nil {
		return nil, err
	}
	return Import(spec, der)
}

// holderOf returns material of a secret that Import would not take.
func holderOf(spec Spec, raw []byte) *Material {
	return newMaterial(NewID(), spec, secret.New(bytes.Clone(raw)))
}
