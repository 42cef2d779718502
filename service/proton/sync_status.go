package proton

import (
	"context"
	"errors"
	"path"
	"strconv"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// ListRepositorySyncDefinitions lists what is kept in step with a repository: the folder of every major
// version, the spec of every service instance. Of what has not been read yet it lists the configuration.
func (s *Service) ListRepositorySyncDefinitions(ctx context.Context, in *api.ListRepositorySyncDefinitionsInput) (*api.ListRepositorySyncDefinitionsOutput, error) {
	p, out := here(ctx), &api.ListRepositorySyncDefinitionsOutput{}
	mine := func(provider api.RepositoryProvider, name *string) bool {
		return provider == in.RepositoryProvider && wire.Val(name) == wire.Val(in.RepositoryName)
	}
	err := s.db.View(ctx, func(r store.Reader) error {
		out.SyncDefinitions = []api.RepositorySyncDefinition{}
		if err := linked(r, p, in.RepositoryProvider, in.RepositoryName); err != nil {
			return invalid("The repository %s isn't linked.", wire.Val(in.RepositoryName))
		}
		if in.SyncType == api.SyncTypeServiceSync {
			for c, err := range each[api.ServiceSyncConfig](r, within("sy", p)) {
				if err == nil && mine(c.V.RepositoryProvider, c.V.RepositoryName) {
					err = define(r, out, within("is", p, wire.Val(c.V.ServiceName)), c.V.ServiceName, c.V.Branch, path.Dir(wire.Val(c.V.FilePath)))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
		for c, err := range each[api.TemplateSyncConfig](r, within("ty", p)) {
			if err == nil && mine(c.V.RepositoryProvider, c.V.RepositoryName) {
				err = define(r, out, within("ts", p, string(c.V.TemplateType), wire.Val(c.V.TemplateName)), c.V.TemplateName, c.V.Branch, wire.Val(c.V.Subdirectory))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// define adds what is synchronized of a configuration, as far as that is known.
func define(r store.Reader, out *api.ListRepositorySyncDefinitionsOutput, prefix []byte, parent, branch *string, directory string) error {
	found := false
	for rec, err := range each[followed](r, prefix) {
		if err != nil {
			return err
		}
		v := rec.V.Desired
		if v == nil {
			continue
		}
		found = true
		target := string(rec.key[len(prefix):])
		if n, err := strconv.Atoi(target); err == nil && len(target) == 20 {
			target = wire.Val(parent) + ":" + strconv.Itoa(n)
		}
		out.SyncDefinitions = append(out.SyncDefinitions, api.RepositorySyncDefinition{Branch: v.Branch, Directory: v.Directory, Parent: parent, Target: &target})
	}
	if !found {
		out.SyncDefinitions = append(out.SyncDefinitions, api.RepositorySyncDefinition{Branch: branch, Directory: &directory, Parent: parent, Target: parent})
	}
	return nil
}

// GetRepositorySyncStatus tells of the last synchronization of a branch; of one that was never read there
// is nothing to tell.
func (s *Service) GetRepositorySyncStatus(ctx context.Context, in *api.GetRepositorySyncStatusInput) (*api.GetRepositorySyncStatusOutput, error) {
	p, out := here(ctx), &api.GetRepositorySyncStatusOutput{}
	if err := s.db.View(ctx, func(r store.Reader) error { return linked(r, p, in.RepositoryProvider, in.RepositoryName) }); err != nil {
		return nil, err
	}
	w := watch{in.SyncType, in.RepositoryProvider, wire.Val(in.RepositoryName), wire.Val(in.Branch)}
	rec, err := get[watched](ctx, s, w.key(p))
	if errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out.LatestSync = &api.RepositorySyncAttempt{Status: rec.V.Status, StartedAt: rec.V.StartedAt, Events: rec.V.Events}
	return out, nil
}

// GetTemplateSyncStatus tells of the last synchronization of a major version of a template.
func (s *Service) GetTemplateSyncStatus(ctx context.Context, in *api.GetTemplateSyncStatusInput) (*api.GetTemplateSyncStatusOutput, error) {
	p, name := here(ctx), wire.Val(in.TemplateName)
	err := s.db.View(ctx, func(r store.Reader) error {
		return absentRecord(r, key("ty", p, string(in.TemplateType), name), notFound(templateSync, name))
	})
	if err != nil {
		return nil, err
	}
	st, err := followedAt(ctx, s, key("ts", p, string(in.TemplateType), name, padded(wire.Val(in.TemplateVersion))))
	if err != nil {
		return nil, err
	}
	out := &api.GetTemplateSyncStatusOutput{}
	out.DesiredState, out.LatestSuccessfulSync, out.LatestSync = st.shown()
	return out, nil
}

// GetServiceInstanceSyncStatus tells of the last synchronization of a service instance.
func (s *Service) GetServiceInstanceSyncStatus(ctx context.Context, in *api.GetServiceInstanceSyncStatusInput) (*api.GetServiceInstanceSyncStatusOutput, error) {
	p, service, instance := here(ctx), wire.Val(in.ServiceName), wire.Val(in.ServiceInstanceName)
	k := instanceSyncKey(p, service, instance)
	err := s.db.View(ctx, func(r store.Reader) error {
		if err := absentRecord(r, key("sy", p, service), notFound(serviceSync, service)); err != nil {
			return err
		}
		tried, err := store.Exists(r, k) // an instance that could not be made has a status too
		if err != nil || tried {
			return err
		}
		return absentRecord(r, key("si", p, service, instance), notFound("service instance", instance))
	})
	if err != nil {
		return nil, err
	}
	st, err := followedAt(ctx, s, k)
	if err != nil {
		return nil, err
	}
	out := &api.GetServiceInstanceSyncStatusOutput{}
	out.DesiredState, out.LatestSuccessfulSync, out.LatestSync = st.shown()
	return out, nil
}
