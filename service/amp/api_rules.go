package amp

import (
	"context"
	"strings"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateRuleGroupsNamespace makes a namespace. Its rules run a moment after the answer, and it is active then.
func (s *Service) CreateRuleGroupsNamespace(ctx context.Context, in *api.CreateRuleGroupsNamespaceInput) (*api.CreateRuleGroupsNamespaceOutput, error) {
	id, name := here(ctx).workspace(wire.Val(in.WorkspaceId)), wire.Val(in.Name)
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	token := s.clientToken(ctx, "CreateRuleGroupsNamespace", in.ClientToken, *in)
	done, err := token.Earlier(ctx)
	if err != nil {
		return nil, err
	}
	status := &api.RuleGroupsNamespaceStatus{StatusCode: api.RuleGroupsNamespaceStatusCodeCreating}
	var n namespace
	if done != nil {
		n, tags, err = s.readNamespace(ctx, id, name)
		status = s.ruleStatus(id, n)
	} else {
		n, err = s.writeRules(ctx, id, name, in.Data, true, func(tx store.Tx) error {
			if err := token.Put(tx, id.Workspace+"/"+name); err != nil {
				return err
			}
			return putTags(tx, namespaceARN(id, name), tags)
		})
	}
	if err != nil {
		return nil, err
	}
	s.alerting.changed(id)
	return &api.CreateRuleGroupsNamespaceOutput{Arn: wire.Ptr(namespaceARN(id, name)), Name: &n.Name, Status: status, Tags: tags}, nil
}

// PutRuleGroupsNamespace replaces the file of a namespace. Alerts of rules that stay as they are stay too.
func (s *Service) PutRuleGroupsNamespace(ctx context.Context, in *api.PutRuleGroupsNamespaceInput) (*api.PutRuleGroupsNamespaceOutput, error) {
	id, name := here(ctx).workspace(wire.Val(in.WorkspaceId)), wire.Val(in.Name)
	n, err := s.writeRules(ctx, id, name, in.Data, false, nil)
	if err != nil {
		return nil, err
	}
	s.alerting.changed(id)
	tags, err := s.tagsOf(ctx, namespaceARN(id, name))
	return &api.PutRuleGroupsNamespaceOutput{
		Arn: wire.Ptr(namespaceARN(id, name)), Name: &n.Name, Status: &api.RuleGroupsNamespaceStatus{StatusCode: api.RuleGroupsNamespaceStatusCodeUpdating}, Tags: tags,
	}, err
}

// DescribeRuleGroupsNamespace describes a namespace, with its file.
func (s *Service) DescribeRuleGroupsNamespace(ctx context.Context, in *api.DescribeRuleGroupsNamespaceInput) (*api.DescribeRuleGroupsNamespaceOutput, error) {
	if _, err := s.workspace(ctx, in.WorkspaceId); err != nil {
		return nil, err
	}
	id, name := here(ctx).workspace(wire.Val(in.WorkspaceId)), wire.Val(in.Name)
	s.alerting.ready(ctx, id)
	n, tags, err := s.readNamespace(ctx, id, name)
	if err != nil {
		return nil, err
	}
	data, err := s.readDocument(ctx, id, ruleDocument(name))
	if err != nil {
		return nil, err
	}
	return &api.DescribeRuleGroupsNamespaceOutput{RuleGroupsNamespace: &api.RuleGroupsNamespaceDescription{
		Arn: wire.Ptr(namespaceARN(id, name)), Name: &n.Name, CreatedAt: &n.Created, ModifiedAt: &n.Modified, Status: s.ruleStatus(id, n), Tags: tags, Data: data,
	}}, nil
}

// ListRuleGroupsNamespaces lists the namespaces of a workspace, those whose names begin with a word where it is given.
func (s *Service) ListRuleGroupsNamespaces(ctx context.Context, in *api.ListRuleGroupsNamespacesInput) (*api.ListRuleGroupsNamespacesOutput, error) {
	w, err := s.workspace(ctx, in.WorkspaceId)
	if err != nil {
		return nil, err
	}
	word := wire.Val(in.Name)
	at := page{strings.Join([]string{w.arn(), "rules", word}, "\x1f"), in.NextToken, in.MaxResults, 1000}
	if in.MaxResults == nil {
		at.most = 100
	}
	items, next, err := list(ctx, s, namespacesOf(w.ID), at, decodeNamespace, func(n namespace) bool { return strings.HasPrefix(n.Name, word) })
	if err != nil {
		return nil, err
	}
	out := &api.ListRuleGroupsNamespacesOutput{NextToken: next, RuleGroupsNamespaces: []api.RuleGroupsNamespaceSummary{}}
	err = s.db.View(ctx, func(r store.Reader) error {
		out.RuleGroupsNamespaces = out.RuleGroupsNamespaces[:0]
		for _, n := range items {
			tags, err := readTags(r, namespaceARN(w.ID, n.Name))
			if err != nil {
				return err
			}
			out.RuleGroupsNamespaces = append(out.RuleGroupsNamespaces, api.RuleGroupsNamespaceSummary{
				Arn: wire.Ptr(namespaceARN(w.ID, n.Name)), Name: wire.Ptr(n.Name), CreatedAt: &n.Created, ModifiedAt: &n.Modified, Status: s.ruleStatus(w.ID, n), Tags: tags,
			})
		}
		return nil
	})
	return out, err
}

// DeleteRuleGroupsNamespace deletes a namespace. What its rules have recorded stays.
func (s *Service) DeleteRuleGroupsNamespace(ctx context.Context, in *api.DeleteRuleGroupsNamespaceInput) (*api.DeleteRuleGroupsNamespaceOutput, error) {
	id, name := here(ctx).workspace(wire.Val(in.WorkspaceId)), wire.Val(in.Name)
	token := s.clientToken(ctx, "DeleteRuleGroupsNamespace", in.ClientToken, *in)
	if done, err := token.Earlier(ctx); err != nil || done != nil {
		return &api.DeleteRuleGroupsNamespaceOutput{}, err
	}
	if _, _, err := s.readNamespace(ctx, id, name); err != nil {
		return nil, err
	}
	err := s.deleteDocument(ctx, id, ruleDocument(name), func(tx store.Tx) error {
		if _, found, err := get[namespace](tx, namespaceKey(id, name)); err != nil || !found {
			return first(err, notFound(kindRules, name))
		}
		if err := token.Put(tx, id.Workspace+"/"+name); err != nil {
			return err
		}
		if err := tx.Delete(tagsKey(namespaceARN(id, name))); err != nil {
			return err
		}
		return tx.Delete(namespaceKey(id, name))
	})
	if err != nil {
		return nil, err
	}
	s.alerting.changed(id)
	return &api.DeleteRuleGroupsNamespaceOutput{}, nil
}

// first returns the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
