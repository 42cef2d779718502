package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/s3/checksum"
	"github.com/strongroom/strongroom/wire"
)

// maxPut is the most bytes one request brings: 5 GiB (S3 user guide, "Uploading objects").
const maxPut = 5 << 30

// intake is a request's body while it streams in: it counts, hashes and, at the end,
// checks. A body that fails its check ends in an error and not in io.EOF, so that
// whoever stores it stores nothing. It serves one goroutine.
type intake struct {
	r        io.Reader
	ctx      context.Context
	length   int64 // that was announced; -1 for none
	max      int64
	n        int64
	md5      hash.Hash // nil when neither an ETag nor a check needs it
	wantMD5  []byte
	sums     []running
	trailer  func() http.Header // of the request, complete after the body
	finished error              // io.EOF or errBody
	reason   error              // of errBody
}

// running is a checksum that is being computed.
type running struct {
	algorithm checksum.Algorithm
	hash      hash.Hash
	want      []byte // that was announced in a header
	trailing  bool   // it comes in a trailer
	value     []byte // once the body has ended
}

// sent is what a request says about the checksums of its body.
type sent struct {
	MD5       *string
	Named     api.ChecksumAlgorithm // x-amz-sdk-checksum-algorithm
	Values    [5]*string            // by checksum.Algorithms
	Others    [5]*string            // of algorithms that are not here
	Length    *int64
	Algorithm checksum.Algorithm // what read made of it: the one algorithm of the request, or None
}

// read checks the headers and fills in sent.Algorithm. It returns the expected values.
func (h *sent) read(c *call.Call) (want *running, err error) {
	for _, v := range h.Others {
		if v != nil {
			return nil, notImplemented()
		}
	}
	for i, v := range h.Values {
		if v == nil {
			continue
		}
		if want != nil {
			return nil, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		a := checksum.Algorithms[i]
		raw, err := a.Decode(*v)
		if err != nil {
			return nil, invalidRequest("Value for %s header is invalid.", a.Header())
		}
		want = &running{algorithm: a, want: raw}
	}
	if want, err = h.trailing(c, want); err != nil {
		return nil, err
	}
	if h.Named != "" {
		a, err := checksum.Parse(string(h.Named))
		switch {
		case err != nil || want != nil && a != want.algorithm:
			return nil, invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
		case want == nil && c.HTTP != nil:
			return nil, invalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
		}
	}
	if want != nil {
		h.Algorithm = want.algorithm
	}
	return want, nil
}

// trailing adds the checksum that the request announces for its trailer.
func (h *sent) trailing(c *call.Call, want *running) (*running, error) {
	if c.HTTP == nil {
		return want, nil
	}
	for _, line := range c.HTTP.Header.Values("X-Amz-Trailer") {
		for name := range strings.SplitSeq(line, ",") {
			a := checksum.ForHeader(strings.ToLower(strings.TrimSpace(name)))
			if a == checksum.None {
				return nil, invalidRequest("The value specified in the x-amz-trailer header is not supported")
			}
			if want != nil {
				return nil, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
			}
			want = &running{algorithm: a, trailing: true}
		}
	}
	return want, nil
}

// size returns how many bytes the body is announced to have, -1 when that is not known.
// For a body in aws-chunked form that is not its Content-Length.
func (h *sent) size(c *call.Call) (int64, error) {
	if c.HTTP != nil {
		if v := c.HTTP.Header.Get("X-Amz-Decoded-Content-Length"); v != "" {
			n, err := strconv.ParseUint(v, 10, 62)
			if err != nil {
				return 0, invalidArgument("The value of x-amz-decoded-content-length is not a number")
			}
			return int64(n), nil
		}
	}
	if h.Length == nil {
		return -1, nil
	}
	return *h.Length, nil
}

// newIntake prepares to read a body. tagged asks for its MD5.
func newIntake(ctx context.Context, body io.Reader, h *sent, tagged bool) (*intake, error) {
	c := call.From(ctx)
	want, err := h.read(c)
	if err != nil {
		return nil, err
	}
	in := &intake{r: body, ctx: ctx, max: maxPut}
	if in.r == nil {
		in.r = bytes.NewReader(nil)
	}
	if in.length, err = h.size(c); err != nil {
		return nil, err
	}
	if in.length > in.max {
		return nil, entityTooLarge()
	}
	if h.MD5 != nil {
		in.wantMD5, err = base64.StdEncoding.Strict().DecodeString(*h.MD5)
		if err != nil || len(in.wantMD5) != 16 {
			return nil, invalidDigest()
		}
	}
	if tagged || in.wantMD5 != nil {
		in.md5 = checksum.NewMD5()
	}
	if want != nil {
		want.hash = want.algorithm.New()
		in.sums = append(in.sums, *want)
	}
	if c.HTTP != nil {
		in.trailer = func() http.Header { return c.HTTP.Trailer }
	}
	return in, nil
}

// errBody is what a reader of a body that failed is told. It is no form of io.EOF, as
// the true reason may be: a body that breaks off must not look like one that ends.
var errBody = errors.New("request body failed")

// Read reads the body. At its end it answers io.EOF only if all checks hold; everything
// else is errBody, and failure then says why.
func (in *intake) Read(p []byte) (int, error) {
	if in.finished != nil {
		return 0, in.finished
	}
	n, err := in.r.Read(p)
	if n > 0 {
		in.n += int64(n)
		if in.md5 != nil {
			in.md5.Write(p[:n])
		}
		for i := range in.sums {
			in.sums[i].hash.Write(p[:n])
		}
	}
	switch {
	case in.n > in.max:
		return 0, in.fail(entityTooLarge())
	case err == nil:
		return n, nil
	case err == io.EOF: // only the bare io.EOF is an end
		if err := in.check(); err != nil {
			return 0, in.fail(err)
		}
		in.finished = io.EOF
		return n, io.EOF
	}
	return 0, in.fail(bodyError(in.ctx, err))
}

func (in *intake) fail(why error) error {
	in.reason, in.finished = why, errBody
	return errBody
}

// failure returns the error to answer with when storing the body ended with err.
func (in *intake) failure(err error) error {
	if in.reason != nil {
		return in.reason
	}
	if err == nil && in.finished != io.EOF {
		return internalError(errors.New("body was not read to its end"))
	}
	return storeError(err)
}

// check verifies the whole body.
func (in *intake) check() error {
	if in.length >= 0 && in.n != in.length {
		return incompleteBody()
	}
	if in.wantMD5 != nil && !bytes.Equal(in.md5.Sum(nil), in.wantMD5) {
		return badMD5()
	}
	for i := range in.sums {
		r := &in.sums[i]
		r.value = r.hash.Sum(nil)
		if r.trailing {
			if err := r.fromTrailer(in.trailer()); err != nil {
				return err
			}
		}
		if r.want != nil && !bytes.Equal(r.value, r.want) {
			return badDigest(r.algorithm.String())
		}
	}
	return nil
}

// compute adds an algorithm to those that are computed.
func (in *intake) compute(a checksum.Algorithm) {
	for i := range in.sums {
		if in.sums[i].algorithm == a {
			return
		}
	}
	in.sums = append(in.sums, running{algorithm: a, hash: a.New()})
}

// fromTrailer takes the expected value from the trailer, where it was announced.
func (r *running) fromTrailer(trailer http.Header) error {
	v := trailer.Get(r.algorithm.Header())
	if v == "" {
		return badRequest("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
	}
	raw, err := r.algorithm.Decode(v)
	if err != nil {
		return invalidRequest("Value for %s trailing header is invalid.", r.algorithm.Header())
	}
	r.want = raw
	return nil
}

// sum returns the checksum of an algorithm that was computed, once the body has ended.
func (in *intake) sum(a checksum.Algorithm) []byte {
	for i := range in.sums {
		if in.sums[i].algorithm == a {
			return in.sums[i].value
		}
	}
	return nil
}

// tag returns the MD5 of the body, once it has ended.
func (in *intake) tag() (t [16]byte) {
	in.md5.Sum(t[:0])
	return t
}

// checksumFields points at the fields of an API type that carry checksums.
type checksumFields struct {
	CRC32, CRC32C, CRC64NVME, SHA1, SHA256 **string
	Type                                   *api.ChecksumType
}

// set writes a stored checksum of an object in so many parts into an answer.
func (f checksumFields) set(s sum, parts int) {
	if s.Algorithm == checksum.None || len(s.Value) == 0 {
		return
	}
	text := checksum.Encode(s.Value)
	if s.Type == checksum.Composite && parts > 0 {
		text += "-" + strconv.Itoa(parts)
	}
	field := [...]**string{nil, f.CRC32, f.CRC32C, f.CRC64NVME, f.SHA1, f.SHA256}[s.Algorithm]
	*field = wire.Ptr(text)
	if f.Type != nil {
		*f.Type = api.ChecksumType(s.Type.String())
	}
}
