package compat

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
	git(t, "", "init", "-q", "--bare", "-b", "main", s.bare)
	git(t, "", "clone", "-q", s.bare, s.work)
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
	git(s.t, s.work, "add", "-A")
	git(s.t, s.work, "commit", "-q", "--allow-empty", "-m", "change")
	git(s.t, s.work, "push", "-q", "origin", "HEAD:"+branch)
	return git(s.t, s.work, "rev-parse", "HEAD")
}

// until asks until it is so.
func (s *synced) until(what string, so func() (bool, error)) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
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
	defs, err := s.p.ListRepositorySyncDefinitions(ctx, &proton.ListRepositorySyncDefinitionsInput{RepositoryName: aws.String(syncedRepository), RepositoryProvider: types.RepositoryProviderGithub, SyncType: types.SyncTypeTemplateSync})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range defs.SyncDefinitions {
		found = append(found, *d.Target+" "+*d.Directory)
	}
	if got, want := strings.Join(found, ", "), "network:1 templates/network/v1, network:2 templates/network/v2, worker:1 worker/v1"; got != want {
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
