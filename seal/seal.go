// Package seal is envelope encryption: it turns plaintext into bytes that only a
// usable key opens again.
//
// A data key comes from kms, over the same road as any caller's request, so that the
// key's policy, its grants, the encryption context and the audit record all apply.
// Under the data key a stream of any length is sealed in frames, each authenticated on
// its own, so that a range is read by opening only its frames; Bytes and OpenBytes
// seal a small record in one piece.
//
//	keys := seal.NewKeys(room.Inside("s3.amazonaws.com"))
//	dk, err := keys.Make(ctx, keyID, context)
//	sealer, err := seal.NewSealer(body, dk.Plaintext, aad)    // plaintext in, sealed bytes out
//	size, err := blobs.Put(ctx, name, sealer)
//
//	key, err := keys.Open(ctx, "", dk.Wrapped, context)
//	r, err := seal.OpenRange(source, size, off, n, key, aad)  // reads and opens only the frames of the range
//
// # What holds
//
//   - No byte is delivered before the frame it stands in is authenticated.
//   - A stream that was cut, continued, re-ordered, repeated or mixed with another does not
//     open; an empty stream is authenticated like any other.
//   - Associated data is bound: what was sealed with one aad does not open with another. It
//     is not stored. Give it what says where the bytes belong, such as a bucket and an id.
//   - Memory is constant: two frames a stream, from a pool.
//   - Wrong key, wrong aad and changed bytes are one error, ErrCorrupt.
//
// Two layers, as dual-layer server-side encryption asks, are a Sealer around a Sealer, and
// a Reader around a Reader, under two data keys.
//
// # Map
//
//	keys.go     data keys, from kms
//	context.go  the canonical form of an encryption context
//	stream.go   the format of a stream, drawn; its sizes; one frame sealed and opened
//	writer.go   Writer and Sealer: plaintext to stream
//	reader.go   Reader, ReaderAt and OpenRange: stream to plaintext
//	mark.go     marks: authentication without the data key
//	record.go   Bytes and OpenBytes: small records
package seal

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/secret"
)

// ErrCorrupt says that sealed bytes failed authentication: they were changed, or sealed
// under another key or with other associated data. Which of these is not to be told.
var ErrCorrupt = errors.New("sealed data failed authentication")

// DataKey is a fresh key and its wrapped form, which is what gets stored.
type DataKey struct {
	Plaintext secret.Bytes // 32 bytes
	Wrapped   []byte       // ciphertext of KMS; opens with Keys.Open under the same context
	KeyARN    string       // of the KMS key that wrapped it
}

// Keys makes and opens data keys. The errors are those of KMS, as *wire.Error.
// Calls may run together.
type Keys interface {
	// Make returns a fresh data key under the KMS key, bound to the encryption context.
	Make(ctx context.Context, keyID string, encryptionContext map[string]string) (DataKey, error)
	// Open unwraps a data key. keyID, if not "", must be the key that wrapped it.
	Open(ctx context.Context, keyID string, wrapped []byte, encryptionContext map[string]string) (secret.Bytes, error)
}
