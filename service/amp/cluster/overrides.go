package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gopkg.in/yaml.v3"
)

// Tenant is what the overrides say of a workspace.
type Tenant struct {
	ID  string
	ARN string
	Key string // ARN of the KMS key; "" for keys of the house's S3 itself
	// Going is whether the workspace is being deleted. Mimir seals the mark that says so under the tenant's key, which may be gone
	// before its workspace.
	Going bool

	Retention, OutOfOrder time.Duration
	RuleOffset            time.Duration   // Cortex only
	LabelSets             []LabelSetLimit // Cortex only
}

// LabelSetLimit bounds the series that have some labels.
type LabelSetLimit struct {
	Labels    map[string]string
	MaxSeries int64
}

// Sealing is how the objects of a tenant are sealed in its bucket.
type Sealing struct {
	Type    string `yaml:"s3_sse_type"`
	Key     string `yaml:"s3_sse_kms_key_id,omitempty"`
	Context string `yaml:"s3_sse_kms_encryption_context,omitempty"` // JSON
}

// Sealing returns how the objects of the tenant are to be sealed.
func (t *Tenant) Sealing(k Kind) Sealing {
	if t.Key == "" || t.Going && k == Mimir {
		return Sealing{Type: "SSE-S3"}
	}
	pairs, _ := json.Marshal(map[string]string{"aws:aps:arn": t.ARN}) // strings always marshal
	return Sealing{"SSE-KMS", t.Key, string(pairs)}
}

// settings are the overrides of one tenant.
type settings struct {
	Sealing    `yaml:",inline"`
	Retention  string        `yaml:"compactor_blocks_retention_period"`
	OutOfOrder string        `yaml:"out_of_order_time_window"`
	RuleOffset string        `yaml:"ruler_query_offset,omitempty"`
	LabelSets  []labelLimits `yaml:"limits_per_label_set,omitempty"`
}

type labelLimits struct {
	LabelSet map[string]string `yaml:"label_set"`
	Limits   struct {
		MaxSeries int64 `yaml:"max_series"`
	} `yaml:"limits"`
}

func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int64(d/time.Second)) }

func (t *Tenant) settings(k Kind) settings {
	s := settings{Sealing: t.Sealing(k), Retention: seconds(t.Retention), OutOfOrder: seconds(t.OutOfOrder)}
	if k != Cortex {
		return s
	}
	if t.RuleOffset > 0 {
		s.RuleOffset = seconds(t.RuleOffset)
	}
	for _, l := range t.LabelSets {
		one := labelLimits{LabelSet: l.Labels}
		one.Limits.MaxSeries = l.MaxSeries
		s.LabelSets = append(s.LabelSets, one)
	}
	return s
}

// overridesKey is where a runtime configuration has what holds for single tenants.
const overridesKey = "overrides"

// heading begins the file that is written.
const heading = "# Written by Strongroom, which replaces it when a workspace changes. What is said of other tenants comes from metrics-backend's base.\n"

// Overrides returns the runtime configuration for the cluster: what base says, which is a runtime configuration itself or empty, and
// what is to hold of the tenants. The same tenants give the same bytes.
func (k Kind) Overrides(base []byte, tenants []Tenant) ([]byte, error) {
	doc := map[string]any{}
	if err := yaml.Unmarshal(base, &doc); err != nil {
		return nil, errors.New("the base of the runtime configuration is not YAML")
	}
	if doc == nil { // of a base that says null
		doc = map[string]any{}
	}
	all, ok := doc[overridesKey].(map[string]any)
	if !ok && doc[overridesKey] != nil {
		return nil, errors.New("the base of the runtime configuration has overrides that are not by tenant")
	}
	if all == nil {
		all = map[string]any{}
	}
	for i := range tenants {
		all[tenants[i].ID] = tenants[i].settings(k)
	}
	doc[overridesKey] = all
	out := bytes.NewBufferString(heading)
	e := yaml.NewEncoder(out)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(doc), e.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// maxSettings bounds the runtime configuration that is read back.
const maxSettings = 64 << 20

// Sealings returns how the cluster seals the objects of its tenants, as far as its runtime configuration says so now. One of its
// processes answers for all.
func (c *Cluster) Sealings(ctx context.Context) (map[string]Sealing, error) {
	out, err := c.want(c.ask(ctx, request{method: http.MethodGet, path: settingsPath, query: "mode=diff", most: maxSettings}))
	if err != nil {
		return nil, err
	}
	var doc struct {
		Overrides map[string]Sealing `yaml:"overrides"`
	}
	if err := yaml.Unmarshal(out.body, &doc); err != nil {
		return nil, errors.New("the runtime configuration of the metrics cluster is not understood")
	}
	return doc.Overrides, nil
}
