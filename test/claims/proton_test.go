package claims

import (
	"bytes"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// protonWait bounds how long a test waits for something in the background.
const protonWait = 30 * time.Second

// uploadBundle puts a bundle of the samples into a bucket and returns it as a source.
func uploadBundle(t testing.TB, a house.Account, bucket, name string) types.TemplateVersionSourceInput {
	t.Helper()
	object := name + ".tar.gz"
	if _, err := a.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &object, Body: bytes.NewReader(protonbundles.Tar(t, name))}); err != nil {
		t.Fatal(err)
	}
	return &types.TemplateVersionSourceInputMemberS3{Value: types.S3ObjectSource{Bucket: &bucket, Key: &object}}
}

// newEnvironmentTemplate makes an environment template under a key, or the Proton-owned one for "",
// with one published version of a sample bundle. It returns the template's ARN.
func newEnvironmentTemplate(t testing.TB, a house.Account, name, key, bucket, bundle string) string {
	t.Helper()
	client := a.Proton()
	in := &proton.CreateEnvironmentTemplateInput{Name: &name, Description: aws.String("described"), DisplayName: aws.String("shown")}
	if key != "" {
		in.EncryptionKey = &key
	}
	if bundle == "managed-environment" {
		in.Provisioning = types.ProvisioningCustomerManaged
	}
	made, err := client.CreateEnvironmentTemplate(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	publishEnvironmentVersion(t, a, name, nil, uploadBundle(t, a, bucket, bundle))
	return *made.EnvironmentTemplate.Arn
}

func publishEnvironmentVersion(t testing.TB, a house.Account, name string, major *string, source types.TemplateVersionSourceInput) *types.EnvironmentTemplateVersion {
	t.Helper()
	client := a.Proton()
	v, err := client.CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{TemplateName: &name, MajorVersion: major, Source: source})
	if err != nil {
		t.Fatal(err)
	}
	made := v.EnvironmentTemplateVersion
	get := &proton.GetEnvironmentTemplateVersionInput{TemplateName: &name, MajorVersion: made.MajorVersion, MinorVersion: made.MinorVersion}
	if err := proton.NewEnvironmentTemplateVersionRegisteredWaiter(client, quickly).Wait(ctx, get, protonWait); err != nil {
		out, _ := client.GetEnvironmentTemplateVersion(ctx, get)
		t.Fatalf("%v: %s", err, aws.ToString(out.EnvironmentTemplateVersion.StatusMessage))
	}
	out, err := client.UpdateEnvironmentTemplateVersion(ctx, &proton.UpdateEnvironmentTemplateVersionInput{
		TemplateName: &name, MajorVersion: made.MajorVersion, MinorVersion: made.MinorVersion, Status: types.TemplateVersionStatusPublished,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.EnvironmentTemplateVersion
}

func quickly(o *proton.EnvironmentTemplateVersionRegisteredWaiterOptions) {
	o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
}

// The grant on a customer's key is made with the caller's own permission, and shows in the trail as
// his; without kms:CreateGrant there is no template, and nothing is left of it.
func TestP6_GrantIsMadeWithTheCallersCredentials(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	newBucket(t, admin, "bundles", "")
	newEnvironmentTemplate(t, admin, "env", key, "bundles", "tf-environment")
	e := latest(t, admin, "CreateGrant", nil)
	if e.UserIdentity.ARN != arnOf(t, admin) || e.UserIdentity.InvokedBy != "proton.amazonaws.com" {
		t.Errorf("the grant is not the caller's: %s", e.text)
	}
	weak := h.As(h.User("weak", document(allow(`["proton:*","s3:*"]`, "*"))))
	_, err := weak.Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("other"), EncryptionKey: &key})
	want(t, "a template without kms:CreateGrant", err, "AccessDeniedException")
	_, err = admin.Proton().GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: aws.String("other")})
	want(t, "a template that was refused", err, "ResourceNotFoundException")
}
