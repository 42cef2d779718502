package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
)

var errBodyTooLarge = errors.New("request body too large")

// readBody reads the whole body into p.req.Body, up to the limit of its service or operation.
func (g *Gateway) readBody(p *passage) error {
	most, err := g.mostBody(p)
	if err != nil {
		return err
	}
	body, err := readAll(p.r.Body, p.r.ContentLength, most)
	p.req.Body = body
	if err != errBodyTooLarge {
		p.stream.failed = err
	}
	return err
}

// readAll reads r to its end into a pooled buffer. length is what the client said, or negative.
// The buffer is returned also beside an error, to be given back.
func readAll(r io.Reader, length, limit int64) ([]byte, error) {
	if length > limit {
		return nil, errBodyTooLarge
	}
	b := wire.GetBuffer()
	if length == 0 || r == nil {
		return b, nil
	}
	for {
		if len(b) == cap(b) {
			// The client's word about the length is not yet memory of ours: the buffer
			// grows by what arrives, at most doubling.
			b = grow(b, length)
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if int64(len(b)) > limit {
			return b, errBodyTooLarge
		}
		switch {
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		case int64(len(b)) == length:
			// A known length is the end; asking for io.EOF would cost another read.
			return b, nil
		}
	}
}

// grow moves b to a larger buffer and gives the old one back.
func grow(b []byte, length int64) []byte {
	size := 2 * cap(b)
	if length > int64(len(b)) && length < int64(size) {
		size = int(length)
	}
	larger := append(make([]byte, 0, size), b...)
	wire.PutBuffer(b)
	return larger
}

// bodyReader is the body of a request of REST-XML: proven while it is read, and kept moving. Of
// other requests it knows only whether the body came in whole.
type bodyReader struct {
	body    *sigv4.Body
	request *http.Request
	pace    pace
	ended   bool
	failed  error // why the client's bytes ended early; not what is wrong with them
}

var _ io.Reader = (*bodyReader)(nil)

func (b *bodyReader) open(p *passage, body *sigv4.Body, stall time.Duration) {
	b.body, b.request, b.pace = body, p.r, readPace(p.w, stall)
}

// Read reads what the signature covers. At the end the trailing headers of an aws-chunked body
// stand in the request's Trailer.
func (b *bodyReader) Read(buf []byte) (int, error) {
	if !b.ended {
		b.pace.progress()
	}
	n, err := b.body.Read(buf)
	var refused *sigv4.Error
	if err != nil && err != io.EOF && !errors.As(err, &refused) {
		b.failed = err
	}
	if err == io.EOF && !b.ended {
		b.ended = true
		if trailer := b.body.Trailer(); trailer != nil {
			b.request.Trailer = trailer
		}
		// The handler may take longer with what it has got than a client may stall.
		_ = b.pace.set(time.Time{})
	}
	return n, err
}
