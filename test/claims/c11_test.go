package claims

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/strongroom/strongroom/test/canary"
	"github.com/strongroom/strongroom/test/house"
)

func TestC11_ContextsAndNamesArePlainInTheTrail(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	pairs := map[string]string{"project": "Zwölf Ähren", "purpose": `says "hello" <&>`}
	blob := mustEncrypt(t, admin, key, pairs)
	want(t, "Decrypt with the context", decrypt(admin, blob, pairs), "")
	want(t, "Decrypt without it", decrypt(admin, blob, nil), "InvalidCiphertextException")
	want(t, "Decrypt with another", decrypt(admin, blob, map[string]string{"project": "other"}), "InvalidCiphertextException")

	for _, name := range []string{"Encrypt", "Decrypt"} {
		e := latest(t, admin, name, func(e *event) bool { return e.ErrorCode == "" })
		got, _ := e.RequestParameters["encryptionContext"].(map[string]any)
		for k, v := range pairs {
			if got[k] != v {
				t.Errorf("%s: the context's %s is recorded as %q, want %q", name, k, got[k], v)
			}
		}
	}
	refused := latest(t, admin, "Decrypt", func(e *event) bool { return e.ErrorCode == "InvalidCiphertextException" })
	if got, _ := refused.RequestParameters["encryptionContext"].(map[string]any); got["project"] != "other" {
		t.Errorf("a refused Decrypt does not show the context it came with\n%s", refused.text)
	}

	newBucket(t, admin, "named-in-the-trail", key)
	put(t, admin, "named-in-the-trail", "reports/2026 résumé.txt", []byte("x"))
	if e := latest(t, admin, "PutObject", nil); e.RequestParameters["key"] != "reports/2026 résumé.txt" {
		t.Errorf("the object's name is recorded as %q", e.RequestParameters["key"])
	}
}

// TestC11_NoSecretInRecordsLogsOrOnDisk puts every kind of secret through the house and looks
// for it in the trails, in what the operator sees and in every file.
func TestC11_NoSecretInRecordsLogsOrOnDisk(t *testing.T) {
	h := house.Start(t, "--log", "debug")
	admin := h.AsAdmin()
	secrets := new(canary.Hunt)
	useKeys(t, admin, secrets)
	useObjects(t, admin, secrets)
	useCredentials(t, h, secrets)

	for _, e := range events(t, admin, "") {
		for _, f := range secrets.Bytes("the record of "+e.EventName, []byte(e.text)) {
			t.Error(f)
		}
	}
	for _, f := range secrets.Bytes("what the house printed", []byte(h.Output())) {
		t.Error(f)
	}
	h.Stop()
	secrets.Add("the first administrator's secret access key", []byte(h.Admin.SecretAccessKey)) // which the house printed, once
	findings, _, err := secrets.Dir(h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// useKeys has plaintexts and data keys pass through kms, by calls that succeed and calls that fail.
func useKeys(t *testing.T, a house.Account, secrets *canary.Hunt) {
	t.Helper()
	client, key := a.KMS(), newKey(t, a, "")
	plaintext := random(64)
	secrets.Add("a plaintext", plaintext)
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: plaintext})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err != nil || !bytes.Equal(opened.Plaintext, plaintext) {
		t.Fatalf("Decrypt gave something else, %v", err)
	}
	data, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: kmstypes.DataKeySpecAes256})
	if err != nil {
		t.Fatal(err)
	}
	secrets.Add("a data key", data.Plaintext)
	bytes, err := client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(64)})
	if err != nil {
		t.Fatal(err)
	}
	secrets.Add("random bytes", bytes.Plaintext)

	refused := random(64)
	secrets.Add("the plaintext of a refused call", refused)
	_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String("alias/nowhere"), Plaintext: refused})
	want(t, "Encrypt under a key that is not there", err, "NotFoundException")
	long := random(5000)
	secrets.Add("a plaintext that is too long", long[:64])
	_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: long})
	want(t, "Encrypt of 5,000 bytes", err, "ValidationException")
}

// useObjects has bodies and customers' keys pass through s3.
func useObjects(t *testing.T, a house.Account, secrets *canary.Hunt) {
	t.Helper()
	newBucket(t, a, "bucket-of-secrets", "")
	for _, size := range []int{100, 100 << 10} {
		body := random(size)
		secrets.Add("an object's bytes", body[:64])
		put(t, a, "bucket-of-secrets", "object", body)
	}
	customer, other, body := random(32), random(32), random(4096)
	secrets.Add("a customer's key", customer)
	secrets.Add("another customer's key", other)
	secrets.Add("bytes under a customer's key", body[:64])
	text, sum := customerKey(customer)
	in := &s3.PutObjectInput{Bucket: aws.String("bucket-of-secrets"), Key: aws.String("customer"), Body: bytes.NewReader(body),
		SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: text, SSECustomerKeyMD5: sum}
	if _, err := a.S3().PutObject(ctx, in); err != nil {
		t.Fatal(err)
	}
	read := func(key []byte) error {
		in := &s3.GetObjectInput{Bucket: aws.String("bucket-of-secrets"), Key: aws.String("customer")}
		if key != nil {
			in.SSECustomerAlgorithm = aws.String("AES256")
			in.SSECustomerKey, in.SSECustomerKeyMD5 = customerKey(key)
		}
		out, err := a.S3().GetObject(ctx, in)
		if err != nil {
			return err
		}
		return out.Body.Close()
	}
	want(t, "GetObject with the customer's key", read(customer), "")
	want(t, "GetObject with another key", read(other), "AccessDenied")
	want(t, "GetObject without a key", read(nil), "InvalidRequest")
}

func customerKey(key []byte) (text, sum *string) {
	digest := md5.Sum(key)
	return aws.String(base64.StdEncoding.EncodeToString(key)), aws.String(base64.StdEncoding.EncodeToString(digest[:]))
}

// useCredentials has the secrets of access keys and sessions made and used.
func useCredentials(t *testing.T, h *house.House, secrets *canary.Hunt) {
	t.Helper()
	admin := h.AsAdmin()
	user := h.User("someone", document(allow(`"sts:AssumeRole"`, "*")))
	secrets.Add("a user's secret access key", []byte(user.SecretAccessKey))
	trust := document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + h.Account + `:user/someone"},"Action":"sts:AssumeRole"}`)
	role, err := admin.IAM().CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("a-role"), AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	session, err := h.As(user).STS().AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: aws.String("session"), ExternalId: aws.String("an-external-id-that-is-no-secret")})
	if err != nil {
		t.Fatal(err)
	}
	secrets.Add("a session's secret access key", []byte(*session.Credentials.SecretAccessKey))
	secrets.Add("a session token", []byte(*session.Credentials.SessionToken))
	who := arnOf(t, h.As(aws.Credentials{AccessKeyID: *session.Credentials.AccessKeyId, SecretAccessKey: *session.Credentials.SecretAccessKey, SessionToken: *session.Credentials.SessionToken}))
	if !strings.HasSuffix(who, ":assumed-role/a-role/session") {
		t.Errorf("the session is %s", who)
	}
	_, newest := h.NewAccount("another")
	secrets.Add("another administrator's secret access key", []byte(newest.SecretAccessKey))
	if _, err := h.As(newest).STS().GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
		t.Error(err)
	}
}

// TestC11_ContextsAreBound says why a context may be public: it protects by being bound to the
// ciphertext, not by being unknown.
func TestC11_ContextsAreBound(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBucket(t, admin, "context-bucket", "")
	key := newKey(t, admin, `{"Version":"2012-10-17","Statement":[`+delegate(h.Account)+`,
		{"Effect":"Deny","Principal":"*","Action":["kms:GenerateDataKey","kms:Decrypt"],"Resource":"*","Condition":{"StringNotEquals":{"kms:EncryptionContext:team":"blue"}}}]}`)
	store := func(pairs map[string]string) error {
		text, err := json.Marshal(pairs)
		_, err2 := admin.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("context-bucket"), Key: aws.String("object"), Body: strings.NewReader("x"),
			ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key, SSEKMSEncryptionContext: aws.String(base64.StdEncoding.EncodeToString(text))})
		return errors.Join(err, err2)
	}
	want(t, "PutObject with the team's context", store(map[string]string{"team": "blue"}), "")
	want(t, "PutObject with another team's", store(map[string]string{"team": "red"}), "AccessDenied")
	want(t, "PutObject with none", store(nil), "AccessDenied")
	if got, err := get(admin, "context-bucket", "object"); err != nil || string(got) != "x" {
		t.Errorf("GetObject: %q, %v", got, err)
	}
	e := latest(t, admin, "Decrypt", nil)
	if got, _ := e.RequestParameters["encryptionContext"].(map[string]any); got["team"] != "blue" || got["aws:s3:arn"] != "arn:aws:s3:::context-bucket/object" {
		t.Errorf("the read is recorded with the context %v", got)
	}
}
