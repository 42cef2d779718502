// Package store keeps ordered records in strictly serializable transactions.
//
// A record is a key and a value, both bytes; keys sort as bytes. Everything an
// engine writes to disk is encrypted and authenticated. The contract in this file
// holds for every engine and is tested by package storetest; the limits are the
// smaller of what all engines can do, and every engine enforces them.
package store

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Limits that every engine enforces with ErrLimit.
const (
	MaxKey      = 2 << 10   // bytes in a key (an S3 object's own key is up to 1 KiB, and stands behind its bucket's); the empty key is refused too
	MaxValue    = 256 << 10 // bytes in a value
	MaxTxWrites = 1000      // writes in a transaction
	MaxTxBytes  = 1 << 20   // bytes of keys and values written in a transaction
)

// Sentinels that callers branch on with errors.Is.
var (
	// ErrNotFound says that no record has the key.
	ErrNotFound = errors.New("record not found")
	// ErrConflict says that a transaction's retries are used up; nothing happened.
	ErrConflict = errors.New("transaction conflict")
	// ErrUnknown says that a transaction may or may not have happened; Outcome tells.
	ErrUnknown = errors.New("transaction outcome unknown")
	// ErrCorrupt says that stored bytes failed authentication. It is never retried and never skipped.
	ErrCorrupt = errors.New("store is corrupt")
	// ErrLimit says that a key, value or transaction is too large; nothing happened.
	ErrLimit = errors.New("store limit exceeded")
	// ErrLocked says that another process has the store open.
	ErrLocked = errors.New("store is in use by another process")
	// ErrFull says that the disk has too little room left to write; nothing happened.
	ErrFull = errors.New("store's disk is full")
	// ErrPruned says that changes after the revision that was asked for are no longer
	// kept, or that the store has never had that revision: begin again from what is there.
	ErrPruned = errors.New("changes are no longer kept")
	// ErrClosed says that the store has been closed.
	ErrClosed = errors.New("store is closed")
)

// TxID identifies an update so that its outcome can be asked for after ErrUnknown.
// The zero TxID asks for none.
type TxID [16]byte

// DB is a store of records. All methods may be called together.
type DB interface {
	// View calls fn with one snapshot that is no older than the last acknowledged
	// commit and never shows a commit that is not yet durable.
	View(ctx context.Context, fn func(Reader) error) error
	// Update calls fn in a strictly serializable transaction. It returns nil only
	// when the writes are durable; an error of fn is returned as it is and nothing is
	// written. fn may run more than once and must have no effect but its writes. An update that has
	// written nothing returns when what it has read is durable and all observers know of it.
	Update(ctx context.Context, id TxID, fn func(Tx) error) error
	// Outcome reports whether the update with this id was committed. Outcomes are
	// kept for at least a day.
	Outcome(ctx context.Context, id TxID) (committed bool, err error)
	// Watch yields the changes under prefix after revision rev (0 for all that is
	// still there), in commit order, at least once each, until ctx ends or the loop
	// breaks. Only durable changes are yielded.
	Watch(ctx context.Context, prefix []byte, rev uint64) iter.Seq2[Change, error]
	// Observe registers fn to be called with what each commit has changed, after the commit
	// is visible and before its Update returns, in the order of the commits. Of each, those that observe are
	// told one after the other, in the order in which they were registered. fn must be quick, must not
	// call the store, and must not change what it is given. It may keep the values. A revision of 0
	// says that the record may have changed and that its value is not known. stop unregisters it.
	Observe(fn func(changes []Change)) (stop func())
	// Backup writes a consistent copy of the whole store to w, encrypted and
	// authenticated like the store itself.
	Backup(ctx context.Context, w io.Writer) error
	// Erase makes sure that no value which an update under prefix has deleted or replaced before is
	// left in the store's own files when it returns nil. It reads and writes much, while
	// other transactions go on; a Watch may have to begin again. What was copied from the
	// files before, and what the disk keeps of removed files, it cannot reach.
	Erase(ctx context.Context, prefix []byte) error
	// Check reads and authenticates everything the store holds.
	Check(ctx context.Context) error
	// Close waits for running transactions and releases the store.
	Close() error
}

// Reader reads one snapshot. It is valid until the function it was given to
// returns, and serves one goroutine.
type Reader interface {
	// Get returns the value of key, or ErrNotFound. The slice belongs to the caller.
	Get(key []byte) ([]byte, error)
	// Scan yields the records of a range in order. The slices are valid until the next
	// iteration. After an error the iteration ends.
	Scan(r Range) iter.Seq2[Record, error]
	// Revision returns the revision of the last commit that the snapshot has.
	Revision() uint64
	// Told reports whether the observers have been told of all commits which the snapshot has and which changed a
	// key that touches is true for. A transaction's own writes are not told. touches must be quick.
	Told(touches func(key []byte) bool) bool
}

// Tx is a Reader that also writes. It sees its own writes.
type Tx interface {
	Reader
	// Put sets the value of key. It copies both slices. A limit that is exceeded makes
	// the transaction fail with ErrLimit.
	Put(key, value []byte) error
	// Delete removes key; removing what is not there is no error.
	Delete(key []byte) error
}

// Record is a key and its value.
type Record struct{ Key, Value []byte }

// Range selects the keys k with From <= k < To; a nil To has no upper end.
type Range struct {
	From, To []byte
	Limit    int  // most records to yield; 0 for no limit
	Reverse  bool // from the greatest key to the least
	KeysOnly bool // values are left nil
}

// Change is one record as a commit left it.
type Change struct {
	Revision uint64 // of the commit, ascending
	Key      []byte
	Value    []byte // nil when Deleted
	Deleted  bool
}

// Prefix returns the range of all keys that begin with p.
func Prefix(p []byte) Range { return Range{From: p, To: PrefixEnd(p)} }

// PrefixEnd returns the least key greater than every key that begins with p, or nil
// if there is none.
func PrefixEnd(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			end := append([]byte(nil), p[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}
