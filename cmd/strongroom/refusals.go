package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/rootkey"
)

// refusalsName is the file in a data directory that remembers what was refused while the house was sealed.
const refusalsName = "refusals.json"

// maxRefusals is the most that is read of a file of that name.
const maxRefusals = 4 << 10

// refusals are attempts to open a house that failed. The keys of the audit log lie under the root key, so that nothing
// can be written there at that moment: they are counted in a file, which stays small however many there are, and go to the
// log when it is next open. The file holds no secret and nothing that was given, and nothing vouches for it.
type refusals struct {
	First time.Time         `json:"first"`
	Last  time.Time         `json:"last"`
	Of    map[string]uint64 `json:"of"` // how many of passphrase, recovery code, PIN and configuration
}

// refusing guards the file against the control socket's handlers; other processes are kept out by the lock of the data directory.
var refusing sync.Mutex

// note counts one more attempt, with what it was made.
func (r *refusals) note(by string, now time.Time) {
	if r.First.IsZero() {
		r.First = now
	}
	if r.Last = now; r.Of == nil {
		r.Of = map[string]uint64{}
	}
	if r.Of[by] < math.MaxUint64 {
		r.Of[by]++
	}
}

// parameters are the refusals as a record has them.
func (r *refusals) parameters() map[string]string {
	p := map[string]string{"first": r.First.Format(time.RFC3339), "last": r.Last.Format(time.RFC3339)}
	total := uint64(0)
	for _, by := range []string{byPassphrase, byRecovery, byPIN, byConfiguration} {
		if n := r.Of[by]; n > 0 {
			p[by] = strconv.FormatUint(n, 10)
			total += min(n, math.MaxUint64-total)
		}
	}
	p["attempts"] = strconv.FormatUint(total, 10)
	return p
}

// readRefusals reads the file at path. One that is not there is fs.ErrNotExist.
func readRefusals(path string) (*refusals, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRefusals))
	if err != nil {
		return nil, err
	}
	r := &refusals{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// noteRefusal remembers, durably, that something failed to open the house. The data directory is locked.
func (c *config) noteRefusal(by string) error {
	refusing.Lock()
	defer refusing.Unlock()
	r, err := readRefusals(c.path(refusalsName))
	if err != nil {
		r = &refusals{} // there is none, or somebody has spoilt it: the next one counts all the same
	}
	r.note(by, time.Now().UTC().Truncate(time.Second))
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return durable.WriteFile(c.path(refusalsName), text, 0o600)
}

// noted remembers where err says that the wrong key was tried, and returns err.
func (c *config) noted(by string, err error) error {
	if !errors.Is(err, rootkey.ErrWrongKey) {
		return err
	}
	if failed := c.noteRefusal(by); failed != nil {
		return fmt.Errorf("%w (and no note of it could be kept for the audit log: %w)", err, failed)
	}
	return err
}

// recordRefusals moves what has been refused to the audit log. A crash in between may leave it there twice, never not at all.
func (h *house) recordRefusals(ctx context.Context) error {
	refusing.Lock()
	defer refusing.Unlock()
	path := h.cfg.path(refusalsName)
	r, err := readRefusals(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	parameters := map[string]string{"attempts": "unknown: the note of them is damaged"}
	if err == nil {
		parameters = r.parameters()
	}
	if err := h.record(ctx, "RefuseUnseal", "", parameters); err != nil {
		return err
	}
	return durable.Remove(path)
}
