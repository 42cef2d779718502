package claims

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// platform is all that Proton keeps of one team: a template of each family, an environment, a service with
// an instance and a pipeline, a component attached to the instance, a link to a repository. Its names
// begin with the team's, so that several fit into one house.
type platform struct {
	h   *house.House
	a   house.Account
	p   *proton.Client
	key string // of the customer; "" for none

	network, worker                 string // names of the templates
	environment, service, component string
	repository                      string
	networkARN, workerARN           string
	environmentARN, serviceARN      string
	instanceARN, pipelineARN        string
	componentARN, repositoryARN     string
	environmentSpec, serviceSpec    string
	environmentDeployment           string            // id
	ended                           map[string]string // ids of the newest deployments that have ended, by resource
}

// instance is the name of the service instance of a platform.
const instance = "worker-dev"

// protonTrust lets Proton take a role over for environments of the account.
func protonTrust(account string) string {
	return document(`{"Effect":"Allow","Principal":{"Service":"proton.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{
		"StringEquals":{"aws:SourceAccount":"` + account + `"},"ArnLike":{"aws:SourceArn":"arn:aws:proton:*:` + account + `:environment/*"}}}`)
}

// newRole makes a role with the trust policy and returns its ARN.
func newRole(t testing.TB, a house.Account, name, trust string) string {
	t.Helper()
	out, err := a.IAM().CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Role.Arn
}

// newPlatform makes templates whose bundles are in S3, an environment, a service and a component, and says
// that each is deployed. The house needs the role "components" before.
func newPlatform(t testing.TB, h *house.House, team, key string) *platform {
	t.Helper()
	x := unbuilt(h, team, key)
	x.networkARN = environmentTemplate(t, x.a, x.network, key, "cfn-environment")
	x.workerARN = serviceTemplate(t, x.a, x.worker, key, "cfn-service", x.network)
	x.link(t)
	x.makeEnvironment(t)
	x.makeService(t)
	x.makeComponent(t)
	return x
}

// unbuilt is a platform of which nothing is made yet.
func unbuilt(h *house.House, team, key string) *platform {
	x := &platform{
		h: h, a: h.AsAdmin(), key: key, network: team + "-network", worker: team + "-worker", environment: team + "-dev", service: team + "-shop",
		component: team + "-extra", repository: team + "/live",
	}
	x.p = x.a.Proton()
	at := "arn:aws:proton:" + house.Region + ":" + h.Account + ":"
	x.environmentARN, x.serviceARN, x.componentARN = at+"environment/"+x.environment, at+"service/"+x.service, at+"component/"+x.component
	x.instanceARN, x.repositoryARN = x.serviceARN+"/service-instance/"+instance, at+"repository/github:"+x.repository
	x.environmentSpec = "proton: EnvironmentSpec\nspec:\n  owner: " + team + "-owner\n"
	x.serviceSpec = "proton: ServiceSpec\npipeline:\n  test_command: make " + team + "\ninstances:\n" +
		"  - name: " + instance + "\n    environment: " + x.environment + "\n    spec:\n      image: " + team + "/image\n      settings: {}\n"
	return x
}

// serviceTemplate makes a service template and a version of it that is published and takes components, for
// environments of the template that is named. It returns its ARN.
func serviceTemplate(t testing.TB, a house.Account, name, key, from, environments string) string {
	t.Helper()
	in := &proton.CreateServiceTemplateInput{Name: &name, Description: aws.String("the description of " + name)}
	if key != "" {
		in.EncryptionKey = &key
	}
	if from == "runner-service" {
		in.PipelineProvisioning = types.ProvisioningCustomerManaged
	}
	out, err := a.Proton().CreateServiceTemplate(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	publishService(t, a, name, from, environments)
	return *out.ServiceTemplate.Arn
}

// publishService registers and publishes a version of a service template, of the major version 1 once there is one.
func publishService(t testing.TB, a house.Account, name, from, environments string) *types.ServiceTemplateVersion {
	t.Helper()
	made, err := a.Proton().CreateServiceTemplateVersion(ctx, &proton.CreateServiceTemplateVersionInput{
		TemplateName: &name, Source: bundle(from), CompatibleEnvironmentTemplates: []types.CompatibleEnvironmentTemplateInput{{TemplateName: &environments, MajorVersion: aws.String("1")}},
		SupportedComponentSources: []types.ServiceTemplateSupportedComponentSourceType{types.ServiceTemplateSupportedComponentSourceTypeDirectlyDefined},
	})
	if err != nil {
		t.Fatal(err)
	}
	v := made.ServiceTemplateVersion
	until(t, "the registration of "+*v.Arn, func() (bool, error) {
		out, err := a.Proton().GetServiceTemplateVersion(ctx, &proton.GetServiceTemplateVersionInput{TemplateName: &name, MajorVersion: v.MajorVersion, MinorVersion: v.MinorVersion})
		if err != nil {
			return false, err
		}
		if s := out.ServiceTemplateVersion.Status; s == types.TemplateVersionStatusRegistrationFailed {
			t.Fatal(aws.ToString(out.ServiceTemplateVersion.StatusMessage))
		}
		return out.ServiceTemplateVersion.Status == types.TemplateVersionStatusDraft, nil
	})
	out, err := a.Proton().UpdateServiceTemplateVersion(ctx, &proton.UpdateServiceTemplateVersionInput{
		TemplateName: &name, MajorVersion: v.MajorVersion, MinorVersion: v.MinorVersion, Status: types.TemplateVersionStatusPublished,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.ServiceTemplateVersion
}

// link makes the link to a repository.
func (x *platform) link(t testing.TB) {
	t.Helper()
	in := &proton.CreateRepositoryInput{
		Name: &x.repository, Provider: types.RepositoryProviderGithub,
		ConnectionArn: aws.String("arn:aws:codestar-connections:" + house.Region + ":" + x.h.Account + ":connection/" + x.component),
	}
	if x.key != "" {
		in.EncryptionKey = &x.key
	}
	if _, err := x.p.CreateRepository(ctx, in); err != nil {
		t.Fatal(err)
	}
}

// makeEnvironment makes the environment, with a role for components.
func (x *platform) makeEnvironment(t testing.TB) {
	t.Helper()
	role := "arn:aws:iam::" + x.h.Account + ":role/components"
	if _, err := x.p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
		Name: &x.environment, TemplateName: &x.network, TemplateMajorVersion: aws.String("1"), Spec: &x.environmentSpec,
		Description: aws.String("the environment of " + x.environment), ComponentRoleArn: &role,
	}); err != nil {
		t.Fatal(err)
	}
	x.environmentDeployment = x.succeed(t, x.environmentARN, "TableName", x.environment+"-table")
}

// makeService makes the service with its instance and its pipeline.
func (x *platform) makeService(t testing.TB) {
	t.Helper()
	if _, err := x.p.CreateService(ctx, &proton.CreateServiceInput{
		Name: &x.service, TemplateName: &x.worker, TemplateMajorVersion: aws.String("1"), Spec: &x.serviceSpec, Description: aws.String("the service of " + x.service),
		RepositoryId: aws.String("team/code"), RepositoryConnectionArn: aws.String("arn:aws:codestar-connections:" + house.Region + ":" + x.h.Account + ":connection/code"), BranchName: aws.String("main"),
	}); err != nil {
		t.Fatal(err)
	}
	out, err := x.p.GetService(ctx, &proton.GetServiceInput{Name: &x.service})
	if err != nil {
		t.Fatal(err)
	}
	x.pipelineARN = *out.Service.Pipeline.Arn
	x.succeed(t, x.instanceARN, "QueueUrl", x.service+"-queue")
	x.succeed(t, x.pipelineARN, "Repository", x.service+"-repository")
	until(t, "the creation of "+x.service, func() (bool, error) {
		out, err := x.p.GetService(ctx, &proton.GetServiceInput{Name: &x.service})
		return err == nil && out.Service.Status == types.ServiceStatusActive, err
	})
}

// makeComponent makes the component and attaches it to the instance.
func (x *platform) makeComponent(t testing.TB) {
	t.Helper()
	file, manifest := protonbundles.File(t, "cfn-component", "template.yaml"), protonbundles.File(t, "cfn-component", "manifest.yaml")
	dev := instance
	if _, err := x.p.CreateComponent(ctx, &proton.CreateComponentInput{
		Name: &x.component, TemplateFile: &file, Manifest: &manifest, Description: aws.String("the component of " + x.component), ServiceName: &x.service, ServiceInstanceName: &dev,
	}); err != nil {
		t.Fatal(err)
	}
	x.succeed(t, x.componentARN, "BucketName", x.component+"-bucket")
	x.succeed(t, x.instanceARN, "QueueUrl", x.service+"-queue") // which is deployed again, with the component
}

// succeed waits until the deployment of a resource is rendered, says that it succeeded, with an output, and returns its id.
func (x *platform) succeed(t testing.TB, resource, output, value string) string {
	t.Helper()
	id := x.rendered(t, resource)
	if _, err := x.p.NotifyResourceDeploymentStatusChange(ctx, &proton.NotifyResourceDeploymentStatusChangeInput{
		ResourceArn: &resource, DeploymentId: &id, Status: types.ResourceDeploymentStatusSucceeded, Outputs: []types.Output{{Key: &output, ValueString: &value}},
	}); err != nil {
		t.Fatalf("%s: %v", resource, err)
	}
	if x.ended == nil {
		x.ended = map[string]string{}
	}
	x.ended[resource] = id
	return id
}

// rendered waits until the newest deployment of a resource waits for word from outside, and returns its id.
func (x *platform) rendered(t testing.TB, resource string) (id string) {
	t.Helper()
	until(t, "the rendering for "+resource, func() (bool, error) {
		list, err := x.p.ListDeployments(ctx, &proton.ListDeploymentsInput{})
		if err != nil {
			return false, err
		}
		for _, d := range list.Deployments { // the newest first
			if *d.TargetArn != resource {
				continue
			}
			if *d.Id == x.ended[resource] {
				return false, nil // a newer one comes
			}
			out, err := x.p.GetDeployment(ctx, &proton.GetDeploymentInput{Id: d.Id})
			if err != nil {
				return false, err
			}
			id = *d.Id
			message := aws.ToString(out.Deployment.DeploymentStatusMessage)
			if s := out.Deployment.DeploymentStatus; s != types.DeploymentStatusInProgress && s != types.DeploymentStatusDeleteInProgress {
				t.Fatalf("the deployment of %s is %s: %s", resource, s, message)
			}
			return message != "", nil
		}
		return false, nil
	})
	return id
}

// reads are the calls that show what is sealed of the platform, and deployments that need it. None of them
// changes anything when it is refused.
func (x *platform) reads() []read {
	one, zero, dev := aws.String("1"), aws.String("0"), instance
	p := func(a house.Account) *proton.Client { return a.Proton() }
	return []read{
		{"GetEnvironmentTemplate", func(a house.Account) error {
			_, err := p(a).GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: &x.network})
			return err
		}},
		{"GetServiceTemplate", func(a house.Account) error {
			_, err := p(a).GetServiceTemplate(ctx, &proton.GetServiceTemplateInput{Name: &x.worker})
			return err
		}},
		{"GetServiceTemplateVersion", func(a house.Account) error {
			_, err := p(a).GetServiceTemplateVersion(ctx, &proton.GetServiceTemplateVersionInput{TemplateName: &x.worker, MajorVersion: one, MinorVersion: zero})
			return err
		}},
		{"ListServiceTemplateVersions", func(a house.Account) error {
			_, err := p(a).ListServiceTemplateVersions(ctx, &proton.ListServiceTemplateVersionsInput{TemplateName: &x.worker})
			return err
		}},
		{"GetEnvironment", func(a house.Account) error {
			_, err := p(a).GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: &x.environment})
			return err
		}},
		{"GetService", func(a house.Account) error {
			_, err := p(a).GetService(ctx, &proton.GetServiceInput{Name: &x.service})
			return err
		}},
		{"GetServiceInstance", func(a house.Account) error {
			_, err := p(a).GetServiceInstance(ctx, &proton.GetServiceInstanceInput{ServiceName: &x.service, Name: &dev})
			return err
		}},
		{"ListServiceInstances of the service", func(a house.Account) error {
			_, err := p(a).ListServiceInstances(ctx, &proton.ListServiceInstancesInput{ServiceName: &x.service})
			return err
		}},
		{"GetComponent", func(a house.Account) error {
			_, err := p(a).GetComponent(ctx, &proton.GetComponentInput{Name: &x.component})
			return err
		}},
		{"GetDeployment", func(a house.Account) error {
			_, err := p(a).GetDeployment(ctx, &proton.GetDeploymentInput{Id: &x.environmentDeployment})
			return err
		}},
		{"GetRepository", func(a house.Account) error {
			_, err := p(a).GetRepository(ctx, &proton.GetRepositoryInput{Name: &x.repository, Provider: types.RepositoryProviderGithub})
			return err
		}},
		{"ListEnvironmentOutputs", func(a house.Account) error {
			_, err := p(a).ListEnvironmentOutputs(ctx, &proton.ListEnvironmentOutputsInput{EnvironmentName: &x.environment})
			return err
		}},
		{"ListServiceInstanceOutputs", func(a house.Account) error {
			_, err := p(a).ListServiceInstanceOutputs(ctx, &proton.ListServiceInstanceOutputsInput{ServiceName: &x.service, ServiceInstanceName: &dev})
			return err
		}},
		{"ListServicePipelineOutputs", func(a house.Account) error {
			_, err := p(a).ListServicePipelineOutputs(ctx, &proton.ListServicePipelineOutputsInput{ServiceName: &x.service})
			return err
		}},
		{"ListComponentOutputs", func(a house.Account) error {
			_, err := p(a).ListComponentOutputs(ctx, &proton.ListComponentOutputsInput{ComponentName: &x.component})
			return err
		}},
		{"ListEnvironmentProvisionedResources", func(a house.Account) error {
			_, err := p(a).ListEnvironmentProvisionedResources(ctx, &proton.ListEnvironmentProvisionedResourcesInput{EnvironmentName: &x.environment})
			return err
		}},
		{"ListServiceInstanceProvisionedResources", func(a house.Account) error {
			_, err := p(a).ListServiceInstanceProvisionedResources(ctx, &proton.ListServiceInstanceProvisionedResourcesInput{ServiceName: &x.service, ServiceInstanceName: &dev})
			return err
		}},
	}
}

// writes are calls that need what is sealed and would begin a deployment.
func (x *platform) writes() []read {
	dev := instance
	return []read{
		{"UpdateEnvironment", func(a house.Account) error {
			_, err := a.Proton().UpdateEnvironment(ctx, &proton.UpdateEnvironmentInput{Name: &x.environment, DeploymentType: types.DeploymentUpdateTypeCurrentVersion, Spec: &x.environmentSpec})
			return err
		}},
		{"UpdateServiceInstance", func(a house.Account) error {
			_, err := a.Proton().UpdateServiceInstance(ctx, &proton.UpdateServiceInstanceInput{ServiceName: &x.service, Name: &dev, DeploymentType: types.DeploymentUpdateTypeCurrentVersion})
			return err
		}},
		{"UpdateServicePipeline", func(a house.Account) error {
			_, err := a.Proton().UpdateServicePipeline(ctx, &proton.UpdateServicePipelineInput{ServiceName: &x.service, DeploymentType: types.DeploymentUpdateTypeCurrentVersion, Spec: &x.serviceSpec})
			return err
		}},
		{"UpdateComponent", func(a house.Account) error {
			_, err := a.Proton().UpdateComponent(ctx, &proton.UpdateComponentInput{Name: &x.component, DeploymentType: types.ComponentDeploymentUpdateTypeCurrentVersion})
			return err
		}},
		{"UpdateService", func(a house.Account) error {
			_, err := a.Proton().UpdateService(ctx, &proton.UpdateServiceInput{Name: &x.service, Description: aws.String("another")})
			return err
		}},
		{"CreateEnvironment", func(a house.Account) error {
			_, err := a.Proton().CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: aws.String(x.environment + "-2"), TemplateName: &x.network, TemplateMajorVersion: aws.String("1"), Spec: &x.environmentSpec})
			return err
		}},
		{"CancelEnvironmentDeployment", func(a house.Account) error {
			_, err := a.Proton().CancelEnvironmentDeployment(ctx, &proton.CancelEnvironmentDeploymentInput{EnvironmentName: &x.environment})
			return err
		}},
	}
}
