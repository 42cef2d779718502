// Package house starts real houses for whole-house tests: the program itself, built from
// this checkout, in a directory of its own, reached over TLS by real clients.
package house

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Region is the home region of the houses.
const Region = "eu-central-1"

// startTime bounds how long a house may take to answer.
const startTime = 2 * time.Minute

// House is a running server. Its methods are for one goroutine; its clients for any.
type House struct {
	Dir      string // data directory
	RootKey  string
	Opens    []string // flags that say how the root key opens; nil for --root-key RootKey
	Endpoint string
	Account  string
	Admin    aws.Credentials // of the administrator
	Roots    *x509.CertPool  // trusts the house
	CABundle string
	Env      []string // of the server, beyond the test's own; counts at the next start

	t    testing.TB
	args []string
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; set before done is closed
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "strongroom-build-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "strongroom")
	// Unlike "go build", "go run" keeps the program in the build cache: it is linked once for all packages.
	cmd := exec.Command("go", "run", "-exec", "cp", "github.com/strongroom/strongroom/cmd/strongroom", binary)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, text)
	}
	return binary, nil
})

// Main runs the tests of a package and removes the program that Binary built.
func Main(m *testing.M) {
	code := m.Run()
	if built {
		if binary, err := build(); err == nil {
			_ = os.RemoveAll(filepath.Dir(binary))
		}
	}
	os.Exit(code)
}

var built bool // whether build has run; tests of a package start one after the other

// Binary returns the path of the program, built once for the tests of a package.
func Binary(t testing.TB) string {
	t.Helper()
	built = true
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// Start makes a new house and waits until it answers. It is stopped when the test ends.
// args are further arguments of serve.
func Start(t testing.TB, args ...string) *House {
	t.Helper()
	h := New(t, args...)
	h.Restart()
	return h
}

// New returns a house that has never been started: its directory is not there yet.
func New(t testing.TB, args ...string) *House {
	t.Helper()
	base := t.TempDir()
	h := &House{Dir: filepath.Join(base, "data"), RootKey: filepath.Join(base, "root.key"), t: t, args: args}
	h.CABundle = filepath.Join(h.Dir, "tls", "ca.pem")
	t.Cleanup(h.cleanup)
	return h
}

var (
	readyLine  = regexp.MustCompile(`Strongroom is ready at (https://\S+)`)
	detailLine = regexp.MustCompile(`(?m)^  (account|access key id|secret access key) +(\S+)`)
)

// serve is the command that starts the house.
func (h *House) serve() *exec.Cmd {
	h.t.Helper()
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--metrics", "off", "--region", Region}, h.where()...)
	cmd := exec.Command(Binary(h.t), append(args, h.args...)...)
	cmd.Env = append(os.Environ(), h.Env...)
	return cmd
}

// where says which house is meant and how its root key opens.
func (h *House) where() []string {
	if h.Opens != nil {
		return append([]string{"--data", h.Dir}, h.Opens...)
	}
	return []string{"--data", h.Dir, "--root-key", h.RootKey}
}

// KillWhileStarting starts the house after New, Stop or Kill and ends it with SIGKILL that much
// later, wherever its start has come by then.
func (h *House) KillWhileStarting(later time.Duration) {
	h.t.Helper()
	cmd := h.serve()
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	time.Sleep(later)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // says that it was killed
}

// Restart starts the house again after Stop or Kill, over the same data.
func (h *House) Restart() {
	h.t.Helper()
	h.cmd = h.serve()
	h.out = &output{ready: make(chan struct{})}
	h.cmd.Stdout, h.cmd.Stderr = h.out, h.out
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	done := make(chan struct{})
	h.done = done
	go func() {
		h.err = h.cmd.Wait()
		close(done)
	}()
	select {
	case <-h.out.ready:
	case <-done:
		h.t.Fatalf("the house ended before it answered: %v\n%s", h.err, h.out)
	case <-time.After(startTime):
		h.t.Fatalf("the house does not answer\n%s", h.out)
	}
	h.read()
}

// read takes what the house printed.
func (h *House) read() {
	h.t.Helper()
	text := h.out.String()
	h.Endpoint = readyLine.FindStringSubmatch(text)[1]
	if account, admin := printed(text); account != "" { // only at the first start
		h.Account, h.Admin = account, admin
	}
	pem, err := os.ReadFile(h.CABundle)
	if err != nil {
		h.t.Fatal(err)
	}
	h.Roots = x509.NewCertPool()
	h.Roots.AppendCertsFromPEM(pem)
}

// printed finds a new account and its administrator's credentials in what was printed.
func printed(text string) (account string, admin aws.Credentials) {
	for _, m := range detailLine.FindAllStringSubmatch(text, -1) {
		switch m[1] {
		case "account":
			account = m[2]
		case "access key id":
			admin.AccessKeyID = m[2]
		case "secret access key":
			admin.SecretAccessKey = m[2]
		}
	}
	return account, admin
}

// output collects what a house prints, and tells when it is ready.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan struct{}
	said  bool
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if !o.said && bytes.Contains(o.text.Bytes(), []byte("eval ")) { // the last thing announced
		o.said = true
		close(o.ready)
	}
	return len(p), nil
}

// String returns all that was printed so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Output returns all that the house has printed since it was last started.
func (h *House) Output() string { return h.out.String() }

// Kill ends the house with SIGKILL, as a power cut would.
func (h *House) Kill() {
	h.t.Helper()
	_ = h.cmd.Process.Kill()
	<-h.done
}

// Stop ends the house in good order and fails the test if it does not.
func (h *House) Stop() {
	h.t.Helper()
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-h.done:
	case <-time.After(startTime):
		h.Kill()
		h.t.Fatalf("the house does not stop\n%s", h.out)
	}
	if h.err != nil {
		h.t.Errorf("the house ended with %v\n%s", h.err, h.out)
	}
}

func (h *House) cleanup() {
	if h.cmd == nil || h.cmd.Process == nil {
		return
	}
	select {
	case <-h.done:
	default:
		h.Stop()
	}
	// What a house that was killed leaves in memory it would remove at its next start, which does not come.
	sum := sha256.Sum256([]byte(filepath.Join(h.Dir, "services", "aps")))
	if err := os.RemoveAll("/dev/shm/strongroom-amp-" + hex.EncodeToString(sum[:12])); err != nil {
		h.t.Error(err)
	}
	if h.t.Failed() {
		h.t.Logf("the house printed:\n%s", h.out)
	}
}

// Run runs the program with arguments, on this house's directory, and returns what it prints.
func (h *House) Run(args ...string) (string, error) {
	cmd := exec.Command(Binary(h.t), append(args, h.where()...)...)
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// Account is credentials in a house, with clients.
type Account struct{ Config aws.Config }

// As returns clients that sign with the given credentials.
func (h *House) As(c aws.Credentials) Account {
	return Account{aws.Config{
		Region: Region, BaseEndpoint: aws.String(h.Endpoint), HTTPClient: h.HTTP(), RetryMaxAttempts: 1,
		Credentials: credentials.StaticCredentialsProvider{Value: c},
		// As a configuration has it that the SDK has loaded.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}}
}

// AsAdmin returns clients for the administrator.
func (h *House) AsAdmin() Account { return h.As(h.Admin) }

// HTTP returns an HTTPS client that trusts the house.
func (h *House) HTTP() *http.Client {
	return &http.Client{Timeout: 5 * time.Minute, Transport: plainBodies{&http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: h.Roots}, MaxIdleConnsPerHost: 256, DisableCompression: true,
	}}}
}

// plainBodies hides the WriteTo of request bodies. The SDK closes a body as soon as the answer begins, and WriteTo of a
// closed one is io.EOF, which net/http takes for a failed write: where a house answers before the client's own goroutine
// has looked for the body's end, the connection would be closed in the middle of the answer.
type plainBodies struct{ *http.Transport }

func (t plainBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return t.Transport.RoundTrip(r)
}

// KMS returns a client of the service.
func (a Account) KMS() *kms.Client { return kms.NewFromConfig(a.Config) }

// S3 returns a client of the service.
func (a Account) S3() *s3.Client {
	return s3.NewFromConfig(a.Config, func(o *s3.Options) { o.UsePathStyle = true })
}

// Proton returns a client of the service.
func (a Account) Proton() *proton.Client { return proton.NewFromConfig(a.Config) }

// AMP returns a client of the service.
func (a Account) AMP() *amp.Client { return amp.NewFromConfig(a.Config) }

// Logs returns a client of the service.
func (a Account) Logs() *cloudwatchlogs.Client { return cloudwatchlogs.NewFromConfig(a.Config) }

// IAM returns a client of the service.
func (a Account) IAM() *iam.Client { return iam.NewFromConfig(a.Config) }

// STS returns a client of the service.
func (a Account) STS() *sts.Client { return sts.NewFromConfig(a.Config) }

// CloudTrail returns a client of the service.
func (a Account) CloudTrail() *cloudtrail.Client { return cloudtrail.NewFromConfig(a.Config) }

// User makes a user of the administrator's account, with one inline policy if it is not "",
// and returns its credentials.
func (h *House) User(name, policy string) aws.Credentials {
	h.t.Helper()
	ctx := context.Background()
	admin := h.AsAdmin().IAM()
	if _, err := admin.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}); err != nil {
		h.t.Fatal(err)
	}
	if policy != "" {
		if _, err := admin.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("inline"), PolicyDocument: &policy}); err != nil {
			h.t.Fatal(err)
		}
	}
	made, err := admin.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		h.t.Fatal(err)
	}
	return aws.Credentials{AccessKeyID: *made.AccessKey.AccessKeyId, SecretAccessKey: *made.AccessKey.SecretAccessKey}
}

// NewAccount makes a further account and returns its number and its administrator's credentials.
func (h *House) NewAccount(name string) (id string, admin aws.Credentials) {
	h.t.Helper()
	text, err := h.Run("account", "create", name)
	if err != nil {
		h.t.Fatalf("%v\n%s", err, text)
	}
	return printed(text)
}

// Environ returns the environment for a client program that acts with the credentials,
// without anything of the machine's own AWS configuration.
func (h *House) Environ(c aws.Credentials) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			env = append(env, v)
		}
	}
	return append(env,
		"AWS_ENDPOINT_URL="+h.Endpoint, "AWS_CA_BUNDLE="+h.CABundle, "AWS_REGION="+Region, "AWS_DEFAULT_REGION="+Region,
		"AWS_ACCESS_KEY_ID="+c.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+c.SecretAccessKey, "AWS_SESSION_TOKEN="+c.SessionToken,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=")
}

// PID returns the process id of the running server.
func (h *House) PID() int { return h.cmd.Process.Pid }

// Memory returns the server's resident memory now and at its peak, in bytes.
func (h *House) Memory() (now, peak int64) {
	h.t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		fields := strings.Fields(scan.Text())
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "VmRSS:":
			now = kib << 10
		case "VmHWM:":
			peak = kib << 10
		}
	}
	return now, peak
}

// ErrorCode returns the code of an API error, or "" for none.
func ErrorCode(err error) string {
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return ""
}

// WantCode fails the test unless err is an API error with the code.
func WantCode(t testing.TB, err error, code string) {
	t.Helper()
	if got := ErrorCode(err); got != code {
		t.Errorf("got error %q (%v), want %q", got, err, code)
	}
}
