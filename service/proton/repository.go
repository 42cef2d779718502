package proton

import (
	"context"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// repository is the record of a link to a Git repository. With a key of the customer it has a
// grant of its own, and is template and resource of its context at once, as a template is.
type repository struct {
	Arn, Name     *string
	Provider      api.RepositoryProvider
	ConnectionArn *string `sealed:"yes"`
	EncryptionKey *string
	Grant         string
}

func repositoryOf(v *repository) *api.Repository {
	shown := as[api.Repository](v)
	return &shown
}

// branchOf is a branch of a repository that is linked.
func branchOf(r store.Reader, p place, in *api.RepositoryBranchInput) (*api.RepositoryBranch, error) {
	rec, err := peek[repository](r, key("re", p, string(in.Provider), wire.Val(in.Name)))
	if err != nil {
		return nil, known(err, invalid("The repository %s of %s isn't linked. Create a repository first.", wire.Val(in.Name), in.Provider))
	}
	return &api.RepositoryBranch{Arn: rec.V.Arn, Name: rec.V.Name, Provider: rec.V.Provider, Branch: in.Branch}, nil
}

// connection opens the connection of a repository.
func (s *Service) connection(ctx context.Context, p place, b *api.RepositoryBranch) (string, error) {
	rec, err := get[repository](ctx, s, key("re", p, string(b.Provider), wire.Val(b.Name)))
	if err != nil {
		return "", known(err, failed("The repository %s isn't linked any more.", wire.Val(b.Name)))
	}
	return wire.Val(rec.V.ConnectionArn), nil
}

// CreateRepository links a repository.
func (s *Service) CreateRepository(ctx context.Context, in *api.CreateRepositoryInput) (*api.CreateRepositoryOutput, error) {
	p := here(ctx)
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	k, own := key("re", p, string(in.Provider), wire.Val(in.Name)), p.repositoryARN(in.Provider, wire.Val(in.Name))
	there := taken("repository", wire.Val(in.Name))
	if err := s.free(ctx, k, there); err != nil {
		return nil, err
	}
	rec := &record[repository]{
		head: head{Template: own, Resource: own, Key: wire.Val(in.EncryptionKey)}, key: k,
		V: repository{Arn: &own, Name: in.Name, Provider: in.Provider, ConnectionArn: in.ConnectionArn, EncryptionKey: in.EncryptionKey},
	}
	var pledged string
	if rec.V.Grant, pledged, err = s.grant(ctx, p, &rec.head); err != nil {
		return nil, err
	}
	w, err := prepare(ctx, s, rec)
	if err == nil {
		err = s.update(ctx, func(tx store.Tx) error {
			if err := absent(tx, k, there); err != nil {
				return err
			}
			if err := room(tx, within("re", p), "repositories", maxRepositories); err != nil {
				return err
			}
			if err := w.put(tx); err != nil {
				return err
			}
			if err := s.keepGrant(tx, pledged); err != nil {
				return err
			}
			return putTags(tx, own, tags)
		})
	}
	if err != nil {
		s.releaseGrant(ctx, &rec.head, rec.V.Grant)
		return nil, err
	}
	return &api.CreateRepositoryOutput{Repository: repositoryOf(&rec.V)}, nil
}

// GetRepository describes a link to a repository.
func (s *Service) GetRepository(ctx context.Context, in *api.GetRepositoryInput) (*api.GetRepositoryOutput, error) {
	rec, err := get[repository](ctx, s, key("re", here(ctx), string(in.Provider), wire.Val(in.Name)))
	if err != nil {
		return nil, known(err, notFound("repository", wire.Val(in.Name)))
	}
	return &api.GetRepositoryOutput{Repository: repositoryOf(&rec.V)}, nil
}

// ListRepositories lists the links to repositories.
func (s *Service) ListRepositories(ctx context.Context, in *api.ListRepositoriesInput) (*api.ListRepositoriesOutput, error) {
	p := here(ctx)
	items, next, err := list[repository](ctx, s, within("re", p), page{p.scope("repositories"), in.NextToken, in.MaxResults}, nil)
	if err == nil {
		err = reveal(ctx, s, items)
	}
	if err != nil {
		return nil, err
	}
	out := &api.ListRepositoriesOutput{NextToken: next, Repositories: []api.RepositorySummary{}}
	for _, r := range items {
		v := as[api.RepositorySummary](r.V)
		if v.ConnectionArn == nil {
			v.ConnectionArn = wire.Ptr("") // sealed under a key that cannot be used
		}
		out.Repositories = append(out.Repositories, v)
	}
	return out, nil
}

// DeleteRepository takes a link away and gives its grant back.
func (s *Service) DeleteRepository(ctx context.Context, in *api.DeleteRepositoryInput) (*api.DeleteRepositoryOutput, error) {
	p := here(ctx)
	k, missing := key("re", p, string(in.Provider), wire.Val(in.Name)), notFound("repository", wire.Val(in.Name))
	rec, err := get[repository](ctx, s, k)
	if unusable(err) {
		rec, err = plain[repository](ctx, s, k)
	}
	if err != nil {
		return nil, known(err, missing)
	}
	err = s.update(ctx, func(tx store.Tx) error {
		if err := absentRecord(tx, k, missing); err != nil {
			return err
		}
		if err := repositoryFree(tx, p, rec.Resource); err != nil {
			return err
		}
		if err := s.dropGrant(tx, &rec.head, rec.V.Grant); err != nil {
			return err
		}
		for _, t := range []api.SyncType{api.SyncTypeTemplateSync, api.SyncTypeServiceSync} {
			if err := removeBelow(tx, within("rs", p, string(t), string(in.Provider), wire.Val(in.Name))); err != nil {
				return err
			}
		}
		return removeResource(tx, k, rec.Resource)
	})
	if err != nil {
		return nil, err
	}
	s.releaseGrant(ctx, &rec.head, rec.V.Grant)
	return &api.DeleteRepositoryOutput{Repository: repositoryOf(&rec.V)}, nil
}

// repositoryFree says ConflictException for a repository that an environment or the pipelines are provisioned through.
func repositoryFree(r store.Reader, p place, arn string) error {
	for rec, err := range r.Scan(store.Prefix(within("en", p))) {
		if err != nil {
			return err
		}
		x, err := decode[subject](rec.Key, rec.Value)
		if err != nil {
			return err
		}
		if b := x.V.ProvisioningRepository; b != nil && wire.Val(b.Arn) == arn {
			return conflict("The repository is the provisioning repository of the environment %s.", wire.Val(x.V.Name))
		}
	}
	settings, err := peek[api.AccountSettings](r, key("as", p))
	if err != nil {
		return known(err, nil)
	}
	if b := settings.V.PipelineProvisioningRepository; b != nil && wire.Val(b.Arn) == arn {
		return conflict("The repository is the pipeline provisioning repository of the account.")
	}
	return nil
}
