package s3

import (
	"context"
	"errors"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/wire"
)

// maxDelete is the most keys one DeleteObjects names.
const maxDelete = 1000

// DeleteObject removes an object. One that is not there is no error.
func (s *Service) DeleteObject(ctx context.Context, in *api.DeleteObjectInput) (*api.DeleteObjectOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if in.IfMatchLastModifiedTime != nil || in.IfMatchSize != nil || in.BypassGovernanceRetention != nil {
		return nil, notImplemented()
	}
	key, err := checkKey(in.Key)
	if err != nil {
		return nil, err
	}
	if err := nullVersion(in.VersionId); err != nil {
		return nil, err
	}
	out := &api.DeleteObjectOutput{}
	if in.VersionId != nil {
		out.VersionId = in.VersionId
	}
	return out, s.removeObject(ctx, b, key, object.Guard{Match: wire.Val(in.IfMatch)})
}

// DeleteObjects removes many objects. Each is allowed or refused by itself.
func (s *Service) DeleteObjects(ctx context.Context, in *api.DeleteObjectsInput) (*api.DeleteObjectsOutput, error) {
	c, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > maxDelete {
		return nil, malformedXML()
	}
	if in.BypassGovernanceRetention != nil {
		return nil, notImplemented()
	}
	// Nothing was checked before the handler, so the record would name no resource.
	c.Resources = append(c.Resources, call.Resource{Account: b.Account, Type: typeBucket, ARN: b.arn()})
	out := &api.DeleteObjectsOutput{}
	quiet := wire.Val(in.Delete.Quiet)
	for i := range in.Delete.Objects {
		one := &in.Delete.Objects[i]
		if err := s.deleteOne(ctx, c, b, one); err != nil {
			e := answerOf(err)
			if e.Fault {
				s.log.Error("object cannot be deleted", "request", c.ID, "error", err)
			}
			out.Errors = append(out.Errors, api.Error{Key: one.Key, VersionId: one.VersionId, Code: wire.Ptr(e.Code), Message: wire.Ptr(e.Message)})
			continue
		}
		if !quiet {
			out.Deleted = append(out.Deleted, api.DeletedObject{Key: one.Key, VersionId: one.VersionId})
		}
	}
	return out, nil
}

// answerOf returns an error as it is told inside an answer.
func answerOf(err error) *wire.Error {
	var e *wire.Error
	if errors.As(err, &e) {
		return e
	}
	return internalError(err)
}

func (s *Service) deleteOne(ctx context.Context, c *call.Call, b *bucket, one *api.ObjectIdentifier) error {
	// Also a key that cannot be is asked about: no answer goes out undecided.
	action := "s3:DeleteObject"
	if one.VersionId != nil {
		action = "s3:DeleteObjectVersion"
	}
	if err := s.authorize(ctx, s.check(ctx, c, b, action, wire.Val(one.Key))); err != nil {
		return err
	}
	key, err := checkKey(one.Key)
	if err != nil {
		return err
	}
	if one.LastModifiedTime != nil || one.Size != nil {
		return notImplemented()
	}
	if err := nullVersion(one.VersionId); err != nil {
		return err
	}
	return s.removeObject(ctx, b, key, object.Guard{Match: wire.Val(one.ETag)})
}
