package sigv4

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzAuthorization reads any Authorization header. What Parse accepts must be whole, and must not be proven.
func FuzzAuthorization(f *testing.F) {
	good := signedKMS(f).Header.Get("Authorization")
	f.Add(good, "20150830T123600Z")
	f.Add(strings.ReplaceAll(good, ", ", ","), "20150230T123600Z")
	f.Add("AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request,SignedHeaders=;,Signature=", "Sun, 30 Aug 2015 12:36:00 GMT")
	f.Add("AWS4-ECDSA-P256-SHA256 Credential=", "")
	f.Add("AWS AKID:c2ln", "0")
	f.Fuzz(func(t *testing.T, authorization, date string) {
		r := newRequest("POST", "/", "h", "", "Authorization", authorization, "X-Amz-Date", date)
		checkClaim(t, r, good)
	})
}

// FuzzPresigned reads any query.
func FuzzPresigned(f *testing.F) {
	good := presignedS3(f).URL.RawQuery
	f.Add(good)
	f.Add(strings.ToLower(good))
	f.Add("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=%")
	f.Add("X-Amz-Credential=%2F%2F%2F%2F&&&X-Amz-Expires=-0;")
	f.Add("AWSAccessKeyId=a")
	f.Fuzz(func(t *testing.T, query string) {
		checkClaim(t, newRequest("GET", "/b/k?"+query, "h", ""), good)
	})
}

// checkClaim parses r and tries to prove it.
func checkClaim(t *testing.T, r *http.Request, good string) {
	q, err := Parse(r)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || q != nil {
			t.Fatalf("got %v, %v, want an *Error alone", q, err)
		}
		for d := S3; d <= RESTJSON; d++ {
			if status, code, message := e.Answer(d); status < 400 || code == "" || message == "" {
				t.Fatalf("answer %d %q %q", status, code, message)
			}
		}
		return
	}
	if q.AccessKeyID == "" || len(q.Scope.Date) != 8 || q.Scope.Region == "" || q.Scope.Service == "" || len(q.SignedHeaders) == 0 || q.Time.Format(timeLayout)[:8] != q.Scope.Date {
		t.Fatalf("incomplete claim %+v", q)
	}
	at := Endpoint{Service: q.Scope.Service, Regions: []string{q.Scope.Region}}
	if err := NewVerifier(known).Verify(t.Context(), q, at, nil); err == nil && !strings.Contains(good, q.signature) {
		t.Fatalf("proven: %+v", q)
	}
}

// FuzzChunks decodes any aws-chunked body. It must agree with itself however the bytes arrive, and yield exactly as many
// bytes as were announced or an error.
func FuzzChunks(f *testing.F) {
	for _, stream := range streams {
		_, encoded := chunked(f, stream, []byte("some data"))
		f.Add(encoded, int64(9), uint8(0))
		f.Add(encoded, int64(9), uint8(1))
		f.Add(encoded, int64(9), uint8(2))
	}
	f.Add([]byte("0\r\n\r\n"), int64(0), uint8(2))
	f.Add([]byte("fffffffffffffff\r\n"), int64(1)<<60, uint8(2))
	f.Add([]byte(docChunks(docTrailer, docTrailerLine+"\n\r\n"+docTrailerSignature+"\r\n")), int64(66560), uint8(1))
	key := derive(keyName{docID, Scope{"20130524", "us-east-1", "s3"}}, suiteCredentials.Secret)
	f.Fuzz(func(t *testing.T, body []byte, length int64, kind uint8) {
		if length < 0 {
			return
		}
		q := &Request{
			r:       newRequest("PUT", "/", "h", "", "X-Amz-Trailer", "x-amz-checksum-crc32c"),
			Payload: SignedChunks + Payload(kind%3), DecodedLength: length, timestamp: "20130524T000000Z", scope: "20130524/us-east-1/s3/aws4_request",
		}
		whole, err := io.ReadAll(newChunkReader(q, key, bytes.NewReader(body)))
		if err == nil && int64(len(whole)) != length {
			t.Fatalf("%d bytes, want %d", len(whole), length)
		}
		pieces, err2 := io.ReadAll(iotest.OneByteReader(newChunkReader(q, key, iotest.HalfReader(bytes.NewReader(body)))))
		if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(whole, pieces) {
			t.Fatalf("whole: %d bytes, %v; in pieces: %d bytes, %v", len(whole), err, len(pieces), err2)
		}
	})
}

// FuzzQuery compares our reading of a query with net/url's, by which services act: two queries with one canonical form
// must mean the same.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"a=b&c=d", "b&a", "a=%2F+%20", "&&=&", "a=1&a=0&A=2", "%zz", "a;b", "ä=ö", "a=b=c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		s := &scratch{}
		want, wantErr := url.ParseQuery(raw)
		if err := s.appendQuery(raw); err != nil {
			if wantErr == nil {
				t.Fatalf("%q: refused (%v), net/url reads it", raw, err)
			}
			return
		}
		if wantErr != nil {
			t.Fatalf("%q: signed as %q, net/url refuses: %v", raw, s.text, wantErr)
		}
		got, err := url.ParseQuery(string(s.text))
		if err != nil {
			t.Fatal(err)
		}
		for _, values := range [2]url.Values{want, got} {
			for _, v := range values {
				slices.Sort(v)
			}
		}
		if want.Encode() != got.Encode() {
			t.Fatalf("%q: signed as %q", raw, s.text)
		}
		again := &scratch{}
		if err := again.appendQuery(string(s.text)); err != nil || !bytes.Equal(again.text, s.text) {
			t.Fatalf("%q: canonical %q becomes %q, %v", raw, s.text, again.text, err)
		}
	})
}
