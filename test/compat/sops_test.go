package compat

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// sopsModule is the sops that is tested, where none is installed. Building it takes minutes the first
// time; after that the build cache has it.
const sopsModule = "github.com/getsops/sops/v3/cmd/sops@v3.13.3"

// sopsBinary returns the sops of the machine, or builds it.
func sopsBinary(t *testing.T) string {
	t.Helper()
	if name, err := exec.LookPath("sops"); err == nil {
		return name
	}
	if testing.Short() {
		t.Skip("NOT TESTED: sops is not installed, and building it is too long for -short")
	}
	bin := t.TempDir()
	build := exec.Command("go", "install", sopsModule)
	build.Dir, build.Env = bin, append(os.Environ(), "GOBIN="+bin, "GOFLAGS=", "GOWORK=off") // outside of our module
	if text, err := build.CombinedOutput(); err != nil {
		outside.Missing(t, "sops cannot be built: %v\n%s", err, text)
	}
	return filepath.Join(bin, "sops")
}

// TestSops encrypts a file with sops under one of our keys, with an encryption context, and decrypts it.
func TestSops(t *testing.T) {
	t.Parallel()
	binary := sopsBinary(t)
	h := house.Start(t)
	client := h.AsAdmin().KMS()
	k, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const secrets = "database:\n    user: app\n    password: correct-horse-battery\n"
	if err := os.WriteFile(filepath.Join(dir, "secrets.yaml"), []byte(secrets), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command(binary, args...)
		cmd.Dir = dir
		for _, v := range h.Environ(h.Admin) {
			if !strings.HasPrefix(v, "AWS_ENDPOINT_URL=") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL_KMS="+h.Endpoint)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			out = append(out, stderr.Bytes()...)
		}
		return out, err
	}
	sealed, err := run("encrypt", "--kms", *k.KeyMetadata.Arn, "--encryption-context", "tenant:7", "secrets.yaml")
	if err != nil || bytes.Contains(sealed, []byte("correct-horse")) || !bytes.Contains(sealed, []byte("tenant")) {
		t.Fatalf("%v\n%s", err, sealed)
	}
	if err := os.WriteFile(filepath.Join(dir, "sealed.yaml"), sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	if opened, err := run("decrypt", "sealed.yaml"); err != nil || string(opened) != secrets {
		t.Errorf("%v\n%s", err, opened)
	}
	// Under another context the data key does not open, and neither under a key that is disabled.
	if err := os.WriteFile(filepath.Join(dir, "changed.yaml"), bytes.Replace(sealed, []byte(`tenant: "7"`), []byte(`tenant: "8"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(sealed, []byte(`tenant: "7"`)) {
		t.Errorf("the context is not where it is looked for:\n%s", sealed)
	}
	if opened, err := run("decrypt", "changed.yaml"); err == nil {
		t.Errorf("opened with another context: %s", opened)
	}
	if _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: k.KeyMetadata.KeyId}); err != nil {
		t.Fatal(err)
	}
	if opened, err := run("decrypt", "sealed.yaml"); err == nil {
		t.Errorf("opened with a disabled key: %s", opened)
	}
}
