package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"hash"
	"sync"

	"github.com/strongroom/strongroom/secret"
)

// signingKey is a derived key, ready for use. Its methods may run together.
type signingKey struct {
	name        keyName
	fingerprint [32]byte  // SHA-256 of the secret access key it was derived from
	macs        sync.Pool // of hash.Hash, an HMAC under this key

	newer, older *signingKey // in keyCache's list
}

// keyName is what, beside the secret, a signing key depends on, and whose it is.
type keyName struct {
	accessKeyID string
	scope       Scope
}

// derive makes the signing key of a secret and a scope.
func derive(name keyName, secretKey secret.Bytes) *signingKey {
	seed := make([]byte, 0, 4+secretKey.Len())
	seed = append(append(seed, "AWS4"...), secretKey.Reveal()...)
	key := seed
	for _, part := range [...]string{name.scope.Date, name.scope.Region, name.scope.Service, terminator} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		clear(key)
		key = mac.Sum(nil)
	}
	k := &signingKey{name: name, fingerprint: sha256.Sum256(secretKey.Reveal())}
	first := hmac.New(sha256.New, key)
	k.macs.Put(first)
	k.macs.New = func() any { return hmac.New(sha256.New, key) }
	return k
}

// sign writes the hexadecimal HMAC of text into out.
func (k *signingKey) sign(s *scratch, text []byte) {
	mac := k.macs.Get().(hash.Hash)
	mac.Reset()
	mac.Write(text)
	mac.Sum(s.sum[:0])
	k.macs.Put(mac)
	const digits = "0123456789abcdef"
	for i, b := range s.sum {
		s.hex[2*i], s.hex[2*i+1] = digits[b>>4], digits[b&15]
	}
}

// keyCache keeps the signing keys used last. An entry serves only for the secret it was derived from, which the
// caller always asks for anew.
type keyCache struct {
	limit int

	mu     sync.Mutex
	keys   map[keyName]*signingKey
	newest *signingKey
	oldest *signingKey
}

func newKeyCache(limit int) *keyCache {
	return &keyCache{limit: limit, keys: make(map[keyName]*signingKey)}
}

// get returns the cached key of name and secret, or nil. A key of another secret is dropped: that secret is no more.
func (c *keyCache) get(name keyName, secretKey secret.Bytes) *signingKey {
	fingerprint := sha256.Sum256(secretKey.Reveal())
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.keys[name]
	if k == nil {
		return nil
	}
	c.unlink(k)
	if subtle.ConstantTimeCompare(k.fingerprint[:], fingerprint[:]) != 1 {
		delete(c.keys, name)
		return nil
	}
	c.push(k)
	return k
}

// put adds a key and drops the one that has not been used for longest.
func (c *keyCache) put(k *signingKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.keys[k.name]; old != nil {
		c.unlink(old)
	} else if len(c.keys) >= c.limit {
		delete(c.keys, c.oldest.name)
		c.unlink(c.oldest)
	}
	c.keys[k.name] = k
	c.push(k)
}

// push makes k the newest. It must not be in the list.
func (c *keyCache) push(k *signingKey) {
	k.older, k.newer = c.newest, nil
	if c.newest != nil {
		c.newest.newer = k
	}
	c.newest = k
	if c.oldest == nil {
		c.oldest = k
	}
}

// unlink takes k out of the list.
func (c *keyCache) unlink(k *signingKey) {
	if k.newer != nil {
		k.newer.older = k.older
	} else {
		c.newest = k.older
	}
	if k.older != nil {
		k.older.newer = k.newer
	} else {
		c.oldest = k.newer
	}
	k.newer, k.older = nil, nil
}
