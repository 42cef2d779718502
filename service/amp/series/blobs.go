package series

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
)

// maxOpenBlobs is how many blobs stay open after a query, in all stores together, until their store is maintained.
const maxOpenBlobs = 512

var openBlobs atomic.Int64

// mapAfter is how many reads a mapping of a blob has to save to be worth what it costs.
const mapAfter = 8

// blobReader reads a blob at random. It opens it with the first read, and maps it where that can be done when it is read
// again and again.
type blobReader struct {
	blobs blob.Store
	key   string

	mu   sync.Mutex
	open io.ReadCloser
	at   io.ReaderAt // of what is open
	uses int
	read int  // how often it was read since it was opened
	used bool // since it was last asked whether it was
	idle bool // to be closed with the last read
}

// ReadAt reads from the blob.
func (r *blobReader) ReadAt(p []byte, off int64) (int, error) {
	at, err := r.take()
	if err != nil {
		return 0, err
	}
	if at != nil {
		defer r.give()
		return at.ReadAt(p, off)
	}
	c, err := r.blobs.Get(context.Background(), r.key, off, int64(len(p)))
	if err != nil {
		return 0, lost(err)
	}
	n, err := io.ReadFull(c, p)
	return n, errors.Join(err, c.Close())
}

// lost says of a blob that is not there that the block is damaged.
func lost(err error) error {
	if errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("%w: %w", seal.ErrCorrupt, err)
	}
	return err
}

// take returns the open blob, or nil where the driver has no random reads.
func (r *blobReader) take() (io.ReaderAt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		c, err := r.blobs.Get(context.Background(), r.key, 0, -1)
		if err != nil {
			return nil, lost(err)
		}
		at, ok := c.(io.ReaderAt)
		if !ok {
			return nil, c.Close()
		}
		r.open, r.at, r.read = c, at, 0
		openBlobs.Add(1)
	}
	if r.read++; r.read == mapAfter {
		if m, ok := r.open.(blob.Mapper); ok {
			if mapped, err := m.Map(); err == nil {
				r.at = mapped
			}
		}
	}
	r.uses++
	r.used, r.idle = true, false
	return r.at, nil
}

func (r *blobReader) give() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.uses--; r.uses == 0 && r.idle {
		r.shut()
	}
}

func (r *blobReader) rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle = true; r.uses == 0 {
		r.shut()
	}
}

// tire closes the blob if it was not read since tire was last called.
func (r *blobReader) tire() {
	r.mu.Lock()
	used := r.used
	r.used = false
	r.mu.Unlock()
	if !used {
		r.rest()
	}
}

func (r *blobReader) shut() {
	if r.open != nil {
		_ = r.open.Close() // it was only read
		r.open, r.at = nil, nil
		openBlobs.Add(-1)
	}
}
