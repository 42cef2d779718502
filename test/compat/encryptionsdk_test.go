package compat

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// encryptionSDK is the AWS Encryption SDK for JavaScript that is tested.
const encryptionSDK = "@aws-crypto/client-node@5.0.2"

// TestEncryptionSDK has the AWS Encryption SDK for JavaScript encrypt under two keys and decrypt with
// either. It adds pairs of its own to the encryption context, and its data keys are ours.
func TestEncryptionSDK(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			outside.Missing(t, "there is no %s (Debian: apt-get install nodejs npm)", tool)
		}
	}
	dir := t.TempDir()
	limit, stop := context.WithTimeout(ctx, 10*time.Minute)
	defer stop()
	install := exec.CommandContext(limit, "npm", "install", "--prefix", dir, "--prefer-offline", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", encryptionSDK)
	install.Dir = dir
	if text, err := install.CombinedOutput(); err != nil {
		outside.Missing(t, "%s cannot be installed: %v\n%s", encryptionSDK, err, text)
	}
	source, err := os.ReadFile(filepath.Join("testdata", "encryption_sdk.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "roundtrip.mjs") // beside node_modules, where node looks
	if err := os.WriteFile(script, source, 0o600); err != nil {
		t.Fatal(err)
	}
	h := house.Start(t)
	args := []string{script}
	for range 2 {
		k, err := h.AsAdmin().KMS().CreateKey(ctx, &kms.CreateKeyInput{})
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, *k.KeyMetadata.Arn)
	}
	run := exec.CommandContext(limit, "node", args...)
	run.Dir, run.Env = dir, append(h.Environ(h.Admin), "NODE_EXTRA_CA_CERTS="+h.CABundle)
	if text, err := run.CombinedOutput(); err != nil || !strings.Contains(string(text), "round trip done") {
		t.Errorf("%v\n%s", err, text)
	}
}
