package claims

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

// needless are the operations that need no permission, because they tell a caller only about
// itself: the IAM user guide names them.
var needless = map[string]bool{"sts.GetCallerIdentity": true, "sts.GetSessionToken": true}

func TestC1_NewUserMayDoNothing(t *testing.T) {
	h := house.Start(t)
	s := newSweep(t, h)
	nobody := h.As(h.User("nobody", ""))
	s.run(t, nobody, func(service, operation string, err error) {
		if needless[service+"."+operation] {
			want(t, service+" "+operation, err, "")
		} else if !denied(err) {
			t.Errorf("%s %s by a user without a policy: got %v, want AccessDenied", service, operation, err)
		}
	})
	// Nothing was done in spite of the refusals.
	admin := h.AsAdmin()
	if got, err := get(admin, "sweep-bucket", "object"); err != nil || string(got) != "an object" {
		t.Errorf("the object is now %q, %v", got, err)
	}
	if _, err := admin.IAM().GetUser(ctx, &iam.GetUserInput{UserName: aws.String("another")}); house.ErrorCode(err) != "NoSuchEntity" {
		t.Errorf("a user was made: %v", err)
	}
}

func TestC1_OnlyTheActionsOfAJobSucceed(t *testing.T) {
	h := house.Start(t)
	s := newSweep(t, h)
	clerk := h.As(h.User("clerk", document(
		allow(`["s3:GetObject","s3:ListBucket"]`, `*`), allow(`["kms:Encrypt","kms:DescribeKey"]`, `*`),
		allow(`["iam:ListUsers","iam:GetPolicy"]`, `*`), allow(`"cloudtrail:LookupEvents"`, `*`), allow(`["proton:GetEnvironmentTemplate","proton:ListServices"]`, `*`),
	)))
	job := map[string]bool{
		"s3.GetObject": true, "s3.HeadObject": true, "s3.HeadBucket": true, "s3.ListObjects": true, "s3.ListObjectsV2": true, // HeadObject is s3:GetObject, HeadBucket s3:ListBucket
		"kms.Encrypt": true, "kms.DescribeKey": true, "iam.ListUsers": true, "iam.GetPolicy": true, "cloudtrail.LookupEvents": true,
		"proton.GetEnvironmentTemplate": true, "proton.ListServices": true,
	}
	s.run(t, clerk, func(service, operation string, err error) {
		switch name := service + "." + operation; {
		case job[name] || needless[name]:
			want(t, name, err, "")
		case !denied(err):
			t.Errorf("%s, which is not in the job: got %v, want AccessDenied", name, err)
		}
	})
}

func TestC1_PermissionsChangeWithTheNextCall(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	credentials := h.User("temp", "")
	temp := h.As(credentials)
	use := func() error { _, err := encrypt(temp, key, nil); return err }

	want(t, "before", use(), "AccessDeniedException")
	userPolicy(t, admin, "temp", document(allow(`"kms:Encrypt"`, key)))
	want(t, "with a policy", use(), "")
	userPolicy(t, admin, "temp", document(allow(`"kms:Encrypt"`, key), `{"Effect":"Deny","Action":"kms:*","Resource":"*"}`))
	want(t, "with a Deny", use(), "AccessDeniedException")
	userPolicy(t, admin, "temp", document(allow(`"kms:Encrypt"`, newKey(t, admin, ""))))
	want(t, "with a policy for another key", use(), "AccessDeniedException")
	userPolicy(t, admin, "temp", document(allow(`"kms:Encrypt"`, key)))
	want(t, "with the policy again", use(), "")

	set := func(status string) {
		t.Helper()
		if _, err := admin.IAM().UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: aws.String("temp"), AccessKeyId: &credentials.AccessKeyID, Status: statusType(status)}); err != nil {
			t.Fatal(err)
		}
	}
	set("Inactive")
	if err := use(); err == nil {
		t.Error("an inactive access key works")
	}
	set("Active")
	want(t, "with the access key active again", use(), "")
	if _, err := admin.IAM().DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("temp"), AccessKeyId: &credentials.AccessKeyID}); err != nil {
		t.Fatal(err)
	}
	want(t, "with a deleted access key", use(), "UnrecognizedClientException")
}

// TestC1_WrongCredentialsAreNobody says what becomes of keys that are not a user's.
func TestC1_WrongCredentialsAreNobody(t *testing.T) {
	h := house.Start(t)
	for name, c := range map[string]aws.Credentials{
		"a wrong secret":        {AccessKeyID: h.Admin.AccessKeyID, SecretAccessKey: h.Admin.SecretAccessKey[1:] + "x"},
		"an unknown access key": {AccessKeyID: "AKIAAAAAAAAAAAAAAAAA", SecretAccessKey: h.Admin.SecretAccessKey},
		"a made-up token":       {AccessKeyID: h.Admin.AccessKeyID, SecretAccessKey: h.Admin.SecretAccessKey, SessionToken: "token"},
	} {
		if _, err := h.As(c).KMS().ListKeys(ctx, &kms.ListKeysInput{}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := h.AsAdmin().KMS().ListKeys(ctx, &kms.ListKeysInput{}); err != nil {
		t.Errorf("the right ones: %v", err)
	}
}

// TestC1_AccountsAreApart says that what an account keeps is nobody else's, whatever rights
// somebody has in another account.
func TestC1_AccountsAreApart(t *testing.T) {
	h := house.Start(t)
	_, other := h.NewAccount("other")
	mine, theirs := h.AsAdmin(), h.As(other)
	key := newKey(t, mine, "")
	blob := mustEncrypt(t, mine, key, nil)
	newBucket(t, mine, "mine-alone", "")
	put(t, mine, "mine-alone", "object", []byte("mine"))

	_, err := encrypt(theirs, key, nil)
	want(t, "Encrypt by another account's administrator", err, "AccessDeniedException")
	want(t, "Decrypt by another account's administrator", decrypt(theirs, blob, nil), "AccessDeniedException")
	_, err = get(theirs, "mine-alone", "object")
	want(t, "GetObject by another account's administrator", err, "AccessDenied")
	if found := events(t, theirs, "CreateBucket"); len(found) != 0 {
		t.Errorf("another account's trail shows %s", found[0].text)
	}
	want(t, "Decrypt by the owner", decrypt(mine, blob, nil), "")
}
