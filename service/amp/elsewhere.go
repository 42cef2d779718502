package amp

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"time"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/amp/cluster"
	"github.com/strongroom/strongroom/service/amp/detect"
	"github.com/strongroom/strongroom/service/amp/prom"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// elsewhere is the cluster that keeps the series of workspaces for the house.
type elsewhere struct {
	*cluster.Cluster
	backend *service.MetricsBackend
	writing sync.Mutex // who writes the overrides
}

// How often a workspace is looked at that the cluster does not know yet, or has not deleted yet.
const (
	joinEvery  = 2 * time.Second
	joinAgain  = 15 * time.Second // after it did not answer
	leaveEvery = 30 * time.Second
)

// errNoCluster is that a workspace is kept by a cluster, and the house was started without one.
var errNoCluster = &wire.Error{
	Code: "ServiceUnavailableException", Status: http.StatusServiceUnavailable,
	Message: "The workspace is kept by a metrics cluster, and this house is not connected to one (metrics-backend).",
}

// seriesOf returns the series of an open workspace for what the house does with them by itself, whoever keeps them.
func (s *Service) seriesOf(t *tenant.Tenant) (detect.Store, error) {
	switch {
	case t.DB != nil:
		return detect.Local{Store: t.DB, Engine: s.alerting.engine}, nil
	case s.cluster != nil:
		return s.cluster.Store(t.ID.Workspace, t.Context), nil
	}
	return nil, errNoCluster
}

// openCluster connects the service to the operator's cluster; nil where there is none.
func openCluster(room *service.Room) (*elsewhere, error) {
	b := room.MetricsBackend
	if b == nil {
		return nil, nil
	}
	c, err := cluster.New(cluster.Options{
		Kind: cluster.Kind(b.Kind), Address: b.Address, Roots: b.Roots, ServerName: b.ServerName, Certificate: b.Certificate, Timeout: b.Timeout, Log: room.Log,
	})
	if err != nil {
		return nil, err
	}
	return &elsewhere{Cluster: c, backend: b}, nil
}

// kept lists the workspaces of all accounts that a cluster keeps.
func (s *Service) kept(ctx context.Context) (all []*workspace, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		all = nil
		for rec, err := range r.Scan(store.Prefix([]byte("w" + sep))) {
			if err != nil {
				return err
			}
			w, err := decodeWorkspace(rec.Value)
			if err != nil {
				return err
			}
			if w.Cluster {
				all = append(all, w)
			}
		}
		return nil
	})
	return all, err
}

// tenantOf is what the cluster is to know of a workspace.
func (w *workspace) tenantOf() cluster.Tenant {
	l := w.limits()
	t := cluster.Tenant{
		ID: w.ID.Workspace, ARN: w.arn(), Key: w.Key, Going: w.Status == api.WorkspaceStatusCodeDeleting,
		Retention: l.Retention, OutOfOrder: l.OutOfOrder, RuleOffset: l.RuleOffset,
	}
	for _, set := range l.PerLabelSet {
		t.LabelSets = append(t.LabelSets, cluster.LabelSetLimit{Labels: set.Labels, MaxSeries: set.MaxSeries})
	}
	return t
}

// writeOverrides brings the file up to date that tells the cluster under which key each workspace's objects are kept.
func (s *Service) writeOverrides(ctx context.Context) error {
	if s.cluster == nil {
		return nil
	}
	s.cluster.writing.Lock()
	defer s.cluster.writing.Unlock()
	all, err := s.kept(ctx)
	if err != nil {
		return err
	}
	tenants := make([]cluster.Tenant, len(all))
	for i, w := range all {
		tenants[i] = w.tenantOf()
	}
	b := s.cluster.backend
	var base []byte
	if b.Base != "" {
		if base, err = os.ReadFile(b.Base); err != nil {
			return err
		}
	}
	text, err := s.cluster.Kind().Overrides(base, tenants)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(b.Overrides)
	if err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.WriteFile(b.Overrides, text, 0o644)
}

// refreshOverrides is writeOverrides where nobody waits for it: what fails is tried again with the next upkeep.
func (s *Service) refreshOverrides(ctx context.Context) {
	if err := s.writeOverrides(context.WithoutCancel(ctx)); err != nil {
		s.log.Error("the overrides of the metrics cluster were not written; it is tried again", "error", err)
	}
}

// warnOfKept tells the operator of workspaces that nobody can reach.
func (s *Service) warnOfKept(ctx context.Context) error {
	if s.cluster != nil {
		return nil
	}
	all, err := s.kept(ctx)
	if len(all) > 0 {
		s.log.Error("workspaces are kept by a metrics cluster, and metrics-backend names none: they answer 503", "workspaces", len(all))
	}
	return err
}

// sealed reports whether the cluster says that it keeps the objects of a workspace under the right key.
func (s *Service) sealed(ctx context.Context, w *workspace) (bool, error) {
	if err := s.writeOverrides(ctx); err != nil {
		return false, err
	}
	all, err := s.cluster.Sealings(ctx)
	if err != nil {
		return false, err
	}
	t := w.tenantOf()
	return all[t.ID] == t.Sealing(s.cluster.Kind()), nil
}

// join makes a new workspace active when the cluster knows under which key to keep it, and not before: no sample is to reach
// the bucket under another.
func (s *Service) join(ctx context.Context, j job.Job) error {
	w, err := s.ofJob(ctx, j)
	if w == nil || err != nil || w.Status != api.WorkspaceStatusCodeCreating {
		return err
	}
	if s.cluster == nil {
		return errNoCluster
	}
	known, err := s.sealed(ctx, w)
	later := joinEvery
	if err != nil {
		later = joinAgain
		s.log.Warn("a new workspace waits for the metrics cluster", "workspace", w.arn(), "error", err)
	}
	return s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		if !known {
			return s.jobs.Schedule(tx, job.Job{Kind: jobJoin, ID: j.ID, Due: s.now().Add(later)})
		}
		w, err := loadWorkspace(tx, workspaceKey(w.ID))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || w.Status != api.WorkspaceStatusCodeCreating {
			return err
		}
		w.Status = api.WorkspaceStatusCodeActive
		return w.put(tx)
	})
}

// ofJob returns the workspace of a job, or nil when it is gone.
func (s *Service) ofJob(ctx context.Context, j job.Job) (w *workspace, err error) {
	id, err := idOfJob(j.ID)
	if err != nil {
		return nil, err
	}
	err = s.db.View(ctx, func(r store.Reader) error {
		w, err = loadWorkspace(r, workspaceKey(id))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return w, err
}

// leave takes a workspace out of the cluster. It is called until it reports that all blocks are gone.
func (s *Service) leave(ctx context.Context, w *workspace) (gone bool, err error) {
	if s.cluster == nil {
		return false, errNoCluster
	}
	if !w.Leaving {
		if known, err := s.sealed(ctx, w); err != nil || !known {
			return false, err
		}
		spaces, err := s.namespaces(ctx, w.ID)
		if err != nil {
			return false, err
		}
		if err := s.cluster.Withdraw(ctx, w.ID.Workspace, spaces); err != nil {
			return false, err
		}
		if err := s.cluster.Delete(ctx, w.ID.Workspace); err != nil {
			return false, err
		}
		err = s.changeWorkspace(ctx, w.ID, func(_ store.Tx, w *workspace) error {
			w.Leaving = true
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return s.cluster.Deleted(ctx, w.ID.Workspace)
}

// namespaces lists the names of the namespaces of rule groups of a workspace.
func (s *Service) namespaces(ctx context.Context, id tenant.ID) (names []string, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		names = nil
		for rec, err := range r.Scan(store.Prefix(namespacesOf(id))) {
			if err != nil {
				return err
			}
			n, err := decodeNamespace(rec.Value)
			if err != nil {
				return err
			}
			names = append(names, n.Name)
		}
		return nil
	})
	return names, err
}

// grantCluster lets the cluster's own principal seal and open the objects of a workspace, and nothing else: it makes a fourth grant,
// with the permission of who makes the workspace.
func (s *Service) grantCluster(ctx context.Context, w *workspace, retiring string) error {
	if !w.Cluster || w.Key == "" || s.cluster.backend.Principal == "" {
		return nil
	}
	out, err := s.kms.CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: &w.Key, GranteePrincipal: &s.cluster.backend.Principal, RetiringPrincipal: &retiring, Name: wire.Ptr("aps-cluster-" + w.ID.Workspace),
		Operations:  []kms.GrantOperation{kms.GrantOperationGenerateDataKey, kms.GrantOperationDecrypt},
		Constraints: &kms.GrantConstraints{EncryptionContextSubset: tenant.Context(w.arn())},
	})
	if err == nil {
		w.ClusterGrant = wire.Val(out.GrantId)
	}
	return err
}

// forward returns what answers the requests of a workspace that the cluster keeps.
func (s *Service) forward(id tenant.ID) prom.Forward {
	return func(ctx context.Context, r *prom.Request) (*prom.Answer, error) {
		if s.cluster == nil {
			return nil, errNoCluster
		}
		return s.cluster.Prometheus(ctx, id.Workspace, r)
	}
}

// clusterAlerts answers a request of Alertmanager's API, at a path that begins with api/v2/, of a workspace that the cluster keeps.
func (s *Service) clusterAlerts(ctx context.Context, id tenant.ID, path string, r *prom.Request) (*prom.Answer, error) {
	if s.cluster == nil {
		return nil, errNoCluster
	}
	var e *wire.Error
	if _, err := s.readDefinition(ctx, id); errors.As(err, &e) && e.Status == http.StatusNotFound {
		return nil, noAlertManager(err)
	} else if err != nil {
		return nil, err
	}
	return s.cluster.Alertmanager(ctx, id.Workspace, path, r)
}

// clusterTakes refuses settings that the kind of cluster has nothing for.
func (s *Service) clusterTakes(w *workspace, in *api.UpdateWorkspaceConfigurationInput) error {
	if !w.Cluster || s.cluster == nil || s.cluster.Kind() == cluster.Cortex {
		return nil
	}
	switch {
	case len(in.LimitsPerLabelSet) > 0:
		return invalid("limitsPerLabelSet", "The workspace is kept by a Mimir cluster, which has no limits for label sets.")
	case wire.Val(in.RuleQueryOffsetInSeconds) != 0:
		return invalid("ruleQueryOffsetInSeconds", "The workspace is kept by a Mimir cluster, which sets this for each rule group (query_offset).")
	}
	return nil
}

// beingMade turns err, which says that there is no such workspace, into one that a sender tries again after, where the cluster is
// still to learn of it.
func (s *Service) beingMade(ctx context.Context, id tenant.ID, err error) error {
	if !errors.Is(err, tenant.ErrNoWorkspace) {
		return err
	}
	if w, merr := s.memo.Get(ctx, string(workspaceKey(id))); merr != nil || w.Status != api.WorkspaceStatusCodeCreating {
		return err
	}
	return &wire.Error{Code: "ServiceUnavailableException", Status: http.StatusServiceUnavailable, Message: "The workspace is being created. Please try again."}
}
