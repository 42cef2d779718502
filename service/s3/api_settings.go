package s3

import (
	"context"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/wire"
)

// maxPolicy is the most bytes of a bucket policy (S3 user guide, "Bucket policies").
const maxPolicy = 20 << 10

// GetBucketPolicy returns a bucket's policy as it was put.
func (s *Service) GetBucketPolicy(ctx context.Context, in *api.GetBucketPolicyInput) (*api.GetBucketPolicyOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if b.Policy == "" {
		return nil, noSuchPolicy()
	}
	return &api.GetBucketPolicyOutput{Policy: wire.Ptr(b.Policy)}, nil
}

func noSuchPolicy() error {
	return notFound("NoSuchBucketPolicy", "The bucket policy does not exist")
}

// PutBucketPolicy replaces a bucket's policy.
func (s *Service) PutBucketPolicy(ctx context.Context, in *api.PutBucketPolicyInput) (*api.PutBucketPolicyOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	text := wire.Val(in.Policy)
	if len(text) > maxPolicy {
		return nil, invalidArgument("Policies must be %d bytes or less", maxPolicy)
	}
	doc, err := policy.Parse([]byte(text), policy.Resource)
	if err != nil {
		return nil, badRequest("MalformedPolicy", "%s", err.Error())
	}
	if err := checkScope(text, b.Name); err != nil {
		return nil, err
	}
	public := doc.HasPublicAllow()
	return nil, s.changeBucket(ctx, b, func(b *bucket) error {
		if public && b.Block != nil && b.Block.Policy {
			return accessDenied()
		}
		b.Policy = text
		return nil
	})
}

// DeleteBucketPolicy removes a bucket's policy.
func (s *Service) DeleteBucketPolicy(ctx context.Context, in *api.DeleteBucketPolicyInput) (*api.DeleteBucketPolicyOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	return nil, s.changeBucket(ctx, b, func(b *bucket) error { b.Policy = ""; return nil })
}

// GetBucketPolicyStatus tells whether a bucket's policy makes it public.
func (s *Service) GetBucketPolicyStatus(ctx context.Context, in *api.GetBucketPolicyStatusInput) (*api.GetBucketPolicyStatusOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if b.policy == nil {
		return nil, noSuchPolicy()
	}
	return &api.GetBucketPolicyStatusOutput{PolicyStatus: &api.PolicyStatus{IsPublic: wire.Ptr(b.policy.HasPublicAllow())}}, nil
}

// GetBucketEncryption returns what a bucket's objects are encrypted with by default.
func (s *Service) GetBucketEncryption(ctx context.Context, in *api.GetBucketEncryptionInput) (*api.GetBucketEncryptionOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	e := &b.Encryption
	rule := api.ServerSideEncryptionRule{
		ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: e.Algorithm}, BucketKeyEnabled: wire.Ptr(e.BucketKey),
	}
	if e.KeyID != "" {
		rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID = wire.Ptr(e.KeyID)
	}
	if e.NoCustomerKeys {
		rule.BlockedEncryptionTypes = &api.BlockedEncryptionTypes{EncryptionType: []api.EncryptionType{api.EncryptionTypeSseC}}
	}
	return &api.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: &api.ServerSideEncryptionConfiguration{
		Rules: []api.ServerSideEncryptionRule{rule}}}, nil
}

// PutBucketEncryption sets what a bucket's objects are encrypted with by default.
func (s *Service) PutBucketEncryption(ctx context.Context, in *api.PutBucketEncryptionInput) (*api.PutBucketEncryptionOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	config := in.ServerSideEncryptionConfiguration
	if config == nil || len(config.Rules) != 1 {
		return nil, malformedXML()
	}
	e, err := readRule(&config.Rules[0])
	if err != nil {
		return nil, err
	}
	return nil, s.changeBucket(ctx, b, func(b *bucket) error { b.Encryption = e; return nil })
}

func readRule(rule *api.ServerSideEncryptionRule) (e defaultEncryption, err error) {
	e.Algorithm, e.BucketKey = api.ServerSideEncryptionAes256, wire.Val(rule.BucketKeyEnabled)
	if d := rule.ApplyServerSideEncryptionByDefault; d != nil {
		e.Algorithm, e.KeyID = d.SSEAlgorithm, wire.Val(d.KMSMasterKeyID)
	}
	m, err := parseMode(e.Algorithm)
	switch {
	case err != nil:
		return e, malformedXML()
	case m == sseS3 && e.KeyID != "":
		return e, invalidArgument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms")
	case m == dsseKMS && e.BucketKey:
		return e, invalidArgument("Bucket Key is not supported with DSSE-KMS")
	}
	if blocked := rule.BlockedEncryptionTypes; blocked != nil {
		for _, kind := range blocked.EncryptionType {
			e.NoCustomerKeys = e.NoCustomerKeys || kind == api.EncryptionTypeSseC
		}
	}
	return e, nil
}

// DeleteBucketEncryption sets a bucket's default encryption back to SSE-S3.
func (s *Service) DeleteBucketEncryption(ctx context.Context, in *api.DeleteBucketEncryptionInput) (*api.DeleteBucketEncryptionOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	return nil, s.changeBucket(ctx, b, func(b *bucket) error {
		b.Encryption = defaultEncryption{Algorithm: api.ServerSideEncryptionAes256}
		return nil
	})
}

// GetPublicAccessBlock returns a bucket's public access block.
func (s *Service) GetPublicAccessBlock(ctx context.Context, in *api.GetPublicAccessBlockInput) (*api.GetPublicAccessBlockOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if b.Block == nil {
		return nil, notFound("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	}
	return &api.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{
		BlockPublicAcls: &b.Block.ACLs, IgnorePublicAcls: &b.Block.IgnoreACLs, BlockPublicPolicy: &b.Block.Policy, RestrictPublicBuckets: &b.Block.Restrict}}, nil
}

// PutPublicAccessBlock replaces a bucket's public access block.
func (s *Service) PutPublicAccessBlock(ctx context.Context, in *api.PutPublicAccessBlockInput) (*api.PutPublicAccessBlockOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	p := in.PublicAccessBlockConfiguration
	if p == nil {
		return nil, malformedXML()
	}
	block := &publicBlock{wire.Val(p.BlockPublicAcls), wire.Val(p.IgnorePublicAcls), wire.Val(p.BlockPublicPolicy), wire.Val(p.RestrictPublicBuckets)}
	return nil, s.changeBucket(ctx, b, func(b *bucket) error { b.Block = block; return nil })
}

// DeletePublicAccessBlock removes a bucket's public access block.
func (s *Service) DeletePublicAccessBlock(ctx context.Context, in *api.DeletePublicAccessBlockInput) (*api.DeletePublicAccessBlockOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	return nil, s.changeBucket(ctx, b, func(b *bucket) error { b.Block = nil; return nil })
}

// GetBucketOwnershipControls returns who owns a bucket's objects.
func (s *Service) GetBucketOwnershipControls(ctx context.Context, in *api.GetBucketOwnershipControlsInput) (*api.GetBucketOwnershipControlsOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if b.Ownership == "" {
		return nil, notFound("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
	}
	return &api.GetBucketOwnershipControlsOutput{OwnershipControls: &api.OwnershipControls{
		Rules: []api.OwnershipControlsRule{{ObjectOwnership: api.ObjectOwnership(b.Ownership)}}}}, nil
}

// PutBucketOwnershipControls accepts the one ownership there is, in which ACLs are disabled.
func (s *Service) PutBucketOwnershipControls(ctx context.Context, in *api.PutBucketOwnershipControlsInput) (*api.PutBucketOwnershipControlsOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if in.OwnershipControls == nil || len(in.OwnershipControls.Rules) != 1 {
		return nil, malformedXML()
	}
	if in.OwnershipControls.Rules[0].ObjectOwnership != api.ObjectOwnershipBucketOwnerEnforced {
		return nil, notImplemented()
	}
	return nil, s.changeBucket(ctx, b, func(b *bucket) error { b.Ownership = enforced; return nil })
}

// DeleteBucketOwnershipControls removes the setting. ACLs stay disabled: there are none.
func (s *Service) DeleteBucketOwnershipControls(ctx context.Context, in *api.DeleteBucketOwnershipControlsInput) (*api.DeleteBucketOwnershipControlsOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	return nil, s.changeBucket(ctx, b, func(b *bucket) error { b.Ownership = ""; return nil })
}
