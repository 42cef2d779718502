package kms

import (
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/wire"
)

// asked is a request that has a condition key, and the value it must have.
type asked struct {
	in   any
	want []string
}

// TestEveryConditionKey holds the answers against the list of the KMS developer guide, "AWS KMS condition
// keys": each key, on each operation that it says the key applies to. What it lists and cannot be here is
// said at conditions.Value.
func TestEveryConditionKey(t *testing.T) {
	h := open(t)
	h.room.Regions = []string{region, "eu-central-1"}
	make := func(in *api.CreateKeyInput) *string {
		t.Helper()
		return must[api.CreateKeyOutput](h, admin(t), in).KeyMetadata.Arn
	}
	k := make(&api.CreateKeyInput{})
	rsa := make(&api.CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY"})
	opener := make(&api.CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT"})
	mac := make(&api.CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})
	agrees := make(&api.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT"})
	empty := make(&api.CreateKeyInput{Origin: "EXTERNAL"})
	multi := make(&api.CreateKeyInput{MultiRegion: wire.Ptr(true)})
	must[api.ReplicateKeyOutput](h, admin(t), &api.ReplicateKeyInput{KeyId: multi, ReplicaRegion: wire.Ptr("eu-central-1")})
	must[api.CreateAliasOutput](h, admin(t), &api.CreateAliasInput{AliasName: wire.Ptr("alias/k"), TargetKeyId: k})
	pair := pairs{"App": "x"}
	blob := h.encrypt(admin(t), k, pair)
	alias := wire.Ptr("alias/k")
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	const workspace = "arn:aws:aps:eu-west-1:111122223333:workspace/ws-1"
	bob := "arn:aws:iam::" + account + ":user/bob"
	give := func(change func(*api.CreateGrantInput)) *api.CreateGrantInput {
		in := &api.CreateGrantInput{KeyId: k, GranteePrincipal: &bob, Operations: ops{"Encrypt", "Decrypt"}}
		change(in)
		return in
	}
	withPair := give(func(in *api.CreateGrantInput) { in.Constraints = &api.GrantConstraints{EncryptionContextSubset: pair} })
	toService := give(func(in *api.CreateGrantInput) {
		in.GranteePrincipal, in.GranteeServicePrincipal, in.RetiringServicePrincipal = nil, wire.Ptr("aps.amazonaws.com"), wire.Ptr("aps.amazonaws.com")
		in.Constraints = &api.GrantConstraints{SourceArn: wire.Ptr(workspace)}
	})
	granted := must[api.CreateGrantOutput](h, admin(t), withPair)

	// The uses of a symmetric key, which all have an encryption context.
	uses := []any{
		&api.EncryptInput{KeyId: k, Plaintext: []byte("x"), EncryptionContext: pair}, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pair},
		&api.GenerateDataKeyInput{KeyId: k, KeySpec: "AES_256", EncryptionContext: pair},
		&api.GenerateDataKeyWithoutPlaintextInput{KeyId: k, KeySpec: "AES_256", EncryptionContext: pair},
		&api.GenerateDataKeyPairInput{KeyId: k, KeyPairSpec: "ECC_NIST_P256", EncryptionContext: pair},
		&api.GenerateDataKeyPairWithoutPlaintextInput{KeyId: k, KeyPairSpec: "ECC_NIST_P256", EncryptionContext: pair},
		&api.ReEncryptInput{CiphertextBlob: blob, SourceEncryptionContext: pair, DestinationKeyId: k, DestinationEncryptionContext: pair},
	}
	each := func(ins []any, want ...string) (all []asked) {
		for _, in := range ins {
			all = append(all, asked{in, want})
		}
		return all
	}
	ofKey := []any{ // some of all operations on keys
		uses[0], uses[1], &api.DescribeKeyInput{KeyId: k}, &api.DisableKeyInput{KeyId: k}, &api.GetKeyPolicyInput{KeyId: k}, withPair,
		&api.ListGrantsInput{KeyId: k}, &api.TagResourceInput{KeyId: k, Tags: []api.Tag{}}, &api.ScheduleKeyDeletionInput{KeyId: k}, &api.RevokeGrantInput{KeyId: k, GrantId: granted.GrantId},
	}
	sign := &api.SignInput{KeyId: rsa, Message: []byte("x"), SigningAlgorithm: "RSASSA_PSS_SHA_256"}
	verify := &api.VerifyInput{KeyId: rsa, Message: make32(), Signature: []byte("x"), SigningAlgorithm: "RSASSA_PSS_SHA_256", MessageType: "DIGEST"}
	for name, all := range map[string][]asked{
		"BypassPolicyLockoutSafetyCheck": {
			{&api.CreateKeyInput{}, []string{"false"}}, {&api.CreateKeyInput{BypassPolicyLockoutSafetyCheck: wire.Ptr(true)}, []string{"true"}},
			{&api.PutKeyPolicyInput{KeyId: k, Policy: wire.Ptr(defaultPolicy(account))}, []string{"false"}},
		},
		"CallerAccount":         each(append(ofKey, &api.CreateKeyInput{}, &api.ListKeysInput{}), account),
		"CustomerMasterKeySpec": {{&api.CreateKeyInput{}, []string{"SYMMETRIC_DEFAULT"}}, {sign, []string{"RSA_2048"}}},
		"CustomerMasterKeyUsage": {
			{&api.CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY"}, []string{"SIGN_VERIFY"}}, {sign, []string{"SIGN_VERIFY"}},
		},
		"DataKeyPairSpec":                        each(uses[4:6], "ECC_NIST_P256"),
		"EncryptionAlgorithm":                    append(each(uses, "SYMMETRIC_DEFAULT"), asked{&api.EncryptInput{KeyId: opener, Plaintext: []byte("x"), EncryptionAlgorithm: "RSAES_OAEP_SHA_256"}, []string{"RSAES_OAEP_SHA_256"}}),
		"EncryptionContext:App":                  append(each(uses, "x"), each([]any{withPair, &api.RetireGrantInput{KeyId: k, GrantId: granted.GrantId}}, "x")...),
		"EncryptionContextKeys":                  append(each(uses, "App"), each([]any{withPair, &api.RetireGrantInput{KeyId: k, GrantId: granted.GrantId}}, "App")...),
		"ExpirationModel":                        {{imports(empty, "KEY_MATERIAL_DOES_NOT_EXPIRE", nil), []string{"KEY_MATERIAL_DOES_NOT_EXPIRE"}}, {imports(empty, "", &until), []string{"KEY_MATERIAL_EXPIRES"}}},
		"GrantConstraintSourceArn":               {{toService, []string{workspace}}, {withPair, nil}},
		"GrantConstraintType":                    {{withPair, []string{"EncryptionContextSubset"}}, {toService, nil}},
		"GrantIsForAWSResource":                  each([]any{withPair, &api.ListGrantsInput{KeyId: k}, &api.RevokeGrantInput{KeyId: k, GrantId: granted.GrantId}}, "false"),
		"GrantOperations":                        {{withPair, []string{"Decrypt", "Encrypt"}}},
		"GranteePrincipal":                       {{withPair, []string{bob}}, {toService, nil}},
		"GranteeServicePrincipal":                {{toService, []string{"aps.amazonaws.com"}}, {withPair, nil}},
		"KeyAgreementAlgorithm":                  {{&api.DeriveSharedSecretInput{KeyId: agrees, KeyAgreementAlgorithm: "ECDH", PublicKey: []byte("x")}, []string{"ECDH"}}},
		"KeyOrigin":                              append(each(append(ofKey, &api.CreateKeyInput{}), "AWS_KMS"), asked{&api.DescribeKeyInput{KeyId: empty}, []string{"EXTERNAL"}}, asked{&api.CreateKeyInput{Origin: "EXTERNAL"}, []string{"EXTERNAL"}}),
		"KeySpec":                                append(each(append(ofKey, &api.CreateKeyInput{}), "SYMMETRIC_DEFAULT"), asked{&api.GetPublicKeyInput{KeyId: agrees}, []string{"ECC_NIST_P256"}}),
		"KeyUsage":                               append(each(append(ofKey, &api.CreateKeyInput{}), "ENCRYPT_DECRYPT"), asked{&api.DescribeKeyInput{KeyId: mac}, []string{"GENERATE_VERIFY_MAC"}}),
		"MacAlgorithm":                           each([]any{&api.GenerateMacInput{KeyId: mac, Message: []byte("x"), MacAlgorithm: "HMAC_SHA_256"}, &api.VerifyMacInput{KeyId: mac, Message: []byte("x"), Mac: []byte("x"), MacAlgorithm: "HMAC_SHA_256"}}, "HMAC_SHA_256"),
		"MessageType":                            {{sign, []string{"RAW"}}, {verify, []string{"DIGEST"}}},
		"MultiRegion":                            append(each(append(ofKey, &api.CreateKeyInput{}), "false"), each([]any{&api.CreateKeyInput{MultiRegion: wire.Ptr(true)}, &api.DescribeKeyInput{KeyId: multi}}, "true")...),
		"MultiRegionKeyType":                     append(each([]any{&api.CreateKeyInput{MultiRegion: wire.Ptr(true)}, &api.DescribeKeyInput{KeyId: multi}, &api.ReplicateKeyInput{KeyId: multi, ReplicaRegion: wire.Ptr("eu-central-1")}}, "PRIMARY"), each(ofKey)...),
		"PrimaryRegion":                          {{&api.UpdatePrimaryRegionInput{KeyId: multi, PrimaryRegion: wire.Ptr("eu-central-1")}, []string{"eu-central-1"}}},
		"ReEncryptOnSameKey":                     {{uses[6], []string{"true"}}, {&api.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: opener, DestinationEncryptionAlgorithm: "RSAES_OAEP_SHA_1"}, []string{"false"}}},
		"ReplicaRegion":                          {{&api.ReplicateKeyInput{KeyId: multi, ReplicaRegion: wire.Ptr("eu-central-1")}, []string{"eu-central-1"}}},
		"RequestAlias":                           append(each([]any{&api.EncryptInput{KeyId: alias, Plaintext: []byte("x")}, &api.DescribeKeyInput{KeyId: alias}, &api.GenerateDataKeyInput{KeyId: alias, KeySpec: "AES_256"}}, "alias/k"), each(ofKey)...),
		"ResourceAliases":                        append(each(ofKey, "alias/k"), asked{&api.DescribeKeyInput{KeyId: mac}, nil}),
		"RetiringPrincipal":                      {{give(func(in *api.CreateGrantInput) { in.RetiringPrincipal = &bob }), []string{bob}}, {withPair, nil}},
		"RetiringServicePrincipal":               {{toService, []string{"aps.amazonaws.com"}}, {withPair, nil}},
		"RotationPeriodInDays":                   {{&api.EnableKeyRotationInput{KeyId: k}, []string{"365"}}, {&api.EnableKeyRotationInput{KeyId: k, RotationPeriodInDays: wire.Ptr[int32](90)}, []string{"90"}}},
		"ScheduleKeyDeletionPendingWindowInDays": {{&api.ScheduleKeyDeletionInput{KeyId: k}, []string{"30"}}, {&api.ScheduleKeyDeletionInput{KeyId: k, PendingWindowInDays: wire.Ptr[int32](7)}, []string{"7"}}},
		"SigningAlgorithm":                       each([]any{sign, verify}, "RSASSA_PSS_SHA_256"),
		"ValidTo":                                {{imports(empty, "", &until), []string{"2030-01-02T03:04:05Z"}}},
		"ViaService":                             each(ofKey),
		"WrappingAlgorithm":                      each([]any{wraps(empty)}, "RSAES_OAEP_SHA_256"),
		"WrappingKeySpec":                        each([]any{wraps(empty)}, "RSA_3072"),
		"RecipientAttestation:PCR0":              each(uses),
	} {
		for _, a := range all {
			if got := h.answers(a.in, "kms:"+name); !equal(got, a.want) {
				t.Errorf("kms:%s of %s: got %v, want %v", name, inputName(a.in), got, a.want)
			}
		}
	}
}

// answers asks the first check of a call by the admin for a condition key.
func (h *testHouse) answers(in any, name string) policy.Values {
	h.Helper()
	c := &call.Call{Time: time.Now(), Principal: admin(h).Principal, Region: region, Service: api.API, Op: api.API.Operation(inputName(in)), In: in}
	target, err := h.Target(call.With(h.Context(), c), c)
	if err != nil {
		h.Fatalf("%s: %v", inputName(in), err)
	}
	return target.Checks[0].Conditions.Value(strings.ToLower(name))
}

func equal(got policy.Values, want []string) bool {
	if got.Len() != len(want) || got.Present() != (len(want) > 0) {
		return false
	}
	for i, w := range want {
		if got.At(i) != w {
			return false
		}
	}
	return true
}

func imports(key *string, model api.ExpirationModelType, until *time.Time) *api.ImportKeyMaterialInput {
	return &api.ImportKeyMaterialInput{KeyId: key, ImportToken: []byte("x"), EncryptedKeyMaterial: []byte("x"), ExpirationModel: model, ValidTo: until}
}

func wraps(key *string) *api.GetParametersForImportInput {
	return &api.GetParametersForImportInput{KeyId: key, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_3072"}
}

func make32() []byte { return make([]byte, 32) }
