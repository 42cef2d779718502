package claims

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/strongroom/strongroom/test/house"
)

// TestC9_ApprovedAlgorithms says that a house under GODEBUG=fips140=only answers, and refuses what the FIPS
// 140-3 module does not do: also for keys that were made before.
func TestC9_ApprovedAlgorithms(t *testing.T) {
	h := house.Start(t)
	make := func(spec kmstypes.KeySpec, usage kmstypes.KeyUsageType) (string, error) {
		out, err := h.AsAdmin().KMS().CreateKey(ctx, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
		if err != nil {
			return "", err
		}
		return *out.KeyMetadata.Arn, nil
	}
	mustMake := func(spec kmstypes.KeySpec, usage kmstypes.KeyUsageType) string {
		t.Helper()
		arn, err := make(spec, usage)
		if err != nil {
			t.Fatal(spec, err)
		}
		return arn
	}
	before := mustMake("ECC_SECG_P256K1", "SIGN_VERIFY")
	symmetric := mustMake("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	blob := mustEncrypt(t, h.AsAdmin(), symmetric, nil)
	h.Stop()
	h.Env = []string{"GODEBUG=fips140=only"}
	h.Restart()
	client := h.AsAdmin().KMS()

	if err := decrypt(h.AsAdmin(), blob, nil); err != nil {
		t.Error(err)
	}
	for spec, usage := range map[kmstypes.KeySpec]kmstypes.KeyUsageType{
		"ECC_SECG_P256K1": "SIGN_VERIFY", "ML_DSA_44": "SIGN_VERIFY", "ML_DSA_65": "SIGN_VERIFY", "ML_DSA_87": "SIGN_VERIFY", "ML_KEM_512": "ENCAPSULATE_DECAPSULATE",
	} {
		_, err := make(spec, usage)
		unapproved(t, "CreateKey "+string(spec), err)
	}
	_, err := client.Sign(ctx, &kms.SignInput{KeyId: &before, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})
	unapproved(t, "Sign with a key made before", err)
	_, err = client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &before})
	unapproved(t, "GetPublicKey of a key made before", err)
	_, err = client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &symmetric, KeyPairSpec: "ECC_SECG_P256K1"})
	unapproved(t, "GenerateDataKeyPair", err)
	if _, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &before}); err != nil {
		t.Errorf("DescribeKey of a key made before: %v", err)
	}

	rsa := mustMake("RSA_2048", "ENCRYPT_DECRYPT")
	_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: &rsa, Plaintext: []byte("x"), EncryptionAlgorithm: "RSAES_OAEP_SHA_1"})
	unapproved(t, "Encrypt with SHA-1", err)
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &rsa, Plaintext: []byte("x"), EncryptionAlgorithm: "RSAES_OAEP_SHA_256"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Decrypt(ctx, &kms.DecryptInput{KeyId: &rsa, CiphertextBlob: sealed.CiphertextBlob, EncryptionAlgorithm: "RSAES_OAEP_SHA_1"})
	unapproved(t, "Decrypt with SHA-1", err)
	if got, err := client.Decrypt(ctx, &kms.DecryptInput{KeyId: &rsa, CiphertextBlob: sealed.CiphertextBlob, EncryptionAlgorithm: "RSAES_OAEP_SHA_256"}); err != nil || string(got.Plaintext) != "x" {
		t.Error(err)
	}
	for spec, a := range map[kmstypes.KeySpec]kmstypes.SigningAlgorithmSpec{
		"RSA_2048": "RSASSA_PSS_SHA_256", "ECC_NIST_P256": "ECDSA_SHA_256", "ECC_NIST_P384": "ECDSA_SHA_384", "ECC_NIST_P521": "ECDSA_SHA_512", "ECC_NIST_EDWARDS25519": "ED25519_SHA_512",
	} {
		arn := mustMake(spec, "SIGN_VERIFY")
		out, err := client.Sign(ctx, &kms.SignInput{KeyId: &arn, Message: []byte("m"), SigningAlgorithm: a})
		if err != nil {
			t.Error(spec, err)
			continue
		}
		if _, err := client.Verify(ctx, &kms.VerifyInput{KeyId: &arn, Message: []byte("m"), SigningAlgorithm: a, Signature: out.Signature}); err != nil {
			t.Error(spec, err)
		}
	}
	mac, kem, agree := mustMake("HMAC_512", "GENERATE_VERIFY_MAC"), mustMake("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"), mustMake("ECC_NIST_P384", "KEY_AGREEMENT")
	if _, err := client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &mac, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_512"}); err != nil {
		t.Error(err)
	}
	if _, err := client.Encapsulate(ctx, &kms.EncapsulateInput{KeyId: &kem, EncapsulationAlgorithm: "ML_KEM"}); err != nil {
		t.Error(err)
	}
	public, err := client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &agree})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: &agree, PublicKey: public.PublicKey, KeyAgreementAlgorithm: "ECDH"}); err != nil {
		t.Error(err)
	}
	if _, err := client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &symmetric, KeyPairSpec: "ECC_NIST_P256", EncryptionContext: map[string]string{"a": "b"}}); err != nil {
		t.Error(err)
	}
	if e := latest(t, h.AsAdmin(), "Sign", func(e *event) bool { return e.ErrorCode == "" }); e.RequestParameters["signingAlgorithm"] == nil || strings.Contains(e.text, "bQ==") {
		t.Errorf("the record of Sign: %s", e.text)
	}
}

// unapproved checks that an answer is AWS's for what is not supported, and says why.
func unapproved(t *testing.T, what string, err error) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "UnsupportedOperationException" || !strings.Contains(e.ErrorMessage(), "FIPS 140-3") {
		t.Errorf("%s: %v", what, err)
	}
}
