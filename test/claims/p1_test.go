package claims

import (
	"bytes"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"net"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// attempt makes a version of the template "network" from an object and returns how its registration ended.
func attempt(t *testing.T, a, reader house.Account, object string) (types.TemplateVersionStatus, string) {
	t.Helper()
	name := "network"
	out, err := a.Proton().CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{TemplateName: &name, Source: bundle(object)})
	if err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	v := environmentVersion(t, reader, name, *out.EnvironmentTemplateVersion.MajorVersion, *out.EnvironmentTemplateVersion.MinorVersion)
	return v.Status, aws.ToString(v.StatusMessage)
}

func TestP1_BundlesAreUnderKeysTheServiceCanUse(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBundles(t, admin, "cfn-environment")
	body := protonbundles.Tar(t, "cfn-environment")
	if _, err := admin.Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("network")}); err != nil {
		t.Fatal(err)
	}
	key := newKey(t, admin, "")
	upload := func(name string, change func(*s3.PutObjectInput)) {
		t.Helper()
		in := &s3.PutObjectInput{Bucket: aws.String(bundles), Key: &name, Body: bytes.NewReader(body)}
		change(in)
		if _, err := admin.S3().PutObject(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	own := random(32)
	sum := md5.Sum(own)
	upload("kms", func(in *s3.PutObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = s3types.ServerSideEncryptionAwsKms, &key
	})
	upload("customer-provided", func(in *s3.PutObjectInput) {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = aws.String("AES256"), aws.String(base64.StdEncoding.EncodeToString(own)), aws.String(base64.StdEncoding.EncodeToString(sum[:]))
	})
	upload("client-side", func(in *s3.PutObjectInput) {
		in.Metadata = map[string]string{"x-amz-key-v2": "AAAA", "x-amz-cek-alg": "AES/GCM/NoPadding"}
	})

	for object, status := range map[string]types.TemplateVersionStatus{
		"cfn-environment": types.TemplateVersionStatusDraft, "kms": types.TemplateVersionStatusDraft,
		"customer-provided": types.TemplateVersionStatusRegistrationFailed, "client-side": types.TemplateVersionStatusRegistrationFailed,
		"not-there": types.TemplateVersionStatusRegistrationFailed,
	} {
		got, message := attempt(t, admin, admin, object)
		if got != status || (status == types.TemplateVersionStatusRegistrationFailed) != (message != "") {
			t.Errorf("%s: the registration ended as %s, %q; want %s", object, got, message, status)
		}
		if strings.Contains(message, base64.StdEncoding.EncodeToString(own)) {
			t.Errorf("%s: the message repeats the key", object)
		}
	}
}

// TestP1_TheReaderNeedsDecrypt: with SSE-KMS the caller's own permission opens the bundle, and no other.
func TestP1_TheReaderNeedsDecrypt(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBundles(t, admin)
	key := newKey(t, admin, "")
	if _, err := admin.S3().PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(bundles), Key: aws.String("kms"), Body: bytes.NewReader(protonbundles.Tar(t, "cfn-environment")),
		ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("network")}); err != nil {
		t.Fatal(err)
	}
	without := h.As(h.User("without", document(allow(`["proton:*","s3:*"]`, "*"))))
	with := h.As(h.User("with", document(allow(`["proton:*","s3:*","kms:Decrypt"]`, "*"))))
	none := h.As(h.User("none", document(allow(`["proton:*","kms:*"]`, "*"))))
	for name, test := range map[string]struct {
		caller house.Account
		status types.TemplateVersionStatus
	}{
		"who may not decrypt": {without, types.TemplateVersionStatusRegistrationFailed}, "who may not read the object": {none, types.TemplateVersionStatusRegistrationFailed},
		"who may": {with, types.TemplateVersionStatusDraft},
	} {
		if got, message := attempt(t, test.caller, admin, "kms"); got != test.status {
			t.Errorf("a version by somebody %s is %s, %q; want %s", name, got, message, test.status)
		}
	}
	withARN := arnOf(t, with)
	latest(t, admin, "Decrypt", func(e *event) bool {
		return e.ErrorCode == "" && e.UserIdentity.ARN == withARN && len(e.Resources) > 0 && e.Resources[0].ARN == key
	})
}

// TestP2_InTransit: the service is reached over TLS 1.2 or later and in no other way, and what it
// asks S3 and KMS for takes the same road as a client's call, with its record.
func TestP2_InTransit(t *testing.T) {
	h := house.Start(t)
	address := strings.TrimPrefix(h.Endpoint, "https://")
	plain, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.Write([]byte("POST / HTTP/1.1\r\nHost: proton\r\nX-Amz-Target: AwsProton20200720.ListServices\r\nContent-Length: 2\r\n\r\n{}")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	n, _ := plain.Read(answer)
	if text := string(answer[:n]); strings.HasPrefix(text, "HTTP/1.1 2") || strings.Contains(text, "services") {
		t.Errorf("a call without TLS was answered: %s", text)
	}
	old, err := tls.Dial("tcp", address, &tls.Config{RootCAs: h.Roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		old.Close()
		t.Error("TLS 1.1 was taken")
	}
	admin := h.AsAdmin()
	newBundles(t, admin, "managed-environment")
	environmentTemplate(t, admin, "network", "", "managed-environment")
	e := latest(t, admin, "CreateEnvironmentTemplate", nil)
	if e.TLSDetails.TLSVersion != "TLSv1.2" && e.TLSDetails.TLSVersion != "TLSv1.3" {
		t.Errorf("the call was made over %q\n%s", e.TLSDetails.TLSVersion, e.text)
	}
}
