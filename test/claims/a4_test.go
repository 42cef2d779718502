package claims

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	"github.com/aws/aws-sdk-go-v2/service/amp/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/canary"
	"github.com/strongroom/strongroom/test/house"
)

// TestA4_A7_StoredUnderAKeyOfTheService: who names no key, and has no right on any, has all he keeps encrypted.
func TestA4_A7_StoredUnderAKeyOfTheService(t *testing.T) {
	h := house.Start(t)
	var secrets canary.Hunt
	maker := h.As(h.User("maker", document(allow(`"aps:*"`, "*"))))
	alias, tag := rand.Text(), rand.Text()
	secrets.Add("the alias", []byte(alias))
	secrets.Add("the tag", []byte(tag))
	out, err := maker.AMP().CreateWorkspace(ctx, &amp.CreateWorkspaceInput{Alias: &alias, Tags: map[string]string{"tag": tag}})
	if err != nil {
		t.Fatal(err)
	}
	if out.KmsKeyArn != nil {
		t.Errorf("the workspace names the key %s", *out.KmsKeyArn)
	}
	found, err := maker.AMP().DescribeWorkspace(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: out.WorkspaceId})
	if err != nil || *found.Workspace.Alias != alias || found.Workspace.Tags["tag"] != tag || found.Workspace.Status.StatusCode != types.WorkspaceStatusCodeActive {
		t.Errorf("described as %+v, %v", found, err)
	}
	h.Stop()
	findings, _, err := secrets.Dir(h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
	h.Restart()
	found, err = h.AsAdmin().AMP().DescribeWorkspace(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: out.WorkspaceId})
	if err != nil || *found.Workspace.Alias != alias {
		t.Errorf("after a restart: %+v, %v", found, err)
	}
}

// TestA5_NoKeyAfterCreation: no operation takes a key later, also where a request smuggles one in.
func TestA5_NoKeyAfterCreation(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	first, other := newKey(t, admin, ""), newKey(t, admin, "")
	for _, was := range []string{"", first} {
		id := admin.NewWorkspace(t, was)
		for _, c := range []struct{ method, path, body string }{
			{"POST", "/workspaces/" + id + "/alias", `{"alias":"other","kmsKeyArn":"` + other + `"}`},
			{"PATCH", "/workspaces/" + id + "/configuration", `{"retentionPeriodInDays":30,"kmsKeyArn":"` + other + `"}`},
			{"POST", "/workspaces/" + id + "/alias?kmsKeyArn=" + other, `{}`},
			{"PUT", "/workspaces/" + id, `{"kmsKeyArn":"` + other + `"}`},
		} {
			ampRaw(t, h, h.Admin, c.method, c.path, c.body)
		}
		out, err := admin.AMP().DescribeWorkspace(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: &id})
		if err != nil || aws.ToString(out.Workspace.KmsKeyArn) != was {
			t.Errorf("the key is %q, %v; want %q", aws.ToString(out.Workspace.KmsKeyArn), err, was)
		}
	}
	if g := grantsOn(t, admin, other); len(g) != 0 {
		t.Errorf("the key that was never chosen has grants %v", g)
	}
}

// TestA8_OwnedKeysOfWorkspacesAreNotSeen: not listed, not described, and their use is in nobody's trail.
func TestA8_OwnedKeysOfWorkspacesAreNotSeen(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	id := admin.NewWorkspace(t, "")
	deleteWorkspace(t, admin, id)
	admin.NewWorkspace(t, "")
	keys, err := admin.KMS().ListKeys(ctx, &kms.ListKeysInput{})
	aliases, err2 := admin.KMS().ListAliases(ctx, &kms.ListAliasesInput{})
	if err != nil || err2 != nil || len(keys.Keys)+len(aliases.Aliases) != 0 {
		t.Errorf("keys %v, aliases %v; %v, %v", keys.Keys, aliases.Aliases, err, err2)
	}
	for _, name := range []string{"alias/owned/aps/" + h.Account, "alias/aws/aps"} {
		if _, err := admin.KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name}); house.ErrorCode(err) != "NotFoundException" {
			t.Errorf("DescribeKey %s: %v", name, err)
		}
	}
	for _, name := range []string{"GenerateDataKey", "Decrypt", "CreateKey", "CreateGrant"} {
		for _, e := range events(t, admin, name) {
			t.Errorf("the trail has %s\n%s", name, e.text)
		}
	}
	if len(events(t, admin, "CreateWorkspace")) != 2 {
		t.Error("the trail does not have what the customer did")
	}
}

// TestA9_EachCustomerHasAnOwnedKey: stricter than the service, two accounts never share one.
func TestA9_EachCustomerHasAnOwnedKey(t *testing.T) {
	h := house.Start(t)
	_, credentials := h.NewAccount("second")
	h.AsAdmin().NewWorkspace(t, "")
	h.As(credentials).NewWorkspace(t, "")
	h.As(credentials).NewWorkspace(t, "")
	h.Stop()
	db := openStore(t, h)
	defer db.Close()
	names, _ := records(t, db, "kms/n\x00")
	owned := map[string]bool{}
	for _, k := range names {
		parts := strings.Split(string(k), "\x00") // tag, region, account, key, alias
		if len(parts) == 5 && strings.HasPrefix(parts[4], "alias/owned/aps/") {
			owned[parts[3]] = true
		}
	}
	if len(owned) != 2 {
		t.Errorf("two accounts have %d owned keys", len(owned))
	}
}

// TestA22_ConfigurationNeedsAMember, and keeps what it is told.
func TestA22_ConfigurationNeedsAMember(t *testing.T) {
	h := house.Start(t)
	client := h.AsAdmin().AMP()
	id := h.AsAdmin().NewWorkspace(t, "")
	update := func(in amp.UpdateWorkspaceConfigurationInput) error {
		in.WorkspaceId = &id
		_, err := client.UpdateWorkspaceConfiguration(ctx, &in)
		return err
	}
	described := func() *types.WorkspaceConfigurationDescription {
		t.Helper()
		out, err := h.AsAdmin().AMP().DescribeWorkspaceConfiguration(ctx, &amp.DescribeWorkspaceConfigurationInput{WorkspaceId: &id})
		if err != nil {
			t.Fatal(err)
		}
		return out.WorkspaceConfiguration
	}
	late := func(by time.Duration, want int) {
		t.Helper()
		p := planeOf(t, h, h.Admin, id)
		if resp, text := p.write(time.Now().Add(-by), map[string]float64{"x": by.Seconds()}); resp.StatusCode != want {
			t.Errorf("a sample %s late: got %d %s, want %d", by, resp.StatusCode, text, want)
		}
	}
	if d := described(); aws.ToInt32(d.OutOfOrderTimeWindowInSeconds) != 60 || d.RuleQueryOffsetInSeconds == nil {
		t.Errorf("a new workspace is described as %+v", d)
	}
	late(0, 204)
	late(20*time.Second, 204)
	late(10*time.Minute, 400)
	want(t, "an update of nothing", update(amp.UpdateWorkspaceConfigurationInput{}), "ValidationException")
	want(t, "retention alone", update(amp.UpdateWorkspaceConfigurationInput{RetentionPeriodInDays: aws.Int32(60)}), "")
	sets := []types.LimitsPerLabelSet{
		{LabelSet: map[string]string{"team": "a"}, Limits: &types.LimitsPerLabelSetEntry{MaxSeries: aws.Int64(100)}},
		{LabelSet: map[string]string{}, Limits: &types.LimitsPerLabelSetEntry{MaxSeries: aws.Int64(10)}},
	}
	want(t, "label sets alone", update(amp.UpdateWorkspaceConfigurationInput{LimitsPerLabelSet: sets}), "")
	want(t, "a label set twice", update(amp.UpdateWorkspaceConfigurationInput{LimitsPerLabelSet: append(sets, sets[0])}), "ValidationException")
	want(t, "no days at all", update(amp.UpdateWorkspaceConfigurationInput{RetentionPeriodInDays: aws.Int32(0)}), "ValidationException")
	want(t, "no window at all", update(amp.UpdateWorkspaceConfigurationInput{OutOfOrderTimeWindowInSeconds: aws.Int32(0)}), "")
	h.Stop()
	h.Restart()
	client = h.AsAdmin().AMP()
	d := described()
	if aws.ToInt32(d.RetentionPeriodInDays) != 60 || len(d.LimitsPerLabelSet) != 2 || aws.ToInt32(d.OutOfOrderTimeWindowInSeconds) != 0 {
		t.Errorf("described as %+v", d)
	}
	late(0, 204)
	late(30*time.Second, 400)
	want(t, "a longer window", update(amp.UpdateWorkspaceConfigurationInput{OutOfOrderTimeWindowInSeconds: aws.Int32(3600)}), "")
	late(40*time.Minute, 204)
}
