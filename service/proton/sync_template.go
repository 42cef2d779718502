package proton

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/git"
	"github.com/strongroom/strongroom/service/proton/syncfile"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// templateFollower is a template whose versions come from a repository: each folder
// {template}/v{major} is the bundle of that major version, and a change in it makes a minor
// version (AWS Proton user guide, "Template sync configurations").
type templateFollower struct {
	config api.TemplateSyncConfig
	family *family
}

func (f *templateFollower) name() string { return wire.Val(f.config.TemplateName) }

func (f *templateFollower) prefix(p place) []byte {
	return within("ts", p, string(f.config.TemplateType), f.name())
}

func (f *templateFollower) key(p place, major string) []byte {
	return append(f.prefix(p), padded(major)...)
}

// settle looks how the registrations have ended that go on.
func (f *templateFollower) settle(ctx context.Context, l *look) error {
	var majors []string
	err := l.s.db.View(ctx, func(r store.Reader) error {
		majors = nil
		for rec, err := range each[followed](r, f.prefix(l.p)) {
			if err != nil {
				return err
			}
			if rec.V.open() {
				n, _ := strconv.Atoi(string(rec.key[len(f.prefix(l.p)):]))
				majors = append(majors, strconv.Itoa(n))
			}
		}
		return nil
	})
	for _, major := range majors {
		if err == nil {
			err = f.settleMajor(ctx, l, major)
		}
	}
	return err
}

func (f *templateFollower) settleMajor(ctx context.Context, l *look, major string) error {
	k, now := f.key(l.p, major), api.TemplateVersionStatus("")
	failure := ""
	st, err := followedAt(ctx, l.s, k)
	if err == nil {
		vk, _ := versionKeyOf(l.p, f.family, f.config.TemplateName, &major, &st.Minor)
		var v *record[version]
		if v, err = get[version](ctx, l.s, vk); err == nil {
			if now = v.V.Status; now == api.TemplateVersionStatusRegistrationFailed {
				failure = "The registration of the version " + major + "." + st.Minor + " has failed: " + f.placed(st, wire.Val(v.V.StatusMessage))
			}
		}
	}
	switch {
	case unusable(err):
		return nil // the status of the version can't be read either
	case errors.Is(err, store.ErrNotFound):
		failure = "The version " + major + "." + st.Minor + " was deleted."
	case err != nil:
		return err
	case now == api.TemplateVersionStatusRegistrationInProgress:
		l.waiting = true
		return nil
	}
	_, err = edit[followed]{key: k, change: func(rec *record[followed]) error {
		if rec.V.open() && rec.V.Minor == st.Minor {
			rec.V.end(l.s, failure)
		}
		return nil
	}}.apply(ctx, l.s)
	return known(err, nil)
}

// placed puts the folder of the bundle before the name of the file that a message begins with.
func (f *templateFollower) placed(st *followed, message string) string {
	if st.Latest == nil || st.Latest.TargetRevision == nil || !fileFirst.MatchString(message) {
		return message
	}
	return path.Join(wire.Val(st.Latest.TargetRevision.Directory), message)
}

var (
	fileFirst   = regexp.MustCompile(`^[^\s:]+\.[a-z]+(:[0-9]+)*: `)
	majorFolder = regexp.MustCompile(`^v([1-9][0-9]{0,8})$`)
)

// read registers what has changed of the template's folders.
func (f *templateFollower) read(ctx context.Context, l *look) ([]string, error) {
	tmpl, err := plain[template](ctx, l.s, key(f.family.template, l.p, f.name()))
	if err != nil {
		return nil, known(err, nil)
	}
	snap, err := l.snapshot(ctx, l.w.Branch)
	if err != nil {
		return nil, err
	}
	dir, ok, err := snap.Find(wire.Val(f.config.Subdirectory), f.name())
	var folders []string
	if err == nil && ok {
		folders, err = snap.Folders(dir)
	}
	switch {
	case err != nil:
		l.fault("The template %s: %v.", f.name(), err)
		return nil, nil
	case !ok:
		l.fault("The template %s has no folder %s in the branch.", f.name(), path.Join(wire.Val(f.config.Subdirectory), f.name()))
		return nil, nil
	}
	var majors []int
	for _, name := range folders {
		if m := majorFolder.FindStringSubmatch(name); m != nil {
			n, _ := strconv.Atoi(m[1])
			majors = append(majors, n)
		}
	}
	if len(majors) == 0 {
		l.fault("The template %s has no folder such as %s/v1 in the branch.", f.name(), dir)
	}
	slices.Sort(majors)
	for _, n := range majors {
		m := &majorSync{f: f, l: l, tmpl: tmpl, snap: snap, major: strconv.Itoa(n), dir: fmt.Sprintf("%s/v%d", dir, n)}
		if err := m.run(ctx); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// majorSync brings one major version in step with its folder.
type majorSync struct {
	f     *templateFollower
	l     *look
	tmpl  *record[template]
	snap  *git.Snapshot
	major string
	dir   string

	in     newVersion
	bundle []byte
}

func (m *majorSync) revision() api.Revision {
	c := &m.f.config
	return api.Revision{Branch: c.Branch, Directory: &m.dir, RepositoryName: c.RepositoryName, RepositoryProvider: c.RepositoryProvider, Sha: &m.snap.Commit}
}

func (m *majorSync) run(ctx context.Context) error {
	s, k := m.l.s, m.f.key(m.l.p, m.major)
	st, err := followedAt(ctx, s, k)
	tree := ""
	if err == nil {
		tree, _, err = m.snap.Folder(m.dir)
	}
	switch {
	case unusable(err):
		m.l.fault("The template %s: %s", m.f.name(), messageOf(err))
		m.l.unread = true
		return nil
	case err != nil:
		return err
	case st.open(): // one at a time: what was pushed meanwhile is read when it has ended
		m.l.waiting, m.l.unread = true, true
		return nil
	}
	same, err := m.same(ctx, st, tree)
	if err != nil || same {
		return err
	}
	if err = m.gather(ctx); err != nil {
		return m.failed(ctx, k, err)
	}
	if st.Tree == "" { // nothing was registered from the folder yet
		var minor string
		if minor, err = m.standing(ctx); minor != "" {
			return m.adopt(ctx, k, tree, minor)
		}
	}
	if err == nil {
		err = m.register(ctx, k, tree)
	}
	return m.failed(ctx, k, err)
}

// same reports whether the folder is what was registered from it last, and that version is still there.
func (m *majorSync) same(ctx context.Context, st *followed, tree string) (bool, error) {
	if st.Tree != tree {
		return false, nil
	}
	k, _ := versionKeyOf(m.l.p, m.f.family, m.f.config.TemplateName, &m.major, &st.Minor)
	_, err := plain[version](ctx, m.l.s, k)
	return err == nil, known(err, nil)
}

// failed notes an attempt that has failed before there was a version.
func (m *majorSync) failed(ctx context.Context, k []byte, err error) error {
	var w *wire.Error
	var bad *bundle.Error
	s, reason := m.l.s, ""
	switch {
	case err == nil:
		return nil
	case locked(err):
		m.l.fault("The template %s: %s", m.f.name(), messageOf(err))
		m.l.unread = true
		return nil
	case errors.As(err, &w) && !w.Fault:
		reason = w.Message
	case errors.As(err, &bad):
		reason = bad.Error()
	default:
		return err
	}
	m.l.tell("%s:%s was not registered.", m.f.name(), m.major)
	return upsert(ctx, s, k, m.tmpl.head, func(st *followed) {
		st.begin(s, m.target(), m.revision())
		st.end(s, reason)
	})
}

func (m *majorSync) target() string { return m.f.name() + ":" + m.major }

// gather reads the folder: the bundle, and for a service template what it is registered with.
func (m *majorSync) gather(ctx context.Context) error {
	files, err := m.snap.Files(m.dir)
	if err != nil {
		return &bundle.Error{File: m.dir, Reason: err.Error()}
	}
	m.in = newVersion{MajorVersion: &m.major}
	if m.f.family == serviceFamily {
		if err := m.registration(ctx, files); err != nil {
			return err
		}
	}
	return m.pack(slices.DeleteFunc(files, func(f git.File) bool { return f.Path == syncfile.RegistrationName || f.Path == syncfile.CompatibleName }))
}

// registered reads the file beside a service template's bundle, the newer of the two where both are there.
func (m *majorSync) registered(files []git.File) (*syncfile.Registration, error) {
	for _, kind := range []struct {
		name  string
		parse func(string, []byte) (*syncfile.Registration, error)
	}{{syncfile.RegistrationName, syncfile.ParseRegistration}, {syncfile.CompatibleName, syncfile.ParseCompatible}} {
		if at := slices.IndexFunc(files, func(f git.File) bool { return f.Path == kind.name }); at >= 0 {
			return kind.parse(path.Join(m.dir, kind.name), files[at].Data)
		}
	}
	return nil, &bundle.Error{File: path.Join(m.dir, syncfile.RegistrationName), Reason: "a service template needs this file, with its compatible_environments"}
}

func (m *majorSync) registration(ctx context.Context, files []git.File) error {
	r, err := m.registered(files)
	if err != nil {
		return err
	}
	err = m.l.s.db.View(ctx, func(rd store.Reader) error {
		for _, t := range r.Compatible {
			found, err := anyBelow(rd, within(environmentFamily.version, m.l.p, t.Name, padded(t.Major)))
			if err != nil {
				return err
			}
			if !found {
				return t.Fail("the environment template %s has no major version %s", t.Name, t.Major)
			}
		}
		return nil
	})
	for _, t := range r.Compatible {
		m.in.CompatibleEnvironmentTemplates = append(m.in.CompatibleEnvironmentTemplates, api.CompatibleEnvironmentTemplateInput{TemplateName: &t.Name, MajorVersion: &t.Major})
	}
	for _, source := range r.ComponentSources {
		m.in.SupportedComponentSources = append(m.in.SupportedComponentSources, api.ServiceTemplateSupportedComponentSourceType(source))
	}
	return err
}

// pack makes the bundle of the folder's files.
func (m *majorSync) pack(files []git.File) error {
	list := make([]bundle.File, 0, len(files))
	for _, f := range files {
		if f.Link {
			return &bundle.Error{File: path.Join(m.dir, f.Path), Reason: "links are not allowed in a bundle"}
		}
		list = append(list, bundle.File{Name: f.Path, Data: f.Data, Exec: f.Exec})
	}
	data, err := bundle.Pack(list)
	var bad *bundle.Error
	switch {
	case errors.As(err, &bad):
		return &bundle.Error{File: path.Join(m.dir, bad.File), Line: bad.Line, Column: bad.Column, Reason: bad.Reason}
	case err == nil && len(data) > bundle.MaxPacked:
		return &bundle.Error{File: m.dir, Reason: fmt.Sprintf("the template bundle is larger than %d MB", bundle.MaxPacked>>20)}
	}
	m.bundle = data
	return err
}

// register makes a version of the bundle, and notes in the same transaction that it was made.
func (m *majorSync) register(ctx context.Context, k []byte, tree string) error {
	s := m.l.s
	b, err := s.keepBytes(ctx, &m.tmpl.head, m.bundle)
	if err != nil {
		return err
	}
	rec, err := s.addVersion(ctx, m.l.p, m.f.family, m.f.name(), &versionToAdd{
		in: m.in, bundle: b, number: (*template).follow,
		beside: func(v *record[version]) (*writing, error) {
			minor := *v.V.MinorVersion
			note := func(st *followed) {
				st.begin(s, m.target(), m.revision())
				st.event(s, "REGISTRATION_STARTED", "The version "+m.major+"."+minor+" is being registered.", v.Resource)
				st.Tree, st.Minor = tree, minor
			}
			st, err := get[followed](ctx, s, k)
			if errors.Is(err, store.ErrNotFound) {
				return fresh(ctx, s, k, m.tmpl.head, note)
			}
			if err != nil {
				return nil, err
			}
			note(&st.V)
			return prepare(ctx, s, st)
		},
	})
	if err == nil {
		m.l.waiting = true
		m.l.tell("%s:%s.%s is being registered.", m.f.name(), m.major, *rec.V.MinorVersion)
	}
	return err
}

// follow takes the next minor version of a major version that a repository names, which need not be
// the next one.
func (t *template) follow(_ *family, major *string) (string, string, error) {
	n, err := strconv.Atoi(wire.Val(major))
	if err != nil {
		return "", "", err
	}
	t.Majors = max(t.Majors, n)
	minor, ok := t.Minors[*major]
	if ok {
		minor++
	}
	t.Minors = with(t.Minors, *major, minor)
	return *major, strconv.Itoa(minor), nil
}
