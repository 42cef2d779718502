package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	// minChunk is the smallest size of a chunk that is not the last (S3 API reference, "Transferring Payload in
	// Multiple Chunks": at least 8 KiB).
	minChunk = 8192
	// maxChunkLine bounds a chunk's header line: 16 hexadecimal digits, the signature, the line end.
	maxChunkLine = 16 + len(chunkExtension) + 64 + 2
	// maxTrailer bounds the trailing headers. S3 knows only checksums there.
	maxTrailer = 8 << 10

	chunkExtension   = ";chunk-signature="
	trailerSignature = "x-amz-trailer-signature"
	chunkAlgorithm   = "AWS4-HMAC-SHA256-PAYLOAD"
	trailerAlgorithm = "AWS4-HMAC-SHA256-TRAILER"
)

// chunkReader decodes an aws-chunked body. It holds one small buffer, whatever the size of a chunk.
type chunkReader struct {
	q    *Request
	br   *bufio.Reader
	key  *signingKey // nil when chunks are unsigned
	hash hash.Hash   // of the chunk's data, when signed

	rest     int64 // decoded bytes still to come
	left     int64 // of these in the current chunk
	index    int   // of the current chunk, from 1
	previous string
	claimed  [64]byte // the current chunk's signature as sent

	trailer http.Header
	err     error // what every further Read returns
}

func newChunkReader(q *Request, key *signingKey, body io.Reader) *chunkReader {
	c := &chunkReader{q: q, br: bufio.NewReader(body), rest: q.DecodedLength, previous: q.signature}
	if q.Payload != UnsignedChunksTrailer {
		c.key, c.hash = key, sha256.New()
	}
	return c
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	n, err := c.read(p)
	if err != nil && err != io.EOF {
		clear(p[:n])
		n = 0
	}
	c.err = err
	return n, err
}

// read returns bytes of one chunk. With the last byte of a chunk it has proven the chunk, and with the last byte of the
// body everything: it then returns io.EOF too.
func (c *chunkReader) read(p []byte) (int, error) {
	if c.rest == 0 {
		return 0, c.finish()
	}
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.br.Read(p[:min(int64(len(p)), c.left)])
	if n == 0 {
		if err == nil { // io.Reader allows it
			return 0, nil
		}
		return 0, broken(err)
	}
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	c.left -= int64(n)
	c.rest -= int64(n)
	if c.left > 0 {
		return n, nil
	}
	if err := c.endChunk(); err != nil {
		return n, err
	}
	if c.rest == 0 {
		return n, c.finish()
	}
	return n, nil
}

// next reads the header of a chunk that must hold data.
func (c *chunkReader) next() error {
	size, err := c.header()
	switch {
	case err != nil:
		return err
	case size == 0 || size > c.rest:
		return &Error{Kind: IncompleteBody, S3Message: lengthWrong}
	case size < minChunk && size < c.rest:
		return &Error{Kind: InvalidChunkSize, Detail: map[string]string{
			"Chunk": strconv.Itoa(c.index), "BadChunkSize": strconv.FormatInt(size, 10),
		}}
	}
	c.left = size
	return nil
}

// header reads a chunk's header line and keeps its signature.
func (c *chunkReader) header() (size int64, err error) {
	c.index++
	line, err := c.br.ReadSlice('\n')
	if err != nil {
		return 0, broken(err)
	}
	if len(line) > maxChunkLine || !bytes.HasSuffix(line, []byte("\r\n")) {
		return 0, &Error{Kind: IncompleteBody}
	}
	digits := line[:len(line)-2]
	if c.key != nil {
		var signature []byte
		digits, signature, _ = bytes.Cut(digits, []byte(chunkExtension))
		if len(signature) != len(c.claimed) {
			return 0, &Error{Kind: IncompleteBody}
		}
		copy(c.claimed[:], signature)
	}
	size, ok := parseSize(digits)
	if !ok {
		return 0, &Error{Kind: IncompleteBody}
	}
	return size, nil
}

// parseSize reads the hexadecimal size of a chunk, which must fit an int64.
func parseSize(digits []byte) (size int64, ok bool) {
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	for _, d := range digits {
		v, ok := nibble(d)
		if !ok {
			return 0, false
		}
		size = size<<4 | int64(v)
	}
	return size, true
}

// endChunk reads the line end behind a chunk's data and proves the chunk.
func (c *chunkReader) endChunk() error {
	var end [2]byte
	if _, err := io.ReadFull(c.br, end[:]); err != nil {
		return broken(err)
	}
	if end != [2]byte{'\r', '\n'} {
		return &Error{Kind: IncompleteBody}
	}
	return c.prove()
}

// prove compares the current chunk's signature with ours and goes on to the next link of the chain.
func (c *chunkReader) prove() error {
	if c.key == nil {
		return nil
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	c.hash.Sum(s.sum[:0])
	c.hash.Reset()
	s.appendChunk(c.q, c.previous, s.sum)
	return c.link(s, string(c.claimed[:]))
}

// link signs s.text and compares.
func (c *chunkReader) link(s *scratch, claimed string) error {
	c.key.sign(s, s.text)
	if !equalSignature(s, claimed) {
		return c.q.mismatch(string(s.text), claimed)
	}
	c.previous = claimed
	return nil
}

// appendChunk replaces s.text by the string to sign of a chunk whose data hash to sum.
func (s *scratch) appendChunk(q *Request, previous string, sum [32]byte) {
	s.appendLink(chunkAlgorithm, q, previous)
	s.text = append(append(s.text, EmptyPayload...), '\n')
	s.text = hex.AppendEncode(s.text, sum[:])
}

// appendTrailer replaces s.text by the string to sign of trailing headers whose lines hash to sum.
func (s *scratch) appendTrailer(q *Request, previous string, sum [32]byte) {
	s.appendLink(trailerAlgorithm, q, previous)
	s.text = hex.AppendEncode(s.text, sum[:])
}

// appendLink starts the string to sign of a chunk or a trailer: what it is, and the signature before it.
func (s *scratch) appendLink(kind string, q *Request, previous string) {
	s.text = append(append(s.text[:0], kind...), '\n')
	s.text = append(append(s.text, q.timestamp...), '\n')
	s.text = append(append(s.text, q.scope...), '\n')
	s.text = append(append(s.text, previous...), '\n')
}

// finish reads the last chunk, which is empty, and what follows it to the end of the body. It returns io.EOF when all
// is proven.
func (c *chunkReader) finish() error {
	switch size, err := c.header(); {
	case err != nil:
		return err
	case size != 0:
		return &Error{Kind: IncompleteBody, S3Message: lengthWrong}
	}
	if err := c.prove(); err != nil {
		return err
	}
	rest, err := io.ReadAll(io.LimitReader(c.br, maxTrailer+1))
	if err != nil {
		return broken(err)
	}
	if len(rest) > maxTrailer {
		return &Error{Kind: MalformedTrailer}
	}
	if err := c.readTrailer(string(rest)); err != nil {
		return err
	}
	return io.EOF
}

// readTrailer reads the trailing headers. They end with the body, so that the empty lines, which clients place differently,
// say nothing.
func (c *chunkReader) readTrailer(text string) error {
	trailer := http.Header{}
	signed, signature := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(name), strings.Trim(value, " \t")
		if !ok || signature != "" || !isHeaderName(name) {
			return &Error{Kind: MalformedTrailer}
		}
		if name == trailerSignature {
			signature = value
			continue
		}
		key := http.CanonicalHeaderKey(name)
		if trailer[key] != nil || !announced(c.q.r, name) {
			return &Error{Kind: MalformedTrailer}
		}
		trailer[key] = []string{value}
		signed += name + ":" + value + "\n"
	}
	if err := c.checkTrailer(len(trailer), signed, signature); err != nil {
		return err
	}
	if len(trailer) > 0 {
		c.trailer = trailer
	}
	return nil
}

// checkTrailer checks that all announced headers have come, and their signature.
func (c *chunkReader) checkTrailer(got int, signed, signature string) error {
	wantSignature := c.q.Payload == SignedChunksTrailer
	if want := 0; c.q.Payload != SignedChunks {
		for range announcements(c.q.r) {
			want++
		}
		if got != want {
			return &Error{Kind: MalformedTrailer}
		}
	} else if got != 0 {
		return &Error{Kind: MalformedTrailer}
	}
	if !wantSignature {
		if signature != "" {
			return &Error{Kind: MalformedTrailer}
		}
		return nil
	}
	if signature == "" {
		return &Error{Kind: MalformedTrailer}
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	s.appendTrailer(c.q, c.previous, sha256.Sum256([]byte(signed)))
	return c.link(s, signature)
}

// announcements yields the names in x-amz-trailer, in lower case.
func announcements(r *http.Request) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range r.Header["X-Amz-Trailer"] {
			for name := range strings.SplitSeq(v, ",") {
				if name = strings.ToLower(strings.TrimSpace(name)); name != "" && !yield(name) {
					return
				}
			}
		}
	}
}

func announced(r *http.Request, name string) bool {
	for have := range announcements(r) {
		if have == name {
			return true
		}
	}
	return false
}

// broken is the error of a body that ended too early, or the network's own.
func broken(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, bufio.ErrBufferFull) {
		return &Error{Kind: IncompleteBody}
	}
	return err
}
