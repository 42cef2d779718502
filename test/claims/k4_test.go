package claims

import (
	"bytes"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strongroom/strongroom/test/house"
)

// uses are all the ways to use a key, directly and through a bucket.
func uses(a house.Account, key, bucket string, blob []byte) map[string]func() error {
	client := a.KMS()
	return map[string]func() error{
		"Encrypt": func() error { _, err := encrypt(a, key, nil); return err },
		"Decrypt": func() error { return decrypt(a, blob, nil) },
		"ReEncrypt": func() error {
			_, err := client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: &key})
			return err
		},
		"GenerateDataKey": func() error {
			_, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: kmstypes.DataKeySpecAes256})
			return err
		},
		"GenerateDataKeyWithoutPlaintext": func() error {
			_, err := client.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &key, KeySpec: kmstypes.DataKeySpecAes256})
			return err
		},
		"GetObject": func() error { _, err := get(a, bucket, "object"); return err },
		"PutObject": func() error {
			_, err := a.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("another"), Body: bytes.NewReader(nil)})
			return err
		},
	}
}

func wantAll(t *testing.T, when string, uses map[string]func() error, code, s3Code string) {
	t.Helper()
	for name, use := range uses {
		wanted := code
		if name == "GetObject" || name == "PutObject" {
			wanted = s3Code
		}
		want(t, when+": "+name, use(), wanted)
	}
}

func TestK4_States(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	client := admin.KMS()
	key := newKey(t, admin, "")
	newBucket(t, admin, "state-bucket", key)
	put(t, admin, "state-bucket", "object", []byte("x"))
	all := uses(admin, key, "state-bucket", mustEncrypt(t, admin, key, nil))
	inState := func(when string, wanted kmstypes.KeyState) {
		t.Helper()
		if got := state(t, admin, key); got != wanted {
			t.Errorf("%s the key is %s, want %s", when, got, wanted)
		}
	}
	do := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	inState("at first", kmstypes.KeyStateEnabled)
	wantAll(t, "enabled", all, "", "")

	do(client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}))
	inState("after DisableKey", kmstypes.KeyStateDisabled)
	wantAll(t, "disabled", all, "DisabledException", "KMS.DisabledException")

	do(client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}))
	inState("after EnableKey", kmstypes.KeyStateEnabled)
	wantAll(t, "enabled again", all, "", "")

	for _, days := range []int32{6, 31} {
		_, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: &days})
		want(t, "ScheduleKeyDeletion outside of 7 to 30 days", err, "ValidationException")
	}
	wantAll(t, "after refused deletions", all, "", "")

	out, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)})
	do(nil, err)
	if left := time.Until(*out.DeletionDate); left < 6*24*time.Hour || left > 8*24*time.Hour {
		t.Errorf("the key is to be deleted in %s, want 7 days", left)
	}
	inState("after ScheduleKeyDeletion", kmstypes.KeyStatePendingDeletion)
	wantAll(t, "pending deletion", all, "KMSInvalidStateException", "KMS.KMSInvalidStateException")
	_, err = client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key})
	want(t, "EnableKey of a key that is pending deletion", err, "KMSInvalidStateException")

	do(client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &key}))
	inState("after CancelKeyDeletion", kmstypes.KeyStateDisabled)
	wantAll(t, "cancelled", all, "DisabledException", "KMS.DisabledException")

	do(client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}))
	wantAll(t, "enabled at last", all, "", "")

	do(client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key}))
	h.Stop()
	h.Restart()
	all = uses(h.AsAdmin(), key, "state-bucket", mustEncrypt(t, h.AsAdmin(), newKey(t, h.AsAdmin(), ""), nil))
	want(t, "after a restart: GetObject", all["GetObject"](), "KMS.KMSInvalidStateException")
}

func TestK4_OnlyTheSameContextOpens(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	const wrong = "InvalidCiphertextException"
	for _, test := range []struct {
		name           string
		sealed, opened map[string]string
		code           string
	}{
		{"the same", map[string]string{"a": "1", "b": "2"}, map[string]string{"b": "2", "a": "1"}, ""},
		{"none and none", nil, map[string]string{}, ""},
		{"none given", map[string]string{"a": "1"}, nil, wrong},
		{"one too many", nil, map[string]string{"a": "1"}, wrong},
		{"a pair less", map[string]string{"a": "1", "b": "2"}, map[string]string{"a": "1"}, wrong},
		{"another value", map[string]string{"a": "1"}, map[string]string{"a": "2"}, wrong},
		{"a value in other letter case", map[string]string{"a": "x"}, map[string]string{"a": "X"}, wrong},
		{"a name in other letter case", map[string]string{"a": "x"}, map[string]string{"A": "x"}, wrong},
		{"letters moved from value to name", map[string]string{"a": "bc"}, map[string]string{"ab": "c"}, wrong},
		{"letters moved between pairs", map[string]string{"a": "1", "b": "23"}, map[string]string{"a": "12", "b": "3"}, wrong},
		{"pairs that swapped values", map[string]string{"a": "1", "b": "2"}, map[string]string{"a": "2", "b": "1"}, wrong},
		{"a space more", map[string]string{"a": "x"}, map[string]string{"a": "x "}, wrong},
		{"letters that look the same", map[string]string{"a": "é"}, map[string]string{"a": "e\u0301"}, wrong},
	} {
		want(t, test.name, decrypt(admin, mustEncrypt(t, admin, key, test.sealed), test.opened), test.code)
	}
}

func TestK4_ChangedCiphertextsDoNotOpen(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key, another := newKey(t, admin, ""), newKey(t, admin, "")
	blob := mustEncrypt(t, admin, key, nil)
	for i := range blob {
		changed := bytes.Clone(blob)
		changed[i] ^= 1
		if err := decrypt(admin, changed, nil); house.ErrorCode(err) != "InvalidCiphertextException" && house.ErrorCode(err) != refused {
			t.Errorf("with byte %d changed: %v, want a refusal", i, err)
		}
	}
	for _, short := range [][]byte{blob[:len(blob)-1], blob[:20], append(bytes.Clone(blob), 0)} {
		want(t, "cut or lengthened", decrypt(admin, short, nil), "InvalidCiphertextException")
	}
	_, err := admin.KMS().Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: &another})
	want(t, "Decrypt that names another key", err, "IncorrectKeyException")
	_, err = admin.KMS().Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: &key})
	want(t, "Decrypt that names the key", err, "")
}
