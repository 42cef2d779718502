package series

import (
	"context"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
)

// CheckBlock authenticates the blobs of a block by their marks, without the block's data key. What is not as it was written is
// seal.ErrCorrupt.
func CheckBlock(ctx context.Context, blobs blob.Store, marks secret.Bytes, b *Block) error {
	for _, f := range b.Files {
		if err := checkFile(ctx, blobs, marks, f); err != nil {
			return fmt.Errorf("block %s, %s: %w", b.Meta.ULID, f.Name, err)
		}
	}
	return nil
}

func checkFile(ctx context.Context, blobs blob.Store, marks secret.Bytes, f File) (err error) {
	var mark seal.Mark
	if len(f.Mark) != len(mark) {
		return fmt.Errorf("%w: no mark", seal.ErrCorrupt)
	}
	copy(mark[:], f.Mark)
	r, err := blobs.Get(ctx, f.Blob, 0, -1)
	if err != nil {
		return lost(err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return seal.CheckMark(r, marks, f.Blob, mark)
}
