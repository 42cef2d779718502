package claims

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/gitremote"
	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// injectionSchema takes anything as a value.
const injectionSchema = `schema:
  format:
    openapi: "3.0.0"
  environment_input_type: In
  types:
    In:
      type: object
      properties:
        value:
          type: string
          default: none
`

// injectionTemplates makes a template "cfn" whose value is sanitized, "plain" where it is quoted as JSON, and "run" whose value
// a runner gets.
func injectionTemplates(t *testing.T, a house.Account) {
	t.Helper()
	newBucket(t, a, bundles, "")
	manifest := "infrastructure:\n  templates:\n    - file: t.yaml\n      rendering_engine: jinja\n      template_language: cloudformation\n"
	for name, files := range map[string]map[string]string{
		"cfn":   {"infrastructure/manifest.yaml": manifest, "infrastructure/t.yaml": "Resources:\n  Role:\n    Name: {{ environment.inputs.value | proton_cfn_sanitize }}\n"},
		"plain": {"infrastructure/manifest.yaml": manifest, "infrastructure/t.yaml": "Value: {{ environment.inputs.value | tojson }}\nAgain: {{ environment.inputs.value }}\n"},
		"tf":    {"infrastructure/manifest.yaml": "infrastructure:\n  templates:\n    - file: \"*\"\n      rendering_engine: hcl\n      template_language: terraform\n", "infrastructure/main.tf": "locals {\n  value = var.environment.inputs.value\n}\n"},
		"run":   {"infrastructure/manifest.yaml": "infrastructure:\n  templates:\n    - rendering_engine: codebuild\n      settings:\n        image: any\n        input_type: HCL\n        env:\n          variables:\n            VALUE: \"{{ environment.inputs.value }}\"\n        provision:\n          - echo \"$VALUE\"\n"},
	} {
		files["schema/schema.yaml"] = injectionSchema
		put(t, a, bundles, name, protonbundles.Pack(t, files))
		environmentTemplate(t, a, name, "", name)
	}
}

// specWith is a spec with the value, however odd.
func specWith(t *testing.T, value string) *string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"proton": "EnvironmentSpec", "spec": map[string]string{"value": value}}) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	return aws.String(string(text))
}

// TestP22_SanitizedValues: what proton_cfn_sanitize refuses fails the deployment with AWS's own words, and nothing is delivered.
func TestP22_SanitizedValues(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	injectionTemplates(t, admin)
	p, n := admin.Proton(), 0
	create := func(value string) string {
		t.Helper()
		n++
		name := "env" + string(rune('a'+n))
		if _, err := p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: &name, TemplateName: aws.String("cfn"), TemplateMajorVersion: aws.String("1"), Spec: specWith(t, value)}); err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		return name
	}
	for _, bad := range []string{
		"x\n  Policy:\n    Effect: Allow", "a b", "*", "{{ environment.name }}", "{% raw %}", "x: y", "arn:aws:iam::1:role/x\nEffect: Allow", "é", "a;rm -rf", "!Ref Secret", "${AWS::AccountId}",
	} {
		status, message := deployed(t, p, create(bad))
		if words := `Illegal character(s) detected in "` + bad + `". Must match regex ^[a-zA-Z0-9_-]*$ or be a valid ARN`; status != types.DeploymentStatusFailed || !strings.Contains(message, words) {
			t.Errorf("%q: the deployment is %s: %s", bad, status, message)
		}
	}
	for _, good := range []string{"plain-Value_1", "", "arn:aws:iam::111122223333:role/deploy"} {
		x := &platform{p: p}
		x.rendered(t, "arn:aws:proton:"+house.Region+":"+h.Account+":environment/"+create(good))
	}
}

// TestP22_ValuesAreNeverTemplates: a value is text, in whichever language it comes to stand: it is not rendered again, ends no string, and
// adds no line to a file that quotes it.
func TestP22_ValuesAreNeverTemplates(t *testing.T) {
	h, remote := gitremote.New(t)
	admin := h.AsAdmin()
	injectionTemplates(t, admin)
	p := admin.Proton()
	if _, err := p.CreateRepository(ctx, &proton.CreateRepositoryInput{Name: aws.String(gitremote.Name), Provider: types.RepositoryProviderGithub, ConnectionArn: &remote.Connection}); err != nil {
		t.Fatal(err)
	}
	value := `{{ 7*7 }}{% for a in [1] %}x{% endfor %}${file("/etc/passwd")}%{ if true }"` + "'\n}\nresource \"x\" \"y\" {}\n"
	deliver := func(template string) (branch string) {
		t.Helper()
		if _, err := p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
			Name: &template, TemplateName: &template, TemplateMajorVersion: aws.String("1"), Spec: specWith(t, value),
			ProvisioningRepository: &types.RepositoryBranchInput{Name: aws.String(gitremote.Name), Provider: types.RepositoryProviderGithub, Branch: aws.String(gitremote.Branch)},
		}); err != nil {
			t.Fatal(err)
		}
		out, err := p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: &template})
		if err != nil {
			t.Fatal(err)
		}
		return remote.Await(*out.Environment.LastAttemptedDeploymentId)
	}
	text := remote.File(deliver("plain"), "plain/t.yaml")
	if strings.Contains(text, "49") || !strings.Contains(text, "{{ 7*7 }}") {
		t.Errorf("the value was rendered: %s", text)
	}
	line, _, _ := strings.Cut(text, "\n")
	var got string
	if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "Value: ")), &got); err != nil || got != value {
		t.Errorf("quoted, the value is %q, %v", line, err)
	}
	branch := deliver("tf")
	var variables struct {
		Environment struct{ Inputs struct{ Value string } }
	}
	if err := json.Unmarshal([]byte(remote.File(branch, "tf/proton.auto.tfvars.json")), &variables); err != nil || variables.Environment.Inputs.Value != value {
		t.Errorf("among the variables the value is %q, %v", variables.Environment.Inputs.Value, err)
	}
	if names := remote.Files(branch); strings.Contains(remote.File(branch, "tf/main.tf"), "7*7") || strings.Contains(names, "passwd") {
		t.Errorf("the files are %s", names)
	}
	toTheRunner(t, h, p, value)
}

// toTheRunner looks at what a runner is given: a variable that is the value, and HCL that says the value and nothing else.
func toTheRunner(t *testing.T, h *house.House, p *proton.Client, value string) {
	t.Helper()
	if _, err := p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: aws.String("run"), TemplateName: aws.String("run"), TemplateMajorVersion: aws.String("1"), Spec: specWith(t, value)}); err != nil {
		t.Fatal(err)
	}
	j := acquire(t, h)
	if len(j.Commands) != 1 || j.Commands[0] != `echo "$VALUE"` {
		t.Errorf("the commands are %q", j.Commands)
	}
	if len(j.Variables) != 1 || j.Variables[0].Value != value {
		t.Errorf("the variables are %q", j.Variables)
	}
	for _, f := range j.Files {
		text := string(f.Content)
		if f.Path == "proton.auto.tfvars" && (strings.Contains(text, "resource \"x\"") || !strings.Contains(text, `$${file(`) || !strings.Contains(text, `%%{ if`) || strings.Contains(text, "\n}\nresource")) {
			t.Errorf("%s lets the value out of its string:\n%s", f.Path, text)
		}
	}
}
