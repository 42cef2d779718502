package claims

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// bundleBack asks for the bundle of a version of an environment template; code is the error's, "" for none.
func bundleBack(t testing.TB, h *house.House, who aws.Credentials, template, version string) (body []byte, code string) {
	t.Helper()
	major, minor, _ := strings.Cut(version, ".")
	text := raw(t, h, who, "proton", "AwsProton20200720.GetTemplateVersionBundle",
		`{"templateType":"ENVIRONMENT","templateName":"`+template+`","majorVersion":"`+major+`","minorVersion":"`+minor+`"}`)
	var answer struct {
		Bundle []byte
		Type   string `json:"__type"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return answer.Bundle, answer.Type[strings.LastIndexByte(answer.Type, '#')+1:]
}

// TestP4_BundleComesBackAsItWas: who may gets a registered bundle back byte for byte, under the customer's key like
// all the rest: each reading asks KMS, is in the trail, and is refused while the key is disabled.
func TestP4_BundleComesBackAsItWas(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	newBundles(t, admin, "cfn-environment")
	template := environmentTemplate(t, admin, "network", key, "cfn-environment")
	was := protonbundles.Tar(t, "cfn-environment")

	got, code := bundleBack(t, h, h.Admin, "network", "1.0")
	if code != "" || !bytes.Equal(got, was) {
		t.Fatalf("the bundle came back as %d bytes, %s; want the %d it was", len(got), code, len(was))
	}
	e := latest(t, admin, "GetTemplateVersionBundle", nil)
	if e.ReadOnly == nil || !*e.ReadOnly || len(e.Resources) != 1 || e.Resources[0].ARN != template+":1.0" || e.ResponseElements != nil {
		t.Errorf("the reading is recorded as %s", e.text)
	}
	if !used(t, admin, key, template, template) {
		t.Error("the bundle was not opened with the customer's key")
	}

	only := `"Condition":{"StringEquals":{"proton:EnvironmentTemplate":"` + template + `"}}`
	reader := h.User("reader", document(`{"Effect":"Allow","Action":"proton:GetTemplateVersionBundle","Resource":"*",`+only+`}`))
	other := h.User("other", document(allow(`["proton:GetEnvironmentTemplateVersion","kms:*"]`, "*")))
	elsewhere := h.User("elsewhere", document(allow(`"proton:*"`, template+":2.*")))
	for name, c := range map[string]struct {
		who           aws.Credentials
		version, code string
	}{
		"who may read this template's": {reader, "1.0", ""}, "who may describe versions": {other, "1.0", "AccessDeniedException"},
		"who may read another version": {elsewhere, "1.0", "AccessDeniedException"}, "a version that is not there": {h.Admin, "1.9", "ResourceNotFoundException"},
	} {
		if _, code := bundleBack(t, h, c.who, "network", c.version); code != c.code {
			t.Errorf("%s: got error %q, want %q", name, code, c.code)
		}
	}

	if status, _ := attempt(t, admin, admin, "not-there"); status != types.TemplateVersionStatusRegistrationFailed {
		t.Fatal(status)
	}
	if _, code := bundleBack(t, h, h.Admin, "network", "2.0"); code != "ValidationException" {
		t.Errorf("the bundle of a version that has none: error %q, want ValidationException", code)
	}
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	if _, code := bundleBack(t, h, h.Admin, "network", "1.0"); code != "ValidationException" {
		t.Errorf("with the key disabled: error %q, want ValidationException", code)
	}
	if _, err := admin.KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	if got, code := bundleBack(t, h, h.Admin, "network", "1.0"); code != "" || !bytes.Equal(got, was) {
		t.Errorf("with the key enabled again: %d bytes, error %q", len(got), code)
	}
}
