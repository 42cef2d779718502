package catalogue

import (
	"context"
	"fmt"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/wire"
)

// check says what is missing of a branch that is followed.
func (y *sync) check(file string, service bool) error {
	switch {
	case y == nil:
		return nil
	case y.Provider == "" || y.Name == "" || y.Branch == "":
		return fmt.Errorf("%s: sync has a provider, a name and a branch", file)
	case service && y.FilePath == "":
		return fmt.Errorf("%s: sync names the ops file as filePath", file)
	case service && y.Subdirectory != "", !service && y.FilePath != "":
		return fmt.Errorf("%s: sync has a subdirectory for a template, a filePath for a service", file)
	}
	return nil
}

// templateSync is the branch that a template follows; nil for none.
func templateSync(ctx context.Context, c *api.Client, f *family, name string) (*sync, error) {
	out, err := c.GetTemplateSyncConfig(ctx, &api.GetTemplateSyncConfigInput{TemplateName: &name, TemplateType: f.kind})
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := out.TemplateSyncConfig
	return &sync{branch: branch{string(v.RepositoryProvider), wire.Val(v.RepositoryName), wire.Val(v.Branch)}, Subdirectory: wire.Val(v.Subdirectory)}, nil
}

// serviceSync is the branch that a service follows; nil for none.
func serviceSync(ctx context.Context, c *api.Client, name string) (*sync, error) {
	out, err := c.GetServiceSyncConfig(ctx, &api.GetServiceSyncConfigInput{ServiceName: &name})
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := out.ServiceSyncConfig
	return &sync{branch: branch{string(v.RepositoryProvider), wire.Val(v.RepositoryName), wire.Val(v.Branch)}, FilePath: wire.Val(v.FilePath)}, nil
}

// syncs has templates and services follow their branches. A branch that is followed already stays.
func (i *importer) syncs(ctx context.Context) error {
	for _, f := range []*family{environmentFamily, serviceFamily} {
		for n := range i.in.templates[f] {
			if err := i.templateSync(ctx, f, &i.in.templates[f][n]); err != nil {
				return about(err, "%s %s", f.word, i.in.templates[f][n].name)
			}
		}
	}
	for n := range i.in.services {
		if err := i.serviceSync(ctx, &i.in.services[n]); err != nil {
			return about(err, "service %s", i.in.services[n].name)
		}
	}
	return nil
}

// follows reports whether something follows a branch already or is to follow none, and says where it is another one.
func (i *importer) follows(what string, have, want *sync) bool {
	if have != nil && want != nil && *have != *want {
		i.h.say("%s follows another branch: it stays as it is", what)
	}
	return have != nil || want == nil
}

func (i *importer) templateSync(ctx context.Context, f *family, t *templateEntry) error {
	have, err := templateSync(ctx, i.c, f, t.name)
	if err != nil || i.follows(f.word+" "+t.name, have, t.Sync) {
		return err
	}
	i.h.say("%s %s follows the branch %s of %s", f.word, t.name, t.Sync.Branch, t.Sync.Name)
	_, err = i.c.CreateTemplateSyncConfig(ctx, &api.CreateTemplateSyncConfigInput{
		TemplateName: &t.name, TemplateType: f.kind, Subdirectory: given(t.Sync.Subdirectory),
		RepositoryProvider: api.RepositoryProvider(t.Sync.Provider), RepositoryName: &t.Sync.Name, Branch: &t.Sync.Branch,
	})
	return err
}

func (i *importer) serviceSync(ctx context.Context, s *serviceEntry) error {
	if s.Sync == nil {
		return nil
	}
	have, err := serviceSync(ctx, i.c, s.name)
	if err != nil || i.follows("service "+s.name, have, s.Sync) {
		return err
	}
	if _, err := i.c.GetService(ctx, &api.GetServiceInput{Name: &s.name}); err != nil {
		if missing(err) { // what it waits for was said
			return nil
		}
		return err
	}
	i.h.say("service %s follows the branch %s of %s", s.name, s.Sync.Branch, s.Sync.Name)
	_, err = i.c.CreateServiceSyncConfig(ctx, &api.CreateServiceSyncConfigInput{
		ServiceName: &s.name, FilePath: &s.Sync.FilePath,
		RepositoryProvider: api.RepositoryProvider(s.Sync.Provider), RepositoryName: &s.Sync.Name, Branch: &s.Sync.Branch,
	})
	return err
}
