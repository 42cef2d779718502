package kms

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/service/kms/key"
)

// Records of the store. The parts of a store key are separated by zero bytes and hold none;
// only the id of key material, which has a fixed length and stands last, may.
//
//	k region account key                        a key: record, as JSON
//	b region account key version                a backing key, wrapped; version has 10 digits
//	m region material                           where material is: account key version
//	a region account alias                      an alias: aliasRecord, as JSON
//	n region account key alias                  the aliases of a key: their records again (older ones are empty)
//	g region account key grant                  a grant: grant.Grant, as JSON
//	e region account key grantee grant          the grants of a grantee; empty (older ones hold the same JSON)
//	i region account key fingerprint            a grant by what it says, when it has a name: its id
//	r region retiring account key grant         the grants a principal may retire; empty
//	c region account [key]                      how many keys, or grants of a key: a decimal number
//	s region account store                      a custom key store: storeRecord, as JSON
//	z region account store                      the secret of its credential, under the root key
//	x region account store half                 the key whose other half the store holds under this id: its id
//	d region number                             a domain key, under the root key; number has 10 digits
//	p region account key wrapping               a wrapping key for material that is imported, sealed; wrapping has 32 digits
//	u region account key                        when and how a key was used last: lastUse, as JSON
const (
	keyTag      = "k"
	backingTag  = "b"
	materialTag = "m"
	aliasTag    = "a"
	namesTag    = "n"
	grantTag    = "g"
	granteeTag  = "e"
	sameTag     = "i"
	retiringTag = "r"
	countTag    = "c"
	domainTag   = "d"
	paramsTag   = "p"
	usesTag     = "u"

	storeTag      = "s"
	credentialTag = "z"
	claimTag      = "x"
)

const (
	sep         = "\x00"
	aliasPrefix = "alias/"
	reserved    = "alias/aws/"
	ownedPrefix = "alias/owned/"
	multiPrefix = "mrk-"

	keyType   = "AWS::KMS::Key"
	aliasType = "AWS::KMS::Alias"
)

// path joins the parts of a store key.
func path(parts ...string) string { return strings.Join(parts, sep) }

// home names a key by where it is. Its key has no meaning outside its region and account.
type home struct{ region, account, id string }

func (h home) path(tag string) string { return path(tag, h.region, h.account, h.id) }

// under returns the store key of something that belongs to the key.
func (h home) under(tag string, parts ...string) string {
	return h.path(tag) + sep + strings.Join(parts, sep)
}

func (h home) arn() string {
	return "arn:" + identity.Partition + ":kms:" + h.region + ":" + h.account + ":key/" + h.id
}

// homeOf reads the home out of the store key of a record that belongs to a key.
func homeOf(storeKey []byte) (h home, rest string, ok bool) {
	parts := strings.SplitN(string(storeKey), sep, 5)
	if len(parts) < 4 {
		return home{}, "", false
	}
	if len(parts) == 5 {
		rest = parts[4]
	}
	return home{parts[1], parts[2], parts[3]}, rest, true
}

func materialPath(region string, id key.ID) string {
	return materialTag + sep + region + sep + string(id[:])
}

func aliasPath(region, account, alias string) string { return path(aliasTag, region, account, alias) }

func aliasARN(region, account, alias string) string {
	return "arn:" + identity.Partition + ":kms:" + region + ":" + account + ":" + alias
}

func rootARN(account string) string {
	return "arn:" + identity.Partition + ":iam::" + account + ":root"
}

// newKeyID returns a random UUID (RFC 9562, version 4).
func newKeyID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[:], b[:4])
	hex.Encode(s[9:], b[4:6])
	hex.Encode(s[14:], b[6:8])
	hex.Encode(s[19:], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// isKeyID reports whether s has the form of a key's id: a UUID, or mrk- and 32 digits for a
// multi-Region key.
func isKeyID(s string) bool {
	if rest, ok := strings.CutPrefix(s, multiPrefix); ok {
		return len(rest) == 32 && isHex(rest)
	}
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
		isHex(s[:8]) && isHex(s[9:13]) && isHex(s[14:18]) && isHex(s[19:23]) && isHex(s[24:])
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// serviceOf returns the short name of a service principal: "s3" of "s3.amazonaws.com".
func serviceOf(principal string) (string, bool) {
	name, ok := strings.CutSuffix(principal, ".amazonaws.com")
	return name, ok && name != "" && !strings.ContainsAny(name, "./")
}
