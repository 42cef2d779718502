package proton

import (
	"context"
	"errors"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// A template sync configuration says from which branch and folder of a linked repository the
// versions of a template come; a service sync configuration says the same of a service's spec.

func linked(r store.Reader, p place, provider api.RepositoryProvider, name *string) error {
	return absentRecord(r, key("re", p, string(provider), wire.Val(name)), notFound("repository", wire.Val(name)))
}

// putSync writes a configuration: a new one, or in the place of the one that is there.
func putSync[T any](ctx context.Context, s *Service, k []byte, v T, fresh bool, what, name string, check func(r store.Reader) error) error {
	return s.update(ctx, func(tx store.Tx) error {
		there, err := exists(tx, k)
		switch {
		case err != nil:
			return err
		case there && fresh:
			return taken(what, name)
		case !there && !fresh:
			return notFound(what, name)
		}
		if err := check(tx); err != nil {
			return err
		}
		return (&record[T]{key: k, V: v}).putPlain(tx)
	})
}

// dropSync deletes a configuration and returns what it was.
func dropSync[T any](ctx context.Context, s *Service, k []byte, missing error) (v *T, err error) {
	err = s.update(ctx, func(tx store.Tx) error {
		rec, err := peek[T](tx, k)
		if err != nil {
			return known(err, missing)
		}
		v = &rec.V
		return tx.Delete(k)
	})
	return v, err
}

const (
	templateSync = "template sync config"
	serviceSync  = "service sync config"
)

func (s *Service) putTemplateSync(ctx context.Context, v api.TemplateSyncConfig, fresh bool) error {
	p := here(ctx)
	return putSync(ctx, s, key("ty", p, string(v.TemplateType), wire.Val(v.TemplateName)), v, fresh, templateSync, wire.Val(v.TemplateName), func(r store.Reader) error {
		f := familyOf(v.TemplateType)
		if err := absentRecord(r, key(f.template, p, wire.Val(v.TemplateName)), notFound(f.word, wire.Val(v.TemplateName))); err != nil {
			return err
		}
		return linked(r, p, v.RepositoryProvider, v.RepositoryName)
	})
}

// CreateTemplateSyncConfig says where the versions of a template come from.
func (s *Service) CreateTemplateSyncConfig(ctx context.Context, in *api.CreateTemplateSyncConfigInput) (*api.CreateTemplateSyncConfigOutput, error) {
	v := as[api.TemplateSyncConfig](in)
	if err := s.putTemplateSync(ctx, v, true); err != nil {
		return nil, err
	}
	return &api.CreateTemplateSyncConfigOutput{TemplateSyncConfig: &v}, nil
}

// UpdateTemplateSyncConfig says anew where the versions of a template come from.
func (s *Service) UpdateTemplateSyncConfig(ctx context.Context, in *api.UpdateTemplateSyncConfigInput) (*api.UpdateTemplateSyncConfigOutput, error) {
	v := as[api.TemplateSyncConfig](in)
	if err := s.putTemplateSync(ctx, v, false); err != nil {
		return nil, err
	}
	return &api.UpdateTemplateSyncConfigOutput{TemplateSyncConfig: &v}, nil
}

// GetTemplateSyncConfig tells where the versions of a template come from.
func (s *Service) GetTemplateSyncConfig(ctx context.Context, in *api.GetTemplateSyncConfigInput) (*api.GetTemplateSyncConfigOutput, error) {
	rec, err := plain[api.TemplateSyncConfig](ctx, s, key("ty", here(ctx), string(in.TemplateType), wire.Val(in.TemplateName)))
	if err != nil {
		return nil, known(err, notFound(templateSync, wire.Val(in.TemplateName)))
	}
	return &api.GetTemplateSyncConfigOutput{TemplateSyncConfig: &rec.V}, nil
}

// DeleteTemplateSyncConfig forgets where the versions of a template come from.
func (s *Service) DeleteTemplateSyncConfig(ctx context.Context, in *api.DeleteTemplateSyncConfigInput) (*api.DeleteTemplateSyncConfigOutput, error) {
	v, err := dropSync[api.TemplateSyncConfig](ctx, s, key("ty", here(ctx), string(in.TemplateType), wire.Val(in.TemplateName)), notFound(templateSync, wire.Val(in.TemplateName)))
	return &api.DeleteTemplateSyncConfigOutput{TemplateSyncConfig: v}, err
}

func (s *Service) putServiceSync(ctx context.Context, v api.ServiceSyncConfig, fresh bool) error {
	p := here(ctx)
	return putSync(ctx, s, key("sy", p, wire.Val(v.ServiceName)), v, fresh, serviceSync, wire.Val(v.ServiceName), func(r store.Reader) error {
		if err := absentRecord(r, key("se", p, wire.Val(v.ServiceName)), notFound("service", wire.Val(v.ServiceName))); err != nil {
			return err
		}
		return linked(r, p, v.RepositoryProvider, v.RepositoryName)
	})
}

// CreateServiceSyncConfig says where the spec of a service comes from.
func (s *Service) CreateServiceSyncConfig(ctx context.Context, in *api.CreateServiceSyncConfigInput) (*api.CreateServiceSyncConfigOutput, error) {
	v := as[api.ServiceSyncConfig](in)
	if err := s.putServiceSync(ctx, v, true); err != nil {
		return nil, err
	}
	return &api.CreateServiceSyncConfigOutput{ServiceSyncConfig: &v}, nil
}

// UpdateServiceSyncConfig says anew where the spec of a service comes from.
func (s *Service) UpdateServiceSyncConfig(ctx context.Context, in *api.UpdateServiceSyncConfigInput) (*api.UpdateServiceSyncConfigOutput, error) {
	v := as[api.ServiceSyncConfig](in)
	if err := s.putServiceSync(ctx, v, false); err != nil {
		return nil, err
	}
	return &api.UpdateServiceSyncConfigOutput{ServiceSyncConfig: &v}, nil
}

// GetServiceSyncConfig tells where the spec of a service comes from.
func (s *Service) GetServiceSyncConfig(ctx context.Context, in *api.GetServiceSyncConfigInput) (*api.GetServiceSyncConfigOutput, error) {
	rec, err := plain[api.ServiceSyncConfig](ctx, s, key("sy", here(ctx), wire.Val(in.ServiceName)))
	if err != nil {
		return nil, known(err, notFound(serviceSync, wire.Val(in.ServiceName)))
	}
	return &api.GetServiceSyncConfigOutput{ServiceSyncConfig: &rec.V}, nil
}

// DeleteServiceSyncConfig forgets where the spec of a service comes from.
func (s *Service) DeleteServiceSyncConfig(ctx context.Context, in *api.DeleteServiceSyncConfigInput) (*api.DeleteServiceSyncConfigOutput, error) {
	v, err := dropSync[api.ServiceSyncConfig](ctx, s, key("sy", here(ctx), wire.Val(in.ServiceName)), notFound(serviceSync, wire.Val(in.ServiceName)))
	return &api.DeleteServiceSyncConfigOutput{ServiceSyncConfig: v}, err
}

// ListRepositorySyncDefinitions lists what is kept in step with a repository.
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
		kind := kind("ty")
		if in.SyncType == api.SyncTypeServiceSync {
			kind = "sy"
		}
		for rec, err := range r.Scan(store.Prefix(within(kind, p))) {
			if err != nil {
				return err
			}
			if kind == "sy" {
				c, err := decode[api.ServiceSyncConfig](rec.Key, rec.Value)
				if err != nil {
					return err
				}
				if mine(c.V.RepositoryProvider, c.V.RepositoryName) {
					out.SyncDefinitions = append(out.SyncDefinitions, api.RepositorySyncDefinition{Branch: c.V.Branch, Directory: c.V.FilePath, Parent: c.V.ServiceName, Target: c.V.ServiceName})
				}
				continue
			}
			c, err := decode[api.TemplateSyncConfig](rec.Key, rec.Value)
			if err != nil {
				return err
			}
			if mine(c.V.RepositoryProvider, c.V.RepositoryName) {
				directory := wire.Val(c.V.Subdirectory)
				out.SyncDefinitions = append(out.SyncDefinitions, api.RepositorySyncDefinition{Branch: c.V.Branch, Directory: &directory, Parent: c.V.TemplateName, Target: c.V.TemplateName})
			}
		}
		return nil
	})
	return out, err
}

// Nothing has been synchronized yet: these say so, for what is set up, and ResourceNotFoundException for
// what is not.

// GetRepositorySyncStatus tells of the last synchronization of a branch.
func (s *Service) GetRepositorySyncStatus(ctx context.Context, in *api.GetRepositorySyncStatusInput) (*api.GetRepositorySyncStatusOutput, error) {
	return &api.GetRepositorySyncStatusOutput{}, s.db.View(ctx, func(r store.Reader) error {
		return linked(r, here(ctx), in.RepositoryProvider, in.RepositoryName)
	})
}

// GetTemplateSyncStatus tells of the last synchronization of a template.
func (s *Service) GetTemplateSyncStatus(ctx context.Context, in *api.GetTemplateSyncStatusInput) (*api.GetTemplateSyncStatusOutput, error) {
	k := key("ty", here(ctx), string(in.TemplateType), wire.Val(in.TemplateName))
	return &api.GetTemplateSyncStatusOutput{}, s.db.View(ctx, func(r store.Reader) error {
		return absentRecord(r, k, notFound(templateSync, wire.Val(in.TemplateName)))
	})
}

// GetServiceInstanceSyncStatus tells of the last synchronization of a service instance.
func (s *Service) GetServiceInstanceSyncStatus(ctx context.Context, in *api.GetServiceInstanceSyncStatusInput) (*api.GetServiceInstanceSyncStatusOutput, error) {
	return &api.GetServiceInstanceSyncStatusOutput{}, s.db.View(ctx, func(r store.Reader) error {
		if err := absentRecord(r, key("si", here(ctx), wire.Val(in.ServiceName), wire.Val(in.ServiceInstanceName)), notFound("service instance", wire.Val(in.ServiceInstanceName))); err != nil {
			return err
		}
		return absentRecord(r, key("sy", here(ctx), wire.Val(in.ServiceName)), notFound(serviceSync, wire.Val(in.ServiceName)))
	})
}

// GetServiceSyncBlockerSummary lists what keeps a service from being synchronized.
func (s *Service) GetServiceSyncBlockerSummary(ctx context.Context, in *api.GetServiceSyncBlockerSummaryInput) (*api.GetServiceSyncBlockerSummaryOutput, error) {
	p, v := here(ctx), &api.ServiceSyncBlockerSummary{ServiceName: in.ServiceName, ServiceInstanceName: in.ServiceInstanceName, LatestBlockers: []api.SyncBlocker{}}
	err := s.db.View(ctx, func(r store.Reader) error {
		if err := absentRecord(r, key("se", p, wire.Val(in.ServiceName)), notFound("service", wire.Val(in.ServiceName))); err != nil {
			return err
		}
		for rec, err := range r.Scan(store.Prefix(within("bl", p, wire.Val(in.ServiceName)))) {
			if err != nil {
				return err
			}
			b, err := decode[blocker](rec.Key, rec.Value)
			if err != nil {
				return err
			}
			if in.ServiceInstanceName == nil || *in.ServiceInstanceName == b.V.Instance {
				v.LatestBlockers = append(v.LatestBlockers, b.V.SyncBlocker)
			}
		}
		return nil
	})
	return &api.GetServiceSyncBlockerSummaryOutput{ServiceSyncBlockerSummary: v}, err
}

// blocker is what keeps an instance from being synchronized, until somebody says that it is resolved.
type blocker struct {
	api.SyncBlocker
	Service, Instance string
}

// UpdateServiceSyncBlocker says that a blocker is resolved.
func (s *Service) UpdateServiceSyncBlocker(ctx context.Context, in *api.UpdateServiceSyncBlockerInput) (*api.UpdateServiceSyncBlockerOutput, error) {
	p, out := here(ctx), &api.UpdateServiceSyncBlockerOutput{}
	missing := notFound("service sync blocker", wire.Val(in.Id))
	err := s.update(ctx, func(tx store.Tx) error {
		rest, err := keysBelow(tx, within("bl", p))
		if err != nil {
			return err
		}
		for _, name := range rest {
			if !strings.HasSuffix(name, sep+wire.Val(in.Id)) {
				continue
			}
			rec, err := peek[blocker](tx, append(within("bl", p), name...))
			if err != nil {
				return err
			}
			rec.V.Status, rec.V.ResolvedReason, rec.V.ResolvedAt = api.BlockerStatusResolved, in.ResolvedReason, s.at()
			v := rec.V.SyncBlocker
			out.ServiceSyncBlocker, out.ServiceName = &v, &rec.V.Service
			if rec.V.Instance != "" {
				out.ServiceInstanceName = &rec.V.Instance
			}
			return rec.putPlain(tx)
		}
		return missing
	})
	if errors.Is(err, store.ErrNotFound) {
		err = missing
	}
	return out, err
}
