package store

import "time"

// What was written lately is in a table in memory, a list that each lookup walks from one cold place to the next, while a table on
// disk says by its filter that a record is not there. So when the writers come to rest, a table that holds much goes to disk.
const (
	restAfter   = 10 * time.Second
	restCommits = 100 // so many in restAfter still are rest
	restShare   = 4   // of the table, that must be full: small ones would be merged with all that is there again and again
)

// watchRest looks at the table in memory when nobody has written for a while. The caller holds w and has written.
func (f *File) watchRest() {
	if f.rest == nil {
		at := f.applied
		f.rest = time.AfterFunc(f.opts.restAfter, func() { f.rested(at) })
	}
}

// rested moves the table in memory to disk if there were few commits since one, or looks again later.
func (f *File) rested(at uint64) {
	f.w.Lock()
	defer f.w.Unlock()
	f.rest = nil
	switch {
	case f.closed || f.eng.fs.Err() != nil:
	case f.applied > at+restCommits:
		f.watchRest()
	case f.eng.db.Metrics().WAL.Size >= uint64(f.eng.memTable/restShare):
		if _, err := f.eng.db.AsyncFlush(); err != nil {
			f.eng.report("store cannot write in the background", err)
		}
	}
}
