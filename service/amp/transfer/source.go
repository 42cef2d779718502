package transfer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// Source is samples to be moved. It serves one import at a time.
type Source struct {
	blocks     []tsdb.BlockReader
	mint, maxt int64 // of the samples; maxt included
	close      []func() error
}

var quiet = slog.New(slog.DiscardHandler)

// errNothing says that a source has no samples.
var errNothing = errors.New("there are no samples")

// OpenDirectory opens the data directory of a Prometheus that is stopped, or a snapshot of one that runs (its admin API makes
// them). It is only read. What stands in its log and in no block is brought into a block in the folder scratch.
func OpenDirectory(dir, scratch string) (_ *Source, err error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder: %w", dir, errors.Join(err, errNothing))
	}
	s := &Source{mint: math.MaxInt64, maxt: math.MinInt64}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.addBlocks(dir, scratch); err != nil {
		return nil, err
	}
	if segments, _ := os.ReadDir(filepath.Join(dir, "wal")); len(segments) > 0 {
		flushed := filepath.Join(scratch, "log")
		if err := os.MkdirAll(flushed, 0o700); err != nil {
			return nil, err
		}
		if err := flushLog(dir, scratch, flushed); err != nil {
			return nil, fmt.Errorf("log of %s: %w", dir, err)
		}
		if err := s.addBlocks(flushed, scratch); err != nil {
			return nil, err
		}
	}
	if len(s.blocks) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, errNothing)
	}
	return s, nil
}

func flushLog(dir, scratch, to string) (err error) {
	db, err := tsdb.OpenDBReadOnly(dir, scratch, quiet)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.FlushWAL(to)
}

func (s *Source) addBlocks(dir, scratch string) error {
	db, err := tsdb.OpenDBReadOnly(dir, scratch, quiet)
	if err != nil {
		return err
	}
	s.close = append(s.close, db.Close)
	blocks, err := db.Blocks()
	if err != nil {
		return fmt.Errorf("blocks of %s: %w", dir, err)
	}
	for _, b := range blocks {
		m := b.Meta()
		s.blocks = append(s.blocks, b)
		s.mint, s.maxt = min(s.mint, m.MinTime), max(s.maxt, m.MaxTime-1)
	}
	return nil
}

// Close lets the files of the source go.
func (s *Source) Close() error {
	var errs []error
	for _, fn := range s.close {
		errs = append(errs, fn())
	}
	return errors.Join(errs...)
}

// everything matches all series.
var everything = labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".*")

// between calls fn with each series that has samples from mint to maxt, both included.
func (s *Source) between(ctx context.Context, mint, maxt int64, fn func(storage.Series) error) (err error) {
	var all []storage.Querier
	defer func() {
		for _, q := range all {
			err = errors.Join(err, q.Close())
		}
	}()
	for _, b := range s.blocks {
		if m := b.Meta(); m.MinTime > maxt || m.MaxTime <= mint {
			continue
		}
		q, err := tsdb.NewBlockQuerier(b, mint, maxt)
		if err != nil {
			return err
		}
		all = append(all, q)
	}
	if len(all) == 0 {
		return nil
	}
	set := storage.NewMergeQuerier(all, nil, storage.ChainedSeriesMerge).Select(ctx, true, &storage.SelectHints{Start: mint, End: maxt}, everything)
	for set.Next() {
		if err := fn(set.At()); err != nil {
			return err
		}
	}
	return set.Err()
}
