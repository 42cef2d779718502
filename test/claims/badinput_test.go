package claims

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/strongroom/strongroom/test/house"
)

// These tests are about bad input to K1, K2 and K4: what is refused, in which words, and what the
// trail then says.

// refusal is how a call was refused: the code and the message.
type refusal struct{ code, message string }

func refusalOf(err error) refusal {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return refusal{message: fmt.Sprint(err)}
	}
	return refusal{api.ErrorCode(), api.ErrorMessage()}
}

// recorded fails the test unless the newest record of the event is of a refusal with the code, by
// the caller, without an answer.
func recorded(t *testing.T, admin house.Account, event, code, caller string) {
	t.Helper()
	e := events(t, admin, event)
	if len(e) == 0 {
		t.Fatalf("no %s is in the trail", event)
	}
	if e[0].ErrorCode != code || e[0].UserIdentity.ARN != caller || e[0].ResponseElements != nil {
		t.Errorf("the trail says of the %s that was to be refused with %s\n%s", event, code, e[0].text)
	}
}

// TestK4_FlippedBits flips one bit in each byte of a ciphertext. There are two answers: one for bytes
// that name a key that is not there, which is also that for a key one may not use, and one for all
// the others. Neither says which byte was wrong.
func TestK4_FlippedBits(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	caller := arnOf(t, admin)
	context := map[string]string{"a": "1"}
	blob := mustEncrypt(t, admin, newKey(t, admin, ""), context)
	seen := map[refusal]int{}
	for i := range blob {
		changed := bytes.Clone(blob)
		changed[i] ^= 1 << (i % 8)
		seen[refusalOf(decrypt(admin, changed, context))]++
	}
	unknown := refusal{refused, "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."}
	broken := refusal{code: "InvalidCiphertextException"}
	if len(seen) != 2 || seen[unknown] != 32 || seen[broken] != len(blob)-32 {
		t.Errorf("the refusals of %d changed ciphertexts are %v; want %v for the 32 bytes that name the material, and %v", len(blob), seen, unknown, broken)
	}
	recorded(t, admin, "Decrypt", "InvalidCiphertextException", caller)
	if got := refusalOf(decrypt(admin, blob, map[string]string{"a": "2"})); got != broken {
		t.Errorf("a wrong context is refused with %v, a broken ciphertext with %v", got, broken)
	}

	// Who may not use the key sees the same whether the key is there or not.
	stranger := newGrantee(t, h, "stranger")
	_, credentials := h.NewAccount("other")
	abroad := h.As(credentials)
	absent := bytes.Clone(blob)
	for i := range absent {
		absent[i] ^= 1
		if refusalOf(decrypt(admin, absent, context)) == unknown {
			break
		}
		absent[i] ^= 1
	}
	there, gone := refusalOf(decrypt(abroad, blob, context)), refusalOf(decrypt(abroad, absent, context))
	if there != gone || there != unknown {
		t.Errorf("another account is refused with %v where the key is there, and %v where it is not", there, gone)
	}
	want(t, "Decrypt by a user without permission", decrypt(stranger.Account, blob, context), refused)
	recorded(t, admin, "Decrypt", "AccessDenied", stranger.arn) // as CloudTrail calls it
}

// TestK4_ChangedContexts changes, drops, adds and re-orders the pairs of a context.
func TestK4_ChangedContexts(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	caller := arnOf(t, admin)
	key := newKey(t, admin, "")
	blob := mustEncrypt(t, admin, key, map[string]string{"a": "1", "b": "2", "c": "3"})
	for name, context := range map[string]map[string]string{
		"a changed value": {"a": "1", "b": "2", "c": "4"}, "a changed name": {"a": "1", "b": "2", "d": "3"}, "a missing pair": {"a": "1", "b": "2"},
		"an extra pair": {"a": "1", "b": "2", "c": "3", "d": "4"}, "values in another order": {"a": "2", "b": "1", "c": "3"}, "no pair": {},
	} {
		for operation, call := range map[string]func() error{
			"Decrypt": func() error { return decrypt(admin, blob, context) },
			"ReEncrypt": func() error {
				_, err := admin.KMS().ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: &key, SourceEncryptionContext: context})
				return err
			},
		} {
			if got := refusalOf(call()); got != (refusal{code: "InvalidCiphertextException"}) {
				t.Errorf("%s with %s: got %v", operation, name, got)
			}
			recorded(t, admin, operation, "InvalidCiphertextException", caller)
		}
	}
	want(t, "Decrypt with the pairs in another order", decrypt(admin, blob, map[string]string{"c": "3", "b": "2", "a": "1"}), "")
}

// TestK2_TokenOfAnotherKey: a token is bound to its grant, and so to its key.
func TestK2_TokenOfAnotherKey(t *testing.T) {
	h := house.Start(t)
	admin, gwen := h.AsAdmin(), newGrantee(t, h, "gwen")
	key, another := newKey(t, admin, ""), newKey(t, admin, "")
	made := newGrant(t, admin, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &gwen.arn, Operations: []kmstypes.GrantOperation{opEncrypt, opDecrypt}})
	newGrant(t, admin, &kms.CreateGrantInput{KeyId: &another, GranteePrincipal: &gwen.arn, Operations: []kmstypes.GrantOperation{opEncrypt}})
	use := func(key string, token string) error {
		_, err := gwen.KMS().Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), GrantTokens: []string{token}})
		return err
	}
	want(t, "Encrypt with the token", use(key, *made.GrantToken), "")
	want(t, "Encrypt under another key with it", use(another, *made.GrantToken), "InvalidGrantTokenException")
	recorded(t, admin, "Encrypt", "InvalidGrantTokenException", gwen.arn)
	forged := strings.ToUpper(*made.GrantToken)
	want(t, "Encrypt with a forged token", use(key, forged), "InvalidGrantTokenException")
	want(t, "Encrypt under another key without a token", second(encrypt(gwen.Account, another, nil)), "")
	if got, same := refusalOf(use(another, *made.GrantToken)), refusalOf(use(key, forged)); got != same {
		t.Errorf("the token of another key is refused with %v, one that is none with %v", got, same)
	}
}

// TestK2_PrincipalsPassOn: rights are a principal's, and not those of a name.
func TestK2_PrincipalsPassOn(t *testing.T) {
	h := house.Start(t)
	admin, gwen, kim := h.AsAdmin(), newGrantee(t, h, "gwen"), newGrantee(t, h, "kim")
	granted, named := newKey(t, admin, ""), newKey(t, admin, "")
	g := newGrant(t, admin, &kms.CreateGrantInput{KeyId: &granted, GranteePrincipal: &gwen.arn, Operations: []kmstypes.GrantOperation{opEncrypt}})
	keyPolicy(t, admin, named, document(delegate(h.Account), `{"Effect":"Allow","Principal":{"AWS":["`+gwen.arn+`","`+kim.arn+`"]},"Action":"kms:Encrypt","Resource":"*"}`))
	for _, key := range []string{granted, named} {
		want(t, "Encrypt by who is named", second(encrypt(gwen.Account, key, nil)), "")
	}
	policyOf := func() string {
		t.Helper()
		out, err := admin.KMS().GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &named})
		if err != nil {
			t.Fatal(err)
		}
		return *out.Policy
	}
	if text := policyOf(); !strings.Contains(text, `"AWS" : [ "`+gwen.arn+`", "`+kim.arn+`" ]`) {
		t.Errorf("the policy is shown as %s", text)
	}
	_, err := admin.IAM().UpdateUser(ctx, &iam.UpdateUserInput{UserName: aws.String("kim"), NewUserName: aws.String("kimberley")})
	want(t, "UpdateUser", err, "")
	want(t, "Encrypt by who was renamed", second(encrypt(kim.Account, named, nil)), "")

	user, err := admin.IAM().GetUser(ctx, &iam.GetUserInput{UserName: aws.String("gwen")})
	if err != nil {
		t.Fatal(err)
	}
	deleteUser(t, admin, "gwen")
	id := *user.User.UserId
	if text, shown := policyOf(), `"AWS" : [ "`+id+`", "`+kim.arn+`berley" ]`; !strings.Contains(text, shown) {
		t.Errorf("with gwen gone and kim renamed, the policy is shown as %s, want %s", text, shown)
	}
	list, err := admin.KMS().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &granted})
	if err != nil || len(list.Grants) != 1 || *list.Grants[0].GranteePrincipal != id || *list.Grants[0].GrantId != *g.GrantId {
		t.Errorf("with gwen gone, the grants are %+v, %v", list, err)
	}
	text := policyOf()
	_, err = admin.KMS().PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &named, Policy: &text})
	want(t, "PutKeyPolicy that names who is gone", err, "MalformedPolicyDocumentException")
	_, err = admin.KMS().CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &granted, GranteePrincipal: &gwen.arn, Operations: []kmstypes.GrantOperation{opEncrypt}})
	want(t, "CreateGrant to who is gone", err, "InvalidArnException")

	again := newGrantee(t, h, "gwen")
	if again.arn != gwen.arn {
		t.Fatalf("the second gwen is %s, the first was %s", again.arn, gwen.arn)
	}
	for _, key := range []string{granted, named} {
		want(t, "Encrypt by who was made under the name", second(encrypt(again.Account, key, nil)), refused)
	}
}

// deleteUser deletes a user who has access keys and nothing else.
func deleteUser(t *testing.T, admin house.Account, name string) {
	t.Helper()
	client := admin.IAM()
	keys, err := client.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys.AccessKeyMetadata {
		if _, err := client.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: &name, AccessKeyId: key.AccessKeyId}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
}

// TestQuotas says that a house with quotas throttles, with a record, and that no other account
// suffers from it.
func TestQuotas(t *testing.T) {
	config := filepath.Join(t.TempDir(), "house.yaml")
	if err := os.WriteFile(config, []byte("quotas:\n  kms:\n    published: 1\n    ListAliases: 0.001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := house.Start(t, "--config", config)
	_, credentials := h.NewAccount("other")
	list := func(a house.Account) error {
		_, err := a.KMS().ListAliases(ctx, &kms.ListAliasesInput{}, func(o *kms.Options) { o.Retryer = retry.AddWithMaxAttempts(o.Retryer, 1) })
		return err
	}
	admin := h.AsAdmin()
	want(t, "the first ListAliases", list(admin), "")
	got := refusalOf(list(admin))
	if got != (refusal{"ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."}) {
		t.Errorf("the second ListAliases: got %v", got)
	}
	recorded(t, admin, "ListAliases", "ThrottlingException", arnOf(t, admin))
	want(t, "ListAliases of another account", list(h.As(credentials)), "")
	want(t, "another operation", second(admin.KMS().ListKeys(ctx, &kms.ListKeysInput{})), "")
}
