package claims

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/test/house"
)

func TestK2_TokenWorksAtOnceAndOnlyCreateGrantReturnsIt(t *testing.T) {
	h := house.Start(t)
	admin, gwen := h.AsAdmin(), newGrantee(t, h, "gwen")
	key := newKey(t, admin, "")
	made := newGrant(t, admin, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &gwen.arn, Operations: []kmstypes.GrantOperation{opEncrypt}})
	if made.GrantToken == nil || *made.GrantToken == "" {
		t.Fatal("CreateGrant returns no token")
	}
	use := func(tokens ...string) error {
		_, err := gwen.KMS().Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), GrantTokens: tokens})
		return err
	}
	want(t, "Encrypt with the token", use(*made.GrantToken), "")
	want(t, "Encrypt without it", use(), "") // grants are consistent at once here
	want(t, "Encrypt with a token that is none", use("bm90LWEtdG9rZW4"), "InvalidGrantTokenException")

	list, err := admin.KMS().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
	if err != nil || len(list.Grants) != 1 || *list.Grants[0].GrantId != *made.GrantId {
		t.Fatalf("ListGrants: %v, %v", list, err)
	}
	for _, e := range events(t, admin, "") {
		if strings.Contains(e.text, *made.GrantToken) && e.EventName == "CreateGrant" {
			t.Errorf("the trail holds the token\n%s", e.text)
		}
	}
}

// TestK2_SameNameSameGrant: CreateGrant with a name can be repeated.
func TestK2_SameNameSameGrant(t *testing.T) {
	h := house.Start(t)
	admin, gwen := h.AsAdmin(), newGrantee(t, h, "gwen")
	key, name, other := newKey(t, admin, ""), "once", "twice"
	in := kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &gwen.arn, Operations: []kmstypes.GrantOperation{opEncrypt}, Name: &name}
	first, again := newGrant(t, admin, &in), newGrant(t, admin, &in)
	if *first.GrantId != *again.GrantId {
		t.Error("a repeated CreateGrant made a second grant")
	}
	in.Name = &other
	if third := newGrant(t, admin, &in); *third.GrantId == *first.GrantId {
		t.Error("a grant of another name is the same grant")
	}
}

func TestK2_RetireGrant(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	gwen, rita, stranger := newGrantee(t, h, "gwen"), newGrantee(t, h, "rita"), newGrantee(t, h, "stranger")
	grant := func(ops ...kmstypes.GrantOperation) *kms.CreateGrantOutput {
		return newGrant(t, admin, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &gwen.arn, RetiringPrincipal: &rita.arn, Operations: ops})
	}
	use := func() error { _, err := encrypt(gwen.Account, key, nil); return err }
	byID := func(who grantee, g *kms.CreateGrantOutput) error {
		_, err := who.KMS().RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &key, GrantId: g.GrantId})
		return err
	}
	byToken := func(who grantee, g *kms.CreateGrantOutput) error {
		_, err := who.KMS().RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: g.GrantToken})
		return err
	}

	g := grant(opEncrypt)
	want(t, "RetireGrant by a stranger", byID(stranger, g), "AccessDeniedException")
	want(t, "RetireGrant by a stranger who has the token", byToken(stranger, g), "AccessDeniedException")
	want(t, "RetireGrant by a grantee whose grant does not list it", byID(gwen, g), "AccessDeniedException")
	want(t, "Encrypt after the refusals", use(), "")
	want(t, "RetireGrant by the retiring principal", byID(rita, g), "")
	want(t, "Encrypt after it", use(), "AccessDeniedException")

	g = grant(opEncrypt)
	want(t, "RetireGrant by the retiring principal, by token", byToken(rita, g), "")
	want(t, "Encrypt after it", use(), "AccessDeniedException")

	g = grant(opEncrypt, opRetire)
	want(t, "RetireGrant by a grantee whose grant lists it", byToken(gwen, g), "")
	want(t, "Encrypt after it", use(), "AccessDeniedException")
	want(t, "RetireGrant of a grant that is gone", byID(rita, g), "NotFoundException")
}

func TestK2_RevokeGrantByPolicy(t *testing.T) {
	h := house.Start(t)
	admin, gwen, stranger := h.AsAdmin(), newGrantee(t, h, "gwen"), newGrantee(t, h, "stranger")
	key := newKey(t, admin, "")
	g := newGrant(t, admin, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &gwen.arn, RetiringPrincipal: &gwen.arn, Operations: []kmstypes.GrantOperation{opEncrypt, opRetire}})
	revoke := func(a house.Account) error {
		_, err := a.KMS().RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: g.GrantId})
		return err
	}
	use := func() error { _, err := encrypt(gwen.Account, key, nil); return err }
	want(t, "RevokeGrant by a stranger", revoke(stranger.Account), "AccessDeniedException")
	want(t, "RevokeGrant by the grantee, who may retire it", revoke(gwen.Account), "AccessDeniedException")
	want(t, "Encrypt after the refusals", use(), "")
	want(t, "RevokeGrant by who has the permission", revoke(admin), "")
	want(t, "Encrypt after it", use(), "AccessDeniedException")
	want(t, "RevokeGrant again", revoke(admin), "NotFoundException")
}
