package s3

import (
	"context"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/wire"
)

// firstRegion is the region whose rules differ because it came first.
const firstRegion = "us-east-1"

// CreateBucket makes a bucket.
func (s *Service) CreateBucket(ctx context.Context, in *api.CreateBucketInput) (*api.CreateBucketOutput, error) {
	c := call.From(ctx)
	name := wire.Val(in.Bucket)
	if object.CheckBucketName(name) != nil {
		return nil, badRequest("InvalidBucketName", "The specified bucket is not valid.")
	}
	if err := supportedBucket(in); err != nil {
		return nil, err
	}
	tags, err := location(c.Region, in.CreateBucketConfiguration)
	if err != nil {
		return nil, err
	}
	b := newBucket(name, c.Principal.Account, c.Region, s.at())
	b.Tags = tags
	err = s.createBucket(ctx, b)
	if err != nil && !(wire.IsCode(err, "BucketAlreadyOwnedByYou") && s.sameAgain(ctx, b)) {
		return nil, err
	}
	return &api.CreateBucketOutput{Location: wire.Ptr("/" + name), BucketArn: wire.Ptr(b.arn())}, nil
}

// sameAgain reports whether making a bucket that is there already succeeds: in the first
// region it does, for its owner.
func (s *Service) sameAgain(ctx context.Context, b *bucket) bool {
	old, err := s.bucket(ctx, b.Name)
	return err == nil && b.Region == firstRegion && old.Region == firstRegion
}

// supportedBucket refuses what a new bucket may ask for and the house does not have.
func supportedBucket(in *api.CreateBucketInput) error {
	switch {
	case wire.Val(in.ObjectLockEnabledForBucket),
		in.ObjectOwnership != "" && in.ObjectOwnership != api.ObjectOwnershipBucketOwnerEnforced,
		in.BucketNamespace != "" && in.BucketNamespace != api.BucketNamespaceGlobal:
		return notImplemented()
	}
	for _, g := range []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP} {
		if g != nil {
			return aclsWithEnforcement()
		}
	}
	if in.ACL != "" && in.ACL != api.BucketCannedACLPrivate {
		return aclsWithEnforcement()
	}
	return nil
}

func aclsWithEnforcement() error {
	return badRequest("InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
}

// location checks that a new bucket is asked for in the region of the call, and returns
// the tags that come with it.
func location(region string, config *api.CreateBucketConfiguration) (map[string]string, error) {
	constraint := ""
	var tags map[string]string
	if config != nil {
		if config.Location != nil || config.Bucket != nil {
			return nil, notImplemented() // directory buckets
		}
		constraint = wire.Val(config.LocationConstraint)
		if len(config.Tags) > 0 {
			var err error
			if tags, err = tagSet(config.Tags, resource.MaxTags); err != nil {
				return nil, err
			}
		}
	}
	if constraint == "EU" {
		constraint = "eu-west-1" // its name of old
	}
	switch {
	case constraint == region:
	case constraint == "" && region == firstRegion:
	case constraint == "":
		return nil, badRequest("IllegalLocationConstraintException", "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	default:
		return nil, badRequest("IllegalLocationConstraintException", "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", constraint)
	}
	return tags, nil
}

// HeadBucket tells whether a bucket is there and where.
func (s *Service) HeadBucket(ctx context.Context, in *api.HeadBucketInput) (*api.HeadBucketOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	return &api.HeadBucketOutput{BucketRegion: wire.Ptr(b.Region), BucketArn: wire.Ptr(b.arn())}, nil
}

// GetBucketLocation returns a bucket's region; for the first region there is no word.
func (s *Service) GetBucketLocation(ctx context.Context, in *api.GetBucketLocationInput) (*api.GetBucketLocationOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if b.Region == firstRegion {
		return nil, nil
	}
	return &api.GetBucketLocationOutput{LocationConstraint: wire.Ptr(b.Region)}, nil
}

// maxBuckets is the most buckets of a page, and of an answer without pages.
const maxBuckets = 10000

// ListBuckets returns a page of the caller's account's buckets.
func (s *Service) ListBuckets(ctx context.Context, in *api.ListBucketsInput) (*api.ListBucketsOutput, error) {
	account := call.From(ctx).Principal.Account
	limit, after := maxBuckets, ""
	if in.MaxBuckets != nil {
		if limit = int(*in.MaxBuckets); limit < 1 || limit > maxBuckets {
			return nil, invalidArgument("Argument max-buckets must be an integer between 1 and %d", maxBuckets)
		}
	}
	scope := "ListBuckets/" + account
	if in.ContinuationToken != nil {
		var err error
		if after, err = s.pager.Position(scope, *in.ContinuationToken); err != nil {
			return nil, invalidArgument("The continuation token provided is incorrect").WithCause(err)
		}
	}
	list, more, err := s.ownedBuckets(ctx, account, wire.Val(in.Prefix), after, wire.Val(in.BucketRegion), limit)
	if err != nil {
		return nil, err
	}
	out := &api.ListBucketsOutput{Owner: owner(account), Prefix: in.Prefix}
	for _, b := range list {
		out.Buckets = append(out.Buckets, api.Bucket{Name: wire.Ptr(b.Name), CreationDate: wire.Ptr(b.Created),
			BucketRegion: wire.Ptr(b.Region), BucketArn: wire.Ptr(b.arn())})
	}
	if more && len(list) > 0 {
		out.ContinuationToken = wire.Ptr(s.pager.Token(scope, list[len(list)-1].Name))
	}
	return out, nil
}

// DeleteBucket removes an empty bucket.
func (s *Service) DeleteBucket(ctx context.Context, in *api.DeleteBucketInput) (*api.DeleteBucketOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	return nil, s.deleteBucket(ctx, b)
}
