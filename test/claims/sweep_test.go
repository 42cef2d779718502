package claims

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/strongroom/strongroom/test/house"
)

// sweep calls every operation that the house implements, with inputs that name things
// which are there, so that a refusal is a refusal and not a missing resource.
type sweep struct {
	h      *house.House
	values map[string]any // by "service.Operation.Field", "service.Field" or "Field"
}

// newSweep makes things to act on.
func newSweep(t *testing.T, h *house.House) *sweep {
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	newBucket(t, admin, "sweep-bucket", "")
	put(t, admin, "sweep-bucket", "object", []byte("an object"))
	upload, err := admin.S3().CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("sweep-bucket"), Key: aws.String("parts")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.KMS().CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/sweep"), TargetKeyId: &key}); err != nil {
		t.Fatal(err)
	}
	grant, err := admin.KMS().CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: &key, GranteePrincipal: aws.String("arn:aws:iam::" + h.Account + ":root"), Operations: []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt},
	})
	if err != nil {
		t.Fatal(err)
	}
	made := makeIdentities(t, admin)
	encryption := &s3types.ServerSideEncryptionConfiguration{Rules: []s3types.ServerSideEncryptionRule{{
		ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAes256},
	}}}
	anyone := document(`{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::sweep-bucket/*"}`)
	trust := document(`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}`)
	everything := document(allow(`"*"`, "*"))
	one := int32(1)
	s := &sweep{h, map[string]any{
		"kms.KeyId": key, "TargetKeyId": key, "DestinationKeyId": key, "kms.Plaintext": []byte("plaintext"), "CiphertextBlob": mustEncrypt(t, admin, key, nil),
		"kms.CreateAlias.AliasName": "alias/another", "kms.AliasName": "alias/sweep", "kms.Policy": document(delegate(h.Account)),
		"GranteePrincipal": "arn:aws:iam::" + h.Account + ":root", "RetiringPrincipal": "arn:aws:iam::" + h.Account + ":root",
		"kms.Operations": []kmstypes.GrantOperation{kmstypes.GrantOperationEncrypt}, "GrantId": *grant.GrantId,
		"kms.CreateKey.Policy": nil, "kms.CreateKey.KeySpec": nil, "kms.CreateKey.KeyUsage": nil, "kms.CreateGrant.RetiringPrincipal": nil,
		"kms.Description": "described", "NumberOfBytes": int32(16), "kms.KeySpec": kmstypes.DataKeySpecAes256, "kms.ListAliases.KeyId": nil,
		"kms.Tags": []kmstypes.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}, "kms.TagKeys": []string{"a"}, "kms.CreateKey.Tags": nil,
		"kms.Message": []byte("message"), "kms.Signature": []byte("signature"), "SigningAlgorithm": "ECDSA_SHA_256", "Mac": []byte("mac"), "MacAlgorithm": "HMAC_SHA_256",
		"KeyAgreementAlgorithm": "ECDH", "kms.PublicKey": []byte("public key"), "KeyPairSpec": "ECC_NIST_P256",
		"EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": []byte("ciphertext"),
		"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048", "ImportToken": []byte("token"), "EncryptedKeyMaterial": []byte("material"),
		"ReplicaRegion": house.Region, "PrimaryRegion": house.Region, "kms.ReplicateKey.Tags": nil, "kms.ReplicateKey.Policy": nil,
		"CustomKeyStoreId": "cks-1234567890abcdef0", "CustomKeyStoreName": "a-store", "kms.CreateKey.CustomKeyStoreId": nil, "kms.GenerateRandom.CustomKeyStoreId": nil,

		"Bucket": "sweep-bucket", "s3.CreateBucket.Bucket": "another-bucket", "s3.Key": "object", "UploadId": *upload.UploadId, "PartNumber": one,
		"s3.UploadPart.Key": "parts", "s3.UploadPartCopy.Key": "parts", "s3.ListParts.Key": "parts", "s3.AbortMultipartUpload.Key": "parts", "s3.CompleteMultipartUpload.Key": "parts",
		"CopySource": "sweep-bucket/object", "ServerSideEncryptionConfiguration": encryption, "s3.Policy": anyone,
		"s3.GetObject.PartNumber": nil, "s3.HeadObject.PartNumber": nil,
		"s3.Delete": &s3types.Delete{Objects: []s3types.ObjectIdentifier{{Key: aws.String("object")}}}, "s3.Id": "an-id",
		"s3.Tagging": &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}, "s3.PutObject.Tagging": nil, "s3.CopyObject.Tagging": nil, "s3.CreateMultipartUpload.Tagging": nil,
		"PublicAccessBlockConfiguration": &s3types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true)},
		"OwnershipControls":              &s3types.OwnershipControls{Rules: []s3types.OwnershipControlsRule{{ObjectOwnership: s3types.ObjectOwnershipBucketOwnerEnforced}}},
		"s3.ObjectAttributes":            []s3types.ObjectAttributes{s3types.ObjectAttributesEtag},
		"s3.MultipartUpload":             &s3types.CompletedMultipartUpload{Parts: []s3types.CompletedPart{{ETag: aws.String("x"), PartNumber: &one}}},
		"VersioningConfiguration":        &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusSuspended},
		"s3.PutBucketAcl.ACL":            s3types.BucketCannedACLPrivate, "s3.PutObjectAcl.ACL": s3types.ObjectCannedACLPrivate,

		"UserName": "target", "iam.CreateUser.UserName": "another", "RoleName": "target", "iam.CreateRole.RoleName": "another",
		"GroupName": "target", "iam.CreateGroup.GroupName": "another", "iam.PolicyName": "inline", "iam.CreatePolicy.PolicyName": "another",
		"PolicyDocument": everything, "AssumeRolePolicyDocument": trust, "iam.UpdateAssumeRolePolicy.PolicyDocument": trust,
		"PolicyArn": made.policy, "iam.VersionId": "v1", "AccessKeyId": made.key, "iam.UpdateAccessKey.Status": "Inactive", "PermissionsBoundary": made.policy,
		"iam.CreateUser.PermissionsBoundary": nil, "iam.CreateRole.PermissionsBoundary": nil, "AccountAlias": "an-alias", "iam.Description": "described",
		"ActionNames": []string{"s3:GetObject"}, "PolicySourceArn": "arn:aws:iam::" + h.Account + ":user/target", "PolicyInputList": []string{everything},
		"VirtualMFADeviceName": "a-device", "SerialNumber": "arn:aws:iam::" + h.Account + ":mfa/target", "AuthenticationCode1": "123456", "AuthenticationCode2": "654321",
		"iam.Tags": []iamtypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}}, "iam.TagKeys": []string{"a"},
		"iam.CreateUser.Tags": nil, "iam.CreateRole.Tags": nil, "iam.CreatePolicy.Tags": nil, "iam.CreateVirtualMFADevice.Tags": nil, "RoleArn": "arn:aws:iam::" + h.Account + ":role/target", "RoleSessionName": "a-session", "InstanceProfileName": "target",
		"iam.GetMFADevice.UserName": nil, "sts.AssumeRole.SerialNumber": nil, "sts.GetSessionToken.SerialNumber": nil,
	}}
	maps.Copy(s.values, protonValues(t, h))
	maps.Copy(s.values, ampValues(t, h))
	maps.Copy(s.values, logsValues(t, h))
	return s
}

// identities are what makeIdentities has made, beside a user, a role and a group called target.
type identities struct{ policy, key string }

func makeIdentities(t *testing.T, admin house.Account) identities {
	client, name := admin.IAM(), aws.String("target")
	trust := document(`{"Effect":"Allow","Principal":{"AWS":"` + strings.Split(arnOf(t, admin), ":user/")[0] + `:root"},"Action":"sts:AssumeRole"}`)
	nothing := document(allow(`"s3:GetObject"`, "arn:aws:s3:::nothing/*"))
	_, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: name})
	_, err2 := client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: &trust})
	_, err3 := client.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: name})
	policy, err4 := client.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: name, PolicyDocument: &nothing})
	key, err5 := client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	for _, holder := range []func() error{
		func() error {
			_, err := client.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: aws.String("inline"), PolicyDocument: &nothing})
			return err
		},
		func() error {
			_, err := client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("inline"), PolicyDocument: &nothing})
			return err
		},
		func() error {
			_, err := client.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: name, PolicyName: aws.String("inline"), PolicyDocument: &nothing})
			return err
		},
	} {
		if err := holder(); err != nil {
			t.Fatal(err)
		}
	}
	return identities{*policy.Policy.Arn, *key.AccessKey.AccessKeyId}
}

// run calls every operation as the caller, and gives each outcome to judge.
func (s *sweep) run(t *testing.T, caller house.Account, judge func(service, operation string, err error)) {
	t.Helper()
	n := 0
	for service, client := range map[string]any{
		"kms": caller.KMS(), "s3": caller.S3(), "iam": caller.IAM(), "sts": caller.STS(), "cloudtrail": caller.CloudTrail(), "proton": caller.Proton(),
		"aps": caller.AMP(), "logs": caller.Logs(),
	} {
		text, err := s.h.Run("operations", service)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for _, operation := range strings.Fields(text) {
			if body, ok := ownOperations[operation]; ok {
				judge(service, operation, s.own(t, caller, operation, body))
			} else {
				judge(service, operation, s.call(reflect.ValueOf(client).MethodByName(operation), service, operation))
			}
			n++
		}
	}
	if n < 250 {
		t.Errorf("only %d operations were called", n)
	}
}

// call calls one operation of a client.
func (s *sweep) call(method reflect.Value, service, operation string) error {
	if !method.IsValid() {
		return fmt.Errorf("the SDK has no %s", operation)
	}
	in := reflect.New(method.Type().In(1).Elem())
	for i := range in.Elem().NumField() {
		field := in.Elem().Type().Field(i)
		for _, name := range []string{service + "." + operation + "." + field.Name, service + "." + field.Name, field.Name} {
			if value, ok := s.values[name]; ok {
				set(in.Elem().Field(i), value)
				break
			}
		}
	}
	out := method.Call([]reflect.Value{reflect.ValueOf(ctx), in})
	if err, ok := out[1].Interface().(error); ok {
		return err
	}
	switch got := out[0].Interface().(type) {
	case *s3.GetObjectOutput:
		return got.Body.Close()
	case *s3.DeleteObjectsOutput: // tells of each object on its own
		if len(got.Errors) > 0 {
			return &smithy.GenericAPIError{Code: *got.Errors[0].Code}
		}
	}
	return nil
}

// set gives a field of an input a value that fits it; one that does not is left out.
func set(field reflect.Value, value any) {
	v := reflect.ValueOf(value)
	switch {
	case value == nil:
	case v.Type().AssignableTo(field.Type()):
		field.Set(v)
	case field.Kind() == reflect.Pointer && v.Type().AssignableTo(field.Type().Elem()):
		field.Set(reflect.New(v.Type()))
		field.Elem().Set(v)
	case field.Kind() == reflect.String && v.Kind() == reflect.String:
		field.SetString(v.String())
	}
}

// denied reports whether err is a refusal for want of permission. Answers to HEAD have no body
// and so no code, only a status.
func denied(err error) bool {
	var status *smithyhttp.ResponseError
	switch house.ErrorCode(err) {
	case "AccessDenied", "AccessDeniedException":
		return true
	case "Forbidden", "UnknownError", "":
		return errors.As(err, &status) && status.HTTPStatusCode() == 403
	}
	return false
}
