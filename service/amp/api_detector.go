package amp

import (
	"context"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/wire"
)

// This house trains no models, so there are no anomaly detectors in it: none can be made, and none is there to be found.

// CreateAnomalyDetector refuses to make an anomaly detector.
func (s *Service) CreateAnomalyDetector(ctx context.Context, in *api.CreateAnomalyDetectorInput) (*api.CreateAnomalyDetectorOutput, error) {
	if _, err := s.workspace(ctx, in.WorkspaceId); err != nil {
		return nil, err
	}
	return nil, invalid("", "Anomaly detectors are not run by this house. Write a recording or alerting rule instead.")
}

func (s *Service) noDetector(ctx context.Context, workspace, id *string) error {
	if _, err := s.workspace(ctx, workspace); err != nil {
		return err
	}
	return notFound(kindDetector, wire.Val(id))
}

// PutAnomalyDetector finds no anomaly detector.
func (s *Service) PutAnomalyDetector(ctx context.Context, in *api.PutAnomalyDetectorInput) (*api.PutAnomalyDetectorOutput, error) {
	return nil, s.noDetector(ctx, in.WorkspaceId, in.AnomalyDetectorId)
}

// DescribeAnomalyDetector finds no anomaly detector.
func (s *Service) DescribeAnomalyDetector(ctx context.Context, in *api.DescribeAnomalyDetectorInput) (*api.DescribeAnomalyDetectorOutput, error) {
	return nil, s.noDetector(ctx, in.WorkspaceId, in.AnomalyDetectorId)
}

// DeleteAnomalyDetector finds no anomaly detector.
func (s *Service) DeleteAnomalyDetector(ctx context.Context, in *api.DeleteAnomalyDetectorInput) (*api.DeleteAnomalyDetectorOutput, error) {
	return nil, s.noDetector(ctx, in.WorkspaceId, in.AnomalyDetectorId)
}

// ListAnomalyDetectors lists no anomaly detectors.
func (s *Service) ListAnomalyDetectors(ctx context.Context, in *api.ListAnomalyDetectorsInput) (*api.ListAnomalyDetectorsOutput, error) {
	_, err := s.workspace(ctx, in.WorkspaceId)
	return &api.ListAnomalyDetectorsOutput{AnomalyDetectors: []api.AnomalyDetectorSummary{}}, err
}
