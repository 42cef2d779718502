package proton

import (
	"context"
	"errors"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// shownDeployment is a deployment as the API shows it.
func shownDeployment(d *deployment) *api.Deployment {
	v := d.Deployment
	if d.Note != nil { // said last
		v.DeploymentStatusMessage = d.Note
	}
	return &v
}

// GetDeployment describes a deployment with the states before and after it.
func (s *Service) GetDeployment(ctx context.Context, in *api.GetDeploymentInput) (*api.GetDeploymentOutput, error) {
	missing := notFound("deployment", wire.Val(in.Id))
	rec, err := get[deployment](ctx, s, key("de", here(ctx), wire.Val(in.Id)))
	if err != nil {
		return nil, known(err, missing)
	}
	for _, f := range []struct{ asked, is *string }{
		{in.EnvironmentName, rec.V.EnvironmentName}, {in.ServiceName, rec.V.ServiceName},
		{in.ServiceInstanceName, rec.V.ServiceInstanceName}, {in.ComponentName, rec.V.ComponentName},
	} {
		if f.asked != nil && *f.asked != wire.Val(f.is) {
			return nil, missing
		}
	}
	return &api.GetDeploymentOutput{Deployment: shownDeployment(&rec.V)}, nil
}

// ListDeployments lists deployments, the newest first.
func (s *Service) ListDeployments(ctx context.Context, in *api.ListDeploymentsInput) (*api.ListDeploymentsOutput, error) {
	p, scope := here(ctx), ""
	switch {
	case in.ComponentName != nil:
		scope = "c/" + *in.ComponentName
	case in.ServiceInstanceName != nil && in.ServiceName == nil:
		return nil, invalid("A serviceInstanceName needs the serviceName beside it.")
	case in.ServiceInstanceName != nil:
		scope = "s/" + *in.ServiceName + "/" + *in.ServiceInstanceName
	case in.ServiceName != nil:
		scope = "s/" + *in.ServiceName
	case in.EnvironmentName != nil:
		scope = "e/" + *in.EnvironmentName
	}
	prefix := within("dx", p, scope)
	pg := page{p.scope("deployments", scope), in.NextToken, in.MaxResults}
	from, err := s.position(pg)
	if err != nil {
		return nil, err
	}
	most := defaultPage
	if in.MaxResults != nil {
		most = int(*in.MaxResults)
	}
	out := &api.ListDeploymentsOutput{}
	err = s.db.View(ctx, func(r store.Reader) error {
		out.Deployments, out.NextToken = []api.DeploymentSummary{}, nil
		scan := store.Prefix(prefix)
		scan.From, scan.KeysOnly = append(append([]byte(nil), prefix...), from...), true
		for rec, err := range r.Scan(scan) {
			if err != nil {
				return err
			}
			rest := string(rec.Key[len(prefix):])
			if len(out.Deployments) == most {
				out.NextToken = s.token(pg, rest)
				return nil
			}
			d, err := peek[deployment](r, key("de", p, rest[strings.IndexByte(rest, 0)+1:]))
			if err != nil {
				return err
			}
			out.Deployments = append(out.Deployments, as[api.DeploymentSummary](d.V.Deployment))
		}
		return nil
	})
	return out, err
}

// DeleteDeployment takes a deployment that has ended out of the history.
func (s *Service) DeleteDeployment(ctx context.Context, in *api.DeleteDeploymentInput) (*api.DeleteDeploymentOutput, error) {
	p, missing := here(ctx), notFound("deployment", wire.Val(in.Id))
	k := key("de", p, wire.Val(in.Id))
	rec, err := get[deployment](ctx, s, k)
	if unusable(err) {
		rec, err = plain[deployment](ctx, s, k)
	}
	if err != nil {
		return nil, known(err, missing)
	}
	if rec.V.Phase != done {
		return nil, invalid("The deployment %s is in progress.", wire.Val(in.Id))
	}
	err = s.update(ctx, func(tx store.Tx) error {
		if err := absentRecord(tx, k, missing); err != nil {
			return err
		}
		return s.removeDeployment(tx, p, rec)
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteDeploymentOutput{Deployment: shownDeployment(&rec.V)}, nil
}

// NotifyResourceDeploymentStatusChange takes in from outside how a deployment goes: whoever
// provisions what was delivered to him says so.
func (s *Service) NotifyResourceDeploymentStatusChange(ctx context.Context, in *api.NotifyResourceDeploymentStatusChangeInput) (*api.NotifyResourceDeploymentStatusChangeOutput, error) {
	p, k, ok := keyOfARN(wire.Val(in.ResourceArn))
	missing := notFound("resource", wire.Val(in.ResourceArn))
	if !ok || p != here(ctx) {
		return nil, missing
	}
	switch kind, _, _ := strings.Cut(string(k), sep); kind {
	case "en", "si", "pi", "co":
	default:
		return nil, invalid("The resource %s isn't deployed.", *in.ResourceArn)
	}
	x, err := plain[subject](ctx, s, k)
	if err != nil {
		return nil, known(err, missing)
	}
	id := x.V.Open
	if in.DeploymentId != nil {
		if id != *in.DeploymentId {
			return nil, conflict("The deployment %s of the %s isn't in progress.", *in.DeploymentId, x.V.called())
		}
	}
	if id == "" {
		return nil, conflict("The %s has no deployment in progress.", x.V.called())
	}
	outputs, err := checkedOutputs(in.Outputs)
	if err != nil {
		return nil, err
	}
	pr := Progress{Status: api.DeploymentStatusInProgress, Message: wire.Val(in.StatusMessage), Outputs: outputs}
	switch in.Status {
	case api.ResourceDeploymentStatusFailed:
		pr.Status = api.DeploymentStatusFailed
	case api.ResourceDeploymentStatusSucceeded:
		pr.Status = api.DeploymentStatusSucceeded
		if err := s.renderFirst(ctx, p, id); err != nil {
			return nil, ended(err, id, &x.V)
		}
	}
	if err := s.advance(ctx, p, key("de", p, id), pr, true); err != nil {
		return nil, ended(err, id, &x.V)
	}
	return &api.NotifyResourceDeploymentStatusChangeOutput{}, nil
}

// ended is what is said to somebody who tells of a deployment that has ended, maybe otherwise than he says.
func ended(err error, id string, x *subject) error {
	if errors.Is(err, errEnded) {
		return conflict("The deployment %s of the %s isn't in progress any more.", id, x.called())
	}
	return err
}

// renderFirst renders the files of a deployment whose turn has not come: one that succeeds has files, which the next
// deployment and a deletion go by. One that cannot be rendered ends here, and errEnded says so.
func (s *Service) renderFirst(ctx context.Context, p place, id string) error {
	for range tries {
		rec, err := get[deployment](ctx, s, key("de", p, id))
		if err != nil {
			return known(err, errEnded)
		}
		if rec.V.Phase != queued {
			return nil
		}
		d, pr, err := s.rendered(ctx, p, rec)
		switch {
		case errors.Is(err, errChanged): // the job was faster
			continue
		case err != nil || d != nil:
			return err
		case pr.Status == api.DeploymentStatusInProgress:
			return conflict("The deployment %s waits for the instances of its service.", id)
		}
		if err := s.finish(ctx, p, rec.key, pr); err != nil {
			return err
		}
		return errEnded
	}
	return storeError(errChanged)
}

// checkedOutputs refuses outputs without a name, and names that are there twice.
func checkedOutputs(list []api.Output) ([]api.Output, error) {
	seen := make(map[string]bool, len(list))
	for _, o := range list {
		if o.Key == nil || o.ValueString == nil {
			return nil, invalid("An output has a key and a value.")
		}
		if seen[*o.Key] {
			return nil, invalid("An output key is there twice.")
		}
		seen[*o.Key] = true
	}
	return list, nil
}

// cancel asks for the open deployment of a subject to be given up.
func (s *Service) cancel(ctx context.Context, k []byte, missing error) (*subject, error) {
	p := here(ctx)
	rec, err := get[subject](ctx, s, k)
	if err != nil {
		return nil, known(err, missing)
	}
	err = s.update(ctx, func(tx store.Tx) error {
		x, err := peek[subject](tx, k)
		if err != nil {
			return known(err, missing)
		}
		if x.V.Open == "" || x.V.DeploymentStatus != api.DeploymentStatusInProgress {
			return conflict("The %s has no deployment that can be cancelled.", x.V.called())
		}
		d, err := peek[deployment](tx, key("de", p, x.V.Open))
		if err != nil {
			return err
		}
		x.V.DeploymentStatus, d.V.DeploymentStatus, d.V.LastModifiedAt = api.DeploymentStatusCancelling, api.DeploymentStatusCancelling, s.at()
		if err := d.putPlain(tx); err != nil {
			return err
		}
		if err := x.putPlain(tx); err != nil {
			return err
		}
		return s.wake(tx, p, x.V.Open)
	})
	if err != nil {
		return nil, err
	}
	rec.V.DeploymentStatus = api.DeploymentStatusCancelling
	return &rec.V, nil
}

// CancelEnvironmentDeployment gives up the deployment of an environment.
func (s *Service) CancelEnvironmentDeployment(ctx context.Context, in *api.CancelEnvironmentDeploymentInput) (*api.CancelEnvironmentDeploymentOutput, error) {
	x, err := s.cancel(ctx, key("en", here(ctx), wire.Val(in.EnvironmentName)), notFound("environment", wire.Val(in.EnvironmentName)))
	if err != nil {
		return nil, err
	}
	return &api.CancelEnvironmentDeploymentOutput{Environment: environmentOf(x)}, nil
}

// CancelServiceInstanceDeployment gives up the deployment of a service instance.
func (s *Service) CancelServiceInstanceDeployment(ctx context.Context, in *api.CancelServiceInstanceDeploymentInput) (*api.CancelServiceInstanceDeploymentOutput, error) {
	x, err := s.cancel(ctx, key("si", here(ctx), wire.Val(in.ServiceName), wire.Val(in.ServiceInstanceName)), notFound("service instance", wire.Val(in.ServiceInstanceName)))
	if err != nil {
		return nil, err
	}
	return &api.CancelServiceInstanceDeploymentOutput{ServiceInstance: instanceOf(x)}, nil
}

// CancelServicePipelineDeployment gives up the deployment of a pipeline.
func (s *Service) CancelServicePipelineDeployment(ctx context.Context, in *api.CancelServicePipelineDeploymentInput) (*api.CancelServicePipelineDeploymentOutput, error) {
	x, err := s.cancel(ctx, key("pi", here(ctx), wire.Val(in.ServiceName)), notFound("pipeline of the service", wire.Val(in.ServiceName)))
	if err != nil {
		return nil, err
	}
	return &api.CancelServicePipelineDeploymentOutput{Pipeline: pipelineOf(x)}, nil
}

// CancelComponentDeployment gives up the deployment of a component.
func (s *Service) CancelComponentDeployment(ctx context.Context, in *api.CancelComponentDeploymentInput) (*api.CancelComponentDeploymentOutput, error) {
	x, err := s.cancel(ctx, key("co", here(ctx), wire.Val(in.ComponentName)), notFound("component", wire.Val(in.ComponentName)))
	if err != nil {
		return nil, err
	}
	return &api.CancelComponentDeploymentOutput{Component: componentOf(x)}, nil
}
