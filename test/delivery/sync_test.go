package delivery

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// synced is a house that follows a repository, and a working copy of that.
type synced struct {
	t    *testing.T
	h    *house.House
	p    *proton.Client
	bare string
	work string
}

const syncedRepository = "platform/catalogue"

// newSynced starts a house that asks the repository every second.
func newSynced(t *testing.T) *synced {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		outside.Missing(t, "there is no git: %v", err)
	}
	root, file := t.TempDir(), filepath.Join(t.TempDir(), "connections.yaml")
	s := &synced{t: t, bare: filepath.Join(root, syncedRepository+".git"), work: t.TempDir()}
	outside.Git(t, "", "init", "-q", "--bare", "-b", "main", s.bare)
	outside.Git(t, "", "clone", "-q", s.bare, s.work)
	s.h = house.Start(t)
	s.h.Stop()
	connection := "arn:aws:codestar-connections:" + house.Region + ":" + s.h.Account + ":connection/one"
	if err := os.WriteFile(file, fmt.Appendf(nil, "connections:\n- arn: %s\n  url: file://%s\n  poll: 1s\n", connection, root), 0o600); err != nil {
		t.Fatal(err)
	}
	s.h.Opens = []string{"--root-key", s.h.RootKey, "--git-connections", file}
	s.h.Restart()
	s.p = s.h.AsAdmin().Proton()
	if _, err := s.p.CreateRepository(context.Background(), &proton.CreateRepositoryInput{Name: aws.String(syncedRepository), Provider: types.RepositoryProviderGithub, ConnectionArn: &connection}); err != nil {
		t.Fatal(err)
	}
	return s
}

// bundle writes the files of a sample bundle below a folder.
func (s *synced) bundle(name, dir string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Join(s.work, dir), 0o755); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("tar", "-xz", "--exclude=./spec", "-C", filepath.Join(s.work, dir))
	cmd.Stdin = strings.NewReader(string(protonbundles.Tar(s.t, name)))
	if text, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("tar: %v\n%s", err, text)
	}
}

func (s *synced) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.work, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// push commits what was written, and returns the commit.
func (s *synced) push(branch string) string {
	s.t.Helper()
	outside.Git(s.t, s.work, "add", "-A")
	outside.Git(s.t, s.work, "commit", "-q", "--allow-empty", "-m", "change")
	outside.Git(s.t, s.work, "push", "-q", "origin", "HEAD:"+branch)
	return outside.Git(s.t, s.work, "rev-parse", "HEAD")
}

// until asks until it is so.
func (s *synced) until(what string, so func() (bool, error)) {
	s.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		ok, err := so()
		if err != nil {
			s.t.Fatalf("%s: %v", what, err)
		}
		if ok {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s: it does not come to that", what)
		}
	}
}

// template waits until a major version stands as the commit has it, and returns how.
func (s *synced) template(kind types.TemplateType, name, major, commit string) *proton.GetTemplateSyncStatusOutput {
	s.t.Helper()
	var out *proton.GetTemplateSyncStatusOutput
	s.until("the sync of "+name+":"+major, func() (bool, error) {
		var err error
		out, err = s.p.GetTemplateSyncStatus(context.Background(), &proton.GetTemplateSyncStatusInput{TemplateName: &name, TemplateType: kind, TemplateVersion: &major})
		return err == nil && out.LatestSync != nil && *out.LatestSync.TargetRevision.Sha == commit && out.LatestSync.Status != types.ResourceSyncStatusInProgress, err
	})
	return out
}

// said is what the events of an attempt say.
func said(events []types.ResourceSyncEvent) string {
	var all []string
	for _, e := range events {
		all = append(all, aws.ToString(e.Event))
	}
	return strings.Join(all, "\n")
}

// repository waits until the branch was read at the commit, and returns what the events say.
func (s *synced) repository(kind types.SyncType, branch, want string) (types.RepositorySyncStatus, string) {
	s.t.Helper()
	var status types.RepositorySyncStatus
	var text string
	s.until("the sync of the repository", func() (bool, error) {
		out, err := s.p.GetRepositorySyncStatus(context.Background(), &proton.GetRepositorySyncStatusInput{
			Branch: &branch, RepositoryName: aws.String(syncedRepository), RepositoryProvider: types.RepositoryProviderGithub, SyncType: kind,
		})
		if err != nil || out.LatestSync == nil {
			return false, err
		}
		var all []string
		for _, e := range out.LatestSync.Events {
			all = append(all, aws.ToString(e.Event))
		}
		status, text = out.LatestSync.Status, strings.Join(all, "\n")
		return strings.Contains(text, want), nil
	})
	return status, text
}

func (s *synced) follow(kind types.TemplateType, name, subdirectory string) {
	s.t.Helper()
	in := &proton.CreateTemplateSyncConfigInput{
		TemplateName: &name, TemplateType: kind, Branch: aws.String("main"), RepositoryName: aws.String(syncedRepository), RepositoryProvider: types.RepositoryProviderGithub,
	}
	if subdirectory != "" {
		in.Subdirectory = &subdirectory
	}
	if _, err := s.p.CreateTemplateSyncConfig(context.Background(), in); err != nil {
		s.t.Fatal(err)
	}
}

func (s *synced) minors(name, major string) (list []string) {
	s.t.Helper()
	out, err := s.p.ListEnvironmentTemplateVersions(context.Background(), &proton.ListEnvironmentTemplateVersionsInput{TemplateName: &name, MajorVersion: &major})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range out.TemplateVersions {
		list = append(list, *v.MinorVersion+" "+string(v.Status))
	}
	return list
}

// TestProtonFollowsTemplates: the folders of a branch become versions of templates, each change of a folder
// one, and what is wrong is told with file and line.
func TestProtonFollowsTemplates(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSynced(t)
	for _, make := range []func() error{
		func() error {
			_, err := s.p.CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("network")})
			return err
		},
		func() error {
			_, err := s.p.CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: aws.String("worker")})
			return err
		},
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
	}
	s.follow(types.TemplateTypeEnvironment, "network", "templates")
	s.follow(types.TemplateTypeService, "worker", "")
	if status, text := s.repository(types.SyncTypeTemplateSync, "main", "has no branch main"); status != types.RepositorySyncStatusFailed {
		t.Errorf("a branch that is not there: %s: %s", status, text)
	}

	// One commit with two major versions, and a service template that may stand in one of them.
	s.bundle("cfn-environment", "templates/network/v1")
	s.bundle("cfn-environment", "templates/network/v2")
	s.bundle("cfn-service", "worker/v1")
	s.write("worker/v1/.template-registration.yaml", "compatible_environments:\n  - network:1\nsupported_component_sources:\n  - DIRECTLY_DEFINED\n")
	s.bundle("cfn-service", "worker/v2")
	s.write("worker/v2/.compatible-envs", "network:1\nnetwork:2\n") // as it was before
	first := s.push("main")
	for _, major := range []string{"1", "2"} {
		out := s.template(types.TemplateTypeEnvironment, "network", major, first)
		if out.LatestSync.Status != types.ResourceSyncStatusSucceeded || *out.DesiredState.Directory != "templates/network/v"+major || *out.LatestSuccessfulSync.TargetRevision.Sha != first {
			t.Errorf("network:%s: %+v: %s", major, out.LatestSync.Status, said(out.LatestSync.Events))
		}
	}
	if out := s.template(types.TemplateTypeService, "worker", "1", first); out.LatestSync.Status != types.ResourceSyncStatusSucceeded {
		t.Fatalf("worker:1: %s: %s", out.LatestSync.Status, said(out.LatestSync.Events))
	}
	v, err := s.p.GetServiceTemplateVersion(ctx, &proton.GetServiceTemplateVersionInput{TemplateName: aws.String("worker"), MajorVersion: aws.String("1"), MinorVersion: aws.String("0")})
	if err != nil {
		t.Fatal(err)
	}
	if got := v.ServiceTemplateVersion; got.Status != types.TemplateVersionStatusDraft || len(got.CompatibleEnvironmentTemplates) != 1 || len(got.SupportedComponentSources) != 1 {
		t.Errorf("worker:1.0: %+v", got)
	}
	if out := s.template(types.TemplateTypeService, "worker", "2", first); out.LatestSync.Status != types.ResourceSyncStatusSucceeded {
		t.Fatalf("worker:2: %s: %s", out.LatestSync.Status, said(out.LatestSync.Events))
	}
	if v, err = s.p.GetServiceTemplateVersion(ctx, &proton.GetServiceTemplateVersionInput{TemplateName: aws.String("worker"), MajorVersion: aws.String("2"), MinorVersion: aws.String("0")}); err != nil {
		t.Fatal(err)
	}
	if got := v.ServiceTemplateVersion; len(got.CompatibleEnvironmentTemplates) != 2 || len(got.SupportedComponentSources) != 0 {
		t.Errorf("worker:2.0: %+v", got)
	}
	defs, err := s.p.ListRepositorySyncDefinitions(ctx, &proton.ListRepositorySyncDefinitionsInput{RepositoryName: aws.String(syncedRepository), RepositoryProvider: types.RepositoryProviderGithub, SyncType: types.SyncTypeTemplateSync})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range defs.SyncDefinitions {
		found = append(found, *d.Target+" "+*d.Directory)
	}
	if got, want := strings.Join(found, ", "), "network:1 templates/network/v1, network:2 templates/network/v2, worker:1 worker/v1, worker:2 worker/v2"; got != want {
		t.Errorf("definitions %s, want %s", got, want)
	}

	// A change elsewhere makes no version, nor does a restart.
	s.write("README.md", "ours")
	second := s.push("main")
	s.repository(types.SyncTypeTemplateSync, "main", second)
	s.h.Kill()
	s.h.Restart()
	s.p = s.h.AsAdmin().Proton()
	s.write("templates/network/v1/schema/schema.yaml", protonbundles.File(t, "cfn-environment", "schema/schema.yaml")+"\n# changed\n")
	third := s.push("main")
	s.template(types.TemplateTypeEnvironment, "network", "1", third)
	if got := s.minors("network", "1"); len(got) != 2 || got[0] != "0 DRAFT" || got[1] != "1 DRAFT" {
		t.Errorf("network:1 has %v", got)
	}
	if got := s.minors("network", "2"); len(got) != 1 {
		t.Errorf("network:2 has %v", got)
	}

	// What is wrong is told with its place, and the last success stays.
	s.write("templates/network/v1/schema/schema.yaml", "schema:\n  format:\n    openapi: [\n")
	s.write("worker/v1/.template-registration.yaml", "compatible_environments:\n  - network:1\n  - nowhere:3\n")
	fourth := s.push("main")
	out := s.template(types.TemplateTypeEnvironment, "network", "1", fourth)
	if out.LatestSync.Status != types.ResourceSyncStatusFailed || !strings.Contains(said(out.LatestSync.Events), "templates/network/v1/schema/schema.yaml:") || *out.LatestSuccessfulSync.TargetRevision.Sha != third {
		t.Errorf("a broken schema: %s: %s", out.LatestSync.Status, said(out.LatestSync.Events))
	}
	out = s.template(types.TemplateTypeService, "worker", "1", fourth)
	if out.LatestSync.Status != types.ResourceSyncStatusFailed || !strings.Contains(said(out.LatestSync.Events), "worker/v1/.template-registration.yaml:3:5: the environment template nowhere has no major version 3") {
		t.Errorf("a broken registration: %s: %s", out.LatestSync.Status, said(out.LatestSync.Events))
	}

	// The remote vanishes, and comes again.
	if err := os.Rename(s.bare, s.bare+".away"); err != nil {
		t.Fatal(err)
	}
	if status, text := s.repository(types.SyncTypeTemplateSync, "main", "The repository "+syncedRepository); status != types.RepositorySyncStatusFailed {
		t.Errorf("a remote that has vanished: %s: %s", status, text)
	}
	if err := os.Rename(s.bare+".away", s.bare); err != nil {
		t.Fatal(err)
	}
	s.write("templates/network/v1/schema/schema.yaml", protonbundles.File(t, "cfn-environment", "schema/schema.yaml"))
	fifth := s.push("main")
	if out := s.template(types.TemplateTypeEnvironment, "network", "1", fifth); out.LatestSync.Status != types.ResourceSyncStatusSucceeded {
		t.Errorf("mended: %s: %s", out.LatestSync.Status, said(out.LatestSync.Events))
	}
	if _, err := s.p.DeleteTemplateSyncConfig(ctx, &proton.DeleteTemplateSyncConfigInput{TemplateName: aws.String("network"), TemplateType: types.TemplateTypeEnvironment}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.p.GetTemplateSyncStatus(ctx, &proton.GetTemplateSyncStatusInput{TemplateName: aws.String("network"), TemplateType: types.TemplateTypeEnvironment, TemplateVersion: aws.String("1")}); house.ErrorCode(err) != "ResourceNotFoundException" {
		t.Errorf("the status without a configuration: %v", err)
	}
}

const webSchema = `schema:
  format:
    openapi: "3.0.0"
  service_input_type: Web
  types:
    Web:
      type: object
      properties:
        port:
          type: integer
          default: 80
`

const webTemplate = `Resources:
  Web:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: '{{ service_instance.name }}-{{ service_instance.inputs.port }}'
{% if service_instance.components.default is defined %}
      DisplayName: '{{ service_instance.components.default.outputs.BucketName }}'
{% endif %}
`

const oneTemplate = "infrastructure:\n  templates:\n    - file: cloudformation.yaml\n      rendering_engine: jinja\n      template_language: cloudformation\n"

// newShop publishes the templates network and web from the repository, and makes the environment dev and the
// service shop with one instance, alpha.
func (s *synced) newShop() {
	s.t.Helper()
	ctx := context.Background()
	must := func(_ any, err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	s.bundle("cfn-environment", "network/v1")
	s.write("web/v1/schema/schema.yaml", webSchema)
	s.write("web/v1/instance_infrastructure/manifest.yaml", oneTemplate)
	s.write("web/v1/instance_infrastructure/cloudformation.yaml", webTemplate)
	s.write("web/v1/.template-registration.yaml", "compatible_environments: [network:1]\nsupported_component_sources: [DIRECTLY_DEFINED]\n")
	commit := s.push("main")
	network, web, one, zero := aws.String("network"), aws.String("web"), aws.String("1"), aws.String("0")
	must(s.p.CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: network}))
	must(s.p.CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: web, PipelineProvisioning: types.ProvisioningCustomerManaged}))
	s.follow(types.TemplateTypeEnvironment, *network, "")
	s.template(types.TemplateTypeEnvironment, *network, "1", commit)
	s.follow(types.TemplateTypeService, *web, "")
	if out := s.template(types.TemplateTypeService, *web, "1", commit); out.LatestSync.Status != types.ResourceSyncStatusSucceeded {
		s.t.Fatalf("web:1: %s", said(out.LatestSync.Events))
	}
	must(s.p.UpdateEnvironmentTemplateVersion(ctx, &proton.UpdateEnvironmentTemplateVersionInput{TemplateName: network, MajorVersion: one, MinorVersion: zero, Status: types.TemplateVersionStatusPublished}))
	must(s.p.UpdateServiceTemplateVersion(ctx, &proton.UpdateServiceTemplateVersionInput{TemplateName: web, MajorVersion: one, MinorVersion: zero, Status: types.TemplateVersionStatusPublished}))
	role := protonRole(s.t, s.h, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	must(s.p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
		Name: aws.String("dev"), TemplateName: network, TemplateMajorVersion: one, Spec: aws.String(protonbundles.Spec(s.t, "cfn-environment")), ProtonServiceRoleArn: &role, ComponentRoleArn: &role,
	}))
	s.deployed("environment/dev")
	must(s.p.CreateService(ctx, &proton.CreateServiceInput{Name: aws.String("shop"), TemplateName: web, TemplateMajorVersion: one, Spec: aws.String(shopSpec("alpha", "port: 80"))}))
	s.deployed("service/shop/service-instance/alpha")
	s.until("the service", func() (bool, error) {
		out, err := s.p.GetService(ctx, &proton.GetServiceInput{Name: aws.String("shop")})
		return err == nil && out.Service.Status == types.ServiceStatusActive, err
	})
}

func shopSpec(instance, inputs string) string {
	return "proton: ServiceSpec\ninstances:\n  - name: " + instance + "\n    environment: dev\n    spec:\n      " + inputs + "\n"
}

// deployed tells that the resource's deployment has succeeded, once there is one that has begun.
func (s *synced) deployed(resource string, outputs ...types.Output) {
	s.t.Helper()
	arn := "arn:aws:proton:" + house.Region + ":" + s.h.Account + ":" + resource
	s.until("a deployment of "+resource, func() (bool, error) {
		_, err := s.p.NotifyResourceDeploymentStatusChange(context.Background(), &proton.NotifyResourceDeploymentStatusChangeInput{
			ResourceArn: &arn, Status: types.ResourceDeploymentStatusSucceeded, Outputs: outputs,
		})
		switch house.ErrorCode(err) {
		case "ConflictException", "ValidationException", "ResourceNotFoundException": // none has begun
			return false, nil
		}
		return err == nil, err
	})
}

// instance waits until an instance of the shop stands as the commit has it, and returns how.
func (s *synced) instance(name, commit string) *types.ResourceSyncAttempt {
	s.t.Helper()
	var latest *types.ResourceSyncAttempt
	s.until("the sync of "+name, func() (bool, error) {
		out, err := s.p.GetServiceInstanceSyncStatus(context.Background(), &proton.GetServiceInstanceSyncStatusInput{ServiceName: aws.String("shop"), ServiceInstanceName: &name})
		if house.ErrorCode(err) == "ResourceNotFoundException" {
			return false, nil
		}
		if err != nil || out.LatestSync == nil {
			return false, err
		}
		latest = out.LatestSync
		return *latest.TargetRevision.Sha == commit && latest.Status != types.ResourceSyncStatusInProgress, nil
	})
	return latest
}

func (s *synced) spec(instance string) string {
	s.t.Helper()
	out, err := s.p.GetServiceInstance(context.Background(), &proton.GetServiceInstanceInput{ServiceName: aws.String("shop"), Name: &instance})
	if err != nil {
		s.t.Fatal(err)
	}
	return aws.ToString(out.ServiceInstance.Spec)
}

// blockers are those of the shop, or of an instance of it.
func (s *synced) blockers(instance string) []types.SyncBlocker {
	s.t.Helper()
	in := &proton.GetServiceSyncBlockerSummaryInput{ServiceName: aws.String("shop")}
	if instance != "" {
		in.ServiceInstanceName = &instance
	}
	out, err := s.p.GetServiceSyncBlockerSummary(context.Background(), in)
	if err != nil {
		s.t.Fatal(err)
	}
	return out.ServiceSyncBlockerSummary.LatestBlockers
}

// TestProtonFollowsServices: the specs of a repository make and change the instances of a service; what
// somebody does by hand keeps the repository away until he says that it may.
func TestProtonFollowsServices(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSynced(t)
	s.newShop()
	s.write("configuration/proton-ops.yaml", `sync:
  services:
    shop:
      alpha:
        branch: main
        spec: ./shop/alpha.yaml
      beta:
        branch: next
        spec: shop/beta.yaml
`)
	s.write("shop/alpha.yaml", shopSpec("alpha", "port: 81"))
	s.push("main")
	s.write("shop/beta.yaml", shopSpec("beta", "port: 90"))
	next := s.push("next")
	outside.Git(t, s.work, "reset", "-q", "--hard", "HEAD~1")
	first := outside.Git(t, s.work, "rev-parse", "HEAD")
	if _, err := s.p.CreateServiceSyncConfig(ctx, &proton.CreateServiceSyncConfigInput{
		ServiceName: aws.String("shop"), Branch: aws.String("main"), FilePath: aws.String("./configuration/proton-ops.yaml"),
		RepositoryName: aws.String(syncedRepository), RepositoryProvider: types.RepositoryProviderGithub,
	}); err != nil {
		t.Fatal(err)
	}
	s.deployed("service/shop/service-instance/alpha")
	s.deployed("service/shop/service-instance/beta")
	if got := s.instance("alpha", first); got.Status != types.ResourceSyncStatusSucceeded || !strings.Contains(s.spec("alpha"), "port: 81") {
		t.Errorf("alpha is %s with %s: %s", got.Status, s.spec("alpha"), said(got.Events))
	}
	if got := s.instance("beta", next); got.Status != types.ResourceSyncStatusSucceeded || !strings.Contains(s.spec("beta"), "port: 90") || *got.TargetRevision.Branch != "next" {
		t.Errorf("beta is %s with %s: %s", got.Status, s.spec("beta"), said(got.Events))
	}
	if len(s.blockers("")) != 0 || len(s.blockers("alpha")) != 0 || len(s.blockers("beta")) != 0 {
		t.Error("the repository has blocked itself")
	}

	// What is wrong with a spec is told with its place; nothing is deployed.
	s.write("shop/alpha.yaml", shopSpec("alpha", "port: many"))
	if got := s.instance("alpha", s.push("main")); got.Status != types.ResourceSyncStatusFailed || !strings.Contains(said(got.Events), "shop/alpha.yaml:6:13: instances[0].spec.port") {
		t.Errorf("a broken spec: %s: %s", got.Status, said(got.Events))
	}

	// A change by hand blocks the instance, and only that.
	if _, err := s.p.UpdateServiceInstance(ctx, &proton.UpdateServiceInstanceInput{
		ServiceName: aws.String("shop"), Name: aws.String("alpha"), DeploymentType: types.DeploymentUpdateTypeCurrentVersion, Spec: aws.String(shopSpec("alpha", "port: 7")),
	}); err != nil {
		t.Fatal(err)
	}
	s.deployed("service/shop/service-instance/alpha")
	blockers := s.blockers("alpha")
	if len(blockers) != 1 || blockers[0].Status != types.BlockerStatusActive || len(s.blockers("")) != 0 || len(s.blockers("beta")) != 0 {
		t.Fatalf("the blockers of alpha are %+v", blockers)
	}
	s.write("shop/alpha.yaml", shopSpec("alpha", "port: 82"))
	second := s.push("main")
	s.repository(types.SyncTypeServiceSync, "main", second)
	if got := s.spec("alpha"); !strings.Contains(got, "port: 7") {
		t.Errorf("the repository has changed a blocked instance: %s", got)
	}
	done, err := s.p.UpdateServiceSyncBlocker(ctx, &proton.UpdateServiceSyncBlockerInput{Id: blockers[0].Id, ResolvedReason: aws.String("the repository is right")})
	if err != nil || done.ServiceSyncBlocker.Status != types.BlockerStatusResolved || aws.ToString(done.ServiceInstanceName) != "alpha" {
		t.Fatalf("resolved: %+v, %v", done, err)
	}
	s.deployed("service/shop/service-instance/alpha")
	if got := s.instance("alpha", second); got.Status != types.ResourceSyncStatusSucceeded || !strings.Contains(s.spec("alpha"), "port: 82") {
		t.Errorf("after the blocker alpha is %s with %s: %s", got.Status, s.spec("alpha"), said(got.Events))
	}

	// An instance that is taken away by hand blocks the service.
	if _, err := s.p.UpdateService(ctx, &proton.UpdateServiceInput{Name: aws.String("shop"), Spec: aws.String(shopSpec("alpha", "port: 82"))}); err != nil {
		t.Fatal(err)
	}
	if all := s.blockers(""); len(all) != 1 || all[0].Status != types.BlockerStatusActive {
		t.Errorf("the blockers of the service are %+v", all)
	}
	s.deployed("service/shop/service-instance/beta")
	s.write("shop/alpha.yaml", shopSpec("alpha", "port: 83"))
	s.repository(types.SyncTypeServiceSync, "main", s.push("main"))
	if got := s.spec("alpha"); !strings.Contains(got, "port: 82") {
		t.Errorf("the repository has changed an instance of a blocked service: %s", got)
	}
}

// TestProtonDeploysTheInstanceOfAComponentAgain: attached, updated and detached, a component makes its
// instance be deployed again, with its outputs or without.
func TestProtonDeploysTheInstanceOfAComponentAgain(t *testing.T) {
	ctx := context.Background()
	s := newSynced(t)
	s.newShop()
	deployments := func() (n int) {
		t.Helper()
		out, err := s.p.ListDeployments(ctx, &proton.ListDeploymentsInput{ServiceName: aws.String("shop"), ServiceInstanceName: aws.String("alpha")})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range out.Deployments {
			if d.TargetResourceType == types.DeploymentTargetResourceTypeServiceInstance {
				n++
			}
		}
		return n
	}
	service, instance, name := aws.String("shop"), aws.String("alpha"), aws.String("bucket")
	if _, err := s.p.CreateComponent(ctx, &proton.CreateComponentInput{
		Name: name, ServiceName: service, ServiceInstanceName: instance, ServiceSpec: aws.String(shopSpec("alpha", "port: 80")),
		TemplateFile: aws.String(protonbundles.File(t, "cfn-component", "template.yaml")), Manifest: aws.String(protonbundles.File(t, "cfn-component", "manifest.yaml")),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.p.UpdateServiceInstance(ctx, &proton.UpdateServiceInstanceInput{ServiceName: service, Name: instance, DeploymentType: types.DeploymentUpdateTypeCurrentVersion}); house.ErrorCode(err) != "ConflictException" {
		t.Errorf("updating the instance while its component is being deployed: %v", err)
	}
	s.deployed("component/bucket", types.Output{Key: aws.String("BucketName"), ValueString: aws.String("the-bucket")})
	s.until("the instance's deployment", func() (bool, error) { return deployments() == 2, nil })
	update := func(in *proton.UpdateComponentInput) error {
		in.Name, in.DeploymentType = name, types.ComponentDeploymentUpdateTypeCurrentVersion
		_, err := s.p.UpdateComponent(ctx, in)
		return err
	}
	if err := update(&proton.UpdateComponentInput{ServiceSpec: aws.String(shopSpec("alpha", "port: 80"))}); house.ErrorCode(err) != "ConflictException" {
		t.Errorf("updating while the instance is being deployed: %v", err)
	}
	s.deployed("service/shop/service-instance/alpha")
	if err := update(&proton.UpdateComponentInput{ServiceName: service, ServiceInstanceName: aws.String("gamma")}); house.ErrorCode(err) != "ConflictException" {
		t.Errorf("moving an attached component: %v", err)
	}
	if err := update(&proton.UpdateComponentInput{ServiceName: aws.String(""), ServiceInstanceName: aws.String("")}); err != nil {
		t.Fatal(err)
	}
	s.deployed("component/bucket")
	last := 0
	s.until("the instance's deployment without the component", func() (bool, error) {
		if n := deployments(); n != last {
			last = n
			t.Logf("the instance has had %d deployments", n)
		}
		return last >= 3, nil
	})
	s.until("the end of it", func() (bool, error) {
		s.deployed("service/shop/service-instance/alpha")
		out, err := s.p.GetServiceInstance(ctx, &proton.GetServiceInstanceInput{ServiceName: service, Name: instance})
		return err == nil && out.ServiceInstance.DeploymentStatus == types.DeploymentStatusSucceeded, err
	})
	if _, err := s.p.DeleteComponent(ctx, &proton.DeleteComponentInput{Name: name}); err != nil {
		t.Error(err)
	}
}
