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

// newEnvironmentVersion registers and publishes a version of the template "hello": of the major version, or of a new one for "".
func newEnvironmentVersion(t *testing.T, a house.Account, major string) {
	t.Helper()
	in := &proton.CreateEnvironmentTemplateVersionInput{TemplateName: aws.String("hello"), Source: bundle("runner-environment")}
	if major != "" {
		in.MajorVersion = &major
	}
	made, err := a.Proton().CreateEnvironmentTemplateVersion(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	v := made.EnvironmentTemplateVersion
	if got := environmentVersion(t, a, "hello", *v.MajorVersion, *v.MinorVersion); got.Status != types.TemplateVersionStatusDraft {
		t.Fatal(aws.ToString(got.StatusMessage))
	}
	if _, err := a.Proton().UpdateEnvironmentTemplateVersion(ctx, &proton.UpdateEnvironmentTemplateVersionInput{
		TemplateName: aws.String("hello"), MajorVersion: v.MajorVersion, MinorVersion: v.MinorVersion, Status: types.TemplateVersionStatusPublished,
	}); err != nil {
		t.Fatal(err)
	}
}

// TestUpgradesOfEnvironments: what the platform team publishes reaches an environment when it is deployed with it, and only then; its
// inputs stay where the new spec says so; NONE deploys nothing; there is no way back to an older major version.
func TestUpgradesOfEnvironments(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBundles(t, admin, "runner-environment")
	environmentTemplate(t, admin, "hello", "", "runner-environment")
	p, hello := admin.Proton(), aws.String("hello")
	if _, err := p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: hello, TemplateName: hello, TemplateMajorVersion: aws.String("1"), Spec: aws.String(protonbundles.Spec(t, "runner-environment"))}); err != nil {
		t.Fatal(err)
	}
	acquire(t, h).done(t, h, "greeting", "good morning")
	deployed(t, p, "hello")
	newEnvironmentVersion(t, admin, "1")
	newEnvironmentVersion(t, admin, "")
	update := func(how types.DeploymentUpdateType, major *string, spec string) error {
		in := &proton.UpdateEnvironmentInput{Name: hello, DeploymentType: how, TemplateMajorVersion: major, Description: aws.String("described by " + string(how))}
		if spec != "" {
			in.Spec = &spec
		}
		_, err := p.UpdateEnvironment(ctx, in)
		return err
	}
	is := func(version string, inputs ...string) {
		t.Helper()
		deployed(t, p, "hello")
		out, err := p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: hello})
		if err != nil {
			t.Fatal(err)
		}
		if got := *out.Environment.TemplateMajorVersion + "." + *out.Environment.TemplateMinorVersion; got != version {
			t.Errorf("the environment has the version %s, want %s", got, version)
		}
		for _, line := range inputs {
			if !strings.Contains(*out.Environment.Spec, line) {
				t.Errorf("the spec lacks %q: %s", line, *out.Environment.Spec)
			}
		}
	}
	is("1.0")
	want(t, "NONE with a spec", update(types.DeploymentUpdateTypeNone, nil, protonbundles.Spec(t, "runner-environment")), "ValidationException")
	want(t, "NONE", update(types.DeploymentUpdateTypeNone, nil, ""), "")
	is("1.0")
	for _, step := range []struct {
		how     types.DeploymentUpdateType
		major   *string
		spec    string
		version string
		inputs  []string
	}{
		{types.DeploymentUpdateTypeCurrentVersion, nil, "proton: EnvironmentSpec\nspec:\n  greeting: ${Proton::CURRENT_VAL}\n  times: 2\n", "1.0", []string{"greeting: good morning", "times: 2"}},
		{types.DeploymentUpdateTypeMinorVersion, nil, "", "1.1", []string{"greeting: good morning", "times: 2"}},
		{types.DeploymentUpdateTypeMajorVersion, nil, "proton: EnvironmentSpec\nspec:\n  greeting: good night\n  times: ${Proton::CURRENT_VAL}\n", "2.0", []string{"greeting: good night", "times: 2"}},
	} {
		want(t, string(step.how), update(step.how, step.major, step.spec), "")
		acquire(t, h).done(t, h, "greeting", "said")
		is(step.version, step.inputs...)
	}
	want(t, "going back", update(types.DeploymentUpdateTypeMajorVersion, aws.String("1"), ""), "ValidationException")
	want(t, "a version that is not there", update(types.DeploymentUpdateTypeMajorVersion, aws.String("7"), ""), "ValidationException")
	is("2.0")
}

// TestUpdatesAtOnce: of several updates of one environment that meet, one begins a deployment and the others are told so; nothing is half made.
func TestUpdatesAtOnce(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	newBundles(t, admin, "runner-environment")
	environmentTemplate(t, admin, "hello", "", "runner-environment")
	p, hello := admin.Proton(), aws.String("hello")
	if _, err := p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: hello, TemplateName: hello, TemplateMajorVersion: aws.String("1"), Spec: aws.String(protonbundles.Spec(t, "runner-environment"))}); err != nil {
		t.Fatal(err)
	}
	acquire(t, h).done(t, h, "greeting", "good morning")
	deployed(t, p, "hello")
	const several = 6
	results := make(chan error, several)
	for i := range several {
		go func() {
			_, err := p.UpdateEnvironment(ctx, &proton.UpdateEnvironmentInput{
				Name: hello, DeploymentType: types.DeploymentUpdateTypeCurrentVersion, Spec: aws.String("proton: EnvironmentSpec\nspec:\n  greeting: number " + string(rune('0'+i)) + "\n"),
			})
			results <- err
		}()
	}
	begun := 0
	for range several {
		err := <-results
		if err == nil {
			begun++
		} else {
			want(t, "an update that came too late", err, "ConflictException")
		}
	}
	if begun != 1 {
		t.Errorf("%d updates began, want one", begun)
	}
	list, err := p.ListDeployments(ctx, &proton.ListDeploymentsInput{EnvironmentName: hello})
	if err != nil || len(list.Deployments) != 2 {
		t.Errorf("there are the deployments %+v, %v; want two", list, err)
	}
	acquire(t, h).done(t, h, "greeting", "number")
	if status, message := deployed(t, p, "hello"); status != types.DeploymentStatusSucceeded {
		t.Errorf("the environment is %s: %s", status, message)
	}
}
