package proton

import (
	"context"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/wire"
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

// GetComponentTemplate returns the template file and the manifest of a component, as it was last deployed or, before
// that, as it was given.
func (s *Service) GetComponentTemplate(ctx context.Context, in *api.GetComponentTemplateInput) (*api.GetComponentTemplateOutput, error) {
	rec, err := get[subject](ctx, s, key("co", here(ctx), wire.Val(in.Name)))
	if err != nil {
		return nil, known(err, notFound("component", wire.Val(in.Name)))
	}
	return &api.GetComponentTemplateOutput{TemplateFile: rec.V.TemplateFile, Manifest: rec.V.Manifest}, nil
}
