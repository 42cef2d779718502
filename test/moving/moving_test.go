// Package moving tests that a Proton catalogue moves between houses: with the program itself, between two real
// houses over TLS, there and back.
package moving

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trail "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

func TestMain(m *testing.M) { house.Main(m) }

var ctx = context.Background()

const bucket = "bundles"

// site is a house with a bucket, a key and a role for components.
type site struct {
	*house.House
	t         testing.TB
	c         *proton.Client
	key, role string
}

func newSite(t testing.TB) *site {
	t.Helper()
	h := house.Start(t)
	s := &site{House: h, t: t, c: h.AsAdmin().Proton()}
	_, err := h.AsAdmin().S3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: s3types.BucketLocationConstraint(house.Region),
	}})
	s.must(err)
	key, err := h.AsAdmin().KMS().CreateKey(ctx, &kms.CreateKeyInput{})
	s.must(err)
	s.key = *key.KeyMetadata.Arn
	role, err := h.AsAdmin().IAM().CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("components"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"proton.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	s.must(err)
	s.role = *role.Role.Arn
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// run runs the program against the house, as its administrator.
func (s *site) run(args ...string) (string, error) {
	cmd := exec.Command(house.Binary(s.t), args...)
	cmd.Env = s.Environ(s.Admin)
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// upload puts a bundle into the bucket and is the source of a version.
func (s *site) upload(name string) types.TemplateVersionSourceInput {
	s.t.Helper()
	_, err := s.AsAdmin().S3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &name, Body: bytes.NewReader(protonbundles.Tar(s.t, name))})
	s.must(err)
	return &types.TemplateVersionSourceInputMemberS3{Value: types.S3ObjectSource{Bucket: aws.String(bucket), Key: &name}}
}

// until waits until it is done, within bounds.
func (s *site) until(what string, done func() bool) {
	s.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%s does not end", what)
		}
	}
}

func (s *site) environmentVersion(template, from, description string, major *string) (m, n *string) {
	s.t.Helper()
	out, err := s.c.CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{
		TemplateName: &template, MajorVersion: major, Source: s.upload(from), Description: &description, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("network")}},
	})
	s.must(err)
	m, n = out.EnvironmentTemplateVersion.MajorVersion, out.EnvironmentTemplateVersion.MinorVersion
	s.until("registration", func() bool {
		got, err := s.c.GetEnvironmentTemplateVersion(ctx, &proton.GetEnvironmentTemplateVersionInput{TemplateName: &template, MajorVersion: m, MinorVersion: n})
		s.must(err)
		return got.EnvironmentTemplateVersion.Status == types.TemplateVersionStatusDraft
	})
	return m, n
}

func (s *site) serviceVersion(template, from string, compatible string) {
	s.t.Helper()
	out, err := s.c.CreateServiceTemplateVersion(ctx, &proton.CreateServiceTemplateVersionInput{
		TemplateName: &template, MajorVersion: aws.String("1"), Source: s.upload(from), SupportedComponentSources: []types.ServiceTemplateSupportedComponentSourceType{"DIRECTLY_DEFINED"},
		CompatibleEnvironmentTemplates: []types.CompatibleEnvironmentTemplateInput{{TemplateName: aws.String("network"), MajorVersion: &compatible}},
	})
	s.must(err)
	minor := out.ServiceTemplateVersion.MinorVersion
	s.until("registration", func() bool {
		got, err := s.c.GetServiceTemplateVersion(ctx, &proton.GetServiceTemplateVersionInput{TemplateName: &template, MajorVersion: aws.String("1"), MinorVersion: minor})
		s.must(err)
		return got.ServiceTemplateVersion.Status == types.TemplateVersionStatusDraft
	})
	_, err = s.c.UpdateServiceTemplateVersion(ctx, &proton.UpdateServiceTemplateVersionInput{TemplateName: &template, MajorVersion: aws.String("1"), MinorVersion: minor, Status: types.TemplateVersionStatusPublished})
	s.must(err)
}

// deployed says that an environment or instance is deployed, as whoever applies rendered files does.
func (s *site) deployed(resource string) {
	s.t.Helper()
	_, err := s.c.NotifyResourceDeploymentStatusChange(ctx, &proton.NotifyResourceDeploymentStatusChangeInput{
		ResourceArn: aws.String("arn:aws:proton:" + house.Region + ":" + s.Account + ":" + resource), Status: types.ResourceDeploymentStatusSucceeded,
		Outputs: []types.Output{{Key: aws.String("TableName"), ValueString: aws.String("table")}},
	})
	s.must(err)
}

// fill makes a catalogue: a template that has lost its first major version, a service with a pipeline and with instances of
// two versions, a component, a repository.
func (s *site) fill() {
	s.t.Helper()
	_, err := s.c.CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{
		Name: aws.String("network"), DisplayName: aws.String("The network"), Description: aws.String("tables, \"quoted\" & <marked>"), EncryptionKey: &s.key, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("network")}},
	})
	s.must(err)
	s.environmentVersion("network", "cfn-environment", "the first one", nil)
	major, minor := s.environmentVersion("network", "cfn-environment", "the second one", nil)
	_, err = s.c.UpdateEnvironmentTemplateVersion(ctx, &proton.UpdateEnvironmentTemplateVersionInput{TemplateName: aws.String("network"), MajorVersion: major, MinorVersion: minor, Status: types.TemplateVersionStatusPublished})
	s.must(err)
	s.environmentVersion("network", "cfn-environment", "a draft", major)
	_, err = s.c.DeleteEnvironmentTemplateVersion(ctx, &proton.DeleteEnvironmentTemplateVersionInput{TemplateName: aws.String("network"), MajorVersion: aws.String("1"), MinorVersion: aws.String("0")})
	s.must(err)
	none := types.TemplateVersionSourceInput(&types.TemplateVersionSourceInputMemberS3{Value: types.S3ObjectSource{Bucket: aws.String(bucket), Key: aws.String("not-there")}})
	_, err = s.c.CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{TemplateName: aws.String("network"), Source: none})
	s.must(err)

	_, err = s.c.CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: aws.String("worker"), EncryptionKey: &s.key})
	s.must(err)
	s.serviceVersion("worker", "cfn-service", *major)
	_, err = s.c.CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("own"), Provisioning: types.ProvisioningCustomerManaged})
	s.must(err)
	own, _ := s.environmentVersion("own", "managed-environment", "", nil)
	_, newest := s.environmentVersion("own", "managed-environment", "", own)
	// A draft stays in the lists when the newer one is deleted.
	_, err = s.c.DeleteEnvironmentTemplateVersion(ctx, &proton.DeleteEnvironmentTemplateVersionInput{TemplateName: aws.String("own"), MajorVersion: own, MinorVersion: newest})
	s.must(err)

	connection := "arn:aws:codestar-connections:" + house.Region + ":" + s.Account + ":connection/6f1d1a2e-0000-4000-8000-000000000001"
	_, err = s.c.CreateRepository(ctx, &proton.CreateRepositoryInput{Provider: types.RepositoryProviderGithub, Name: aws.String("platform/live"), ConnectionArn: &connection, EncryptionKey: &s.key})
	s.must(err)
	_, err = s.c.CreateTemplateSyncConfig(ctx, &proton.CreateTemplateSyncConfigInput{TemplateName: aws.String("network"), TemplateType: types.TemplateTypeEnvironment,
		RepositoryName: aws.String("platform/live"), RepositoryProvider: types.RepositoryProviderGithub, Branch: aws.String("main"), Subdirectory: aws.String("templates")})
	s.must(err)
	for _, name := range []string{"dev", "prod"} {
		_, err = s.c.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
			Name: &name, TemplateName: aws.String("network"), TemplateMajorVersion: major, Spec: aws.String(protonbundles.Spec(s.t, "cfn-environment")),
			Description: aws.String("for " + name), ComponentRoleArn: &s.role, Tags: []types.Tag{{Key: aws.String("stage"), Value: &name}},
		})
		s.must(err)
		s.deployed("environment/" + name)
	}
	spec := protonbundles.Spec(s.t, "cfn-service")
	_, err = s.c.CreateService(ctx, &proton.CreateServiceInput{
		Name: aws.String("shop"), Description: aws.String("sells"), TemplateName: aws.String("worker"), TemplateMajorVersion: aws.String("1"), Spec: &spec,
		RepositoryId: aws.String("platform/shop"), RepositoryConnectionArn: &connection, BranchName: aws.String("main"),
	})
	s.must(err)
	s.deployed("service/shop/service-instance/worker-dev")
	s.serviceVersion("worker", "cfn-service", *major)
	more := strings.Replace(strings.Replace(spec, "worker-dev", "worker-next", 1), "1.4", "1.5", 1)
	_, err = s.c.CreateServiceInstance(ctx, &proton.CreateServiceInstanceInput{
		ServiceName: aws.String("shop"), Name: aws.String("worker-next"), Spec: &more, TemplateMajorVersion: aws.String("1"), TemplateMinorVersion: aws.String("1"),
		Tags: []types.Tag{{Key: aws.String("stage"), Value: aws.String("next")}},
	})
	s.must(err)
	_, err = s.c.CreateServiceSyncConfig(ctx, &proton.CreateServiceSyncConfigInput{ServiceName: aws.String("shop"), FilePath: aws.String("proton-ops.yaml"),
		RepositoryName: aws.String("platform/live"), RepositoryProvider: types.RepositoryProviderGithub, Branch: aws.String("main")})
	s.must(err)
	_, err = s.c.CreateComponent(ctx, &proton.CreateComponentInput{
		Name: aws.String("files"), ServiceName: aws.String("shop"), ServiceInstanceName: aws.String("worker-dev"),
		TemplateFile: aws.String(protonbundles.File(s.t, "cfn-component", "template.yaml")), Manifest: aws.String(protonbundles.File(s.t, "cfn-component", "manifest.yaml")),
	})
	s.must(err)
}

// tree is every file below a folder.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if want := fs.FileMode(0o600); d.IsDir() {
			if info.Mode().Perm() != 0o700 {
				t.Errorf("%s has the mode %v", p, info.Mode())
			}
			return nil
		} else if mode := info.Mode(); mode != want && mode != 0o700 {
			t.Errorf("%s has the mode %v", p, mode)
		}
		data, err := os.ReadFile(p)
		files[strings.TrimPrefix(p, dir+"/")] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// same compares two trees, after the changes in the names and texts of the first.
func same(t testing.TB, what string, got, want map[string]string, changes ...string) {
	t.Helper()
	change := strings.NewReplacer(changes...)
	changed := map[string]string{}
	for name, text := range want {
		changed[change.Replace(name)] = change.Replace(text)
	}
	for name, text := range changed {
		if other, ok := got[name]; !ok {
			t.Errorf("%s: %s is missing", what, name)
		} else if other != text {
			t.Errorf("%s: %s is\n%s\nwant\n%s", what, name, other, text)
		}
	}
	for name := range got {
		if _, ok := changed[name]; !ok {
			t.Errorf("%s: %s is too much", what, name)
		}
	}
}

// changes counts the records of calls of Proton that change something.
func (s *site) changes() (n int) {
	s.t.Helper()
	pages := cloudtrail.NewLookupEventsPaginator(s.AsAdmin().CloudTrail(), &cloudtrail.LookupEventsInput{
		LookupAttributes: []trail.LookupAttribute{{AttributeKey: trail.LookupAttributeKeyReadOnly, AttributeValue: aws.String("false")}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		s.must(err)
		for _, e := range page.Events {
			if source := aws.ToString(e.EventSource); source == "proton.amazonaws.com" || source == "s3.amazonaws.com" {
				n++
			}
		}
	}
	return n
}

func TestCatalogueMovesBetweenHouses(t *testing.T) {
	a, b := newSite(t), newSite(t)
	a.fill()
	dir, back := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	text, err := a.run("proton", "export", dir)
	if err != nil || !strings.Contains(text, "plaintext") || !strings.Contains(text, "3.0 is left out: it is REGISTRATION_FAILED") {
		t.Fatalf("export: %v\n%s", err, text)
	}
	first := tree(t, dir)
	for name, want := range map[string]string{"environment-templates/network/template.json": `"subdirectory": "templates"`, "services/shop/service.json": `"filePath": "proton-ops.yaml"`} {
		if !strings.Contains(first[name], want) {
			t.Errorf("%s has no %s:\n%s", name, want, first[name])
		}
	}
	for _, name := range []string{
		"environment-templates/network/2.0/bundle/schema/schema.yaml", "environment-templates/network/2.1/version.json", "service-templates/worker/1.0/bundle/instance_infrastructure/cloudformation.yaml",
		"environment-templates/own/1.0/version.json", "environments/dev/spec.yaml", "services/shop/instances/worker-next/instance.json", "components/files/component.yaml", "repositories.json",
	} {
		if first[name] == "" {
			t.Errorf("the export has no %s", name)
		}
	}
	if got, want := first["environment-templates/network/2.0/bundle/schema/schema.yaml"], protonbundles.File(t, "cfn-environment", "schema/schema.yaml"); got != want {
		t.Errorf("the schema came out as\n%s", got)
	}
	if text, err := a.run("proton", "export", dir); err != nil {
		t.Fatalf("export once more: %v\n%s", err, text)
	}
	same(t, "exported once more", tree(t, dir), first)

	// Nothing is made without a key for what was under one.
	before := b.changes()
	if text, err := b.run("proton", "import", dir, "--bucket", bucket); err == nil || !strings.Contains(text, "it was under the customer's key "+a.key) {
		t.Errorf("import without a key: %v\n%s", err, text)
	}
	if now := b.changes(); now != before {
		t.Errorf("an import that was refused made %d changes", now-before)
	}
	into := []string{"proton", "import", dir, "--bucket", bucket, "--key", b.key, "--wait", "0s"}
	if text, err = b.run(into...); err == nil || !strings.Contains(text, "service shop: the environment dev is IN_PROGRESS") || !strings.Contains(text, "not complete") {
		t.Fatalf("the first import: %v\n%s", err, text)
	}
	b.deployed("environment/dev")
	b.deployed("environment/prod")
	if text, err = b.run(into...); err != nil {
		t.Fatalf("the second import: %v\n%s", err, text)
	}
	before = b.changes()
	if text, err = b.run(into...); err != nil || strings.TrimSpace(text) != "the catalogue is imported" {
		t.Errorf("the third import: %v\n%s", err, text)
	}
	if now := b.changes(); now != before {
		t.Errorf("an import of what is there made %d changes", now-before)
	}
	if left, err := b.AsAdmin().S3().ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(bucket)}); err != nil || len(left.Contents) != 0 {
		t.Errorf("%d bundles stay in the bucket, %v", len(left.Contents), err)
	}
	got, err := b.c.GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: aws.String("network")})
	if err != nil || aws.ToString(got.EnvironmentTemplate.EncryptionKey) != b.key {
		t.Errorf("the template is under the key %v, %v", got, err)
	}
	if text, err := b.run("proton", "export", back); err != nil {
		t.Fatalf("export from the other house: %v\n%s", err, text)
	}
	same(t, "there and back", tree(t, back), first, a.Account, b.Account, a.key, b.key, "network/2.", "network/1.", `"recommendedVersion": "2.0"`, `"recommendedVersion": "1.0"`,
		"\"templateName\": \"network\",\n  \"templateVersion\": \"2.0\"", "\"templateName\": \"network\",\n  \"templateVersion\": \"1.0\"",
		"\"templateName\": \"network\",\n      \"majorVersion\": \"2\"", "\"templateName\": \"network\",\n      \"majorVersion\": \"1\"")

	changedCatalogue(t, b, dir, into)
}

// changedCatalogue imports a folder that somebody has worked on.
func changedCatalogue(t *testing.T, b *site, dir string, into []string) {
	next, old := filepath.Join(dir, "environment-templates/network/2.2"), filepath.Join(dir, "environment-templates/network/2.0")
	if err := os.CopyFS(next, os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	infrastructure := filepath.Join(next, "bundle/infrastructure/cloudformation.yaml")
	text, err := os.ReadFile(infrastructure)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(infrastructure, append(text, "\n# one line more\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := b.run(into...); err != nil || !strings.Contains(out, "2.2 as 1.2") || strings.Contains(out, "2.1 as") {
		t.Errorf("import of a new version: %v\n%s", err, out)
	}
	// What is registered is never another one.
	if err := os.WriteFile(infrastructure, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := b.run(into...); err == nil || !strings.Contains(out, "version 2.2: the house has another one in its place, 1.2: its bundle differs in infrastructure/cloudformation.yaml") {
		t.Errorf("import of another bundle: %v\n%s", err, out)
	}
	if err := os.RemoveAll(next); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, text, want string }{
		"a branch without a name":    {"services/shop/service.json", `{"templateName": "worker", "sync": {"provider": "GITHUB", "name": "platform/live", "branch": ""}}`, "sync has a provider"},
		"an ops file of a template":  {"environment-templates/network/template.json", `{"sync": {"provider": "GITHUB", "name": "a/b", "branch": "c", "filePath": "d"}}`, "sync has a subdirectory"},
		"a member that is not known": {"environments/dev/environment.json", `{"templatName": "network"}`, "environments/dev/environment.json"},
		"a spec of another kind":     {"environments/dev/spec.yaml", "proton: ServiceSpec\n", "environments/dev/spec.yaml"},
		"another format":             {"catalogue.json", `{"format": 9, "account": "1", "region": "r"}`, "format 9 is not known"},
	} {
		file := filepath.Join(dir, c.file)
		was, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := b.run(into...); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if err := os.WriteFile(file, was, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "environment-templates/network/2.0/bundle/schema/link.yaml")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{into, {"proton", "export", dir}} {
		if out, err := b.run(args...); err == nil || !strings.Contains(out, "links are not followed") {
			t.Errorf("%s with a link in the folder: %v\n%s", args[1], err, out)
		}
	}
}
