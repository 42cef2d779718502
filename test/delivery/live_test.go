package delivery

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strongroom/strongroom/test/gitremote"
	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// live is a house whose Proton delivers to somebody, with an environment "shop" and a service "mail".
type live struct {
	t      *testing.T
	h      *house.House
	p      *proton.Client
	remote *gitremote.Remote // nil where a runner has it
}

func (l *live) arn(resource string) string {
	return "arn:aws:proton:" + house.Region + ":" + l.h.Account + ":" + resource
}

const (
	shopARN     = "environment/shop"
	instanceARN = "service/mail/service-instance/dev"
	extraARN    = "component/extra"
)

// pipelineARN is the resource name of the service's pipeline.
func (l *live) pipelineARN() string {
	l.t.Helper()
	out, err := l.p.GetService(context.Background(), &proton.GetServiceInput{Name: aws.String("mail")})
	if err != nil {
		l.t.Fatal(err)
	}
	_, resource, _ := strings.Cut(*out.Service.Pipeline.Arn, l.h.Account+":")
	return resource
}

// await asks again and again until it is so.
func (l *live) await(what string, so func() bool) {
	l.t.Helper()
	for until := time.Now().Add(2 * time.Minute); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			l.t.Fatalf("%s does not come", what)
		}
	}
}

// newest is the newest deployment of a resource; nil for none.
func (l *live) newest(resource string) *types.DeploymentSummary {
	l.t.Helper()
	out, err := l.p.ListDeployments(context.Background(), &proton.ListDeploymentsInput{})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, d := range out.Deployments {
		if *d.TargetArn == l.arn(resource) {
			return &d
		}
	}
	return nil
}

// open waits for a deployment of a resource that goes on, and returns its id.
func (l *live) open(resource string) (id string) {
	l.t.Helper()
	l.await("a deployment of "+resource, func() bool {
		d := l.newest(resource)
		if d == nil || d.DeploymentStatus != types.DeploymentStatusInProgress && d.DeploymentStatus != types.DeploymentStatusDeleteInProgress {
			return false
		}
		id = *d.Id
		return true
	})
	return id
}

// merge waits for the branch of the resource's deployment, merges it and says that it was applied. It returns what read makes of the branch.
func (l *live) merge(resource string, read func(branch string) string, outputs ...types.Output) string {
	l.t.Helper()
	id := l.open(resource)
	branch, text := l.remote.Await(id), ""
	if read != nil {
		text = read(branch)
	}
	l.remote.Merge(branch)
	if _, err := l.p.NotifyResourceDeploymentStatusChange(context.Background(), &proton.NotifyResourceDeploymentStatusChangeInput{
		ResourceArn: aws.String(l.arn(resource)), DeploymentId: &id, Status: types.ResourceDeploymentStatusSucceeded, Outputs: outputs,
	}); err != nil {
		l.t.Fatalf("%s: %v", resource, err)
	}
	return text
}

func output(name, value string) types.Output {
	return types.Output{Key: &name, ValueString: &value}
}

// ended waits for the end of the resource's newest deployment and returns how it ended, and what was said.
func (l *live) ended(resource string) (status types.DeploymentStatus, message string) {
	l.t.Helper()
	l.await("the end of "+resource, func() bool {
		d := l.newest(resource)
		if d == nil || d.DeploymentStatus == types.DeploymentStatusInProgress || d.DeploymentStatus == types.DeploymentStatusDeleteInProgress || d.DeploymentStatus == types.DeploymentStatusCancelling {
			return false
		}
		out, err := l.p.GetDeployment(context.Background(), &proton.GetDeploymentInput{Id: d.Id})
		if house.ErrorCode(err) == "ResourceNotFoundException" {
			return false
		}
		if err != nil {
			l.t.Fatal(err)
		}
		status, message = out.Deployment.DeploymentStatus, aws.ToString(out.Deployment.DeploymentStatusMessage)
		return true
	})
	return status, message
}

// gone waits until get finds nothing.
func (l *live) gone(what string, get func() error) {
	l.t.Helper()
	l.await("the deletion of "+what, func() bool {
		err := get()
		if err != nil && house.ErrorCode(err) != "ResourceNotFoundException" {
			l.t.Fatalf("%s: %v", what, err)
		}
		return err != nil
	})
}

// serviceVersion registers and publishes a version of the service template "mail", for environments of "network". It is a minor version of
// the major version, or the first of a new one for "".
func (l *live) serviceVersion(major string, files map[string]string) {
	l.t.Helper()
	ctx, name, key := context.Background(), aws.String("mail"), aws.String("mail.tar.gz")
	if _, err := l.h.AsAdmin().S3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bundles"), Key: key, Body: bytes.NewReader(protonbundles.Pack(l.t, files))}); err != nil {
		l.t.Fatal(err)
	}
	in := &proton.CreateServiceTemplateVersionInput{
		TemplateName: name, Source: &types.TemplateVersionSourceInputMemberS3{Value: types.S3ObjectSource{Bucket: aws.String("bundles"), Key: key}},
		CompatibleEnvironmentTemplates: []types.CompatibleEnvironmentTemplateInput{{TemplateName: aws.String("network"), MajorVersion: aws.String("1")}},
		SupportedComponentSources:      []types.ServiceTemplateSupportedComponentSourceType{types.ServiceTemplateSupportedComponentSourceTypeDirectlyDefined},
	}
	if major != "" {
		in.MajorVersion = &major
	}
	v, err := l.p.CreateServiceTemplateVersion(ctx, in)
	if err != nil {
		l.t.Fatal(err)
	}
	at := v.ServiceTemplateVersion
	wait := proton.NewServiceTemplateVersionRegisteredWaiter(l.p, func(o *proton.ServiceTemplateVersionRegisteredWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	})
	if err := wait.Wait(ctx, &proton.GetServiceTemplateVersionInput{TemplateName: name, MajorVersion: at.MajorVersion, MinorVersion: at.MinorVersion}, time.Minute); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.p.UpdateServiceTemplateVersion(ctx, &proton.UpdateServiceTemplateVersionInput{TemplateName: name, MajorVersion: at.MajorVersion, MinorVersion: at.MinorVersion, Status: types.TemplateVersionStatusPublished}); err != nil {
		l.t.Fatal(err)
	}
}

// update deploys the instance with another version or spec.
func (l *live) update(how types.DeploymentUpdateType, change func(*proton.UpdateServiceInstanceInput)) {
	l.t.Helper()
	in := &proton.UpdateServiceInstanceInput{ServiceName: aws.String("mail"), Name: aws.String("dev"), DeploymentType: how}
	if change != nil {
		change(in)
	}
	if _, err := l.p.UpdateServiceInstance(context.Background(), in); err != nil {
		l.t.Fatal(err)
	}
}

// is fails the test unless the instance has the version.
func (l *live) is(version string) {
	l.t.Helper()
	out, err := l.p.GetServiceInstance(context.Background(), &proton.GetServiceInstanceInput{ServiceName: aws.String("mail"), Name: aws.String("dev")})
	if err != nil {
		l.t.Fatal(err)
	}
	if got := *out.ServiceInstance.TemplateMajorVersion + "." + *out.ServiceInstance.TemplateMinorVersion; got != version {
		l.t.Errorf("the instance has the version %s, want %s", got, version)
	}
}

// createService makes the service "mail" with one instance, and a pipeline.
func (l *live) createService(spec string) {
	l.t.Helper()
	if _, err := l.p.CreateService(context.Background(), &proton.CreateServiceInput{
		Name: aws.String("mail"), TemplateName: aws.String("mail"), TemplateMajorVersion: aws.String("1"), Spec: &spec, RepositoryId: aws.String("team/code"),
		RepositoryConnectionArn: aws.String("arn:aws:codestar-connections:" + house.Region + ":111122223333:connection/code"), BranchName: aws.String("main"),
	}); err != nil {
		l.t.Fatal(err)
	}
}

// deleteService takes the service away.
func (l *live) deleteService() {
	l.t.Helper()
	if _, err := l.p.DeleteService(context.Background(), &proton.DeleteServiceInput{Name: aws.String("mail")}); err != nil {
		l.t.Fatal(err)
	}
}

// status waits until the service has the status.
func (l *live) status(want types.ServiceStatus) {
	l.t.Helper()
	l.await("the service in the status "+string(want), func() bool {
		out, err := l.p.GetService(context.Background(), &proton.GetServiceInput{Name: aws.String("mail")})
		if err != nil {
			l.t.Fatal(err)
		}
		return out.Service.Status == want
	})
}
