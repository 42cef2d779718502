// Package job runs background work and timers that survive a restart.
//
// A job is a record in its service's own part of the store, so it is scheduled in the
// same transaction as the change that asks for it: both happen or neither. A job runs
// at or after its time, at least once; its handler must bear running twice. When a
// handler fails the job is tried again, later each time, until it succeeds.
//
// Two records make a job; both live under a prefix that no service uses:
//
//	0x00 "job" 0x00 "j" kind 0x00 id              the job, as JSON
//	0x00 "job" 0x00 "t" due kind 0x00 id          its place in time; due is 8 bytes, big endian, Unix nanoseconds
package job

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/strongroom/strongroom/store"
)

const (
	jobPrefix  = "\x00job\x00j"
	timePrefix = "\x00job\x00t"
)

// Job is one piece of work at a time. Kind and ID together name it: scheduling the
// same name again moves the job.
type Job struct {
	Kind    string // which handler runs it; no zero byte
	ID      string // no zero byte; may be empty when there is one job of the kind
	Due     time.Time
	Payload []byte
	Attempt int // failed tries so far
}

// entry is what the store keeps of a job.
type entry struct {
	Due     int64  `json:"due"`
	Payload []byte `json:"payload,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	Serial  uint64 `json:"serial"` // tells a job that was scheduled anew while it ran
}

func jobKey(kind, id string) []byte {
	return []byte(jobPrefix + kind + "\x00" + id)
}

func timeKey(due int64, kind, id string) []byte {
	k := binary.BigEndian.AppendUint64([]byte(timePrefix), uint64(due))
	return append(k, kind+"\x00"+id...)
}

// parseTimeKey takes a time key apart.
func parseTimeKey(key []byte) (due int64, kind, id string, err error) {
	rest, ok := strings.CutPrefix(string(key), timePrefix)
	if !ok || len(rest) < 8 {
		return 0, "", "", fmt.Errorf("job: malformed key %q", key)
	}
	due = int64(binary.BigEndian.Uint64([]byte(rest[:8])))
	kind, id, ok = strings.Cut(rest[8:], "\x00")
	if !ok {
		return 0, "", "", fmt.Errorf("job: malformed key %q", key)
	}
	return due, kind, id, nil
}

// load reads a job's entry; found is false when there is none.
func load(r store.Reader, kind, id string) (e entry, found bool, err error) {
	value, err := r.Get(jobKey(kind, id))
	if errors.Is(err, store.ErrNotFound) {
		return e, false, nil
	}
	if err != nil {
		return e, false, fmt.Errorf("job %s %q: %w", kind, id, err)
	}
	if err := json.Unmarshal(value, &e); err != nil {
		return e, false, fmt.Errorf("job %s %q: %w", kind, id, err)
	}
	return e, true, nil
}

// save writes a job and its place in time, taking it from the place it had.
func save(tx store.Tx, kind, id string, old *entry, e entry) error {
	if old != nil && old.Due != e.Due {
		if err := tx.Delete(timeKey(old.Due, kind, id)); err != nil {
			return err
		}
	}
	value, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := tx.Put(jobKey(kind, id), value); err != nil {
		return err
	}
	return tx.Put(timeKey(e.Due, kind, id), nil)
}

// remove deletes both records of a job.
func remove(tx store.Tx, kind, id string, e entry) error {
	if err := tx.Delete(timeKey(e.Due, kind, id)); err != nil {
		return err
	}
	return tx.Delete(jobKey(kind, id))
}
