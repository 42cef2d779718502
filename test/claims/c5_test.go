package claims

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/test/canary"
	"github.com/strongroom/strongroom/test/house"
)

func TestC5_EncryptedWithNoKeyNamed(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	const bucket = "plain-default-bucket"
	newBucket(t, admin, bucket, "")

	rule, err := admin.S3().GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: aws.String(bucket)})
	if err != nil {
		t.Fatal(err)
	}
	if got := rule.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm; got != s3types.ServerSideEncryptionAes256 {
		t.Errorf("the bucket's default is %s, want AES256", got)
	}

	var hunt canary.Hunt
	sizes := map[string]int{"small": 200, "larger": 40 << 10, "large": 3 << 20} // kept in a record, in a file, in a file of many frames
	bodies := map[string][]byte{}
	for key, size := range sizes {
		secret := random(32)
		hunt.Add("bytes of the "+key+" object", secret)
		bodies[key] = bytes.Repeat(append(random(68), secret...), size/100)
		if got := put(t, admin, bucket, key, bodies[key]).ServerSideEncryption; got != s3types.ServerSideEncryptionAes256 {
			t.Errorf("PutObject of the %s object answers encryption %q, want AES256", key, got)
		}
	}
	for key, body := range bodies {
		head, err := admin.S3().HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		if head.ServerSideEncryption != s3types.ServerSideEncryptionAes256 {
			t.Errorf("HeadObject of the %s object answers encryption %q, want AES256", key, head.ServerSideEncryption)
		}
		if got, err := get(admin, bucket, key); err != nil || !bytes.Equal(got, body) {
			t.Errorf("the %s object did not come back: %d bytes, %v", key, len(got), err)
		}
	}

	h.Stop() // so that everything is where it stays
	findings, read, err := hunt.Dir(h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
	if read < 3<<20 {
		t.Errorf("only %d bytes are on disk", read)
	}
}

// TestC5_NoEncryptionCannotBeAskedFor is the refusal: there is no way to store an object unsealed.
func TestC5_NoEncryptionCannotBeAskedFor(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBucket(t, admin, "strict-bucket", "")
	for _, algorithm := range []s3types.ServerSideEncryption{"none", "NONE", "AES128", "aws:fsx"} {
		_, err := admin.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("strict-bucket"), Key: aws.String("x"), ServerSideEncryption: algorithm})
		if err == nil {
			t.Errorf("an object with encryption %q was taken", algorithm)
		}
		if _, err := get(admin, "strict-bucket", "x"); house.ErrorCode(err) != "NoSuchKey" {
			t.Errorf("after a refusal the object is there: %v", err)
		}
	}
	if _, err := admin.S3().DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: aws.String("strict-bucket")}); err != nil {
		t.Fatal(err)
	}
	if got := put(t, admin, "strict-bucket", "y", []byte("y")).ServerSideEncryption; got != s3types.ServerSideEncryptionAes256 {
		t.Errorf("without a default of its own the bucket's objects have encryption %q, want AES256", got)
	}
}
