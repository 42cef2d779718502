package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func TestCheckpointsProveNothingWasTakenOut(t *testing.T) {
	dir := t.TempDir()
	var checkpoints [][]byte
	for i := range 9 {
		l := mustOpen(t, dir)
		mustAppend(t, l, entry(i))
		mustAppend(t, l, entry(i+100))
		c, err := l.Checkpoint(acct)
		if err != nil {
			t.Fatal(err)
		}
		checkpoints = append(checkpoints, c)
		for _, c := range checkpoints {
			if err := l.Verify(c); err != nil {
				t.Fatal(err)
			}
		}
		size := l.tree(acct).size
		for index := range size {
			proof, err := l.Prove(acct, size, index)
			if err != nil {
				t.Fatal(err)
			}
			which := int(index / 2)
			if index%2 == 1 {
				which += 100
			}
			tree := l.tree(acct)
			if err := tlog.CheckRecord(proof, int64(size), tree.root(), int64(index), tlog.RecordHash(entry(which).JSON)); err != nil {
				t.Fatalf("record %d of %d: %v", index, size, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Whoever takes the newest segment away leaves a log that reads well, and a checkpoint that it does not hold.
	if err := errors.Join(os.Remove(segmentPath(dir, 9)), os.Remove(summaryPath(dir, 9))); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, dir)
	if err := l.Check(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Verify(checkpoints[8]); !errors.Is(err, ErrCheckpoint) {
		t.Fatalf("Verify: %v", err)
	}
	mustAppend(t, l, entry(7))
	mustAppend(t, l, entry(8))
	if err := l.Verify(checkpoints[8]); !errors.Is(err, ErrCheckpoint) {
		t.Fatalf("Verify of a rewritten log: %v", err)
	}
	forged := bytes.Replace(checkpoints[7], []byte("\n16\n"), []byte("\n15\n"), 1)
	if err := l.Verify(forged); !errors.Is(err, ErrCheckpoint) {
		t.Fatalf("Verify of a forged checkpoint: %v", err)
	}
}

func TestTreeMatchesTlog(t *testing.T) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		got := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			got[i] = stored[x]
		}
		return got, nil
	})
	var grown tree
	for n := range int64(200) {
		stored = grown.grow(tlog.RecordHash(fmt.Append(nil, n)), stored)
		want, err := tlog.TreeHash(n+1, reader)
		if err != nil {
			t.Fatal(err)
		}
		if grown.root() != want {
			t.Fatalf("size %d: head differs", n+1)
		}
	}
}
