package catalogue

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/spec"
)

// content is a whole folder, but for the bundles, which were looked at and are read again when they are needed.
type content struct {
	origin       origin
	settings     settings
	repositories []repository
	connections  []connection
	templates    map[*family][]templateEntry
	environments []environmentEntry
	services     []serviceEntry
	components   []componentEntry
}

type templateEntry struct {
	name string
	template
	versions []versionEntry // in order
}

type versionEntry struct {
	number number
	dir    string // of its bundle
	version
}

type environmentEntry struct {
	name, spec string
	environment
}

type serviceEntry struct {
	name string
	spec *spec.Spec
	service
	instances []instanceEntry
}

type instanceEntry struct {
	name string
	spec *spec.Spec
	instance
}

type componentEntry struct {
	name, template, manifest, spec string
	component
}

// readFolder reads a folder and checks all that can be checked without the house.
func readFolder(f *folder) (*content, error) {
	in := &content{templates: map[*family][]templateEntry{}}
	if err := f.decode(catalogueFile, &in.origin); err != nil {
		return nil, err
	}
	if in.origin.Format != format {
		return nil, fmt.Errorf("%s: the format %d is not known, only %d", catalogueFile, in.origin.Format, format)
	}
	for name, v := range map[string]any{settingsFile: &in.settings, repositoryFile: &in.repositories, connectionFile: &in.connections} {
		if err := f.decode(name, v); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	for _, family := range []*family{environmentFamily, serviceFamily} {
		list, err := each(f, family.folder, f.templateEntry)
		if err != nil {
			return nil, err
		}
		in.templates[family] = list
	}
	var err error
	if in.environments, err = each(f, environments, f.environmentEntry); err != nil {
		return nil, err
	}
	if in.services, err = each(f, services, f.serviceEntry); err != nil {
		return nil, err
	}
	in.components, err = each(f, components, f.componentEntry)
	return in, err
}

func (f *folder) decode(name string, v any) error {
	data, _, err := f.read(name, maxText)
	if err != nil {
		return err
	}
	return decode(name, data, v)
}

// each reads the folders in a folder, whose names are those of resources.
func each[T any](f *folder, dir string, read func(dir, name string) (T, error)) (list []T, err error) {
	names, err := f.folders(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasPrefix(name, ".") {
			continue
		}
		if !nameForm.MatchString(name) || len(name) > 100 {
			return nil, fmt.Errorf("%s is not the name of a resource", path.Join(dir, name))
		}
		one, err := read(path.Join(dir, name), name)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

func (f *folder) templateEntry(dir, name string) (t templateEntry, err error) {
	t.name = name
	file := path.Join(dir, templateFile)
	if err := f.decode(file, &t.template); err != nil {
		return t, err
	}
	if err := t.Sync.check(file, false); err != nil {
		return t, err
	}
	numbers, err := f.folders(dir)
	if err != nil {
		return t, err
	}
	for _, folder := range numbers {
		if strings.HasPrefix(folder, ".") {
			continue
		}
		v := versionEntry{dir: path.Join(dir, folder, bundleFolder)}
		if v.number, err = parseNumber(folder); err != nil {
			return t, fmt.Errorf("%s: %w", dir, err)
		}
		if err := f.decode(path.Join(dir, folder, versionFile), &v.version); err != nil {
			return t, err
		}
		if v.Status != "DRAFT" && v.Status != "PUBLISHED" {
			return t, fmt.Errorf("%s: the status is DRAFT or PUBLISHED, not %q", path.Join(dir, folder, versionFile), v.Status)
		}
		if _, _, err := f.bundle(v.dir); err != nil {
			return t, err
		}
		t.versions = append(t.versions, v)
	}
	slices.SortFunc(t.versions, func(a, b versionEntry) int { return a.number.compare(b.number) })
	return t, nil
}

// specOf reads a spec and says what is wrong with it.
func (f *folder) specOf(kind, name string) (*spec.Spec, string, error) {
	data, _, err := f.read(name, maxText)
	if err != nil {
		return nil, "", err
	}
	s, err := spec.Parse(kind, string(data))
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return s, string(data), nil
}

// versioned checks the number of a version in a file.
func versioned(name, number string) error {
	if _, err := parseNumber(number); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (f *folder) environmentEntry(dir, name string) (e environmentEntry, err error) {
	e.name = name
	file := path.Join(dir, "environment.json")
	if err := f.decode(file, &e.environment); err != nil {
		return e, err
	}
	if _, e.spec, err = f.specOf(spec.Environment, path.Join(dir, specFile)); err != nil {
		return e, err
	}
	return e, versioned(file, e.TemplateVersion)
}

func (f *folder) serviceEntry(dir, name string) (s serviceEntry, err error) {
	s.name = name
	file := path.Join(dir, "service.json")
	if err := f.decode(file, &s.service); err != nil {
		return s, err
	}
	if s.PipelineVersion != "" {
		if err := versioned(file, s.PipelineVersion); err != nil {
			return s, err
		}
	}
	if err := s.Sync.check(file, true); err != nil {
		return s, err
	}
	if s.spec, _, err = f.specOf(spec.Service, path.Join(dir, specFile)); err != nil {
		return s, err
	}
	s.instances, err = each(f, path.Join(dir, "instances"), f.instanceEntry)
	if err == nil && len(s.instances) == 0 {
		err = fmt.Errorf("%s has no instances", dir)
	}
	return s, err
}

func (f *folder) instanceEntry(dir, name string) (i instanceEntry, err error) {
	i.name = name
	file := path.Join(dir, "instance.json")
	if err := f.decode(file, &i.instance); err != nil {
		return i, err
	}
	if i.spec, _, err = f.specOf(spec.Service, path.Join(dir, specFile)); err != nil {
		return i, err
	}
	switch one := i.spec.Instance(name); {
	case one == nil:
		return i, fmt.Errorf("%s: the spec has no instance %s", path.Join(dir, specFile), name)
	case one.Environment != i.EnvironmentName:
		return i, fmt.Errorf("%s: the environment is %s here and %s in the spec", file, i.EnvironmentName, one.Environment)
	}
	return i, versioned(file, i.TemplateVersion)
}

func (f *folder) componentEntry(dir, name string) (c componentEntry, err error) {
	c.name = name
	file := path.Join(dir, "component.json")
	if err := f.decode(file, &c.component); err != nil {
		return c, err
	}
	if c.TemplateFile == "" || path.Base(c.TemplateFile) != c.TemplateFile {
		return c, fmt.Errorf("%s: templateFile is the name of a file beside it", file)
	}
	for _, t := range []struct {
		name string
		to   *string
	}{{c.TemplateFile, &c.template}, {manifestFile, &c.manifest}, {"service-spec.yaml", &c.spec}} {
		if *t.to, err = f.text(path.Join(dir, t.name)); err != nil {
			return c, err
		}
	}
	if _, err := bundle.Component(c.template, c.manifest); err != nil {
		return c, fmt.Errorf("%s: %w", dir, err)
	}
	return c, nil
}
