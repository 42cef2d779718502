package proton

import (
	"context"
	"errors"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// inputs reads members of an operation's input by their names.
type inputs struct{ wire.Members }

// first is the first of the members that is there.
func (in inputs) first(names ...string) string {
	for _, n := range names {
		if t := in.Text(n); t != "" {
			return t
		}
	}
	return ""
}

// scope says which resource an operation acts on ("Actions, resources, and condition keys for AWS
// Proton", service authorization reference). A list of everything, and what has no resource, is "*".
type scope func(p place, in inputs) string

func everything(place, inputs) string { return "*" }

func named(in inputs) string { return in.Text("ResourceArn") }

func templateOf(f *family) scope {
	return func(p place, in inputs) string { return p.templateARN(f, in.first("TemplateName", "Name")) }
}

func environmentNamed(p place, in inputs) string {
	return p.environmentARN(in.first("EnvironmentName", "Name"))
}

func serviceNamed(p place, in inputs) string { return p.serviceARN(in.first("ServiceName", "Name")) }

func instanceNamed(p place, in inputs) string {
	return p.instanceARN(in.Text("ServiceName"), in.first("ServiceInstanceName", "Name"))
}

func componentNamed(p place, in inputs) string {
	return p.componentARN(in.first("ComponentName", "Name"))
}

func connectionNamed(p place, in inputs) string  { return p.connectionARN(in.Text("Id")) }
func deploymentNamed(p place, in inputs) string  { return p.deploymentARN(in.Text("Id")) }
func deploymentLogged(p place, in inputs) string { return p.deploymentARN(in.Text("DeploymentId")) }
func repositoryNamed(p place, in inputs) string {
	return p.repositoryARN(api.RepositoryProvider(in.Text("Provider")), in.Text("Name"))
}
func resourceNamed(_ place, in inputs) string { return named(in) }

// versionNamed is a template's version, of the family that the input names.
func versionNamed(p place, in inputs) string {
	f := familyOf(api.TemplateType(in.Text("TemplateType")))
	return p.versionARN(f, in.Text("TemplateName"), in.Text("MajorVersion"), in.Text("MinorVersion"))
}

// scopes has the scope of every operation that is implemented; a test proves it.
var scopes = map[string]scope{
	"CreateEnvironmentTemplate": templateOf(environmentFamily), "GetEnvironmentTemplate": templateOf(environmentFamily), "ListEnvironmentTemplates": everything,
	"UpdateEnvironmentTemplate": templateOf(environmentFamily), "DeleteEnvironmentTemplate": templateOf(environmentFamily),
	"CreateEnvironmentTemplateVersion": templateOf(environmentFamily), "GetEnvironmentTemplateVersion": templateOf(environmentFamily), "ListEnvironmentTemplateVersions": templateOf(environmentFamily),
	"UpdateEnvironmentTemplateVersion": templateOf(environmentFamily), "DeleteEnvironmentTemplateVersion": templateOf(environmentFamily),
	"CreateServiceTemplate": templateOf(serviceFamily), "GetServiceTemplate": templateOf(serviceFamily), "ListServiceTemplates": everything,
	"UpdateServiceTemplate": templateOf(serviceFamily), "DeleteServiceTemplate": templateOf(serviceFamily),
	"CreateServiceTemplateVersion": templateOf(serviceFamily), "GetServiceTemplateVersion": templateOf(serviceFamily), "ListServiceTemplateVersions": templateOf(serviceFamily),
	"UpdateServiceTemplateVersion": templateOf(serviceFamily), "DeleteServiceTemplateVersion": templateOf(serviceFamily),

	"CreateEnvironment": environmentNamed, "GetEnvironment": environmentNamed, "ListEnvironments": everything, "UpdateEnvironment": environmentNamed, "DeleteEnvironment": environmentNamed,
	"CancelEnvironmentDeployment": environmentNamed, "ListEnvironmentOutputs": environmentNamed, "ListEnvironmentProvisionedResources": environmentNamed,

	"CreateService": serviceNamed, "GetService": serviceNamed, "ListServices": everything, "UpdateService": serviceNamed, "DeleteService": serviceNamed,
	"UpdateServicePipeline": serviceNamed, "CancelServicePipelineDeployment": serviceNamed, "ListServicePipelineOutputs": serviceNamed, "ListServicePipelineProvisionedResources": serviceNamed,
	"CreateServiceInstance": instanceNamed, "GetServiceInstance": instanceNamed, "ListServiceInstances": everything, "UpdateServiceInstance": instanceNamed,
	"CancelServiceInstanceDeployment": instanceNamed, "ListServiceInstanceOutputs": instanceNamed, "ListServiceInstanceProvisionedResources": instanceNamed,

	"CreateComponent": componentNamed, "GetComponent": componentNamed, "ListComponents": everything, "UpdateComponent": componentNamed, "DeleteComponent": componentNamed,
	"CancelComponentDeployment": componentNamed, "ListComponentOutputs": componentNamed, "ListComponentProvisionedResources": componentNamed,

	"CreateEnvironmentAccountConnection": everything, "GetEnvironmentAccountConnection": connectionNamed, "ListEnvironmentAccountConnections": everything,
	"UpdateEnvironmentAccountConnection": connectionNamed, "DeleteEnvironmentAccountConnection": connectionNamed,
	"AcceptEnvironmentAccountConnection": connectionNamed, "RejectEnvironmentAccountConnection": connectionNamed,

	"CreateRepository": repositoryNamed, "GetRepository": repositoryNamed, "ListRepositories": everything, "DeleteRepository": repositoryNamed,
	"GetRepositorySyncStatus": everything, "ListRepositorySyncDefinitions": everything,
	"CreateTemplateSyncConfig": everything, "GetTemplateSyncConfig": everything, "UpdateTemplateSyncConfig": everything, "DeleteTemplateSyncConfig": everything, "GetTemplateSyncStatus": everything,
	"CreateServiceSyncConfig": everything, "GetServiceSyncConfig": everything, "UpdateServiceSyncConfig": everything, "DeleteServiceSyncConfig": everything,
	"GetServiceInstanceSyncStatus": everything, "GetServiceSyncBlockerSummary": everything, "UpdateServiceSyncBlocker": everything,

	"GetTemplateVersionBundle": versionNamed, "GetComponentTemplate": componentNamed,

	"AcquireRunnerJob": everything, "ReportRunnerJob": deploymentLogged, "GetDeploymentLog": deploymentLogged,
	"GetDeployment": deploymentNamed, "ListDeployments": everything, "DeleteDeployment": deploymentNamed,
	"NotifyResourceDeploymentStatusChange": resourceNamed,
	"TagResource":                          resourceNamed, "UntagResource": resourceNamed, "ListTagsForResource": resourceNamed,
	"GetAccountSettings": everything, "UpdateAccountSettings": everything, "GetResourcesSummary": everything,
}

// roleMembers are the members by which a caller hands a role over to the service.
var roleMembers = []string{
	"ProtonServiceRoleArn", "CodebuildRoleArn", "ComponentRoleArn", "RoleArn", "PipelineServiceRoleArn", "PipelineCodebuildRoleArn",
}

// target says what a call acts on: its resource, and every role that it hands over.
func (s *Service) target(ctx context.Context, c *call.Call) (call.Target, error) {
	at, ok := scopes[c.Op.Name]
	if !ok {
		return call.Target{}, api.API.Unknown(c.Op.Name)
	}
	p, in := place{c.Region, c.Principal.Account}, inputs{wire.MembersOf(c.In)}
	resource := at(p, in)
	cond, err := s.conditions(ctx, c, p, in, resource)
	if err != nil {
		return call.Target{}, err
	}
	check := call.Check{Action: "proton:" + c.Op.Name, Resource: resource, Conditions: cond}
	if resource != "*" {
		check.Type, check.Account = typeOf(resource), arn.AccountOf(resource)
	}
	checks := []call.Check{check}
	for _, m := range roleMembers {
		if role := in.Text(m); role != "" {
			checks = append(checks, call.Check{
				Action: "iam:PassRole", Resource: role, Type: "AWS::IAM::Role", Account: arn.AccountOf(role),
				Conditions: policy.Map{"iam:passedtoservice": policy.One(principal), "iam:associatedresourcearn": policy.One(resource)},
			})
		}
	}
	return call.Target{Checks: checks}, nil
}

// typeOf is the type of a resource, as audit records name it.
func typeOf(resource string) string {
	a, err := arn.Parse(resource)
	if err != nil {
		return ""
	}
	word, rest, _ := strings.Cut(a.Resource, "/")
	switch {
	case strings.Contains(rest, "/service-instance/"):
		word = "service-instance"
	case strings.Contains(rest, "/pipeline/"):
		word = "pipeline"
	}
	var b strings.Builder
	for _, part := range strings.Split(word, "-") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return "AWS::Proton::" + b.String()
}

// conditions are the condition keys of a call: the tags of the request and of the resource, and
// the template that the resource is made of.
func (s *Service) conditions(ctx context.Context, c *call.Call, p place, in inputs, resource string) (policy.Map, error) {
	m := policy.Map{}
	if tags, ok := in.Get("Tags").([]api.Tag); ok {
		var keys []string
		for _, t := range tags {
			m["aws:requesttag/"+strings.ToLower(wire.Val(t.Key))] = policy.One(wire.Val(t.Value))
			keys = append(keys, wire.Val(t.Key))
		}
		m["aws:tagkeys"] = policy.Many(keys)
	}
	if keys, ok := in.Get("TagKeys").([]string); ok {
		m["aws:tagkeys"] = policy.Many(keys)
	}
	switch c.Op.Name {
	case "CreateEnvironment":
		m["proton:environmenttemplate"] = policy.One(p.templateARN(environmentFamily, in.Text("TemplateName")))
	case "CreateService":
		m["proton:servicetemplate"] = policy.One(p.templateARN(serviceFamily, in.Text("TemplateName")))
	}
	if resource == "*" {
		return m, nil
	}
	return m, s.db.View(ctx, func(r store.Reader) error { return resourceConditions(r, m, resource) })
}

// resourceConditions adds what is known of the resource, where it is there.
func resourceConditions(r store.Reader, m policy.Map, resource string) error {
	tags, err := readTags(r, resource)
	if err != nil {
		return err
	}
	for k, v := range tags {
		m["aws:resourcetag/"+strings.ToLower(k)] = policy.One(v)
	}
	p, k, ok := keyOfARN(resource)
	if !ok {
		return nil
	}
	template := ""
	switch kind, _, _ := strings.Cut(string(k), sep); kind {
	case "en", "si", "pi":
		x, err := peek[subject](r, k)
		if err != nil {
			return known(err, serviceConditions(r, m, p, k))
		}
		template = x.Template
	case "se":
		return serviceConditions(r, m, p, k)
	case "et", "ev", "st", "sv":
		template, _, _ = strings.Cut(resource, ":"+lastPart(resource)) // without the version
	}
	setTemplate(m, template)
	return nil
}

// lastPart is what stands behind the last colon of a version's name.
func lastPart(resource string) string {
	name := resource[strings.LastIndexByte(resource, '/')+1:]
	_, version, _ := strings.Cut(name, ":")
	if version == "" {
		return "\x00"
	}
	return version
}

// serviceConditions adds the template of the service that a key belongs to.
func serviceConditions(r store.Reader, m policy.Map, p place, k []byte) error {
	parts := strings.Split(string(k), sep)
	if parts[0] != "se" && parts[0] != "si" {
		return nil
	}
	rec, err := peek[workload](r, key("se", p, parts[3]))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	setTemplate(m, rec.Template)
	return nil
}

func setTemplate(m policy.Map, template string) {
	switch {
	case strings.Contains(template, ":environment-template/"):
		m["proton:environmenttemplate"] = policy.One(template)
	case strings.Contains(template, ":service-template/"):
		m["proton:servicetemplate"] = policy.One(template)
	}
}
