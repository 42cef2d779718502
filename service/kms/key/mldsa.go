package key

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"errors"
	"fmt"

	"filippo.io/mldsa"
	"filippo.io/mldsa/mldsacrypto"
)

// Keys of ML-DSA and ML-KEM are kept as the seed that they are made from: 32 bytes, and 64 (FIPS 204,
// 6.1; FIPS 203, 7.1). In PKCS#8 it is "[0] OCTET STRING" of both (RFC 9881, 6; RFC 9935, 6).
const seedTag = 0x80

func seedSize(spec Spec) int {
	if _, ok := mldsaParameters(spec); ok {
		return mldsa.PrivateKeySize
	}
	return 64
}

// newSeeded returns the private key of a seed, which it does not keep.
func newSeeded(spec Spec, seed []byte) (private, error) {
	if p, ok := mldsaParameters(spec); ok {
		k, err := mldsa.NewPrivateKey(p, seed)
		if err != nil {
			return nil, err
		}
		return &mldsaKey{spec, k, k.PublicKey()}, nil
	}
	return newMLKEM(spec, seed)
}

func generateSeeded(spec Spec) (private, error) {
	seed := make([]byte, seedSize(spec))
	defer clear(seed)
	rand.Read(seed)
	return newSeeded(spec, seed)
}

func parseSeeded(spec Spec, der []byte) (private, error) {
	bad := fmt.Errorf("%w: %s", ErrMaterial, spec)
	info, err := parsePKCS8(der, oidSeeded[spec])
	if err != nil {
		return nil, bad
	}
	defer clear(info.Key)
	n := seedSize(spec)
	if len(info.Algorithm.Parameters.FullBytes) > 0 || len(info.Key) != 2+n || info.Key[0] != seedTag || int(info.Key[1]) != n {
		return nil, bad
	}
	k, err := newSeeded(spec, info.Key[2:])
	if err != nil {
		return nil, bad
	}
	return k, nil
}

func marshalSeeded(spec Spec, seed []byte) ([]byte, error) {
	defer clear(seed)
	in := append([]byte{seedTag, byte(len(seed))}, seed...)
	defer clear(in)
	return marshalPKCS8(pkix.AlgorithmIdentifier{Algorithm: oidSeeded[spec]}, in)
}

func mldsaParameters(spec Spec) (p mldsa.Parameters, ok bool) {
	switch spec {
	case MLDSA44:
		return mldsa.MLDSA44(), true
	case MLDSA65:
		return mldsa.MLDSA65(), true
	case MLDSA87:
		return mldsa.MLDSA87(), true
	}
	return p, false
}

type mldsaKey struct {
	spec  Spec
	k     *mldsa.PrivateKey
	point *mldsa.PublicKey
}

func (k *mldsaKey) public() ([]byte, error) {
	return marshalPublic(pkix.AlgorithmIdentifier{Algorithm: oidSeeded[k.spec]}, k.point.Bytes())
}

func (k *mldsaKey) marshal() ([]byte, error) { return marshalSeeded(k.spec, k.k.Bytes()) }

func (k *mldsaKey) wipe() { *k.k = mldsa.PrivateKey{} }

func (k *mldsaKey) sign(_ Algorithm, t MessageType, message []byte) ([]byte, error) {
	if t == ExternalMu {
		return k.k.Sign(nil, message, mldsacrypto.MLDSAMu)
	}
	return k.k.Sign(nil, message, nil)
}

func (k *mldsaKey) verify(_ Algorithm, t MessageType, message, signature []byte) bool {
	if t == ExternalMu {
		return verifyMu(k.spec, k.point.Bytes(), message, signature)
	}
	return mldsa.Verify(k.point, message, signature, nil) == nil
}

var errSeed = errors.New("seed has the wrong length")
