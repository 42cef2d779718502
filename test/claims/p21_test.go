package claims

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// TestP21_ComponentsNeedARoleOfTheEnvironment: an environment without a component role takes no component, one with it runs all of
// them under that role, and a template whose versions do not say so has none attached to its instances.
func TestP21_ComponentsNeedARoleOfTheEnvironment(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBundles(t, admin, "cfn-environment", "cfn-service")
	role := newRole(t, admin, "components", protonTrust(h.Account))
	x := unbuilt(h, "blue", "")
	environmentTemplate(t, admin, x.network, "", "cfn-environment")
	bare := "bare"
	if _, err := x.p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: &bare, TemplateName: &x.network, TemplateMajorVersion: aws.String("1"), Spec: &x.environmentSpec}); err != nil {
		t.Fatal(err)
	}
	x.succeed(t, strings.Replace(x.environmentARN, x.environment, bare, 1), "TableName", "table")
	x.makeEnvironment(t)
	create := func(name string, change func(*proton.CreateComponentInput)) error {
		in := &proton.CreateComponentInput{
			Name: &name, TemplateFile: aws.String("Resources: {}\n"), Manifest: aws.String(protonbundles.File(t, "cfn-component", "manifest.yaml")),
		}
		change(in)
		_, err := x.p.CreateComponent(ctx, in)
		return err
	}
	inside := func(environment string) func(*proton.CreateComponentInput) {
		return func(in *proton.CreateComponentInput) { in.EnvironmentName = &environment }
	}
	err := create("refused", inside(bare))
	want(t, "a component where there is no role", err, "ValidationException")
	if !strings.Contains(messageOf(err), "component role") {
		t.Errorf("the message does not say what is missing: %s", messageOf(err))
	}
	for _, name := range []string{"first", "second"} {
		want(t, "the component "+name, create(name, inside(x.environment)), "")
		x.succeed(t, strings.Replace(x.componentARN, x.component, name, 1), "out", "value")
	}
	assumed := 0
	for _, e := range events(t, admin, "AssumeRole") {
		if e.RequestParameters["roleArn"] != role {
			continue
		}
		assumed++
		if e.ErrorCode != "" || e.UserIdentity.Type != "AWSService" || e.UserIdentity.InvokedBy != "proton.amazonaws.com" || e.RequestParameters["roleSessionName"] != "AWSProton" || strings.Contains(e.text, "sessionToken\":\"") {
			t.Errorf("the component role is assumed by %+v as %v: %s", e.UserIdentity, e.RequestParameters, e.ErrorCode)
		}
	}
	if assumed < 2 {
		t.Errorf("the trail shows the component role assumed %d times, want twice", assumed)
	}

	// A version that does not name components as a source takes none.
	if _, err := x.p.CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: &x.worker}); err != nil {
		t.Fatal(err)
	}
	v := publishService(t, admin, x.worker, "cfn-service", x.network)
	if _, err := x.p.UpdateServiceTemplateVersion(ctx, &proton.UpdateServiceTemplateVersionInput{
		TemplateName: &x.worker, MajorVersion: v.MajorVersion, MinorVersion: v.MinorVersion, SupportedComponentSources: []types.ServiceTemplateSupportedComponentSourceType{},
	}); err != nil {
		t.Fatal(err)
	}
	x.makeService(t)
	attach := func(in *proton.CreateComponentInput) {
		in.ServiceName, in.ServiceInstanceName = &x.service, aws.String(instance)
	}
	want(t, "a component where the template takes none", create("refused", attach), "ValidationException")
	if _, err := x.p.UpdateServiceTemplateVersion(ctx, &proton.UpdateServiceTemplateVersionInput{
		TemplateName: &x.worker, MajorVersion: v.MajorVersion, MinorVersion: v.MinorVersion,
		SupportedComponentSources: []types.ServiceTemplateSupportedComponentSourceType{types.ServiceTemplateSupportedComponentSourceTypeDirectlyDefined},
	}); err != nil {
		t.Fatal(err)
	}
	want(t, "a component where it takes them", create("attached", attach), "")
	want(t, "another on the same instance", create("refused", attach), "ConflictException")
	_, err = x.p.GetComponent(ctx, &proton.GetComponentInput{Name: aws.String("refused")})
	want(t, "the component that was refused", err, "ResourceNotFoundException")
}
