package s3

import (
	"context"

	api "github.com/strongroom/strongroom/api/s3"
)

// Settings that no bucket of the house can have. Reading one answers what S3 documents
// for a bucket on which it is not configured, removing one has nothing to do, and
// setting one is NotImplemented: the generated Unimplemented answers that.

// absent returns missing for a bucket that is there.
func (s *Service) absent(ctx context.Context, name *string, missing error) error {
	if _, _, err := s.enter(ctx, name); err != nil {
		return err
	}
	return missing
}

// GetBucketVersioning answers that versioning has never been enabled.
func (s *Service) GetBucketVersioning(ctx context.Context, in *api.GetBucketVersioningInput) (*api.GetBucketVersioningOutput, error) {
	return nil, s.absent(ctx, in.Bucket, nil)
}

// GetBucketLogging answers that access is not logged into a bucket.
func (s *Service) GetBucketLogging(ctx context.Context, in *api.GetBucketLoggingInput) (*api.GetBucketLoggingOutput, error) {
	return nil, s.absent(ctx, in.Bucket, nil)
}

// GetBucketAccelerateConfiguration answers that there is no acceleration.
func (s *Service) GetBucketAccelerateConfiguration(ctx context.Context, in *api.GetBucketAccelerateConfigurationInput) (*api.GetBucketAccelerateConfigurationOutput, error) {
	return nil, s.absent(ctx, in.Bucket, nil)
}

// GetBucketNotificationConfiguration answers that nobody is notified.
func (s *Service) GetBucketNotificationConfiguration(ctx context.Context, in *api.GetBucketNotificationConfigurationInput) (*api.GetBucketNotificationConfigurationOutput, error) {
	return nil, s.absent(ctx, in.Bucket, nil)
}

// GetBucketRequestPayment answers that the owner pays.
func (s *Service) GetBucketRequestPayment(ctx context.Context, in *api.GetBucketRequestPaymentInput) (*api.GetBucketRequestPaymentOutput, error) {
	return &api.GetBucketRequestPaymentOutput{Payer: api.PayerBucketOwner}, s.absent(ctx, in.Bucket, nil)
}

// GetBucketCors answers that there is no CORS configuration.
func (s *Service) GetBucketCors(ctx context.Context, in *api.GetBucketCorsInput) (*api.GetBucketCorsOutput, error) {
	return nil, s.absent(ctx, in.Bucket, notFound("NoSuchCORSConfiguration", "The CORS configuration does not exist"))
}

// DeleteBucketCors has nothing to remove.
func (s *Service) DeleteBucketCors(ctx context.Context, in *api.DeleteBucketCorsInput) (*api.DeleteBucketCorsOutput, error) {
	return nil, s.absent(ctx, in.Bucket, nil)
}

// GetBucketLifecycleConfiguration answers that there are no lifecycle rules.
func (s *Service) GetBucketLifecycleConfiguration(ctx context.Context, in *api.GetBucketLifecycleConfigurationInput) (*api.GetBucketLifecycleConfigurationOutput, error) {
	return nil, s.absent(ctx, in.Bucket, notFound("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"))
}

// DeleteBucketLifecycle has nothing to remove.
func (s *Service) DeleteBucketLifecycle(ctx context.Context, in *api.DeleteBucketLifecycleInput) (*api.DeleteBucketLifecycleOutput, error) {
	return nil, s.absent(ctx, in.Bucket, nil)
}

// GetBucketWebsite answers that the bucket is no website.
func (s *Service) GetBucketWebsite(ctx context.Context, in *api.GetBucketWebsiteInput) (*api.GetBucketWebsiteOutput, error) {
	return nil, s.absent(ctx, in.Bucket, notFound("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"))
}

// DeleteBucketWebsite has nothing to remove.
func (s *Service) DeleteBucketWebsite(ctx context.Context, in *api.DeleteBucketWebsiteInput) (*api.DeleteBucketWebsiteOutput, error) {
	return nil, s.absent(ctx, in.Bucket, nil)
}

// GetBucketReplication answers that nothing is replicated.
func (s *Service) GetBucketReplication(ctx context.Context, in *api.GetBucketReplicationInput) (*api.GetBucketReplicationOutput, error) {
	return nil, s.absent(ctx, in.Bucket, notFound("ReplicationConfigurationNotFoundError", "The replication configuration was not found"))
}

// DeleteBucketReplication has nothing to remove.
func (s *Service) DeleteBucketReplication(ctx context.Context, in *api.DeleteBucketReplicationInput) (*api.DeleteBucketReplicationOutput, error) {
	return nil, s.absent(ctx, in.Bucket, nil)
}

// GetObjectLockConfiguration answers that there is no object lock.
func (s *Service) GetObjectLockConfiguration(ctx context.Context, in *api.GetObjectLockConfigurationInput) (*api.GetObjectLockConfigurationOutput, error) {
	return nil, s.absent(ctx, in.Bucket, notFound("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"))
}

// GetObjectRetention answers that there is no object lock.
func (s *Service) GetObjectRetention(ctx context.Context, in *api.GetObjectRetentionInput) (*api.GetObjectRetentionOutput, error) {
	return nil, s.absent(ctx, in.Bucket, invalidRequest("Bucket is missing Object Lock Configuration"))
}

// GetObjectLegalHold answers that there is no object lock.
func (s *Service) GetObjectLegalHold(ctx context.Context, in *api.GetObjectLegalHoldInput) (*api.GetObjectLegalHoldOutput, error) {
	return nil, s.absent(ctx, in.Bucket, invalidRequest("Bucket is missing Object Lock Configuration"))
}

func noSuchConfiguration() error {
	return notFound("NoSuchConfiguration", "The specified configuration does not exist.")
}

// GetBucketAnalyticsConfiguration answers that there is none.
func (s *Service) GetBucketAnalyticsConfiguration(ctx context.Context, in *api.GetBucketAnalyticsConfigurationInput) (*api.GetBucketAnalyticsConfigurationOutput, error) {
	return nil, s.absent(ctx, in.Bucket, noSuchConfiguration())
}

// GetBucketIntelligentTieringConfiguration answers that there is none.
func (s *Service) GetBucketIntelligentTieringConfiguration(ctx context.Context, in *api.GetBucketIntelligentTieringConfigurationInput) (*api.GetBucketIntelligentTieringConfigurationOutput, error) {
	return nil, s.absent(ctx, in.Bucket, noSuchConfiguration())
}

// GetBucketInventoryConfiguration answers that there is none.
func (s *Service) GetBucketInventoryConfiguration(ctx context.Context, in *api.GetBucketInventoryConfigurationInput) (*api.GetBucketInventoryConfigurationOutput, error) {
	return nil, s.absent(ctx, in.Bucket, noSuchConfiguration())
}

// GetBucketMetricsConfiguration answers that there is none.
func (s *Service) GetBucketMetricsConfiguration(ctx context.Context, in *api.GetBucketMetricsConfigurationInput) (*api.GetBucketMetricsConfigurationOutput, error) {
	return nil, s.absent(ctx, in.Bucket, noSuchConfiguration())
}

// ListBucketAnalyticsConfigurations lists none.
func (s *Service) ListBucketAnalyticsConfigurations(ctx context.Context, in *api.ListBucketAnalyticsConfigurationsInput) (*api.ListBucketAnalyticsConfigurationsOutput, error) {
	no := false
	return &api.ListBucketAnalyticsConfigurationsOutput{IsTruncated: &no}, s.absent(ctx, in.Bucket, nil)
}

// ListBucketIntelligentTieringConfigurations lists none.
func (s *Service) ListBucketIntelligentTieringConfigurations(ctx context.Context, in *api.ListBucketIntelligentTieringConfigurationsInput) (*api.ListBucketIntelligentTieringConfigurationsOutput, error) {
	no := false
	return &api.ListBucketIntelligentTieringConfigurationsOutput{IsTruncated: &no}, s.absent(ctx, in.Bucket, nil)
}

// ListBucketInventoryConfigurations lists none.
func (s *Service) ListBucketInventoryConfigurations(ctx context.Context, in *api.ListBucketInventoryConfigurationsInput) (*api.ListBucketInventoryConfigurationsOutput, error) {
	no := false
	return &api.ListBucketInventoryConfigurationsOutput{IsTruncated: &no}, s.absent(ctx, in.Bucket, nil)
}

// ListBucketMetricsConfigurations lists none.
func (s *Service) ListBucketMetricsConfigurations(ctx context.Context, in *api.ListBucketMetricsConfigurationsInput) (*api.ListBucketMetricsConfigurationsOutput, error) {
	no := false
	return &api.ListBucketMetricsConfigurationsOutput{IsTruncated: &no}, s.absent(ctx, in.Bucket, nil)
}
