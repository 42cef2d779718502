package store

import (
	"context"
	"fmt"
	"strings"
)

// Check reads and authenticates every byte of every file that the store is made of, and
// then reads every record, so that what the files say together is looked at too.
func (f *File) Check(ctx context.Context) error {
	s, err := f.acquire()
	if err != nil {
		return err
	}
	defer s.unref()
	if err := s.eng.fs.Check(f.path(tablesName), s.eng.leftOver); err != nil {
		return mapError(err)
	}
	if err := s.eng.db.CheckLevels(nil); err != nil {
		return fmt.Errorf("check: %w", mapError(err))
	}
	it, err := s.snap.NewIter(nil)
	if err != nil {
		return fmt.Errorf("check: %w", mapError(err))
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := it.ValueAndErr(); err != nil {
			return fmt.Errorf("check: %w", mapError(err))
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("check: %w", mapError(err))
	}
	return nil
}

// leftOver reports whether a table is none that Pebble uses: a crash may leave one half
// written, until Pebble removes it.
func (e *engine) leftOver(name string) bool {
	if !strings.HasSuffix(name, ".sst") {
		return false
	}
	levels, err := e.db.SSTables()
	if err != nil {
		return false
	}
	for _, tables := range levels {
		for _, t := range tables {
			if t.BackingSSTNum.String()+".sst" == name {
				return false
			}
		}
	}
	return true
}
