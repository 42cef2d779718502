package claims

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/test/house"
)

// newWorkspace makes a workspace, under a key unless it is "", and waits until it is active.
func newWorkspace(t testing.TB, a house.Account, key string) string {
	t.Helper()
	in := &amp.CreateWorkspaceInput{Alias: aws.String("made-by-a-test")}
	if key != "" {
		in.KmsKeyArn = &key
	}
	out, err := a.AMP().CreateWorkspace(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if err := amp.NewWorkspaceActiveWaiter(a.AMP()).Wait(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: out.WorkspaceId}, time.Minute); err != nil {
		t.Fatal(err)
	}
	return *out.WorkspaceId
}

// deleteWorkspace deletes a workspace and waits until it is gone.
func deleteWorkspace(t testing.TB, a house.Account, id string) {
	t.Helper()
	if _, err := a.AMP().DeleteWorkspace(ctx, &amp.DeleteWorkspaceInput{WorkspaceId: &id}); err != nil {
		t.Fatal(err)
	}
	quick := func(o *amp.WorkspaceDeletedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, 200*time.Millisecond
	}
	if err := amp.NewWorkspaceDeletedWaiter(a.AMP()).Wait(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: &id}, time.Minute, quick); err != nil {
		t.Fatal(err)
	}
}

func workspaceARN(h *house.House, id string) string {
	return "arn:aws:aps:" + house.Region + ":" + h.Account + ":workspace/" + id
}

// grantsOn lists the grants on a key.
func grantsOn(t testing.TB, a house.Account, key string) []kmstypes.GrantListEntry {
	t.Helper()
	out, err := a.KMS().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
	if err != nil {
		t.Fatal(err)
	}
	return out.Grants
}

// TestA13_KeyIsSymmetricAndChosenAtCreation: other kinds of keys, aliases and keys that cannot be used are refused, and leave nothing behind.
func TestA13_KeyIsSymmetricAndChosenAtCreation(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	made := func(in *kms.CreateKeyInput) string {
		t.Helper()
		out, err := admin.KMS().CreateKey(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		return *out.KeyMetadata.Arn
	}
	disabled := newKey(t, admin, "")
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &disabled}); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"RSA":      made(&kms.CreateKeyInput{KeySpec: kmstypes.KeySpecRsa2048, KeyUsage: kmstypes.KeyUsageTypeEncryptDecrypt}),
		"HMAC":     made(&kms.CreateKeyInput{KeySpec: kmstypes.KeySpecHmac256, KeyUsage: kmstypes.KeyUsageTypeGenerateVerifyMac}),
		"disabled": disabled,
		"alias":    "arn:aws:kms:" + house.Region + ":" + h.Account + ":alias/some",
		"a name":   key[strings.LastIndexByte(key, '/')+1:],
		"missing":  key[:len(key)-12] + "000000000000",
		"Region":   strings.Replace(key, house.Region, "eu-west-9", 1),
	} {
		_, err := admin.AMP().CreateWorkspace(ctx, &amp.CreateWorkspaceInput{KmsKeyArn: &bad})
		want(t, "a workspace under a key that is "+name, err, "ValidationException")
		if strings.HasPrefix(bad, "arn:") && strings.Contains(bad, ":key/") && name != "missing" && name != "Region" {
			if g := grantsOn(t, admin, bad); len(g) != 0 {
				t.Errorf("%s: the refusal left grants %v", name, g)
			}
		}
	}
	if out, err := admin.AMP().ListWorkspaces(ctx, &amp.ListWorkspacesInput{}); err != nil || len(out.Workspaces) != 0 {
		t.Errorf("refusals left workspaces: %v, %v", out, err)
	}
	id := newWorkspace(t, admin, key)
	out, err := admin.AMP().DescribeWorkspace(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: &id})
	if err != nil || aws.ToString(out.Workspace.KmsKeyArn) != key || *out.Workspace.Arn != workspaceARN(h, id) {
		t.Errorf("described as %+v, %v", out, err)
	}
	deleteWorkspace(t, admin, id)
	if g := grantsOn(t, admin, key); len(g) != 0 {
		t.Errorf("the workspace that was deleted left grants %v", g)
	}
}

// TestA14_ThreeGrantsByTheCaller: the creator's own permission makes them, through the service.
func TestA14_ThreeGrantsByTheCaller(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	without := h.As(h.User("without", document(allow(`["aps:*","kms:DescribeKey","kms:GenerateDataKey","kms:Decrypt"]`, "*"))))
	_, err := without.AMP().CreateWorkspace(ctx, &amp.CreateWorkspaceInput{KmsKeyArn: &key})
	if want(t, "a workspace by who may not make grants", err, "AccessDeniedException"); !strings.Contains(messageOf(err), "kms:CreateGrant") {
		t.Errorf("the refusal does not name kms:CreateGrant: %v", err)
	}
	maker := h.As(h.User("maker", document(allow(`["aps:*","kms:CreateGrant","kms:DescribeKey"]`, "*"))))
	id := newWorkspace(t, maker, key)
	grants := grantsOn(t, admin, key)
	if len(grants) != 3 {
		t.Fatalf("the key has %d grants, want 3", len(grants))
	}
	who := "aps." + house.Region + ".amazonaws.com"
	for _, g := range grants {
		ops := slices.Clone(g.Operations)
		slices.Sort(ops)
		if aws.ToString(g.GranteePrincipal) != who || aws.ToString(g.RetiringPrincipal) != who ||
			!slices.Equal(ops, []kmstypes.GrantOperation{"Decrypt", "DescribeKey", "GenerateDataKey"}) || g.Constraints.EncryptionContextSubset["aws:aps:arn"] != workspaceARN(h, id) {
			t.Errorf("grant %+v, constraints %+v", g, g.Constraints)
		}
	}
	made := 0
	for _, e := range events(t, admin, "CreateGrant") {
		if e.ErrorCode != "" {
			continue
		}
		made++
		if e.UserIdentity.ARN != arnOf(t, maker) || e.UserIdentity.InvokedBy != "aps.amazonaws.com" {
			t.Errorf("a grant is recorded as made by %+v\n%s", e.UserIdentity, e.text)
		}
	}
	if made != 3 {
		t.Errorf("the trail has %d grants, want 3", made)
	}
}
