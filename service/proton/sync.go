package proton

import (
	"context"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// A template sync configuration says from which branch and folder of a linked repository the
// versions of a template come; a service sync configuration says the same of a service's spec.

func linked(r store.Reader, p place, provider api.RepositoryProvider, name *string) error {
	return absentRecord(r, key("re", p, string(provider), wire.Val(name)), notFound("repository", wire.Val(name)))
}

// putSync writes a configuration: a new one, or in the place of the one that is there. The branch is read
// at once.
func putSync[T any](ctx context.Context, s *Service, p place, k []byte, v T, w watch, fresh bool, what, name string, check func(r store.Reader) error) error {
	return s.update(ctx, func(tx store.Tx) error {
		there, err := store.Exists(tx, k)
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
		if err := (&record[T]{key: k, V: v}).putPlain(tx); err != nil {
			return err
		}
		return s.scheduleWatch(tx, p, w)
	})
}

// dropSync deletes a configuration, with what is below the prefixes, and returns what it was.
func dropSync[T any](ctx context.Context, s *Service, k []byte, missing error, below ...[]byte) (v *T, err error) {
	err = s.update(ctx, func(tx store.Tx) error {
		rec, err := peek[T](tx, k)
		if err != nil {
			return known(err, missing)
		}
		v = &rec.V
		for _, prefix := range below {
			if err := removeBelow(tx, prefix); err != nil {
				return err
			}
		}
		return tx.Delete(k)
	})
	return v, err
}

func watchOfTemplate(c *api.TemplateSyncConfig) watch {
	return watch{api.SyncTypeTemplateSync, c.RepositoryProvider, wire.Val(c.RepositoryName), wire.Val(c.Branch)}
}

func watchOfService(c *api.ServiceSyncConfig) watch {
	return watch{api.SyncTypeServiceSync, c.RepositoryProvider, wire.Val(c.RepositoryName), wire.Val(c.Branch)}
}

const (
	templateSync = "template sync config"
	serviceSync  = "service sync config"
)

func (s *Service) putTemplateSync(ctx context.Context, v api.TemplateSyncConfig, fresh bool) error {
	p := here(ctx)
	return putSync(ctx, s, p, key("ty", p, string(v.TemplateType), wire.Val(v.TemplateName)), v, watchOfTemplate(&v), fresh, templateSync, wire.Val(v.TemplateName), func(r store.Reader) error {
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
	return putSync(ctx, s, p, key("sy", p, wire.Val(v.ServiceName)), v, watchOfService(&v), fresh, serviceSync, wire.Val(v.ServiceName), func(r store.Reader) error {
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

// DeleteServiceSyncConfig forgets where the spec of a service comes from, and what kept it from being
// synchronized.
func (s *Service) DeleteServiceSyncConfig(ctx context.Context, in *api.DeleteServiceSyncConfigInput) (*api.DeleteServiceSyncConfigOutput, error) {
	p, name := here(ctx), wire.Val(in.ServiceName)
	v, err := dropSync[api.ServiceSyncConfig](ctx, s, key("sy", p, name), notFound(serviceSync, name), within("is", p, name), within("bl", p, name))
	return &api.DeleteServiceSyncConfigOutput{ServiceSyncConfig: v}, err
}
