package claims

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/canary"
	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// TestP3_OwnedKeyByDefault: without a key of the customer's everything is under one that Proton
// owns: nobody sees it, and nothing lies on the disk in the clear.
func TestP3_OwnedKeyByDefault(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBundles(t, admin, "cfn-environment")
	var hunt canary.Hunt
	secret := base64.RawURLEncoding.EncodeToString(random(24))
	hunt.Add("description", []byte(secret))
	hunt.Add("line of the schema", []byte("The team that answers for the network."))
	hunt.Add("line of the template", []byte("AWSTemplateFormatVersion"))
	if _, err := admin.Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("network"), Description: &secret, DisplayName: &secret}); err != nil {
		t.Fatal(err)
	}
	if status, message := attempt(t, admin, admin, "cfn-environment"); status != types.TemplateVersionStatusDraft {
		t.Fatal(status, message)
	}
	got, err := admin.Proton().GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: aws.String("network")})
	if err != nil || got.EnvironmentTemplate.EncryptionKey != nil || aws.ToString(got.EnvironmentTemplate.Description) != secret {
		t.Errorf("the template came back as %+v, %v", got, err)
	}
	keys, err := admin.KMS().ListKeys(ctx, &kms.ListKeysInput{})
	if err != nil || len(keys.Keys) != 0 {
		t.Errorf("ListKeys shows %d keys, %v; want none", len(keys.Keys), err)
	}
	aliases, err := admin.KMS().ListAliases(ctx, &kms.ListAliasesInput{})
	if err != nil || len(aliases.Aliases) != 0 {
		t.Errorf("ListAliases shows %d aliases, %v; want none", len(aliases.Aliases), err)
	}
	_, err = admin.KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/owned/proton/" + h.Account)})
	if code := house.ErrorCode(err); code != "NotFoundException" && code != refused {
		t.Errorf("DescribeKey of the owned key: %v, want a refusal", err)
	}

	h.Stop()
	findings, read, err := hunt.Dir(h.Dir)
	if err != nil || read == 0 {
		t.Fatal(read, err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// TestP4_CustomersKeyCoversAll: the template, its version with the bundle and the schema, and what
// is made of them is under the customer's key: with it disabled, each is out of reach, and nothing
// of it was under another key.
func TestP4_CustomersKeyCoversAll(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	newBundles(t, admin, "managed-environment")
	template := environmentTemplate(t, admin, "network", key, "managed-environment")
	for name, resource := range map[string]string{"the template": template, "the version": template + ":1.0"} {
		if !used(t, admin, key, template, resource) {
			t.Errorf("%s was not sealed under the customer's key", name)
		}
	}
	got, err := admin.Proton().GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: aws.String("network")})
	if err != nil || aws.ToString(got.EnvironmentTemplate.EncryptionKey) != key {
		t.Errorf("GetEnvironmentTemplate names the key %v, %v", got, err)
	}
	version := environmentVersion(t, admin, "network", "1", "0")
	if aws.ToString(version.Schema) != protonbundles.File(t, "managed-environment", "schema/schema.yaml") {
		t.Errorf("the schema came back as %q", aws.ToString(version.Schema))
	}
}

// TestP5_KeyIsNamedWithTheTemplate: the key is chosen when a template is made, must be one that can be used, and
// there is no call that changes it.
func TestP5_KeyIsNamedWithTheTemplate(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key, another := newKey(t, admin, ""), newKey(t, admin, "")
	if _, err := admin.Proton().CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: aws.String("worker"), EncryptionKey: &key}); err != nil {
		t.Fatal(err)
	}
	answer := raw(t, h, h.Admin, "proton", "AwsProton20200720.UpdateServiceTemplate", `{"name":"worker","displayName":"other","encryptionKey":"`+another+`"}`)
	if strings.Contains(answer, another) {
		t.Errorf("UpdateServiceTemplate answers %s", answer)
	}
	got, err := admin.Proton().GetServiceTemplate(ctx, &proton.GetServiceTemplateInput{Name: aws.String("worker")})
	if err != nil || aws.ToString(got.ServiceTemplate.EncryptionKey) != key || aws.ToString(got.ServiceTemplate.DisplayName) != "other" {
		t.Errorf("the template is now %+v, %v", got, err)
	}
	_, err = admin.Proton().CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: aws.String("worker"), EncryptionKey: &another})
	want(t, "the same name with another key", err, "ConflictException")
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &another}); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"a disabled key": another, "a key that is not there": strings.Replace(key, key[len(key)-12:], "000000000000", 1),
		"no key at all": "arn:aws:kms:" + house.Region + ":" + h.Account + ":alias/none",
	} {
		_, err := admin.Proton().CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: aws.String("refused"), EncryptionKey: &bad})
		if code := house.ErrorCode(err); code != "ValidationException" && code != "AccessDeniedException" {
			t.Errorf("a template under %s: %v, want a refusal", name, err)
		}
		_, err = admin.Proton().GetServiceTemplate(ctx, &proton.GetServiceTemplateInput{Name: aws.String("refused")})
		want(t, "the template that was refused", err, "ResourceNotFoundException")
	}
}
