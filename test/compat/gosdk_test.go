package compat

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/test/house"
)

// bucketFor makes a bucket of the administrator's and returns a client.
func bucketFor(t *testing.T, h *house.House, name string) *s3.Client {
	t.Helper()
	client := h.AsAdmin().S3()
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: house.Region}}); err != nil {
		t.Fatal(err)
	}
	return client
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// wantObject fails the test unless the object is exactly the bytes.
func wantObject(t *testing.T, client *s3.Client, bucket, key string, want []byte) {
	t.Helper()
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Errorf("%s: %v", key, err)
		return
	}
	defer out.Body.Close()
	if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes came back as %d, %v", key, len(want), len(got), err)
	}
}

// stream hides that a reader can seek, so that the SDK sends a body whose checksum it learns on
// the way: aws-chunked, with the checksum in a trailer.
type stream struct{ io.Reader }

func TestGoSDKChecksums(t *testing.T) {
	t.Parallel()
	h := house.Start(t)
	client := bucketFor(t, h, "go-checksums")
	body := content(300_000)
	for _, algorithm := range []types.ChecksumAlgorithm{"", types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256} {
		for how, reader := range map[string]io.Reader{"seekable": bytes.NewReader(body), "stream": stream{bytes.NewReader(body)}} {
			key := how + string(algorithm)
			out, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("go-checksums"), Key: &key, Body: reader, ContentLength: aws.Int64(int64(len(body))), ChecksumAlgorithm: algorithm})
			if err != nil {
				t.Errorf("%s: %v", key, err)
				continue
			}
			sums := map[types.ChecksumAlgorithm]*string{
				"": out.ChecksumCRC32, types.ChecksumAlgorithmCrc32: out.ChecksumCRC32, types.ChecksumAlgorithmCrc32c: out.ChecksumCRC32C,
				types.ChecksumAlgorithmCrc64nvme: out.ChecksumCRC64NVME, types.ChecksumAlgorithmSha1: out.ChecksumSHA1, types.ChecksumAlgorithmSha256: out.ChecksumSHA256,
			}
			if sums[algorithm] == nil {
				t.Errorf("%s: the answer has no checksum of that kind", key)
			}
			wantObject(t, client, "go-checksums", key, body)
		}
	}
	// A body that is not what its checksum says leaves nothing.
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("go-checksums"), Key: aws.String("wrong"), Body: bytes.NewReader(body), ChecksumSHA256: aws.String("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")})
	house.WantCode(t, err, "BadDigest")
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("go-checksums"), Key: aws.String("wrong")})
	house.WantCode(t, err, "NoSuchKey")
}

// TestGoSDKMultipart uploads as the SDK's transfer managers do: parts of 5 MiB and more, together.
func TestGoSDKMultipart(t *testing.T) {
	t.Parallel()
	h := house.Start(t)
	client := bucketFor(t, h, "go-multipart")
	bucket, key, body := aws.String("go-multipart"), aws.String("a/large object"), content(23<<20)
	const part = 5 << 20
	up, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject, Metadata: map[string]string{"made-by": "a test"}})
	if err != nil {
		t.Fatal(err)
	}
	parts := make([]types.CompletedPart, (len(body)+part-1)/part)
	errs := make([]error, len(parts))
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			piece := body[i*part : min(len(body), (i+1)*part)]
			out, err := client.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(int32(i + 1)), Body: stream{bytes.NewReader(piece)}, ContentLength: aws.Int64(int64(len(piece))), ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme})
			if errs[i] = err; err == nil {
				parts[i] = types.CompletedPart{ETag: out.ETag, PartNumber: aws.Int32(int32(i + 1)), ChecksumCRC64NVME: out.ChecksumCRC64NVME}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	house.WantCode(t, err, "NoSuchKey") // nothing is there before it is complete
	done, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}, ChecksumType: types.ChecksumTypeFullObject})
	if err != nil {
		t.Fatal(err)
	}
	if done.ChecksumCRC64NVME == nil || done.ServerSideEncryption != types.ServerSideEncryptionAes256 {
		t.Errorf("the answer is %+v, want a checksum of the whole and its encryption", done)
	}
	wantObject(t, client, *bucket, *key, body)
	for _, r := range []struct {
		header   string
		from, to int
	}{{"bytes=0-0", 0, 1}, {"bytes=5242870-5242899", 5242870, 5242900}, {"bytes=-7", len(body) - 7, len(body)}, {"bytes=24000000-", 24000000, len(body)}} {
		out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, Range: &r.header})
		if err != nil {
			t.Errorf("%s: %v", r.header, err)
			continue
		}
		if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, body[r.from:r.to]) {
			t.Errorf("%s: %d bytes, %v; want %d", r.header, len(got), err, r.to-r.from)
		}
		_ = out.Body.Close()
	}
}

func TestGoSDKPresigned(t *testing.T) {
	t.Parallel()
	h := house.Start(t)
	client := bucketFor(t, h, "go-presigned")
	presigner := s3.NewPresignClient(client)
	body := content(10_000)
	send := func(r *v4.PresignedHTTPRequest, err error, body []byte) (int, []byte) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(context.Background(), r.Method, r.URL, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range r.SignedHeader {
			request.Header[k] = v
		}
		answer, err := h.HTTP().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, text
	}
	object := &s3.PutObjectInput{Bucket: aws.String("go-presigned"), Key: aws.String("an object"), ContentLength: aws.Int64(int64(len(body)))}
	r, err := presigner.PresignPutObject(ctx, object)
	if status, text := send(r, err, body); status != http.StatusOK {
		t.Fatalf("PUT: %d\n%s", status, text)
	}
	get := &s3.GetObjectInput{Bucket: object.Bucket, Key: object.Key}
	r, err = presigner.PresignGetObject(ctx, get)
	if status, text := send(r, err, nil); status != http.StatusOK || sha256.Sum256(text) != sha256.Sum256(body) {
		t.Errorf("GET: %d, %d bytes", status, len(text))
	}
	r.URL += "&response-content-type=text%2Fhtml"
	if status, _ := send(r, nil, nil); status != http.StatusForbidden {
		t.Errorf("GET of a changed URL: %d, want 403", status)
	}
	r, err = presigner.PresignGetObject(ctx, get, s3.WithPresignExpires(time.Second))
	time.Sleep(2100 * time.Millisecond)
	if status, text := send(r, err, nil); status != http.StatusForbidden || !bytes.Contains(text, []byte("<Code>AccessDenied</Code>")) {
		t.Errorf("GET of an expired URL: %d\n%s", status, text)
	}
	// A signature is for its method, and for its region.
	r, err = presigner.PresignGetObject(ctx, get)
	r.Method = http.MethodDelete
	if status, _ := send(r, err, nil); status != http.StatusForbidden {
		t.Errorf("DELETE with a URL for GET: %d, want 403", status)
	}
	wantObject(t, client, "go-presigned", "an object", body)
}
