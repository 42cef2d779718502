package delivery

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// shellManifest is a manifest of commands. Values are quoted as YAML takes them in single quotes.
func shellManifest(variable, provision, deprovision string) string {
	quoted := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	return "infrastructure:\n  templates:\n    - rendering_engine: codebuild\n      settings:\n        image: any\n        env:\n          variables:\n            SUBJECT: " + quoted(variable) +
		"\n        provision:\n          - " + quoted(provision) + "\n        deprovision:\n          - " + quoted(deprovision) + "\n"
}

// told writes an output of the shell variable SUBJECT.
const told = `printf '{"told": "%s"}' "$SUBJECT" > "$PROTON_OUTPUTS"; echo "provisioned $SUBJECT"`

// TestProtonLivesByARunner follows an environment, and a service with an instance and a pipeline, whose commands a real runner runs:
// deployed, changed, cancelled in the middle of a command, and deleted.
func TestProtonLivesByARunner(t *testing.T) {
	t.Parallel()
	ctx, h := context.Background(), house.Start(t)
	l := &live{t: t, h: h, p: h.AsAdmin().Proton()}
	publish(t, h.AsAdmin(), protonbundles.Pack(t, map[string]string{
		"schema/schema.yaml":           networkSchema,
		"infrastructure/manifest.yaml": shellManifest("{{ environment.name }} in {{ environment.inputs.zone }}", told+`; if [ "$SUBJECT" = "shop in slow" ]; then echo started; sleep 600; fi`, "echo gone"),
	}))
	if _, err := l.p.CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: aws.String("mail")}); err != nil {
		t.Fatal(err)
	}
	files := mailBundle()
	files["instance_infrastructure/manifest.yaml"] = shellManifest("{{ service_instance.inputs.filter }} of {{ environment.outputs.told }}", told, "echo gone")
	files["pipeline_infrastructure/manifest.yaml"] = shellManifest("{{ service.name }} {{ pipeline.inputs.channel }} {{ service_instances[0].inputs.size }}", told, "echo gone")
	delete(files, "pipeline_infrastructure/main.tf")
	l.serviceVersion("", files)
	role := protonRole(t, h, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	startRunner(t, h)

	if _, err := l.p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: aws.String("shop"), TemplateName: aws.String("network"), TemplateMajorVersion: aws.String("1"),
		Spec: aws.String("proton: EnvironmentSpec\nspec:\n  zone: b\n"), CodebuildRoleArn: &role}); err != nil {
		t.Fatal(err)
	}
	l.succeeds(shopARN, "provisioned shop in b")
	l.createService("proton: ServiceSpec\npipeline:\n  channel: beta\ninstances:\n- name: dev\n  environment: shop\n  spec:\n    filter: order\n")
	pipeline := l.pipelineARN()
	l.succeeds(instanceARN, "provisioned order of shop in b")
	l.succeeds(pipeline, "provisioned mail beta 10")
	l.status(types.ServiceStatusActive)
	out, err := l.p.ListServicePipelineOutputs(ctx, &proton.ListServicePipelineOutputsInput{ServiceName: aws.String("mail")})
	if err != nil || len(out.Outputs) != 1 || *out.Outputs[0].ValueString != "mail beta 10" {
		t.Errorf("the outputs of the pipeline are %+v, %v", out, err)
	}
	l.interrupted()

	l.deleteService()
	l.gone("the service", func() error {
		_, err := l.p.GetService(ctx, &proton.GetServiceInput{Name: aws.String("mail")})
		return err
	})
	if _, err := l.p.DeleteEnvironment(ctx, &proton.DeleteEnvironmentInput{Name: aws.String("shop")}); err != nil {
		t.Fatal(err)
	}
	l.gone("the environment", func() error {
		_, err := l.p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: aws.String("shop")})
		return err
	})
}

// succeeds waits until the newest deployment of the resource has succeeded, and looks for a line in its log.
func (l *live) succeeds(resource, line string) {
	l.t.Helper()
	status, message := l.ended(resource)
	if log := deploymentLog(l.t, l.h, *l.newest(resource).Id); status != types.DeploymentStatusSucceeded || !strings.Contains(log, line) {
		l.t.Fatalf("%s is %s: %s\n%s", resource, status, message, log)
	}
}

// interrupted cancels a deployment of the environment while its command runs.
func (l *live) interrupted() {
	t, ctx, shop := l.t, context.Background(), aws.String("shop")
	t.Helper()
	if _, err := l.p.UpdateEnvironment(ctx, &proton.UpdateEnvironmentInput{Name: shop, DeploymentType: types.DeploymentUpdateTypeCurrentVersion, Spec: aws.String("proton: EnvironmentSpec\nspec:\n  zone: slow\n")}); err != nil {
		t.Fatal(err)
	}
	id := l.open(shopARN)
	l.await("the command", func() bool { return strings.Contains(deploymentLog(t, l.h, id), "started") })
	if _, err := l.p.CancelEnvironmentDeployment(ctx, &proton.CancelEnvironmentDeploymentInput{EnvironmentName: shop}); err != nil {
		t.Fatal(err)
	}
	if status, message := l.ended(shopARN); status != types.DeploymentStatusCancelled {
		t.Errorf("the cancelled deployment is %s: %s", status, message)
	}
	out, err := l.p.ListEnvironmentOutputs(ctx, &proton.ListEnvironmentOutputsInput{EnvironmentName: shop})
	if err != nil || len(out.Outputs) != 1 || *out.Outputs[0].ValueString != "shop in b" {
		t.Errorf("after a cancelled deployment the outputs are %+v, %v", out, err)
	}
}

// sandboxed reports whether a program can be reached from within the sandbox, which hides some folders.
func sandboxed(name string) string {
	for _, dir := range []string{"/usr/local/bin", "/usr/bin"} {
		file := dir + "/" + name
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		cmd := exec.Command(file, "--version")
		cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
		if cmd.Run() == nil {
			return file
		}
	}
	return ""
}

// TestProtonCommandsNotify: a command tells outputs with the AWS CLI, from inside of the sandbox and as the environment's role, as the templates of
// CodeBuild do; and the role may speak of nothing else.
func TestProtonCommandsNotify(t *testing.T) {
	t.Parallel()
	cli := sandboxed("aws")
	if cli == "" {
		outside.Missing(t, "there is no AWS CLI in /usr/bin (Debian: apt-get install awscli)")
	}
	ctx, h := context.Background(), house.Start(t)
	l := &live{t: t, h: h, p: h.AsAdmin().Proton()}
	notify := cli + ` --endpoint-url "$AWS_ENDPOINT_URL" proton notify-resource-deployment-status-change --status IN_PROGRESS`
	publish(t, h.AsAdmin(), protonbundles.Pack(t, map[string]string{
		"schema/schema.yaml": networkSchema,
		"infrastructure/manifest.yaml": shellManifest("{{ environment.inputs.zone }}",
			`printf '[{"key": "zone", "valueString": "%s"}]' "$SUBJECT" > outputs.json; `+notify+` --resource-arn "$RESOURCE_ARN" --outputs file://outputs.json && `+
				`if `+notify+` --resource-arn "${RESOURCE_ARN%shop}other"; then exit 1; else echo "refused as it should be"; fi`, "true"),
	}))
	role := protonRole(t, h, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"proton:NotifyResourceDeploymentStatusChange","Resource":"`+l.arn(shopARN)+`"}]}`)
	startRunner(t, h)
	if _, err := l.p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: aws.String("shop"), TemplateName: aws.String("network"), TemplateMajorVersion: aws.String("1"),
		Spec: aws.String("proton: EnvironmentSpec\nspec:\n  zone: far\n"), CodebuildRoleArn: &role}); err != nil {
		t.Fatal(err)
	}
	l.succeeds(shopARN, "refused as it should be")
	out, err := l.p.ListEnvironmentOutputs(ctx, &proton.ListEnvironmentOutputsInput{EnvironmentName: aws.String("shop")})
	if err != nil || len(out.Outputs) != 1 || *out.Outputs[0].ValueString != "far" {
		t.Errorf("the outputs are %+v, %v", out, err)
	}
}
