package amp

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// The bounds of a workspace's configuration ("Amazon Managed Service for Prometheus service quotas", User Guide).
const (
	maxRetention = 1095 // days
	maxLabelSets = 100
	maxPolicy    = 64 << 10 // bytes
)

// resourcePolicy is the policy of a workspace.
type resourcePolicy struct {
	Text     string            `json:"text"`
	Revision string            `json:"revision"`
	Bound    map[string]string `json:"bound,omitempty"` // unique ids of the principals it names, by their names when it was put
}

// configure checks and lays an update over a configuration.
func (c *configuration) configure(in *api.UpdateWorkspaceConfigurationInput) error {
	if in.RetentionPeriodInDays == nil && in.LimitsPerLabelSet == nil && in.OutOfOrderTimeWindowInSeconds == nil && in.RuleQueryOffsetInSeconds == nil {
		return invalid("", "At least one of retentionPeriodInDays, limitsPerLabelSet, outOfOrderTimeWindowInSeconds and ruleQueryOffsetInSeconds is required.")
	}
	if d := in.RetentionPeriodInDays; d != nil {
		if *d > maxRetention {
			return invalid("retentionPeriodInDays", "retentionPeriodInDays is at most %d.", maxRetention)
		}
		c.RetentionDays = *d
	}
	if window := in.OutOfOrderTimeWindowInSeconds; window != nil {
		c.OutOfOrder = wire.Ptr(*window)
	}
	if in.RuleQueryOffsetInSeconds != nil {
		c.RuleOffset = *in.RuleQueryOffsetInSeconds
	}
	if in.LimitsPerLabelSet != nil {
		sets, err := labelSets(in.LimitsPerLabelSet)
		if err != nil {
			return err
		}
		c.PerLabelSet = sets
	}
	return nil
}

// labelSets checks the limits of label sets: each set is there once.
func labelSets(in []api.LimitsPerLabelSet) (sets []tenant.LabelSetLimit, err error) {
	if len(in) > maxLabelSets {
		return nil, invalid("limitsPerLabelSet", "A workspace has at most %d label sets.", maxLabelSets)
	}
	for _, l := range in {
		if slices.ContainsFunc(sets, func(s tenant.LabelSetLimit) bool { return maps.Equal(s.Labels, l.LabelSet) }) {
			return nil, invalid("limitsPerLabelSet", "A label set is there twice.")
		}
		set := tenant.LabelSetLimit{Labels: l.LabelSet}
		if l.Limits != nil {
			set.MaxSeries = wire.Val(l.Limits.MaxSeries)
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// describeConfiguration is the configuration as the API shows it.
func (w *workspace) describeConfiguration() *api.WorkspaceConfigurationDescription {
	l := w.limits()
	d := &api.WorkspaceConfigurationDescription{
		Status:                        &api.WorkspaceConfigurationStatus{StatusCode: api.WorkspaceConfigurationStatusCodeActive},
		RetentionPeriodInDays:         wire.Ptr(int32(l.Retention / (24 * time.Hour))),
		OutOfOrderTimeWindowInSeconds: wire.Ptr(int32(l.OutOfOrder / time.Second)), RuleQueryOffsetInSeconds: &w.Config.RuleOffset,
		LimitsPerLabelSet: []api.LimitsPerLabelSet{},
	}
	for _, s := range w.Config.PerLabelSet {
		set := s.Labels
		if set == nil {
			set = map[string]string{}
		}
		d.LimitsPerLabelSet = append(d.LimitsPerLabelSet, api.LimitsPerLabelSet{LabelSet: set, Limits: &api.LimitsPerLabelSetEntry{MaxSeries: &s.MaxSeries}})
	}
	return d
}

// change changes a workspace of the caller's place that is not being deleted.
func (s *Service) change(ctx context.Context, id *string, change func(*workspace) error) error {
	return s.changeWorkspace(ctx, here(ctx).workspace(wire.Val(id)), func(_ store.Tx, w *workspace) error {
		if !w.usable() {
			return busy(w)
		}
		return change(w)
	})
}

// readPolicy parses the text of a resource policy, and finds out whom it names.
func (s *Service) readPolicy(ctx context.Context, text string) (bound map[string]string, err error) {
	if len(text) > maxPolicy {
		return nil, invalid("policyDocument", "A policy has at most %d bytes.", maxPolicy)
	}
	doc, err := policy.Parse([]byte(text), policy.Resource)
	if err != nil {
		return nil, invalid("policyDocument", "The policy is malformed: %s", err.Error())
	}
	bound = map[string]string{}
	for _, ref := range doc.Principals() {
		if ref.Type != policy.PrincipalAWS || ref.Value == "*" || bound[ref.Value] != "" {
			continue
		}
		id, err := s.room.Principals.PrincipalID(ctx, ref.Value)
		if errors.Is(err, store.ErrNotFound) {
			return nil, invalid("policyDocument", "The policy names a principal that is not there: %s", ref.Value)
		}
		if err != nil {
			return nil, err
		}
		if id != "" {
			bound[ref.Value] = id
		}
	}
	return bound, nil
}

// document is the policy of a workspace, or nil. Only the Prometheus-compatible operations ask it: it gives nobody a right to
// anything else (PutResourcePolicy, API reference).
func (p *resourcePolicy) document(workspace string) (*policy.Document, error) {
	if p == nil {
		return nil, nil
	}
	doc, err := policy.Parse([]byte(p.Text), policy.Resource)
	if err != nil {
		return nil, err
	}
	return doc.Bind(p.Bound).Named("the resource policy of " + workspace), nil
}

// putPolicy replaces the policy of a workspace; revision, where it is given, is the one that it must have.
func (w *workspace) putPolicy(p *resourcePolicy, revision string) error {
	now := ""
	if w.Policy != nil {
		now = w.Policy.Revision
	}
	if revision != "" && revision != now {
		return conflict(kindWorkspace, w.ID.Workspace, "The revision of the policy is not %s.", revision)
	}
	w.Policy = p
	return nil
}

func newRevision() string { return strings.ToLower(rand.Text()[:20]) }
