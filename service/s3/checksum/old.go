package checksum

import (
	"crypto/fips140"
	"crypto/md5"
	"crypto/sha1"
	"hash"
)

// NewMD5 returns the hash of ETags, of Content-MD5 and of the MD5 of customers' keys. The API
// asks for it; nothing rests on it but finding accidents.
func NewMD5() hash.Hash { return old(md5.New()) }

// newSHA1 returns one of the algorithms of the API, which finds accidents only as well.
func newSHA1() hash.Hash { return old(sha1.New()) }

// old lets a hash be used under GODEBUG=fips140=only, which is meant for cryptography and
// refuses MD5 and SHA-1 whatever they are for.
func old(h hash.Hash) hash.Hash {
	if !fips140.Enforced() {
		return h
	}
	return unenforced{h}
}

type unenforced struct{ hash.Hash }

func (u unenforced) Write(p []byte) (n int, err error) {
	fips140.WithoutEnforcement(func() { n, err = u.Hash.Write(p) })
	return n, err
}

func (u unenforced) Sum(b []byte) (sum []byte) {
	fips140.WithoutEnforcement(func() { sum = u.Hash.Sum(b) })
	return sum
}
