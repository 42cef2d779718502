package seal

import (
	"errors"
	"fmt"
	"io"

	"github.com/strongroom/strongroom/secret"
)

// Reader gives the plaintext of a stream, or of a range of one. It serves one goroutine.
type Reader struct {
	r     io.Reader
	c     io.Closer // nil when the source is not ours to close
	s     *stream
	in    *buffer
	n     int // bytes in in
	out   *buffer
	ready []byte // of out, not yet given
	index int64
	plan  *layout // nil when the length of the stream is not known
	skip  int64   // plaintext before the range, in its first frame
	left  int64   // plaintext still to give; negative for all
	done  bool    // the last frame is open
	err   error
}

var (
	_ io.ReadCloser = (*Reader)(nil)
	_ io.WriterTo   = (*Reader)(nil)
)

// NewReader reads the header of a stream from r and returns a Reader of the whole of it.
// It reads to the end of r: bytes after the stream are ErrCorrupt. Close does not close r.
func NewReader(r io.Reader, key secret.Bytes, aad []byte) (*Reader, error) {
	s, err := readHeader(r, key, aad)
	if err != nil {
		return nil, err
	}
	return &Reader{r: r, s: s, left: -1, in: newBuffer(), out: newBuffer()}, nil
}

// OpenRange returns a Reader of n bytes of plaintext from off, or of all the rest when n is
// negative, of a stream of size bytes. source gives n bytes of the stream from off, as
// blob.Store's Get does; it is asked for the frames of the range, and before that for the
// header unless the range begins in the first frame. A range that reaches beyond the end is
// cut there; one that begins beyond it is ErrSize. Close closes the source.
func OpenRange(source func(off, n int64) (io.ReadCloser, error), size, off, n int64, key secret.Bytes, aad []byte) (*Reader, error) {
	x, at, length, err := rangeReader(size, off, n)
	if err != nil {
		return nil, err
	}
	if x.index > 0 {
		if x.s, err = fetchHeader(source, key, aad); err != nil {
			return nil, err
		}
	} else {
		at, length = 0, length+headerSize
	}
	c, err := source(at, length)
	if err != nil {
		return nil, err
	}
	if x.index == 0 {
		if x.s, err = readHeader(c, key, aad); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	x.r, x.c, x.in, x.out = c, c, newBuffer(), newBuffer()
	return x, nil
}

// rangeReader plans a range: a Reader without source, cipher and buffers, and where in
// the stream its frames stand.
func rangeReader(size, off, n int64) (x *Reader, at, length int64, err error) {
	plan, err := layoutOf(size)
	if err != nil {
		return nil, 0, 0, err
	}
	if off < 0 || off > plan.plain {
		return nil, 0, 0, fmt.Errorf("%w: %d bytes of plaintext, asked from %d", ErrSize, plan.plain, off)
	}
	if n < 0 || n > plan.plain-off {
		n = plan.plain - off
	}
	first, at, length := plan.span(off, n)
	x = &Reader{plan: &plan, index: first, skip: off - first*FrameSize, left: n}
	if plan.plain == 0 {
		x.left = -1 // the one frame of an empty stream is opened too: it says that it is empty
	}
	return x, at, length, nil
}

func fetchHeader(source func(off, n int64) (io.ReadCloser, error), key secret.Bytes, aad []byte) (*stream, error) {
	c, err := source(0, headerSize)
	if err != nil {
		return nil, err
	}
	s, err := readHeader(c, key, aad)
	return s, errors.Join(err, c.Close())
}

func readHeader(r io.Reader, key secret.Bytes, aad []byte) (*stream, error) {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(r, header); ended(err) {
		return nil, fmt.Errorf("%w: it ends in the header", ErrCorrupt)
	} else if err != nil {
		return nil, err
	}
	return openStream(key, aad, header)
}

// ended reports whether io.ReadFull found too few bytes.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Read gives plaintext that has been authenticated.
func (x *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if !x.next() {
		return 0, x.err
	}
	n := copy(p, x.ready)
	x.ready = x.ready[n:]
	return n, nil
}

// WriteTo writes the rest of the plaintext to w, one frame a Write.
func (x *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for x.next() {
		n, err := w.Write(x.ready)
		total += int64(n)
		x.ready = x.ready[n:]
		if err != nil {
			return total, err
		}
	}
	if errors.Is(x.err, io.EOF) {
		return total, nil
	}
	return total, x.err
}

// Close ends reading and closes the source of OpenRange. Closing again does nothing.
func (x *Reader) Close() error {
	if x.err == nil {
		x.stop(errClosed)
	}
	if x.c == nil {
		return nil
	}
	c := x.c
	x.c = nil
	return c.Close()
}

// next sees to it that ready holds something. It reports false at the end, with err set.
func (x *Reader) next() bool {
	for len(x.ready) == 0 {
		if x.err != nil {
			return false
		}
		if x.done || x.left == 0 {
			return x.stop(io.EOF)
		}
		if err := x.load(); err != nil {
			return x.stop(err)
		}
	}
	return true
}

// load reads a frame and opens it into ready.
func (x *Reader) load() error {
	sealed, last, err := x.fetch()
	if err != nil {
		return err
	}
	plain, err := x.s.open(x.out[:0], sealed, x.index, last)
	if err != nil {
		return err
	}
	if x.plan == nil && !last { // fetch has read a byte of the next frame
		x.in[0], x.n = x.in[sealedFrame], 1
	}
	x.index++
	x.done = last
	plain = plain[min(x.skip, int64(len(plain))):]
	x.skip = 0
	if x.left >= 0 {
		plain = plain[:min(x.left, int64(len(plain)))]
		x.left -= int64(len(plain))
	}
	x.ready = plain
	return nil
}

// fetch reads the next frame and says whether it is the last.
func (x *Reader) fetch() (sealed []byte, last bool, err error) {
	if x.plan != nil {
		sealed = x.in[:x.plan.sealedLen(x.index)]
		if _, err = io.ReadFull(x.r, sealed); ended(err) {
			err = fmt.Errorf("%w: it ends in frame %d", ErrCorrupt, x.index)
		}
		return sealed, x.index == x.plan.last, err
	}
	n, err := io.ReadFull(x.r, x.in[x.n:sealedFrame+1])
	if err == nil {
		return x.in[:sealedFrame], false, nil
	}
	return x.in[:x.n+n], true, ignoreEnd(err)
}

func ignoreEnd(err error) error {
	if ended(err) {
		return nil
	}
	return err
}

func (x *Reader) stop(err error) bool {
	x.err, x.ready = err, nil
	x.in.free(0)
	x.out.free(FrameSize)
	x.in, x.out = nil, nil
	return false
}

// ReaderAt gives any part of the plaintext of a stream of known length. Its methods may
// be called together.
type ReaderAt struct {
	r    io.ReaderAt
	size int64
	plan layout
	s    *stream // only its AEAD is shared
}

var _ io.ReaderAt = (*ReaderAt)(nil)

// NewReaderAt reads the header of the stream of size bytes in r.
func NewReaderAt(r io.ReaderAt, size int64, key secret.Bytes, aad []byte) (*ReaderAt, error) {
	plan, err := layoutOf(size)
	if err != nil {
		return nil, err
	}
	s, err := readHeader(io.NewSectionReader(r, 0, headerSize), key, aad)
	if err != nil {
		return nil, err
	}
	return &ReaderAt{r: r, size: size, plan: plan, s: s}, nil
}

// Size returns the length of the plaintext. It follows from the length of the stream, and
// is proven once the last frame has been read.
func (x *ReaderAt) Size() int64 { return x.plan.plain }

// ReadAt gives the plaintext at off.
func (x *ReaderAt) ReadAt(p []byte, off int64) (int, error) {
	r, err := x.Range(off, int64(len(p)))
	if err != nil {
		if off > x.plan.plain {
			err = io.EOF
		}
		return 0, err
	}
	defer r.Close()
	n, err := io.ReadFull(r, p)
	if ended(err) {
		err = io.EOF
	}
	return n, err
}

// Range returns a Reader of n bytes of plaintext from off, or of all the rest when n is
// negative. Bounds are those of OpenRange.
func (x *ReaderAt) Range(off, n int64) (*Reader, error) {
	r, at, length, err := rangeReader(x.size, off, n)
	if err != nil {
		return nil, err
	}
	r.r, r.s = io.NewSectionReader(x.r, at, length), &stream{aead: x.s.aead}
	r.in, r.out = newBuffer(), newBuffer()
	return r, nil
}
