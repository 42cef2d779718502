package key

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"

	"filippo.io/mldsa"
)

var acvpCurves = map[string]Spec{"P-256": P256, "P-384": P384, "P-521": P521}

// pointOf returns the public key with these coordinates, in DER, or nil when there is none.
func pointOf(curve elliptic.Curve, x, y []byte) []byte {
	size := (curve.Params().BitSize + 7) / 8
	pad := func(b []byte) []byte { return append(make([]byte, size), b...)[len(b):] }
	k, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, pad(x)...), pad(y)...))
	if err != nil {
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		return nil
	}
	return der
}

func TestACVPECDSA(t *testing.T) {
	dir := module(t, acvp, acvpSum)
	acvpFile(t, dir, "ECDSA", "sigVer", 3, func(t *testing.T, g *acvpGroup) int {
		spec := acvpCurves[g.Curve]
		a := map[string]Algorithm{"P-256 SHA2-256": ECDSASHA256, "P-384 SHA2-384": ECDSASHA384, "P-521 SHA2-512": ECDSASHA512}[g.Curve+" "+g.HashAlg]
		if a == "" {
			return 0
		}
		for _, v := range g.Tests {
			signature, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(v.R), new(big.Int).SetBytes(v.S)})
			if err != nil {
				t.Fatal(err)
			}
			m := publicOf(t, spec, pointOf(curves[spec], v.Qx, v.Qy))
			v.check(t, g.Curve, m.Verify(a, Raw, v.Message, signature) == nil)
		}
		return len(g.Tests)
	})
}

func TestACVPAgreement(t *testing.T) {
	dir := module(t, acvp, acvpSum)
	acvpFile(t, dir, "KAS-ECC-SSC", "", 1, func(t *testing.T, g *acvpGroup) int {
		spec, used := acvpCurves[g.DomainParameterGenerationMode], 0
		for _, v := range g.Tests {
			if spec == "" || v.StaticPrivateIut == nil {
				continue
			}
			used++
			k, err := ecdsa.ParseRawPrivateKey(curves[spec], v.StaticPrivateIut)
			if err != nil {
				v.check(t, string(spec), false)
				continue
			}
			der, err := (&eccKey{k}).marshal()
			if err != nil {
				t.Fatal(err)
			}
			m, err := Import(spec, der)
			if err != nil {
				t.Fatal(err)
			}
			own, err := m.PublicKey()
			got, err2 := m.Agree(pointOf(curves[spec], v.StaticPublicServerX, v.StaticPublicServerY))
			v.check(t, string(spec), err == nil && err2 == nil && bytes.Equal(got, v.Z) &&
				bytes.Equal(own, pointOf(curves[spec], v.StaticPublicIutX, v.StaticPublicIutY)))
		}
		return used
	})
}

func TestACVPEdDSA(t *testing.T) {
	dir := module(t, acvp, acvpSum)
	acvpFile(t, dir, "EDDSA", "sigVer", 2, func(t *testing.T, g *acvpGroup) int {
		a := EdDSA
		if g.PreHash == true {
			a = EdDSAph
		}
		for _, v := range g.Tests {
			// KMS takes what it hashes for Ed25519ph in one length only; below that it is any message.
			v.check(t, string(a), edKey(append(make([]byte, 32), v.Q...)).verify(a, "", v.Message, v.Signature))
		}
		return len(g.Tests)
	})
}

func TestACVPRSA(t *testing.T) {
	dir := module(t, acvp, acvpSum)
	acvpFile(t, dir, "RSA", "sigVer", 54, func(t *testing.T, g *acvpGroup) int {
		spec := map[int]Spec{2048: RSA2048, 3072: RSA3072, 4096: RSA4096}[g.Modulo]
		prefix := map[string]string{"pkcs1v1.5": "RSASSA_PKCS1_V1_5_SHA_", "pss": "RSASSA_PSS_SHA_"}[g.SigType]
		a := Algorithm(prefix + strings.TrimPrefix(g.HashAlg, "SHA2-"))
		if spec == "" || hashes[a] == 0 || g.SigType == "pss" && g.SaltLen != hashes[a].Size() {
			return 0
		}
		k := rsaKey{&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).SetBytes(g.N), E: int(new(big.Int).SetBytes(g.E).Int64())}}}
		for _, v := range g.Tests {
			v.check(t, string(a), holder(spec, k).Verify(a, Raw, v.Message, v.Signature) == nil)
		}
		return len(g.Tests)
	})
}

func TestACVPHMAC(t *testing.T) {
	dir := module(t, acvp, acvpSum)
	for spec, file := range map[Spec]string{HMAC224: "HMAC-SHA2-224", HMAC256: "HMAC-SHA2-256", HMAC384: "HMAC-SHA2-384", HMAC512: "HMAC-SHA2-512"} {
		acvpFile(t, dir, file, "", 5, func(t *testing.T, g *acvpGroup) int {
			for _, v := range g.Tests {
				// Few of the keys have the length that KMS imports. The primitive takes any.
				m := holderOf(spec, v.Key)
				if len(v.Key) == specs[spec].size {
					var err error
					if m, err = Import(spec, bytes.Clone(v.Key)); err != nil {
						t.Fatal(err)
					}
				}
				got, err := m.MAC(spec.Algorithms(Authenticate)[0], v.Msg)
				if err != nil || !bytes.HasPrefix(got, v.Mac) || len(v.Mac) == 0 {
					t.Errorf("%s %d: %x, %v", file, v.TcID, got, err)
				}
			}
			return len(g.Tests)
		})
	}
}

func TestACVPMLDSA(t *testing.T) {
	dir := module(t, acvp, acvpSum)
	specFor := func(g *acvpGroup) Spec { return Spec(strings.ReplaceAll(g.ParameterSet, "-", "_")) }
	acvpFile(t, dir, "ML-DSA", "keyGen", 3, func(t *testing.T, g *acvpGroup) int {
		for _, v := range g.Tests {
			m, err := importSeed(specFor(g), v.Seed)
			if err != nil {
				t.Fatal(err)
			}
			if der, err := m.PublicKey(); err != nil || len(v.Pk) == 0 || !bytes.HasSuffix(der, v.Pk) {
				t.Errorf("%s %d: another public key, %v", g.ParameterSet, v.TcID, err)
			}
		}
		return len(g.Tests)
	})
	acvpFile(t, dir, "ML-DSA", "sigVer", 6, func(t *testing.T, g *acvpGroup) int {
		spec := specFor(g)
		parameters, _ := mldsaParameters(spec)
		for _, v := range g.Tests {
			public, err := mldsa.NewPublicKey(parameters, v.Pk)
			if err != nil {
				t.Fatal(err)
			}
			mu := []byte(v.Mu)
			if !g.ExternalMu {
				mu = representative(v.Pk, v.Context, v.Message)
			}
			m := holder(spec, &mldsaKey{spec: spec, point: public})
			v.check(t, g.ParameterSet, m.Verify(MLDSA, ExternalMu, mu, v.Signature) == nil)
		}
		return len(g.Tests)
	})
}

func TestACVPMLKEM(t *testing.T) {
	dir := module(t, acvp, acvpSum)
	acvpFile(t, dir, "ML-KEM", "keyGen", 2, func(t *testing.T, g *acvpGroup) int {
		spec := Spec(strings.ReplaceAll(g.ParameterSet, "-", "_"))
		for _, v := range g.Tests {
			m, err := importSeed(spec, append(bytes.Clone(v.D), v.Z...))
			if err != nil {
				t.Fatal(err)
			}
			if der, err := m.PublicKey(); err != nil || len(v.Ek) == 0 || !bytes.HasSuffix(der, v.Ek) {
				t.Errorf("%s %d: another public key, %v", g.ParameterSet, v.TcID, err)
			}
		}
		return len(g.Tests)
	})
}
