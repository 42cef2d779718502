package blob

import (
	"context"
	"errors"
	"io"
)

// Check reads every blob of a store to its end. tell is called after each. What a driver
// knows to be damaged is an error, and names the blob.
func Check(ctx context.Context, s Store, tell func(Info)) error {
	for info, err := range s.List(ctx, "", "") {
		if err != nil {
			return err
		}
		r, err := s.Get(ctx, info.Key, 0, -1)
		if errors.Is(err, ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		tell(info)
	}
	return nil
}
