package key

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// secpKey is a key on secp256k1, which the standard library does not have.
type secpKey struct {
	d     *secp256k1.PrivateKey
	point *secp256k1.PublicKey
}

func generateSecp(Spec) (private, error) { return newSecp(*randomScalar()), nil }

func newSecp(d secp256k1.ModNScalar) *secpKey {
	p := baseMult(&d)
	return &secpKey{secp256k1.NewPrivateKey(&d), secp256k1.NewPublicKey(&p.X, &p.Y)}
}

// randomScalar returns a scalar from 1 to N-1, each as likely as the others (FIPS 186-5, A.2.2).
func randomScalar() *secp256k1.ModNScalar {
	var raw [32]byte
	defer clear(raw[:])
	for {
		rand.Read(raw[:])
		k := new(secp256k1.ModNScalar)
		if overflow := k.SetBytes(&raw); overflow == 0 && !k.IsZero() {
			return k
		}
	}
}

// baseMult returns kG in affine form. The library's multiplication takes a time that depends on
// the scalar, so it never sees k, but two scalars that are random each for itself: kG = (k-b)G + bG.
func baseMult(k *secp256k1.ModNScalar) *secp256k1.JacobianPoint {
	b := randomScalar()
	rest := new(secp256k1.ModNScalar).NegateVal(b).Add(k)
	var p, q, sum secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(b, &p)
	secp256k1.ScalarBaseMultNonConst(rest, &q)
	secp256k1.AddNonConst(&p, &q, &sum)
	sum.ToAffine()
	return &sum
}

// inverse returns 1/k, as baseMult without showing k to what takes a time of its own: b/(kb).
func inverse(k *secp256k1.ModNScalar) *secp256k1.ModNScalar {
	b := randomScalar()
	return new(secp256k1.ModNScalar).Mul2(k, b).InverseNonConst().Mul(b)
}

// ecPrivateKey is RFC 5915, 3.
type ecPrivateKey struct {
	Version int
	Key     []byte
	Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

func parseSecp(spec Spec, der []byte) (private, error) {
	bad := fmt.Errorf("%w: %s", ErrMaterial, spec)
	info, err := parsePKCS8(der, oidEC)
	if err != nil {
		return nil, bad
	}
	defer clear(info.Key)
	var curve asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &curve); err != nil || len(rest) > 0 || !curve.Equal(oidSecp256k1) {
		return nil, bad
	}
	var in ecPrivateKey
	rest, err := asn1.Unmarshal(info.Key, &in)
	defer clear(in.Key)
	if err != nil || len(rest) > 0 || in.Version != 1 || len(in.Key) != 32 || len(in.Curve) > 0 && !in.Curve.Equal(oidSecp256k1) {
		return nil, bad
	}
	var d secp256k1.ModNScalar
	if overflow := d.SetByteSlice(in.Key); overflow || d.IsZero() {
		return nil, bad
	}
	k := newSecp(d)
	d.Zero()
	if p := in.Public.RightAlign(); len(p) > 0 { // a public key that is there must be the right one
		if pub, err := secp256k1.ParsePubKey(p); err != nil || !pub.IsEqual(k.point) {
			k.wipe()
			return nil, bad
		}
	}
	return k, nil
}

func secpAlgorithm() (pkix.AlgorithmIdentifier, error) {
	curve, err := asn1.Marshal(oidSecp256k1)
	return pkix.AlgorithmIdentifier{Algorithm: oidEC, Parameters: asn1.RawValue{FullBytes: curve}}, err
}

func (k *secpKey) public() ([]byte, error) {
	a, err := secpAlgorithm()
	if err != nil {
		return nil, err
	}
	return marshalPublic(a, k.point.SerializeUncompressed())
}

func (k *secpKey) marshal() ([]byte, error) {
	a, err := secpAlgorithm()
	if err != nil {
		return nil, err
	}
	p := k.point.SerializeUncompressed()
	d := k.d.Serialize()
	defer clear(d)
	in, err := asn1.Marshal(ecPrivateKey{Version: 1, Key: d, Public: asn1.BitString{Bytes: p, BitLength: 8 * len(p)}})
	if err != nil {
		return nil, err
	}
	defer clear(in)
	return marshalPKCS8(a, in)
}

func (k *secpKey) wipe() { k.d.Zero() }

// sign is ECDSA (FIPS 186-5, 6.4.1) with a random nonce. Of s and -s it takes the lower, which is
// what everything that verifies signatures on this curve accepts.
func (k *secpKey) sign(_ Algorithm, _ MessageType, digest []byte) ([]byte, error) {
	var e secp256k1.ModNScalar
	e.SetByteSlice(digest)
	for {
		nonce := randomScalar()
		x := baseMult(nonce).X.Bytes()
		var r secp256k1.ModNScalar
		r.SetBytes(x)
		s := new(secp256k1.ModNScalar).Mul2(&k.d.Key, &r).Add(&e).Mul(inverse(nonce))
		nonce.Zero()
		if r.IsZero() || s.IsZero() {
			continue
		}
		if s.IsOverHalfOrder() {
			s.Negate()
		}
		return ecdsa.NewSignature(&r, s).Serialize(), nil
	}
}

// verify takes a high s as well: only for some block chains is it no signature.
func (k *secpKey) verify(_ Algorithm, _ MessageType, digest, signature []byte) bool {
	r, s := new(big.Int), new(big.Int)
	input, inner := cryptobyte.String(signature), cryptobyte.String{}
	// Not encoding/asn1, which reads past what stands behind the two in their sequence.
	if !input.ReadASN1(&inner, cbasn1.SEQUENCE) || !input.Empty() || !inner.ReadASN1Integer(r) || !inner.ReadASN1Integer(s) || !inner.Empty() {
		return false
	}
	rs, ss := scalarOf(r), scalarOf(s)
	return rs != nil && ss != nil && ecdsa.NewSignature(rs, ss).Verify(digest, k.point)
}

// scalarOf returns x as a scalar, or nil unless it is from 1 to N-1.
func scalarOf(x *big.Int) *secp256k1.ModNScalar {
	if x.Sign() <= 0 || x.BitLen() > 256 {
		return nil
	}
	s := new(secp256k1.ModNScalar)
	if overflow := s.SetByteSlice(x.FillBytes(make([]byte, 32))); overflow || s.IsZero() {
		return nil
	}
	return s
}
