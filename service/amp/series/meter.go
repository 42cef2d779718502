package series

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// ErrFetched says that a query fetched more than it may.
var ErrFetched = errors.New("the query hit the max")

// fetchedError is ErrFetched in the words of the limit.
type fetchedError string

func (e fetchedError) Error() string        { return string(e) }
func (e fetchedError) Is(target error) bool { return target == ErrFetched }

// Meter bounds what one query fetches from blocks. The newest samples, which are in memory, are not counted. Its methods may
// be called together.
type Meter struct {
	MaxChunks, MaxBytes int64 // 0 for any number
	chunks, bytes       atomic.Int64
}

// fetched counts a chunk.
func (m *Meter) fetched(size int) error {
	if n := m.chunks.Add(1); m.MaxChunks > 0 && n > m.MaxChunks {
		return fetchedError(fmt.Sprintf("the query hit the max number of chunks limit (limit: %d chunks)", m.MaxChunks))
	}
	if n := m.bytes.Add(int64(size)); m.MaxBytes > 0 && n > m.MaxBytes {
		return fetchedError(fmt.Sprintf("the query hit the aggregated data size limit (limit: %d bytes)", m.MaxBytes))
	}
	return nil
}

// MeteredQuerier is Querier for a query that m bounds: what is read of its series ends with ErrFetched.
func (db *DB) MeteredQuerier(mint, maxt int64, m *Meter) (storage.Querier, error) {
	return db.querier(mint, maxt, func(b tsdb.BlockReader, mint, maxt int64) (storage.Querier, error) {
		return newQuerier(&metered{b, m}, mint, maxt)
	})
}

// metered is a block whose chunks are counted.
type metered struct {
	tsdb.BlockReader
	meter *Meter
}

// Chunks returns a reader of the chunks.
func (b *metered) Chunks() (tsdb.ChunkReader, error) {
	r, err := b.BlockReader.Chunks()
	if err != nil {
		return nil, err
	}
	return &meteredChunks{r, b.meter}, nil
}

type meteredChunks struct {
	tsdb.ChunkReader
	meter *Meter
}

// ChunkOrIterable returns a chunk, and counts it.
func (r *meteredChunks) ChunkOrIterable(meta chunks.Meta) (chunkenc.Chunk, chunkenc.Iterable, error) {
	c, it, err := r.ChunkReader.ChunkOrIterable(meta)
	if err == nil && c != nil {
		err = r.meter.fetched(len(c.Bytes()))
	}
	return c, it, err
}
