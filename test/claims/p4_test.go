package claims

import (
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/proton"

	"github.com/strongroom/strongroom/test/house"
)

// TestP4_P13_P14_AllOfATeamIsUnderItsKey: whatever is made of a template that names a key is sealed under that
// key, each resource with its own ARN as the second pair, and nothing of it under any other key. P14's
// own example, the service instance, is one of them.
func TestP4_P13_P14_AllOfATeamIsUnderItsKey(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBundles(t, admin, "cfn-environment", "cfn-service")
	newRole(t, admin, "components", protonTrust(h.Account))
	key := newKey(t, admin, "")
	x := newPlatform(t, h, "blue", key)

	if want := "arn:aws:proton:" + house.Region + ":" + h.Account + ":service/blue-shop/service-instance/worker-dev"; x.instanceARN != want {
		t.Errorf("the instance's ARN is %s, want %s", x.instanceARN, want)
	}
	templates := map[string]string{ // of every resource
		x.networkARN: x.networkARN, x.networkARN + ":1.0": x.networkARN, x.environmentARN: x.networkARN, x.componentARN: x.networkARN,
		x.workerARN: x.workerARN, x.workerARN + ":1.0": x.workerARN, x.serviceARN: x.workerARN, x.instanceARN: x.workerARN, x.pipelineARN: x.workerARN,
		x.repositoryARN: x.repositoryARN,
	}
	seen := map[string]bool{}
	for _, c := range protonUses(t, admin, key) {
		resource := c["aws:proton:resource"]
		seen[resource] = true
		if want := map[string]string{"aws:proton:template": templates[resource], "aws:proton:resource": resource}; !maps.Equal(c, want) {
			t.Errorf("the key was used with the context %v, want %v", c, want)
		}
	}
	for resource := range templates {
		if !seen[resource] {
			t.Errorf("%s was not sealed under the customer's key", resource)
		}
	}
	// Both kinds of key that Proton can use are told apart by the one that the customer destroys: nothing may be left to read.
	for _, r := range x.reads() {
		want(t, r.name, r.call(admin), "")
	}
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	for _, r := range x.reads() {
		want(t, r.name+" without the key", r.call(admin), "ValidationException")
	}
	x.nothingIsListed(t)
}

// nothingIsListed fails the test when a listing shows what is sealed of the platform, whose key is out of reach.
func (x *platform) nothingIsListed(t *testing.T) {
	t.Helper()
	environments, err := x.p.ListEnvironments(ctx, &proton.ListEnvironmentsInput{})
	want(t, "ListEnvironments", err, "")
	for _, e := range environments.Environments {
		if *e.Name == x.environment && e.Description != nil {
			t.Errorf("ListEnvironments describes %s", x.environment)
		}
	}
	services, err := x.p.ListServices(ctx, &proton.ListServicesInput{})
	want(t, "ListServices", err, "")
	for _, s := range services.Services {
		if *s.Name == x.service && s.Description != nil {
			t.Errorf("ListServices describes %s", x.service)
		}
	}
	templates, err := x.p.ListServiceTemplates(ctx, &proton.ListServiceTemplatesInput{})
	want(t, "ListServiceTemplates", err, "")
	for _, s := range templates.Templates {
		if *s.Name == x.worker && s.Description != nil {
			t.Errorf("ListServiceTemplates describes %s", x.worker)
		}
	}
	repositories, err := x.p.ListRepositories(ctx, &proton.ListRepositoriesInput{})
	want(t, "ListRepositories", err, "")
	for _, r := range repositories.Repositories {
		if *r.Name == x.repository && aws.ToString(r.ConnectionArn) != "" {
			t.Errorf("ListRepositories names the connection of %s", x.repository)
		}
	}
}
