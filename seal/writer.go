package seal

import (
	"errors"
	"io"

	"github.com/strongroom/strongroom/secret"
)

var errClosed = errors.New("sealed stream is closed")

// Writer seals what is written to it and writes the stream to another writer. It serves
// one goroutine.
type Writer struct {
	w       io.Writer
	s       *stream
	pending *buffer // plaintext of the frame that is being filled
	n       int     // bytes in pending
	out     *buffer
	head    int // bytes of the header that wait at the front of out
	index   int64
	err     error
}

var _ io.WriteCloser = (*Writer)(nil)

// NewWriter returns a Writer of a new stream under a data key of 32 bytes. The stream is
// complete only after Close; without it, what was written does not open. aad may be
// changed afterwards; key may be wiped.
func NewWriter(w io.Writer, key secret.Bytes, aad []byte) (*Writer, error) {
	s, header, err := newStream(key, aad)
	if err != nil {
		return nil, err
	}
	x := &Writer{w: w, s: s, pending: newBuffer(), out: newBuffer()}
	x.head = copy(x.out[:], header)
	return x, nil
}

// Write seals p. It keeps at most one frame back. It returns how many bytes were taken,
// which are fewer than len(p) only with an error; after an error the stream is lost.
func (x *Writer) Write(p []byte) (int, error) {
	taken := 0
	for len(p) > 0 && x.err == nil {
		// A frame goes out only when a byte after it is known, because the last one is marked.
		switch {
		case x.n == FrameSize:
			x.emit(x.pending[:FrameSize], false)
			x.n = 0
			continue
		case x.n == 0 && len(p) > FrameSize:
			x.emit(p[:FrameSize], false)
			taken, p = taken+FrameSize, p[FrameSize:]
			continue
		}
		m := copy(x.pending[x.n:FrameSize], p)
		x.n, taken, p = x.n+m, taken+m, p[m:]
	}
	return taken, x.err
}

// Close seals the last frame. It does not close the writer below. Closing again returns
// the same error, or nil.
func (x *Writer) Close() error {
	if x.s == nil {
		if errors.Is(x.err, errClosed) {
			return nil
		}
		return x.err
	}
	if x.err == nil {
		x.emit(x.pending[:x.n], true)
	}
	x.pending.free(FrameSize)
	x.out.free(0)
	x.s = nil
	if x.err == nil {
		x.err = errClosed
		return nil
	}
	return x.err
}

// emit seals a frame and writes it, with the header before the first.
func (x *Writer) emit(plain []byte, last bool) {
	sealed, err := x.s.seal(x.out[:x.head], plain, x.index, last)
	if err == nil {
		_, err = x.w.Write(sealed)
	}
	x.head, x.err = 0, err
	x.index++
}

// Sealer is the sealed form of what another reader gives, as a reader: for a sink that
// pulls, such as blob.Store's Put. It serves one goroutine.
type Sealer struct {
	r     io.Reader
	s     *stream
	in    *buffer
	n     int // bytes in in
	out   *buffer
	ready []byte // of out, not yet given
	head  int
	index int64
	done  bool // the last frame is sealed
	err   error
}

var (
	_ io.Reader   = (*Sealer)(nil)
	_ io.WriterTo = (*Sealer)(nil)
)

// NewSealer returns a Sealer of a new stream under a data key of 32 bytes. An error of r
// other than io.EOF is returned as it is and ends the stream unfinished, so that what was
// read so far does not open.
func NewSealer(r io.Reader, key secret.Bytes, aad []byte) (*Sealer, error) {
	s, header, err := newStream(key, aad)
	if err != nil {
		return nil, err
	}
	x := &Sealer{r: r, s: s, in: newBuffer(), out: newBuffer()}
	x.head = copy(x.out[:], header)
	return x, nil
}

// Read gives sealed bytes.
func (x *Sealer) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(x.ready) == 0 && !x.next() {
		return 0, x.err
	}
	n := copy(p, x.ready)
	x.ready = x.ready[n:]
	return n, nil
}

// WriteTo writes the rest of the stream to w, one frame a Write.
func (x *Sealer) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for len(x.ready) > 0 || x.next() {
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

// next seals the next frame into ready. It reports false at the end, with err set.
func (x *Sealer) next() bool {
	if x.err != nil {
		return false
	}
	if x.done {
		return x.stop(io.EOF)
	}
	// One byte more than a frame tells whether this one is the last.
	n, err := io.ReadFull(x.r, x.in[x.n:FrameSize+1])
	x.n += n
	x.done = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !x.done {
		return x.stop(err)
	}
	if x.ready, err = x.s.seal(x.out[:x.head], x.in[:min(x.n, FrameSize)], x.index, x.done); err != nil {
		return x.stop(err)
	}
	if !x.done {
		x.in[0], x.n = x.in[FrameSize], 1
	}
	x.head = 0
	x.index++
	return true
}

func (x *Sealer) stop(err error) bool {
	x.err, x.ready = err, nil
	x.in.free(FrameSize + 1)
	x.out.free(0)
	return false
}
