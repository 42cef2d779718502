package amp

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/idempotency"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// workspace is the record of a workspace.
type workspace struct {
	ID      tenant.ID               `json:"id"`
	Rev     string                  `json:"rev"` // of this writing
	Alias   string                  `json:"alias,omitempty"`
	Created time.Time               `json:"created"`
	Status  api.WorkspaceStatusCode `json:"status"`

	Key    string   `json:"key,omitempty"`    // ARN of the customer's key; "" for the service owned key
	Grants []string `json:"grants,omitempty"` // on the customer's key
	Proof  []byte   `json:"proof"`            // see tenant.Workspace
	Lost   bool     `json:"lost,omitempty"`   // a grant is gone

	Cluster      bool   `json:"cluster,omitempty"`      // a metrics cluster keeps the series, not this house
	ClusterGrant string `json:"clusterGrant,omitempty"` // on the customer's key, for the cluster
	Leaving      bool   `json:"leaving,omitempty"`      // the cluster was asked to delete it

	Config  configuration   `json:"config"`
	Logging *logging        `json:"logging,omitempty"` // of rules and alerts
	Queries *logging        `json:"queries,omitempty"` // of queries
	Policy  *resourcePolicy `json:"policy,omitempty"`

	policy *policy.Document  // Policy, parsed
	opened *tenant.Workspace // the same, as package tenant takes it
}

// configuration is what UpdateWorkspaceConfiguration sets.
type configuration struct {
	RetentionDays int32                  `json:"retentionDays,omitempty"` // 0 for the default
	OutOfOrder    *int32                 `json:"outOfOrder,omitempty"`    // seconds; nil for the default
	RuleOffset    int32                  `json:"ruleOffset,omitempty"`    // seconds
	PerLabelSet   []tenant.LabelSetLimit `json:"perLabelSet,omitempty"`
}

func (w *workspace) arn() string { return w.ID.ARN() }

// usable reports whether data may be kept in the workspace.
func (w *workspace) usable() bool {
	return w.Status == api.WorkspaceStatusCodeActive || w.Status == api.WorkspaceStatusCodeUpdating
}

// limits are the quotas of the workspace: the defaults, and what its configuration says.
func (w *workspace) limits() tenant.Limits {
	l := tenant.DefaultLimits()
	if w.Config.RetentionDays > 0 {
		l.Retention = time.Duration(w.Config.RetentionDays) * 24 * time.Hour
	}
	if window := w.Config.OutOfOrder; window != nil {
		l.OutOfOrder = time.Duration(*window) * time.Second
	}
	l.RuleOffset = time.Duration(w.Config.RuleOffset) * time.Second
	l.PerLabelSet = w.Config.PerLabelSet
	return l
}

// decodeWorkspace reads a record.
func decodeWorkspace(text []byte) (*workspace, error) {
	w := new(workspace)
	if err := json.Unmarshal(text, w); err != nil {
		return nil, fmt.Errorf("record of a workspace: %w", err)
	}
	w.opened = &tenant.Workspace{ARN: w.arn(), Key: w.Key, Grants: w.Grants, Proof: w.Proof, Lost: w.Lost, Limits: w.limits(), Elsewhere: w.Cluster}
	var err error
	if w.policy, err = w.Policy.document(w.ID.Workspace); err != nil {
		return nil, fmt.Errorf("policy of a workspace: %w", err)
	}
	return w, nil
}

func loadWorkspace(r store.Reader, k []byte) (*workspace, error) {
	text, err := r.Get(k)
	if err != nil {
		return nil, err
	}
	return decodeWorkspace(text)
}

// put writes the record.
func (w *workspace) put(tx store.Tx) error {
	w.Rev = rand.Text()[:16]
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return tx.Put(workspaceKey(w.ID), text)
}

// workspace returns the record of a workspace of the caller's place. It is shared and must not be changed.
func (s *Service) workspace(ctx context.Context, id *string) (*workspace, error) {
	w, err := s.memo.Get(ctx, string(workspaceKey(here(ctx).workspace(wire.Val(id)))))
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound(kindWorkspace, wire.Val(id))
	}
	return w, err
}

// owner returns the account that has a workspace of a region, or "" when there is none.
func (s *Service) owner(ctx context.Context, region, id string) (account string, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		text, err := r.Get(indexKey(tenant.ID{Region: region, Workspace: id}))
		if err == nil {
			account = string(text)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return account, err
}

// directory is the Service as package tenant sees it.
type directory Service

var _ tenant.Directory = (*directory)(nil)

// Workspace returns a workspace that data may be kept in.
func (d *directory) Workspace(ctx context.Context, id tenant.ID) (*tenant.Workspace, error) {
	w, err := d.memo.Get(ctx, string(workspaceKey(id)))
	if errors.Is(err, store.ErrNotFound) || err == nil && !w.usable() {
		return nil, tenant.ErrNoWorkspace
	}
	if err != nil {
		return nil, err
	}
	return w.opened, nil
}

// Lose notes that a grant on the key of a workspace is gone.
func (d *directory) Lose(ctx context.Context, id tenant.ID) error {
	d.log.Warn("a grant of a workspace was revoked; its data is lost", "workspace", id.ARN())
	return (*Service)(d).changeWorkspace(ctx, id, func(_ store.Tx, w *workspace) error {
		w.Lost = true
		return nil
	})
}

// changeWorkspace changes the record of a workspace in one transaction.
func (s *Service) changeWorkspace(ctx context.Context, id tenant.ID, change func(store.Tx, *workspace) error) error {
	return s.update(ctx, func(tx store.Tx) error {
		w, err := loadWorkspace(tx, workspaceKey(id))
		if errors.Is(err, store.ErrNotFound) {
			return notFound(kindWorkspace, id.Workspace)
		}
		if err != nil {
			return err
		}
		if err := change(tx, w); err != nil {
			return err
		}
		return w.put(tx)
	})
}

// createWorkspace makes a workspace: the grants with the caller's own permission, the proof that the key can be used, then the record.
func (s *Service) createWorkspace(ctx context.Context, in *api.CreateWorkspaceInput) (*workspace, tagMap, error) {
	p := here(ctx)
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, nil, err
	}
	token := s.clientToken(ctx, "CreateWorkspace", in.ClientToken, *in)
	if w, tags, err := s.workspaceOfToken(ctx, token); w != nil || err != nil {
		return w, tags, err
	}
	if err := s.roomForWorkspace(ctx, p); err != nil {
		return nil, nil, err
	}
	w := &workspace{
		ID: p.workspace("ws-" + call.NewID()), Alias: wire.Val(in.Alias), Created: s.at(), Status: api.WorkspaceStatusCodeActive, Key: wire.Val(in.KmsKeyArn),
	}
	if s.cluster != nil {
		w.Cluster, w.Status = true, api.WorkspaceStatusCodeCreating
	}
	if err := s.bindKey(ctx, w); err != nil {
		return nil, nil, err
	}
	err = s.update(ctx, func(tx store.Tx) error {
		if err := token.Put(tx, w.ID.Workspace); err != nil {
			return err
		}
		if err := room(tx, workspacesOf(p), kindWorkspace, w.ID.Workspace, quotaWorkspaces, maxWorkspaces); err != nil {
			return err
		}
		if err := putTags(tx, w.arn(), tags); err != nil {
			return err
		}
		if err := tx.Put(indexKey(w.ID), []byte(w.ID.Account)); err != nil {
			return err
		}
		if w.Cluster {
			if err := s.jobs.Schedule(tx, job.Job{Kind: jobJoin, ID: jobID(w.ID), Due: s.now()}); err != nil {
				return err
			}
		}
		return w.put(tx)
	})
	if err != nil {
		s.releaseGrants(ctx, w)
		return nil, nil, err
	}
	return w, tags, nil
}

// workspaceOfToken returns the workspace that an earlier request with the token has made, or nil.
func (s *Service) workspaceOfToken(ctx context.Context, token *idempotency.Token) (*workspace, tagMap, error) {
	id, err := token.Earlier(ctx)
	if err != nil || id == nil {
		return nil, nil, err
	}
	w, err := s.workspace(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	tags, err := s.tagsOf(ctx, w.arn())
	return w, tags, err
}

// roomForWorkspace answers a request beyond the quota before anything is done for it.
func (s *Service) roomForWorkspace(ctx context.Context, p place) error {
	return s.db.View(ctx, func(r store.Reader) error {
		return room(r, workspacesOf(p), kindWorkspace, "", quotaWorkspaces, maxWorkspaces)
	})
}

// deleteWorkspace says that a workspace is going; a job takes away what it has.
func (s *Service) deleteWorkspace(ctx context.Context, id *string) error {
	own := here(ctx).workspace(wire.Val(id))
	err := s.changeWorkspace(ctx, own, func(tx store.Tx, w *workspace) error {
		w.Status = api.WorkspaceStatusCodeDeleting
		return s.jobs.Schedule(tx, job.Job{Kind: jobDelete, ID: jobID(own), Due: s.now()})
	})
	if err == nil {
		s.alerting.changed(own)
		s.tenants.Shut(own, tenant.ErrNoWorkspace)
	}
	return err
}

// finishDelete takes away all that a workspace has, and at last its record.
func (s *Service) finishDelete(ctx context.Context, j job.Job) error {
	w, err := s.ofJob(ctx, j)
	if w == nil || err != nil {
		return err
	}
	id := w.ID
	if w.Cluster {
		gone, err := s.leave(ctx, w)
		if err != nil {
			return err
		}
		if !gone {
			return s.update(ctx, func(tx store.Tx) error {
				return s.jobs.Schedule(tx, job.Job{Kind: jobDelete, ID: j.ID, Due: s.now().Add(leaveEvery)})
			})
		}
		defer s.refreshOverrides(ctx)
	}
	if err := s.tenants.Erase(ctx, id); err != nil {
		return err
	}
	s.releaseGrants(ctx, w)
	defer s.syncScrapers(ctx)
	return s.update(ctx, func(tx store.Tx) error {
		if err := deleteScrapers(tx, id); err != nil {
			return err
		}
		for _, prefix := range taggedBy(id) {
			if err := deleteBelow(tx, prefix); err != nil {
				return err
			}
		}
		for _, k := range [][]byte{workspaceKey(id), indexKey(id), tagsKey(w.arn())} {
			if err := tx.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
}

// taggedBy are the prefixes of the tags of what belongs to a workspace.
func taggedBy(id tenant.ID) [][]byte {
	p := place{id.Region, id.Account}
	return [][]byte{
		tagsKey(p.arn(kindRules + "/" + id.Workspace + "/")),
		tagsKey(p.arn(kindDetector + "/" + id.Workspace + "/")),
	}
}
