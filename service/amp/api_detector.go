package amp

import (
	"context"
	"strings"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateAnomalyDetector makes a detector. It is active when it was trained and evaluated for the first time, a moment after the answer.
func (s *Service) CreateAnomalyDetector(ctx context.Context, in *api.CreateAnomalyDetectorInput) (*api.CreateAnomalyDetectorOutput, error) {
	w, err := s.workspace(ctx, in.WorkspaceId)
	if err != nil {
		return nil, err
	}
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	text, err := detectorConfig(in.Configuration, in.MissingDataAction, in.EvaluationIntervalInSeconds, in.Labels)
	if err != nil {
		return nil, err
	}
	token := s.clientToken(ctx, "CreateAnomalyDetector", in.ClientToken, *in)
	made, err := token.Earlier(ctx)
	if err != nil {
		return nil, err
	}
	status := &api.AnomalyDetectorStatus{StatusCode: api.AnomalyDetectorStatusCodeCreating}
	var d detector
	if made != nil {
		d, tags, err = s.readDetector(ctx, w.ID, *made)
		status = s.detectorStatus(w.ID, d)
	} else {
		d, err = s.makeDetector(ctx, w.ID, wire.Val(in.Alias), text, func(tx store.Tx, d detector) error {
			if err := token.Put(tx, d.ID); err != nil {
				return err
			}
			return putTags(tx, detectorARN(w.ID, d.ID), tags)
		})
	}
	if err != nil {
		return nil, err
	}
	s.alerting.changed(w.ID)
	return &api.CreateAnomalyDetectorOutput{AnomalyDetectorId: &d.ID, Arn: wire.Ptr(detectorARN(w.ID, d.ID)), Status: status, Tags: tags}, nil
}

// PutAnomalyDetector tells a detector something else. It is trained anew, whatever has changed. A detector that is not there is not made:
// the request has no alias for it.
func (s *Service) PutAnomalyDetector(ctx context.Context, in *api.PutAnomalyDetectorInput) (*api.PutAnomalyDetectorOutput, error) {
	w, id := here(ctx).workspace(wire.Val(in.WorkspaceId)), wire.Val(in.AnomalyDetectorId)
	d, tags, err := s.readDetector(ctx, w, id)
	if err != nil {
		return nil, err
	}
	text, err := detectorConfig(in.Configuration, in.MissingDataAction, in.EvaluationIntervalInSeconds, in.Labels)
	if err != nil {
		return nil, err
	}
	out := &api.PutAnomalyDetectorOutput{AnomalyDetectorId: &d.ID, Arn: wire.Ptr(detectorARN(w, id)), Tags: tags}
	token := s.clientToken(ctx, "PutAnomalyDetector", in.ClientToken, *in)
	if done, err := token.Earlier(ctx); err != nil || done != nil {
		out.Status = s.detectorStatus(w, d)
		return out, err
	}
	err = s.inWorkspace(ctx, w, func(t *tenant.Tenant) error {
		return t.PutDocument(ctx, detectorDocument(id), text, func(tx store.Tx) error {
			now, found, err := get[detector](tx, detectorKey(w, id))
			if err != nil || !found {
				return first(err, notFound(kindDetector, id))
			}
			if err := token.Put(tx, id); err != nil {
				return err
			}
			now.Modified, now.Rev = s.at(), newRevision()
			return put(tx, detectorKey(w, id), now)
		})
	})
	if err != nil {
		return nil, err
	}
	s.alerting.changed(w)
	out.Status = &api.AnomalyDetectorStatus{StatusCode: api.AnomalyDetectorStatusCodeUpdating}
	return out, nil
}

// DescribeAnomalyDetector describes a detector, with what it is told.
func (s *Service) DescribeAnomalyDetector(ctx context.Context, in *api.DescribeAnomalyDetectorInput) (*api.DescribeAnomalyDetectorOutput, error) {
	w, err := s.workspace(ctx, in.WorkspaceId)
	if err != nil {
		return nil, err
	}
	id := wire.Val(in.AnomalyDetectorId)
	s.alerting.ready(ctx, w.ID)
	d, tags, err := s.readDetector(ctx, w.ID, id)
	if err != nil {
		return nil, err
	}
	text, err := s.readDocument(ctx, w.ID, detectorDocument(id))
	if err != nil {
		return nil, err
	}
	out, err := s.describeDetector(w.ID, d, tags, text)
	return &api.DescribeAnomalyDetectorOutput{AnomalyDetector: out}, err
}

// ListAnomalyDetectors lists the detectors of a workspace, the one with an alias where that is given.
func (s *Service) ListAnomalyDetectors(ctx context.Context, in *api.ListAnomalyDetectorsInput) (*api.ListAnomalyDetectorsOutput, error) {
	w, err := s.workspace(ctx, in.WorkspaceId)
	if err != nil {
		return nil, err
	}
	alias := wire.Val(in.Alias)
	at := page{strings.Join([]string{w.arn(), "detectors", alias}, "\x1f"), in.NextToken, in.MaxResults, 1000}
	if in.MaxResults == nil {
		at.most = 100
	}
	items, next, err := list(ctx, s, detectorsOf(w.ID), at, decodeDetector, func(d detector) bool { return alias == "" || d.Alias == alias })
	if err != nil {
		return nil, err
	}
	out := &api.ListAnomalyDetectorsOutput{NextToken: next, AnomalyDetectors: []api.AnomalyDetectorSummary{}}
	for _, d := range items {
		tags, err := s.tagsOf(ctx, detectorARN(w.ID, d.ID))
		if err != nil {
			return nil, err
		}
		out.AnomalyDetectors = append(out.AnomalyDetectors, api.AnomalyDetectorSummary{
			AnomalyDetectorId: &d.ID, Arn: wire.Ptr(detectorARN(w.ID, d.ID)), Alias: &d.Alias, CreatedAt: &d.Created, ModifiedAt: &d.Modified,
			Status: s.detectorStatus(w.ID, d), Tags: tags,
		})
	}
	return out, nil
}

// DeleteAnomalyDetector ends a detector. What it has written stays.
func (s *Service) DeleteAnomalyDetector(ctx context.Context, in *api.DeleteAnomalyDetectorInput) (*api.DeleteAnomalyDetectorOutput, error) {
	w, id := here(ctx).workspace(wire.Val(in.WorkspaceId)), wire.Val(in.AnomalyDetectorId)
	token := s.clientToken(ctx, "DeleteAnomalyDetector", in.ClientToken, *in)
	if done, err := token.Earlier(ctx); err != nil || done != nil {
		return &api.DeleteAnomalyDetectorOutput{}, err
	}
	if _, err := s.workspace(ctx, in.WorkspaceId); err != nil {
		return nil, err
	}
	if _, _, err := s.readDetector(ctx, w, id); err != nil {
		return nil, err
	}
	err := s.deleteDocument(ctx, w, detectorDocument(id), func(tx store.Tx) error {
		if _, found, err := get[detector](tx, detectorKey(w, id)); err != nil || !found {
			return first(err, notFound(kindDetector, id))
		}
		if err := token.Put(tx, id); err != nil {
			return err
		}
		if err := tx.Delete(tagsKey(detectorARN(w, id))); err != nil {
			return err
		}
		return tx.Delete(detectorKey(w, id))
	})
	if err != nil {
		return nil, err
	}
	s.alerting.changed(w)
	return &api.DeleteAnomalyDetectorOutput{}, nil
}
