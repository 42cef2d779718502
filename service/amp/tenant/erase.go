package tenant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/service/amp/series"
	"github.com/strongroom/strongroom/store"
)

// errDeleted is why a workspace that is deleted is closed.
var errDeleted = errors.New("workspace is deleted")

// errHeld says that a workspace cannot be erased at present.
var errHeld = errors.New("a backup is under way, and copies the logs of workspaces")

// Erase removes all that is kept of a workspace: its log, its blobs, and what stands under its Prefix in the store. The directory
// must no longer know it. It needs no key, and may be called again after a crash.
func (ts *Tenants) Erase(ctx context.Context, id ID) error {
	ts.Shut(id, errDeleted)
	folder, err := ts.folder()
	if err != nil {
		return err
	}
	if !ts.hold.TryRLock() {
		return errHeld
	}
	defer ts.hold.RUnlock()
	if err := durable.RemoveAll(filepath.Join(folder, id.Workspace)); err != nil {
		return err
	}
	for {
		keys, blobs, err := ts.remains(ctx, id)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, name := range blobs {
			if err := ts.opts.Blobs.Delete(ctx, name); err != nil && !errors.Is(err, blob.ErrNotFound) {
				return err
			}
		}
		err = ts.opts.Store.Update(ctx, store.TxID{}, func(tx store.Tx) error {
			for _, k := range keys {
				if err := tx.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// remains returns some of the keys of a workspace, and the blobs that they name.
func (ts *Tenants) remains(ctx context.Context, id ID) (keys [][]byte, blobs []string, err error) {
	err = ts.opts.Store.View(ctx, func(r store.Reader) error {
		keys, blobs = nil, nil
		scan := store.Prefix(Prefix(id))
		scan.Limit = 500
		for rec, err := range r.Scan(scan) {
			if err != nil {
				return err
			}
			keys = append(keys, bytes.Clone(rec.Key))
			named, err := blobsOf(bytes.TrimPrefix(rec.Key, scan.From), rec.Value)
			if err != nil {
				return err
			}
			blobs = append(blobs, named...)
		}
		return nil
	})
	return keys, blobs, err
}

// blobsOf returns the blobs that a record of a workspace names.
func blobsOf(name, value []byte) ([]string, error) {
	word, rest, _ := bytes.Cut(name, []byte(sep))
	switch string(word) {
	case "pending":
		return []string{string(rest)}, nil
	case "block":
		var b series.Block
		err := json.Unmarshal(value, &b)
		var list []string
		for _, f := range b.Files {
			list = append(list, f.Blob)
		}
		return list, err
	case "doc":
		var d document
		if err := json.Unmarshal(value, &d); err != nil || d.Blob == "" {
			return nil, err
		}
		return []string{d.Blob}, nil
	}
	return nil, nil
}
