package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/test/capture"
	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
	"github.com/strongroom/strongroom/test/protonbundles"
)

const networkSchema = `schema:
  format:
    openapi: "3.0.0"
  environment_input_type: Network
  types:
    Network:
      type: object
      properties:
        zone:
          type: string
          default: a
`

func newBucket(name string) *s3.CreateBucketInput {
	return &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: house.Region}}
}

// publish registers and publishes a bundle as the template "network".
func publish(t *testing.T, a house.Account, bundle []byte) {
	t.Helper()
	ctx := context.Background()
	bucket, name := "bundles", "network"
	if _, err := a.S3().CreateBucket(ctx, newBucket(bucket)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: bytes.NewReader(bundle)}); err != nil {
		t.Fatal(err)
	}
	p := a.Proton()
	if _, err := p.CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: &name}); err != nil {
		t.Fatal(err)
	}
	source := &types.TemplateVersionSourceInputMemberS3{Value: types.S3ObjectSource{Bucket: &bucket, Key: &name}}
	v, err := p.CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{TemplateName: &name, Source: source})
	if err != nil {
		t.Fatal(err)
	}
	major, minor := v.EnvironmentTemplateVersion.MajorVersion, v.EnvironmentTemplateVersion.MinorVersion
	wait := proton.NewEnvironmentTemplateVersionRegisteredWaiter(p, func(o *proton.EnvironmentTemplateVersionRegisteredWaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, time.Second
	})
	if err := wait.Wait(ctx, &proton.GetEnvironmentTemplateVersionInput{TemplateName: &name, MajorVersion: major, MinorVersion: minor}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpdateEnvironmentTemplateVersion(ctx, &proton.UpdateEnvironmentTemplateVersionInput{TemplateName: &name, MajorVersion: major, MinorVersion: minor, Status: types.TemplateVersionStatusPublished}); err != nil {
		t.Fatal(err)
	}
}

// status waits until the environment is no more in the given states; it is "" when it is gone.
func status(t *testing.T, p *proton.Client, name string) (types.DeploymentStatus, string) {
	t.Helper()
	for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		out, err := p.GetEnvironment(context.Background(), &proton.GetEnvironmentInput{Name: &name})
		if house.ErrorCode(err) == "ResourceNotFoundException" {
			return "", ""
		}
		if err != nil {
			t.Fatal(err)
		}
		switch s := out.Environment.DeploymentStatus; s {
		case types.DeploymentStatusInProgress, types.DeploymentStatusDeleteInProgress, types.DeploymentStatusCancelling:
		default:
			return s, aws.ToString(out.Environment.DeploymentStatusMessage)
		}
	}
	t.Fatal("the deployment does not end")
	return "", ""
}

// protonRole makes a role that Proton may assume for environments of the account.
func protonRole(t *testing.T, h *house.House, policy string) string {
	t.Helper()
	ctx, name := context.Background(), "environments"
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"proton.amazonaws.com"},"Action":"sts:AssumeRole",
		"Condition":{"StringEquals":{"aws:SourceAccount":%q},"ArnLike":{"aws:SourceArn":"arn:aws:proton:*:%s:environment/*"}}}]}`, h.Account, h.Account)
	out, err := h.AsAdmin().IAM().CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.AsAdmin().IAM().PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &name, PolicyDocument: &policy}); err != nil {
		t.Fatal(err)
	}
	return *out.Role.Arn
}

// startRunner runs the program as a runner until the test ends.
func startRunner(t *testing.T, h *house.House) {
	t.Helper()
	user := h.User("runner", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["proton:AcquireRunnerJob","proton:ReportRunnerJob"],"Resource":"*"}]}`)
	cmd := exec.Command(house.Binary(t), "runner", "--name", "test", "--env", "CHECKPOINT_DISABLE=1")
	cmd.Env = h.Environ(user)
	var text capture.Text
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the runner printed:\n%s", text.String())
		}
	})
	for until := time.Now().Add(2 * time.Minute); !strings.Contains(text.String(), "the runner is ready"); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(text.String(), "does not let commands be confined") {
			outside.Missing(t, "%s", text.String())
		}
		if time.Now().After(until) {
			t.Fatalf("the runner does not start: %s", text.String())
		}
	}
}

// deploymentLog reads the log of a deployment, as a client that signs for itself.
func deploymentLog(t *testing.T, h *house.House, id string) string {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"deploymentId": id})
	req, err := http.NewRequest("POST", h.Endpoint, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "AwsProton20200720.GetDeploymentLog")
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	if err := v4.NewSigner().SignHTTP(context.Background(), h.Admin, req, sigv4.HashPayload(body), "proton", house.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	res, err := h.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct{ Log []byte }
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != 200 {
		t.Fatalf("status %d, %v", res.StatusCode, err)
	}
	return string(out.Log)
}

// TestProtonRunsTerraform: an environment is applied, changed and destroyed by Terraform in a runner's
// sandbox, with its state in our own S3, under the environment's role.
func TestProtonRunsTerraform(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("terraform"); err != nil {
		outside.Missing(t, "there is no terraform: %v", err)
	}
	ctx, h := context.Background(), house.Start(t)
	admin := h.AsAdmin()
	p := admin.Proton()
	if _, err := admin.S3().CreateBucket(ctx, newBucket("states")); err != nil {
		t.Fatal(err)
	}
	publish(t, admin, protonbundles.Pack(t, map[string]string{
		"schema/schema.yaml": networkSchema,
		"infrastructure/manifest.yaml": `infrastructure:
  templates:
    - rendering_engine: codebuild
      settings:
        image: any
        input_type: HCL
        provision:
          - terraform init -input=false -no-color
          - terraform apply -auto-approve -input=false -no-color
          - terraform output -json > "$PROTON_OUTPUTS"
        deprovision:
          - terraform init -input=false -no-color
          - terraform destroy -auto-approve -input=false -no-color
`,
		"infrastructure/main.tf": `terraform {
  backend "s3" {
    bucket                      = "states"
    key                         = "shop.tfstate"
    use_path_style              = true
    skip_credentials_validation = true
    skip_requesting_account_id  = true
    skip_region_validation      = true
  }
}
variable "environment" { type = any }
resource "terraform_data" "network" { input = var.environment.inputs.zone }
output "zone" { value = terraform_data.network.output }
`}))
	role := protonRole(t, h, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	startRunner(t, h)
	name, spec := "shop", func(zone string) *string {
		return aws.String("proton: EnvironmentSpec\nspec:\n  zone: " + zone + "\n")
	}
	if _, err := p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: &name, TemplateName: aws.String("network"), TemplateMajorVersion: aws.String("1"), Spec: spec("one"), CodebuildRoleArn: &role}); err != nil {
		t.Fatal(err)
	}
	zone := func(want string) {
		t.Helper()
		s, message := status(t, p, name)
		env, err := p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		log := deploymentLog(t, h, aws.ToString(env.Environment.LastAttemptedDeploymentId))
		if s != types.DeploymentStatusSucceeded || !strings.Contains(log, "Apply complete!") {
			t.Fatalf("the deployment is %s: %s\n%s", s, message, log)
		}
		out, err := p.ListEnvironmentOutputs(ctx, &proton.ListEnvironmentOutputsInput{EnvironmentName: &name})
		if err != nil || len(out.Outputs) != 1 || aws.ToString(out.Outputs[0].ValueString) != want {
			t.Fatalf("outputs %+v, %v, want %s", out, err, want)
		}
	}
	zone("one")
	if _, err := p.UpdateEnvironment(ctx, &proton.UpdateEnvironmentInput{Name: &name, DeploymentType: types.DeploymentUpdateTypeCurrentVersion, Spec: spec("two")}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpdateEnvironment(ctx, &proton.UpdateEnvironmentInput{Name: &name, DeploymentType: types.DeploymentUpdateTypeCurrentVersion, Spec: spec("three")}); house.ErrorCode(err) != "ConflictException" {
		t.Errorf("a second update at once: %v, want a conflict", err)
	}
	zone("two")
	if _, err := p.DeleteEnvironment(ctx, &proton.DeleteEnvironmentInput{Name: &name}); err != nil {
		t.Fatal(err)
	}
	if s, message := status(t, p, name); s != "" {
		t.Fatalf("the environment is %s: %s", s, message)
	}
	state, err := admin.S3().GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("states"), Key: aws.String("shop.tfstate")})
	if err != nil {
		t.Fatal(err)
	}
	defer state.Body.Close()
	var left struct{ Resources []any }
	if err := json.NewDecoder(state.Body).Decode(&left); err != nil || len(left.Resources) != 0 {
		t.Errorf("the state has %v, %v", left, err)
	}
}
