package proton

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// A branch may come to be followed when its folders are registered already: by hand, or by an import of what another
// house registered of the same branch. Such a folder makes no version until it changes.

// standing returns the newest minor version that there ever was, where it is just what the folder holds; "" where it is not.
func (m *majorSync) standing(ctx context.Context) (string, error) {
	s := m.l.s
	last, ok := m.tmpl.V.Minors[m.major]
	if !ok {
		return "", nil
	}
	minor := strconv.Itoa(last)
	k, _ := versionKeyOf(m.l.p, m.f.family, m.f.config.TemplateName, &m.major, &minor)
	v, err := plain[version](ctx, s, k)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	case v.V.Status != api.TemplateVersionStatusDraft && v.V.Status != api.TemplateVersionStatusPublished, !m.sameRegistration(&v.V):
		return "", nil
	}
	data, err := s.bundleBytes(ctx, v)
	if err != nil {
		return "", err
	}
	same, err := sameFiles(data, m.bundle)
	if err != nil || !same {
		return "", err
	}
	return minor, nil
}

// sameRegistration reports whether a version goes with the environment templates and components that the folder names.
func (m *majorSync) sameRegistration(v *version) bool {
	names := func(name, major *string) string { return wire.Val(name) + ":" + wire.Val(major) }
	var is, wanted []string
	for _, t := range v.CompatibleEnvironmentTemplates {
		is = append(is, names(t.TemplateName, t.MajorVersion))
	}
	for _, t := range m.in.CompatibleEnvironmentTemplates {
		wanted = append(wanted, names(t.TemplateName, t.MajorVersion))
	}
	slices.Sort(is)
	slices.Sort(wanted)
	return slices.Equal(is, wanted) && slices.Equal(v.SupportedComponentSources, m.in.SupportedComponentSources)
}

// sameFiles reports whether two bundles hold the same files, however they were packed.
func sameFiles(a, b []byte) (bool, error) {
	var files [2][]bundle.File
	for i, packed := range [][]byte{a, b} {
		var err error
		if files[i], err = bundle.Unpack(bytes.NewReader(packed)); err != nil {
			return false, err
		}
		slices.SortFunc(files[i], func(x, y bundle.File) int { return strings.Compare(x.Name, y.Name) })
	}
	return slices.EqualFunc(files[0], files[1], func(x, y bundle.File) bool {
		return x.Name == y.Name && x.Exec == y.Exec && bytes.Equal(x.Data, y.Data)
	}), nil
}

// adopt notes that a version is what was registered from the folder last.
func (m *majorSync) adopt(ctx context.Context, k []byte, tree, minor string) error {
	s := m.l.s
	m.l.tell("%s:%s.%s has this bundle already.", m.f.name(), m.major, minor)
	return upsert(ctx, s, k, m.tmpl.head, func(st *followed) {
		st.begin(s, m.target(), m.revision())
		st.event(s, "ALREADY_REGISTERED", "The version "+m.major+"."+minor+" has this bundle already.", "")
		st.Tree, st.Minor = tree, minor
		st.end(s, "")
	})
}
