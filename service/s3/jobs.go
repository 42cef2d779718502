package s3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
)

// The sweeper erases what no record names any more: trash whose time has come, and blobs
// whose note is old, because their writer died. It is a job that schedules itself again.
// All it does may be done twice.
const (
	sweepKind  = "s3 sweep"
	sweepEvery = time.Minute
	orphanAge  = time.Hour // of a note that no writer of this process holds
	sweepBatch = 500       // entries a run takes before it writes down that they are done
)

// startSweeping schedules the sweeper, if it is not.
func (s *Service) startSweeping(ctx context.Context) error {
	s.jobs.Handle(sweepKind, s.runSweeper)
	return s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		if _, found, err := s.jobs.Get(tx, sweepKind, ""); err != nil || found {
			return err
		}
		return s.jobs.Schedule(tx, job.Job{Kind: sweepKind, Due: s.now().Add(sweepEvery)})
	})
}

// runSweeper does one round and schedules the next.
func (s *Service) runSweeper(ctx context.Context, _ job.Job) error {
	more, err := s.sweep(ctx)
	if err != nil {
		return err // the queue tries again, later each time
	}
	next := s.now().Add(sweepEvery)
	if more {
		next = s.now()
	}
	return s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		return s.jobs.Schedule(tx, job.Job{Kind: sweepKind, Due: next})
	})
}

// sweep does one round. more says that there is work left that is due already.
func (s *Service) sweep(ctx context.Context) (more bool, err error) {
	moreTrash, err := s.sweepTrash(ctx)
	moreNotes, err2 := s.sweepNotes(ctx)
	return moreTrash || moreNotes, errors.Join(err, err2)
}

// keys reads the first keys of a range.
func (s *Service) keysOf(ctx context.Context, r store.Range) (keys [][]byte, err error) {
	r.KeysOnly, r.Limit = true, sweepBatch
	err = s.db.View(ctx, func(rd store.Reader) error {
		keys = nil
		for rec, err := range rd.Scan(r) {
			if err != nil {
				return err
			}
			keys = append(keys, append([]byte(nil), rec.Key...))
		}
		return nil
	})
	return keys, err
}

// remove deletes records, in as many transactions as it takes.
func (s *Service) remove(ctx context.Context, keys [][]byte) error {
	for len(keys) > 0 {
		n := min(len(keys), sweepBatch)
		err := s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
			for _, k := range keys[:n] {
				if err := tx.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// sweepTrash erases trash that is due.
func (s *Service) sweepTrash(ctx context.Context) (more bool, err error) {
	due := fmt.Sprintf("%s%016x", trashPrefix, s.now().UnixMilli()+1)
	keys, err := s.keysOf(ctx, store.Range{From: []byte(trashPrefix), To: []byte(due)})
	if err != nil {
		return false, err
	}
	var done [][]byte
	var failed error
	for _, key := range keys {
		_, kind, what, err := splitTrashKey(key)
		if err == nil {
			err = s.erase(ctx, kind, what)
		}
		switch {
		case errors.Is(err, errBusy):
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("erase %c %s: %w", kind, what, err))
		default:
			done = append(done, key)
		}
	}
	return len(keys) == sweepBatch && len(done) > 0, errors.Join(failed, s.remove(ctx, done))
}

// errBusy says that trash is still being read.
var errBusy = errors.New("still in use")

// erase erases what a piece of trash stands for.
func (s *Service) erase(ctx context.Context, kind byte, what string) error {
	if kind == trashUploads {
		return s.eraseUploads(ctx, what)
	}
	number, err := parseID(what)
	if err != nil {
		return err
	}
	if s.pieces.busy(number) {
		return errBusy
	}
	switch kind {
	case trashBlob:
		return s.blobs.Delete(ctx, number.blobKey())
	case trashManifest:
		return s.eraseManifest(ctx, number)
	case trashUpload:
		return s.eraseParts(ctx, number)
	case trashCompleted:
		return s.remove(ctx, [][]byte{completedKey(number)})
	}
	return errors.New("unknown kind of trash")
}

// manifest reads all segments of a manifest; none when it is gone.
func (s *Service) manifest(ctx context.Context, number id) (list []segment, keys [][]byte, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		list, keys = nil, nil
		for rec, err := range r.Scan(store.Prefix(manifestPrefix(number))) {
			if err != nil {
				return err
			}
			chunk, err := unpackChunk(rec.Value)
			if err != nil {
				return err
			}
			list = append(list, chunk...)
			keys = append(keys, append([]byte(nil), rec.Key...))
		}
		return nil
	})
	return list, keys, err
}

// eraseManifest erases an object in parts. The manifest goes last, so that a sweep that
// broke off finds the rest again.
func (s *Service) eraseManifest(ctx context.Context, number id) error {
	list, keys, err := s.manifest(ctx, number)
	if err != nil {
		return err
	}
	var inline [][]byte
	for i := range list {
		if list[i].Piece.Inline {
			inline = append(inline, inlineKey(list[i].Piece.ID))
		} else if err := s.blobs.Delete(ctx, list[i].Piece.ID.blobKey()); err != nil {
			return err
		}
	}
	if err := s.remove(ctx, inline); err != nil {
		return err
	}
	return s.remove(ctx, keys)
}

// eraseParts erases the part records of an upload that is over, and the pieces that did
// not become part of an object.
func (s *Service) eraseParts(ctx context.Context, number id) error {
	list, _, err := s.manifest(ctx, number)
	if err != nil {
		return err
	}
	kept := make(map[id]bool, len(list))
	for i := range list {
		kept[list[i].Piece.ID] = true
	}
	var have []part
	if err := s.db.View(ctx, func(r store.Reader) (err error) {
		have, err = parts(r, number, 0, 0)
		return err
	}); err != nil {
		return err
	}
	var gone [][]byte
	for i := range have {
		p := &have[i].Piece
		switch {
		case kept[p.ID]:
		case p.Inline:
			gone = append(gone, inlineKey(p.ID))
		default:
			if err := s.blobs.Delete(ctx, p.ID.blobKey()); err != nil {
				return err
			}
		}
		gone = append(gone, partKey(number, have[i].Number))
	}
	return s.remove(ctx, gone)
}

// eraseUploads ends the uploads of a bucket that is gone.
func (s *Service) eraseUploads(ctx context.Context, bucket string) error {
	prefix := uploadsPrefix(bucket)
	for {
		keys, err := s.keysOf(ctx, store.Prefix([]byte(prefix)))
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, key := range keys {
			_, upload, err := splitUploadKey(string(key[len(prefix):]))
			if err != nil {
				return err
			}
			if err := s.eraseParts(ctx, upload); err != nil {
				return err
			}
		}
		if err := s.remove(ctx, keys); err != nil {
			return err
		}
	}
}

// sweepNotes erases blobs whose writer left nothing but a note.
func (s *Service) sweepNotes(ctx context.Context) (more bool, err error) {
	keys, err := s.keysOf(ctx, store.Prefix([]byte(pendingPrefix)))
	if err != nil {
		return false, err
	}
	old := s.now().Add(-orphanAge)
	var done [][]byte
	for _, key := range keys {
		number, err := parseID(string(key[len(pendingPrefix):]))
		if err != nil {
			return false, err
		}
		if number.made().After(old) {
			break // they stand in the order they were made
		}
		if s.pieces.busy(number) {
			continue
		}
		claimed, err := s.claim(ctx, number)
		if err != nil {
			return false, err
		}
		if claimed {
			done = append(done, key)
		}
	}
	return len(done) == sweepBatch, nil
}

// claim takes an old note away and puts its blob in the trash, in one transaction: from
// then on nobody can name the piece, and only then may it be erased.
func (s *Service) claim(ctx context.Context, number id) (claimed bool, err error) {
	err = s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		claimed = false
		if _, err := tx.Get(pendingKey(number)); err != nil {
			return known(err, nil)
		}
		claimed = true
		if err := tx.Delete(pendingKey(number)); err != nil {
			return err
		}
		return tx.Put(trashKey(s.now(), trashBlob, number.String()), nil)
	})
	return claimed, err
}
