// Package blob keeps large byte strings, streamed and durable.
//
// Names are random ids of ours, never names that a user chose, and the bytes arrive
// already sealed, so that no driver sees names or plaintext. The contract in this
// file holds for every driver and is tested by package blobtest.
package blob

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Sentinels that callers branch on with errors.Is.
var (
	// ErrNotFound says that no blob has the key.
	ErrNotFound = errors.New("blob not found")
	// ErrExists says that a blob with the key is there already; it was not touched.
	ErrExists = errors.New("blob exists")
	// ErrKey says that a key is not 1 to 128 characters of 0-9 a-z and single slashes between them.
	ErrKey = errors.New("blob key is malformed")
	// ErrRange says that a range begins beyond the end of a blob.
	ErrRange = errors.New("blob range is outside the blob")
)

// Info describes a stored blob.
type Info struct {
	Key      string
	Size     int64 // bytes
	Modified time.Time
}

// Store keeps blobs. All methods may be called together.
type Store interface {
	// Put stores all of r under key, never overwriting, and returns its size. When it
	// returns nil the blob is durable, name and bytes; on any error nothing is visible.
	Put(ctx context.Context, key string, r io.Reader) (size int64, err error)
	// Get returns n bytes from off, or all the rest when n is negative. The caller
	// closes the reader. The reader is also an io.ReaderAt where the driver can.
	Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error)
	// Stat returns what is known of a blob.
	Stat(ctx context.Context, key string) (Info, error)
	// Delete removes a blob durably; removing what is not there is no error.
	Delete(ctx context.Context, key string) error
	// List yields the blobs whose keys begin with prefix and sort after the key after, in key order.
	List(ctx context.Context, prefix, after string) iter.Seq2[Info, error]
}
