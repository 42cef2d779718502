package claims

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// grants of a key, by the template that each is for.
func grants(t testing.TB, a house.Account, key string) map[string]string {
	t.Helper()
	out, err := a.KMS().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, g := range out.Grants {
		ids[g.Constraints.EncryptionContextSubset["aws:proton:template"]] = *g.GrantId
	}
	return ids
}

// TestP7_NothingOfATeamWithoutItsKey: environments, services, instances, pipelines, components, their outputs and
// deployments, and the link to a repository answer ValidationException while the key is out of reach, in
// whichever way; another team of the same account works on; and afterwards all is back as it was.
func TestP7_NothingOfATeamWithoutItsKey(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBundles(t, admin, "cfn-environment", "cfn-service")
	newRole(t, admin, "components", protonTrust(h.Account))
	key := newKey(t, admin, "")
	x, other := newPlatform(t, h, "blue", key), newPlatform(t, h, "green", "")
	client := admin.KMS()

	for _, way := range []struct {
		name       string
		take, back func() error
	}{
		{"the key is disabled",
			func() error { _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); return err },
			func() error { _, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); return err }},
		{"the grants are revoked",
			func() (err error) {
				for _, id := range grants(t, admin, key) {
					_, err2 := client.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: &id})
					err = errors.Join(err, err2)
				}
				return err
			},
			func() error {
				return errors.Join(grantAgain(admin, key, x.networkARN), grantAgain(admin, key, x.workerARN), grantAgain(admin, key, x.repositoryARN))
			}},
		{"the key is to be deleted",
			func() error {
				_, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key})
				return err
			},
			func() error {
				_, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &key})
				_, err2 := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key})
				return errors.Join(err, err2)
			}},
	} {
		if err := way.take(); err != nil {
			t.Fatalf("%s: %v", way.name, err)
		}
		for _, r := range append(x.reads(), x.writes()...) {
			want(t, r.name+" when "+way.name, r.call(admin), "ValidationException")
		}
		for _, r := range other.reads() {
			want(t, r.name+" of another team when "+way.name, r.call(admin), "")
		}
		x.nothingIsListed(t)
		if err := way.back(); err != nil {
			t.Fatalf("after %s: %v", way.name, err)
		}
		for _, r := range x.reads() {
			want(t, r.name+" after "+way.name, r.call(admin), "")
		}
	}
	x.isWhole(t)
	other.isWhole(t)
}

// isWhole fails the test unless the platform shows what was put into it, and can be deployed again.
func (x *platform) isWhole(t *testing.T) {
	t.Helper()
	e, err := x.p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: &x.environment})
	if err != nil || aws.ToString(e.Environment.Description) != "the environment of "+x.environment || e.Environment.DeploymentStatus != types.DeploymentStatusSucceeded {
		t.Errorf("the environment is %+v, %v", e, err)
	}
	out, err := x.p.ListServiceInstanceOutputs(ctx, &proton.ListServiceInstanceOutputsInput{ServiceName: &x.service, ServiceInstanceName: aws.String(instance)})
	if err != nil || len(out.Outputs) != 1 || aws.ToString(out.Outputs[0].ValueString) != x.service+"-queue" {
		t.Errorf("the outputs of the instance are %+v, %v", out, err)
	}
	c, err := x.p.ListComponentOutputs(ctx, &proton.ListComponentOutputsInput{ComponentName: &x.component})
	if err != nil || len(c.Outputs) != 1 || aws.ToString(c.Outputs[0].ValueString) != x.component+"-bucket" {
		t.Errorf("the outputs of the component are %+v, %v", c, err)
	}
	if _, err := x.p.UpdateServiceInstance(ctx, &proton.UpdateServiceInstanceInput{ServiceName: &x.service, Name: aws.String(instance), DeploymentType: types.DeploymentUpdateTypeCurrentVersion}); err != nil {
		t.Errorf("the instance can't be deployed again: %v", err)
		return
	}
	x.succeed(t, x.instanceARN, "QueueUrl", "another")
}

// TestP7_ADeploymentWaitsForItsKey: the end of a deployment, with its outputs, is not taken while the key is gone, and nothing of it is
// lost: said again with the key back, it counts.
func TestP7_ADeploymentWaitsForItsKey(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBundles(t, admin, "cfn-environment")
	newRole(t, admin, "components", protonTrust(h.Account))
	key := newKey(t, admin, "")
	x := unbuilt(h, "blue", key)
	x.networkARN = environmentTemplate(t, admin, x.network, key, "cfn-environment")
	x.makeEnvironment(t)
	if _, err := x.p.UpdateEnvironment(ctx, &proton.UpdateEnvironmentInput{Name: &x.environment, DeploymentType: types.DeploymentUpdateTypeCurrentVersion, Spec: &x.environmentSpec}); err != nil {
		t.Fatal(err)
	}
	id := x.rendered(t, x.environmentARN)
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	notify := func() error {
		_, err := x.p.NotifyResourceDeploymentStatusChange(ctx, &proton.NotifyResourceDeploymentStatusChangeInput{
			ResourceArn: &x.environmentARN, DeploymentId: &id, Status: types.ResourceDeploymentStatusSucceeded, Outputs: []types.Output{{Key: aws.String("a"), ValueString: aws.String("b")}},
		})
		return err
	}
	want(t, "the outputs of a deployment without the key", notify(), "ValidationException")
	if _, err := admin.KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	want(t, "the same outputs with the key back", notify(), "")
	x.isDeployed(t, types.DeploymentStatusSucceeded)

}

// TestP7_ARunnerIsNotDisturbed: commands whose key is gone are not given to a runner; their deployment ends as failed, says why
// without telling anything of what is sealed, and the runner gets the next job. With the key back it can be deployed again.
func TestP7_ARunnerIsNotDisturbed(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBundles(t, admin, "runner-environment")
	key := newKey(t, admin, "")
	x, other := unbuilt(h, "blue", key), unbuilt(h, "green", "")
	for _, team := range []*platform{x, other} {
		environmentTemplate(t, admin, team.network, team.key, "runner-environment")
		if _, err := team.p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
			Name: &team.environment, TemplateName: &team.network, TemplateMajorVersion: aws.String("1"), Spec: aws.String(protonbundles.Spec(t, "runner-environment")),
		}); err != nil {
			t.Fatal(err)
		}
		team.environmentDeployment = team.rendered(t, team.environmentARN)
	}
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	acquire := func() string {
		t.Helper()
		return raw(t, h, h.Admin, "proton", "AwsProton20200720.AcquireRunnerJob", `{"runnerName":"one","waitSeconds":0}`)
	}
	if got := acquire(); !strings.Contains(got, other.environmentDeployment) {
		t.Errorf("the runner was given %s, want the job of %s", got, other.environment)
	}
	if got := acquire(); strings.Contains(got, "deploymentId") || strings.Contains(got, "Exception") {
		t.Errorf("with no job left the runner was given %s", got)
	}
	list, err := x.p.ListEnvironments(ctx, &proton.ListEnvironmentsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list.Environments {
		if failed := e.DeploymentStatus == types.DeploymentStatusFailed; failed != (*e.Name == x.environment) {
			t.Errorf("%s is %s", *e.Name, e.DeploymentStatus)
		}
	}
	if _, err := admin.KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	d, err := x.p.GetDeployment(ctx, &proton.GetDeploymentInput{Id: &x.environmentDeployment})
	if err != nil || d.Deployment.DeploymentStatus != types.DeploymentStatusFailed || !strings.Contains(aws.ToString(d.Deployment.DeploymentStatusMessage), "KMS key") {
		t.Errorf("the deployment is %+v, %v", d, err)
	}
	if _, err := x.p.UpdateEnvironment(ctx, &proton.UpdateEnvironmentInput{Name: &x.environment, DeploymentType: types.DeploymentUpdateTypeCurrentVersion}); err != nil {
		t.Fatal(err)
	}
	again := x.rendered(t, x.environmentARN)
	if got := acquire(); !strings.Contains(got, again) {
		t.Errorf("the runner was given %s, want the job of %s", got, x.environment)
	}
}

// isDeployed fails the test unless the environment has the status.
func (x *platform) isDeployed(t *testing.T, status types.DeploymentStatus) {
	t.Helper()
	e, err := x.p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: &x.environment})
	if err != nil || e.Environment.DeploymentStatus != status {
		t.Errorf("the environment is %+v, %v; want %s", e, err, status)
	}
}
