package kms

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/wire"
)

func TestImport(t *testing.T) {
	h := open(t)
	who := admin(t)
	k := h.external(who)
	if k.KeyState != "PendingImport" || k.Origin != "EXTERNAL" || *k.Enabled || k.CurrentKeyMaterialId != nil || k.ExpirationModel != "" || k.ValidTo != nil {
		t.Errorf("%+v", k)
	}
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}, "KMSInvalidStateException", *k.Arn+" is pending import.")
	p := h.parameters(who, k.KeyId, "RSAES_OAEP_SHA_1")
	if left := time.Until(*p.ParametersValidTo); *p.KeyId != *k.Arn || left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("%s for %s", *p.KeyId, left)
	}
	out := must[api.ImportKeyMaterialOutput](h, who, p.imports(t, some(1)))
	got := must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: k.KeyId}).KeyMetadata
	if *out.KeyId != *k.Arn || got.KeyState != "Enabled" || *got.CurrentKeyMaterialId != *out.KeyMaterialId || got.ExpirationModel != "KEY_MATERIAL_DOES_NOT_EXPIRE" || got.ValidTo != nil {
		t.Errorf("%+v, %+v", out, got)
	}
	blob := h.encrypt(who, k.KeyId, pairs{"a": "b"})
	dec := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs{"a": "b"}})
	if string(dec.Plaintext) != "hello" || *dec.KeyMaterialId != *out.KeyMaterialId {
		t.Errorf("%+v", dec)
	}

	// The material that encrypts is the one that was imported.
	c, err := key.Parse(blob)
	if err != nil {
		t.Fatal(err)
	}
	same, err := key.ImportAs(c.ID, key.Symmetric, some(1))
	if err != nil {
		t.Fatal(err)
	}
	bound, err := canonical(nil, pairs{"a": "b"})
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := same.Decrypt(c, bound); err != nil || string(plain) != "hello" {
		t.Errorf("%q, %v", plain, err)
	}

	// A token may be used again while it is valid, as after an answer that was lost.
	if again := must[api.ImportKeyMaterialOutput](h, who, p.imports(t, some(1))); *again.KeyMaterialId != *out.KeyMaterialId {
		t.Error("the same material has another id")
	}
	h.shut()
	h = openIn(t, h.dir)
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs{"a": "b"}})
	must[api.ImportKeyMaterialOutput](h, who, p.imports(t, some(1)))
}

// TestImportRefuses is what must not become a key's material, and with which error.
func TestImportRefuses(t *testing.T) {
	h := open(t)
	who := admin(t)
	k, other := h.external(who), h.external(who)
	p := h.parameters(who, k.KeyId, "RSAES_OAEP_SHA_256")
	otherP := h.parameters(who, other.KeyId, "RSAES_OAEP_SHA_256")
	later := func(d time.Duration) *time.Time { return wire.Ptr(time.Now().Add(d)) }
	for name, c := range map[string]struct {
		code   string
		change func(in *api.ImportKeyMaterialInput)
	}{
		"no token":           {"InvalidImportTokenException", func(in *api.ImportKeyMaterialInput) { in.ImportToken = []byte("x") }},
		"token of another":   {"InvalidImportTokenException", func(in *api.ImportKeyMaterialInput) { in.ImportToken = otherP.ImportToken }},
		"wrapped for other":  {"InvalidCiphertextException", func(in *api.ImportKeyMaterialInput) { in.EncryptedKeyMaterial = otherP.wrap(t, some(1)) }},
		"cut":                {"InvalidCiphertextException", func(in *api.ImportKeyMaterialInput) { in.EncryptedKeyMaterial = in.EncryptedKeyMaterial[1:] }},
		"garbled":            {"InvalidCiphertextException", func(in *api.ImportKeyMaterialInput) { in.EncryptedKeyMaterial[9] ^= 1 }},
		"not wrapped":        {"InvalidCiphertextException", func(in *api.ImportKeyMaterialInput) { in.EncryptedKeyMaterial = some(1) }},
		"31 bytes":           {"IncorrectKeyMaterialException", func(in *api.ImportKeyMaterialInput) { in.EncryptedKeyMaterial = p.wrap(t, some(1)[1:]) }},
		"no bytes":           {"IncorrectKeyMaterialException", func(in *api.ImportKeyMaterialInput) { in.EncryptedKeyMaterial = p.wrap(t, nil) }},
		"expires, no date":   {"ValidationException", func(in *api.ImportKeyMaterialInput) { in.ExpirationModel = "KEY_MATERIAL_EXPIRES" }},
		"default, no date":   {"ValidationException", func(in *api.ImportKeyMaterialInput) { in.ExpirationModel = "" }},
		"never, with a date": {"ValidationException", func(in *api.ImportKeyMaterialInput) { in.ValidTo = later(time.Hour) }},
		"in the past": {"ValidationException", func(in *api.ImportKeyMaterialInput) {
			in.ExpirationModel, in.ValidTo = "KEY_MATERIAL_EXPIRES", later(-time.Hour)
		}},
		"in too long":       {"ValidationException", func(in *api.ImportKeyMaterialInput) { in.ExpirationModel, in.ValidTo = "", later(366*24*time.Hour) }},
		"existing, is none": {"IncorrectKeyMaterialException", asExisting},
		"new, with an id":   {"ValidationException", func(in *api.ImportKeyMaterialInput) { asNew(in); in.KeyMaterialId = wire.Ptr(strings.Repeat("a", 64)) }},
		"other id":          {"IncorrectKeyMaterialException", func(in *api.ImportKeyMaterialInput) { in.KeyMaterialId = wire.Ptr(strings.Repeat("a", 64)) }},
		"unknown model":     {"ValidationException", func(in *api.ImportKeyMaterialInput) { in.ExpirationModel = "SOMETIMES" }},
		"a key of our own":  {"UnsupportedOperationException", func(in *api.ImportKeyMaterialInput) { in.KeyId = h.newKey().KeyId }},
		"a key not there":   {"NotFoundException", func(in *api.ImportKeyMaterialInput) { in.KeyId = wire.Ptr(newKeyID()) }},
		"an alias":          {"NotFoundException", func(in *api.ImportKeyMaterialInput) { in.KeyId = wire.Ptr("alias/x") }},
	} {
		in := p.imports(t, some(1))
		c.change(in)
		if err := h.do(who, "ImportKeyMaterial", in).Err; !wire.IsCode(err, c.code) {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
	}
	if got := h.state(who, k.KeyId); got != "PendingImport" {
		t.Errorf("refusals left the key %s", got)
	}
	for a, code := range map[api.AlgorithmSpec]string{"RSAES_PKCS1_V1_5": "UnsupportedOperationException", "SM2PKE": "UnsupportedOperationException", "ROT13": "ValidationException"} {
		fails[api.GetParametersForImportOutput](h, who, &api.GetParametersForImportInput{KeyId: k.KeyId, WrappingAlgorithm: a, WrappingKeySpec: "RSA_2048"}, code, "")
	}
	own := h.newKey()
	fails[api.GetParametersForImportOutput](h, who, &api.GetParametersForImportInput{KeyId: own.KeyId, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048"},
		"UnsupportedOperationException", *own.Arn+" origin is AWS_KMS which is not valid for this operation.")
}

// TestReimport says that a key takes back the material that it had, and no other.
func TestReimport(t *testing.T) {
	h := open(t)
	who := admin(t)
	k := h.external(who)
	id := h.mustImport(who, k.KeyId, some(1), nil)
	blob := h.encrypt(who, k.KeyId, nil)
	h.failImport(who, k.KeyId, some(2), nil, "IncorrectKeyMaterialException")
	h.failImport(who, k.KeyId, some(1), asNew, "IncorrectKeyMaterialException")
	out := must[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId})
	if *out.KeyId != *k.Arn || *out.KeyMaterialId != id || h.state(who, k.KeyId) != "PendingImport" {
		t.Errorf("%+v", out)
	}
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", *k.Arn+" is pending import.")
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, KeyId: h.newKey().KeyId}, "IncorrectKeyException", "")
	must[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId}) // no effect
	h.failImport(who, k.KeyId, some(2), nil, "IncorrectKeyMaterialException")
	if got := h.states(who, k.KeyId); !slices.Equal(got, []string{"CURRENT missing"}) {
		t.Errorf("%q", got)
	}
	if again := h.mustImport(who, k.KeyId, some(1), func(in *api.ImportKeyMaterialInput) { in.KeyMaterialId = &id }); again != id {
		t.Errorf("id %s, was %s", again, id)
	}
	if got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}); string(got.Plaintext) != "hello" {
		t.Errorf("%+v", got)
	}
	// The same material in another key has another id, and opens nothing of the first.
	other := h.external(who)
	if h.mustImport(who, other.KeyId, some(1), nil) == id {
		t.Error("two keys have material with one id")
	}
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, KeyId: other.KeyId}, "IncorrectKeyException", "")
	fails[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: other.KeyId, KeyMaterialId: &id}, "NotFoundException", "")
}

// TestSeveralMaterials follows a symmetric key through rotations of imported material.
func TestSeveralMaterials(t *testing.T) {
	h := open(t)
	who := admin(t)
	k := h.external(who)
	first := h.mustImport(who, k.KeyId, some(1), func(in *api.ImportKeyMaterialInput) { in.KeyMaterialDescription = wire.Ptr("the first") })
	fails[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId}, "KMSInvalidStateException", "")
	blobs := [][]byte{h.encrypt(who, k.KeyId, nil)}

	dropped := h.mustImport(who, k.KeyId, some(9), asNew)
	h.failImport(who, k.KeyId, some(8), asNew, "KMSInvalidStateException")
	must[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId, KeyMaterialId: &dropped})
	if got := h.states(who, k.KeyId); !slices.Equal(got, []string{"CURRENT"}) || h.state(who, k.KeyId) != "Enabled" {
		t.Errorf("%q, %s", got, h.state(who, k.KeyId))
	}
	h.failImport(who, k.KeyId, some(9), asExisting, "IncorrectKeyMaterialException")

	second := h.mustImport(who, k.KeyId, some(2), asNew)
	if got := h.states(who, k.KeyId); !slices.Equal(got, []string{"CURRENT", "PENDING_ROTATION"}) {
		t.Errorf("%q", got)
	}
	if c, _ := key.Parse(h.encrypt(who, k.KeyId, nil)); c.ID.String() != first {
		t.Error("material is used before its rotation")
	}
	must[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId})
	blobs = append(blobs, h.encrypt(who, k.KeyId, nil))
	if c, _ := key.Parse(blobs[1]); c.ID.String() != second {
		t.Error("material is not used after its rotation")
	}
	all := h.rotations(who, k.KeyId, "ALL_KEY_MATERIAL")
	if len(all) != 2 || *all[0].KeyMaterialDescription != "the first" || all[0].RotationDate != nil || all[1].KeyMaterialDescription != nil ||
		all[1].RotationType != "ON_DEMAND" || all[1].RotationDate == nil || all[0].ImportState != "IMPORTED" || all[0].ExpirationModel != "KEY_MATERIAL_DOES_NOT_EXPIRE" {
		t.Errorf("%+v", all)
	}

	// Without any one of its materials the key is of no use.
	must[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId, KeyMaterialId: &first})
	if got := h.states(who, k.KeyId); !slices.Equal(got, []string{"NON_CURRENT missing", "CURRENT"}) || h.state(who, k.KeyId) != "PendingImport" {
		t.Errorf("%q, %s", got, h.state(who, k.KeyId))
	}
	for _, b := range blobs {
		fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: b}, "KMSInvalidStateException", *k.Arn+" is pending import.")
	}
	must[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId})
	h.mustImport(who, k.KeyId, some(1), nil)
	if got := h.state(who, k.KeyId); got != "PendingImport" {
		t.Errorf("with one of two materials the key is %s", got)
	}
	h.mustImport(who, k.KeyId, some(2), asExisting)
	for i, b := range blobs {
		got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: b})
		if *got.KeyMaterialId != []string{first, second}[i] {
			t.Errorf("blob %d opened by %s", i, *got.KeyMaterialId)
		}
	}
	if all := h.rotations(who, k.KeyId, "ALL_KEY_MATERIAL"); *all[0].KeyMaterialDescription != "the first" {
		t.Error("the description is lost")
	}
}

// TestImportStates says what becomes of a key's state when its material goes and comes.
func TestImportStates(t *testing.T) {
	h := open(t)
	who := admin(t)
	k := h.external(who)
	h.mustImport(who, k.KeyId, some(1), nil)
	must[api.DisableKeyOutput](h, who, &api.DisableKeyInput{KeyId: k.KeyId})
	h.mustImport(who, k.KeyId, some(1), nil)
	if got := h.state(who, k.KeyId); got != "Disabled" {
		t.Errorf("importing again made a disabled key %s", got)
	}
	must[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId})
	fails[api.EnableKeyOutput](h, who, &api.EnableKeyInput{KeyId: k.KeyId}, "KMSInvalidStateException", *k.Arn+" is pending import.")
	h.mustImport(who, k.KeyId, some(1), nil)
	if got := h.state(who, k.KeyId); got != "Enabled" {
		t.Errorf("complete again, the key is %s", got)
	}
	p := h.parameters(who, k.KeyId, "RSAES_OAEP_SHA_256")
	must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
	if err := h.do(who, "ImportKeyMaterial", p.imports(t, some(1))).Err; !wire.IsCode(err, "KMSInvalidStateException") {
		t.Errorf("pending deletion: %v", err)
	}
	must[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId})
	if got := h.state(who, k.KeyId); got != "PendingDeletion" {
		t.Errorf("without material, a key pending deletion is %s", got)
	}
	must[api.CancelKeyDeletionOutput](h, who, &api.CancelKeyDeletionInput{KeyId: k.KeyId})
	if got := h.state(who, k.KeyId); got != "PendingImport" {
		t.Errorf("deletion called off, without material: %s", got)
	}
	fresh := h.external(who)
	must[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: fresh.KeyId})
	must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: fresh.KeyId})
}

// TestImportOtherSpecs imports material of other specs, as openssl makes and wraps it.
func TestImportOtherSpecs(t *testing.T) {
	h := open(t)
	who := admin(t)
	der := func(pemText []byte) []byte {
		block, _ := pem.Decode(pemText)
		if block == nil {
			t.Fatal("no PEM")
		}
		return block.Bytes
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384DER, err := x509.MarshalPKCS8PrivateKey(p384)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spec  api.KeySpec
		usage api.KeyUsageType
		raw   []byte
		other []byte
		a     api.AlgorithmSpec
	}{
		{"HMAC_256", "GENERATE_VERIFY_MAC", some(5), some(6), "RSAES_OAEP_SHA_256"},
		{"ECC_NIST_P256", "SIGN_VERIFY", der(openssl(t, nil, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")), p384DER, "RSAES_OAEP_SHA_256"},
		{"RSA_2048", "SIGN_VERIFY", der(openssl(t, nil, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")), p384DER, "RSA_AES_KEY_WRAP_SHA_256"},
	} {
		k := h.externalOf(who, c.spec, c.usage)
		p := h.parameters(who, k.KeyId, c.a)
		in := p.imports(t, some(1))
		in.EncryptedKeyMaterial = p.wrapWithOpenSSL(t, c.other)
		if c.spec != "HMAC_256" { // any 32 bytes are an HMAC key
			fails[api.ImportKeyMaterialOutput](h, who, in, "IncorrectKeyMaterialException", "")
		}
		in.EncryptedKeyMaterial = p.wrapWithOpenSSL(t, c.raw)
		if out := must[api.ImportKeyMaterialOutput](h, who, in); out.KeyMaterialId != nil {
			t.Errorf("%s: %+v", c.spec, out)
		}
		got := must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: k.KeyId}).KeyMetadata
		if got.KeyState != "Enabled" || got.CurrentKeyMaterialId != nil || got.ExpirationModel != "KEY_MATERIAL_DOES_NOT_EXPIRE" {
			t.Errorf("%s: %+v", c.spec, got)
		}
		in.EncryptedKeyMaterial = p.wrapWithOpenSSL(t, c.other)
		fails[api.ImportKeyMaterialOutput](h, who, in, "IncorrectKeyMaterialException", "")
		in.ImportType = "NEW_KEY_MATERIAL"
		fails[api.ImportKeyMaterialOutput](h, who, in, "ValidationException", "")
		must[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId})
		in.ImportType, in.EncryptedKeyMaterial = "", p.wrapWithOpenSSL(t, c.raw)
		must[api.ImportKeyMaterialOutput](h, who, in)
	}
	rsaKey := h.externalOf(who, "RSA_2048", "SIGN_VERIFY")
	fails[api.GetParametersForImportOutput](h, who, &api.GetParametersForImportInput{KeyId: rsaKey.KeyId, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_4096"}, "UnsupportedOperationException", "")
	p521 := h.externalOf(who, "ECC_NIST_P521", "SIGN_VERIFY")
	fails[api.GetParametersForImportOutput](h, who, &api.GetParametersForImportInput{KeyId: p521.KeyId, WrappingAlgorithm: "RSAES_OAEP_SHA_1", WrappingKeySpec: "RSA_2048"}, "UnsupportedOperationException", "")
}

// FuzzImport says that nothing from outside becomes material, and that every refusal is one of AWS's.
func FuzzImport(f *testing.F) {
	h := open(f)
	who := admin(f)
	k := h.external(who)
	p := h.parameters(who, k.KeyId, "RSAES_OAEP_SHA_256")
	f.Add(p.ImportToken, p.wrap(f, some(1)[1:]))
	f.Add([]byte("token"), []byte("material"))
	f.Fuzz(func(t *testing.T, token, blob []byte) {
		if len(token) == 0 || len(blob) == 0 || len(token) > 6144 || len(blob) > 6144 {
			return
		}
		err := h.do(who, "ImportKeyMaterial", &api.ImportKeyMaterialInput{
			KeyId: k.KeyId, ImportToken: token, EncryptedKeyMaterial: blob, ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE",
		}).Err
		if !wire.IsCode(err, "InvalidImportTokenException") && !wire.IsCode(err, "InvalidCiphertextException") && !wire.IsCode(err, "IncorrectKeyMaterialException") {
			t.Fatal(err)
		}
	})
}
