package claims

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"

	"github.com/strongroom/strongroom/test/house"
)

// complete fails the test unless the event has all that C4 names.
func complete(t *testing.T, e *event, h *house.House, access string) {
	t.Helper()
	id := e.UserIdentity
	for what, value := range map[string]string{
		"eventVersion": e.EventVersion, "eventSource": e.EventSource, "awsRegion": e.AWSRegion, "requestID": e.RequestID, "eventID": e.EventID,
		"userIdentity.type": id.Type, "userIdentity.principalId": id.PrincipalID, "userIdentity.arn": id.ARN, "eventType": e.EventType, "eventCategory": e.EventCategory,
	} {
		if value == "" {
			t.Errorf("%s: %s is missing\n%s", e.EventName, what, e.text)
		}
	}
	if id.AccountID != h.Account || id.AccessKeyID != access || e.RecipientAccountID != h.Account {
		t.Errorf("%s: the wrong caller\n%s", e.EventName, e.text)
	}
	if e.SourceIPAddress != "127.0.0.1" || !strings.Contains(e.UserAgent, "aws-sdk-go-v2") {
		t.Errorf("%s: the wrong client\n%s", e.EventName, e.text)
	}
	if at := parseTime(t, e.EventTime); time.Since(at).Abs() > 5*time.Minute {
		t.Errorf("%s: the wrong time %s", e.EventName, at)
	}
	if e.ReadOnly == nil || !strings.Contains(e.text, `"requestParameters":`) || !strings.Contains(e.text, `"responseElements":`) {
		t.Errorf("%s: readOnly, requestParameters or responseElements is missing\n%s", e.EventName, e.text)
	}
}

// logged is a call and what its event says beyond what every event says.
type logged struct {
	event, source, code string
	readOnly            bool
	parameters          map[string]any
	call                func(a house.Account) (middleware.Metadata, error)
}

func loggedCalls(key, bucket string) []logged {
	const object = "a/object.txt"
	return []logged{
		{"Encrypt", "kms.amazonaws.com", "AccessDenied", true, map[string]any{"keyId": key, "encryptionContext": map[string]any{"department": "10103.0"}},
			func(a house.Account) (m middleware.Metadata, err error) {
				out, err := a.KMS().Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionContext: map[string]string{"department": "10103.0"}})
				if err == nil {
					m = out.ResultMetadata
				}
				return m, err
			}},
		{"DescribeKey", "kms.amazonaws.com", "AccessDenied", true, map[string]any{"keyId": key},
			func(a house.Account) (m middleware.Metadata, err error) {
				out, err := a.KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
				if err == nil {
					m = out.ResultMetadata
				}
				return m, err
			}},
		{"UpdateKeyDescription", "kms.amazonaws.com", "AccessDenied", false, map[string]any{"keyId": key},
			func(a house.Account) (m middleware.Metadata, err error) {
				out, err := a.KMS().UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &key, Description: aws.String("x")})
				if err == nil {
					m = out.ResultMetadata
				}
				return m, err
			}},
		{"PutObject", "s3.amazonaws.com", "AccessDenied", false, map[string]any{"bucketName": bucket, "key": object},
			func(a house.Account) (m middleware.Metadata, err error) {
				out, err := a.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String(object), Body: bytes.NewReader([]byte("x"))})
				if err == nil {
					m = out.ResultMetadata
				}
				return m, err
			}},
		{"GetObject", "s3.amazonaws.com", "AccessDenied", true, map[string]any{"bucketName": bucket, "key": object},
			func(a house.Account) (m middleware.Metadata, err error) {
				out, err := a.S3().GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(object)})
				if err == nil {
					m, err = out.ResultMetadata, out.Body.Close()
				}
				return m, err
			}},
		{"ListBuckets", "s3.amazonaws.com", "AccessDenied", true, nil,
			func(a house.Account) (m middleware.Metadata, err error) {
				out, err := a.S3().ListBuckets(ctx, &s3.ListBucketsInput{})
				if err == nil {
					m = out.ResultMetadata
				}
				return m, err
			}},
		{"CreateGroup", "iam.amazonaws.com", "AccessDenied", false, map[string]any{"groupName": "people"},
			func(a house.Account) (m middleware.Metadata, err error) {
				out, err := a.IAM().CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("people")})
				if err == nil {
					m = out.ResultMetadata
				}
				return m, err
			}},
		{"GetCallerIdentity", "sts.amazonaws.com", "", true, nil,
			func(a house.Account) (m middleware.Metadata, err error) {
				out, err := a.STS().GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
				if err == nil {
					m = out.ResultMetadata
				}
				return m, err
			}},
	}
}

func TestC4_AllowedAndDeniedCallsLeaveAnEvent(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	newBucket(t, admin, "logged-bucket", "")
	nobody := h.User("nobody", "")
	ids := map[string]bool{}
	for _, test := range loggedCalls(key, "logged-bucket") {
		for _, caller := range []struct {
			credentials aws.Credentials
			code        string
		}{{h.Admin, ""}, {nobody, test.code}} {
			metadata, err := test.call(h.As(caller.credentials))
			if (err != nil) != (caller.code != "") {
				t.Errorf("%s: %v, want %q", test.event, err, caller.code)
			}
			e := latest(t, admin, test.event, func(e *event) bool { return e.UserIdentity.AccessKeyID == caller.credentials.AccessKeyID })
			complete(t, e, h, caller.credentials.AccessKeyID)
			if ids[e.EventID] {
				t.Errorf("%s: its eventID is not its own", test.event)
			}
			ids[e.EventID] = true
			if id, ok := awsmiddleware.GetRequestIDMetadata(metadata); ok && id != e.RequestID {
				t.Errorf("%s: the client was told request id %s, the record says %s", test.event, id, e.RequestID)
			}
			if e.EventSource != test.source || e.ErrorCode != caller.code || *e.ReadOnly != test.readOnly {
				t.Errorf("%s: want source %s, error %q, readOnly %v\n%s", test.event, test.source, caller.code, test.readOnly, e.text)
			}
			if caller.code != "" && (e.ErrorMessage == "" || e.ResponseElements != nil) {
				t.Errorf("%s: a refusal without its reason, or with an answer\n%s", test.event, e.text)
			}
			subset(t, test.event, e.RequestParameters, test.parameters)
		}
	}
}

// subset fails the test unless got has all pairs of want.
func subset(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	for k, v := range want {
		if inner, ok := v.(map[string]any); ok {
			deeper, _ := got[k].(map[string]any)
			subset(t, what+"."+k, deeper, inner)
		} else if got[k] != v {
			t.Errorf("%s: requestParameters.%s is %v, want %v", what, k, got[k], v)
		}
	}
}

func TestC4_AnEventShowsWhatAChangeDid(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	e := latest(t, admin, "CreateKey", nil)
	metadata, _ := e.ResponseElements["keyMetadata"].(map[string]any)
	if metadata["arn"] != key {
		t.Errorf("responseElements of CreateKey do not name the key\n%s", e.text)
	}
	mustEncrypt(t, admin, key, nil)
	e = latest(t, admin, "Encrypt", nil)
	if e.ResponseElements != nil {
		t.Errorf("responseElements of Encrypt are not null\n%s", e.text)
	}
	if len(e.Resources) != 1 || e.Resources[0].ARN != key || e.Resources[0].Type != "AWS::KMS::Key" || e.Resources[0].AccountID != h.Account {
		t.Errorf("resources of Encrypt do not name the key\n%s", e.text)
	}
}

// TestC4_CallsForAServiceNameIt: what a service does with a key for a caller is an event of
// the caller's, and says which service it was.
func TestC4_CallsForAServiceNameIt(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBucket(t, admin, "sealed-bucket", newKey(t, admin, ""))
	put(t, admin, "sealed-bucket", "object", []byte("x"))
	if _, err := get(admin, "sealed-bucket", "object"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"GenerateDataKey", "Decrypt"} {
		e := latest(t, admin, name, nil)
		context, _ := e.RequestParameters["encryptionContext"].(map[string]any)
		if e.UserIdentity.InvokedBy != "s3.amazonaws.com" || e.SourceIPAddress != "s3.amazonaws.com" || e.UserIdentity.AccessKeyID != h.Admin.AccessKeyID ||
			context["aws:s3:arn"] != "arn:aws:s3:::sealed-bucket/object" {
			t.Errorf("%s by S3 for its caller is recorded as\n%s", name, e.text)
		}
	}
}

// TestC4_TheTrailIsForThoseWhoMay: reading it needs permission, and is itself in it.
func TestC4_TheTrailIsForThoseWhoMay(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	nobody := h.User("nobody", "")
	_, err := h.As(nobody).CloudTrail().LookupEvents(ctx, nil)
	want(t, "LookupEvents without permission", err, "AccessDeniedException")
	if found := events(t, admin, ""); len(found) == 0 {
		t.Error("the administrator's trail is empty")
	}
	for access, code := range map[string]string{nobody.AccessKeyID: "AccessDenied", h.Admin.AccessKeyID: ""} {
		e := latest(t, admin, "LookupEvents", func(e *event) bool { return e.UserIdentity.AccessKeyID == access })
		if e.ErrorCode != code {
			t.Errorf("want error %q\n%s", code, e.text)
		}
	}
}
