package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// commit is an update that fn has run for. Without a batch it wrote nothing, but its
// answer must wait until what it read is durable.
type commit struct {
	eng      *engine
	read     uint64 // revision of what fn saw
	batch    *pebble.Batch
	state    *snapshot // after it
	revision uint64    // its own
	changes  []Change
}

// Update runs fn under the writer's lock and waits outside it until the log is synced.
func (f *File) Update(ctx context.Context, id TxID, fn func(Tx) error) error {
	c, err := f.apply(ctx, id, fn)
	if c == nil {
		return err
	}
	if c.batch == nil {
		if werr := f.waitDurable(c.eng, c.read); werr != nil {
			return werr
		}
		return err
	}
	defer f.inflight.Done()
	return f.finish(c)
}

// apply runs fn and puts its writes into the log. Without a commit the error is the
// update's result; with one that has no batch, it is the result once the commit is durable.
func (f *File) apply(ctx context.Context, id TxID, fn func(Tx) error) (*commit, error) {
	f.w.Lock()
	defer f.w.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := f.ready(); err != nil {
		return nil, err
	}
	t := tx{reader: reader{src: f.eng.db, file: f, at: f.applied}}
	err := fn(&t)
	t.src = nil
	if err == nil {
		err = t.err
	}
	if err != nil || len(t.ops) == 0 && id == (TxID{}) {
		return &commit{eng: f.eng, read: f.applied}, err
	}
	if err := f.room(); err != nil {
		return nil, err
	}
	return f.log(&t, id)
}

// log writes the transaction to the log without waiting for the sync.
func (f *File) log(t *tx, id TxID) (*commit, error) {
	b := f.eng.db.NewBatchWithSize(3*t.bytes + 64*len(t.ops) + 256)
	revision, hist := f.applied+1, f.hist
	c := &commit{eng: f.eng, batch: b, revision: revision, changes: t.changes(revision)}
	if err := f.fill(b, t, id, revision, &hist); err != nil {
		_ = b.Close()
		return nil, mapError(err)
	}
	f.disk.wrote += int64(b.Len())
	err := f.eng.db.ApplyNoSyncWait(b, pebble.Sync)
	if err == nil {
		err = f.eng.fs.Err()
	}
	if err != nil {
		f.doubt(c, err)
		return nil, unknown(err)
	}
	f.applied, f.hist = revision, hist
	f.watchRest()
	c.state = f.eng.newSnapshot(revision)
	f.inflight.Add(1)
	f.pub.Lock()
	f.untold = append(f.untold, c)
	f.pub.Unlock()
	return c, nil
}

// fill puts everything that makes up a commit into its batch.
func (f *File) fill(b *pebble.Batch, t *tx, id TxID, revision uint64, hist *history) error {
	if err := t.fill(b); err != nil {
		return err
	}
	now := time.Now()
	if err := hist.add(b, revision, now, t.ops); err != nil {
		return err
	}
	if err := hist.prune(b, f.eng.db, revision, now, f.opts); err != nil {
		return err
	}
	return f.putOutcome(b, id, revision, now)
}

// finish waits until a commit is durable, shows it to views and tells the observers.
func (f *File) finish(c *commit) error {
	err := c.batch.SyncWait()
	if err == nil {
		// The sync may have been the first thing that a frozen file system dropped.
		err = c.eng.fs.Err()
	}
	if err != nil {
		f.doubt(c, err)
		return unknown(err)
	}
	f.publish(c.state, false)
	_ = c.batch.Close()
	f.tell()
	return nil
}

// tell tells the observers of the commits that views see, in their order: the caller's own, unless another has
// told of it before, and those that are durable with it.
func (f *File) tell() {
	f.telling.Lock()
	defer f.telling.Unlock()
	f.pub.Lock()
	defer f.pub.Unlock()
	for len(f.untold) > 0 && f.untold[0].revision <= f.published {
		c := f.untold[0]
		f.pub.Unlock()
		f.observe(c.changes)
		f.pub.Lock()
		f.told(c)
		f.durable.Broadcast()
	}
}

// told removes a commit from those that the observers have not been told of. The caller holds pub.
func (f *File) told(c *commit) {
	if i := slices.Index(f.untold, c); i >= 0 {
		f.untold = slices.Delete(f.untold, i, i+1)
	}
}

func unknown(cause error) error { return fmt.Errorf("%w: %w", ErrUnknown, mapError(cause)) }

// doubt notes a commit that may or may not be durable. Its engine takes no more.
func (f *File) doubt(c *commit, cause error) {
	c.eng.fs.Freeze(cause)
	f.pub.Lock()
	for _, change := range c.changes {
		f.doubtful = append(f.doubtful, Change{Key: change.Key})
	}
	f.told(c)
	f.durable.Broadcast()
	f.pub.Unlock()
	if c.state != nil {
		c.state.unref()
	}
}

// publish shows a state to views if it is newer than the one they see, or comes of a
// new engine. It takes over the caller's reference.
func (f *File) publish(s *snapshot, fresh bool) {
	f.pub.Lock()
	if s.revision > f.published || fresh {
		f.published = s.revision
		s = f.cur.Swap(s)
		f.announce()
	}
	f.pub.Unlock()
	if s != nil {
		s.unref()
	}
}

// announce wakes those who wait for news. The caller holds pub.
func (f *File) announce() {
	f.durable.Broadcast()
	if f.news != nil {
		close(f.news)
		f.news = nil
	}
}

// waitDurable waits until the state after a commit of eng is durable and the observers know of it. If that may
// never be, an update that read from it has not happened.
func (f *File) waitDurable(eng *engine, revision uint64) error {
	f.pub.Lock()
	defer f.pub.Unlock()
	for {
		// Revisions may be given out again by the engine that replaces a failed one.
		if err := eng.fs.Err(); err != nil {
			return fmt.Errorf("%w: what it read was not made durable: %w", ErrConflict, mapError(err))
		}
		if f.published >= revision && (len(f.untold) == 0 || f.untold[0].revision > revision) {
			return nil
		}
		f.durable.Wait()
	}
}

// ready makes sure that the engine takes writes, and replaces one that has failed.
func (f *File) ready() error {
	if f.closed {
		return ErrClosed
	}
	failed := f.eng.fs.Err()
	if failed == nil {
		return nil
	}
	if time.Now().Before(f.retry) {
		return fmt.Errorf("store stopped writing: %w", mapError(failed))
	}
	f.disk.checked = time.Time{}
	if err := f.disk.room(f.base, f.dir, f.opts.Reserve); err != nil {
		return err
	}
	f.inflight.Wait()
	old := f.eng
	if err := f.openTables(); err != nil {
		f.retry = time.Now().Add(time.Second)
		return err
	}
	old.unref()
	f.pub.Lock()
	doubtful := f.doubtful
	f.doubtful = nil
	f.pub.Unlock()
	f.observe(doubtful)
	f.opts.Log.Warn("store was opened anew after a failure", "error", failed)
	return nil
}

// room refuses a commit while the disk is nearly full or tables cannot be written:
// Pebble would take it and then wait for ever.
func (f *File) room() error {
	if err := f.eng.failing.Load(); err != nil {
		return fmt.Errorf("store cannot write: %w", mapError(*err))
	}
	return f.disk.room(f.base, f.dir, f.opts.Reserve)
}

// diskWatch remembers what it saw of the disk's free space.
type diskWatch struct {
	checked time.Time
	wrote   int64 // bytes since then
	err     error
}

// room returns ErrFull while less than reserve bytes are free. It looks again after a
// moment or a few megabytes.
func (d *diskWatch) room(base vfs.FS, dir string, reserve int64) error {
	if now := time.Now(); now.Sub(d.checked) > 100*time.Millisecond || d.wrote > reserve/16 {
		d.checked, d.wrote, d.err = now, 0, nil
		usage, err := base.GetDiskUsage(dir)
		if err == nil && usage.AvailBytes < uint64(reserve) {
			d.err = fmt.Errorf("%w: %d MiB are free and %d MiB are kept in reserve",
				ErrFull, usage.AvailBytes>>20, reserve>>20)
		}
	}
	return d.err
}

// outcomeDays is for how many days, after the day itself, outcomes are kept.
const outcomeDays = 2

func outcomeKey(day uint32, id TxID) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{spaceOutcome}, day), id[:]...)
}

func dayOf(t time.Time) uint32 { return uint32(t.Unix() / (24 * 60 * 60)) }

// putOutcome records that the update was committed, and drops old records once a day.
func (f *File) putOutcome(b *pebble.Batch, id TxID, revision uint64, now time.Time) error {
	if id == (TxID{}) {
		return nil
	}
	today := dayOf(now)
	if today != f.lastDay {
		f.lastDay = today
		from, to := []byte{spaceOutcome}, outcomeKey(today-outcomeDays, TxID{})
		if err := b.DeleteRange(from, to, nil); err != nil {
			return err
		}
	}
	return b.Set(outcomeKey(today, id), binary.BigEndian.AppendUint64(nil, revision), nil)
}

// Outcome reports whether the update with this id was committed. After ErrUnknown it
// first opens the store anew, as the next Update would.
func (f *File) Outcome(ctx context.Context, id TxID) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s, err := f.acquire()
	if err != nil {
		return false, err
	}
	if s.eng.fs.Err() != nil {
		s.unref()
		if err := f.renew(); err != nil {
			return false, err
		}
		if s, err = f.acquire(); err != nil {
			return false, err
		}
	}
	defer s.unref()
	today := dayOf(time.Now())
	for day := today - outcomeDays; day <= today; day++ {
		_, closer, err := s.snap.Get(outcomeKey(day, id))
		if err == nil {
			return true, closer.Close()
		}
		if !errors.Is(err, pebble.ErrNotFound) {
			return false, mapError(err)
		}
	}
	return false, nil
}

func (f *File) renew() error {
	f.w.Lock()
	defer f.w.Unlock()
	return f.ready()
}

type observer struct{ fn func(changes []Change) }

// Observe registers fn for what each commit changes.
func (f *File) Observe(fn func(changes []Change)) (stop func()) {
	o := &observer{fn}
	f.obs.Lock()
	defer f.obs.Unlock()
	all := append(slices.Clone(*f.observers.Load()), o)
	f.observers.Store(&all)
	return func() {
		f.obs.Lock()
		defer f.obs.Unlock()
		rest := slices.DeleteFunc(slices.Clone(*f.observers.Load()), func(x *observer) bool { return x == o })
		f.observers.Store(&rest)
	}
}

func (f *File) observe(changes []Change) {
	if len(changes) == 0 {
		return
	}
	for _, o := range *f.observers.Load() {
		o.fn(changes)
	}
}
