package claims

import (
	"bytes"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/amp"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

var someRules = []byte("groups:\n- name: g\n  rules:\n  - record: a:b\n    expr: vector(1)\n")

// putRules keeps a rule file in the workspace, and getRules reads it back.
func putRules(a house.Account, workspace, name string) error {
	_, err := a.AMP().CreateRuleGroupsNamespace(ctx, &amp.CreateRuleGroupsNamespaceInput{WorkspaceId: &workspace, Name: &name, Data: someRules})
	return err
}

func getRules(a house.Account, workspace, name string) error {
	out, err := a.AMP().DescribeRuleGroupsNamespace(ctx, &amp.DescribeRuleGroupsNamespaceInput{WorkspaceId: &workspace, Name: &name})
	if err == nil && !bytes.Equal(out.RuleGroupsNamespace.Data, someRules) {
		return errors.New("other rules came back")
	}
	return err
}

// TestA17_KeyDisabledAndEnabled: with the next call nothing can be read or written; with the next call after it is enabled again, all is back.
func TestA17_KeyDisabledAndEnabled(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	id, other := admin.NewWorkspace(t, key), admin.NewWorkspace(t, "")
	for _, w := range []string{id, other} {
		want(t, "keeping rules", putRules(admin, w, "rules"), "")
		want(t, "reading rules", getRules(admin, w, "rules"), "")
	}
	for range 2 {
		if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
			t.Fatal(err)
		}
		want(t, "reading with the key disabled", getRules(admin, id, "rules"), "ConflictException")
		want(t, "writing with the key disabled", putRules(admin, id, "more"), "ConflictException")
		want(t, "the other workspace", getRules(admin, other, "rules"), "")
		if _, err := admin.KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); err != nil {
			t.Fatal(err)
		}
		want(t, "reading with the key enabled again", getRules(admin, id, "rules"), "")
	}
	h.Stop()
	h.Restart()
	want(t, "reading after a restart", getRules(h.AsAdmin(), id, "rules"), "")
}

// TestA17_AnyGrantRevokedIsForEver: also when one like it is made again, and after a restart; the workspace can still be deleted.
func TestA17_AnyGrantRevokedIsForEver(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	stays := admin.NewWorkspace(t, key)
	want(t, "keeping rules", putRules(admin, stays, "rules"), "")
	var lost []string
	before := map[string]bool{}
	for i := range 3 {
		for _, g := range grantsOn(t, admin, key) {
			before[*g.GrantId] = true
		}
		id := admin.NewWorkspace(t, key)
		want(t, "keeping rules", putRules(admin, id, "rules"), "")
		n := 0
		for _, g := range grantsOn(t, admin, key) {
			if before[*g.GrantId] {
				continue
			}
			if n++; n != i+1 {
				continue
			}
			if _, err := admin.KMS().RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: g.GrantId}); err != nil {
				t.Fatal(err)
			}
			want(t, "reading with a grant revoked", getRules(admin, id, "rules"), "ConflictException")
			if _, err := admin.KMS().CreateGrant(ctx, &kms.CreateGrantInput{
				KeyId: &key, GranteePrincipal: g.GranteePrincipal, RetiringPrincipal: g.RetiringPrincipal, Operations: g.Operations, Constraints: g.Constraints, Name: g.Name,
			}); err != nil {
				t.Fatal(err)
			}
			want(t, "reading with such a grant again", getRules(admin, id, "rules"), "ConflictException")
		}
		lost = append(lost, id)
	}
	h.Stop()
	h.Restart()
	admin = h.AsAdmin()
	for _, id := range lost {
		want(t, "reading after a restart", getRules(admin, id, "rules"), "ConflictException")
		deleteWorkspace(t, admin, id)
	}
	want(t, "the workspace with all its grants", getRules(admin, stays, "rules"), "")
}

// TestA19_ReaderMustBeAKeyUser: the right to read a workspace is not enough where its key is a customer's.
func TestA19_ReaderMustBeAKeyUser(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	sealed, owned := admin.NewWorkspace(t, newKey(t, admin, "")), admin.NewWorkspace(t, "")
	for _, w := range []string{sealed, owned} {
		want(t, "keeping rules", putRules(admin, w, "rules"), "")
	}
	reader := h.As(h.User("grafana", document(allow(`"aps:*"`, "*"))))
	want(t, "a reader of a workspace under the owned key", getRules(reader, owned, "rules"), "")
	want(t, "a reader without a right on the key", getRules(reader, sealed, "rules"), "AccessDeniedException")
	userPolicy(t, admin, "grafana", document(allow(`"aps:*"`, "*"),
		`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"aps.`+house.Region+`.amazonaws.com","kms:EncryptionContext:aws:aps:arn":"`+workspaceARN(h, sealed)+`"}}}`))
	want(t, "a reader with it", getRules(reader, sealed, "rules"), "")
	userPolicy(t, admin, "grafana", document(allow(`"aps:*"`, "*")))
	want(t, "a reader from whom it was taken", getRules(reader, sealed, "rules"), "AccessDeniedException")
}
