package sigv4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/strongroom/strongroom/secret"
)

// docChunks is the body of the S3 API reference's examples: 66,560 times the letter a in chunks of 64 KiB.
func docChunks(sigs [3]string, trailer string) string {
	return "10000;chunk-signature=" + sigs[0] + "\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=" + sigs[1] + "\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=" + sigs[2] + "\r\n" + trailer + "\r\n"
}

var (
	docSigned = [3]string{
		"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
		"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
		"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
	}
	docTrailer = [3]string{
		"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
		"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
		"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
	}
)

const (
	docTrailerLine      = "x-amz-checksum-crc32c:sOO8/Q=="
	docTrailerSignature = "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
)

func docChunkedRequest(body string, withTrailer bool) *http.Request {
	headers := []string{
		"X-Amz-Date", "20130524T000000Z", "X-Amz-Storage-Class", "REDUCED_REDUNDANCY",
		"Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", "66560", "Content-Length", "66824",
	}
	signed, signature := "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class", "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
	if withTrailer {
		headers = append(headers, "X-Amz-Content-Sha256", streamSignedTrailer, "X-Amz-Trailer", "x-amz-checksum-crc32c")
		signed, signature = "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer", "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
	} else {
		headers = append(headers, "X-Amz-Content-Sha256", streamSigned)
	}
	r := newRequest("PUT", "/examplebucket/chunkObject.txt", "s3.amazonaws.com", body, headers...)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+docID+"/20130524/us-east-1/s3/aws4_request,SignedHeaders="+signed+",Signature="+signature)
	return r
}

// TestChunkedDocumentation reads the S3 API reference's examples of chunked uploads, with the line ends that
// different clients put around a trailer.
func TestChunkedDocumentation(t *testing.T) {
	want := strings.Repeat("a", 66560)
	for _, c := range []struct {
		name, body string
		trailer    bool
	}{
		{"signed", docChunks(docSigned, ""), false},
		{"trailer", docChunks(docTrailer, docTrailerLine+"\r\n"+docTrailerSignature+"\r\n"), true},
		{"trailer after an empty line", docChunks(docTrailer, "\r\n"+docTrailerLine+"\r\n"+docTrailerSignature+"\r\n"), true},
		{"trailer with LF CRLF", docChunks(docTrailer, docTrailerLine+"\n\r\n"+docTrailerSignature+"\r\n"), true},
		{"trailer without last line end", strings.TrimRight(docChunks(docTrailer, docTrailerLine+"\r\n"+docTrailerSignature), "\r\n"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock(t, docTime, func(t *testing.T) {
				r := docChunkedRequest(c.body, c.trailer)
				q, err := Parse(r)
				if err != nil {
					t.Fatal(err)
				}
				body, err := NewVerifier(known).VerifyStream(t.Context(), q, s3Doc)
				if err != nil {
					t.Fatal(err)
				}
				if body.Length() != 66560 {
					t.Errorf("length %d, want 66560", body.Length())
				}
				got, err := io.ReadAll(body)
				if err != nil || string(got) != want {
					t.Fatalf("got %d bytes, %v, want %d", len(got), err, len(want))
				}
				checksum := body.Trailer().Get("x-amz-checksum-crc32c")
				if c.trailer != (checksum == "sOO8/Q==") {
					t.Errorf("trailer %q", checksum)
				}
			})
		})
	}
}

// chunked makes a request with the Signer's own encoder and returns its encoded body.
func chunked(t testing.TB, stream Stream, data []byte) (*http.Request, []byte) {
	t.Helper()
	stream.Length = int64(len(data))
	r, err := http.NewRequest("PUT", "https://s3.amazonaws.com/bucket/key", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	signer := NewSigner(Credentials{AccessKeyID: docID, Secret: secret.FromString(docSecret)}, "us-east-1", "s3")
	if err := signer.SignStream(r, stream, docTime); err != nil {
		t.Fatal(err)
	}
	encoded, err := io.ReadAll(iotest.OneByteReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(encoded)) != r.ContentLength {
		t.Fatalf("encoded %d bytes, announced %d", len(encoded), r.ContentLength)
	}
	return r, encoded
}

var (
	crcTrailer = []Trailer{{Name: "x-amz-checksum-crc32c", Size: 8, Value: func() string { return "sOO8/Q==" }}}
	streams    = map[string]Stream{
		"signed":           {},
		"signed trailer":   {Trailer: crcTrailer},
		"unsigned trailer": {Trailer: crcTrailer, Unsigned: true},
		"small chunks":     {ChunkSize: 8192, Trailer: crcTrailer},
	}
)

// with returns r carrying another body.
func with(r *http.Request, body io.Reader) *http.Request {
	c := *r
	c.Body = io.NopCloser(body)
	return &c
}

func TestChunkedRoundTrip(t *testing.T) {
	for name, stream := range streams {
		for _, n := range []int{0, 1, 8191, 8192, 8193, 65536, 200_000} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				data := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
				r, encoded := chunked(t, stream, data)
				clock(t, docTime, func(t *testing.T) {
					for how, src := range map[string]io.Reader{
						"whole":    bytes.NewReader(encoded),
						"halves":   iotest.HalfReader(bytes.NewReader(encoded)),
						"with EOF": iotest.DataErrReader(bytes.NewReader(encoded)),
					} {
						got, err := readS3(t, with(r, src))
						if err != nil || got != string(data) {
							t.Errorf("%s: got %d bytes, %v, want %d", how, len(got), err, n)
						}
					}
				})
			})
		}
	}
}

// TestChunkedExactRead reads as many bytes as the body holds and never asks for the end: a forged body must fail
// all the same.
func TestChunkedExactRead(t *testing.T) {
	data := bytes.Repeat([]byte("x"), 10_000)
	r, encoded := chunked(t, Stream{Trailer: crcTrailer}, data)
	forged := bytes.Replace(encoded, []byte("sOO8"), []byte("AAAA"), 1)
	clock(t, docTime, func(t *testing.T) {
		for _, c := range []struct {
			body []byte
			kind Kind
		}{{encoded, 0}, {forged, Mismatch}} {
			q, err := Parse(with(r, bytes.NewReader(c.body)))
			if err != nil {
				t.Fatal(err)
			}
			body, err := NewVerifier(known).VerifyStream(t.Context(), q, s3Doc)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadFull(body, make([]byte, len(data)))
			if c.kind == 0 && err != nil || c.kind != 0 && !errors.Is(err, c.kind) {
				t.Errorf("got %v, want kind %d", err, c.kind)
			}
		}
	})
}

// TestChunkedTamper changes every byte of a signed upload, cuts it off at every byte, and puts one in at every byte.
func TestChunkedTamper(t *testing.T) {
	data := bytes.Repeat([]byte("tamper"), 60)
	for _, name := range []string{"signed", "signed trailer"} {
		t.Run(name, func(t *testing.T) {
			r, encoded := chunked(t, streams[name], data)
			clock(t, docTime, func(t *testing.T) {
				q, err := Parse(r)
				if err != nil {
					t.Fatal(err)
				}
				key, err := NewVerifier(known).prove(t.Context(), q, s3Doc, q.PayloadHash)
				if err != nil {
					t.Fatal(err)
				}
				read := func(b []byte) error {
					got, err := io.ReadAll(newChunkReader(q, key, bytes.NewReader(b)))
					if err == nil && !bytes.Equal(got, data) {
						t.Fatalf("accepted %q", b)
					}
					return err
				}
				if err := read(encoded); err != nil {
					t.Fatal(err)
				}
				for i := range encoded {
					if read(append(bytes.Clone(encoded[:i]), encoded[i]^1)) == nil || read(flip(encoded, i)) == nil {
						t.Errorf("byte %d changed: accepted", i)
					}
					// The line ends at the very end say nothing.
					if err := read(encoded[:i]); err == nil && i < len(encoded)-4 {
						t.Errorf("cut off at %d: accepted", i)
					}
					if inserted := append(append(bytes.Clone(encoded[:i]), 'x'), encoded[i:]...); read(inserted) == nil {
						t.Errorf("byte inserted at %d: accepted", i)
					}
				}
				if read(append(bytes.Clone(encoded), "more"...)) == nil {
					t.Error("bytes behind the end: accepted")
				}
			})
		})
	}
}

func flip(b []byte, i int) []byte {
	c := bytes.Clone(b)
	c[i] ^= 1
	return c
}

func TestChunkedRefusals(t *testing.T) {
	small := "1000\r\n" + strings.Repeat("a", 4096) + "\r\n"
	big := "2000\r\n" + strings.Repeat("a", 8192) + "\r\n"
	for _, c := range []struct {
		name    string
		length  int64
		trailer string
		body    string
		kind    Kind
	}{
		{"good", 12288, "x-amz-a", big + small + "0\r\nx-amz-a:1\r\n\r\n", 0},
		{"good with capitals", 4096, "X-Amz-A", small + "0\r\nX-Amz-A: 1 \r\n\r\n", 0},
		{"good without trailer", 4096, "", small + "0\r\n\r\n", 0},
		{"small chunk first", 12288, "", small + big + "0\r\n\r\n", InvalidChunkSize},
		{"too few bytes", 12289, "", big + small + "0\r\n\r\n", InvalidChunkSize},
		{"end too early", 16384, "", big + "0\r\n\r\n", IncompleteBody},
		{"too many bytes", 8192, "", big + small + "0\r\n\r\n", IncompleteBody},
		{"chunk beyond the length", 8191, "", big + "0\r\n\r\n", IncompleteBody},
		{"no last chunk", 8192, "", big, IncompleteBody},
		{"nothing", 8192, "", "", IncompleteBody},
		{"size of 16 digits", 8192, "", "8000000000000000\r\n", IncompleteBody},
		{"negative size", 8192, "", "-2000\r\n", IncompleteBody},
		{"no size", 8192, "", "\r\n", IncompleteBody},
		{"size with extension", 8192, "", "2000;a=b\r\n", IncompleteBody},
		{"endless size", 8192, "", strings.Repeat("0", 100_000), IncompleteBody},
		{"bare line feed", 8192, "", "2000\n", IncompleteBody},
		{"no line end behind data", 8192, "", big[:len(big)-2] + "0\r\n\r\n", IncompleteBody},
		{"trailer not announced", 4096, "", small + "0\r\nx-amz-a:1\r\n\r\n", MalformedTrailer},
		{"trailer twice", 4096, "x-amz-a", small + "0\r\nx-amz-a:1\r\nx-amz-a:1\r\n\r\n", MalformedTrailer},
		{"trailer missing", 4096, "x-amz-a", small + "0\r\n\r\n", MalformedTrailer},
		{"one of two trailers", 4096, "x-amz-a,x-amz-b", small + "0\r\nx-amz-a:1\r\n\r\n", MalformedTrailer},
		{"trailer without colon", 4096, "x-amz-a", small + "0\r\nx-amz-a\r\n\r\n", MalformedTrailer},
		{"trailer too long", 4096, "x-amz-a", small + "0\r\nx-amz-a:" + strings.Repeat("1", maxTrailer) + "\r\n\r\n", MalformedTrailer},
		{"signature where none belongs", 4096, "x-amz-a", small + "0\r\nx-amz-a:1\r\nx-amz-trailer-signature:" + EmptyPayload + "\r\n\r\n", MalformedTrailer},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRequest("PUT", "/b/k", "h", c.body, "X-Amz-Content-Sha256", streamUnsignedTrailer,
				"X-Amz-Decoded-Content-Length", strconv.FormatInt(c.length, 10))
			if c.trailer != "" {
				r.Header.Set("X-Amz-Trailer", c.trailer)
			}
			body, err := UnsignedBody(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			switch {
			case c.kind != 0 && !errors.Is(err, c.kind):
				t.Errorf("got %v, want %v", err, c.kind)
			case c.kind == 0 && (err != nil || int64(len(got)) != c.length):
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if _, again := body.Read(make([]byte, 1)); again != err && !(err == nil && again == io.EOF) {
				t.Errorf("after %v: %v", err, again)
			}
		})
	}
}

func TestBodyOfAHash(t *testing.T) {
	const text = "Welcome to Amazon S3."
	for _, c := range []struct {
		name, body, hash string
		length           int64
		kind             Kind
	}{
		{"right", text, HashPayload([]byte(text)), int64(len(text)), 0},
		{"right, length unknown", text, HashPayload([]byte(text)), -1, 0},
		{"empty", "", EmptyPayload, 0, 0},
		{"empty, length unknown", "", EmptyPayload, -1, 0},
		{"wrong", text, EmptyPayload, int64(len(text)), ContentMismatch},
		{"wrong, length unknown", text, EmptyPayload, -1, ContentMismatch},
		{"wrongly empty", "", HashPayload([]byte(text)), 0, ContentMismatch},
		{"unsigned", text, UnsignedPayload, int64(len(text)), 0},
		{"no hash", text, "sha256", int64(len(text)), InvalidPayloadHash},
		{"capitals", text, strings.ToUpper(HashPayload([]byte(text))), int64(len(text)), InvalidPayloadHash},
		{"signed chunks without a signature", text, streamSigned, int64(len(text)), MissingSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			for how, wrap := range map[string]func(io.Reader) io.Reader{
				"plain": func(r io.Reader) io.Reader { return r }, "one byte": iotest.OneByteReader, "with EOF": iotest.DataErrReader,
			} {
				r := newRequest("PUT", "/b/k", "h", c.body, "X-Amz-Content-Sha256", c.hash, "X-Amz-Decoded-Content-Length", "5")
				r.ContentLength = c.length
				r.Body = io.NopCloser(wrap(strings.NewReader(c.body)))
				body, err := UnsignedBody(r)
				var got []byte
				if err == nil {
					got, err = io.ReadAll(body)
				}
				switch {
				case c.kind != 0 && !errors.Is(err, c.kind):
					t.Errorf("%s: got %v, want %v", how, err, c.kind)
				case c.kind == 0 && (err != nil || string(got) != c.body):
					t.Errorf("%s: got %q, %v", how, got, err)
				case c.kind == ContentMismatch && c.length > 0 && len(got) == len(c.body):
					t.Errorf("%s: all bytes came out before the refusal", how)
				}
			}
		})
	}
}

func TestBodyCutOff(t *testing.T) {
	r := newRequest("PUT", "/b/k", "h", "", "X-Amz-Content-Sha256", HashPayload([]byte("abcdef")))
	r.ContentLength = 6
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	body, err := UnsignedBody(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); !errors.Is(err, IncompleteBody) || string(got) != "abc" {
		t.Errorf("got %q, %v, want IncompleteBody", got, err)
	}
}

func TestSignStreamRefusals(t *testing.T) {
	credentials := Credentials{AccessKeyID: docID, Secret: secret.FromString(docSecret)}
	for _, c := range []struct {
		name, service string
		stream        Stream
		body          string
	}{
		{"another service", "kms", Stream{Length: 3}, "abc"},
		{"tiny chunks", "s3", Stream{Length: 3, ChunkSize: 100}, "abc"},
		{"unsigned without trailer", "s3", Stream{Length: 3, Unsigned: true}, "abc"},
		{"body too short", "s3", Stream{Length: 4}, "abc"},
		{"body too long", "s3", Stream{Length: 2}, "abc"},
		{"trailer of another length", "s3", Stream{Length: 3, Trailer: []Trailer{{"x-amz-a", 2, func() string { return "1" }}}}, "abc"},
	} {
		r, err := http.NewRequest("PUT", "https://s3/b/k", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if err = NewSigner(credentials, "us-east-1", c.service).SignStream(r, c.stream, docTime); err == nil {
			_, err = io.ReadAll(r.Body)
		}
		if err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}
