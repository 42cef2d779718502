package compat

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// opensslRun is openssl in a directory of files.
type opensslRun struct {
	*testing.T
	dir string
}

// run returns what openssl prints.
func (o *opensslRun) run(args ...string) []byte {
	o.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = o.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		o.Errorf("openssl %v: %v\n%s%s", args, err, out, stderr.Bytes())
	}
	return out
}

func (o *opensslRun) write(name string, content []byte) string {
	o.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), content, 0o600); err != nil {
		o.Fatal(err)
	}
	return name
}

// public writes the public key of a key of KMS, as PEM.
func (o *opensslRun) public(client *kms.Client, arn *string) string {
	o.Helper()
	out, err := client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: arn})
	if err != nil {
		o.Fatal(err)
	}
	return o.write("public.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: out.PublicKey}))
}

// openssl returns openssl in a directory of its own.
func openssl(t *testing.T) *opensslRun {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		outside.Missing(t, "there is no openssl (Debian: apt-get install openssl)")
	}
	return &opensslRun{t, t.TempDir()}
}

// TestOpenSSL has openssl verify what we sign, encrypt what we decrypt, agree on the secrets that we
// derive and read the keys that we make.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	o := openssl(t)
	h := house.Start(t)
	client := h.AsAdmin().KMS()
	create := func(spec types.KeySpec, usage types.KeyUsageType) *types.KeyMetadata {
		t.Helper()
		out, err := client.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
		if err != nil {
			t.Fatal(spec, err)
		}
		return out.KeyMetadata
	}
	for _, spec := range []types.KeySpec{"RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87"} {
		t.Run(string(spec), func(t *testing.T) {
			o := openssl(t)
			if strings.HasPrefix(string(spec), "ML_DSA") && !bytes.Contains(o.run("list", "-signature-algorithms"), []byte("ML-DSA")) {
				t.Skip("NOT TESTED: this openssl has no ML-DSA; version 3.5 has it")
			}
			k := create(spec, "SIGN_VERIFY")
			public := o.public(client, k.Arn)
			for _, a := range k.SigningAlgorithms {
				if a != "ED25519_PH_SHA_512" { // openssl 3.0 has no Ed25519ph
					o.verifies(client, k, a, public)
				}
			}
		})
	}
	rsa := create("RSA_2048", "ENCRYPT_DECRYPT")
	public := o.public(client, rsa.Arn)
	for a, digest := range map[types.EncryptionAlgorithmSpec]string{"RSAES_OAEP_SHA_1": "sha1", "RSAES_OAEP_SHA_256": "sha256"} {
		sealed := o.run("pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-in", o.write("plain", []byte("attack at dawn")),
			"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:"+digest, "-pkeyopt", "rsa_mgf1_md:"+digest)
		got, err := client.Decrypt(ctx, &kms.DecryptInput{KeyId: rsa.Arn, CiphertextBlob: sealed, EncryptionAlgorithm: a})
		if err != nil || string(got.Plaintext) != "attack at dawn" {
			t.Errorf("%s: %v, %v", a, got, err)
		}
	}
	for spec, curve := range map[types.KeySpec]string{"ECC_NIST_P256": "P-256", "ECC_NIST_P384": "P-384", "ECC_NIST_P521": "P-521"} {
		k := create(spec, "KEY_AGREEMENT")
		o.write("peer.pem", o.run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+curve))
		theirs := o.run("pkeyutl", "-derive", "-inkey", "peer.pem", "-peerkey", o.public(client, k.Arn))
		ours, err := client.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{
			KeyId: k.Arn, PublicKey: o.run("pkey", "-in", "peer.pem", "-pubout", "-outform", "DER"), KeyAgreementAlgorithm: "ECDH",
		})
		if err != nil || len(theirs) == 0 || !bytes.Equal(ours.SharedSecret, theirs) {
			t.Errorf("%s: another secret, %v", spec, err)
		}
	}
	o.readsPairs(client, create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").Arn)
}

// verifies signs a message with a key of KMS and has openssl verify it, and refuse it for another message.
func (o *opensslRun) verifies(client *kms.Client, k *types.KeyMetadata, a types.SigningAlgorithmSpec, public string) {
	o.Helper()
	message := []byte("attack at dawn")
	out, err := client.Sign(ctx, &kms.SignInput{KeyId: k.Arn, Message: message, SigningAlgorithm: a})
	if err != nil {
		o.Fatal(a, err)
	}
	o.write("message", message)
	o.write("other", []byte("attack at noon"))
	o.write("signature", out.Signature)
	args := []string{"pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-sigfile", "signature", "-in"}
	if _, digest, ok := strings.Cut(string(a), "_SHA_"); ok && !strings.HasPrefix(string(a), "ED25519") {
		args = []string{"dgst", "-sha" + digest, "-verify", public, "-signature", "signature"}
		if strings.HasPrefix(string(a), "RSASSA_PSS") {
			args = append(args, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest", "-sigopt", "rsa_mgf1_md:sha"+digest)
		}
	}
	o.run(append(args, "message")...)
	cmd := exec.Command("openssl", append(args, "other")...)
	cmd.Dir = o.dir
	if out, err := cmd.CombinedOutput(); err == nil {
		o.Errorf("%s: openssl verifies the signature of another message: %s", a, out)
	}
}

// readsPairs has openssl read data key pairs, and find the public key in the private.
func (o *opensslRun) readsPairs(client *kms.Client, under *string) {
	o.Helper()
	for _, spec := range []types.DataKeyPairSpec{"RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519"} {
		out, err := client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: under, KeyPairSpec: spec})
		if err != nil {
			o.Fatal(spec, err)
		}
		got := o.run("pkey", "-inform", "DER", "-in", o.write("private.der", out.PrivateKeyPlaintext), "-pubout", "-outform", "DER")
		if !bytes.Equal(got, out.PublicKey) {
			o.Errorf("%s: openssl finds another public key: %x, not %x", spec, got, out.PublicKey)
		}
	}
}
