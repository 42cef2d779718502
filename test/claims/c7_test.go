package claims

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	protontypes "github.com/aws/aws-sdk-go-v2/service/proton/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/test/canary"
	"github.com/strongroom/strongroom/test/house"
)

// warnings returns of what an event warns, field and identifier.
func warnings(t *testing.T, e *event) (list []string) {
	t.Helper()
	var has struct {
		AdditionalEventData struct {
			SensitiveData []struct{ Field, Identifier string }
		}
	}
	if err := json.Unmarshal([]byte(e.text), &has); err != nil {
		t.Fatal(err)
	}
	for _, w := range has.AdditionalEventData.SensitiveData {
		list = append(list, w.Field+" "+w.Identifier)
	}
	slices.Sort(list)
	return list
}

// TestC7_FreeFormFieldsWarn puts an address and a card number into names, descriptions and tags of each service: the record of the call warns of
// each, and neither reaches the operator's log. Ordinary names, and what only asks, warn of nothing.
func TestC7_FreeFormFieldsWarn(t *testing.T) {
	h := house.Start(t, "--log", "debug")
	admin := h.AsAdmin()
	const mail, card = "jane.doe@plant.example.com", "4539 1488 0343 6467"
	key := newKey(t, admin, "")
	newBucket(t, admin, "free-form", key)
	for _, c := range []struct {
		event string
		call  func(mail, card string) error
		want  []string
	}{
		{"CreateKey", func(mail, card string) error {
			_, err := admin.KMS().CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String("of " + mail), Tags: []kmstypes.Tag{{TagKey: aws.String("card"), TagValue: &card}}})
			return err
		}, []string{"description EmailAddress", "tags.1.tagValue CREDIT_CARD_NUMBER"}},
		{"TagResource", func(mail, card string) error {
			_, err := admin.KMS().TagResource(ctx, &kms.TagResourceInput{KeyId: &key, Tags: []kmstypes.Tag{{TagKey: &mail, TagValue: aws.String("owner")}}})
			return err
		}, []string{"tags.1.tagKey EmailAddress"}},
		{"CreateWorkspace", func(mail, card string) error {
			_, err := admin.AMP().CreateWorkspace(ctx, &amp.CreateWorkspaceInput{Alias: aws.String("of " + mail), Tags: map[string]string{"card": card}})
			return err
		}, []string{"alias EmailAddress", "tags CREDIT_CARD_NUMBER"}},
		{"CreateEnvironmentTemplate", func(mail, card string) error {
			_, err := admin.Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{
				Name: aws.String("template-" + card[len(card)-4:]), DisplayName: &mail, Description: aws.String("card " + card), Tags: []protontypes.Tag{{Key: aws.String("owner"), Value: &mail}},
			})
			return err
		}, []string{"description CREDIT_CARD_NUMBER", "displayName EmailAddress", "tags.1.value EmailAddress"}},
		{"PutBucketTagging", func(mail, card string) error {
			_, err := admin.S3().PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: aws.String("free-form"), Tagging: &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("owner"), Value: &mail}}}})
			return err
		}, []string{"tagging.tagSet.1.value EmailAddress"}},
		{"PutObject", func(mail, card string) error {
			_, err := admin.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("free-form"), Key: aws.String("object"), Body: bytes.NewReader([]byte(card)), Tagging: aws.String("owner=" + mail)})
			return err
		}, []string{"tagging EmailAddress"}},
		{"TagUser", func(mail, card string) error {
			_, err := admin.IAM().TagUser(ctx, &iam.TagUserInput{UserName: aws.String("administrator"), Tags: []iamtypes.Tag{{Key: aws.String("mail"), Value: &mail}}})
			return err
		}, []string{"tags.1.value EmailAddress"}},
	} {
		want(t, c.event, c.call(mail, card), "")
		if got := warnings(t, latest(t, admin, c.event, nil)); !slices.Equal(got, c.want) {
			t.Errorf("%s warns of %q, want %q", c.event, got, c.want)
		}
		want(t, "an ordinary "+c.event, c.call("the plant", "4711 4712 4713"), "")
		if got := warnings(t, latest(t, admin, c.event, nil)); len(got) != 0 {
			t.Errorf("an ordinary %s warns of %q", c.event, got)
		}
	}
	if _, err := admin.AMP().ListWorkspaces(ctx, &amp.ListWorkspacesInput{Alias: aws.String(mail)}); err != nil {
		t.Fatal(err)
	}
	if got := warnings(t, latest(t, admin, "ListWorkspaces", nil)); len(got) != 0 {
		t.Errorf("ListWorkspaces warns of %q", got)
	}
	hunt := new(canary.Hunt)
	hunt.Add("an address in a free-form field", []byte(mail))
	hunt.Add("a card number in a free-form field", []byte(card))
	for _, f := range hunt.Bytes("what the house printed", []byte(h.Output())) {
		t.Error(f)
	}
}
