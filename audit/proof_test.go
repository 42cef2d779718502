package audit

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// TestProofOfWhatWasFound: each record that a lookup finds is proved by the public key alone, over closed segments
// and the open one, and nothing else is.
func TestProofOfWhatWasFound(t *testing.T) {
	dir := t.TempDir()
	for segment := range 3 {
		l := mustOpen(t, dir)
		for i := range 5 {
			mustAppend(t, l, entry(10*segment+i))
			other := entry(10*segment + i)
			other.Account = "444455556666"
			mustAppend(t, l, other)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := mustOpen(t, dir)
	defer l.Close()
	mustAppend(t, l, entry(99))
	all := lookup(t, l, Query{Account: acct, Region: entry(0).Region, Limit: 100})
	if len(all) != 16 {
		t.Fatalf("found %d records", len(all))
	}
	for i, f := range all {
		if want := uint64(15 - i); f.Index != want {
			t.Errorf("record %d is found at %d", want, f.Index)
		}
		p, err := l.ProveFound(&f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var read Proof
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		c, err := read.Check(l.Verifier())
		if err != nil || c.Account != acct || c.Size != 16 {
			t.Fatalf("record %d: %+v, %v", f.Index, c, err)
		}
		for name, change := range map[string]func(p *Proof){
			"record":     func(p *Proof) { p.Record = strings.Replace(p.Record, "{", "{ ", 1) },
			"index":      func(p *Proof) { p.Index ^= 1 },
			"path":       func(p *Proof) { p.Path[0][3] ^= 1 },
			"short path": func(p *Proof) { p.Path = p.Path[1:] },
			"long path":  func(p *Proof) { p.Path = append(p.Path, tlog.Hash{}) },
			"checkpoint": func(p *Proof) { p.Checkpoint = strings.Replace(p.Checkpoint, "16", "15", 1) },
			"size":       func(p *Proof) { p.Index = 16 },
		} {
			changed := read
			changed.Path = slices.Clone(read.Path)
			change(&changed)
			if _, err := changed.Check(l.Verifier()); !errors.Is(err, ErrCheckpoint) {
				t.Errorf("another %s: %v", name, err)
			}
		}
	}
	stranger := mustOpen(t, t.TempDir())
	defer stranger.Close()
	p, err := l.ProveFound(&all[0])
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := checkpointKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{key, "", "strongroom+x"} {
		if _, err := p.Check(key); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("the key %q: %v", key, err)
		}
	}
}

func FuzzProofCheck(f *testing.F) {
	signer, verifier, err := checkpointKey(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	var grown tree
	grown.grow(tlog.RecordHash([]byte("{}")), nil)
	checkpoint, err := (&Log{signer: signer}).sign(acct, grown)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("{}", uint64(0), []byte(nil), string(checkpoint))
	f.Add("{}", uint64(1)<<63, make([]byte, tlog.HashSize), "strongroom/audit/1\n1\nAAAA\n")
	f.Fuzz(func(t *testing.T, record string, index uint64, path []byte, text string) {
		p := Proof{Record: record, Index: index, Checkpoint: text}
		for ; len(path) >= tlog.HashSize; path = path[tlog.HashSize:] {
			p.Path = append(p.Path, tlog.Hash(path[:tlog.HashSize]))
		}
		if c, err := p.Check(verifier); err == nil && (record != "{}" || index != 0 || c.Size != 1) {
			t.Errorf("a proof of %q at %d of %d holds", record, index, c.Size)
		}
	})
}
