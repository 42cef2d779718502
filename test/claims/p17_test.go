package claims

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// runnerJob is what a runner is given, as far as these tests read it.
type runnerJob struct {
	DeploymentID, Lease, TargetArn string
	Credentials                    *struct{ AccessKeyID, SecretAccessKey, SessionToken string }
	Commands                       []string
	Variables                      []struct{ Name, Value string }
	Files                          []struct {
		Path    string
		Content []byte
	}
}

// acquire waits for a job, as a runner does.
func acquire(t testing.TB, h *house.House) (j *runnerJob) {
	t.Helper()
	until(t, "a job for a runner", func() (bool, error) {
		var answer struct{ Job *runnerJob }
		err := json.Unmarshal([]byte(raw(t, h, h.Admin, "proton", "AwsProton20200720.AcquireRunnerJob", `{"runnerName":"one","waitSeconds":1}`)), &answer)
		j = answer.Job
		return j != nil, err
	})
	return j
}

// done reports that a job has succeeded, with an output.
func (j *runnerJob) done(t testing.TB, h *house.House, output, value string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"deploymentId": j.DeploymentID, "lease": j.Lease, "sequence": 0, "status": "SUCCEEDED", "outputs": []map[string]string{{"key": output, "valueString": value}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := raw(t, h, h.Admin, "proton", "AwsProton20200720.ReportRunnerJob", string(body)); strings.Contains(text, "Exception") {
		t.Fatal(text)
	}
}

// as is who the job's commands are.
func (j *runnerJob) as(t testing.TB, h *house.House) string {
	t.Helper()
	if j.Credentials == nil {
		return ""
	}
	a := h.As(aws.Credentials{AccessKeyID: j.Credentials.AccessKeyID, SecretAccessKey: j.Credentials.SecretAccessKey, SessionToken: j.Credentials.SessionToken})
	out, err := a.STS().GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Arn
}

// deployed waits for the end of the environment's deployment and returns its status and message.
func deployed(t testing.TB, p *proton.Client, name string) (status types.DeploymentStatus, message string) {
	t.Helper()
	until(t, "the deployment of "+name, func() (bool, error) {
		out, err := p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: &name})
		if err != nil {
			return false, err
		}
		status, message = out.Environment.DeploymentStatus, aws.ToString(out.Environment.DeploymentStatusMessage)
		return status != types.DeploymentStatusInProgress, nil
	})
	return status, message
}

// runnerTemplates makes a template "hello" of environments and one "notes" of services, whose commands a runner runs.
func runnerTemplates(t testing.TB, a house.Account) {
	t.Helper()
	newBundles(t, a, "runner-environment", "runner-service")
	environmentTemplate(t, a, "hello", "", "runner-environment")
	serviceTemplate(t, a, "notes", "", "runner-service", "hello")
}

// TestP17_DevelopersUseTheEnvironmentsRole: who may only make services gets them provisioned under the
// environment's role, without any right to it, and can neither see nor change what the environment is provisioned with.
func TestP17_DevelopersUseTheEnvironmentsRole(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	runnerTemplates(t, admin)
	role := newRole(t, admin, "provisioning", protonTrust(h.Account))
	hello := aws.String("hello")
	if _, err := admin.Proton().CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
		Name: hello, TemplateName: hello, TemplateMajorVersion: aws.String("1"), Spec: aws.String(protonbundles.Spec(t, "runner-environment")), CodebuildRoleArn: &role,
	}); err != nil {
		t.Fatal(err)
	}
	j := acquire(t, h)
	if who := j.as(t, h); !strings.Contains(who, ":assumed-role/provisioning/") {
		t.Errorf("the environment's commands are %q", who)
	}
	j.done(t, h, "greeting", "good morning")
	if status, message := deployed(t, admin.Proton(), "hello"); status != types.DeploymentStatusSucceeded {
		t.Fatal(status, message)
	}

	developer := h.As(h.User("developer", document(allow(`["proton:CreateService","proton:GetService*","proton:ListService*","proton:UpdateService*","proton:DeleteService"]`, "*"))))
	p := developer.Proton()
	if _, err := p.CreateService(ctx, &proton.CreateServiceInput{Name: aws.String("memo"), TemplateName: aws.String("notes"), TemplateMajorVersion: aws.String("1"), Spec: aws.String(protonbundles.Spec(t, "runner-service"))}); err != nil {
		t.Fatal(err)
	}
	j = acquire(t, h)
	if who := j.as(t, h); !strings.Contains(who, ":assumed-role/provisioning/") || !strings.HasSuffix(j.TargetArn, ":service/memo/service-instance/note-one") {
		t.Errorf("the commands of %s are %q, want the environment's role", j.TargetArn, who)
	}
	j.done(t, h, "note", "written")
	answer := raw(t, h, mustRetrieve(t, developer), "proton", "AwsProton20200720.GetServiceInstance", `{"serviceName":"memo","name":"note-one"}`)
	if !strings.Contains(answer, `"environmentName":"hello"`) || strings.Contains(answer, "provisioning") {
		t.Errorf("a developer sees of his instance %s", answer)
	}
	for what, call := range map[string]func() error{
		"to see the environment": func() error {
			_, err := p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: hello})
			return err
		},
		"to give it another role": func() error {
			_, err := p.UpdateEnvironment(ctx, &proton.UpdateEnvironmentInput{Name: hello, DeploymentType: types.DeploymentUpdateTypeNone, CodebuildRoleArn: &role})
			return err
		},
		"to see the roles of pipelines": func() error {
			_, err := p.GetAccountSettings(ctx, &proton.GetAccountSettingsInput{})
			return err
		},
		"to see repositories": func() error {
			_, err := p.ListRepositories(ctx, &proton.ListRepositoriesInput{})
			return err
		},
		"to be the role": func() error {
			_, err := developer.STS().AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")})
			return err
		},
	} {
		if err := call(); !denied(err) {
			t.Errorf("a developer was allowed %s: %v", what, err)
		}
	}
}

func mustRetrieve(t testing.TB, a house.Account) aws.Credentials {
	t.Helper()
	c, err := a.Config.Credentials.Retrieve(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestP17_ARoleIsHandedOverByWhoMay: naming a role for an environment, a component or the account's pipelines needs iam:PassRole
// for it, to Proton.
func TestP17_ARoleIsHandedOverByWhoMay(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	runnerTemplates(t, admin)
	role, other := newRole(t, admin, "provisioning", protonTrust(h.Account)), newRole(t, admin, "other", protonTrust(h.Account))
	pass := func(service string) string {
		return `{"Effect":"Allow","Action":"iam:PassRole","Resource":"` + role + `","Condition":{"StringEquals":{"iam:PassedToService":"` + service + `"}}}`
	}
	without := h.As(h.User("without", document(allow(`"proton:*"`, "*"))))
	elsewhere := h.As(h.User("elsewhere", document(allow(`"proton:*"`, "*"), pass("ec2.amazonaws.com"))))
	with := h.As(h.User("with", document(allow(`"proton:*"`, "*"), pass("proton.amazonaws.com"))))
	hello, spec := aws.String("hello"), aws.String(protonbundles.Spec(t, "runner-environment"))
	make := func(a house.Account, role string) error {
		_, err := a.Proton().CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: hello, TemplateName: hello, TemplateMajorVersion: aws.String("1"), Spec: spec, CodebuildRoleArn: &role})
		return err
	}
	settle := func(a house.Account, role string) error {
		_, err := a.Proton().UpdateAccountSettings(ctx, &proton.UpdateAccountSettingsInput{PipelineCodebuildRoleArn: &role})
		return err
	}
	for name, call := range map[string]func(house.Account, string) error{"CreateEnvironment": make, "UpdateAccountSettings": settle} {
		for who, a := range map[string]house.Account{"who may pass no role": without, "who may pass it to another service": elsewhere} {
			if err := call(a, role); house.ErrorCode(err) != "AccessDeniedException" || !strings.Contains(messageOf(err), "iam:PassRole") {
				t.Errorf("%s by one %s: %v, want a refusal that names iam:PassRole", name, who, err)
			}
		}
		want(t, name+" with a role that he may not pass", call(with, other), "AccessDeniedException")
	}
	_, err := admin.Proton().GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: hello})
	want(t, "the environment that was refused", err, "ResourceNotFoundException")
	want(t, "both by who may", errors.Join(make(with, role), settle(with, role)), "")
}

// TestP18_ConfusedDeputy: a role that is trusted for one account's environments, or for some of them, serves no other.
func TestP18_ConfusedDeputy(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	runnerTemplates(t, admin)
	other, credentials := h.NewAccount("other")
	statement := func(account, environment string) string {
		return document(`{"Effect":"Allow","Principal":{"Service":"proton.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"` + account + `"},
			"ArnLike":{"aws:SourceArn":"arn:aws:proton:*:` + account + `:environment/` + environment + `"}}}`)
	}
	roles := map[string]string{
		"blue":   newRole(t, admin, "for-blue", statement(h.Account, "blue")), // trusted for blue alone
		"green":  "arn:aws:iam::" + h.Account + ":role/for-blue",
		"yellow": newRole(t, admin, "for-other", statement(other, "*")),
		"red":    newRole(t, admin, "for-nobody", document(`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`)),
	}
	for name, role := range roles {
		if _, err := admin.Proton().CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
			Name: &name, TemplateName: aws.String("hello"), TemplateMajorVersion: aws.String("1"), Spec: aws.String(protonbundles.Spec(t, "runner-environment")), CodebuildRoleArn: &role,
		}); err != nil {
			t.Fatal(err)
		}
	}
	j := acquire(t, h)
	if who := j.as(t, h); !strings.HasSuffix(j.TargetArn, ":environment/blue") || !strings.Contains(who, ":assumed-role/for-blue/") {
		t.Errorf("%s runs as %q, want the environment blue", j.TargetArn, who)
	}
	j.done(t, h, "greeting", "hello")
	for name, role := range roles {
		status, message := deployed(t, admin.Proton(), name)
		if name == "blue" {
			if status != types.DeploymentStatusSucceeded {
				t.Errorf("%s is %s: %s", name, status, message)
			}
		} else if status != types.DeploymentStatusFailed || !strings.Contains(message, role) || !strings.Contains(message, "trust policy") {
			t.Errorf("%s with the role %s is %s: %s", name, role, status, message)
		}
	}
	// Somebody else who knows the role's name gets Proton to act for his account, and so nothing.
	thief := h.As(credentials)
	newBucket(t, thief, "thiefs-bundles", "")
	put(t, thief, "thiefs-bundles", "runner-environment", protonbundles.Tar(t, "runner-environment"))
	theft(t, thief, roles["blue"])
}

// theft makes an environment named blue in another account, with a role of the first one.
func theft(t *testing.T, thief house.Account, role string) {
	t.Helper()
	p, hello, one, zero := thief.Proton(), aws.String("hello"), aws.String("1"), aws.String("0")
	_, err := p.CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: hello})
	_, err2 := p.CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{
		TemplateName: hello, Source: &types.TemplateVersionSourceInputMemberS3{Value: types.S3ObjectSource{Bucket: aws.String("thiefs-bundles"), Key: aws.String("runner-environment")}},
	})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	environmentVersion(t, thief, "hello", "1", "0")
	if _, err := p.UpdateEnvironmentTemplateVersion(ctx, &proton.UpdateEnvironmentTemplateVersionInput{TemplateName: hello, MajorVersion: one, MinorVersion: zero, Status: types.TemplateVersionStatusPublished}); err != nil {
		t.Fatal(err)
	}
	_, err = p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: aws.String("blue"), TemplateName: hello, TemplateMajorVersion: one, Spec: aws.String(protonbundles.Spec(t, "runner-environment")), CodebuildRoleArn: &role})
	if denied(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if status, message := deployed(t, p, "blue"); status != types.DeploymentStatusFailed {
		t.Errorf("with the role of another account the environment is %s: %s", status, message)
	}
}

// TestP19_PoliciesKnowTheTemplate: proton:EnvironmentTemplate and proton:ServiceTemplate hold for what is to be made of a template,
// and for what was.
func TestP19_PoliciesKnowTheTemplate(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	runnerTemplates(t, admin)
	environmentTemplate(t, admin, "other", "", "runner-environment")
	serviceTemplate(t, admin, "other", "", "runner-service", "hello")
	only := func(key, template string) string {
		return `{"Effect":"Allow","Action":"proton:*","Resource":"*","Condition":{"StringEqualsIfExists":{"proton:` + key + `":"` + template + `"}}}`
	}
	clerk := h.As(h.User("clerk", document(only("EnvironmentTemplate", templateARN(h, "environment-template", "hello")), `{"Effect":"Deny","Action":"proton:*","Resource":"*","Condition":{"StringNotEqualsIfExists":{"proton:ServiceTemplate":"`+templateARN(h, "service-template", "notes")+`"},"Null":{"proton:ServiceTemplate":"false"}}}`)))
	one, spec := aws.String("1"), aws.String(protonbundles.Spec(t, "runner-environment"))
	create := func(a house.Account, name, template string) error {
		_, err := a.Proton().CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: &name, TemplateName: &template, TemplateMajorVersion: one, Spec: spec})
		return err
	}
	want(t, "an environment of the template", create(clerk, "hello", "hello"), "")
	want(t, "an environment of another", create(clerk, "refused", "other"), "AccessDeniedException")
	want(t, "the same by the administrator", create(admin, "other", "other"), "")
	serve := func(a house.Account, name, template string) error {
		_, err := a.Proton().CreateService(ctx, &proton.CreateServiceInput{Name: &name, TemplateName: &template, TemplateMajorVersion: one, Spec: aws.String(protonbundles.Spec(t, "runner-service"))})
		return err
	}
	want(t, "a service of the template", serve(clerk, "memo", "notes"), "")
	want(t, "a service of another", serve(clerk, "refused", "other"), "AccessDeniedException")
	want(t, "the same by the administrator", serve(admin, "others", "other"), "")
	for name, code := range map[string]string{"hello": "", "other": "AccessDeniedException"} {
		_, err := clerk.Proton().GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: &name})
		want(t, "the environment "+name, err, code)
	}
	for name, code := range map[string]string{"memo": "", "others": "AccessDeniedException"} {
		_, err := clerk.Proton().GetService(ctx, &proton.GetServiceInput{Name: &name})
		want(t, "the service "+name, err, code)
		_, err = clerk.Proton().GetServiceInstance(ctx, &proton.GetServiceInstanceInput{ServiceName: &name, Name: aws.String("note-one")})
		want(t, "the instance of "+name, err, code)
		_, err = clerk.Proton().ListServiceInstanceOutputs(ctx, &proton.ListServiceInstanceOutputsInput{ServiceName: &name, ServiceInstanceName: aws.String("note-one")})
		want(t, "the outputs of "+name, err, code)
	}
}
