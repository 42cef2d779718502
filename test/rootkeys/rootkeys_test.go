// Package rootkeys moves whole houses between root key providers, with the program itself, and sees that
// everything still opens.
package rootkeys

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/strongroom/strongroom/test/capture"
	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/softhsm"
	"github.com/strongroom/strongroom/test/swtpm"
)

func TestMain(m *testing.M) { house.Main(m) }

// kept is what was put into a house, and must come out of it.
type kept struct {
	h       *house.House
	sealed  []byte
	session aws.Credentials
	begun   *kms.GetParametersForImportOutput
}

// fill puts an object, a ciphertext, a session and an import that has begun into a house.
func fill(t *testing.T, h *house.House) *kept {
	t.Helper()
	ctx, admin := context.Background(), h.AsAdmin()
	key, err := admin.KMS().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := admin.KMS().Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyMetadata.KeyId, Plaintext: []byte("plain")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.S3().CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket: aws.String("bucket"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: house.Region},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"), Body: strings.NewReader("object")}); err != nil {
		t.Fatal(err)
	}
	out, err := admin.STS().GetSessionToken(ctx, &sts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	external, err := admin.KMS().CreateKey(ctx, &kms.CreateKeyInput{Origin: kmstypes.OriginTypeExternal})
	if err != nil {
		t.Fatal(err)
	}
	begun, err := admin.KMS().GetParametersForImport(ctx, &kms.GetParametersForImportInput{
		KeyId: external.KeyMetadata.KeyId, WrappingAlgorithm: kmstypes.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: kmstypes.WrappingKeySpecRsa2048,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &kept{h, encrypted.CiphertextBlob, aws.Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken,
	}, begun}
}

// importNow ends the import that has begun, with the same material each time.
func (k *kept) importNow(t *testing.T) {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(k.begun.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), make([]byte, 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.h.AsAdmin().KMS().ImportKeyMaterial(context.Background(), &kms.ImportKeyMaterialInput{
		KeyId: k.begun.KeyId, ImportToken: k.begun.ImportToken, EncryptedKeyMaterial: wrapped,
		ExpirationModel: kmstypes.ExpirationModelTypeKeyMaterialDoesNotExpire,
	})
	if err != nil {
		t.Errorf("the import that had begun: %v", err)
	}
}

// there sees that all of it is there, in a house that runs.
func (k *kept) there(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	opened, err := k.h.AsAdmin().KMS().Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: k.sealed})
	if err != nil || string(opened.Plaintext) != "plain" {
		t.Errorf("the ciphertext: %v", err)
	}
	object, err := k.h.AsAdmin().S3().GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(object.Body)
	if err != nil || string(text) != "object" {
		t.Errorf("the object: %q, %v", text, err)
	}
	if _, err := k.h.As(k.session).STS().GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("the session: %v", err)
	}
	k.importNow(t)
}

// run runs a command on the house, which must succeed.
func run(t *testing.T, h *house.House, args ...string) string {
	t.Helper()
	text, err := h.Run(args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, text)
	}
	return text
}

// write writes a secret to a file.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMoves rotates a house from provider to provider and back.
func TestMoves(t *testing.T) {
	hsm, chip := softhsm.New(t), swtpm.Start(t)
	h := house.Start(t)
	k := fill(t, h)
	token := "module=" + hsm.Module + ",token=house,helper=" + hsm.Helper + ",pin-file=" + write(t, softhsm.PIN)
	for _, to := range [][2]string{
		{"passphrase", write(t, "correct horse battery staple")},
		{"root-key-pkcs11", token},
		{"root-key-tpm", "device=" + chip.Device + ",pcrs=7+11,pin-file=" + write(t, "canary-tpm-pin")},
		{"root-key", filepath.Join(t.TempDir(), "new.key")},
	} {
		h.Stop()
		before := run(t, h, "rootkey", "list")
		out := run(t, h, "rootkey", "rotate", "--new-"+to[0], to[1])
		if !strings.Contains(out, "kms: 1 wrapped again") || strings.Contains(out, "canary") {
			t.Errorf("rotate printed:\n%s", out)
		}
		if text, err := h.Run("check"); err == nil {
			t.Errorf("what opened the house still does:\n%s", text)
		}
		h.Opens = []string{"--" + to[0], to[1]}
		if after := run(t, h, "rootkey", "list"); after == before || strings.Contains(after, "canary") {
			t.Errorf("list printed:\n%s", after)
		}
		run(t, h, "check")
		h.Restart()
		k.there(t)
	}
}

var code = regexp.MustCompile(`(?m)^    ([0-9A-Z]{4}(?:-[0-9A-Z]{4}){8})$`)

// withInput runs a command with a line for what it asks.
func withInput(t *testing.T, line string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(house.Binary(t), args...)
	cmd.Stdin = strings.NewReader(line + "\n")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestKilled kills a rotation later and later, until it ends by itself. After each the house is there.
func TestKilled(t *testing.T) {
	h := house.Start(t)
	k := fill(t, h)
	for delay, whole := time.Millisecond, false; !whole; delay = delay*3 + time.Millisecond {
		h.Stop()
		next := filepath.Join(t.TempDir(), "next.key")
		rotate := []string{"rootkey", "rotate", "--data", h.Dir, "--root-key", h.RootKey, "--new-root-key", next}
		cmd := exec.Command(house.Binary(t), rotate...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
		whole = cmd.Wait() == nil
		kill.Stop()
		if !whole {
			// Either key opens it, and not both: the same command goes on.
			if text, err := withInput(t, "", rotate...); err != nil {
				t.Fatalf("killed after %v, second try: %v\n%s", delay, err, text)
			}
		}
		h.RootKey = next
		run(t, h, "check")
		h.Restart()
		k.there(t)
	}
}

// TestKilledAndStarted starts a house whose rotation was killed, before it is taken up again.
func TestKilledAndStarted(t *testing.T) {
	h := house.Start(t)
	k := fill(t, h)
	h.Stop()
	old := h.RootKey
	next := filepath.Join(t.TempDir(), "next.key")
	for delay := time.Millisecond; ; delay = delay*3/2 + time.Millisecond {
		cmd := exec.Command(house.Binary(t), "rootkey", "rotate", "--data", h.Dir, "--root-key", old, "--new-root-key", next)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		kill.Stop()
		h.RootKey = next
		if _, err := h.Run("rootkey", "add", "--new-recovery"); err == nil { // it has begun
			break
		}
		if err == nil {
			t.Fatal("it ended, and the new key does not open the house")
		}
	}
	h.Restart()
	k.there(t)
	h.Stop()
	run(t, h, "rootkey", "rotate")
	h.Restart()
	k.there(t)
	if strings.Contains(h.Output(), "unfinished") {
		t.Errorf("the rotation is unfinished:\n%s", h.Output())
	}
}

// process is a house that may be sealed.
type process struct {
	cmd  *exec.Cmd
	text capture.Text
}

// says waits until the process has printed a text.
func (p *process) says(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		got := p.text.String()
		if strings.Contains(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not say %q but\n%s", want, got)
		}
	}
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{}
	p.cmd = exec.Command(house.Binary(t), append([]string{"serve", "--listen", "127.0.0.1:0", "--metrics", "off"}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.text, &p.text
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

func (p *process) stop() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(os.Interrupt)
		_ = p.cmd.Wait()
	}
}

// TestSealedStart takes TPM and token away: the house starts sealed and says why, and opens with the recovery code or
// once they are back.
func TestSealedStart(t *testing.T) {
	hsm, chip := softhsm.New(t), swtpm.Start(t)
	pin := write(t, softhsm.PIN)
	token := []string{"--root-key-pkcs11", "module=" + hsm.Module + ",token=house,helper=" + hsm.Helper + ",pin-file=" + pin}
	tokens := filepath.Join(filepath.Dir(os.Getenv("SOFTHSM2_CONF")), "tokens")
	for name, test := range map[string]struct {
		open       []string
		away, back func()
		why        string
	}{
		"TPM": {[]string{"--root-key-tpm", "device=" + chip.Device}, chip.Stop, chip.Restart, "TPM"},
		"token": {token, func() { _ = os.Rename(tokens, tokens+".away") }, func() { _ = os.Rename(tokens+".away", tokens) },
			"the token is not available"},
		"PIN": {token, func() { _ = os.WriteFile(pin, []byte("canary-other-pin"), 0o600) }, func() { _ = os.WriteFile(pin, []byte(softhsm.PIN), 0o600) },
			"wrong PIN"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			open := append([]string{"--data", dir}, test.open...)
			first := start(t, open...)
			first.says(t, "eval ")
			recovery := code.FindStringSubmatch(first.text.String())
			first.stop()
			test.away()
			sealed := start(t, open...)
			sealed.says(t, "Strongroom is sealed")
			sealed.says(t, test.why)
			if text, err := withInput(t, "", "unseal", "--data", dir, "--retry"); err == nil {
				t.Errorf("it opened:\n%s", text)
			}
			if text, err := withInput(t, recovery[1], "unseal", "--data", dir, "--recovery"); err != nil {
				t.Fatalf("recovery: %v\n%s", err, text)
			}
			sealed.says(t, "eval ")
			sealed.stop()
			if strings.Contains(sealed.text.String(), "canary") {
				t.Errorf("it printed:\n%s", &sealed.text)
			}
			again := start(t, open...)
			again.says(t, "Strongroom is sealed")
			test.back()
			if text, err := withInput(t, "", "unseal", "--data", dir, "--retry"); err != nil {
				t.Fatalf("retry: %v\n%s", err, text)
			}
			again.says(t, "eval ")
			again.stop()
			if name == "PIN" {
				test.away()
				asked := start(t, open...)
				asked.says(t, "Strongroom is sealed")
				if text, err := withInput(t, softhsm.PIN, "unseal", "--data", dir, "--pin"); err != nil {
					t.Fatalf("PIN: %v\n%s", err, text)
				}
				asked.says(t, "eval ")
				asked.stop()
				test.back()
			}
		})
	}
}

// TestSlotCommands adds and removes slots, and is refused while the house runs.
func TestSlotCommands(t *testing.T) {
	h := house.Start(t)
	for _, args := range [][]string{{"rootkey", "rotate"}, {"rootkey", "add", "--new-recovery"}, {"rootkey", "remove", "1"}} {
		if text, err := h.Run(args...); err == nil || !strings.Contains(text, "stop the house first") {
			t.Errorf("%v of a house that runs: %v\n%s", args, err, text)
		}
	}
	run(t, h, "rootkey", "list")
	h.Stop()
	other := filepath.Join(t.TempDir(), "other.key")
	run(t, h, "rootkey", "add", "--new-root-key", other)
	run(t, h, "rootkey", "remove", "1")
	if text, err := h.Run("check"); err == nil {
		t.Errorf("the removed slot opens:\n%s", text)
	}
	h.RootKey = other
	if text, err := h.Run("rootkey", "remove", "9"); err == nil || !strings.Contains(text, "no slot 9") {
		t.Errorf("no such slot: %v\n%s", err, text)
	}
	printed := run(t, h, "rootkey", "add", "--new-recovery")
	if text, err := h.Run("rootkey", "add"); err == nil {
		t.Errorf("nothing to add: %s", text)
	}
	run(t, h, "rootkey", "remove", "3")
	run2 := func(args ...string) string {
		t.Helper()
		text, err := withInput(t, code.FindStringSubmatch(printed)[1], append(args, "--data", h.Dir, "--recovery")...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, text)
		}
		return text
	}
	run2("rootkey", "remove", "2")
	if text, err := withInput(t, code.FindStringSubmatch(printed)[1], "rootkey", "remove", "4", "--data", h.Dir, "--recovery"); err == nil || !strings.Contains(text, "last slot") {
		t.Errorf("the last slot: %v\n%s", err, text)
	}
	run2("rootkey", "rotate", "--new-root-key", h.RootKey)
	h.Restart()
}
