package claims

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/test/house"
)

func TestK5_ReservedAliases(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	alias := func(name string) error {
		_, err := admin.KMS().CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &key})
		return err
	}
	want(t, "CreateAlias of an alias of one's own", alias("alias/mine"), "")
	for _, name := range []string{"alias/aws/s3", "alias/aws/mine", "alias/aws/"} {
		if err := alias(name); err == nil {
			t.Errorf("the reserved alias %s was made", name)
		}
	}
	_, err := admin.KMS().UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: aws.String("alias/aws/s3"), TargetKeyId: &key})
	if err == nil {
		t.Error("the reserved alias alias/aws/s3 was changed")
	}
	out, err := admin.KMS().ListAliases(ctx, &kms.ListAliasesInput{KeyId: &key})
	if err != nil || len(out.Aliases) != 1 || *out.Aliases[0].AliasName != "alias/mine" {
		t.Errorf("the key's aliases are %v, %v; want alias/mine", out, err)
	}
}

// TestK5_ManagedKey is about the key that S3 uses in an account when it is asked for KMS and no key is named.
func TestK5_ManagedKey(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	client := admin.KMS()
	newBucket(t, admin, "managed-bucket", "")
	out, err := admin.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("managed-bucket"), Key: aws.String("object"), Body: strings.NewReader("x"), ServerSideEncryption: s3types.ServerSideEncryptionAwsKms})
	if err != nil {
		t.Fatal(err)
	}
	described, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/aws/s3")})
	if err != nil {
		t.Fatal(err)
	}
	key := *described.KeyMetadata.Arn
	if described.KeyMetadata.KeyManager != kmstypes.KeyManagerTypeAws || *out.SSEKMSKeyId != key {
		t.Errorf("the object is under %s; alias/aws/s3 is %s, managed by %s", *out.SSEKMSKeyId, key, described.KeyMetadata.KeyManager)
	}
	if got, err := get(admin, "managed-bucket", "object"); err != nil || string(got) != "x" {
		t.Errorf("GetObject: %q, %v", got, err)
	}
	if e := latest(t, admin, "Decrypt", nil); e.UserIdentity.InvokedBy != "s3.amazonaws.com" || e.Resources[0].ARN != key {
		t.Errorf("the use of the key is not in its account's trail\n%s", e.text)
	}

	// It may be looked at and not be touched.
	if _, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &key}); err != nil {
		t.Errorf("GetKeyPolicy: %v", err)
	}
	rotation, err := client.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &key})
	if err != nil || !rotation.KeyRotationEnabled || *rotation.RotationPeriodInDays != 365 {
		t.Errorf("its rotation is %+v, %v; want every 365 days", rotation, err)
	}
	policy := document(delegate(h.Account))
	for name, err := range map[string]error{
		"PutKeyPolicy":         second(client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: &policy})),
		"DisableKey":           second(client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key})),
		"ScheduleKeyDeletion":  second(client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key})),
		"DisableKeyRotation":   second(client.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &key})),
		"UpdateKeyDescription": second(client.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &key, Description: aws.String("mine")})),
		"TagResource":          second(client.TagResource(ctx, &kms.TagResourceInput{KeyId: &key, Tags: []kmstypes.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})),
		"CreateGrant":          second(client.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: aws.String(arnOf(t, admin)), Operations: []kmstypes.GrantOperation{opEncrypt}})),
		"Encrypt":              second(encrypt(admin, key, nil)),
		"DeleteAlias":          second(client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: aws.String("alias/aws/s3")})),
	} {
		if err == nil {
			t.Errorf("%s of the managed key, by an administrator, succeeded", name)
		}
	}
	if got, err := get(admin, "managed-bucket", "object"); err != nil || string(got) != "x" {
		t.Errorf("GetObject after all: %q, %v", got, err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestK5_ManagedKeysAreOfOneAccount: the managed key of an account serves that account alone.
func TestK5_ManagedKeysAreOfOneAccount(t *testing.T) {
	h := house.Start(t)
	_, credentials := h.NewAccount("other")
	var arns []string
	for i, a := range []house.Account{h.AsAdmin(), h.As(credentials)} {
		out, err := a.KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/aws/s3")})
		if err != nil {
			t.Fatalf("account %d: %v", i, err)
		}
		arns = append(arns, *out.KeyMetadata.Arn)
	}
	if arns[0] == arns[1] {
		t.Errorf("two accounts have the managed key %s", arns[0])
	}
	_, err := h.As(credentials).KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arns[0]})
	want(t, "DescribeKey of another account's managed key", err, "AccessDeniedException")
}
