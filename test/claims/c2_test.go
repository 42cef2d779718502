package claims

import (
	"encoding/base32"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/strongroom/strongroom/service/iam/totp"
	"github.com/strongroom/strongroom/test/house"
)

// phone is a device that shows codes.
type phone struct {
	serial string
	seed   []byte
}

// newPhone gives a user a device of his own.
func newPhone(t *testing.T, a house.Account, user string) phone {
	t.Helper()
	made, err := a.IAM().CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &user})
	if err != nil {
		t.Fatal(err)
	}
	seed, err := base32.StdEncoding.DecodeString(string(made.VirtualMFADevice.Base32StringSeed))
	if err != nil {
		t.Fatal(err)
	}
	ph := phone{*made.VirtualMFADevice.SerialNumber, seed}
	// A step that ends before the codes are used makes the first too old.
	if left := totp.Period - time.Duration(time.Now().UnixNano())%totp.Period; left < 5*time.Second {
		time.Sleep(left)
	}
	if _, err := a.IAM().EnableMFADevice(ctx, &iam.EnableMFADeviceInput{
		UserName: &user, SerialNumber: &ph.serial, AuthenticationCode1: ph.code(-1), AuthenticationCode2: ph.code(0),
	}); err != nil {
		t.Fatal(err)
	}
	return ph
}

// code returns the code of now, or so many steps later.
func (ph phone) code(later int64) *string {
	return aws.String(totp.Code(ph.seed, totp.Step(time.Now())+later))
}

// session returns a session of the caller himself.
func session(t *testing.T, h *house.House, a house.Account, in *sts.GetSessionTokenInput) (house.Account, string) {
	t.Helper()
	out, err := a.STS().GetSessionToken(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	c := aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
	return h.As(c), c.AccessKeyID
}

// TestC2_WithoutASecondFactorDenied: where a policy wants a second factor, a key and a session without one are refused by every service, a
// session with one is not, and the trail says of each how it was. A user's device can be enabled by the administrator and is his alone.
func TestC2_WithoutASecondFactorDenied(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	newBucket(t, admin, "second-factor", key)
	put(t, admin, "second-factor", "object", []byte("x"))
	bob := h.As(h.User("bob", document(`{"Effect":"Allow","Action":["kms:*","s3:*","aps:*","proton:*"],"Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}`)))
	ph := newPhone(t, admin, "bob")
	calls := map[string]func(a house.Account) error{
		"Encrypt": func(a house.Account) error { _, err := encrypt(a, key, nil); return err },
		"GetObject": func(a house.Account) error {
			out, err := a.S3().GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("second-factor"), Key: aws.String("object")})
			if err != nil {
				return err
			}
			return out.Body.Close()
		},
		"ListWorkspaces": func(a house.Account) error {
			_, err := a.AMP().ListWorkspaces(ctx, &amp.ListWorkspacesInput{})
			return err
		},
		"ListServices": func(a house.Account) error {
			_, err := a.Proton().ListServices(ctx, &proton.ListServicesInput{})
			return err
		},
	}
	plain, plainKey := session(t, h, bob, &sts.GetSessionTokenInput{})
	if _, err := admin.STS().GetSessionToken(ctx, &sts.GetSessionTokenInput{SerialNumber: &ph.serial, TokenCode: ph.code(1)}); !denied(err) {
		t.Errorf("another's device: got %v, want AccessDenied", err)
	}
	strong, strongKey := session(t, h, bob, &sts.GetSessionTokenInput{SerialNumber: &ph.serial, TokenCode: ph.code(1)})
	for name, call := range calls {
		if err := call(bob); !denied(err) {
			t.Errorf("%s with an access key: got %v, want AccessDenied", name, err)
		}
		if err := call(plain); !denied(err) {
			t.Errorf("%s in a session without a second factor: got %v, want AccessDenied", name, err)
		}
		want(t, name+" in a session with one", call(strong), "")
		for access, mfa := range map[string]string{plainKey: "false", strongKey: "true"} {
			e := latest(t, admin, name, func(e *event) bool { return e.UserIdentity.AccessKeyID == access })
			if s := e.UserIdentity.SessionContext; s == nil || s.Attributes.MFAAuthenticated != mfa {
				t.Errorf("%s: mfaAuthenticated is not %q\n%s", name, mfa, e.text)
			}
			if (e.ErrorCode == "AccessDenied") != (mfa == "false") {
				t.Errorf("%s: the error is %q\n%s", name, e.ErrorCode, e.text)
			}
		}
	}
}
