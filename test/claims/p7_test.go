package claims

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/proton"

	"github.com/strongroom/strongroom/test/house"
)

// read is a call that shows what is sealed.
type read struct {
	name string
	call func(house.Account) error
}

// templateReads read a template and its version.
func templateReads(template string) []read {
	one, zero := aws.String("1"), aws.String("0")
	return []read{
		{"GetEnvironmentTemplate", func(a house.Account) error {
			_, err := a.Proton().GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: &template})
			return err
		}},
		{"GetEnvironmentTemplateVersion", func(a house.Account) error {
			_, err := a.Proton().GetEnvironmentTemplateVersion(ctx, &proton.GetEnvironmentTemplateVersionInput{TemplateName: &template, MajorVersion: one, MinorVersion: zero})
			return err
		}},
		{"UpdateEnvironmentTemplate", func(a house.Account) error {
			_, err := a.Proton().UpdateEnvironmentTemplate(ctx, &proton.UpdateEnvironmentTemplateInput{Name: &template, DisplayName: aws.String("another")})
			return err
		}},
		{"CreateEnvironmentTemplateVersion", func(a house.Account) error {
			_, err := a.Proton().CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{TemplateName: &template, MajorVersion: one, Source: bundle("managed-environment")})
			return err
		}},
		{"ListEnvironmentTemplateVersions", func(a house.Account) error {
			_, err := a.Proton().ListEnvironmentTemplateVersions(ctx, &proton.ListEnvironmentTemplateVersionsInput{TemplateName: &template})
			return err
		}},
	}
}

// TestP7_WithoutTheKeyNothingIsRead: whichever way the key is taken away, each call that needs it says
// ValidationException, with the next call; what is under another key is not touched; and with the key back, all is back.
func TestP7_WithoutTheKeyNothingIsRead(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBundles(t, admin, "managed-environment")
	key := newKey(t, admin, "")
	template := environmentTemplate(t, admin, "network", key, "managed-environment")
	environmentTemplate(t, admin, "other", newKey(t, admin, ""), "managed-environment")
	grant := onlyGrant(t, admin, key)
	client := admin.KMS()

	for _, way := range []struct {
		name       string
		take, back func() error
	}{
		{"the key is disabled",
			func() error { _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); return err },
			func() error { _, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); return err }},
		{"the key is to be deleted",
			func() error {
				_, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key})
				return err
			},
			func() error {
				if _, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &key}); err != nil {
					return err
				}
				_, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key})
				return err
			}},
		{"the grant is revoked",
			func() error {
				_, err := client.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: &grant})
				return err
			},
			func() error { return grantAgain(admin, key, template) }},
		{"the grant is retired",
			func() error {
				id := onlyGrant(t, admin, key)
				_, err := client.RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &key, GrantId: &id})
				return err
			},
			func() error { return grantAgain(admin, key, template) }},
	} {
		for _, r := range templateReads("network") {
			if r.name == "CreateEnvironmentTemplateVersion" {
				continue // each makes one more
			}
			want(t, r.name+" before "+way.name, r.call(admin), "")
		}
		if err := way.take(); err != nil {
			t.Fatalf("%s: %v", way.name, err)
		}
		for _, r := range templateReads("network") {
			err := r.call(admin)
			want(t, r.name+" when "+way.name, err, "ValidationException")
			if !strings.Contains(messageOf(err), "KMS key") {
				t.Errorf("%s when %s: the message does not say that it is the key: %q", r.name, way.name, messageOf(err))
			}
		}
		for _, r := range templateReads("other") {
			if r.name != "CreateEnvironmentTemplateVersion" {
				want(t, r.name+" of another template when "+way.name, r.call(admin), "")
			}
		}
		if err := way.back(); err != nil {
			t.Fatalf("after %s: %v", way.name, err)
		}
	}
	for _, r := range templateReads("network") {
		want(t, r.name+" when all is back", r.call(admin), "")
	}
	answer := raw(t, h, h.Admin, "proton", "AwsProton20200720.GetEnvironmentTemplate", `{"name":"not-there"}`)
	if !strings.Contains(answer, `#ResourceNotFoundException"`) || !strings.Contains(answer, `"message":`) {
		t.Errorf("an error crosses the wire as %s", answer)
	}
}

// grantAgain makes the grant of a template anew, as its owner can when it was taken away by mistake.
func grantAgain(a house.Account, key, template string) error {
	who := "proton." + house.Region + ".amazonaws.com"
	_, err := a.KMS().CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: &key, GranteePrincipal: &who, RetiringPrincipal: aws.String("arn:aws:iam::" + strings.Split(key, ":")[4] + ":root"),
		Operations:  []kmstypes.GrantOperation{opDecrypt, opDescribe, kmstypes.GrantOperationGenerateDataKey},
		Constraints: &kmstypes.GrantConstraints{EncryptionContextSubset: map[string]string{"aws:proton:template": template}},
	})
	return err
}
