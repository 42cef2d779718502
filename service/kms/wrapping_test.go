package kms

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/test/outside"
	"github.com/strongroom/strongroom/wire"
)

// TestWrappingKeys says that a wrapping key is kept sealed, and is destroyed after its day or with its key.
func TestWrappingKeys(t *testing.T) {
	h := open(t)
	who := admin(t)
	k := h.external(who)
	kept := func() (ids []string) {
		for name := range h.everything() {
			if strings.HasPrefix(name, paramsTag+sep) {
				ids = append(ids, name[strings.LastIndex(name, sep)+1:])
			}
		}
		return ids
	}
	p := h.parameters(who, k.KeyId, "RSAES_OAEP_SHA_256")
	ids := kept()
	if len(ids) != 1 {
		t.Fatalf("kept %q", ids)
	}
	for _, v := range h.everything() {
		if _, err := x509.ParsePKCS8PrivateKey(v); err == nil {
			t.Error("a private key in the clear")
		}
	}
	name := jobID(homeOfKey(k)) + "/" + ids[0]
	if j, found := h.job(paramsJob, name); !found || !j.Due.Equal(*p.ParametersValidTo) {
		t.Errorf("job at %v, told %v", j.Due, p.ParametersValidTo)
	}
	if err := h.runJob(paramsJob, name); err != nil {
		t.Fatal(err)
	}
	if left := kept(); len(left) != 0 {
		t.Errorf("left %q", left)
	}
	if err := h.do(who, "ImportKeyMaterial", p.imports(t, some(1))).Err; !wire.IsCode(err, "InvalidImportTokenException") {
		t.Errorf("with a wrapping key that is gone: %v", err)
	}

	h.parameters(who, k.KeyId, "RSAES_OAEP_SHA_256")
	must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
	if err := h.due(deletionJob, homeOfKey(k), func(r *record) { r.Deletion = now().Add(-time.Hour) }); err != nil {
		t.Fatal(err)
	}
	if left := kept(); len(left) != 0 {
		t.Errorf("left after the key: %q", left)
	}
}

// openssl runs the command with input, or skips the test where there is none.
func openssl(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		outside.Missing(t, "openssl is not installed")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, stderr.String())
	}
	return out
}

// wrapWithOpenSSL wraps material as the KMS developer guide says.
func (p parameters) wrapWithOpenSSL(t *testing.T, raw []byte) []byte {
	t.Helper()
	public := filepath.Join(t.TempDir(), "public.der")
	if err := os.WriteFile(public, p.PublicKey, 0o600); err != nil {
		t.Fatal(err)
	}
	digest := strings.ToLower(strings.ReplaceAll(string(p.algorithm[strings.LastIndex(string(p.algorithm), "SHA"):]), "_", ""))
	seal := func(in []byte) []byte {
		return openssl(t, in, "pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", public,
			"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:"+digest, "-pkeyopt", "rsa_mgf1_md:"+digest)
	}
	if !strings.HasPrefix(string(p.algorithm), "RSA_AES") {
		return seal(raw)
	}
	kek := make([]byte, 32)
	rand.Read(kek)
	wrapped := openssl(t, raw, "enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", hex.EncodeToString(kek))
	return append(seal(kek), wrapped...)
}

func TestImportFromOpenSSL(t *testing.T) {
	h := open(t)
	who := admin(t)
	k := h.external(who)
	for _, a := range []api.AlgorithmSpec{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"} {
		p := h.parameters(who, k.KeyId, a)
		in := p.imports(t, some(1))
		in.EncryptedKeyMaterial = p.wrapWithOpenSSL(t, some(1))
		if _, err := run[api.ImportKeyMaterialOutput](h, who, in); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		in.EncryptedKeyMaterial[len(in.EncryptedKeyMaterial)-1] ^= 1
		fails[api.ImportKeyMaterialOutput](h, who, in, "InvalidCiphertextException", "")
	}
	for spec, bits := range map[api.WrappingKeySpec]int{"RSA_3072": 3072, "RSA_4096": 4096} {
		longer := must[api.GetParametersForImportOutput](h, who, &api.GetParametersForImportInput{KeyId: k.KeyId, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: spec})
		if public, err := x509.ParsePKIXPublicKey(longer.PublicKey); err != nil || public.(*rsa.PublicKey).N.BitLen() != bits {
			t.Errorf("%s: %v", spec, err)
		}
		must[api.ImportKeyMaterialOutput](h, who, parameters{longer, "RSAES_OAEP_SHA_256"}.imports(t, some(1)))
	}
}
