package kms

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"hash"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/wire"
)

// some returns 32 bytes that are the same for the same number.
func some(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

// external makes a key whose material is imported, of SYMMETRIC_DEFAULT.
func (h *testHouse) external(who *person) *api.KeyMetadata {
	h.Helper()
	return must[api.CreateKeyOutput](h, who, &api.CreateKeyInput{Origin: "EXTERNAL"}).KeyMetadata
}

// externalOf makes a key whose material is imported, of any spec.
func (h *testHouse) externalOf(who *person, spec api.KeySpec, usage api.KeyUsageType) *api.KeyMetadata {
	h.Helper()
	k := h.external(who)
	h.edit(homeOfKey(k), func(r *record) { r.Spec, r.Usage = spec, usage })
	return k
}

// parameters are one answer of GetParametersForImport, to wrap with.
type parameters struct {
	*api.GetParametersForImportOutput
	algorithm api.AlgorithmSpec
}

func (h *testHouse) parameters(who *person, id *string, a api.AlgorithmSpec) parameters {
	h.Helper()
	out := must[api.GetParametersForImportOutput](h, who, &api.GetParametersForImportInput{KeyId: id, WrappingAlgorithm: a, WrappingKeySpec: "RSA_2048"})
	return parameters{out, a}
}

// wrap encrypts material as a client does, by OAEP.
func (p parameters) wrap(t testing.TB, raw []byte) []byte {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(p.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var sum hash.Hash = sha256.New()
	if p.algorithm == "RSAES_OAEP_SHA_1" {
		sum = sha1.New()
	}
	blob, err := rsa.EncryptOAEP(sum, rand.Reader, public.(*rsa.PublicKey), raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// imports returns the input that imports raw with p.
func (p parameters) imports(t testing.TB, raw []byte) *api.ImportKeyMaterialInput {
	return &api.ImportKeyMaterialInput{
		KeyId: p.KeyId, ImportToken: p.ImportToken, EncryptedKeyMaterial: p.wrap(t, raw), ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE",
	}
}

// importInto imports material into a key of who's region.
func (h *testHouse) importInto(who *person, id *string, raw []byte, change func(in *api.ImportKeyMaterialInput)) (*api.ImportKeyMaterialOutput, error) {
	h.Helper()
	name := who.region + " " + *id
	p, ok := h.wrapping[name] // a wrapping key takes long to make
	if !ok {
		p = h.parameters(who, id, "RSAES_OAEP_SHA_256")
		if h.wrapping == nil {
			h.wrapping = map[string]parameters{}
		}
		h.wrapping[name] = p
	}
	in := p.imports(h, raw)
	if change != nil {
		change(in)
	}
	return run[api.ImportKeyMaterialOutput](h, who, in)
}

func asNew(in *api.ImportKeyMaterialInput)      { in.ImportType = "NEW_KEY_MATERIAL" }
func asExisting(in *api.ImportKeyMaterialInput) { in.ImportType = "EXISTING_KEY_MATERIAL" }

func (h *testHouse) mustImport(who *person, id *string, raw []byte, change func(in *api.ImportKeyMaterialInput)) string {
	h.Helper()
	out, err := h.importInto(who, id, raw, change)
	if err != nil {
		h.Fatal(err)
	}
	return wire.Val(out.KeyMaterialId)
}

func (h *testHouse) failImport(who *person, id *string, raw []byte, change func(in *api.ImportKeyMaterialInput), code string) {
	h.Helper()
	if _, err := h.importInto(who, id, raw, change); !wire.IsCode(err, code) {
		h.Errorf("import: got %v, want %s", err, code)
	}
}

func (h *testHouse) state(who *person, id *string) string {
	h.Helper()
	return string(must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: id}).KeyMetadata.KeyState)
}
