package sigv4

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/secret"
)

// constantKeys answers one secret without work of its own.
type constantKeys struct{ secretKey secret.Bytes }

func (k constantKeys) SecretKey(context.Context, string, string) (secret.Bytes, error) {
	return k.secretKey, nil
}

// now makes r a request of this moment.
func now(b *testing.B, r *http.Request, region, service, payload string) *http.Request {
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Content-Sha256"} {
		r.Header.Del(name)
	}
	if err := NewSigner(suiteCredentials, region, service).Sign(r, payload, time.Now()); err != nil {
		b.Fatal(err)
	}
	return r
}

func benchmark(b *testing.B, r *http.Request, at Endpoint, body []byte, warm bool) {
	v := NewVerifier(constantKeys{suiteCredentials.Secret})
	b.ReportAllocs()
	for b.Loop() {
		if !warm {
			v.cache = newKeyCache(1)
		}
		q, err := Parse(r)
		if err == nil {
			err = v.Verify(context.Background(), q, at, body)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyKMS(b *testing.B) {
	r := now(b, signedKMS(b), "eu-central-1", "kms", HashPayload([]byte(kmsBody)))
	b.Run("warm", func(b *testing.B) { benchmark(b, r, kms, []byte(kmsBody), true) })
	b.Run("cold", func(b *testing.B) { benchmark(b, r, kms, []byte(kmsBody), false) })
}

func BenchmarkVerifyS3(b *testing.B) {
	r := now(b, signedS3(b), "us-east-1", "s3", EmptyPayload)
	r.Body, r.ContentLength = http.NoBody, 0
	v := NewVerifier(constantKeys{suiteCredentials.Secret})
	b.ReportAllocs()
	for b.Loop() {
		q, err := Parse(r)
		if err == nil {
			_, err = v.VerifyStream(context.Background(), q, s3Doc)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyPresigned(b *testing.B) {
	u, err := NewSigner(suiteCredentials, "us-east-1", "s3").Presign(
		&http.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: "h", Path: "/b/k"}}, time.Hour, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, newRequest("GET", strings.TrimPrefix(u, "https://h"), "h", ""), s3Doc, nil, true)
}

// BenchmarkBody reads 16 MiB in each form of payload.
func BenchmarkBody(b *testing.B) {
	data := make([]byte, 16<<20)
	read := func(b *testing.B, q *Request, key *signingKey, encoded []byte) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		buf := make([]byte, 64<<10)
		for b.Loop() {
			q.r.Body = io.NopCloser(bytes.NewReader(encoded))
			body, err := newBody(q, key)
			if err != nil {
				b.Fatal(err)
			}
			for err == nil {
				_, err = body.Read(buf)
			}
			if err != io.EOF {
				b.Fatal(err)
			}
		}
	}
	for name, stream := range streams {
		b.Run(name, func(b *testing.B) {
			r, encoded := chunked(b, stream, data)
			q, err := Parse(r)
			if err != nil {
				b.Fatal(err)
			}
			read(b, q, derive(keyName{q.AccessKeyID, q.Scope}, secret.FromString(docSecret)), encoded)
		})
	}
	b.Run("hash", func(b *testing.B) {
		r := newRequest("PUT", "/", "h", "")
		read(b, &Request{r: r, Payload: Hashed, PayloadHash: HashPayload(data), DecodedLength: int64(len(data))}, nil, data)
	})
}

func BenchmarkSign(b *testing.B) {
	s := NewSigner(suiteCredentials, "eu-central-1", "kms")
	r := signedKMS(b)
	hash := HashPayload([]byte(kmsBody))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Sign(r, hash, suiteTime); err != nil {
			b.Fatal(err)
		}
	}
}
