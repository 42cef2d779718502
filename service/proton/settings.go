package proton

import (
	"context"
	"errors"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// settings are those of an account, for the pipelines of its services.
func (s *Service) settings(ctx context.Context, p place) (*api.AccountSettings, error) {
	rec, err := plain[api.AccountSettings](ctx, s, key("as", p))
	if errors.Is(err, store.ErrNotFound) {
		return &api.AccountSettings{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &rec.V, nil
}

// GetAccountSettings tells the settings of the account.
func (s *Service) GetAccountSettings(ctx context.Context, _ *api.GetAccountSettingsInput) (*api.GetAccountSettingsOutput, error) {
	v, err := s.settings(ctx, here(ctx))
	if err != nil {
		return nil, err
	}
	return &api.GetAccountSettingsOutput{AccountSettings: v}, nil
}

// UpdateAccountSettings changes the settings that are given; an empty role takes the role away.
func (s *Service) UpdateAccountSettings(ctx context.Context, in *api.UpdateAccountSettingsInput) (*api.UpdateAccountSettingsOutput, error) {
	p := here(ctx)
	away := wire.Val(in.DeletePipelineProvisioningRepository)
	if away && in.PipelineProvisioningRepository != nil {
		return nil, invalid("You can set the pipeline provisioning repository or delete it, but not both.")
	}
	v := api.AccountSettings{}
	err := s.update(ctx, func(tx store.Tx) error {
		rec, err := peek[api.AccountSettings](tx, key("as", p))
		if errors.Is(err, store.ErrNotFound) {
			rec, err = &record[api.AccountSettings]{key: key("as", p)}, nil
		}
		if err != nil {
			return err
		}
		if away {
			rec.V.PipelineProvisioningRepository = nil
		}
		if in.PipelineProvisioningRepository != nil {
			if rec.V.PipelineProvisioningRepository, err = branchOf(tx, p, in.PipelineProvisioningRepository); err != nil {
				return err
			}
		}
		rec.V.PipelineCodebuildRoleArn = roleSetting(in.PipelineCodebuildRoleArn, rec.V.PipelineCodebuildRoleArn)
		rec.V.PipelineServiceRoleArn = roleSetting(in.PipelineServiceRoleArn, rec.V.PipelineServiceRoleArn)
		v = rec.V
		return rec.putPlain(tx)
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateAccountSettingsOutput{AccountSettings: &v}, nil
}

func roleSetting(given, now *string) *string {
	switch {
	case given == nil:
		return now
	case *given == "":
		return nil
	}
	return given
}
