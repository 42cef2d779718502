package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"strings"
)

// Unpack returns the files of a .tar.gz under the limits and rules of a bundle, sorted by name, whatever they are. It
// reads at most MaxPacked bytes and one more. An error of the reader itself comes back as it is, any other is an *Error.
func Unpack(archive io.Reader) ([]File, error) { return unpack(archive) }

// Pack makes a .tar.gz of files: of the same ones always the same bytes. Files that Unpack would refuse are an *Error.
func Pack(files []File) ([]byte, error) {
	sorted := slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	tw := tar.NewWriter(zw)
	for _, f := range sorted {
		mode := int64(0o644)
		if f.Exec {
			mode = 0o755
		}
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Mode: mode, Size: int64(len(f.Data))}); err != nil {
			return nil, &Error{File: shown(f.Name), Reason: "the name does not fit into an archive"}
		}
		if _, err := tw.Write(f.Data); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	_, err := unpack(bytes.NewReader(b.Bytes()))
	return b.Bytes(), err
}
