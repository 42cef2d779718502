package amp

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	api "github.com/strongroom/strongroom/api/amp"
	places "github.com/strongroom/strongroom/service/amp/place"
	"github.com/strongroom/strongroom/service/amp/rules"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
)

// namespace is the record of a rule groups namespace. Its file is a sealed document of the workspace.
type namespace struct {
	Name     string                            `json:"name"`
	Created  time.Time                         `json:"created"`
	Modified time.Time                         `json:"modified"`
	Status   api.RuleGroupsNamespaceStatusCode `json:"status"`
	Reason   string                            `json:"reason,omitempty"`
	Rules    int                               `json:"rules"`
}

// ruleDocuments begins the names of the documents that hold the files of namespaces.
const ruleDocuments = "rules/"

func ruleDocument(name string) string { return ruleDocuments + name }

func namespaceKey(id tenant.ID, name string) []byte { return tenant.Key(id, "rules", name) }
func namespacesOf(id tenant.ID) []byte              { return tenant.Key(id, "rules", "") }

func namespaceARN(id tenant.ID, name string) string {
	return placeOf(id).arn(kindRules + "/" + id.Workspace + "/" + name)
}

func decodeNamespace(text []byte) (n namespace, err error) {
	return n, json.Unmarshal(text, &n)
}

// ruleLimits are those of a file in a workspace.
func ruleLimits(l tenant.Limits) rules.Limits {
	return rules.Limits{FileSize: l.RuleGroupsFile, RulesPerGroup: l.RulesPerGroup, MinInterval: minInterval}
}

// wrong is the answer for a document that is not valid.
func wrong(what string, err error) error {
	var e *places.Invalid
	if errors.As(err, &e) {
		out := invalid("data", "Invalid %s: %s", what, e.Error())
		out.Sensitive = true // it repeats words of the document
		return out
	}
	return err
}

// writeRules makes a namespace or replaces its file. Whichever of both it is, the other is refused.
func (s *Service) writeRules(ctx context.Context, id tenant.ID, name string, data []byte, fresh bool, also func(store.Tx) error) (out namespace, err error) {
	err = s.inWorkspace(ctx, id, func(t *tenant.Tenant) error {
		if t.DB == nil && (name == "." || name == "..") {
			return invalid("name", "A metrics cluster takes no namespace of the name %s.", name)
		}
		file, err := rules.Parse(data, rules.NewParser(), ruleLimits(t.Limits()))
		if err != nil {
			return wrong("rule groups", err)
		}
		return t.PutDocument(ctx, ruleDocument(name), data, func(tx store.Tx) error {
			old, found, err := get[namespace](tx, namespaceKey(id, name))
			switch {
			case err != nil:
				return err
			case fresh && found:
				return conflict(kindRules, name, "RuleGroupsNamespace already exists: %s", name)
			case !fresh && !found:
				return notFound(kindRules, name)
			}
			now := s.at()
			out = namespace{Name: name, Created: old.Created, Modified: now, Status: api.RuleGroupsNamespaceStatusCodeActive, Rules: file.Rules()}
			if fresh {
				out.Created = now
			}
			if t.DB == nil {
				out.Status = underway(fresh, api.RuleGroupsNamespaceStatusCodeCreating, api.RuleGroupsNamespaceStatusCodeUpdating)
			}
			if err := roomForRules(tx, id, name, file.Rules(), t.Limits()); err != nil {
				return err
			}
			if also != nil {
				if err := also(tx); err != nil {
					return err
				}
			}
			return put(tx, namespaceKey(id, name), out)
		})
	})
	return out, err
}

// roomForRules holds the quotas of a workspace: namespaces, and rules in all of them.
func roomForRules(tx store.Tx, id tenant.ID, name string, n int, l tenant.Limits) error {
	spaces := 1
	for rec, err := range tx.Scan(store.Prefix(namespacesOf(id))) {
		if err != nil {
			return err
		}
		other, err := decodeNamespace(rec.Value)
		if err != nil {
			return err
		}
		if other.Name != name {
			n += other.Rules
			spaces++
		}
	}
	switch {
	case spaces > maxNamespaces:
		return overQuota(kindRules, name, quotaNamespaces, "rule group namespaces per workspace", maxNamespaces)
	case l.RulesPerWorkspace > 0 && n > l.RulesPerWorkspace:
		return overQuota(kindRules, name, quotaRules, "rules per workspace", l.RulesPerWorkspace)
	}
	return nil
}

// readNamespace returns the record of a namespace.
func (s *Service) readNamespace(ctx context.Context, id tenant.ID, name string) (n namespace, tags tagMap, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		var found bool
		if n, found, err = get[namespace](r, namespaceKey(id, name)); err == nil && !found {
			return notFound(kindRules, name)
		}
		if err == nil {
			tags, err = readTags(r, namespaceARN(id, name))
		}
		return err
	})
	return n, tags, err
}

// inWorkspace does something with an open workspace.
func (s *Service) inWorkspace(ctx context.Context, id tenant.ID, fn func(*tenant.Tenant) error) error {
	t, release, err := s.tenants.Use(ctx, id)
	if err != nil {
		return tenantError(id.Workspace, err)
	}
	defer release()
	return storeError(tenantError(id.Workspace, fn(t)))
}

// readDocument returns a document to a caller who may read the workspace.
func (s *Service) readDocument(ctx context.Context, id tenant.ID, name string) ([]byte, error) {
	t, release, err := s.tenants.Read(ctx, id)
	if err != nil {
		return nil, tenantError(id.Workspace, err)
	}
	defer release()
	b, err := t.Document(ctx, name)
	return b, tenantError(id.Workspace, err)
}

func placeOf(id tenant.ID) place { return place{id.Region, id.Account} }

// underway is the status of rules or a definition that are not in force yet, by whether they are new.
func underway[T any](fresh bool, creating, updating T) T {
	if fresh {
		return creating
	}
	return updating
}

// ruleStatus is the status of a namespace: it is active when its rules run.
func (s *Service) ruleStatus(id tenant.ID, n namespace) *api.RuleGroupsNamespaceStatus {
	code := n.Status
	if code == api.RuleGroupsNamespaceStatusCodeActive && s.alerting.pending(id, n.Modified) {
		code = underway(n.Created.Equal(n.Modified), api.RuleGroupsNamespaceStatusCodeCreating, api.RuleGroupsNamespaceStatusCodeUpdating)
	}
	return &api.RuleGroupsNamespaceStatus{StatusCode: code, StatusReason: some(n.Reason)}
}

// noteRules keeps what is wrong with a file that was accepted before, or that nothing is.
func (s *Service) noteRules(ctx context.Context, id tenant.ID, name string, wrong error) error {
	reason := ""
	if wrong != nil {
		reason = quoted.ReplaceAllString(wrong.Error(), `"..."`)
	}
	n, _, err := s.readNamespace(ctx, id, name)
	if err != nil || n.Reason == reason && (n.Status == api.RuleGroupsNamespaceStatusCodeActive) == (reason == "") {
		return nil // it is gone, or says so already
	}
	return s.noteNamespace(ctx, id, name, reason)
}
