package catalogue

import (
	"context"
	"strconv"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/wire"
)

// family is one of the two families of templates, through the API: both have the same operations
// under other names.
type family struct {
	word   string // in messages
	folder string
	kind   api.TemplateType

	names    func(ctx context.Context, c *api.Client) ([]string, error)
	template func(ctx context.Context, c *api.Client, name string) (arn string, t *template, err error)
	create   func(ctx context.Context, c *api.Client, name, key string, t *template) error
	describe func(ctx context.Context, c *api.Client, name string, t *template) error

	numbers  func(ctx context.Context, c *api.Client, name string, major *string) ([]numbered, error)
	version  func(ctx context.Context, c *api.Client, name string, n number) (arn string, v *version, message string, err error)
	register func(ctx context.Context, c *api.Client, name string, major *string, v *version, from *api.TemplateVersionSourceInput) (number, error)
	change   func(ctx context.Context, c *api.Client, name string, n number, v *version) error
	remove   func(ctx context.Context, c *api.Client, name string, n number) error
}

// numbered is a version in a listing.
type numbered struct {
	number
	status api.TemplateVersionStatus
}

func (n number) parts() (major, minor *string) {
	return wire.Ptr(strconv.Itoa(n.major)), wire.Ptr(strconv.Itoa(n.minor))
}

func numberedOf(major, minor *string, s api.TemplateVersionStatus) (numbered, error) {
	n, err := numberOf(wire.Val(major), wire.Val(minor))
	return numbered{n, s}, err
}

var environmentFamily = &family{
	word: "environment template", folder: environmentTemplates, kind: api.TemplateTypeEnvironment,

	names: func(ctx context.Context, c *api.Client) ([]string, error) {
		return all(func(token *string) (names []string, next *string, err error) {
			out, err := c.ListEnvironmentTemplates(ctx, &api.ListEnvironmentTemplatesInput{NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			for _, t := range out.Templates {
				names = append(names, wire.Val(t.Name))
			}
			return names, out.NextToken, nil
		})
	},
	template: func(ctx context.Context, c *api.Client, name string) (string, *template, error) {
		out, err := c.GetEnvironmentTemplate(ctx, &api.GetEnvironmentTemplateInput{Name: &name})
		if err != nil {
			return "", nil, err
		}
		t := out.EnvironmentTemplate
		return wire.Val(t.Arn), &template{
			DisplayName: wire.Val(t.DisplayName), Description: wire.Val(t.Description), Provisioning: string(t.Provisioning),
			EncryptionKey: wire.Val(t.EncryptionKey), RecommendedVersion: wire.Val(t.RecommendedVersion),
		}, nil
	},
	create: func(ctx context.Context, c *api.Client, name, key string, t *template) error {
		_, err := c.CreateEnvironmentTemplate(ctx, &api.CreateEnvironmentTemplateInput{
			Name: &name, DisplayName: given(t.DisplayName), Description: given(t.Description), EncryptionKey: given(key),
			Provisioning: api.Provisioning(t.Provisioning), Tags: t.Tags.list(),
		})
		return err
	},
	describe: func(ctx context.Context, c *api.Client, name string, t *template) error {
		_, err := c.UpdateEnvironmentTemplate(ctx, &api.UpdateEnvironmentTemplateInput{Name: &name, DisplayName: &t.DisplayName, Description: &t.Description})
		return err
	},
	numbers: func(ctx context.Context, c *api.Client, name string, major *string) ([]numbered, error) {
		return all(func(token *string) (list []numbered, next *string, err error) {
			out, err := c.ListEnvironmentTemplateVersions(ctx, &api.ListEnvironmentTemplateVersionsInput{TemplateName: &name, MajorVersion: major, NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			for _, v := range out.TemplateVersions {
				n, err := numberedOf(v.MajorVersion, v.MinorVersion, v.Status)
				if err != nil {
					return nil, nil, err
				}
				list = append(list, n)
			}
			return list, out.NextToken, nil
		})
	},
	version: func(ctx context.Context, c *api.Client, name string, n number) (string, *version, string, error) {
		major, minor := n.parts()
		out, err := c.GetEnvironmentTemplateVersion(ctx, &api.GetEnvironmentTemplateVersionInput{TemplateName: &name, MajorVersion: major, MinorVersion: minor})
		if err != nil {
			return "", nil, "", err
		}
		v := out.EnvironmentTemplateVersion
		return wire.Val(v.Arn), &version{Description: wire.Val(v.Description), Status: string(v.Status)}, wire.Val(v.StatusMessage), nil
	},
	register: func(ctx context.Context, c *api.Client, name string, major *string, v *version, from *api.TemplateVersionSourceInput) (number, error) {
		out, err := c.CreateEnvironmentTemplateVersion(ctx, &api.CreateEnvironmentTemplateVersionInput{
			TemplateName: &name, MajorVersion: major, Description: given(v.Description), Source: from, Tags: v.Tags.list(),
		})
		if err != nil {
			return number{}, err
		}
		return numberOf(wire.Val(out.EnvironmentTemplateVersion.MajorVersion), wire.Val(out.EnvironmentTemplateVersion.MinorVersion))
	},
	change: func(ctx context.Context, c *api.Client, name string, n number, v *version) error {
		major, minor := n.parts()
		_, err := c.UpdateEnvironmentTemplateVersion(ctx, &api.UpdateEnvironmentTemplateVersionInput{
			TemplateName: &name, MajorVersion: major, MinorVersion: minor, Description: &v.Description, Status: api.TemplateVersionStatus(v.Status),
		})
		return err
	},
	remove: func(ctx context.Context, c *api.Client, name string, n number) error {
		major, minor := n.parts()
		_, err := c.DeleteEnvironmentTemplateVersion(ctx, &api.DeleteEnvironmentTemplateVersionInput{TemplateName: &name, MajorVersion: major, MinorVersion: minor})
		return err
	},
}

var serviceFamily = &family{
	word: "service template", folder: serviceTemplates, kind: api.TemplateTypeService,

	names: func(ctx context.Context, c *api.Client) ([]string, error) {
		return all(func(token *string) (names []string, next *string, err error) {
			out, err := c.ListServiceTemplates(ctx, &api.ListServiceTemplatesInput{NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			for _, t := range out.Templates {
				names = append(names, wire.Val(t.Name))
			}
			return names, out.NextToken, nil
		})
	},
	template: func(ctx context.Context, c *api.Client, name string) (string, *template, error) {
		out, err := c.GetServiceTemplate(ctx, &api.GetServiceTemplateInput{Name: &name})
		if err != nil {
			return "", nil, err
		}
		t := out.ServiceTemplate
		return wire.Val(t.Arn), &template{
			DisplayName: wire.Val(t.DisplayName), Description: wire.Val(t.Description), Provisioning: string(t.PipelineProvisioning),
			EncryptionKey: wire.Val(t.EncryptionKey), RecommendedVersion: wire.Val(t.RecommendedVersion),
		}, nil
	},
	create: func(ctx context.Context, c *api.Client, name, key string, t *template) error {
		_, err := c.CreateServiceTemplate(ctx, &api.CreateServiceTemplateInput{
			Name: &name, DisplayName: given(t.DisplayName), Description: given(t.Description), EncryptionKey: given(key),
			PipelineProvisioning: api.Provisioning(t.Provisioning), Tags: t.Tags.list(),
		})
		return err
	},
	describe: func(ctx context.Context, c *api.Client, name string, t *template) error {
		_, err := c.UpdateServiceTemplate(ctx, &api.UpdateServiceTemplateInput{Name: &name, DisplayName: &t.DisplayName, Description: &t.Description})
		return err
	},
	numbers: func(ctx context.Context, c *api.Client, name string, major *string) ([]numbered, error) {
		return all(func(token *string) (list []numbered, next *string, err error) {
			out, err := c.ListServiceTemplateVersions(ctx, &api.ListServiceTemplateVersionsInput{TemplateName: &name, MajorVersion: major, NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			for _, v := range out.TemplateVersions {
				n, err := numberedOf(v.MajorVersion, v.MinorVersion, v.Status)
				if err != nil {
					return nil, nil, err
				}
				list = append(list, n)
			}
			return list, out.NextToken, nil
		})
	},
	version: func(ctx context.Context, c *api.Client, name string, n number) (string, *version, string, error) {
		major, minor := n.parts()
		out, err := c.GetServiceTemplateVersion(ctx, &api.GetServiceTemplateVersionInput{TemplateName: &name, MajorVersion: major, MinorVersion: minor})
		if err != nil {
			return "", nil, "", err
		}
		v := out.ServiceTemplateVersion
		shown := &version{Description: wire.Val(v.Description), Status: string(v.Status)}
		for _, c := range v.CompatibleEnvironmentTemplates {
			shown.CompatibleEnvironmentTemplates = append(shown.CompatibleEnvironmentTemplates, compatible{wire.Val(c.TemplateName), wire.Val(c.MajorVersion)})
		}
		for _, s := range v.SupportedComponentSources {
			shown.SupportedComponentSources = append(shown.SupportedComponentSources, string(s))
		}
		return wire.Val(v.Arn), shown, wire.Val(v.StatusMessage), nil
	},
	register: func(ctx context.Context, c *api.Client, name string, major *string, v *version, from *api.TemplateVersionSourceInput) (number, error) {
		out, err := c.CreateServiceTemplateVersion(ctx, &api.CreateServiceTemplateVersionInput{
			TemplateName: &name, MajorVersion: major, Description: given(v.Description), Source: from, Tags: v.Tags.list(),
			CompatibleEnvironmentTemplates: v.compatible(), SupportedComponentSources: v.sources(),
		})
		if err != nil {
			return number{}, err
		}
		return numberOf(wire.Val(out.ServiceTemplateVersion.MajorVersion), wire.Val(out.ServiceTemplateVersion.MinorVersion))
	},
	change: func(ctx context.Context, c *api.Client, name string, n number, v *version) error {
		major, minor := n.parts()
		_, err := c.UpdateServiceTemplateVersion(ctx, &api.UpdateServiceTemplateVersionInput{
			TemplateName: &name, MajorVersion: major, MinorVersion: minor, Description: &v.Description, Status: api.TemplateVersionStatus(v.Status),
			CompatibleEnvironmentTemplates: v.compatible(), SupportedComponentSources: v.sources(),
		})
		return err
	},
	remove: func(ctx context.Context, c *api.Client, name string, n number) error {
		major, minor := n.parts()
		_, err := c.DeleteServiceTemplateVersion(ctx, &api.DeleteServiceTemplateVersionInput{TemplateName: &name, MajorVersion: major, MinorVersion: minor})
		return err
	},
}

// compatible are the environment templates that a version goes with, as the API takes them.
func (v *version) compatible() (list []api.CompatibleEnvironmentTemplateInput) {
	for _, c := range v.CompatibleEnvironmentTemplates {
		list = append(list, api.CompatibleEnvironmentTemplateInput{TemplateName: wire.Ptr(c.TemplateName), MajorVersion: wire.Ptr(c.MajorVersion)})
	}
	return list
}

func (v *version) sources() (list []api.ServiceTemplateSupportedComponentSourceType) {
	list = []api.ServiceTemplateSupportedComponentSourceType{} // none is said too
	for _, s := range v.SupportedComponentSources {
		list = append(list, api.ServiceTemplateSupportedComponentSourceType(s))
	}
	return list
}
