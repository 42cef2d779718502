package key

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
)

// Objects of the keys that crypto/x509 does not know.
var (
	oidEC        = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1} // RFC 5480
	oidSecp256k1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}       // SEC 2
	oidSeeded    = map[Spec]asn1.ObjectIdentifier{               // RFC 9881, RFC 9935
		MLDSA44:   {2, 16, 840, 1, 101, 3, 4, 3, 17},
		MLDSA65:   {2, 16, 840, 1, 101, 3, 4, 3, 18},
		MLDSA87:   {2, 16, 840, 1, 101, 3, 4, 3, 19},
		MLKEM512:  {2, 16, 840, 1, 101, 3, 4, 4, 1},
		MLKEM768:  {2, 16, 840, 1, 101, 3, 4, 4, 2},
		MLKEM1024: {2, 16, 840, 1, 101, 3, 4, 4, 3},
	}
)

var errDER = errors.New("malformed DER")

// privateKeyInfo is RFC 5208, 5. Attributes are read past and not kept; the version may be that of RFC
// 5958, whose public key is read past too.
type privateKeyInfo struct {
	Version    int
	Algorithm  pkix.AlgorithmIdentifier
	Key        []byte
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
	Public     asn1.RawValue `asn1:"optional,tag:1"`
}

// publicKeyInfo is SubjectPublicKeyInfo, RFC 5280, 4.1.
type publicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

// parseStandard reads a private key that crypto/x509 knows. What it says of a bad one may show what is
// in it, and is not passed on.
func parseStandard(der []byte) (any, error) {
	var whole asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &whole); err != nil || len(rest) > 0 {
		return nil, errDER
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errDER
	}
	return k, nil
}

// parsePKCS8 reads the outside of a private key, which must name the algorithm.
func parsePKCS8(der []byte, algorithm asn1.ObjectIdentifier) (info privateKeyInfo, err error) {
	rest, err := asn1.Unmarshal(der, &info)
	if err != nil || len(rest) > 0 || info.Version < 0 || info.Version > 1 || !info.Algorithm.Algorithm.Equal(algorithm) {
		clear(info.Key)
		return privateKeyInfo{}, errDER
	}
	return info, nil
}

// marshalPKCS8 writes what parsePKCS8 reads.
func marshalPKCS8(algorithm pkix.AlgorithmIdentifier, key []byte) ([]byte, error) {
	return asn1.Marshal(struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, algorithm, key})
}

func marshalPublic(algorithm pkix.AlgorithmIdentifier, key []byte) ([]byte, error) {
	return asn1.Marshal(publicKeyInfo{algorithm, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}})
}
