package claims

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/test/house"
)

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
	id := admin.NewWorkspace(t, key)
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
	id := maker.NewWorkspace(t, key)
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

// ampRaw sends a request of Managed Prometheus as its bytes are given, so that it can hold what no SDK would send.
func ampRaw(t testing.TB, h *house.House, who aws.Credentials, method, path, body string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, h.Endpoint+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, who, req, hex.EncodeToString(sum[:]), "aps", house.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	res, err := h.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// TestA15_A16_UsesOfTheKeyAreRecorded: each with the workspace's ARN as the whole encryption context, as the service's own act; that the
// key was looked up, as the creator's.
func TestA15_A16_UsesOfTheKeyAreRecorded(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	maker := h.As(h.User("maker", document(allow(`["aps:*","kms:CreateGrant","kms:DescribeKey"]`, "*"))))
	id := maker.NewWorkspace(t, key)
	used := 0
	for _, e := range events(t, admin, "GenerateDataKey") {
		used++
		pairs := e.contextOf()
		if len(pairs) != 1 || pairs["aws:aps:arn"] != workspaceARN(h, id) || e.UserIdentity.Type != "AWSService" || e.UserIdentity.InvokedBy != "aps.amazonaws.com" ||
			e.RequestParameters["keySpec"] != "AES_256" || !strings.Contains(e.text, `"sharedEventID"`) {
			t.Errorf("a use is recorded as\n%s", e.text)
		}
	}
	if used == 0 {
		t.Error("no use of the key is in the trail")
	}
	e := latest(t, admin, "DescribeKey", func(e *event) bool { return e.UserIdentity.InvokedBy == "aps.amazonaws.com" })
	if e.UserIdentity.ARN != arnOf(t, maker) {
		t.Errorf("DescribeKey is recorded as by %+v", e.UserIdentity)
	}
}

// TestA15_PoliciesSeeTheContext: who makes a workspace can be held to keys by the context of the grants.
func TestA15_PoliciesSeeTheContext(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	for name, like := range map[string]string{"in": "arn:aws:aps:" + house.Region + ":" + h.Account + ":workspace/*", "out": "arn:aws:aps:*:*:other/*"} {
		maker := h.As(h.User(name, document(allow(`["aps:*","kms:DescribeKey"]`, "*"),
			`{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{"StringLike":{"kms:EncryptionContext:aws:aps:arn":"`+like+`"}}}`)))
		_, err := maker.AMP().CreateWorkspace(ctx, &amp.CreateWorkspaceInput{KmsKeyArn: &key})
		code := map[string]string{"in": "", "out": "AccessDeniedException"}[name]
		want(t, "a workspace whose context is "+name+" the condition", err, code)
	}
}

// TestA18_PolicyThatNamesTheService: the least key policy lets a user make a workspace through the service and do nothing with the key by himself; the
// key may be another account's.
func TestA18_PolicyThatNamesTheService(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	_, credentials := h.NewAccount("second")
	owner := h.As(credentials)
	statement := `{"Sid":"allow access to principals authorized to use Amazon Managed Prometheus","Effect":"Allow","Principal":{"AWS":"` + h.Account + `"},
		"Action":["kms:DescribeKey","kms:CreateGrant","kms:GenerateDataKey","kms:Decrypt"],"Resource":"*",
		"Condition":{"StringEquals":{"kms:ViaService":"aps.` + house.Region + `.amazonaws.com","kms:CallerAccount":"` + h.Account + `"}}}`
	ownerAccount := strings.Split(arnOf(t, owner), ":")[4]
	foreign := newKey(t, owner, document(delegate(ownerAccount), statement))
	own := newKey(t, admin, "")
	keyPolicy(t, admin, own, document(delegate(h.Account), statement))
	for name, key := range map[string]string{"the own account's": own, "another account's": foreign} {
		id := admin.NewWorkspace(t, key)
		if out, err := admin.AMP().DescribeWorkspace(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: &id}); err != nil || *out.Workspace.KmsKeyArn != key {
			t.Errorf("%s key: %+v, %v", name, out, err)
		}
		deleteWorkspace(t, admin, id)
	}
	_, err := admin.KMS().GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &foreign, KeySpec: kmstypes.DataKeySpecAes256})
	want(t, "the other account's key, used directly", err, "AccessDeniedException")
	if g := grantsOn(t, owner, foreign); len(g) != 0 {
		t.Errorf("left grants %v", g)
	}
}
