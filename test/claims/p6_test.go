package claims

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/house"
)

// TestP6_GrantIsMadeByTheCaller: the trail shows CreateGrant as the caller's own act, through Proton.
func TestP6_GrantIsMadeByTheCaller(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	maker := h.As(h.User("maker", document(allow(`["proton:*","kms:CreateGrant"]`, "*"))))
	if _, err := maker.Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("network"), EncryptionKey: &key, Description: aws.String("described")}); err != nil {
		t.Fatal(err)
	}
	e := latest(t, admin, "CreateGrant", nil)
	if e.UserIdentity.ARN != arnOf(t, maker) || e.UserIdentity.Type != "IAMUser" || e.UserIdentity.InvokedBy != "proton.amazonaws.com" || e.ErrorCode != "" {
		t.Errorf("the grant is recorded as made by %+v, %s\n%s", e.UserIdentity, e.ErrorCode, e.text)
	}
	if len(e.Resources) == 0 || e.Resources[0].ARN != key {
		t.Errorf("the record does not name the key\n%s", e.text)
	}
}

// TestP6_WhoMayNotGrantMakesNoTemplate: also where the caller may do all else.
func TestP6_WhoMayNotGrantMakesNoTemplate(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	actions := map[string]string{
		"without": `["proton:*","kms:Encrypt","kms:Decrypt","kms:GenerateDataKey*","kms:DescribeKey"]`,
		"direct":  `["proton:*"]`,
	}
	for name, allowed := range actions {
		maker := h.As(h.User(name, document(allow(allowed, "*"))))
		for family, create := range map[string]func() error{
			"environment": func() error {
				_, err := maker.Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("network"), EncryptionKey: &key})
				return err
			},
			"service": func() error {
				_, err := maker.Proton().CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: aws.String("network"), EncryptionKey: &key})
				return err
			},
			"repository": func() error {
				_, err := maker.Proton().CreateRepository(ctx, &proton.CreateRepositoryInput{
					Name: aws.String("team/live"), Provider: types.RepositoryProviderGithub, EncryptionKey: &key,
					ConnectionArn: aws.String("arn:aws:codestar-connections:" + house.Region + ":" + h.Account + ":connection/one"),
				})
				return err
			},
		} {
			if err := create(); house.ErrorCode(err) != "AccessDeniedException" || !strings.Contains(messageOf(err), "kms:CreateGrant") {
				t.Errorf("%s, %s: %v, want AccessDeniedException that names kms:CreateGrant", name, family, err)
			}
		}
		_, err := maker.Proton().GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: aws.String("network")})
		want(t, "the template that was refused", err, "ResourceNotFoundException")
		// Without a key of the customer's there is no grant to make.
		_, err = maker.Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("owned-" + name)})
		want(t, "a template under the owned key", err, "")
	}
	out, err := admin.KMS().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
	if err != nil || len(out.Grants) != 0 {
		t.Errorf("after refusals the key has the grants %v, %v", out.Grants, err)
	}
	e := latest(t, admin, "CreateGrant", nil)
	if e.ErrorCode != "AccessDenied" || e.UserIdentity.InvokedBy != "proton.amazonaws.com" {
		t.Errorf("the refusal is recorded as\n%s", e.text)
	}
}

// TestP6_GrantsOnlyThroughProton: a key policy can let a user make grants through Proton and not by himself.
func TestP6_GrantsOnlyThroughProton(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	maker := newGrantee(t, h, "maker")
	userPolicy(t, admin, "maker", document(allow(`"proton:*"`, "*"), `{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"proton.`+house.Region+`.amazonaws.com"}}}`))
	_, err := maker.KMS().CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &maker.arn, Operations: []kmstypes.GrantOperation{opDecrypt}})
	want(t, "CreateGrant by himself", err, "AccessDeniedException")
	_, err = maker.Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("network"), EncryptionKey: &key})
	want(t, "a template, with the grant that it needs", err, "")
}
