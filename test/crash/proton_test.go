package crash

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// platform is a house with a published environment template, and what was answered of it.
type platform struct {
	t    *testing.T
	h    *house.House
	bare string // the repository that environments are delivered to; "" for none

	mu           sync.Mutex
	n            int
	versions     []string // minor versions that were answered
	environments []string // names of those that were answered
}

const template = "network"

// source uploads a bundle.
func (p *platform) source(name string, body []byte) types.TemplateVersionSourceInput {
	p.t.Helper()
	bucket, a := "bundles", p.h.AsAdmin().S3()
	if _, err := a.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: house.Region}}); err != nil {
		p.t.Fatal(err)
	}
	if _, err := a.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: bytes.NewReader(body)}); err != nil {
		p.t.Fatal(err)
	}
	return p.from(name)
}

func (p *platform) from(name string) types.TemplateVersionSourceInput {
	return &types.TemplateVersionSourceInputMemberS3{Value: types.S3ObjectSource{Bucket: aws.String("bundles"), Key: &name}}
}

// publish makes the template and its first version.
func (p *platform) publish(name string, body []byte) {
	p.t.Helper()
	a := p.h.AsAdmin().Proton()
	if _, err := a.CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String(template)}); err != nil {
		p.t.Fatal(err)
	}
	if _, err := a.CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{TemplateName: aws.String(template), Source: p.source(name, body)}); err != nil {
		p.t.Fatal(err)
	}
	p.registered("0")
	if _, err := a.UpdateEnvironmentTemplateVersion(ctx, &proton.UpdateEnvironmentTemplateVersionInput{
		TemplateName: aws.String(template), MajorVersion: aws.String("1"), MinorVersion: aws.String("0"), Status: types.TemplateVersionStatusPublished,
	}); err != nil {
		p.t.Fatal(err)
	}
}

// until asks until it is so.
func (p *platform) until(what string, so func(a *proton.Client) (bool, error)) {
	p.t.Helper()
	a := p.h.AsAdmin().Proton()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ok, err := so(a)
		if err != nil {
			p.t.Fatalf("%s: %v", what, err)
		}
		if ok {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s: it does not come to that", what)
		}
	}
}

func (p *platform) registered(minor string) {
	p.t.Helper()
	p.until("the registration of 1."+minor, func(a *proton.Client) (bool, error) {
		out, err := a.GetEnvironmentTemplateVersion(ctx, &proton.GetEnvironmentTemplateVersionInput{TemplateName: aws.String(template), MajorVersion: aws.String("1"), MinorVersion: &minor})
		if err != nil {
			return false, err
		}
		v := out.EnvironmentTemplateVersion
		if v.Status == types.TemplateVersionStatusRegistrationFailed {
			return false, fmt.Errorf("it failed: %s", aws.ToString(v.StatusMessage))
		}
		return v.Status != types.TemplateVersionStatusRegistrationInProgress, nil
	})
}

// next is a name that was not used yet.
func (p *platform) next() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	return fmt.Sprintf("e%03d", p.n)
}

// register makes one version after the other until the house is gone.
func (p *platform) register(a *proton.Client, name string) error {
	for {
		out, err := a.CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{TemplateName: aws.String(template), MajorVersion: aws.String("1"), Source: p.from(name)})
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.versions = append(p.versions, *out.EnvironmentTemplateVersion.MinorVersion)
		p.mu.Unlock()
	}
}

// deploy makes one environment after the other until the house is gone.
func (p *platform) deploy(a *proton.Client) error {
	for {
		name := p.next()
		if _, err := a.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
			Name: &name, TemplateName: aws.String(template), TemplateMajorVersion: aws.String("1"), TemplateMinorVersion: aws.String("0"), Spec: aws.String(protonbundles.Spec(p.t, "tf-environment")),
			ProvisioningRepository: &types.RepositoryBranchInput{Name: aws.String("platform/live"), Provider: types.RepositoryProviderGithub, Branch: aws.String("main")},
		}); err != nil {
			return err
		}
		p.mu.Lock()
		p.environments = append(p.environments, name)
		p.mu.Unlock()
	}
}

// newPlatform starts a house that delivers to a repository.
func newPlatform(t *testing.T) *platform {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		outside.Missing(t, "there is no git: %v", err)
	}
	root, work, file := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "connections.yaml")
	if err := os.WriteFile(file, []byte("connections: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &platform{t: t, h: house.Start(t, "--git-connections", file), bare: filepath.Join(root, "platform", "live.git")}
	outside.Git(t, "", "init", "-q", "--bare", "-b", "main", p.bare)
	outside.Git(t, "", "clone", "-q", p.bare, work)
	outside.Git(t, work, "commit", "-q", "--allow-empty", "-m", "first")
	outside.Git(t, work, "push", "-q", "origin", "HEAD:main")
	p.h.Stop()
	connection := "arn:aws:codestar-connections:" + house.Region + ":" + p.h.Account + ":connection/one"
	if err := os.WriteFile(file, fmt.Appendf(nil, "connections:\n- arn: %s\n  url: file://%s\n  poll: 1s\n", connection, root), 0o600); err != nil {
		t.Fatal(err)
	}
	p.h.Restart()
	if _, err := p.h.AsAdmin().Proton().CreateRepository(ctx, &proton.CreateRepositoryInput{Name: aws.String("platform/live"), Provider: types.RepositoryProviderGithub, ConnectionArn: &connection}); err != nil {
		t.Fatal(err)
	}
	p.publish("tf-environment", protonbundles.Tar(t, "tf-environment"))
	return p
}

// TestProtonKilledInTheMiddle kills the house while bundles are registered and environments are delivered
// to a repository. What was answered is there and goes on: each version is registered, each environment
// has its one branch with one commit, and there is no branch beside.
func TestProtonKilledInTheMiddle(t *testing.T) {
	choose := chooser(t)
	p := newPlatform(t)
	for round := range *rounds {
		var killed atomic.Bool
		var wg sync.WaitGroup
		for _, work := range []func(a *proton.Client) error{func(a *proton.Client) error { return p.register(a, "tf-environment") }, p.deploy} {
			a := p.h.AsAdmin().Proton()
			wg.Go(func() {
				if err := work(a); !killed.Load() || house.ErrorCode(err) != "" {
					t.Errorf("the house was killed: %v; a call failed with %v", killed.Load(), err)
				}
			})
		}
		time.Sleep(time.Duration(200+choose.IntN(700)) * time.Millisecond)
		killed.Store(true)
		p.h.Kill()
		wg.Wait()
		if round%2 == 1 {
			p.h.KillWhileStarting(time.Duration(choose.IntN(250)) * time.Millisecond)
			checked(t, p.h)
		}
		p.h.Restart()
		p.verify()
		if t.Failed() {
			return
		}
	}
	p.end()
	p.h.Stop()
	checked(t, p.h)
}

// verify waits until everything has gone on to where it waits for people.
func (p *platform) verify() {
	p.t.Helper()
	a := p.h.AsAdmin().Proton()
	for _, minor := range p.versions {
		p.registered(minor)
	}
	for pages := proton.NewListEnvironmentTemplateVersionsPaginator(a, &proton.ListEnvironmentTemplateVersionsInput{TemplateName: aws.String(template), MajorVersion: aws.String("1")}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, v := range page.TemplateVersions { // also that whose answer never came
			p.registered(*v.MinorVersion)
		}
	}
	branches := p.all()
	for _, name := range p.environments {
		if branches[name] == "" {
			p.t.Errorf("the environment %s was answered and is not there", name)
		}
	}
	var want []string
	for name, branch := range branches {
		want = append(want, branch)
		p.until("the branch of "+name, func(*proton.Client) (bool, error) {
			return outside.Git(p.t, p.bare, "for-each-ref", "refs/heads/"+branch) != "", nil
		})
		if n := outside.Git(p.t, p.bare, "rev-list", "--count", "main.."+branch); n != "1" {
			p.t.Errorf("the branch of %s has %s commits", name, n)
		}
	}
	slices.Sort(want)
	if got := strings.Fields(outside.Git(p.t, p.bare, "for-each-ref", "--format=%(refname:short)", "refs/heads/proton-*")); !slices.Equal(got, want) {
		p.t.Errorf("the branches are %v, want %v", got, want)
	}
	p.t.Logf("%d versions and %d environments were answered; there are %d environments", len(p.versions), len(p.environments), len(branches))
}

// all are the environments that there are, with the branch that each is delivered by.
func (p *platform) all() map[string]string {
	p.t.Helper()
	a, found := p.h.AsAdmin().Proton(), map[string]string{}
	for pages := proton.NewListEnvironmentsPaginator(a, &proton.ListEnvironmentsInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, e := range page.Environments {
			found[*e.Name] = "proton-" + *e.LastAttemptedDeploymentId
		}
	}
	return found
}

// end says of every environment that it was provisioned.
func (p *platform) end() {
	p.t.Helper()
	a := p.h.AsAdmin().Proton()
	for name := range p.all() {
		if _, err := a.NotifyResourceDeploymentStatusChange(ctx, &proton.NotifyResourceDeploymentStatusChangeInput{
			ResourceArn: aws.String("arn:aws:proton:" + house.Region + ":" + p.h.Account + ":environment/" + name), Status: types.ResourceDeploymentStatusSucceeded,
		}); err != nil {
			p.t.Errorf("%s: %v", name, err)
			continue
		}
		p.until(name, func(a *proton.Client) (bool, error) {
			out, err := a.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: &name})
			return err == nil && out.Environment.DeploymentStatus == types.DeploymentStatusSucceeded, err
		})
	}
}

const slowManifest = `infrastructure:
  templates:
    - rendering_engine: codebuild
      settings:
        image: local/shell:1
        runtimes: {shell: 1.0}
        provision:
          - sleep 4
          - printf '{"answer":"42"}' > "$PROTON_OUTPUTS"
        deprovision:
          - "true"
`

// TestProtonKilledWhileARunnerRuns kills the house while commands run. The runner goes on, and tells
// the house that has started again.
func TestProtonKilledWhileARunnerRuns(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String() // which the runner finds again
	_ = listener.Close()
	h := house.Start(t, "--listen", address)
	p := &platform{t: t, h: h}
	body, err := bundle.Pack([]bundle.File{
		{Name: "schema/schema.yaml", Data: []byte(protonbundles.File(t, "runner-environment", "schema/schema.yaml"))},
		{Name: "infrastructure/manifest.yaml", Data: []byte(slowManifest)},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.publish("slow", body)
	role := p.role()
	stop := p.runner()
	defer stop()
	name, a := "jobs", h.AsAdmin().Proton()
	if _, err := a.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
		Name: &name, TemplateName: aws.String(template), TemplateMajorVersion: aws.String("1"), Spec: aws.String(protonbundles.Spec(t, "runner-environment")), CodebuildRoleArn: &role,
	}); err != nil {
		t.Fatal(err)
	}
	p.until("the offer of the commands", func(a *proton.Client) (bool, error) {
		out, err := a.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: &name})
		if err != nil {
			return false, err
		}
		d, err := a.GetDeployment(ctx, &proton.GetDeploymentInput{Id: out.Environment.LastAttemptedDeploymentId})
		return err == nil && d.Deployment.DeploymentStatus != types.DeploymentStatusInProgress || strings.Contains(aws.ToString(d.Deployment.DeploymentStatusMessage), "wait for a runner"), err
	})
	time.Sleep(500 * time.Millisecond) // the runner has waited for them, and has them now
	h.Kill()
	h.Restart()
	p.until("the end of the commands", func(a *proton.Client) (bool, error) {
		out, err := a.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: &name})
		if err != nil {
			return false, err
		}
		switch s := out.Environment.DeploymentStatus; s {
		case types.DeploymentStatusInProgress:
			return false, nil
		case types.DeploymentStatusSucceeded:
			return true, nil
		default:
			return false, fmt.Errorf("it has ended as %s: %s", s, aws.ToString(out.Environment.DeploymentStatusMessage))
		}
	})
	out, err := h.AsAdmin().Proton().ListEnvironmentOutputs(ctx, &proton.ListEnvironmentOutputsInput{EnvironmentName: &name})
	if err != nil || len(out.Outputs) != 1 || aws.ToString(out.Outputs[0].ValueString) != "42" {
		t.Errorf("outputs %+v, %v", out, err)
	}
	h.Stop()
	checked(t, h)
}

// role is one that Proton may assume for environments.
func (p *platform) role() string {
	p.t.Helper()
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"proton.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":%q}}}]}`, p.h.Account)
	out, err := p.h.AsAdmin().IAM().CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("environments"), AssumeRolePolicyDocument: &trust})
	if err != nil {
		p.t.Fatal(err)
	}
	return *out.Role.Arn
}

// runner runs the program as a runner until it is stopped.
func (p *platform) runner() (stop func()) {
	p.t.Helper()
	user := p.h.User("runner", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["proton:AcquireRunnerJob","proton:ReportRunnerJob"],"Resource":"*"}]}`)
	cmd := exec.Command(house.Binary(p.t), "runner", "--name", "test")
	cmd.Env = p.h.Environ(user)
	out, err := cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	text := make([]byte, 4096)
	n, _ := out.Read(text)
	if strings.Contains(string(text[:n]), "does not let commands be confined") {
		_ = cmd.Wait()
		outside.Missing(p.t, "%s", text[:n])
	}
	go func() { // what it prints is for nobody
		for {
			if _, err := out.Read(text); err != nil {
				return
			}
		}
	}()
	return func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
}
