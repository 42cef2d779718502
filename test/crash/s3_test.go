package crash

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/test/house"
)

// prepare makes a key to disable and enable, and two buckets: one as it comes, one whose
// default encryption is under a customer's key.
func prepare(t *testing.T, a house.Account) (key, plain, sealed string) {
	t.Helper()
	plain, sealed = "crash-plain", "crash-sealed"
	newKey := func() string {
		out, err := a.KMS().CreateKey(ctx, &kms.CreateKeyInput{})
		if err != nil {
			t.Fatal(err)
		}
		return *out.KeyMetadata.Arn
	}
	for _, name := range []string{plain, sealed} {
		if _, err := a.S3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(house.Region),
		}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.S3().PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &sealed, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{
			SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String(newKey()),
		}}},
	}}); err != nil {
		t.Fatal(err)
	}
	return newKey(), plain, sealed
}

// accountOf returns the account of an ARN.
func accountOf(arn string) string { return strings.Split(arn, ":")[4] }

// content is what an object is known by: the digest of its bytes, or absent.
type content string

const absent content = ""

func contentOf(body []byte) content {
	sum := sha256.Sum256(body)
	return content(hex.EncodeToString(sum[:]))
}

// objectWorker writes, overwrites and deletes a few objects.
type objectWorker struct {
	*journal
	bucket string
	max    int
	may    map[string][]content // what an object may be: one thing, or two after a call without an answer
}

func newObjectWorker(name string, seed uint64, bucket string, largest int) *objectWorker {
	return &objectWorker{journal: newJournal(name, seed), bucket: bucket, max: largest, may: map[string][]content{}}
}

func (w *objectWorker) step(a house.Account) error {
	key := fmt.Sprintf("%s/%d", w.name, w.rand.IntN(12))
	before := w.may[key]
	if before == nil {
		before = []content{absent}
	}
	if w.rand.IntN(4) == 0 {
		w.may[key] = append(before, absent)
		out, err := a.S3().DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &w.bucket, Key: &key})
		if err := w.note("DeleteObject", out, err); err != nil {
			return err
		}
		w.may[key] = []content{absent}
		return nil
	}
	body := w.bytes(w.rand.IntN(w.max))
	now := contentOf(body)
	w.may[key] = append(before, now)
	out, err := a.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: &w.bucket, Key: &key, Body: bytes.NewReader(body), Metadata: map[string]string{"digest": string(now)}})
	if err := w.note("PutObject", out, err); err != nil {
		return err
	}
	w.may[key] = []content{now}
	return nil
}

func (w *objectWorker) verify(t *testing.T, a house.Account) {
	sizes := map[string]int64{}
	for pages := s3.NewListObjectsV2Paginator(a.S3(), &s3.ListObjectsV2Input{Bucket: &w.bucket, Prefix: aws.String(w.name + "/")}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		for _, o := range page.Contents {
			sizes[*o.Key] = *o.Size
		}
	}
	for key, may := range w.may {
		body, digest, err := read(a, w.bucket, key)
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		got := absent
		if body != nil {
			got = contentOf(body)
		}
		size, listed := sizes[key]
		switch {
		case !slices.Contains(may, got):
			t.Errorf("%s has %d bytes with the digest %.8q, want one of %.8q", key, len(body), got, may)
		case digest != got:
			t.Errorf("%s has the bytes of one object and the metadata of another", key)
		case listed != (got != absent) || size != int64(len(body)):
			t.Errorf("%s has %d bytes; listed: %v, with %d", key, len(body), listed, size)
		}
		w.may[key] = []content{got}
	}
}

// read returns an object and the digest in its metadata; nil for none.
func read(a house.Account, bucket, key string) ([]byte, content, error) {
	out, err := a.S3().GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if house.ErrorCode(err) == "NoSuchKey" {
		return nil, absent, nil
	}
	if err != nil {
		return nil, absent, err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return append([]byte{}, body...), content(out.Metadata["digest"]), err
}

// minPart is the least size of all parts but the last.
const minPart = 5 << 20

// partsWorker uploads objects in parts, and gives up every fourth upload.
type partsWorker struct {
	*journal
	bucket  string
	objects map[string]content // completed
	upload  *upload            // under way
	doubt   string             // the call without an answer
}

type upload struct {
	key, id string
	whole   []byte
	parts   []types.CompletedPart
}

func newPartsWorker(name string, seed uint64, bucket string) *partsWorker {
	return &partsWorker{journal: newJournal(name, seed), bucket: bucket, objects: map[string]content{}}
}

func (w *partsWorker) step(a house.Account) error {
	if w.upload == nil {
		key := w.next()
		w.doubt = "CreateMultipartUpload"
		out, err := a.S3().CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &w.bucket, Key: &key})
		if err := w.note("CreateMultipartUpload", out, err); err != nil {
			return err
		}
		w.upload = &upload{key: key, id: *out.UploadId}
	}
	u := w.upload
	for _, size := range []int{minPart, 1 + w.rand.IntN(100_000)}[len(u.parts):] {
		w.doubt = "UploadPart"
		body, number := bytes.Repeat(w.bytes(size/64+1), 64)[:size], aws.Int32(int32(len(u.parts)+1))
		out, err := a.S3().UploadPart(ctx, &s3.UploadPartInput{Bucket: &w.bucket, Key: &u.key, UploadId: &u.id, PartNumber: number, Body: bytes.NewReader(body)})
		if err := w.note("UploadPart", out, err); err != nil {
			return err
		}
		u.whole = append(u.whole, body...)
		u.parts = append(u.parts, types.CompletedPart{ETag: out.ETag, PartNumber: number})
	}
	return w.end(a)
}

// end completes the upload, or gives it up.
func (w *partsWorker) end(a house.Account) error {
	u := w.upload
	if w.rand.IntN(4) == 0 {
		w.doubt = "AbortMultipartUpload"
		out, err := a.S3().AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &w.bucket, Key: &u.key, UploadId: &u.id})
		if err := w.note("AbortMultipartUpload", out, err); err != nil {
			return err
		}
		w.upload, w.doubt = nil, ""
		return nil
	}
	w.doubt = "CompleteMultipartUpload"
	if err := w.complete(a); err != nil {
		return err
	}
	w.doubt = ""
	return nil
}

func (w *partsWorker) complete(a house.Account) error {
	u := w.upload
	out, err := a.S3().CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &w.bucket, Key: &u.key, UploadId: &u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	})
	if err := w.note("CompleteMultipartUpload", out, err); err != nil {
		return err
	}
	w.objects[u.key], w.upload = contentOf(u.whole), nil
	return nil
}

func (w *partsWorker) verify(t *testing.T, a house.Account) {
	if w.upload != nil {
		w.verifyUpload(t, a)
	}
	w.doubt = ""
	for key, want := range w.objects {
		body, _, err := read(a, w.bucket, key)
		if err != nil || body == nil || contentOf(body) != want {
			t.Errorf("%s, uploaded in parts, has %d bytes, %v", key, len(body), err)
		}
	}
}

// verifyUpload looks at the upload that was under way: its answered parts are there, unless the
// call without an answer has ended it, and then wholly.
func (w *partsWorker) verifyUpload(t *testing.T, a house.Account) {
	u := w.upload
	body, _, err := read(a, w.bucket, u.key)
	if err != nil {
		t.Errorf("%s: %v", u.key, err)
		return
	}
	if body != nil {
		if w.doubt != "CompleteMultipartUpload" || contentOf(body) != contentOf(u.whole) {
			t.Errorf("%s has %d bytes though %s was the last call", u.key, len(body), w.doubt)
		}
		w.objects[u.key], w.upload = contentOf(body), nil
		return
	}
	listed, err := a.S3().ListParts(ctx, &s3.ListPartsInput{Bucket: &w.bucket, Key: &u.key, UploadId: &u.id})
	if house.ErrorCode(err) == "NoSuchUpload" && w.doubt == "AbortMultipartUpload" {
		w.upload = nil
		return
	}
	if err != nil || len(listed.Parts) < len(u.parts) || len(listed.Parts) > len(u.parts)+1 {
		t.Errorf("the upload of %s has the parts %+v, %v; %d were answered and %s was the last call", u.key, listed, err, len(u.parts), w.doubt)
		w.upload = nil
		return
	}
	for i, p := range u.parts {
		if *listed.Parts[i].ETag != *p.ETag || *listed.Parts[i].PartNumber != *p.PartNumber {
			t.Errorf("part %d of %s is %+v, want %+v", i+1, u.key, listed.Parts[i], p)
		}
	}
	if len(u.parts) == 2 { // it can be completed as if nothing had been
		if err := w.complete(a); err != nil {
			t.Errorf("%s: %v", u.key, err)
		}
	}
}
