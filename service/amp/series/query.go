package series

import (
	"context"
	"errors"
	"math"
	"sync"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

var _ storage.Storage = (*DB)(nil)

// StartTime returns the time of the oldest sample, in milliseconds.
func (db *DB) StartTime() (int64, error) {
	t := db.head.Head().MinTime()
	db.mu.RLock()
	defer db.mu.RUnlock()
	for _, b := range db.blocks {
		t = min(t, b.info.Meta.MinTime)
	}
	if t == math.MaxInt64 {
		return 0, nil
	}
	return t, nil
}

// overlapping returns the blocks that have samples between two times, pinned: the caller lets each of them go. It is
// called after the head was looked at: whatever left the head since is in one of them.
func (db *DB) overlapping(mint, maxt int64) (list []*block) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	for _, b := range db.blocks {
		if b.overlaps(mint, maxt) {
			b.pin()
			list = append(list, b)
		}
	}
	return list
}

// Querier returns a querier over the head and the blocks.
func (db *DB) Querier(mint, maxt int64) (storage.Querier, error) {
	return db.querier(mint, maxt, newQuerier)
}

func (db *DB) querier(mint, maxt int64, one func(tsdb.BlockReader, int64, int64) (storage.Querier, error)) (storage.Querier, error) {
	all, err := collect(db, mint, maxt, db.head.Querier, one)
	if err != nil {
		return nil, err
	}
	return &querier{Querier: storage.NewMergeQuerier(all, nil, storage.ChainedSeriesMerge), db: db}, nil
}

// ChunkQuerier returns a querier of chunks over the head and the blocks.
func (db *DB) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	all, err := collect(db, mint, maxt, db.head.ChunkQuerier, newChunkQuerier)
	if err != nil {
		return nil, err
	}
	merge := storage.NewCompactingChunkSeriesMerger(storage.ChainedSeriesMerge)
	return &chunkQuerier{ChunkQuerier: storage.NewMergeChunkQuerier(all, nil, merge), db: db}, nil
}

// collect opens a querier of the head and one of each block.
func collect[Q interface{ Close() error }](db *DB, mint, maxt int64, head func(int64, int64) (Q, error), one func(tsdb.BlockReader, int64, int64) (Q, error)) (all []Q, err error) {
	if err := db.begin(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, q := range all {
				err = errors.Join(err, q.Close())
			}
			db.end()
		}
	}()
	q, err := head(mint, maxt)
	if err != nil {
		return nil, err
	}
	all = append(all, q)
	for _, b := range db.overlapping(mint, maxt) {
		if err == nil {
			if q, err = one(b, mint, maxt); err == nil {
				all = append(all, q)
			}
		}
		err = errors.Join(err, b.let())
	}
	return all, err
}

type querier struct {
	storage.Querier
	db   *DB
	once sync.Once
}

// Close ends the query.
func (q *querier) Close() error {
	err := q.Querier.Close()
	q.once.Do(q.db.end)
	return err
}

type chunkQuerier struct {
	storage.ChunkQuerier
	db   *DB
	once sync.Once
}

// Close ends the query.
func (q *chunkQuerier) Close() error {
	err := q.ChunkQuerier.Close()
	q.once.Do(q.db.end)
	return err
}

// ExemplarQuerier returns a querier of the exemplars that are kept.
func (db *DB) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	if err := db.begin(); err != nil {
		return nil, err
	}
	defer db.end()
	return db.head.ExemplarQuerier(ctx)
}
