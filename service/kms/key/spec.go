package key

import (
	"crypto/fips140"
	"errors"
	"fmt"
	"slices"
)

// Spec is the kind of key that material is for, in AWS's words.
type Spec string

// The specs. SM2 is not among them: AWS has it in its China Regions only.
const (
	Symmetric Spec = "SYMMETRIC_DEFAULT"
	RSA2048   Spec = "RSA_2048"
	RSA3072   Spec = "RSA_3072"
	RSA4096   Spec = "RSA_4096"
	P256      Spec = "ECC_NIST_P256"
	P384      Spec = "ECC_NIST_P384"
	P521      Spec = "ECC_NIST_P521"
	Secp256k1 Spec = "ECC_SECG_P256K1"
	Ed25519   Spec = "ECC_NIST_EDWARDS25519"
	HMAC224   Spec = "HMAC_224"
	HMAC256   Spec = "HMAC_256"
	HMAC384   Spec = "HMAC_384"
	HMAC512   Spec = "HMAC_512"
	MLDSA44   Spec = "ML_DSA_44"
	MLDSA65   Spec = "ML_DSA_65"
	MLDSA87   Spec = "ML_DSA_87"
	MLKEM512  Spec = "ML_KEM_512"
	MLKEM768  Spec = "ML_KEM_768"
	MLKEM1024 Spec = "ML_KEM_1024"
)

// Usage is what a key may be used for, in AWS's words. A key has one.
type Usage string

// The usages.
const (
	Ciphers      Usage = "ENCRYPT_DECRYPT"
	Signs        Usage = "SIGN_VERIFY"
	Authenticate Usage = "GENERATE_VERIFY_MAC"
	Agrees       Usage = "KEY_AGREEMENT"
	Encapsulates Usage = "ENCAPSULATE_DECAPSULATE"
)

// Algorithm is an algorithm for encryption, signatures, MACs, key agreement or encapsulation,
// in AWS's words.
type Algorithm string

// The algorithms.
const (
	AESGCM     Algorithm = "SYMMETRIC_DEFAULT"
	OAEPSHA1   Algorithm = "RSAES_OAEP_SHA_1"
	OAEPSHA256 Algorithm = "RSAES_OAEP_SHA_256"

	PSSSHA256   Algorithm = "RSASSA_PSS_SHA_256"
	PSSSHA384   Algorithm = "RSASSA_PSS_SHA_384"
	PSSSHA512   Algorithm = "RSASSA_PSS_SHA_512"
	PKCS1SHA256 Algorithm = "RSASSA_PKCS1_V1_5_SHA_256"
	PKCS1SHA384 Algorithm = "RSASSA_PKCS1_V1_5_SHA_384"
	PKCS1SHA512 Algorithm = "RSASSA_PKCS1_V1_5_SHA_512"
	ECDSASHA256 Algorithm = "ECDSA_SHA_256"
	ECDSASHA384 Algorithm = "ECDSA_SHA_384"
	ECDSASHA512 Algorithm = "ECDSA_SHA_512"
	EdDSA       Algorithm = "ED25519_SHA_512"
	EdDSAph     Algorithm = "ED25519_PH_SHA_512"
	MLDSA       Algorithm = "ML_DSA_SHAKE_256"

	HMACSHA224 Algorithm = "HMAC_SHA_224"
	HMACSHA256 Algorithm = "HMAC_SHA_256"
	HMACSHA384 Algorithm = "HMAC_SHA_384"
	HMACSHA512 Algorithm = "HMAC_SHA_512"

	ECDH  Algorithm = "ECDH"
	MLKEM Algorithm = "ML_KEM"
)

var (
	// ErrSpec says that material of this spec does not do what is asked, or not by this algorithm.
	ErrSpec = errors.New("key spec does not have this algorithm")
	// ErrNotApproved says that the process runs under GODEBUG=fips140=only, and that what is asked
	// is not done by the FIPS 140-3 module, or not an algorithm that it approves.
	ErrNotApproved = errors.New("not approved under FIPS 140-3")
)

// traits are what is known of a spec.
type traits struct {
	code byte // in wrapped material: never given to another spec
	size int  // of a secret that is plain bytes, in bytes; of an RSA modulus, in bits
	// generate and parse make the private key of a key pair; nil for a secret that is plain bytes.
	generate func(Spec) (private, error)
	parse    func(spec Spec, der []byte) (private, error)
	// algorithms of each usage that a key of the spec may have.
	algorithms map[Usage][]Algorithm
	// outside says that the implementation is not in the FIPS 140-3 module.
	outside bool
}

var (
	rsaAlgorithms = map[Usage][]Algorithm{
		Ciphers: {OAEPSHA1, OAEPSHA256},
		Signs:   {PKCS1SHA256, PKCS1SHA384, PKCS1SHA512, PSSSHA256, PSSSHA384, PSSSHA512},
	}
	mldsaAlgorithms = map[Usage][]Algorithm{Signs: {MLDSA}}
	mlkemAlgorithms = map[Usage][]Algorithm{Encapsulates: {MLKEM}}
)

func curveAlgorithms(a Algorithm) map[Usage][]Algorithm {
	return map[Usage][]Algorithm{Signs: {a}, Agrees: {ECDH}}
}

func macAlgorithms(a Algorithm) map[Usage][]Algorithm {
	return map[Usage][]Algorithm{Authenticate: {a}}
}

// specs has every spec. Filled by init, because the makers of keys ask it in turn.
var specs map[Spec]*traits

func init() {
	specs = map[Spec]*traits{
		Symmetric: {code: 1, size: Size, algorithms: map[Usage][]Algorithm{Ciphers: {AESGCM}}},
		RSA2048:   {code: 2, size: 2048, generate: generateRSA, parse: parseRSA, algorithms: rsaAlgorithms},
		RSA3072:   {code: 3, size: 3072, generate: generateRSA, parse: parseRSA, algorithms: rsaAlgorithms},
		RSA4096:   {code: 4, size: 4096, generate: generateRSA, parse: parseRSA, algorithms: rsaAlgorithms},
		P256:      {code: 5, generate: generateECC, parse: parseECC, algorithms: curveAlgorithms(ECDSASHA256)},
		P384:      {code: 6, generate: generateECC, parse: parseECC, algorithms: curveAlgorithms(ECDSASHA384)},
		P521:      {code: 7, generate: generateECC, parse: parseECC, algorithms: curveAlgorithms(ECDSASHA512)},
		Secp256k1: {code: 8, generate: generateSecp, parse: parseSecp, algorithms: map[Usage][]Algorithm{Signs: {ECDSASHA256}}, outside: true},
		Ed25519:   {code: 9, generate: generateEd25519, parse: parseEd25519, algorithms: map[Usage][]Algorithm{Signs: {EdDSA, EdDSAph}}},
		HMAC224:   {code: 10, size: 28, algorithms: macAlgorithms(HMACSHA224)},
		HMAC256:   {code: 11, size: 32, algorithms: macAlgorithms(HMACSHA256)},
		HMAC384:   {code: 12, size: 48, algorithms: macAlgorithms(HMACSHA384)},
		HMAC512:   {code: 13, size: 64, algorithms: macAlgorithms(HMACSHA512)},
		// filippo.io/mldsa is not the FIPS 140-3 module, whatever it does.
		MLDSA44:   {code: 14, generate: generateSeeded, parse: parseSeeded, algorithms: mldsaAlgorithms, outside: true},
		MLDSA65:   {code: 15, generate: generateSeeded, parse: parseSeeded, algorithms: mldsaAlgorithms, outside: true},
		MLDSA87:   {code: 16, generate: generateSeeded, parse: parseSeeded, algorithms: mldsaAlgorithms, outside: true},
		MLKEM512:  {code: 17, generate: generateSeeded, parse: parseSeeded, algorithms: mlkemAlgorithms, outside: true},
		MLKEM768:  {code: 18, generate: generateSeeded, parse: parseSeeded, algorithms: mlkemAlgorithms},
		MLKEM1024: {code: 19, generate: generateSeeded, parse: parseSeeded, algorithms: mlkemAlgorithms},
	}
}

// specOf returns the spec with a code, or "".
func specOf(code byte) Spec {
	for s, t := range specs {
		if t.code == code {
			return s
		}
	}
	return ""
}

// Known reports whether there is such a spec.
func (s Spec) Known() bool { return specs[s] != nil }

// Pair reports whether keys of the spec are key pairs, with a public key.
func (s Spec) Pair() bool { return s.Known() && specs[s].generate != nil }

// Algorithms returns the algorithms of a key of this spec and usage, sorted as AWS lists them;
// none when no key has both. The caller must not write to them.
func (s Spec) Algorithms(u Usage) []Algorithm {
	if t := specs[s]; t != nil {
		return t.algorithms[u]
	}
	return nil
}

// Approved returns an error that wraps ErrNotApproved when the process runs under
// GODEBUG=fips140=only and keys of the spec, or the algorithm unless it is "", are not done by the
// FIPS 140-3 module.
func (s Spec) Approved(a Algorithm) error {
	if !fips140.Enforced() {
		return nil
	}
	if t := specs[s]; t != nil && t.outside {
		return fmt.Errorf("key spec %s: %w", s, ErrNotApproved)
	}
	if a == OAEPSHA1 {
		return fmt.Errorf("algorithm %s: %w", a, ErrNotApproved)
	}
	return nil
}

// ready returns the error for material of this spec that is asked for an algorithm of a usage.
func (s Spec) ready(u Usage, a Algorithm) error {
	if !slices.Contains(s.Algorithms(u), a) {
		return ErrSpec
	}
	return s.Approved(a)
}
