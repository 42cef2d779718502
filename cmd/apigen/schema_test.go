package main

import (
	"context"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/api/cloudtrail"
	"github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/wire"
)

var services = []struct {
	api  *wire.Service
	none any // implements nothing
}{
	{cloudtrail.API, struct{ cloudtrail.Unimplemented }{}},
	{iam.API, struct{ iam.Unimplemented }{}},
	{kms.API, struct{ kms.Unimplemented }{}},
	{proton.API, struct{ proton.Unimplemented }{}},
	{s3.API, struct{ s3.Unimplemented }{}},
	{sts.API, struct{ sts.Unimplemented }{}},
}

// TestTypes proves for every member of every API that its Go field has the type that
// wire.Kind promises, and that every pattern compiles.
func TestTypes(t *testing.T) {
	for _, s := range services {
		seen := map[*wire.Shape]bool{}
		for _, op := range s.api.Operations {
			checkShape(t, op.Input, true, seen)
			checkShape(t, op.Output, false, seen)
			if op.Service != s.api || op.NewInput() == nil || op.NewOutput() == nil {
				t.Errorf("%s: incomplete", op.Name)
			}
		}
		for _, e := range s.api.Errors {
			if e.Shape != nil {
				checkShape(t, e.Shape, false, seen)
			}
		}
		if !slices.IsSortedFunc(s.api.Operations, func(a, b *wire.Operation) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("operations of %s are not in order", s.api.Name)
		}
	}
}

func checkShape(t *testing.T, s *wire.Shape, in bool, seen map[*wire.Shape]bool) {
	if seen[s] {
		return
	}
	seen[s] = true
	if _, err := regexp.Compile(`\A(?:` + s.Pattern + `)\z`); err != nil {
		t.Errorf("%s: %v", s.Name, err)
	}
	for _, m := range s.Members {
		f := s.Type.Field(m.Field)
		if got, want := unnamed(f.Type), fieldType(m, in); f.Name != exported(m.Name) || got != want {
			t.Errorf("%s.%s is %s %s, want %s", s.Name, m.Name, f.Name, got, want)
		}
		checkShape(t, m.Shape, in, seen)
	}
	for _, m := range []*wire.Member{s.Key, s.Elem} {
		if m != nil {
			checkShape(t, m.Shape, in, seen)
		}
	}
}

// unnamed is t with its enums as plain strings: the schema does not hold their types.
func unnamed(t reflect.Type) reflect.Type {
	switch t.Kind() {
	case reflect.String:
		return reflect.TypeFor[string]()
	case reflect.Slice:
		return reflect.SliceOf(unnamed(t.Elem()))
	case reflect.Map:
		return reflect.MapOf(t.Key(), unnamed(t.Elem()))
	}
	return t
}

func fieldType(m *wire.Member, in bool) reflect.Type {
	switch {
	case m.Streaming && in:
		return reflect.TypeFor[io.Reader]()
	case m.Streaming:
		return reflect.TypeFor[io.ReadCloser]()
	}
	plain := plainTypeOf(m.Shape)
	switch {
	case plain.Kind() == reflect.Slice, plain.Kind() == reflect.Map:
		return plain
	case len(m.Shape.Enum) > 0:
		return plain
	}
	return reflect.PointerTo(plain)
}

var plainTypes = map[wire.Kind]reflect.Type{
	wire.String: reflect.TypeFor[string](), wire.Boolean: reflect.TypeFor[bool](),
	wire.Integer: reflect.TypeFor[int32](), wire.Long: reflect.TypeFor[int64](),
	wire.Float: reflect.TypeFor[float32](), wire.Double: reflect.TypeFor[float64](),
	wire.Timestamp: reflect.TypeFor[time.Time](), wire.Blob: reflect.TypeFor[[]byte](),
}

func plainTypeOf(s *wire.Shape) reflect.Type {
	switch s.Kind {
	case wire.Structure:
		return s.Type
	case wire.List:
		return reflect.SliceOf(plainTypeOf(s.Elem.Shape))
	case wire.Map:
		return reflect.MapOf(reflect.TypeFor[string](), plainTypeOf(s.Elem.Shape))
	}
	return plainTypes[s.Kind]
}

// TestUnimplemented proves that the generated Unimplemented answers every operation,
// and that wire.Implemented is not deceived by it.
func TestUnimplemented(t *testing.T) {
	for _, s := range services {
		for _, op := range s.api.Operations {
			if wire.Implemented(s.none, op) {
				t.Errorf("%s of %s counts as implemented", op.Name, s.api.Name)
			}
			out, err := op.Invoke(t.Context(), s.none, op.NewInput())
			if want := s.api.Unknown(op.Name); out != nil || !wire.IsCode(err, want.Code) {
				t.Errorf("%s of %s: got %v, %v", op.Name, s.api.Name, out, err)
			}
		}
	}
	mine := struct{ keys }{}
	if op := kms.API.Operation("Encrypt"); !wire.Implemented(mine, op) || wire.Implemented(mine, kms.API.Operation("Decrypt")) {
		t.Error("Encrypt is implemented and Decrypt is not")
	}
}

type keys struct{ kms.Unimplemented }

func (keys) Encrypt(context.Context, *kms.EncryptInput) (*kms.EncryptOutput, error) { return nil, nil }

// TestValidationMessages holds AWS's messages for inputs of real operations.
func TestValidationMessages(t *testing.T) {
	invalid := []struct {
		api  *wire.Service
		op   string
		in   any
		want string
	}{
		{kms.API, "Encrypt", &kms.EncryptInput{Plaintext: []byte{}}, "ValidationException: 2 validation errors detected: " +
			"Value null at 'keyId' failed to satisfy constraint: Member must not be null; " +
			"Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{kms.API, "CreateKey", &kms.CreateKeyInput{Tags: []kms.Tag{{TagKey: wire.Ptr(""), TagValue: wire.Ptr("v")}}}, "ValidationException: 1 validation error detected: " +
			"Value '' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{sts.API, "AssumeRole", &sts.AssumeRoleInput{RoleArn: wire.Ptr("arn:aws:iam::111122223333:role/r"), RoleSessionName: wire.Ptr("a b")}, "ValidationError: 1 validation error detected: " +
			`Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{iam.API, "CreateAccountAlias", &iam.CreateAccountAliasInput{AccountAlias: wire.Ptr("a--b")}, "ValidationError: 1 validation error detected: " +
			"Value 'a--b' at 'accountAlias' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$"},
	}
	for _, tt := range invalid {
		if err := tt.api.Operation(tt.op).Validate(tt.in); err == nil || err.Error() != tt.want {
			t.Errorf("%s:\ngot  %v\nwant %s", tt.op, err, tt.want)
		}
	}
}

// TestRecords holds what audit records say of real inputs and outputs.
func TestRecords(t *testing.T) {
	records := []struct {
		shape *wire.Shape
		v     any
		want  string
	}{
		{kms.API.Operation("Encrypt").Input, &kms.EncryptInput{
			KeyId: wire.Ptr("alias/a"), Plaintext: []byte("secret"), EncryptionContext: map[string]string{"k": "v"},
			EncryptionAlgorithm: kms.EncryptionAlgorithmSpecSymmetricDefault,
		}, `{"keyId":"alias/a","encryptionContext":{"k":"v"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`},
		{kms.API.Operation("CreateGrant").Output, &kms.CreateGrantOutput{GrantToken: wire.Ptr("token"), GrantId: wire.Ptr("id")}, `{"grantId":"id"}`},
		{sts.API.Operation("AssumeRole").Output, &sts.AssumeRoleOutput{Credentials: &sts.Credentials{
			AccessKeyId: wire.Ptr("ASIA"), SecretAccessKey: wire.Ptr("secret"),
		}}, `{"credentials":{"accessKeyId":"ASIA"}}`},
		{iam.API.Operation("CreateLoginProfile").Input, &iam.CreateLoginProfileInput{UserName: wire.Ptr("u"), Password: wire.Ptr("secret")}, `{"userName":"u"}`},
		{s3.API.Operation("PutObject").Input, &s3.PutObjectInput{
			Bucket: wire.Ptr("b"), Key: wire.Ptr("k"), Body: strings.NewReader("body"), SSECustomerKey: wire.Ptr("secret"),
			ServerSideEncryption: s3.ServerSideEncryptionAes256,
			SSEKMSKeyId:          wire.Ptr("alias/a"),
		}, `{"bucketName":"b","key":"k","x-amz-server-side-encryption":"AES256","x-amz-server-side-encryption-aws-kms-key-id":"alias/a"}`},
		{sts.API.Operation("GetSessionToken").Input, &sts.GetSessionTokenInput{SerialNumber: wire.Ptr("mfa"), TokenCode: wire.Ptr("123456")}, `{"serialNumber":"mfa"}`},
	}
	for _, tt := range records {
		if got := string(wire.AppendParameters(nil, tt.shape, tt.v)); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.shape.Name, got, tt.want)
		}
	}
}
