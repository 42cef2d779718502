package render

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/document"
	"github.com/strongroom/strongroom/service/proton/hcl"
	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// sample opens a sample bundle and completes its spec.
func sample(t testing.TB, name string, kind bundle.Kind, specKind string) (*bundle.Bundle, *spec.Spec) {
	t.Helper()
	b, err := bundle.Open(kind, bytes.NewReader(protonbundles.Tar(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := spec.Parse(specKind, protonbundles.Spec(t, name))
	if err != nil {
		t.Fatal(err)
	}
	full, problems := s.Check(b.Schema)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return b, full
}

// texts renders and returns the files by name.
func texts(t testing.TB, in *bundle.Infrastructure, job Job) map[string]string {
	t.Helper()
	files, err := Files(context.Background(), in, job)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, f := range files {
		out[f.Name] = string(f.Data)
		if strings.HasSuffix(f.Name, ".tf") || strings.HasSuffix(f.Name, ".tfvars") {
			if err := hcl.Check(f.Name, f.Data); err != nil {
				t.Errorf("rendered HCL: %v\n%s", err, f.Data)
			}
		}
	}
	return out
}

func obj(pairs ...any) *document.Object {
	o := new(document.Object)
	for i := 0; i < len(pairs); i += 2 {
		o.Set(pairs[i].(string), document.Value(pairs[i+1]))
	}
	return o
}

func TestTerraformEnvironment(t *testing.T) {
	b, s := sample(t, "tf-environment", bundle.Environment, spec.Environment)
	job := Job{
		Kind: Environment, Data: Data{Environment: &EnvironmentData{Name: "dev", AccountID: "111122223333", Inputs: s.Inputs}},
		ResourceARN: "arn:aws:proton:us-east-1:111122223333:environment/dev", TemplateARN: "arn:aws:proton:us-east-1:111122223333:environment-template/topic",
		MajorVersion: "1", MinorVersion: "2", DeploymentID: "d-1", Tags: obj("proton:account", "111122223333"),
	}
	got := texts(t, b.Environment, job)
	header := "/*\nThis file is managed by AWS Proton. Any changes made directly to this file will be overwritten the next time AWS Proton performs an update.\n\n" +
		"To manage this resource, see AWS Proton Resource: arn:aws:proton:us-east-1:111122223333:environment/dev\n\n" +
		"If the resource is no longer accessible within AWS Proton, it may have been deleted and may require manual cleanup.\n*/\n\n"
	want := map[string]string{
		"main.tf":                header + protonbundles.File(t, "tf-environment", "infrastructure/main.tf"),
		"outputs.tf":             header + protonbundles.File(t, "tf-environment", "infrastructure/outputs.tf"),
		"modules/names/names.tf": header + protonbundles.File(t, "tf-environment", "infrastructure/modules/names/names.tf"),
		"proton.environment.variables.tf": header + `variable "environment" {
  type = object({
    inputs = any
    name   = string
  })
  default = null
}

variable "proton_tags" {
  type    = map(string)
  default = null
}
`,
		"proton.auto.tfvars.json": `{
  "environment" : {
    "name" : "dev",
    "inputs" : {
      "region" : "eu-central-1",
      "retention_days" : 30,
      "readers" : [ "billing", "search" ]
    }
  },
  "proton_tags" : {
    "proton:account" : "111122223333"
  },
  "//" : "arn:aws:proton:us-east-1:111122223333:environment/dev"
}`,
		".proton/deployment-metadata.json": `{
  "deploymentId" : "d-1",
  "isResourceDeleted" : false,
  "resourceMetadata" : {
    "arn" : "arn:aws:proton:us-east-1:111122223333:environment/dev",
    "templateArn" : "arn:aws:proton:us-east-1:111122223333:environment-template/topic",
    "templateMajorVersion" : "1",
    "templateMinorVersion" : "2"
  }
}`,
	}
	compare(t, got, want)
	if got := job.Folder(true); got != "environments/dev" {
		t.Errorf("Folder: got %s", got)
	}
}

// compare holds rendered files against the ones wanted.
func compare(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got[name], text)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("the file %s is one too many", name)
		}
	}
}

func TestCloudFormationService(t *testing.T) {
	b, s := sample(t, "cfn-service", bundle.Service, spec.Service)
	env := &EnvironmentData{Name: "dev", AccountID: "111122223333", Outputs: obj("TableName", "dev-shared")}
	job := Job{Kind: ServiceInstance, Data: Data{
		Environment: env, Service: &ServiceData{Name: "worker"},
		Instance: &InstanceData{Name: "worker-dev", Inputs: s.Instances[0].Inputs,
			Component: obj("Bucket", "assets", "PolicyArn", "arn:aws:iam::111122223333:policy/read")},
	}}
	text := texts(t, b.Instance, job)["cloudformation.yaml"]
	for _, want := range []string{
		"QueueName: 'worker-worker-dev'",
		"- !Ref BasePolicy\n        - arn:aws:iam::111122223333:policy/read\n",
		"            - Name: Bucket\n              Value: assets\n            - Name: PolicyArn\n              Value: arn:aws:iam::111122223333:policy/read\n",
		"- Name: LOG_LEVEL\n              Value: \"debug\"",
		"Value: 'dev-shared'",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the template lacks %q:\n%s", want, text)
		}
	}
	pipeline := Job{Kind: Pipeline, Data: Data{Service: &ServiceData{Name: "worker", RepositoryID: "acme/worker", BranchName: "main"},
		Pipeline: &PipelineData{Inputs: s.Pipeline}, Instances: []InstanceData{
			{Name: "worker-dev", Inputs: s.Instances[0].Inputs, Environment: env},
			{Name: "worker-prod", Inputs: s.Instances[1].Inputs, Outputs: obj("QueueUrl", "https://sqs/prod"), Environment: env}}}}
	text = texts(t, b.Pipeline, pipeline)["cloudformation.yaml"]
	for _, want := range []string{"Deploy1:", "Deploy2:", `Value: "9000"`, "Value: 'acme/worker@main'", `Value: "https://sqs/prod"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the pipeline lacks %q:\n%s", want, text)
		}
	}
	if got := pipeline.Folder(false); got != "worker/pipeline" {
		t.Errorf("Folder: got %s", got)
	}
}

// TestCloudFormationTellsWhatItIsOf: also a CloudFormation template has the file that says what it is of, and whether that is gone.
func TestCloudFormationTellsWhatItIsOf(t *testing.T) {
	b, s := sample(t, "cfn-environment", bundle.Environment, spec.Environment)
	job := Job{Kind: Environment, Data: Data{Environment: &EnvironmentData{Name: "dev", Inputs: s.Inputs}}, ResourceARN: "arn:x", DeploymentID: "d-2", Deleted: true}
	got := texts(t, b.Environment, job)
	if len(got) != 2 || !strings.Contains(got[MetadataFile], `"isResourceDeleted" : true`) || strings.HasPrefix(got["cloudformation.yaml"], "/*") {
		t.Errorf("got %v", got)
	}
}

func TestVariablesAreTemplates(t *testing.T) {
	b, s := sample(t, "runner-environment", bundle.Environment, spec.Environment)
	job := Job{Kind: Environment, Data: Data{Environment: &EnvironmentData{Name: "dev", Inputs: s.Inputs}}}
	got, err := Variables(context.Background(), b.Environment, job)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"GREETING_FILE": "greeting.txt", "WHERE": "dev, 1 times"} {
		if text, _ := got.Get(name); text != want {
			t.Errorf("%s is %q, want %q", name, text, want)
		}
	}
}

func TestRunner(t *testing.T) {
	b, s := sample(t, "runner-service", bundle.ServiceWithoutPipeline, spec.Service)
	job := Job{Kind: ServiceInstance, Data: Data{Service: &ServiceData{Name: "notes"},
		Environment: &EnvironmentData{Name: "hello", AccountID: "111122223333", Outputs: obj("greeting", "${x} %{y}")},
		Instance:    &InstanceData{Name: "note-one", Inputs: s.Instances[0].Inputs}}}
	got := texts(t, b.Instance, job)
	want := `service_instance = {
  "name" = "note-one"
  "inputs" = {
    "note" = "first of all"
  }
}
service = {
  "name" = "notes"
}
environment = {
  "account_id" = "111122223333"
  "name" = "hello"
  "outputs" = {
    "greeting" = "$${x} %%{y}"
  }
}
`
	if got[InputHCL] != want || got[AutoHCL] != want {
		t.Errorf("got\n%s\nwant\n%s", got[InputHCL], want)
	}
}

// What is to stay or to go does not need what its template names any more.
func TestBefore(t *testing.T) {
	b, err := bundle.Component(protonbundles.File(t, "cfn-component", "template.yaml"), protonbundles.File(t, "cfn-component", "manifest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	job := Job{Kind: Component, ResourceARN: "arn:k", EnvironmentARN: "arn:e", DeploymentID: "d", Data: Data{Environment: &EnvironmentData{Name: "dev"}, Component: &ComponentData{Name: "files"}}}
	if _, err := Files(context.Background(), b.Component, job); err == nil {
		t.Error("a component without a service instance was rendered with its name")
	}
	job.Before = map[string][]byte{"component.yaml": []byte("as it was")}
	if got := texts(t, b.Component, job); got["component.yaml"] != "as it was" || !strings.Contains(got[MetadataFile], `"arn:k"`) {
		t.Errorf("rendered as %q", got)
	}
	// Where the template can be rendered, it is.
	job.Data.Service, job.Data.Instance = &ServiceData{Name: "shop"}, &InstanceData{Name: "shop-dev"}
	if got := texts(t, b.Component, job); !strings.Contains(got["component.yaml"], "shop-shop-dev-files") {
		t.Errorf("rendered as %q", got)
	}
}
