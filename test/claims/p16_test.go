package claims

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/canary"
	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// hidden makes words that must be found nowhere, and remembers them.
type hidden struct {
	canary.Hunt
	words map[string]string
}

// word is the canary of the name, which is also what findings say.
func (h *hidden) word(name string) string {
	if h.words == nil {
		h.words = map[string]string{}
	}
	if h.words[name] == "" {
		h.words[name] = "w" + base64.RawURLEncoding.EncodeToString(random(20))
		h.words[name] = strings.NewReplacer("-", "x", "_", "y").Replace(h.words[name])
		h.Add(name, []byte(h.words[name]))
	}
	return h.words[name]
}

func (h *hidden) ptr(name string) *string { return aws.String(h.word(name)) }

// secretBundle is the bundle of an environment whose every file has something to hide.
func secretBundle(h *hidden) map[string]string {
	return map[string]string{
		"schema/schema.yaml": "schema:\n  format:\n    openapi: \"3.0.0\"\n  environment_input_type: In\n  types:\n    In:\n      type: object\n      description: " + h.word("TemplateSchema") +
			"\n      properties:\n        size:\n          type: integer\n          default: 1\n        name:\n          type: string\n          maxLength: 60\n",
		"infrastructure/manifest.yaml": "# " + h.word("a manifest") + "\ninfrastructure:\n  templates:\n    - rendering_engine: codebuild\n      settings:\n        image: any\n" +
			"        env:\n          variables:\n            NAME: " + h.word("an environment variable") + "\n        provision:\n          - echo " + h.word("a command") + "\n",
		"infrastructure/notes.txt": h.word("a file of a bundle") + "\n",
	}
}

// TestP16_SensitiveMembersAreNowhere puts something to hide into every member that the model calls sensitive, in
// calls that succeed and in calls that are refused, and looks for it in the trail, in what the house printed and in every
// file on its disk. Each comes back to who may read it.
func TestP16_SensitiveMembersAreNowhere(t *testing.T) {
	h := house.Start(t, "--log", "debug")
	admin := h.AsAdmin()
	p, words := admin.Proton(), new(hidden)
	newBucket(t, admin, bundles, "")
	put(t, admin, bundles, "secret", protonbundles.Pack(t, secretBundle(words)))
	newRole(t, admin, "components", protonTrust(h.Account))

	secretTemplate(t, p, words)
	secretEnvironment(t, h, words)
	secretComponent(t, h, words)
	secretRefusals(t, p, words)

	for _, e := range events(t, admin, "") {
		for _, f := range words.Bytes("the record of "+e.EventName, []byte(e.text)) {
			t.Error(f)
		}
	}
	for _, f := range words.Bytes("what the house printed", []byte(h.Output())) {
		t.Error(f)
	}
	h.Stop()
	findings, read, err := words.Dir(h.Dir)
	if err != nil || read == 0 {
		t.Fatal(read, err)
	}
	for _, f := range findings {
		t.Error(f)
	}
	if len(words.words) < 20 {
		t.Errorf("only %d members were tried", len(words.words))
	}
}

func secretTemplate(t *testing.T, p *proton.Client, words *hidden) {
	t.Helper()
	name, one, zero := aws.String("secret"), aws.String("1"), aws.String("0")
	if _, err := p.CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: name, DisplayName: words.ptr("DisplayName"), Description: words.ptr("Description of a template")}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{TemplateName: name, Description: words.ptr("Description of a version"), Source: bundle("secret")}); err != nil {
		t.Fatal(err)
	}
	until(t, "the registration", func() (bool, error) {
		out, err := p.GetEnvironmentTemplateVersion(ctx, &proton.GetEnvironmentTemplateVersionInput{TemplateName: name, MajorVersion: one, MinorVersion: zero})
		if err != nil {
			return false, err
		}
		if s := out.EnvironmentTemplateVersion.Status; s == types.TemplateVersionStatusRegistrationFailed {
			t.Fatal(aws.ToString(out.EnvironmentTemplateVersion.StatusMessage))
		}
		return out.EnvironmentTemplateVersion.Status == types.TemplateVersionStatusDraft && strings.Contains(aws.ToString(out.EnvironmentTemplateVersion.Schema), words.word("TemplateSchema")), nil
	})
	if _, err := p.UpdateEnvironmentTemplateVersion(ctx, &proton.UpdateEnvironmentTemplateVersionInput{TemplateName: name, MajorVersion: one, MinorVersion: zero, Status: types.TemplateVersionStatusPublished}); err != nil {
		t.Fatal(err)
	}
	got, err := p.GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: name})
	if err != nil || aws.ToString(got.EnvironmentTemplate.DisplayName) != words.word("DisplayName") {
		t.Errorf("the template came back as %+v, %v", got, err)
	}
}

// secretEnvironment deploys an environment by a runner whose log and outputs have something to hide.
func secretEnvironment(t *testing.T, h *house.House, words *hidden) {
	t.Helper()
	p, name := h.AsAdmin().Proton(), aws.String("secret")
	if _, err := p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
		Name: name, TemplateName: name, TemplateMajorVersion: aws.String("1"), Description: words.ptr("Description of an environment"),
		Spec: aws.String("proton: EnvironmentSpec\nspec:\n  name: " + words.word("SpecContents") + "\n"), ComponentRoleArn: aws.String("arn:aws:iam::" + h.Account + ":role/components"),
	}); err != nil {
		t.Fatal(err)
	}
	own := func(operation, body string) string {
		return raw(t, h, h.Admin, "proton", "AwsProton20200720."+operation, body)
	}
	var job struct {
		Job *struct{ DeploymentID, Lease string }
	}
	until(t, "a job", func() (bool, error) {
		text := own("AcquireRunnerJob", `{"runnerName":"one","waitSeconds":1}`)
		return job.Job != nil, json.Unmarshal([]byte(text), &job)
	})
	words.Add("the lease of a job", []byte(job.Job.Lease))
	id, lease := job.Job.DeploymentID, job.Job.Lease
	log := base64.StdEncoding.EncodeToString([]byte(words.word("a line that a command printed")))
	if text := own("ReportRunnerJob", fmt.Sprintf(`{"deploymentId":%q,"lease":%q,"sequence":0,"log":%q}`, id, lease, log)); strings.Contains(text, "Exception") {
		t.Fatal(text)
	}
	arn := aws.String("arn:aws:proton:" + house.Region + ":" + h.Account + ":environment/secret")
	if _, err := p.NotifyResourceDeploymentStatusChange(ctx, &proton.NotifyResourceDeploymentStatusChangeInput{
		ResourceArn: arn, Status: types.ResourceDeploymentStatusInProgress, StatusMessage: words.ptr("statusMessage of a notification"),
	}); err != nil {
		t.Fatal(err)
	}
	if text := own("ReportRunnerJob", fmt.Sprintf(`{"deploymentId":%q,"lease":%q,"sequence":1,"status":"SUCCEEDED","outputs":[{"key":%q,"valueString":%q}]}`,
		id, lease, words.word("key of an output"), words.word("value of an output"))); strings.Contains(text, "Exception") {
		t.Fatal(text)
	}
	until(t, "the environment", func() (bool, error) {
		out, err := p.ListEnvironmentOutputs(ctx, &proton.ListEnvironmentOutputsInput{EnvironmentName: name})
		return err == nil && len(out.Outputs) == 1 && aws.ToString(out.Outputs[0].ValueString) == words.word("value of an output"), err
	})
	if text := own("GetDeploymentLog", fmt.Sprintf(`{"deploymentId":%q}`, id)); !strings.Contains(text, log) {
		t.Errorf("the log is %s", text)
	}
}

// secretComponent makes a component of secrets, whose deployment fails with one.
func secretComponent(t *testing.T, h *house.House, words *hidden) {
	t.Helper()
	p, name := h.AsAdmin().Proton(), aws.String("secret")
	if _, err := p.CreateComponent(ctx, &proton.CreateComponentInput{
		Name: name, EnvironmentName: name, Description: words.ptr("Description of a component"),
		TemplateFile: aws.String("# " + words.word("TemplateFileContents") + "\nResources: {}\n"),
		Manifest:     aws.String("# " + words.word("TemplateManifestContents") + "\ninfrastructure:\n  templates:\n    - file: a.yaml\n      rendering_engine: jinja\n      template_language: cloudformation\n"),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.NotifyResourceDeploymentStatusChange(ctx, &proton.NotifyResourceDeploymentStatusChangeInput{
		ResourceArn: aws.String("arn:aws:proton:" + house.Region + ":" + h.Account + ":component/secret"), Status: types.ResourceDeploymentStatusFailed,
		StatusMessage: words.ptr("StatusMessage of a failure"),
	}); err != nil {
		t.Fatal(err)
	}
	got, err := p.GetComponent(ctx, &proton.GetComponentInput{Name: name})
	if err != nil || aws.ToString(got.Component.DeploymentStatusMessage) != words.word("StatusMessage of a failure") {
		t.Errorf("the component is %+v, %v", got, err)
	}
}

// secretRefusals are calls whose refusal, an ErrorMessage, may tell the caller what is wrong with what, and nobody else.
func secretRefusals(t *testing.T, p *proton.Client, words *hidden) {
	t.Helper()
	name, major := aws.String("refused"), aws.String("1")
	for what, spec := range map[string]string{
		"a value of the wrong type":  "proton: EnvironmentSpec\nspec:\n  size: %s\n",
		"a key that is not known":    "proton: EnvironmentSpec\nspec: {}\n%s: 1\n",
		"a kind that is not known":   "proton: %s\nspec: {}\n",
		"text that is no YAML":       "proton: EnvironmentSpec\nspec: {\n\"%s\n",
		"an alias that is not there": "proton: EnvironmentSpec\nspec: *%s\n",
		"an input that is not there": "proton: EnvironmentSpec\nspec:\n  %s: 1\n",
		"a value that is too long":   "proton: EnvironmentSpec\nspec:\n  name: %[1]s%[1]s%[1]s\n",
	} {
		text := fmt.Sprintf(spec, words.word(what))
		_, err := p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: name, TemplateName: aws.String("secret"), TemplateMajorVersion: major, Spec: &text})
		if what != "an input that is not there" { // which a schema may allow
			want(t, what, err, "ValidationException")
		}
	}
	for what, manifest := range map[string]string{
		"a manifest that is none":         "%s",
		"a manifest with an unknown word": "infrastructure:\n  templates:\n    - file: a.yaml\n      rendering_engine: %s\n      template_language: cloudformation\n",
		"a manifest with an unknown key":  "infrastructure:\n  templates:\n    - file: a.yaml\n      rendering_engine: jinja\n      template_language: cloudformation\n      %s: 1\n",
	} {
		text := fmt.Sprintf(manifest, words.word(what))
		_, err := p.CreateComponent(ctx, &proton.CreateComponentInput{Name: name, EnvironmentName: aws.String("secret"), TemplateFile: aws.String("Resources: {}\n"), Manifest: &text})
		want(t, what, err, "ValidationException")
	}
	broken := "{{ " + words.word("a template that does not parse") + " %}"
	_, err := p.CreateComponent(ctx, &proton.CreateComponentInput{Name: name, EnvironmentName: aws.String("secret"), TemplateFile: &broken,
		Manifest: aws.String("infrastructure:\n  templates:\n    - file: a.yaml\n      rendering_engine: jinja\n      template_language: cloudformation\n")})
	want(t, "a template that does not parse", err, "ValidationException")
	long := strings.Repeat(words.word("a description that is too long"), 50)
	_, err = p.UpdateEnvironmentTemplate(ctx, &proton.UpdateEnvironmentTemplateInput{Name: aws.String("secret"), Description: &long})
	want(t, "a description that is too long", err, "ValidationException")
}
