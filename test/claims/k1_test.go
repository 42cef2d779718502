package claims

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/test/house"
)

// grantee is a user who has no policy at all: what it may do, a grant lets it.
type grantee struct {
	house.Account
	arn string
}

func newGrantee(t *testing.T, h *house.House, name string) grantee {
	t.Helper()
	a := h.As(h.User(name, ""))
	return grantee{a, arnOf(t, a)}
}

// newGrant makes a grant and returns the answer.
func newGrant(t *testing.T, a house.Account, in *kms.CreateGrantInput) *kms.CreateGrantOutput {
	t.Helper()
	out, err := a.KMS().CreateGrant(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	opEncrypt  = kmstypes.GrantOperationEncrypt
	opDecrypt  = kmstypes.GrantOperationDecrypt
	opDescribe = kmstypes.GrantOperationDescribeKey
	opGrant    = kmstypes.GrantOperationCreateGrant
	opRetire   = kmstypes.GrantOperationRetireGrant
)

func TestK1_GrantAllowsItsOperationsOnItsKey(t *testing.T) {
	h := house.Start(t)
	admin, gwen, other := h.AsAdmin(), newGrantee(t, h, "gwen"), newGrantee(t, h, "other")
	key, another := newKey(t, admin, ""), newKey(t, admin, "")
	blob := mustEncrypt(t, admin, key, nil)

	_, err := encrypt(gwen.Account, key, nil)
	want(t, "Encrypt before the grant", err, "AccessDeniedException")
	newGrant(t, admin, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &gwen.arn, Operations: []kmstypes.GrantOperation{opEncrypt, opDescribe}})

	_, err = encrypt(gwen.Account, key, nil)
	want(t, "Encrypt, which the grant lists", err, "")
	_, err = gwen.KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	want(t, "DescribeKey, which the grant lists", err, "")
	want(t, "Decrypt, which it does not list", decrypt(gwen.Account, blob, nil), "AccessDeniedException")
	_, err = gwen.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key})
	want(t, "DisableKey, which no grant can list", err, "AccessDeniedException")
	_, err = encrypt(gwen.Account, another, nil)
	want(t, "Encrypt under another key", err, "AccessDeniedException")
	_, err = encrypt(other.Account, key, nil)
	want(t, "Encrypt by another user", err, "AccessDeniedException")
}

func TestK1_ConstraintsBindTheContext(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	pair := map[string]string{"tenant": "Blue"}
	more := map[string]string{"tenant": "Blue", "file": "7"}
	for _, test := range []struct {
		name       string
		constraint kmstypes.GrantConstraints
		codes      map[string]string // by the name of the context
	}{
		{"equals", kmstypes.GrantConstraints{EncryptionContextEquals: pair}, map[string]string{"the pair": "", "the pair and more": "AccessDeniedException"}},
		{"subset", kmstypes.GrantConstraints{EncryptionContextSubset: pair}, map[string]string{"the pair": "", "the pair and more": ""}},
		{"terraform", kmstypes.GrantConstraints{EncryptionContextSubset: pair, EncryptionContextEquals: map[string]string{}}, map[string]string{"the pair": "", "the pair and more": ""}},
	} {
		user := newGrantee(t, h, "user-"+test.name)
		newGrant(t, admin, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &user.arn, Operations: []kmstypes.GrantOperation{opEncrypt, opDecrypt, opDescribe}, Constraints: &test.constraint})
		for name, context := range map[string]map[string]string{
			"the pair": pair, "the pair and more": more, "none": nil,
			"another value": {"tenant": "Red"}, "the value in other letter case": {"tenant": "blue"}, "another name": {"owner": "Blue"},
		} {
			code, ok := test.codes[name]
			if !ok {
				code = "AccessDeniedException"
			}
			_, err := encrypt(user.Account, key, context)
			want(t, test.name+": Encrypt with "+name, err, code)
			want(t, test.name+": Decrypt with "+name, decrypt(user.Account, mustEncrypt(t, admin, key, context), context), code)
		}
		_, err := user.KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
		want(t, test.name+": DescribeKey, which has no context", err, "")
	}
}

func TestK1_GrantNeverOverridesDeny(t *testing.T) {
	h := house.Start(t)
	admin, gwen := h.AsAdmin(), newGrantee(t, h, "gwen")
	key := newKey(t, admin, "")
	newGrant(t, admin, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &gwen.arn, Operations: []kmstypes.GrantOperation{opEncrypt}})
	use := func() error { _, err := encrypt(gwen.Account, key, nil); return err }
	want(t, "Encrypt with the grant", use(), "")

	denying := `{"Effect":"Deny","Principal":{"AWS":"` + gwen.arn + `"},"Action":"kms:Encrypt","Resource":"*"}`
	keyPolicy(t, admin, key, document(delegate(h.Account), denying))
	want(t, "Encrypt against a Deny of the key policy", use(), "AccessDeniedException")
	keyPolicy(t, admin, key, document(delegate(h.Account)))
	want(t, "Encrypt without the Deny", use(), "")
	userPolicy(t, admin, "gwen", document(`{"Effect":"Deny","Action":"kms:*","Resource":"*"}`))
	want(t, "Encrypt against a Deny of the user's policy", use(), "AccessDeniedException")
}

func TestK1_UnsupportedOperationsAreRefused(t *testing.T) {
	h := house.Start(t)
	admin, gwen := h.AsAdmin(), newGrantee(t, h, "gwen")
	key := newKey(t, admin, "")
	for _, op := range []kmstypes.GrantOperation{
		kmstypes.GrantOperationSign, kmstypes.GrantOperationVerify, kmstypes.GrantOperationGetPublicKey, kmstypes.GrantOperationGenerateMac,
		kmstypes.GrantOperationVerifyMac, kmstypes.GrantOperationDeriveSharedSecret, "DisableKey", "PutKeyPolicy", "*",
	} {
		_, err := admin.KMS().CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &gwen.arn, Operations: []kmstypes.GrantOperation{opEncrypt, op}})
		want(t, "a grant of "+string(op)+" on a symmetric key", err, "ValidationException")
	}
	out, err := admin.KMS().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
	if err != nil || len(out.Grants) != 0 {
		t.Errorf("after refusals the key has the grants %v, %v", out.Grants, err)
	}
}

// TestK1_GrantsDoNotGrow: who may only pass a grant on cannot make more of it.
func TestK1_GrantsDoNotGrow(t *testing.T) {
	h := house.Start(t)
	admin, first, second := h.AsAdmin(), newGrantee(t, h, "first"), newGrantee(t, h, "second")
	key := newKey(t, admin, "")
	constraint := &kmstypes.GrantConstraints{EncryptionContextSubset: map[string]string{"tenant": "blue"}}
	newGrant(t, admin, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &first.arn, Operations: []kmstypes.GrantOperation{opEncrypt, opGrant}, Constraints: constraint})
	pass := func(constraint *kmstypes.GrantConstraints, ops ...kmstypes.GrantOperation) error {
		_, err := first.KMS().CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &second.arn, Operations: ops, Constraints: constraint})
		return err
	}
	if err := pass(nil, opEncrypt); err == nil {
		t.Error("a grant without the constraint was passed on")
	}
	if err := pass(constraint, opEncrypt, opDecrypt); err == nil {
		t.Error("a grant of more operations was passed on")
	}
	_, err := encrypt(second.Account, key, map[string]string{"tenant": "blue"})
	want(t, "Encrypt after the refusals", err, "AccessDeniedException")
	want(t, "the same grant, passed on", pass(constraint, opEncrypt), "")
	_, err = encrypt(second.Account, key, map[string]string{"tenant": "blue"})
	want(t, "Encrypt with it", err, "")
	_, err = encrypt(second.Account, key, map[string]string{"tenant": "red"})
	want(t, "Encrypt outside of it", err, "AccessDeniedException")
}
