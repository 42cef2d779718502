package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
)

// Body is the body of a request, decoded and checked while it is read. The last of its bytes come out only after
// everything that covers them has been proven; an error stands instead of them otherwise, and again at every later Read.
// It is not for several goroutines at a time. The request's own Body stays the server's to close.
type Body struct {
	r       io.Reader
	length  int64
	chunked *chunkReader
}

// Read reads like any io.Reader. A refusal is an *Error: ContentMismatch, Mismatch, IncompleteBody,
// InvalidChunkSize or MalformedTrailer. Other errors are the connection's.
func (b *Body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == io.ErrUnexpectedEOF { // net/http's word for a connection that closed before Content-Length
		err = &Error{Kind: IncompleteBody}
	}
	return n, err
}

// Length returns the number of bytes the body holds, or -1 when the client has not said.
func (b *Body) Length() int64 { return b.length }

// Trailer returns the trailing headers of an aws-chunked body: nil before Read has returned io.EOF, and for bodies
// without. Their names are among those that the request announced in x-amz-trailer. Where the payload is
// UnsignedChunksTrailer only TLS covers them.
func (b *Body) Trailer() http.Header {
	if b.chunked == nil {
		return nil
	}
	return b.chunked.trailer
}

// UnsignedBody returns the body of a request that carries no signature, for the services that let anybody in: decoded
// when it is aws-chunked, and checked against x-amz-content-sha256 when that holds a hash.
func UnsignedBody(r *http.Request) (*Body, error) {
	q := &Request{r: r, Scope: Scope{Service: serviceS3}, DecodedLength: r.ContentLength, Payload: Unsigned}
	var err error
	if q.PayloadHash, err = q.single("X-Amz-Content-Sha256"); err != nil {
		return nil, err
	}
	if q.PayloadHash != "" {
		if err := q.setPayload(); err != nil {
			return nil, err
		}
		if err := q.checkPayload(); err != nil {
			return nil, err
		}
		if q.Payload == SignedChunks || q.Payload == SignedChunksTrailer {
			return nil, &Error{Kind: MissingSignature}
		}
	}
	return newBody(q, nil)
}

// checkPayload refuses what S3 refuses of x-amz-content-sha256.
func (q *Request) checkPayload() error {
	switch {
	case q.PayloadHash == "":
		return &Error{Kind: MissingPayloadHash}
	case q.Payload == invalidPayload:
		return &Error{Kind: InvalidPayloadHash, Detail: map[string]string{
			"ArgumentName": "x-amz-content-sha256", "ArgumentValue": q.PayloadHash,
		}}
	}
	return nil
}

// newBody wraps the body of a request whose signature has been proven under key.
func newBody(q *Request, key *signingKey) (*Body, error) {
	b := &Body{length: q.DecodedLength, r: http.NoBody}
	if q.r.Body != nil {
		b.r = q.r.Body
	}
	switch {
	case q.Payload.Chunked():
		b.chunked = newChunkReader(q, key, b.r)
		b.r = b.chunked
	case q.Payload == Hashed && (b.r == http.NoBody || q.DecodedLength == 0):
		b.r, b.length = http.NoBody, 0
		if q.PayloadHash != EmptyPayload {
			return nil, compareContent(q.PayloadHash, sha256.Sum256(nil))
		}
	case q.Payload == Hashed:
		b.r = &hashReader{r: b.r, hash: sha256.New(), want: q.PayloadHash, left: q.DecodedLength}
	}
	return b, nil
}

// hashReader reads a body whose SHA-256 was signed.
type hashReader struct {
	r    io.Reader
	hash hash.Hash
	want string
	left int64 // bytes still to come; negative when their number was unknown
	err  error // what every further Read returns
}

func (h *hashReader) Read(p []byte) (int, error) {
	if h.err != nil || len(p) == 0 {
		return 0, h.err
	}
	n, err := h.r.Read(p)
	h.hash.Write(p[:n])
	if h.left >= 0 {
		h.left -= int64(n)
	}
	// A reader of a known length may be left before its end: the last byte is already the end.
	if err == nil && h.left == 0 || err == io.EOF {
		err = io.EOF
		if refusal := compareContent(h.want, [sha256.Size]byte(h.hash.Sum(nil))); refusal != nil {
			clear(p[:n])
			n, err = 0, refusal
		}
	}
	h.err = err
	if n > 0 && !errors.Is(err, io.EOF) {
		// The bytes first, the network's error with the next call.
		err = nil
	}
	return n, err
}

// compareContent refuses a body that hashes to sum where want was signed.
func compareContent(want string, sum [sha256.Size]byte) error {
	got := hex.EncodeToString(sum[:])
	if got == want {
		return nil
	}
	return &Error{Kind: ContentMismatch, Detail: map[string]string{
		"ClientComputedContentSHA256": want,
		"S3ComputedContentSHA256":     got,
	}}
}
