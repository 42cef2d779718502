package claims

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"
	"github.com/aws/smithy-go"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// bundles is the bucket that the tests of Proton upload template bundles to.
const bundles = "proton-bundles"

// protonWait bounds how long a test waits for what Proton does in the background.
const protonWait = 2 * time.Minute

// newBundles makes the bucket and puts the sample bundles into it.
func newBundles(t testing.TB, a house.Account, names ...string) {
	t.Helper()
	newBucket(t, a, bundles, "")
	for _, name := range names {
		put(t, a, bundles, name, protonbundles.Tar(t, name))
	}
}

// bundle is the uploaded bundle of the name as the source of a version.
func bundle(name string) types.TemplateVersionSourceInput {
	return &types.TemplateVersionSourceInputMemberS3{Value: types.S3ObjectSource{Bucket: aws.String(bundles), Key: &name}}
}

func templateARN(h *house.House, family, name string) string {
	return "arn:aws:proton:" + house.Region + ":" + h.Account + ":" + family + "/" + name
}

// environmentTemplate makes a template under the key, or a Proton-owned one for "", and one
// version of it from the bundle, which is published. It returns the template's ARN.
func environmentTemplate(t testing.TB, a house.Account, name, key, from string) string {
	t.Helper()
	in := &proton.CreateEnvironmentTemplateInput{Name: &name, Description: aws.String("the description of " + name)}
	if key != "" {
		in.EncryptionKey = &key
	}
	if strings.HasPrefix(from, "managed") {
		in.Provisioning = types.ProvisioningCustomerManaged
	}
	out, err := a.Proton().CreateEnvironmentTemplate(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	made, err := a.Proton().CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{TemplateName: &name, Source: bundle(from)})
	if err != nil {
		t.Fatal(err)
	}
	v := made.EnvironmentTemplateVersion
	if got := environmentVersion(t, a, name, *v.MajorVersion, *v.MinorVersion); got.Status != types.TemplateVersionStatusDraft {
		t.Fatalf("%s is %s: %s", *got.Arn, got.Status, aws.ToString(got.StatusMessage))
	}
	if _, err := a.Proton().UpdateEnvironmentTemplateVersion(ctx, &proton.UpdateEnvironmentTemplateVersionInput{
		TemplateName: &name, MajorVersion: v.MajorVersion, MinorVersion: v.MinorVersion, Status: types.TemplateVersionStatusPublished,
	}); err != nil {
		t.Fatal(err)
	}
	return *out.EnvironmentTemplate.Arn
}

// environmentVersion waits for the end of a version's registration.
func environmentVersion(t testing.TB, a house.Account, name, major, minor string) *types.EnvironmentTemplateVersion {
	t.Helper()
	var v *types.EnvironmentTemplateVersion
	until(t, "the registration of "+name, func() (bool, error) {
		out, err := a.Proton().GetEnvironmentTemplateVersion(ctx, &proton.GetEnvironmentTemplateVersionInput{TemplateName: &name, MajorVersion: &major, MinorVersion: &minor})
		if err != nil {
			return false, err
		}
		v = out.EnvironmentTemplateVersion
		return v.Status != types.TemplateVersionStatusRegistrationInProgress, nil
	})
	return v
}

// until asks again and again until it is done, within bounds.
func until(t testing.TB, what string, done func() (bool, error)) {
	t.Helper()
	for end := time.Now().Add(protonWait); ; time.Sleep(20 * time.Millisecond) {
		ok, err := done()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not end", what)
		}
	}
}

// contextOf is the encryption context in a record, as far as it is one.
func (e *event) contextOf() map[string]string {
	in, ok := e.RequestParameters["encryptionContext"].(map[string]any)
	if !ok {
		return nil
	}
	pairs := make(map[string]string, len(in))
	for k, v := range in {
		pairs[k], _ = v.(string)
	}
	return pairs
}

// protonUses are the encryption contexts under which Proton has used the key, newest first.
func protonUses(t testing.TB, a house.Account, key string) (contexts []map[string]string) {
	t.Helper()
	for _, name := range []string{"GenerateDataKey", "Decrypt"} {
		for _, e := range events(t, a, name) {
			if len(e.Resources) > 0 && e.Resources[0].ARN == key && e.UserIdentity.InvokedBy == "proton.amazonaws.com" {
				contexts = append(contexts, e.contextOf())
			}
		}
	}
	return contexts
}

// used reports whether the key was used with exactly these two pairs.
func used(t testing.TB, a house.Account, key, template, resource string) bool {
	t.Helper()
	pairs := map[string]string{"aws:proton:template": template, "aws:proton:resource": resource}
	for _, c := range protonUses(t, a, key) {
		if maps.Equal(c, pairs) {
			return true
		}
	}
	return false
}

// messageOf is the message of an API error.
func messageOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorMessage()
	}
	return ""
}

// onlyGrant is the one grant of the key.
func onlyGrant(t testing.TB, a house.Account, key string) string {
	t.Helper()
	out, err := a.KMS().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
	if err != nil || len(out.Grants) != 1 {
		t.Fatalf("the key has the grants %v, %v; want one", out, err)
	}
	return *out.Grants[0].GrantId
}

// raw sends a call as its bytes are given, so that it can hold what no SDK would send, and
// returns the body of the answer.
func raw(t testing.TB, h *house.House, who aws.Credentials, service, target, body string, headers ...string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", h.Endpoint+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", target)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, who, req, hex.EncodeToString(sum[:]), service, house.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	res, err := h.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
