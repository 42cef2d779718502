package proton

import (
	"context"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/document"
	"github.com/strongroom/strongroom/service/proton/git"
)

// Deliverer brings into being what a deployment has rendered. It is the seam between the record
// of a deployment and the ways to provision: a branch and a pull request, or a job for a runner.
type Deliverer interface {
	// Deliver carries a deployment one step on and says how far it is. It is called again and
	// again, by one goroutine at a time for a deployment, until the progress is an end: first when the
	// files are rendered, then after Progress.Again, after a restart, and when somebody cancels. It must
	// bear being called twice for the same step, since the house may stop before a progress is
	// written down. An error is no end: the step is tried again later.
	Deliver(ctx context.Context, d *Delivery) (Progress, error)
}

// Delivery is a deployment as those see it who deliver it. It is theirs until they return.
type Delivery struct {
	Region, Account string
	ID              string // of the deployment
	Kind            api.DeploymentTargetResourceType
	TargetARN       string
	Environment     string // names; "" where the kind has none
	Service         string
	Instance        string
	Component       string

	TemplateARN, TemplateMajor, TemplateMinor string // "" for a component
	EnvironmentARN                            string // of the environment it stands in; "" for a pipeline

	Delete bool // what is there is to be taken away
	Cancel bool // the deployment is to be given up
	Begun  time.Time

	Part  *bundle.Infrastructure // of the template: engine and settings
	Files []bundle.File          // rendered; their names are relative to the folder
	// Variables are those of the manifest's env.variables, rendered: name to text. Nil without any.
	Variables *document.Object
	// Folder is where the files stand in a provisioning repository; NestedFolder is the same in
	// a repository that has a folder environments.
	Folder, NestedFolder string

	// Repository is where self-managed provisioning delivers to; nil where none is set.
	Repository *api.RepositoryBranch
	// Role is the role that commands run under: the environment's, or the account's for pipelines; "" for none.
	Role string

	// State is what the last Progress kept. It is sealed with the deployment.
	State []byte
}

// Progress is how far a delivery is.
type Progress struct {
	// Status is IN_PROGRESS, or an end: SUCCEEDED, FAILED or CANCELLED. Of a deletion the same words count.
	Status    api.DeploymentStatus
	Message   string // why it failed, or what it waits for; sealed with the deployment
	Outputs   []api.Output
	Resources []api.ProvisionedResource
	State     []byte // given back with the next step
	// Again is after how long the next step is due; 0 to wait until somebody notifies, cancels or calls Service.wake.
	Again time.Duration
}

// newDeliverer returns what delivers for the house, with the operator's connections to Git repositories.
func (s *Service) newDeliverer(room *service.Room) (Deliverer, error) {
	r := &router{git: &byGit{s: s}, runner: byRunner{s}}
	s.git = r.git
	if room.GitConnections == "" {
		return r, nil
	}
	list, err := git.Load(room.GitConnections)
	r.git.connections = make(map[string]*git.Connection, len(list))
	for _, c := range list {
		r.git.connections[c.ARN] = c
	}
	return r, err
}

// router picks the way that the template and the environment ask for.
type router struct {
	git    *byGit
	runner byRunner
}

// Deliver lets a runner run what is for codebuild, and Git have what has a repository.
func (r *router) Deliver(ctx context.Context, d *Delivery) (Progress, error) {
	switch {
	case d.Part != nil && d.Part.Engine == bundle.CodeBuild:
		return r.runner.Deliver(ctx, d)
	case d.Repository != nil:
		return r.git.Deliver(ctx, d)
	}
	return byHand{}.Deliver(ctx, d)
}

// byHand delivers nothing by itself: the rendered files are there to be read, and whoever
// provisions them says what came of it with NotifyResourceDeploymentStatusChange.
type byHand struct{}

var _ Deliverer = byHand{}

// Deliver waits, or gives up when that is asked for.
func (byHand) Deliver(_ context.Context, d *Delivery) (Progress, error) {
	if d.Cancel {
		return Progress{Status: api.DeploymentStatusCancelled}, nil
	}
	return Progress{Status: api.DeploymentStatusInProgress, Message: "The rendered files wait for NotifyResourceDeploymentStatusChange."}, nil
}
