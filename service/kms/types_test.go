package kms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/wire"
)

// newKeyOf makes a key of a spec and usage.
func (h *testHouse) newKeyOf(spec api.KeySpec, usage api.KeyUsageType) *api.KeyMetadata {
	h.Helper()
	return must[api.CreateKeyOutput](h, admin(h), &api.CreateKeyInput{KeySpec: spec, KeyUsage: usage}).KeyMetadata
}

var (
	allSpecs  = api.API.Operation("CreateKey").Input.Members[slices.IndexFunc(api.API.Operation("CreateKey").Input.Members, func(m *wire.Member) bool { return m.Name == "KeySpec" })].Shape.Enum
	allUsages = []api.KeyUsageType{"SIGN_VERIFY", "ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"}
)

// TestMetadataOfEveryKind pairs every spec with every usage: what AWS refuses is refused, and of the
// others the metadata list the algorithms of that usage and no others.
func TestMetadataOfEveryKind(t *testing.T) {
	rsaSigns := "RSASSA_PKCS1_V1_5_SHA_256 RSASSA_PKCS1_V1_5_SHA_384 RSASSA_PKCS1_V1_5_SHA_512 RSASSA_PSS_SHA_256 RSASSA_PSS_SHA_384 RSASSA_PSS_SHA_512"
	oaep := "RSAES_OAEP_SHA_1 RSAES_OAEP_SHA_256"
	want := map[string]string{
		"SYMMETRIC_DEFAULT ENCRYPT_DECRYPT": "SYMMETRIC_DEFAULT",
		"RSA_2048 SIGN_VERIFY":              rsaSigns, "RSA_3072 SIGN_VERIFY": rsaSigns, "RSA_4096 SIGN_VERIFY": rsaSigns,
		"RSA_2048 ENCRYPT_DECRYPT": oaep, "RSA_3072 ENCRYPT_DECRYPT": oaep, "RSA_4096 ENCRYPT_DECRYPT": oaep,
		"ECC_NIST_P256 SIGN_VERIFY": "ECDSA_SHA_256", "ECC_NIST_P384 SIGN_VERIFY": "ECDSA_SHA_384", "ECC_NIST_P521 SIGN_VERIFY": "ECDSA_SHA_512",
		"ECC_NIST_P256 KEY_AGREEMENT": "ECDH", "ECC_NIST_P384 KEY_AGREEMENT": "ECDH", "ECC_NIST_P521 KEY_AGREEMENT": "ECDH",
		"ECC_SECG_P256K1 SIGN_VERIFY": "ECDSA_SHA_256", "ECC_NIST_EDWARDS25519 SIGN_VERIFY": "ED25519_SHA_512 ED25519_PH_SHA_512",
		"HMAC_224 GENERATE_VERIFY_MAC": "HMAC_SHA_224", "HMAC_256 GENERATE_VERIFY_MAC": "HMAC_SHA_256",
		"HMAC_384 GENERATE_VERIFY_MAC": "HMAC_SHA_384", "HMAC_512 GENERATE_VERIFY_MAC": "HMAC_SHA_512",
		"ML_DSA_44 SIGN_VERIFY": "ML_DSA_SHAKE_256", "ML_DSA_65 SIGN_VERIFY": "ML_DSA_SHAKE_256", "ML_DSA_87 SIGN_VERIFY": "ML_DSA_SHAKE_256",
		"ML_KEM_512 ENCAPSULATE_DECAPSULATE": "ML_KEM", "ML_KEM_768 ENCAPSULATE_DECAPSULATE": "ML_KEM", "ML_KEM_1024 ENCAPSULATE_DECAPSULATE": "ML_KEM",
	}
	seen := 0
	for _, spec := range allSpecs {
		for _, usage := range allUsages {
			got, err := usageFor(&api.CreateKeyInput{KeySpec: api.KeySpec(spec), KeyUsage: usage})
			listed, ok := want[spec+" "+string(usage)]
			if (err == nil) != ok || ok && got != usage {
				t.Errorf("%s %s: %v, %v", spec, usage, got, err)
			}
			if !ok {
				continue
			}
			seen++
			m := metadata(home{region, account, "x"}, &record{Spec: api.KeySpec(spec), Usage: usage})
			if list := strings.Join(slices.Concat(words(m.EncryptionAlgorithms), words(m.SigningAlgorithms), words(m.MacAlgorithms), words(m.KeyAgreementAlgorithms), words(m.EncapsulationAlgorithms)), " "); list != listed {
				t.Errorf("%s %s lists %s", spec, usage, list)
			}
			if len(m.EncryptionAlgorithms) > 0 != (usage == "ENCRYPT_DECRYPT") || len(m.SigningAlgorithms) > 0 != (usage == "SIGN_VERIFY") ||
				len(m.MacAlgorithms) > 0 != (usage == "GENERATE_VERIFY_MAC") || len(m.KeyAgreementAlgorithms) > 0 != (usage == "KEY_AGREEMENT") ||
				string(m.CustomerMasterKeySpec) != spec {
				t.Errorf("%s %s: %+v", spec, usage, m)
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d kinds of keys, want %d", seen, len(want))
	}
}

func words[T ~string](list []T) (s []string) {
	for _, v := range list {
		s = append(s, string(v))
	}
	return s
}

// TestSign signs with every quick spec through the service, and verifies there and outside.
func TestSign(t *testing.T) {
	h := open(t)
	who := admin(t)
	message := []byte("attack at dawn")
	for _, spec := range []api.KeySpec{"ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87", "RSA_2048"} {
		k := h.newKeyOf(spec, "SIGN_VERIFY")
		public := must[api.GetPublicKeyOutput](h, who, &api.GetPublicKeyInput{KeyId: k.KeyId})
		if *public.KeyId != *k.Arn || public.KeySpec != spec || public.KeyUsage != "SIGN_VERIFY" || !slices.Equal(public.SigningAlgorithms, k.SigningAlgorithms) || public.EncryptionAlgorithms != nil {
			t.Errorf("%s: %+v", spec, public)
		}
		for _, a := range k.SigningAlgorithms {
			in := &api.SignInput{KeyId: k.Arn, Message: message, SigningAlgorithm: a}
			if a == "ED25519_PH_SHA_512" {
				in.Message, in.MessageType = make([]byte, 64), "DIGEST"
			}
			out := must[api.SignOutput](h, who, in)
			if *out.KeyId != *k.Arn || out.SigningAlgorithm != a {
				t.Errorf("%s %s: %+v", spec, a, out)
			}
			check := &api.VerifyInput{KeyId: k.KeyId, Message: in.Message, MessageType: in.MessageType, Signature: out.Signature, SigningAlgorithm: a}
			if v := must[api.VerifyOutput](h, who, check); !*v.SignatureValid || *v.KeyId != *k.Arn || v.SigningAlgorithm != a {
				t.Errorf("%s %s: %+v", spec, a, v)
			}
			if a != "ED25519_PH_SHA_512" {
				verifiedOutside(t, public.PublicKey, string(a), in.Message, out.Signature)
			}
			check.Message = append([]byte(nil), check.Message...)
			check.Message[0] ^= 1
			fails[api.VerifyOutput](h, who, check, "KMSInvalidSignatureException", "")
			in.DryRun = wire.Ptr(true)
			fails[api.SignOutput](h, who, in, "DryRunOperationException", "")
			check.DryRun = wire.Ptr(true)
			fails[api.VerifyOutput](h, who, check, "KMSInvalidSignatureException", "")
		}
	}
}

// verifiedOutside verifies a signature with what GetPublicKey gave, where the standard library can.
func verifiedOutside(t *testing.T, der []byte, a string, message, signature []byte) {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return // secp256k1 and ML-DSA: openssl has them, in test/compat
	}
	h := crypto.SHA256
	switch a[len(a)-3:] {
	case "384":
		h = crypto.SHA384
	case "512":
		h = crypto.SHA512
	}
	sum := h.New()
	sum.Write(message)
	digest := sum.Sum(nil)
	ok := false
	switch p := public.(type) {
	case *rsa.PublicKey:
		if strings.HasPrefix(a, "RSASSA_PSS") {
			ok = rsa.VerifyPSS(p, h, digest, signature, &rsa.PSSOptions{SaltLength: h.Size()}) == nil
		} else {
			ok = rsa.VerifyPKCS1v15(p, h, digest, signature) == nil
		}
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(p, digest, signature)
	case ed25519.PublicKey:
		ok = ed25519.Verify(p, message, signature)
	}
	if !ok {
		t.Errorf("%s: %T does not verify what was signed", a, public)
	}
}

// TestSignRefuses has the refusals in AWS's words, in their order.
func TestSignRefuses(t *testing.T) {
	h := open(t)
	who := admin(t)
	p256, ed, mldsa := h.newKeyOf("ECC_NIST_P256", "SIGN_VERIFY"), h.newKeyOf("ECC_NIST_EDWARDS25519", "SIGN_VERIFY"), h.newKeyOf("ML_DSA_44", "SIGN_VERIFY")
	symmetric, mac, agree := h.newKey(), h.newKeyOf("HMAC_256", "GENERATE_VERIFY_MAC"), h.newKeyOf("ECC_NIST_P256", "KEY_AGREEMENT")
	for _, c := range []struct {
		k             *api.KeyMetadata
		a             api.SigningAlgorithmSpec
		t             api.MessageType
		n             int
		code, message string
	}{
		{symmetric, "ECDSA_SHA_256", "", 1, "InvalidKeyUsageException", *symmetric.Arn + " key usage is ENCRYPT_DECRYPT which is not valid for Sign."},
		{mac, "ECDSA_SHA_256", "", 1, "InvalidKeyUsageException", *mac.Arn + " key usage is GENERATE_VERIFY_MAC which is not valid for Sign."},
		{agree, "ECDSA_SHA_256", "", 1, "InvalidKeyUsageException", *agree.Arn + " key usage is KEY_AGREEMENT which is not valid for Sign."},
		{p256, "ECDSA_SHA_384", "", 1, "InvalidKeyUsageException", "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256."},
		{p256, "SM2DSA", "", 1, "InvalidKeyUsageException", "Algorithm SM2DSA is incompatible with key spec ECC_NIST_P256."},
		{p256, "ECDSA_SHA_256", "DIGEST", 31, "ValidationException", "Digest is invalid length for algorithm ECDSA_SHA_256."},
		{p256, "ECDSA_SHA_256", "EXTERNAL_MU", 64, "ValidationException", "Message type EXTERNAL_MU is incompatible with algorithm ECDSA_SHA_256."},
		{ed, "ED25519_SHA_512", "DIGEST", 64, "ValidationException", "Message type DIGEST is incompatible with algorithm ED25519_SHA_512."},
		{ed, "ED25519_PH_SHA_512", "RAW", 64, "ValidationException", "Message type RAW is incompatible with algorithm ED25519_PH_SHA_512."},
		{ed, "ED25519_PH_SHA_512", "DIGEST", 63, "ValidationException", "Digest is invalid length for algorithm ED25519_PH_SHA_512."},
		{mldsa, "ML_DSA_SHAKE_256", "DIGEST", 64, "ValidationException", "Message type DIGEST is incompatible with algorithm ML_DSA_SHAKE_256."},
		{mldsa, "ML_DSA_SHAKE_256", "EXTERNAL_MU", 63, "ValidationException", "External Mu is invalid length for algorithm ML_DSA_SHAKE_256."},
		{p256, "ECDSA_SHA_256", "RAW", 4097, "ValidationException", "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length less than or equal to 4096"},
		{p256, "ROT13", "RAW", 1, "ValidationException", ""},
	} {
		in := &api.SignInput{KeyId: c.k.KeyId, Message: make([]byte, c.n), MessageType: c.t, SigningAlgorithm: c.a, DryRun: wire.Ptr(true)}
		fails[api.SignOutput](h, who, in, c.code, c.message)
		fails[api.VerifyOutput](h, who, &api.VerifyInput{KeyId: in.KeyId, Message: in.Message, MessageType: in.MessageType, SigningAlgorithm: in.SigningAlgorithm, Signature: []byte("x")},
			c.code, strings.Replace(c.message, "for Sign.", "for Verify.", 1))
	}
	must[api.DisableKeyOutput](h, who, &api.DisableKeyInput{KeyId: p256.KeyId})
	fails[api.SignOutput](h, who, &api.SignInput{KeyId: p256.KeyId, Message: []byte("x"), SigningAlgorithm: "RSASSA_PSS_SHA_256"}, "DisabledException", "")
	fails[api.GetPublicKeyOutput](h, who, &api.GetPublicKeyInput{KeyId: p256.KeyId}, "DisabledException", "")
	fails[api.GetPublicKeyOutput](h, who, &api.GetPublicKeyInput{KeyId: symmetric.KeyId}, "UnsupportedOperationException", "")
	fails[api.GetPublicKeyOutput](h, who, &api.GetPublicKeyInput{KeyId: mac.KeyId}, "UnsupportedOperationException", "")
	fails[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: ed.KeyId}, "UnsupportedOperationException", "")
	fails[api.GenerateDataKeyOutput](h, who, &api.GenerateDataKeyInput{KeyId: ed.KeyId, KeySpec: "AES_256"}, "InvalidKeyUsageException", *ed.Arn+" key usage is SIGN_VERIFY which is not valid for GenerateDataKey.")
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: ed.KeyId, Plaintext: []byte("x")}, "InvalidKeyUsageException", *ed.Arn+" key usage is SIGN_VERIFY which is not valid for Encrypt.")
	fails[api.DecryptOutput](h, who, &api.DecryptInput{KeyId: ed.KeyId, CiphertextBlob: h.encrypt(who, symmetric.KeyId, nil)}, "IncorrectKeyException", "")
}

func TestExternalMu(t *testing.T) {
	h := open(t)
	who, k := admin(t), h.newKeyOf("ML_DSA_65", "SIGN_VERIFY")
	mu := bytes.Repeat([]byte{7}, 64)
	out := must[api.SignOutput](h, who, &api.SignInput{KeyId: k.KeyId, Message: mu, MessageType: "EXTERNAL_MU", SigningAlgorithm: "ML_DSA_SHAKE_256"})
	in := &api.VerifyInput{KeyId: k.KeyId, Message: mu, MessageType: "EXTERNAL_MU", Signature: out.Signature, SigningAlgorithm: "ML_DSA_SHAKE_256"}
	must[api.VerifyOutput](h, who, in)
	in.MessageType = "RAW"
	fails[api.VerifyOutput](h, who, in, "KMSInvalidSignatureException", "")
}

func TestMac(t *testing.T) {
	h := open(t)
	who := admin(t)
	for _, spec := range []api.KeySpec{"HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"} {
		k := h.newKeyOf(spec, "GENERATE_VERIFY_MAC")
		a := k.MacAlgorithms[0]
		in := &api.GenerateMacInput{KeyId: k.KeyId, Message: []byte("m"), MacAlgorithm: a}
		out := must[api.GenerateMacOutput](h, who, in)
		check := &api.VerifyMacInput{KeyId: k.Arn, Message: []byte("m"), MacAlgorithm: a, Mac: out.Mac}
		if v := must[api.VerifyMacOutput](h, who, check); !*v.MacValid || *v.KeyId != *k.Arn || v.MacAlgorithm != a || out.MacAlgorithm != a {
			t.Errorf("%s: %+v", spec, v)
		}
		in.DryRun, check.DryRun = wire.Ptr(true), wire.Ptr(true)
		fails[api.GenerateMacOutput](h, who, in, "DryRunOperationException", "")
		fails[api.VerifyMacOutput](h, who, check, "DryRunOperationException", "")
		check.Mac = out.Mac[:len(out.Mac)-1]
		fails[api.VerifyMacOutput](h, who, check, "KMSInvalidMacException", "")
		in.MacAlgorithm = map[bool]api.MacAlgorithmSpec{true: "HMAC_SHA_224", false: "HMAC_SHA_256"}[spec != "HMAC_224"]
		fails[api.GenerateMacOutput](h, who, in, "InvalidKeyUsageException", "Algorithm "+string(in.MacAlgorithm)+" is incompatible with key spec "+string(spec)+".")
	}
	symmetric := h.newKey()
	fails[api.GenerateMacOutput](h, who, &api.GenerateMacInput{KeyId: symmetric.KeyId, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"},
		"InvalidKeyUsageException", *symmetric.Arn+" key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac.")
}

func TestAgreement(t *testing.T) {
	h := open(t)
	who := admin(t)
	for _, spec := range []api.KeySpec{"ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"} {
		a, b := h.newKeyOf(spec, "KEY_AGREEMENT"), h.newKeyOf(spec, "KEY_AGREEMENT")
		public := func(k *api.KeyMetadata) []byte {
			return must[api.GetPublicKeyOutput](h, who, &api.GetPublicKeyInput{KeyId: k.KeyId}).PublicKey
		}
		in := &api.DeriveSharedSecretInput{KeyId: a.KeyId, PublicKey: public(b), KeyAgreementAlgorithm: "ECDH"}
		one := must[api.DeriveSharedSecretOutput](h, who, in)
		two := must[api.DeriveSharedSecretOutput](h, who, &api.DeriveSharedSecretInput{KeyId: b.KeyId, PublicKey: public(a), KeyAgreementAlgorithm: "ECDH"})
		if !bytes.Equal(one.SharedSecret, two.SharedSecret) || *one.KeyId != *a.Arn || one.KeyOrigin != "AWS_KMS" || one.KeyAgreementAlgorithm != "ECDH" {
			t.Errorf("%s: %+v, %+v", spec, one, two)
		}
		in.DryRun = wire.Ptr(true)
		fails[api.DeriveSharedSecretOutput](h, who, in, "DryRunOperationException", "")
		in.PublicKey = in.PublicKey[1:]
		fails[api.DeriveSharedSecretOutput](h, who, in, "ValidationException", "")
		signs := h.newKeyOf(spec, "SIGN_VERIFY")
		in.KeyId = signs.KeyId
		fails[api.DeriveSharedSecretOutput](h, who, in, "InvalidKeyUsageException", *signs.Arn+" key usage is SIGN_VERIFY which is not valid for DeriveSharedSecret.")
	}
}

func TestEncapsulation(t *testing.T) {
	h := open(t)
	who := admin(t)
	for _, spec := range []api.KeySpec{"ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"} {
		k := h.newKeyOf(spec, "ENCAPSULATE_DECAPSULATE")
		made := must[api.EncapsulateOutput](h, who, &api.EncapsulateInput{KeyId: k.KeyId, EncapsulationAlgorithm: "ML_KEM"})
		in := &api.DecapsulateInput{KeyId: k.KeyId, EncapsulationAlgorithm: "ML_KEM", SharedSecretCiphertextBlob: made.SharedSecretCiphertextBlob}
		got := must[api.DecapsulateOutput](h, who, in)
		if !bytes.Equal(made.SharedSecret, got.SharedSecret) || len(got.SharedSecret) != 32 || *got.KeyId != *k.Arn || *made.KeyId != *k.Arn {
			t.Errorf("%s: %+v, %+v", spec, made, got)
		}
		in.DryRun = wire.Ptr(true)
		fails[api.DecapsulateOutput](h, who, in, "DryRunOperationException", "")
		fails[api.EncapsulateOutput](h, who, &api.EncapsulateInput{KeyId: k.KeyId, EncapsulationAlgorithm: "ML_KEM", DryRun: in.DryRun}, "DryRunOperationException", "")
		in.SharedSecretCiphertextBlob = in.SharedSecretCiphertextBlob[1:]
		fails[api.DecapsulateOutput](h, who, in, "InvalidCiphertextException", "")
	}
	symmetric := h.newKey()
	fails[api.EncapsulateOutput](h, who, &api.EncapsulateInput{KeyId: symmetric.KeyId, EncapsulationAlgorithm: "ML_KEM"}, "InvalidKeyUsageException", "")
}

// TestRSAEncryption encrypts here and outside, and moves between RSA and symmetric keys.
func TestRSAEncryption(t *testing.T) {
	h := open(t)
	who, k, symmetric := admin(t), h.newKeyOf("RSA_2048", "ENCRYPT_DECRYPT"), h.newKey()
	der := must[api.GetPublicKeyOutput](h, who, &api.GetPublicKeyInput{KeyId: k.KeyId})
	public, err := x509.ParsePKIXPublicKey(der.PublicKey)
	if err != nil || !slices.Equal(der.EncryptionAlgorithms, k.EncryptionAlgorithms) {
		t.Fatal(err, der)
	}
	for _, a := range k.EncryptionAlgorithms {
		in := &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("hello"), EncryptionAlgorithm: a}
		out := must[api.EncryptOutput](h, who, in)
		open := &api.DecryptInput{KeyId: k.KeyId, CiphertextBlob: out.CiphertextBlob, EncryptionAlgorithm: a}
		got := must[api.DecryptOutput](h, who, open)
		if string(got.Plaintext) != "hello" || got.EncryptionAlgorithm != a || out.EncryptionAlgorithm != a || got.KeyMaterialId != nil || *got.KeyId != *k.Arn {
			t.Errorf("%s: %+v, %+v", a, out, got)
		}
		moved := must[api.ReEncryptOutput](h, who, &api.ReEncryptInput{
			CiphertextBlob: out.CiphertextBlob, SourceKeyId: k.KeyId, SourceEncryptionAlgorithm: a, DestinationKeyId: symmetric.KeyId, DestinationEncryptionContext: pairs{"a": "b"},
		})
		if moved.SourceKeyMaterialId != nil || moved.DestinationKeyMaterialId == nil || moved.SourceEncryptionAlgorithm != a || moved.DestinationEncryptionAlgorithm != "SYMMETRIC_DEFAULT" {
			t.Errorf("%+v", moved)
		}
		back := must[api.ReEncryptOutput](h, who, &api.ReEncryptInput{
			CiphertextBlob: moved.CiphertextBlob, SourceEncryptionContext: pairs{"a": "b"}, DestinationKeyId: k.KeyId, DestinationEncryptionAlgorithm: a,
		})
		open.CiphertextBlob = back.CiphertextBlob
		if got := must[api.DecryptOutput](h, who, open); string(got.Plaintext) != "hello" {
			t.Errorf("%+v", got)
		}
		in.Plaintext = make([]byte, key.RSA2048.MaxPlaintext(key.Algorithm(a)))
		must[api.EncryptOutput](h, who, in)
		in.Plaintext = append(in.Plaintext, 0)
		fails[api.EncryptOutput](h, who, in, "ValidationException",
			"Algorithm "+string(a)+" and key spec RSA_2048 cannot encrypt data larger than "+map[bool]string{true: "214", false: "190"}[a == "RSAES_OAEP_SHA_1"]+" bytes.")
		in.Plaintext, in.EncryptionContext = []byte("x"), pairs{"a": "b"}
		const noContext = "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs."
		fails[api.EncryptOutput](h, who, in, "ValidationException", noContext)
		open.EncryptionContext = pairs{"a": "b"}
		fails[api.DecryptOutput](h, who, open, "ValidationException", noContext)
	}
	blob, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), []byte("from outside"), nil)
	if err != nil {
		t.Fatal(err)
	}
	in := &api.DecryptInput{KeyId: k.KeyId, CiphertextBlob: blob, EncryptionAlgorithm: "RSAES_OAEP_SHA_256"}
	if got := must[api.DecryptOutput](h, who, in); string(got.Plaintext) != "from outside" {
		t.Errorf("%+v", got)
	}
	in.EncryptionAlgorithm = "RSAES_OAEP_SHA_1"
	fails[api.DecryptOutput](h, who, in, "InvalidCiphertextException", "")
	in.EncryptionAlgorithm = ""
	fails[api.DecryptOutput](h, who, in, "InvalidKeyUsageException", "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.")
	in.KeyId = nil
	fails[api.DecryptOutput](h, who, in, "InvalidCiphertextException", "")
	in.EncryptionAlgorithm = "RSAES_OAEP_SHA_256"
	fails[api.DecryptOutput](h, who, in, "ValidationException", "KeyId is required when the ciphertext was encrypted under an asymmetric KMS key.")
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}, "InvalidKeyUsageException", "")
	fails[api.GenerateDataKeyOutput](h, who, &api.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: "AES_256"}, "InvalidKeyUsageException", "")
}

// TestIgnoreCiphertext says that a dry run can ask for permissions with no ciphertext at all.
func TestIgnoreCiphertext(t *testing.T) {
	h := open(t)
	k, who, yes, ignore := h.newKey(), admin(t), wire.Ptr(true), []api.DryRunModifierType{"IGNORE_CIPHERTEXT"}
	for _, blob := range [][]byte{nil, []byte("rubbish"), h.encrypt(who, k.KeyId, nil)} {
		fails[api.DecryptOutput](h, who, &api.DecryptInput{KeyId: k.KeyId, CiphertextBlob: blob, DryRun: yes, DryRunModifiers: ignore}, "DryRunOperationException", "")
		fails[api.ReEncryptOutput](h, who, &api.ReEncryptInput{SourceKeyId: k.KeyId, DestinationKeyId: k.KeyId, CiphertextBlob: blob, DryRun: yes, DryRunModifiers: ignore}, "DryRunOperationException", "")
	}
	fails[api.DecryptOutput](h, user(t, account, "nobody"), &api.DecryptInput{KeyId: k.KeyId, DryRun: yes, DryRunModifiers: ignore}, "AccessDeniedException", "")
	fails[api.DecryptOutput](h, who, &api.DecryptInput{DryRun: yes, DryRunModifiers: ignore}, "ValidationException", "")
	for _, in := range []*api.DecryptInput{{KeyId: k.KeyId, DryRunModifiers: ignore}, {KeyId: k.KeyId, DryRun: yes}, {KeyId: k.KeyId}} {
		fails[api.DecryptOutput](h, who, in, "ValidationException", "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null")
	}
	must[api.DisableKeyOutput](h, who, &api.DisableKeyInput{KeyId: k.KeyId})
	fails[api.DecryptOutput](h, who, &api.DecryptInput{KeyId: k.KeyId, DryRun: yes, DryRunModifiers: ignore}, "DisabledException", "")
}

func TestDataKeyPair(t *testing.T) {
	h := open(t)
	who, k, ctx := admin(t), h.newKey(), pairs{"a": "b"}
	for _, spec := range []api.DataKeyPairSpec{"RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"} {
		out := must[api.GenerateDataKeyPairOutput](h, who, &api.GenerateDataKeyPairInput{KeyId: k.KeyId, KeyPairSpec: spec, EncryptionContext: ctx})
		got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: out.PrivateKeyCiphertextBlob, EncryptionContext: ctx})
		if !bytes.Equal(got.Plaintext, out.PrivateKeyPlaintext) || *out.KeyId != *k.Arn || out.KeyPairSpec != spec || out.KeyMaterialId == nil {
			t.Errorf("%s: %+v", spec, out)
		}
		m, err := key.Import(key.Spec(spec), got.Plaintext)
		if err != nil {
			t.Fatal(spec, err)
		}
		if public, err := m.PublicKey(); err != nil || !bytes.Equal(public, out.PublicKey) {
			t.Errorf("%s: %x, %v", spec, public, err)
		}
		fails[api.GenerateDataKeyPairOutput](h, who, &api.GenerateDataKeyPairInput{KeyId: k.KeyId, KeyPairSpec: spec, DryRun: wire.Ptr(true)}, "DryRunOperationException", "")
	}
	without := must[api.GenerateDataKeyPairWithoutPlaintextOutput](h, who, &api.GenerateDataKeyPairWithoutPlaintextInput{KeyId: k.KeyId, KeyPairSpec: "ECC_NIST_P256"})
	got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: without.PrivateKeyCiphertextBlob})
	if _, err := x509.ParsePKCS8PrivateKey(got.Plaintext); err != nil || len(without.PublicKey) == 0 {
		t.Errorf("%+v, %v", without, err)
	}
	rsaKey := h.newKeyOf("RSA_2048", "ENCRYPT_DECRYPT")
	fails[api.GenerateDataKeyPairOutput](h, who, &api.GenerateDataKeyPairInput{KeyId: rsaKey.KeyId, KeyPairSpec: "ECC_NIST_P256"}, "InvalidKeyUsageException", "")
	fails[api.GenerateDataKeyPairOutput](h, who, &api.GenerateDataKeyPairInput{KeyId: k.KeyId, KeyPairSpec: "SM2"}, "ValidationException",
		"1 validation error detected: Value 'SM2' at 'keyPairSpec' failed to satisfy constraint: Member must satisfy enum value set: [RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, ECC_NIST_EDWARDS25519, ML_KEM_512, ML_KEM_768, ML_KEM_1024]")
}

// TestTypesSurvive opens keys of every quick type again after a restart, and after their domain key
// was rotated.
func TestTypesSurvive(t *testing.T) {
	h := open(t)
	who := admin(t)
	signatures := map[*api.KeyMetadata][]byte{}
	for _, spec := range []api.KeySpec{"ECC_NIST_P256", "ECC_SECG_P256K1", "ML_DSA_44"} {
		k := h.newKeyOf(spec, "SIGN_VERIFY")
		signatures[k] = must[api.SignOutput](h, who, &api.SignInput{KeyId: k.KeyId, Message: []byte("m"), SigningAlgorithm: k.SigningAlgorithms[0]}).Signature
	}
	mac := h.newKeyOf("HMAC_512", "GENERATE_VERIFY_MAC")
	tag := must[api.GenerateMacOutput](h, who, &api.GenerateMacInput{KeyId: mac.KeyId, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_512"}).Mac
	if err := h.runDomain(t.Context(), job.Job{Kind: domainJob, ID: region}); err != nil {
		t.Fatal(err)
	}
	dir := h.dir
	h.shut()
	h = openIn(t, dir)
	for k, signature := range signatures {
		must[api.VerifyOutput](h, who, &api.VerifyInput{KeyId: k.KeyId, Message: []byte("m"), SigningAlgorithm: k.SigningAlgorithms[0], Signature: signature})
	}
	must[api.VerifyMacOutput](h, who, &api.VerifyMacInput{KeyId: mac.KeyId, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_512", Mac: tag})
}

// TestConditionsOfUse has the condition keys of the operations on key pairs and MAC keys.
func TestConditionsOfUse(t *testing.T) {
	h := open(t)
	ed, mac, agree, kem, symmetric := h.newKeyOf("ECC_NIST_EDWARDS25519", "SIGN_VERIFY"), h.newKeyOf("HMAC_256", "GENERATE_VERIFY_MAC"),
		h.newKeyOf("ECC_NIST_P256", "KEY_AGREEMENT"), h.newKeyOf("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"), h.newKey()
	peer := must[api.GetPublicKeyOutput](h, admin(t), &api.GetPublicKeyInput{KeyId: agree.KeyId}).PublicKey
	digest := make([]byte, 64)
	for _, c := range []struct {
		condition string
		yes, no   any
	}{
		{`"kms:SigningAlgorithm":"ED25519_SHA_512"`, &api.SignInput{KeyId: ed.KeyId, Message: []byte("m"), SigningAlgorithm: "ED25519_SHA_512"},
			&api.SignInput{KeyId: ed.KeyId, Message: digest, MessageType: "DIGEST", SigningAlgorithm: "ED25519_PH_SHA_512"}},
		{`"kms:MessageType":"RAW"`, &api.SignInput{KeyId: ed.KeyId, Message: []byte("m"), SigningAlgorithm: "ED25519_SHA_512"},
			&api.SignInput{KeyId: ed.KeyId, Message: digest, MessageType: "DIGEST", SigningAlgorithm: "ED25519_PH_SHA_512"}},
		{`"kms:MessageType":"DIGEST"`, nil, &api.VerifyInput{KeyId: ed.KeyId, Message: []byte("m"), Signature: []byte("x"), SigningAlgorithm: "ED25519_SHA_512"}},
		{`"kms:MacAlgorithm":"HMAC_SHA_256"`, &api.GenerateMacInput{KeyId: mac.KeyId, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"},
			&api.GenerateMacInput{KeyId: mac.KeyId, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_512"}},
		{`"kms:MacAlgorithm":"HMAC_SHA_512"`, nil, &api.VerifyMacInput{KeyId: mac.KeyId, Message: []byte("m"), Mac: []byte("x"), MacAlgorithm: "HMAC_SHA_256"}},
		{`"kms:KeyAgreementAlgorithm":"ECDH"`, &api.DeriveSharedSecretInput{KeyId: agree.KeyId, PublicKey: peer, KeyAgreementAlgorithm: "ECDH"}, &api.GetPublicKeyInput{KeyId: agree.KeyId}},
		{`"kms:EncapsulationAlgorithm":"ML_KEM"`, &api.EncapsulateInput{KeyId: kem.KeyId, EncapsulationAlgorithm: "ML_KEM"}, &api.GetPublicKeyInput{KeyId: kem.KeyId}},
		{`"kms:DataKeyPairSpec":"ECC_NIST_P256","kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT","kms:EncryptionContext:a":"b"`,
			&api.GenerateDataKeyPairInput{KeyId: symmetric.KeyId, KeyPairSpec: "ECC_NIST_P256", EncryptionContext: pairs{"a": "b"}},
			&api.GenerateDataKeyPairInput{KeyId: symmetric.KeyId, KeyPairSpec: "RSA_2048", EncryptionContext: pairs{"a": "b"}}},
		{`"kms:DataKeyPairSpec":"ECC_NIST_P256"`, &api.GenerateDataKeyPairWithoutPlaintextInput{KeyId: symmetric.KeyId, KeyPairSpec: "ECC_NIST_P256"},
			&api.GenerateDataKeyPairWithoutPlaintextInput{KeyId: symmetric.KeyId, KeyPairSpec: "RSA_2048"}},
		{`"kms:KeySpec":"HMAC_256","kms:KeyUsage":"GENERATE_VERIFY_MAC"`, &api.DescribeKeyInput{KeyId: mac.KeyId}, &api.DescribeKeyInput{KeyId: ed.KeyId}},
	} {
		who := user(t, account, "c", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{`+c.condition+`}}}}`)
		for _, in := range []any{c.yes, c.no} {
			if in == nil {
				continue
			}
			err := h.do(who, inputName(in), in).Err
			if want := in == c.yes; want && err != nil || !want && !wire.IsCode(err, "AccessDeniedException") {
				t.Errorf("%s: %+v: %v", c.condition, in, err)
			}
		}
	}
}

// TestGrantsOfEveryKind says which operations a grant of each kind of key may list, and that they then work.
func TestGrantsOfEveryKind(t *testing.T) {
	h := open(t)
	app := user(t, account, "app")
	for _, c := range []struct {
		spec    api.KeySpec
		usage   api.KeyUsageType
		allowed string
	}{
		{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "Decrypt Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext"},
		{"RSA_2048", "ENCRYPT_DECRYPT", "Decrypt Encrypt ReEncryptFrom ReEncryptTo GetPublicKey"},
		{"ECC_NIST_P256", "SIGN_VERIFY", "Sign Verify GetPublicKey"},
		{"ECC_NIST_P256", "KEY_AGREEMENT", "DeriveSharedSecret GetPublicKey"},
		{"HMAC_256", "GENERATE_VERIFY_MAC", "GenerateMac VerifyMac"},
		{"ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "Encapsulate Decapsulate GetPublicKey"},
	} {
		k := h.newKeyOf(c.spec, c.usage)
		var all []api.GrantOperation
		for _, op := range grantOperations() {
			in := &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: &app.ARN, Operations: []api.GrantOperation{op}}
			if slices.Contains(strings.Fields(c.allowed+" CreateGrant RetireGrant DescribeKey"), string(op)) {
				all = append(all, op)
				in.DryRun = wire.Ptr(true)
				fails[api.CreateGrantOutput](h, admin(t), in, "DryRunOperationException", "")
				continue
			}
			fails[api.CreateGrantOutput](h, admin(t), in, "ValidationException",
				"Grant operation "+string(op)+" is not valid for a KMS key with KeySpec "+string(c.spec)+" and KeyUsage "+string(c.usage)+".")
		}
		in := &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: &app.ARN, Operations: all}
		in.Constraints = &api.GrantConstraints{EncryptionContextSubset: pairs{"a": "b"}}
		if c.spec != "SYMMETRIC_DEFAULT" {
			fails[api.CreateGrantOutput](h, admin(t), in, "ValidationException", "")
		}
		in.Constraints = nil
		must[api.CreateGrantOutput](h, admin(t), in)
		switch c.usage {
		case "SIGN_VERIFY":
			must[api.SignOutput](h, app, &api.SignInput{KeyId: k.KeyId, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})
			must[api.GetPublicKeyOutput](h, app, &api.GetPublicKeyInput{KeyId: k.KeyId})
		case "GENERATE_VERIFY_MAC":
			must[api.GenerateMacOutput](h, app, &api.GenerateMacInput{KeyId: k.KeyId, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"})
		case "ENCAPSULATE_DECAPSULATE":
			must[api.EncapsulateOutput](h, app, &api.EncapsulateInput{KeyId: k.KeyId, EncapsulationAlgorithm: "ML_KEM"})
		}
		fails[api.DisableKeyOutput](h, app, &api.DisableKeyInput{KeyId: k.KeyId}, "AccessDeniedException", "")
	}
}

func grantOperations() (ops []api.GrantOperation) {
	in := api.API.Operation("CreateGrant").Input
	i := slices.IndexFunc(in.Members, func(m *wire.Member) bool { return m.Name == "Operations" })
	for _, op := range in.Members[i].Shape.Elem.Shape.Enum {
		ops = append(ops, api.GrantOperation(op))
	}
	return ops
}
