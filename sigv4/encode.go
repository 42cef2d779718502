package sigv4

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// defaultChunk is the chunk size of AWS's own examples.
const defaultChunk = 64 << 10

// Trailer is a header that is known only once the body has been sent, such as a checksum of it.
type Trailer struct {
	Name string // for example "x-amz-checksum-crc32c"
	Size int    // length of the value, which the request's length is computed from
	// Value returns the value. It is called once, after the last byte of the body has been read.
	Value func() string
}

// Stream says how SignStream encodes a body.
type Stream struct {
	Length    int64     // number of bytes in the body, before encoding
	ChunkSize int       // 8,192 or more; 0 means 65,536
	Unsigned  bool      // sign neither chunks nor trailer; there must be a trailer then
	Trailer   []Trailer // may be empty
}

// SignStream signs r like Sign, and replaces its body, which must hold exactly stream.Length bytes, by one that encodes it
// in aws-chunked form while it is read. It sets ContentLength and the headers Content-Encoding, X-Amz-Decoded-Content-Length and
// X-Amz-Trailer. It is for S3. Memory is one chunk, whatever the length.
func (s *Signer) SignStream(r *http.Request, stream Stream, at time.Time) error {
	if stream.ChunkSize == 0 {
		stream.ChunkSize = defaultChunk
	}
	switch {
	case s.service != serviceS3:
		return fmt.Errorf("sigv4: %s takes no aws-chunked body", s.service)
	case stream.ChunkSize < minChunk || stream.Length < 0:
		return fmt.Errorf("sigv4: stream of %d bytes in chunks of %d", stream.Length, stream.ChunkSize)
	case stream.Unsigned && len(stream.Trailer) == 0:
		return errors.New("sigv4: an unsigned stream needs a trailer")
	}
	payload := streamSigned
	switch {
	case stream.Unsigned:
		payload = streamUnsignedTrailer
	case len(stream.Trailer) > 0:
		payload = streamSignedTrailer
	}
	setStreamHeaders(r, stream)
	q, err := s.sign(r, payload, at)
	if err != nil {
		return err
	}
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	e := &encoder{q: q, src: body, stream: stream, data: make([]byte, stream.ChunkSize), rest: stream.Length, previous: q.signature}
	if !stream.Unsigned {
		e.key = s.key(q)
	}
	r.Body, r.GetBody = e, nil
	r.ContentLength = stream.encodedLength()
	return nil
}

func setStreamHeaders(r *http.Request, stream Stream) {
	if r.Header == nil {
		r.Header = http.Header{}
	}
	encoding := "aws-chunked"
	if own := r.Header.Get("Content-Encoding"); own != "" {
		encoding += "," + own
	}
	r.Header.Set("Content-Encoding", encoding)
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.FormatInt(stream.Length, 10))
	r.Header.Del("X-Amz-Trailer")
	if len(stream.Trailer) > 0 {
		names := make([]string, len(stream.Trailer))
		for i, t := range stream.Trailer {
			names[i] = strings.ToLower(t.Name)
		}
		r.Header.Set("X-Amz-Trailer", strings.Join(names, ","))
	}
}

// encodedLength returns the length of the encoded body.
func (s Stream) encodedLength() int64 {
	chunk := int64(s.ChunkSize)
	extra := int64(0)
	if !s.Unsigned {
		extra = int64(len(chunkExtension) + 64)
	}
	line := func(size int64) int64 { return int64(len(strconv.FormatInt(size, 16))) + extra + 2 }
	total := s.Length/chunk*(line(chunk)+chunk+2) + line(0) + 2
	if last := s.Length % chunk; last > 0 {
		total += line(last) + last + 2
	}
	for _, t := range s.Trailer {
		total += int64(len(t.Name) + 1 + t.Size + 2)
	}
	if len(s.Trailer) > 0 && !s.Unsigned {
		total += int64(len(trailerSignature) + 1 + 64 + 2)
	}
	return total
}

// encoder reads src and yields its aws-chunked form.
type encoder struct {
	q        *Request
	key      *signingKey // nil when unsigned
	src      io.ReadCloser
	stream   Stream
	data     []byte // one chunk of src
	out      []byte // encoded, not yet read
	buf      []byte // what out is a part of
	rest     int64  // bytes of src still to come
	previous string
	err      error // once out is empty
}

// Close closes the body that is encoded.
func (e *encoder) Close() error { return e.src.Close() }

func (e *encoder) Read(p []byte) (int, error) {
	for len(e.out) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.buf = e.buf[:0]
		e.err = e.fill()
		e.out = e.buf
	}
	n := copy(p, e.out)
	e.out = e.out[n:]
	return n, nil
}

// fill encodes the next chunk into e.buf. With the last one it returns io.EOF.
func (e *encoder) fill() error {
	data := e.data[:min(int64(len(e.data)), e.rest)]
	if _, err := io.ReadFull(e.src, data); err != nil {
		return fmt.Errorf("sigv4: the body ended before its %d bytes: %w", e.stream.Length, err)
	}
	e.rest -= int64(len(data))
	e.chunk(data)
	if len(data) > 0 {
		e.buf = append(append(e.buf, data...), "\r\n"...)
		return nil
	}
	if n, _ := e.src.Read(make([]byte, 1)); n > 0 {
		e.buf = e.buf[:0]
		return fmt.Errorf("sigv4: the body holds more than its %d bytes", e.stream.Length)
	}
	if err := e.trailer(); err != nil {
		e.buf = e.buf[:0]
		return err
	}
	e.buf = append(e.buf, "\r\n"...)
	return io.EOF
}

// chunk appends the header line of a chunk.
func (e *encoder) chunk(data []byte) {
	e.buf = strconv.AppendInt(e.buf, int64(len(data)), 16)
	if e.key != nil {
		s := scratches.Get().(*scratch)
		s.appendChunk(e.q, e.previous, sha256.Sum256(data))
		e.key.sign(s, s.text)
		e.previous = string(s.hex[:])
		s.release()
		e.buf = append(append(e.buf, chunkExtension...), e.previous...)
	}
	e.buf = append(e.buf, "\r\n"...)
}

// trailer appends the trailing headers and their signature.
func (e *encoder) trailer() error {
	if len(e.stream.Trailer) == 0 {
		return nil
	}
	signed := ""
	for _, t := range e.stream.Trailer {
		name, value := strings.ToLower(t.Name), t.Value()
		if len(value) != t.Size {
			return fmt.Errorf("sigv4: trailer %s has %d bytes, want %d", t.Name, len(value), t.Size)
		}
		signed += name + ":" + value + "\n"
		e.buf = append(e.buf, name+":"+value+"\r\n"...)
	}
	if e.key == nil {
		return nil
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	s.appendTrailer(e.q, e.previous, sha256.Sum256([]byte(signed)))
	e.key.sign(s, s.text)
	e.buf = append(append(append(e.buf, trailerSignature...), ':'), s.hex[:]...)
	e.buf = append(e.buf, "\r\n"...)
	return nil
}
