//go:build !unix

package blob

import (
	"errors"
	"os"
)

var errNotMapped = errors.New("blobs are not mapped on this system")

func mapFile(*os.File, int64) ([]byte, error) { return nil, errNotMapped }

func unmap([]byte) error { return nil }
