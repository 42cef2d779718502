package audit

import (
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what a checkpoint says: how many records an account had, and the head of its tree.
type Checkpoint struct {
	Account string
	Size    uint64
	Head    tlog.Hash
}

// ReadCheckpoint verifies the signature of a checkpoint with the house's public key, as Log.Verifier
// returns it, and returns what it says. The error wraps ErrCheckpoint.
func ReadCheckpoint(text []byte, verifier string) (c Checkpoint, err error) {
	c.Account, c.Size, c.Head, err = openCheckpoint(text, verifier)
	return c, err
}

// Proof says of one record that it is in the log of its account: a path of the Merkle tree
// (RFC 6962 section 2.1.1) from the record to the head that a checkpoint signs. It is all that
// somebody needs who has the house's public key and nothing else.
type Proof struct {
	Record     string      `json:"record"` // the record's JSON, each byte of it
	Index      uint64      `json:"index"`  // of the record among those of its account, from 0
	Path       []tlog.Hash `json:"path"`
	Checkpoint string      `json:"checkpoint"`
}

// ProveFound returns the proof that a record which a lookup found is in the log, against a
// checkpoint of this moment.
func (l *Log) ProveFound(f *Found) (*Proof, error) {
	t := l.tree(f.Account)
	path, err := l.Prove(f.Account, t.size, f.Index)
	if err != nil {
		return nil, err
	}
	checkpoint, err := l.sign(f.Account, t)
	if err != nil {
		return nil, err
	}
	return &Proof{Record: string(f.JSON), Index: f.Index, Path: path, Checkpoint: string(checkpoint)}, nil
}

func (l *Log) sign(account string, t tree) ([]byte, error) {
	return note.Sign(&note.Note{Text: checkpointText(account, t.size, t.root())}, l.signer)
}

// maxPath is the longest path there can be: one hash for each bit of a tree's size.
const maxPath = 64

// Check verifies the proof with the house's public key, as Log.Verifier returns it, and returns
// the checkpoint that the record is under. It takes nothing from the house. The error wraps ErrCheckpoint.
func (p *Proof) Check(verifier string) (Checkpoint, error) {
	c, err := ReadCheckpoint([]byte(p.Checkpoint), verifier)
	if err != nil {
		return c, err
	}
	if p.Index >= c.Size || c.Size > 1<<62 || len(p.Path) > maxPath {
		return c, fmt.Errorf("%w: there is no record %d of %d", ErrCheckpoint, p.Index, c.Size)
	}
	if err := tlog.CheckRecord(p.Path, int64(c.Size), c.Head, int64(p.Index), tlog.RecordHash([]byte(p.Record))); err != nil {
		return c, fmt.Errorf("%w: the record is not the one that the log has at %d: %w", ErrCheckpoint, p.Index, err)
	}
	return c, nil
}
