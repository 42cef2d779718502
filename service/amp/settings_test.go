package amp

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/wire"
)

func codeOf(err error) string {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestConfigure(t *testing.T) {
	set := func(n int64, pairs ...string) api.LimitsPerLabelSet {
		l := api.LimitsPerLabelSet{LabelSet: map[string]string{}, Limits: &api.LimitsPerLabelSetEntry{MaxSeries: &n}}
		for i := 0; i < len(pairs); i += 2 {
			l.LabelSet[pairs[i]] = pairs[i+1]
		}
		return l
	}
	for name, c := range map[string]struct {
		in   api.UpdateWorkspaceConfigurationInput
		code string
	}{
		"nothing":         {api.UpdateWorkspaceConfigurationInput{}, "ValidationException"},
		"retention":       {api.UpdateWorkspaceConfigurationInput{RetentionPeriodInDays: wire.Ptr(int32(30))}, ""},
		"too long":        {api.UpdateWorkspaceConfigurationInput{RetentionPeriodInDays: wire.Ptr(int32(1096))}, "ValidationException"},
		"window":          {api.UpdateWorkspaceConfigurationInput{OutOfOrderTimeWindowInSeconds: wire.Ptr(int32(60))}, ""},
		"label sets":      {api.UpdateWorkspaceConfigurationInput{LimitsPerLabelSet: []api.LimitsPerLabelSet{set(5, "env", "dev"), set(7)}}, ""},
		"no label sets":   {api.UpdateWorkspaceConfigurationInput{LimitsPerLabelSet: []api.LimitsPerLabelSet{}}, ""},
		"label set twice": {api.UpdateWorkspaceConfigurationInput{LimitsPerLabelSet: []api.LimitsPerLabelSet{set(5, "env", "dev"), set(7, "env", "dev")}}, "ValidationException"},
	} {
		var got configuration
		if err := got.configure(&c.in); codeOf(err) != c.code {
			t.Errorf("%s: got %v, want %q", name, err, c.code)
		}
	}
	var got configuration
	if err := got.configure(&api.UpdateWorkspaceConfigurationInput{RetentionPeriodInDays: wire.Ptr(int32(30)), LimitsPerLabelSet: []api.LimitsPerLabelSet{set(5, "env", "dev")}}); err != nil {
		t.Fatal(err)
	}
	w := &workspace{ID: tenant.ID{Region: "r", Account: "1", Workspace: "ws"}, Config: got}
	l := w.limits()
	if l.Retention != 30*24*time.Hour || len(l.PerLabelSet) != 1 || l.PerLabelSet[0].MaxSeries != 5 {
		t.Errorf("limits are %+v", l)
	}
	if d := w.describeConfiguration(); *d.RetentionPeriodInDays != 30 || len(d.LimitsPerLabelSet) != 1 || d.LimitsPerLabelSet[0].LabelSet["env"] != "dev" {
		t.Errorf("described as %+v", d)
	}
}

// TestWindow: a workspace takes samples that are a minute late, as in AWS, until its configuration says otherwise: 0 is none at all, and stays that.
func TestWindow(t *testing.T) {
	w := &workspace{ID: tenant.ID{Region: "r", Account: "111122223333", Workspace: "ws-1"}}
	for _, c := range []struct {
		set  *int32
		want time.Duration
	}{{nil, time.Minute}, {wire.Ptr(int32(0)), 0}, {nil, 0}, {wire.Ptr(int32(7200)), 2 * time.Hour}} {
		days := wire.Ptr(int32(30))
		if err := w.Config.configure(&api.UpdateWorkspaceConfigurationInput{RetentionPeriodInDays: days, OutOfOrderTimeWindowInSeconds: c.set}); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		if w, err = decodeWorkspace(text); err != nil {
			t.Fatal(err)
		}
		if got := w.opened.Limits.OutOfOrder; got != c.want {
			t.Errorf("got a window of %s, want %s", got, c.want)
		}
		if got := *w.describeConfiguration().OutOfOrderTimeWindowInSeconds; time.Duration(got)*time.Second != c.want {
			t.Errorf("described as %d s, want %s", got, c.want)
		}
	}
}

func TestRecordOfAWorkspace(t *testing.T) {
	w := &workspace{
		ID: tenant.ID{Region: "r", Account: "111122223333", Workspace: "ws-1"}, Status: api.WorkspaceStatusCodeActive, Key: "k", Grants: []string{"a", "b", "c"},
		Policy: &resourcePolicy{Text: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"aps:QueryMetrics","Resource":"*"}}`, Revision: "1"},
	}
	text, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeWorkspace(text)
	if err != nil || got.policy == nil || got.opened.Key != "k" || len(got.opened.Grants) != 3 || got.opened.ARN != w.arn() || got.opened.Limits.Retention != tenant.DefaultRetention {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := got.putPolicy(nil, "2"); codeOf(err) != "ConflictException" {
		t.Errorf("another revision: %v", err)
	}
	if err := got.putPolicy(nil, "1"); err != nil || got.Policy != nil {
		t.Errorf("the revision: %v", err)
	}
}
