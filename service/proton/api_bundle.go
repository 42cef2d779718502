package proton

import (
	"context"

	api "github.com/strongroom/strongroom/api/proton"
)

// GetTemplateVersionBundle returns the bundle of a version as it was registered, byte for byte. It is read with
// the template's key: where that cannot be used the bundle cannot be had. A version whose bundle could never be
// fetched has none.
func (s *Service) GetTemplateVersionBundle(ctx context.Context, in *api.GetTemplateVersionBundleInput) (*api.GetTemplateVersionBundleOutput, error) {
	k, missing := versionKeyOf(here(ctx), familyOf(in.TemplateType), in.TemplateName, in.MajorVersion, in.MinorVersion)
	rec, err := plain[version](ctx, s, k)
	if err != nil {
		return nil, known(err, missing)
	}
	data, err := s.bundleBytes(ctx, rec)
	if err != nil {
		return nil, err
	}
	return &api.GetTemplateVersionBundleOutput{Bundle: data}, nil
}
