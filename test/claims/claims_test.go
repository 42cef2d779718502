// Package claims tests the promises of Strongroom, one test a promise, named after the
// promise's number. Every test goes through the AWS SDK, over TLS, against the program
// itself as it runs, and asserts the refusal as well as the success.
//
// C are the promises that all services share, K those of key management, P those of Proton, and M7 and A8 those
// about the keys that a service owns, which its customers never see.
package claims

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trail "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/strongroom/strongroom/test/house"
)

func TestMain(m *testing.M) { house.Main(m) }

var ctx = context.Background()

// event is a record of the trail, as far as these tests read it.
type event struct {
	EventVersion string
	UserIdentity struct {
		Type, PrincipalID, ARN, AccountID, AccessKeyID, UserName, InvokedBy string
		SessionContext                                                      *struct {
			Attributes struct{ CreationDate, MFAAuthenticated string }
		}
	}
	EventTime, EventSource, EventName, AWSRegion, SourceIPAddress, UserAgent string
	ErrorCode, ErrorMessage                                                  string
	RequestParameters, ResponseElements                                      map[string]any
	RequestID, EventID                                                       string
	ReadOnly                                                                 *bool
	Resources                                                                []struct{ AccountID, Type, ARN string }
	EventType, EventCategory, RecipientAccountID                             string
	TLSDetails                                                               struct{ TLSVersion, CipherSuite string }
	text                                                                     string // the record as it came
}

// events returns what the account's trail holds, newest first; of one event name, or all for "".
func events(t testing.TB, a house.Account, name string) []event {
	t.Helper()
	in := &cloudtrail.LookupEventsInput{}
	if name != "" {
		in.LookupAttributes = []trail.LookupAttribute{{AttributeKey: trail.LookupAttributeKeyEventName, AttributeValue: &name}}
	}
	var all []event
	for pages := cloudtrail.NewLookupEventsPaginator(a.CloudTrail(), in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range page.Events {
			e := event{text: aws.ToString(found.CloudTrailEvent)}
			if err := json.Unmarshal([]byte(e.text), &e); err != nil {
				t.Fatalf("a record is not JSON: %v\n%s", err, e.text)
			}
			all = append(all, e)
		}
	}
	return all
}

// latest returns the newest event of the name that fits, and fails the test if there is none.
func latest(t testing.TB, a house.Account, name string, fits func(e *event) bool) *event {
	t.Helper()
	for _, e := range events(t, a, name) {
		if fits == nil || fits(&e) {
			return &e
		}
	}
	t.Fatalf("no such %s is in the trail", name)
	return nil
}

// newKey makes a key with the policy, or the default one for "", and returns its ARN.
func newKey(t testing.TB, a house.Account, policy string) string {
	t.Helper()
	in := &kms.CreateKeyInput{}
	if policy != "" {
		in.Policy = &policy
	}
	out, err := a.KMS().CreateKey(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// newBucket makes a bucket; its default encryption is under the key unless key is "".
func newBucket(t testing.TB, a house.Account, name, key string) {
	t.Helper()
	client := a.S3()
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: s3types.BucketLocationConstraint(house.Region),
	}}); err != nil {
		t.Fatal(err)
	}
	if key == "" {
		return
	}
	if _, err := client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &name, ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
		Rules: []s3types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{
			SSEAlgorithm: s3types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &key,
		}}},
	}}); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, a house.Account, bucket, key string, body []byte) *s3.PutObjectOutput {
	t.Helper()
	out, err := a.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func get(a house.Account, bucket, key string) ([]byte, error) {
	out, err := a.S3().GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

// encrypt encrypts some bytes under the key with the context.
func encrypt(a house.Account, key string, context map[string]string) ([]byte, error) {
	out, err := a.KMS().Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("some bytes"), EncryptionContext: context})
	if err != nil {
		return nil, err
	}
	return out.CiphertextBlob, nil
}

func mustEncrypt(t testing.TB, a house.Account, key string, context map[string]string) []byte {
	t.Helper()
	blob, err := encrypt(a, key, context)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func decrypt(a house.Account, blob []byte, context map[string]string) error {
	_, err := a.KMS().Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: context})
	return err
}

// arnOf returns the caller's ARN.
func arnOf(t testing.TB, a house.Account) string {
	t.Helper()
	out, err := a.STS().GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Arn
}

// userPolicy sets a user's inline policy.
func userPolicy(t testing.TB, a house.Account, user, policy string) {
	t.Helper()
	if _, err := a.IAM().PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &user, PolicyName: aws.String("inline"), PolicyDocument: &policy}); err != nil {
		t.Fatal(err)
	}
}

func keyPolicy(t testing.TB, a house.Account, key, policy string) {
	t.Helper()
	if _, err := a.KMS().PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
}

// document is a policy of the statements, which are JSON objects.
func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// delegate is the statement of a key policy that leaves everything to the account's own policies.
func delegate(account string) string {
	return `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"}`
}

func allow(actions, resource string) string {
	return `{"Effect":"Allow","Action":` + actions + `,"Resource":"` + resource + `"}`
}

// want fails the test unless err is what it should be: nil for "", else an API error of the code.
func want(t testing.TB, what string, err error, code string) {
	t.Helper()
	if code == "" && err != nil {
		t.Errorf("%s: %v", what, err)
	} else if got := house.ErrorCode(err); got != code {
		t.Errorf("%s: got error %q (%v), want %q", what, got, err, code)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// state waits until nothing and returns the key's state; states change at once.
func state(t testing.TB, a house.Account, key string) kmstypes.KeyState {
	t.Helper()
	out, err := a.KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	if err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata.KeyState
}

// parseTime reads the time of a record.
func parseTime(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Errorf("%q is not a time: %v", s, err)
	}
	return at
}

func statusType(s string) iamtypes.StatusType { return iamtypes.StatusType(s) }
