// Package rootkey keeps the one key that everything a house stores hangs from.
//
// A house has one random 32-byte root key. It is never written down in the clear:
// the seal file holds it once per slot, wrapped under a key that only the slot's
// provider can give, much as LUKS does it. Any one slot opens the house; slots can be
// added and removed without touching anything that the root key protects.
//
//	provider    the slot's key is
//	file        derived from a key file that lies outside the data folder
//	passphrase  Argon2id of a passphrase (RFC 9106, second recommended parameters)
//	recovery    derived from a code of 160 random bits, shown once
//
// Another kind, such as a TPM or a PKCS#11 token, is one more Provider: it turns the
// parameters it recorded in its slot into the slot's key.
//
// # The seal file
//
// JSON, written by this package in exactly one way; a file that differs from what
// its own content would be written as is corrupt.
//
//	{
//	  "format":  "strongroom seal",
//	  "version": 1,
//	  "house":   16 random bytes, hex
//	  "next":    number of the next slot; never used twice
//	  "slots": [{
//	    "id":      number of the slot
//	    "kind":    "file", "passphrase", "recovery" ...
//	    "created": time, RFC 3339, UTC
//	    "params":  what the provider needs to find its key again, strings
//	    "wrapped": the root key, hex: nonce (12) | ciphertext (32) | tag (16)
//	  }],
//	  "mac": HMAC-SHA256 of the file with "mac" and "sum" empty, hex
//	  "sum": SHA-256 of the file with "sum" empty, hex
//	}
//
// A slot is AES-256-GCM under HKDF-SHA256(slot key, salt = house, info =
// "strongroom/v1/slot/" + kind). Its associated data is the house, a zero byte and the slot
// as JSON with "wrapped" empty, so that parameters cannot be weakened or moved. The sum
// finds damage before a passphrase is asked for; the mac, under a key derived from
// the root key, finds what somebody changed on purpose.
//
// # Purposes
//
// No two uses share a key. Wrap and Derive take the name of a purpose, written like a
// path, package first: "store/data-keys", "kms/domain-key/us-east-1". The key of a
// purpose is HKDF-SHA256(root key, no salt, info = "strongroom/v1/wrap/" + purpose, or
// "strongroom/v1/derive/" + purpose).
//
// Wrapped bytes are 0x01 | nonce (12) | ciphertext | tag (16): AES-256-GCM, random nonce,
// associated data = 0x01 | purpose.
package rootkey
