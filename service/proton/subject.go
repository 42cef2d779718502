package proton

import (
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/wire"
)

// subject is the record of what is deployed: an environment, a service instance, a service's
// pipeline or a component. The four have most of their members in common, and all of how they
// are deployed, so they are one type; a member that a kind does not have is empty. The API's
// types are made of it by the names of the members.
type subject struct {
	Kind api.DeploymentTargetResourceType

	Arn, Name                                         *string
	EnvironmentName, ServiceName, ServiceInstanceName *string
	TemplateName                                      *string
	TemplateMajorVersion, TemplateMinorVersion        *string
	CreatedAt, LastModifiedAt                         *time.Time
	LastClientRequestToken                            *string
	Description                                       *string `sealed:"yes"`
	Spec                                              *string `sealed:"yes"` // of a pipeline or instance: the service's, as it was deployed
	ServiceSpec                                       *string `sealed:"yes"` // of a component
	TemplateFile                                      *string `sealed:"yes"` // of a component
	Manifest                                          *string `sealed:"yes"` // of a component

	// Of an environment.
	Provisioning                                             api.Provisioning
	ProvisioningRepository                                   *api.RepositoryBranch
	ProtonServiceRoleArn, CodebuildRoleArn, ComponentRoleArn *string
	EnvironmentAccountConnectionId, EnvironmentAccountId     *string

	// How it stands with its deployments.
	DeploymentStatus                                     api.DeploymentStatus
	DeploymentStatusMessage                              *string `sealed:"yes"`
	LastAttemptedDeploymentId, LastSucceededDeploymentId *string
	LastDeploymentAttemptedAt, LastDeploymentSucceededAt *time.Time
	Note                                                 *string // why the last one failed, where that could not be sealed
	Open                                                 string  // id of the deployment that goes on; "" for none
	Succeeded                                            bool    // a deployment has succeeded, so there is something that must be deleted
	Stale                                                bool    // of an instance: it is to be deployed again when its deployment has ended
	Outputs                                              []api.Output
	ProvisionedResources                                 []api.ProvisionedResource
}

func environmentOf(x *subject) *api.Environment {
	v := as[api.Environment](x)
	if x.Note != nil {
		v.DeploymentStatusMessage = x.Note
	}
	return &v
}

func instanceOf(x *subject) *api.ServiceInstance {
	v := as[api.ServiceInstance](x)
	if x.Note != nil {
		v.DeploymentStatusMessage = x.Note
	}
	return &v
}

func pipelineOf(x *subject) *api.ServicePipeline {
	v := as[api.ServicePipeline](x)
	if x.Note != nil {
		v.DeploymentStatusMessage = x.Note
	}
	return &v
}

func componentOf(x *subject) *api.Component {
	v := as[api.Component](x)
	if x.Note != nil {
		v.DeploymentStatusMessage = x.Note
	}
	return &v
}

// called is how messages name the subject.
func (x *subject) called() string {
	switch x.Kind {
	case api.DeploymentTargetResourceTypeEnvironment:
		return "environment " + wire.Val(x.Name)
	case api.DeploymentTargetResourceTypeServiceInstance:
		return "service instance " + wire.Val(x.ServiceName) + "/" + wire.Val(x.Name)
	case api.DeploymentTargetResourceTypeServicePipeline:
		return "pipeline of the service " + wire.Val(x.ServiceName)
	}
	return "component " + wire.Val(x.Name)
}

// family is the family of the template that the subject is made of; nil for a component.
func (x *subject) family() *family {
	switch x.Kind {
	case api.DeploymentTargetResourceTypeEnvironment:
		return environmentFamily
	case api.DeploymentTargetResourceTypeComponent:
		return nil
	}
	return serviceFamily
}

// versionKey is the key of the template's version that the subject is made of; nil for a component.
func (x *subject) versionKey(p place) []byte {
	f := x.family()
	if f == nil {
		return nil
	}
	return key(f.version, p, wire.Val(x.TemplateName), padded(wire.Val(x.TemplateMajorVersion)), padded(wire.Val(x.TemplateMinorVersion)))
}

// state is what the subject is, or is to be, as deployments tell of it.
func (x *subject) state() *api.DeploymentState {
	switch x.Kind {
	case api.DeploymentTargetResourceTypeEnvironment:
		v := as[api.EnvironmentState](x)
		return &api.DeploymentState{Environment: &v}
	case api.DeploymentTargetResourceTypeServiceInstance:
		v := as[api.ServiceInstanceState](x)
		return &api.DeploymentState{ServiceInstance: &v}
	case api.DeploymentTargetResourceTypeServicePipeline:
		v := as[api.ServicePipelineState](x)
		return &api.DeploymentState{ServicePipeline: &v}
	}
	v := as[api.ComponentState](x)
	return &api.DeploymentState{Component: &v}
}

// become gives the subject what a deployment was to make of it.
func (x *subject) become(t *api.DeploymentState) {
	switch {
	case t == nil:
	case t.Environment != nil:
		x.Spec, x.TemplateMajorVersion, x.TemplateMinorVersion = t.Environment.Spec, t.Environment.TemplateMajorVersion, t.Environment.TemplateMinorVersion
	case t.ServiceInstance != nil:
		x.Spec, x.TemplateMajorVersion, x.TemplateMinorVersion = t.ServiceInstance.Spec, t.ServiceInstance.TemplateMajorVersion, t.ServiceInstance.TemplateMinorVersion
	case t.ServicePipeline != nil:
		x.Spec, x.TemplateMajorVersion, x.TemplateMinorVersion = t.ServicePipeline.Spec, t.ServicePipeline.TemplateMajorVersion, t.ServicePipeline.TemplateMinorVersion
	case t.Component != nil:
		x.ServiceSpec, x.TemplateFile = t.Component.ServiceSpec, t.Component.TemplateFile
	}
}
