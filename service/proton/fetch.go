package proton

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/wire"
)

// fetch gets a bundle from S3 with the caller's own permission, through the road, and keeps it sealed
// under the template's key. It is done within the call: later there would be no permission to
// do it with, and nothing is left to fetch when the house stops in between. What keeps a
// bundle from being fetched makes a version whose registration has failed: why says it, and b is nil.
func (s *Service) fetch(ctx context.Context, f *family, h *head, t template, source *api.TemplateVersionSourceInput) (b *sealedBytes, why string, err error) {
	if source == nil || source.S3 == nil {
		return nil, "", invalid("The source of a template version is an S3 object.")
	}
	data, err := s.download(ctx, source.S3)
	var failed *fetchError
	switch {
	case errors.As(err, &failed):
		return nil, failed.reason, nil
	case err != nil:
		return nil, "", err
	}
	// The version's number, and so its ARN, is not known yet, and may be another one when two
	// requests meet: the bundle is sealed for the template.
	b, err = s.keepBytes(ctx, h, data)
	return b, "", err
}

// fetchError says why a bundle could not be fetched, in words for its author.
type fetchError struct{ reason string }

func (e *fetchError) Error() string { return e.reason }

func unfetched(format string, args ...any) error { return &fetchError{fmt.Sprintf(format, args...)} }

// clientEncrypted are the members of an object's metadata by which clients that encrypt before
// they upload say so (Amazon S3 Encryption Client).
var clientEncrypted = []string{"x-amz-key", "x-amz-key-v2", "x-amz-cek-alg", "x-amz-matdesc"}

func (s *Service) download(ctx context.Context, source *api.S3ObjectSource) ([]byte, error) {
	out, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: source.Bucket, Key: source.Key})
	var e *wire.Error
	switch {
	case errors.As(err, &e) && !e.Fault:
		return nil, unfetched("The template bundle s3://%s/%s can't be retrieved: %s: %s. The object must be encrypted with SSE-S3 or SSE-KMS, and you need s3:GetObject, and kms:Decrypt on its key.",
			wire.Val(source.Bucket), wire.Val(source.Key), e.Code, e.Message)
	case err != nil:
		return nil, err
	}
	defer out.Body.Close()
	if sse := out.ServerSideEncryption; sse != s3.ServerSideEncryptionAes256 && sse != s3.ServerSideEncryptionAwsKms {
		return nil, unfetched("The template bundle must be encrypted with SSE-S3 or SSE-KMS; this object has another encryption.")
	}
	for _, name := range clientEncrypted {
		if _, ok := out.Metadata[name]; ok {
			return nil, unfetched("The template bundle was encrypted by the client that uploaded it. It must be encrypted with SSE-S3 or SSE-KMS.")
		}
	}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(out.Body, bundle.MaxPacked+1))
	if err != nil {
		return nil, err
	}
	if n > bundle.MaxPacked {
		return nil, unfetched("The template bundle is larger than %d MB.", bundle.MaxPacked>>20)
	}
	return b.Bytes(), nil
}
