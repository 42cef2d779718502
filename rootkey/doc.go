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
//	tpm         random, sealed by a TPM 2.0; package rootkey/tpm
//	pkcs11      random, encrypted by a key in a PKCS#11 token; package rootkey/token
//
// Another kind is one more Provider: it turns the parameters it recorded in its slot into
// the slot's key.
//
// # The seal file
//
// JSON, written by this package in exactly one way; a file that differs from what
// its own content would be written as is corrupt.
//
//	{
//	  "format":  "strongroom seal",
//	  "version": 2,
//	  "house":   16 random bytes, hex
//	  "next":    number of the next slot; never used twice
//	  "slots": [{
//	    "id":      number of the slot
//	    "kind":    "file", "passphrase", "recovery" ...
//	    "created": time, RFC 3339, UTC
//	    "params":  what the provider needs to find its key again, strings
//	    "wrapped": the root key, hex: nonce (12) | ciphertext (32) | tag (16)
//	  }],
//	  "ring":    the ring, hex: nonce (12) | ciphertext | tag (16)
//	  "rewrapped": nothing is wrapped under an older generation than this
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
// # The ring
//
// The root key wraps nothing but the ring, so that it can be replaced by one write of this
// file. The ring is
//
//	the secret that Derive derives from (32) | wrapping key of generation 1 (32) | 2 (32) ...
//
// AES-256-GCM under HKDF-SHA256(root key, salt = house, info = "strongroom/v1/ring"); its associated
// data is the house, a zero byte and "ring".
//
// A rotation makes a new root key, new slots and a new wrapping key. Everything that lies
// directly under a wrapping key is then wrapped again under the newest; until that is
// finished "rewrapped" is less than the newest generation, and a rotation that was
// interrupted can be taken up again at any point, because every generation opens. Older generations stay in
// the ring for ever: the ring is sealed under the new root key, so that they tell nothing to whoever
// has only the old one, and nothing that was overlooked, or comes back from somewhere, is lost.
//
// What is derived cannot be wrapped again: it signs checkpoints of the audit log that others hold, and
// page tokens and session tokens that clients hold. So the secret behind Derive is the
// house's own and stays the same for its life; a rotation puts it under the new root key.
//
// A file of version 1 has neither "ring" nor "rewrapped": its root key is both the
// secret behind Derive and the wrapping key of generation 1. Its first rotation puts it into a ring as such.
//
// # Purposes
//
// No two uses share a key. Wrap and Derive take the name of a purpose, written like a
// path, package first: "store/data-keys", "kms/domain-key/us-east-1". The key of a
// purpose is HKDF-SHA256(wrapping key, no salt, info = "strongroom/v1/wrap/" + purpose), or
// HKDF-SHA256(secret, no salt, info = "strongroom/v1/derive/" + purpose).
//
// Wrapped bytes are generation (1) | nonce (12) | ciphertext | tag (16): AES-256-GCM, random nonce,
// associated data = generation | purpose.
//
// Who wraps under the root key must also wrap again when it is rotated: see the list in
// rotate_test.go of cmd/strongroom, which a test compares with the source.
package rootkey
