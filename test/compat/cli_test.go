package compat

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// TestEveryCLI takes a file there and back with each AWS CLI that the machine has, older and
// newer: they differ in checksums, signatures and in how they send a body.
func TestEveryCLI(t *testing.T) {
	t.Parallel()
	found := outside.AWSCLIs()
	if len(found) == 0 {
		outside.Missing(t, "there is no AWS CLI (Debian: apt-get install awscli)")
	}
	h := house.Start(t)
	for _, client := range found {
		version, _ := exec.Command(client, "--version").CombinedOutput()
		name, _, _ := strings.Cut(strings.ReplaceAll(string(version), "/", "-"), " ")
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			aws := func(args ...string) string {
				t.Helper()
				cmd := exec.Command(client, append([]string{"--endpoint-url", h.Endpoint}, args...)...)
				cmd.Env = h.Environ(h.Admin)
				text, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("aws %v: %v\n%s", args, err, text)
				}
				return strings.TrimSpace(string(text))
			}
			bucket, from, to := "s3://"+name, filepath.Join(dir, "from"), filepath.Join(dir, "to")
			aws("s3", "mb", bucket)
			for _, size := range []int{0, 20 << 20} { // the second goes up in parts
				content := make([]byte, size)
				rand.Read(content)
				if err := os.WriteFile(from, content, 0o600); err != nil {
					t.Fatal(err)
				}
				aws("s3", "cp", from, bucket+"/dir/ä file + more.bin", "--only-show-errors")
				aws("s3", "cp", bucket+"/dir/ä file + more.bin", bucket+"/copy", "--only-show-errors")
				aws("s3", "cp", bucket+"/copy", to, "--only-show-errors")
				if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes came back as %d, %v", size, len(got), err)
				}
			}
			if got := aws("s3", "ls", bucket+"/dir/"); !strings.HasSuffix(got, "ä file + more.bin") {
				t.Errorf("s3 ls shows %q", got)
			}
			aws("s3", "rb", "--force", bucket)
		})
	}
}
