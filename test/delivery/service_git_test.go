package delivery

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/gitremote"
	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

const terraformManifest = "infrastructure:\n  templates:\n    - file: \"*\"\n      rendering_engine: hcl\n      template_language: terraform\n"

// mailBundle is a version of a service template in Terraform; the files of the instance tell which it is.
func mailBundle(files ...string) map[string]string {
	bundle := map[string]string{
		"schema/schema.yaml": `schema:
  format:
    openapi: "3.0.0"
  service_input_type: Mail
  pipeline_input_type: Release
  types:
    Mail:
      type: object
      properties:
        filter: {type: string, default: "*"}
        size: {type: integer, default: 10}
    Release:
      type: object
      properties:
        channel: {type: string, default: stable}
`,
		"instance_infrastructure/manifest.yaml": terraformManifest, "pipeline_infrastructure/manifest.yaml": terraformManifest,
		"pipeline_infrastructure/main.tf": "locals {\n  channel = var.pipeline.inputs.channel\n}\n",
	}
	for _, name := range files {
		bundle["instance_infrastructure/"+name] = "locals {\n  in_" + strings.TrimSuffix(name, ".tf") + " = var.service_instance.inputs.size\n}\n"
	}
	return bundle
}

// newLive makes a house that delivers to a repository, with the templates "network" and "mail".
func newLive(t *testing.T) *live {
	t.Helper()
	h, remote := gitremote.New(t)
	l := &live{t: t, h: h, p: h.AsAdmin().Proton(), remote: remote}
	publish(t, h.AsAdmin(), protonbundles.Pack(t, map[string]string{
		"schema/schema.yaml": networkSchema, "infrastructure/manifest.yaml": terraformManifest,
		"infrastructure/main.tf": "resource \"terraform_data\" \"network\" { input = var.environment.inputs.zone }\n",
	}))
	ctx := context.Background()
	if _, err := l.p.CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: aws.String("mail")}); err != nil {
		t.Fatal(err)
	}
	l.serviceVersion("", mailBundle("main.tf", "old.tf"))
	if _, err := l.p.CreateRepository(ctx, &proton.CreateRepositoryInput{Name: aws.String(gitremote.Name), Provider: types.RepositoryProviderGithub, ConnectionArn: &remote.Connection}); err != nil {
		t.Fatal(err)
	}
	return l
}

func branch() *types.RepositoryBranchInput {
	return &types.RepositoryBranchInput{Name: aws.String(gitremote.Name), Provider: types.RepositoryProviderGithub, Branch: aws.String(gitremote.Branch)}
}

// TestProtonLivesInGit follows an environment, a service with an instance and a pipeline, and a component through their lives in a
// repository: deployed, upgraded, cancelled and deleted.
func TestProtonLivesInGit(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	ctx, role := context.Background(), protonRole(t, l.h, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	if _, err := l.p.UpdateAccountSettings(ctx, &proton.UpdateAccountSettingsInput{PipelineProvisioningRepository: branch()}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
		Name: aws.String("shop"), TemplateName: aws.String("network"), TemplateMajorVersion: aws.String("1"), Spec: aws.String("proton: EnvironmentSpec\nspec:\n  zone: b\n"),
		ProvisioningRepository: branch(), ComponentRoleArn: &role,
	}); err != nil {
		t.Fatal(err)
	}
	l.merge(shopARN, nil, output("topic", "orders"))
	l.createService("proton: ServiceSpec\npipeline:\n  channel: beta\ninstances:\n- name: dev\n  environment: shop\n  spec:\n    filter: order\n    size: 5\n")
	variables := l.merge(instanceARN, func(b string) string { return l.remote.File(b, "shop/mail-dev/proton.auto.tfvars.json") }, output("address", "mail@shop"))
	for _, want := range []string{`"topic" : "orders"`, `"size" : 5`, `"filter" : "order"`} {
		if !strings.Contains(variables, want) {
			t.Errorf("the instance's variables lack %s: %s", want, variables)
		}
	}
	variables = l.merge(l.pipelineARN(), func(b string) string { return l.remote.File(b, "mail/pipeline/proton.auto.tfvars.json") }, output("job", "17"))
	if !strings.Contains(variables, `"channel" : "beta"`) || !strings.Contains(variables, `"name" : "dev"`) {
		t.Errorf("the pipeline's variables are %s", variables)
	}
	l.status(types.ServiceStatusActive)
	l.component()
	l.upgrades()
	l.cancels()
	l.ends()
}

// component makes the component, changes it, and detaches it.
func (l *live) component() {
	t, ctx := l.t, context.Background()
	t.Helper()
	file, manifest := protonbundles.File(t, "tf-component", "template.tf"), protonbundles.File(t, "tf-component", "manifest.yaml")
	if _, err := l.p.CreateComponent(ctx, &proton.CreateComponentInput{
		Name: aws.String("extra"), TemplateFile: &file, Manifest: &manifest, ServiceName: aws.String("mail"), ServiceInstanceName: aws.String("dev"),
	}); err != nil {
		t.Fatal(err)
	}
	text := l.merge(extraARN, func(b string) string {
		return l.remote.File(b, "shop/components/extra/.proton/deployment-metadata.json")
	}, output("bucket", "extra-shop"))
	if !strings.Contains(text, `"componentMetadata"`) || !strings.Contains(text, l.arn(extraARN)) {
		t.Errorf("the component's metadata is %s", text)
	}
	text = l.merge(instanceARN, func(b string) string { return l.remote.File(b, "shop/mail-dev/proton.auto.tfvars.json") })
	if !strings.Contains(text, `"bucket" : "extra-shop"`) {
		t.Errorf("the instance does not see the component: %s", text)
	}
	out, err := l.p.ListServiceInstanceOutputs(ctx, &proton.ListServiceInstanceOutputsInput{ServiceName: aws.String("mail"), ServiceInstanceName: aws.String("dev")})
	if err != nil || len(out.Outputs) != 1 || *out.Outputs[0].ValueString != "mail@shop" {
		t.Errorf("a deployment that told no outputs left %+v, %v", out, err)
	}
	changed := strings.Replace(file, "output \"", "# changed\noutput \"", 1)
	if _, err := l.p.UpdateComponent(ctx, &proton.UpdateComponentInput{Name: aws.String("extra"), DeploymentType: types.ComponentDeploymentUpdateTypeCurrentVersion, TemplateFile: &changed}); err != nil {
		t.Fatal(err)
	}
	if text := l.merge(extraARN, func(b string) string { return l.remote.File(b, "shop/components/extra/component.tf") }, output("bucket", "extra-shop")); !strings.Contains(text, "# changed") {
		t.Errorf("the component is %s", text)
	}
	l.merge(instanceARN, nil)
}

// upgrades takes the instance to a new minor version and to a new major version.
func (l *live) upgrades() {
	t := l.t
	t.Helper()
	if status, message := l.ended(instanceARN); status != types.DeploymentStatusSucceeded {
		t.Fatal(status, message)
	}
	l.serviceVersion("1", mailBundle("main.tf", "new.tf"))
	l.is("1.0")
	l.update(types.DeploymentUpdateTypeMinorVersion, func(in *proton.UpdateServiceInstanceInput) {
		in.Spec = aws.String("proton: ServiceSpec\ninstances:\n- name: dev\n  environment: shop\n  spec:\n    filter: ${Proton::CURRENT_VAL}\n    size: 7\n")
	})
	names := ""
	variables := l.merge(instanceARN, func(b string) string {
		names = l.remote.Files(b)
		return l.remote.File(b, "shop/mail-dev/proton.auto.tfvars.json")
	})
	if !strings.Contains(variables, `"filter" : "order"`) || !strings.Contains(variables, `"size" : 7`) {
		t.Errorf("the variables are %s", variables)
	}
	if !strings.Contains(names, "shop/mail-dev/new.tf") || strings.Contains(names, "shop/mail-dev/old.tf") || !strings.Contains(names, "mail/pipeline/main.tf") {
		t.Errorf("the files are %s", names)
	}
	l.is("1.1")

	l.serviceVersion("", mailBundle("main.tf"))
	l.update(types.DeploymentUpdateTypeMajorVersion, nil)
	l.merge(instanceARN, nil)
	l.is("2.0")
	_, err := l.p.UpdateServiceInstance(context.Background(), &proton.UpdateServiceInstanceInput{
		ServiceName: aws.String("mail"), Name: aws.String("dev"), DeploymentType: types.DeploymentUpdateTypeMajorVersion, TemplateMajorVersion: aws.String("1"),
	})
	house.WantCode(t, err, "ValidationException") // there is no way back
	pipeline := l.pipelineARN()
	if _, err := l.p.UpdateServicePipeline(context.Background(), &proton.UpdateServicePipelineInput{
		ServiceName: aws.String("mail"), DeploymentType: types.DeploymentUpdateTypeMajorVersion, TemplateMajorVersion: aws.String("2"),
		Spec: aws.String("proton: ServiceSpec\npipeline:\n  channel: \"${Proton::CURRENT_VAL}\"\ninstances:\n- name: dev\n  environment: shop\n  spec: {}\n"),
	}); err != nil {
		t.Fatal(err)
	}
	variables = l.merge(pipeline, func(b string) string { return l.remote.File(b, "mail/pipeline/proton.auto.tfvars.json") })
	if !strings.Contains(variables, `"channel" : "beta"`) || !strings.Contains(variables, `"size" : 7`) {
		t.Errorf("the pipeline's variables are %s", variables)
	}
}

// cancels gives up a deployment of each kind: its branch goes, and everything stays what it was.
func (l *live) cancels() {
	t, ctx, mail, dev := l.t, context.Background(), aws.String("mail"), aws.String("dev")
	t.Helper()
	for _, kind := range []struct {
		resource       string
		update, cancel func() error
	}{
		{shopARN, func() error {
			_, err := l.p.UpdateEnvironment(ctx, &proton.UpdateEnvironmentInput{Name: aws.String("shop"), DeploymentType: types.DeploymentUpdateTypeCurrentVersion, Spec: aws.String("proton: EnvironmentSpec\nspec:\n  zone: c\n")})
			return err
		}, func() error {
			_, err := l.p.CancelEnvironmentDeployment(ctx, &proton.CancelEnvironmentDeploymentInput{EnvironmentName: aws.String("shop")})
			return err
		}},
		{instanceARN, func() error {
			_, err := l.p.UpdateServiceInstance(ctx, &proton.UpdateServiceInstanceInput{ServiceName: mail, Name: dev, DeploymentType: types.DeploymentUpdateTypeCurrentVersion})
			return err
		}, func() error {
			_, err := l.p.CancelServiceInstanceDeployment(ctx, &proton.CancelServiceInstanceDeploymentInput{ServiceName: mail, ServiceInstanceName: dev})
			return err
		}},
		{l.pipelineARN(), func() error {
			_, err := l.p.UpdateServicePipeline(ctx, &proton.UpdateServicePipelineInput{ServiceName: mail, DeploymentType: types.DeploymentUpdateTypeCurrentVersion, Spec: aws.String("proton: ServiceSpec\npipeline:\n  channel: nightly\ninstances:\n- name: dev\n  environment: shop\n  spec: {}\n")})
			return err
		}, func() error {
			_, err := l.p.CancelServicePipelineDeployment(ctx, &proton.CancelServicePipelineDeploymentInput{ServiceName: mail})
			return err
		}},
		{extraARN, func() error {
			_, err := l.p.UpdateComponent(ctx, &proton.UpdateComponentInput{Name: aws.String("extra"), DeploymentType: types.ComponentDeploymentUpdateTypeCurrentVersion, TemplateFile: aws.String("locals {\n  other = true\n}\n")})
			return err
		}, func() error {
			_, err := l.p.CancelComponentDeployment(ctx, &proton.CancelComponentDeploymentInput{ComponentName: aws.String("extra")})
			return err
		}},
	} {
		house.WantCode(t, kind.cancel(), "ConflictException") // nothing goes on
		if err := kind.update(); err != nil {
			t.Fatalf("%s: %v", kind.resource, err)
		}
		house.WantCode(t, kind.update(), "ConflictException")
		l.remote.Await(l.open(kind.resource))
		if err := kind.cancel(); err != nil {
			t.Fatalf("%s: %v", kind.resource, err)
		}
		if status, message := l.ended(kind.resource); status != types.DeploymentStatusCancelled {
			t.Errorf("%s is %s: %s", kind.resource, status, message)
		}
		if left := l.remote.Branches(); len(left) != 0 {
			t.Errorf("after the end of %s there are the branches %v", kind.resource, left)
		}
	}
	out, err := l.p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: aws.String("shop")})
	if err != nil || !strings.Contains(*out.Environment.Spec, "zone: b") {
		t.Errorf("after a cancelled deployment the environment is %+v, %v", out, err)
	}
}

// ends deletes everything. What was delivered stays in the repository, and says that it is nobody's.
func (l *live) ends() {
	t, ctx, mail := l.t, context.Background(), aws.String("mail")
	t.Helper()
	deletion := func(folder string) func(string) string {
		return func(b string) string { return l.remote.File(b, folder+"/.proton/deployment-metadata.json") }
	}
	deleted := func(resource, folder string) {
		t.Helper()
		if text := l.merge(resource, deletion(folder)); !strings.Contains(text, `"isResourceDeleted" : true`) {
			t.Errorf("the metadata of %s is %s", resource, text)
		}
	}
	_, err := l.p.DeleteComponent(ctx, &proton.DeleteComponentInput{Name: aws.String("extra")})
	house.WantCode(t, err, "ConflictException") // it is attached
	_, err = l.p.DeleteEnvironment(ctx, &proton.DeleteEnvironmentInput{Name: aws.String("shop")})
	house.WantCode(t, err, "ConflictException") // it has an instance
	_, err = l.p.DeleteService(ctx, &proton.DeleteServiceInput{Name: mail})
	house.WantCode(t, err, "ConflictException") // its instance has a component
	if _, err := l.p.UpdateComponent(ctx, &proton.UpdateComponentInput{Name: aws.String("extra"), DeploymentType: types.ComponentDeploymentUpdateTypeCurrentVersion, ServiceName: aws.String(""), ServiceInstanceName: aws.String("")}); err != nil {
		t.Fatal(err)
	}
	l.merge(extraARN, nil)
	if text := l.merge(instanceARN, func(b string) string { return l.remote.File(b, "shop/mail-dev/proton.auto.tfvars.json") }); strings.Contains(text, "extra-shop") {
		t.Errorf("the instance still sees the component: %s", text)
	}
	if _, err := l.p.DeleteComponent(ctx, &proton.DeleteComponentInput{Name: aws.String("extra")}); err != nil {
		t.Fatal(err)
	}
	deleted(extraARN, "shop/components/extra")
	l.gone("the component", func() error {
		_, err := l.p.GetComponent(ctx, &proton.GetComponentInput{Name: aws.String("extra")})
		return err
	})
	pipeline := l.pipelineARN()
	l.deleteService()
	deleted(instanceARN, "shop/mail-dev")
	deleted(pipeline, "mail/pipeline")
	l.gone("the service", func() error {
		_, err := l.p.GetService(ctx, &proton.GetServiceInput{Name: mail})
		return err
	})
	if _, err := l.p.DeleteEnvironment(ctx, &proton.DeleteEnvironmentInput{Name: aws.String("shop")}); err != nil {
		t.Fatal(err)
	}
	deleted(shopARN, "shop")
	l.gone("the environment", func() error {
		_, err := l.p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: aws.String("shop")})
		return err
	})
	if names := l.remote.Files(gitremote.Branch); !strings.Contains(names, "shop/main.tf") || !strings.Contains(l.remote.File(gitremote.Branch, "shop/main.tf"), "no longer managed by AWS Proton") {
		t.Errorf("what is left is %s", names)
	}
}
