package amp

import (
	"context"
	"time"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/service/amp/alerts"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// definition is the record of an alert manager definition. Its text is a sealed document of the workspace.
type definition struct {
	Created  time.Time                            `json:"created"`
	Modified time.Time                            `json:"modified"`
	Status   api.AlertManagerDefinitionStatusCode `json:"status"`
	Reason   string                               `json:"reason,omitempty"`
}

// Documents of the alert manager of a workspace: the definition, and what begins the names of its state.
const (
	definitionDocument = "alertmanager/definition"
	stateDocuments     = "alertmanager/state/"
	kindDefinition     = "alertmanagerdefinition"
)

func definitionKey(id tenant.ID) []byte { return tenant.Key(id, "alertmanager") }

// definitionStatus is the status of a definition: it is active when alerts are delivered by it.
func (s *Service) definitionStatus(id tenant.ID, d definition) *api.AlertManagerDefinitionStatus {
	code := d.Status
	if code == api.AlertManagerDefinitionStatusCodeActive && s.alerting.pending(id, d.Modified) {
		code = underway(d.Created.Equal(d.Modified), api.AlertManagerDefinitionStatusCodeCreating, api.AlertManagerDefinitionStatusCodeUpdating)
	}
	return &api.AlertManagerDefinitionStatus{StatusCode: code, StatusReason: some(d.Reason)}
}

func alertLimits(l tenant.Limits) alerts.Limits {
	return alerts.Limits{
		FileSize: l.AlertManagerFile, Routes: l.AlertManagerRoutes, Templates: l.AlertManagerTemplates, InhibitionRules: l.InhibitionRules,
		Alerts: l.AlertsPerWorkspace, AlertBytes: l.AlertPayload, AggregationGroups: l.AggregationGroups,
	}
}

// writeDefinition makes the definition of a workspace or replaces it. Whichever of both it is, the other is refused.
func (s *Service) writeDefinition(ctx context.Context, id tenant.ID, data []byte, fresh bool, also func(store.Tx) error) (out definition, err error) {
	err = s.inWorkspace(ctx, id, func(t *tenant.Tenant) error {
		if _, err := alerts.Parse(data, alertLimits(t.Limits()), s.alerting.reachOf(t)); err != nil {
			return wrong("alert manager definition", err)
		}
		return t.PutDocument(ctx, definitionDocument, data, func(tx store.Tx) error {
			old, found, err := get[definition](tx, definitionKey(id))
			switch {
			case err != nil:
				return err
			case fresh && found:
				return conflict(kindDefinition, id.Workspace, "Alert manager definition already exists for workspace: %s", id.Workspace)
			case !fresh && !found:
				return notFound(kindDefinition, id.Workspace)
			}
			now := s.at()
			out = definition{Created: old.Created, Modified: now, Status: api.AlertManagerDefinitionStatusCodeActive}
			if fresh {
				out.Created = now
			}
			if t.DB == nil {
				out.Status = underway(fresh, api.AlertManagerDefinitionStatusCodeCreating, api.AlertManagerDefinitionStatusCodeUpdating)
			}
			if also != nil {
				if err := also(tx); err != nil {
					return err
				}
			}
			return put(tx, definitionKey(id), out)
		})
	})
	return out, err
}

func (s *Service) readDefinition(ctx context.Context, id tenant.ID) (d definition, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		var found bool
		if d, found, err = get[definition](r, definitionKey(id)); err == nil && !found {
			return notFound(kindDefinition, id.Workspace)
		}
		return err
	})
	return d, err
}

// deleteDocument removes a document, and what else goes with it.
func (s *Service) deleteDocument(ctx context.Context, id tenant.ID, name string, also func(store.Tx) error) error {
	return s.inWorkspace(ctx, id, func(t *tenant.Tenant) error { return t.DeleteDocument(ctx, name, also) })
}

// CreateAlertManagerDefinition makes the definition of a workspace. Alerts are delivered by it a moment after the answer, and
// it is active then.
func (s *Service) CreateAlertManagerDefinition(ctx context.Context, in *api.CreateAlertManagerDefinitionInput) (*api.CreateAlertManagerDefinitionOutput, error) {
	id := here(ctx).workspace(wire.Val(in.WorkspaceId))
	token := s.clientToken(ctx, "CreateAlertManagerDefinition", in.ClientToken, *in)
	done, err := token.Earlier(ctx)
	if err != nil {
		return nil, err
	}
	status := &api.AlertManagerDefinitionStatus{StatusCode: api.AlertManagerDefinitionStatusCodeCreating}
	if done != nil {
		var d definition
		d, err = s.readDefinition(ctx, id)
		status = s.definitionStatus(id, d)
	} else {
		_, err = s.writeDefinition(ctx, id, in.Data, true, func(tx store.Tx) error { return token.Put(tx, id.Workspace) })
	}
	if err != nil {
		return nil, err
	}
	s.alerting.changed(id)
	return &api.CreateAlertManagerDefinitionOutput{Status: status}, nil
}

// PutAlertManagerDefinition replaces the definition of a workspace. Silences and what was delivered stay.
func (s *Service) PutAlertManagerDefinition(ctx context.Context, in *api.PutAlertManagerDefinitionInput) (*api.PutAlertManagerDefinitionOutput, error) {
	id := here(ctx).workspace(wire.Val(in.WorkspaceId))
	if _, err := s.writeDefinition(ctx, id, in.Data, false, nil); err != nil {
		return nil, err
	}
	s.alerting.changed(id)
	return &api.PutAlertManagerDefinitionOutput{Status: &api.AlertManagerDefinitionStatus{StatusCode: api.AlertManagerDefinitionStatusCodeUpdating}}, nil
}

// DescribeAlertManagerDefinition describes the definition of a workspace, with its text.
func (s *Service) DescribeAlertManagerDefinition(ctx context.Context, in *api.DescribeAlertManagerDefinitionInput) (*api.DescribeAlertManagerDefinitionOutput, error) {
	w, err := s.workspace(ctx, in.WorkspaceId)
	if err != nil {
		return nil, err
	}
	s.alerting.ready(ctx, w.ID)
	d, err := s.readDefinition(ctx, w.ID)
	if err != nil {
		return nil, err
	}
	data, err := s.readDocument(ctx, w.ID, definitionDocument)
	if err != nil {
		return nil, err
	}
	return &api.DescribeAlertManagerDefinitionOutput{AlertManagerDefinition: &api.AlertManagerDefinitionDescription{
		CreatedAt: &d.Created, ModifiedAt: &d.Modified, Status: s.definitionStatus(w.ID, d), Data: data,
	}}, nil
}

// DeleteAlertManagerDefinition deletes the definition of a workspace, with its silences and all else that is known of alerts.
func (s *Service) DeleteAlertManagerDefinition(ctx context.Context, in *api.DeleteAlertManagerDefinitionInput) (*api.DeleteAlertManagerDefinitionOutput, error) {
	id := here(ctx).workspace(wire.Val(in.WorkspaceId))
	token := s.clientToken(ctx, "DeleteAlertManagerDefinition", in.ClientToken, *in)
	if done, err := token.Earlier(ctx); err != nil || done != nil {
		return &api.DeleteAlertManagerDefinitionOutput{}, err
	}
	if _, err := s.workspace(ctx, in.WorkspaceId); err != nil {
		return nil, err
	}
	if _, err := s.readDefinition(ctx, id); err != nil {
		return nil, err
	}
	err := s.deleteDocument(ctx, id, definitionDocument, func(tx store.Tx) error {
		if _, found, err := get[definition](tx, definitionKey(id)); err != nil || !found {
			return first(err, notFound(kindDefinition, id.Workspace))
		}
		if err := token.Put(tx, id.Workspace); err != nil {
			return err
		}
		return tx.Delete(definitionKey(id))
	})
	if err != nil {
		return nil, err
	}
	s.alerting.changed(id)
	s.alerting.ready(ctx, id) // silences are gone when the answer leaves
	return &api.DeleteAlertManagerDefinitionOutput{}, nil
}
