package iam

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"math/big"
	"strings"

	"github.com/strongroom/strongroom/secret"
)

// Prefixes of unique ids (IAM user guide, "IAM identifiers").
var idPrefixes = map[kind]string{userKind: "AIDA", groupKind: "AGPA", roleKind: "AROA", policyKind: "ANPA"}

// newID returns a unique id: a prefix and 17 random characters of A-Z and 2-7.
func newID(k kind) string { return idPrefixes[k] + randomBase32(17) }

// newKeyID returns the id of a long-term access key.
func newKeyID() string { return "AKIA" + randomBase32(16) }

func randomBase32(n int) string {
	raw := make([]byte, (n*5+7)/8)
	rand.Read(raw) // never fails: crypto/rand ends the program first
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)[:n]
}

// newSecret returns a secret access key: 240 random bits in 40 characters.
func newSecret() secret.Bytes {
	raw := make([]byte, 30)
	rand.Read(raw)
	text := make([]byte, base64.StdEncoding.EncodedLen(len(raw)))
	base64.StdEncoding.Encode(text, raw)
	clear(raw)
	return secret.New(text)
}

// newAccountID returns twelve random digits, the first not zero: numbers that begin with
// zero lose it in spreadsheets and in YAML, and HouseAccount is one of them.
func newAccountID() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(900_000_000_000))
	if err != nil {
		return "", err
	}
	return n.Add(n, big.NewInt(100_000_000_000)).String(), nil
}

// fold returns a name as names are compared: without letter case.
func fold(name string) string { return strings.ToLower(name) }
