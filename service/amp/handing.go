package amp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/service/amp/alerts"
	"github.com/strongroom/strongroom/service/amp/cluster"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
)

// handed is what a worker has handed to the cluster of the rules and the definition of a workspace: hashes of the documents.
type handed struct {
	known      bool // false when the house begins: the cluster may have more
	rules      map[string][32]byte
	definition *[32]byte
}

func (h *handed) nothing() bool { return h.known && len(h.rules) == 0 && h.definition == nil }

// reachOf is what receivers may be in a workspace. Where a cluster delivers, the house's own ways of doing so are not there.
func (a *alerting) reachOf(t *tenant.Tenant) alerts.Reach {
	if t.DB == nil {
		return alerts.Reach{Topic: func(string) bool { return false }}
	}
	return a.reach()
}

// elsewhere reports whether the cluster keeps the workspace of the worker.
func (w *worker) elsewhere(ctx context.Context) bool {
	rec, err := w.a.s.memo.Get(ctx, string(workspaceKey(w.id)))
	return err == nil && rec.Cluster
}

// told is told why a workspace could not be used. Where a cluster runs its rules, they are taken back at once.
func (a *alerting) told(ctx context.Context, id tenant.ID, err error) {
	a.mu.Lock()
	w := a.workers[id]
	a.mu.Unlock()
	if w != nil && w.elsewhere(ctx) {
		w.lose(err)
	}
}

// hand gives the cluster the rules and the definition that the workspace has, and takes back what it has no more.
func (w *worker) hand(ctx context.Context, t *tenant.Tenant) error {
	ctx = alone(ctx)
	if w.a.s.cluster == nil {
		return errNoCluster
	}
	if err := w.handRules(ctx, t); err != nil {
		return err
	}
	if err := w.handDefinition(ctx, t); err != nil {
		return err
	}
	w.handed.known = true
	return nil
}

func (w *worker) handRules(ctx context.Context, t *tenant.Tenant) error {
	c := w.a.s.cluster
	names, err := t.Documents(ctx, ruleDocuments)
	if err != nil {
		return err
	}
	if len(names) == 0 && w.handed.known && len(w.handed.rules) == 0 {
		return nil
	}
	have, err := c.Namespaces(ctx, w.id.Workspace)
	if err != nil {
		return err
	}
	if w.handed.rules == nil {
		w.handed.rules = map[string][32]byte{}
	}
	for _, document := range names {
		name := strings.TrimPrefix(document, ruleDocuments)
		groups, there := have[name]
		delete(have, name)
		if err := w.handFile(ctx, t, name, groups, there); err != nil {
			return err
		}
	}
	for name := range have {
		if err := c.DeleteNamespace(ctx, w.id.Workspace, name); err != nil {
			return err
		}
		delete(w.handed.rules, name)
	}
	return nil
}

// handFile gives the cluster the file of a namespace, unless it has it. groups are those that it has.
func (w *worker) handFile(ctx context.Context, t *tenant.Tenant, name string, groups []string, there bool) error {
	text, err := t.Document(ctx, ruleDocument(name))
	if errors.Is(err, tenant.ErrNoDocument) {
		return nil
	}
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	if old, ok := w.handed.rules[name]; ok && there && old == sum {
		return nil
	}
	err = w.a.s.cluster.PutNamespace(ctx, w.id.Workspace, name, text, groups)
	reason, err := refusedBy(err)
	if err != nil {
		return err
	}
	w.handed.rules[name] = sum
	return w.a.s.noteNamespace(ctx, w.id, name, reason)
}

// refusedBy is why the cluster does not take a document, or "".
func refusedBy(err error) (reason string, _ error) {
	var refused *cluster.Refused
	if errors.As(err, &refused) {
		return fmt.Sprintf("The metrics cluster does not take it (status %d).", refused.Status), nil
	}
	return "", err
}

func (w *worker) handDefinition(ctx context.Context, t *tenant.Tenant) error {
	c := w.a.s.cluster
	text, err := t.Document(ctx, definitionDocument)
	if errors.Is(err, tenant.ErrNoDocument) {
		if w.handed.known && w.handed.definition == nil {
			return nil
		}
		if err := c.DeleteDefinition(ctx, w.id.Workspace); err != nil {
			return err
		}
		w.handed.definition = nil
		return nil
	}
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	if w.handed.definition != nil && *w.handed.definition == sum {
		return nil
	}
	reason, err := refusedBy(c.PutDefinition(ctx, w.id.Workspace, text))
	if err != nil {
		return err
	}
	w.handed.definition = &sum
	return w.a.s.noteDefinition(ctx, w.id, reason)
}

// withdraw takes rules and definition back from the cluster, when the key cannot be used: what it evaluates, and what it keeps of
// them, is not to outlive that. It takes no key.
func (w *worker) withdraw(ctx context.Context) error {
	if w.handed.nothing() {
		return nil
	}
	if w.a.s.cluster == nil {
		return errNoCluster
	}
	names, err := w.a.s.namespaces(alone(ctx), w.id)
	if err != nil {
		return err
	}
	names = append(names, slices.Collect(maps.Keys(w.handed.rules))...)
	slices.Sort(names)
	if err := w.a.s.cluster.Withdraw(alone(ctx), w.id.Workspace, slices.Compact(names)); err != nil {
		return err
	}
	w.handed = handed{known: true}
	return nil
}

// noteNamespace keeps whether the cluster has taken the rules of a namespace.
func (s *Service) noteNamespace(ctx context.Context, id tenant.ID, name, reason string) error {
	return s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		n, found, err := get[namespace](tx, namespaceKey(id, name))
		if err != nil || !found {
			return err
		}
		status := api.RuleGroupsNamespaceStatusCodeActive
		if reason != "" {
			status = underway(n.Created.Equal(n.Modified), api.RuleGroupsNamespaceStatusCodeCreationFailed, api.RuleGroupsNamespaceStatusCodeUpdateFailed)
		}
		if n.Status == status && n.Reason == reason {
			return nil
		}
		n.Status, n.Reason = status, reason
		return put(tx, namespaceKey(id, name), n)
	})
}
