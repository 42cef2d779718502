package proton

import (
	"context"
	"errors"
	"strconv"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/idempotency"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// version is the record of a version of a template of either family.
type version struct {
	Arn, TemplateName          *string
	MajorVersion, MinorVersion *string
	Status                     api.TemplateVersionStatus
	CreatedAt, LastModifiedAt  *time.Time
	Description                *string `sealed:"yes"`
	StatusMessage              *string `sealed:"yes"`
	Schema                     *string `sealed:"yes"`
	RecommendedMinorVersion    *string // filled in when it is shown

	// Of a service template's version.
	CompatibleEnvironmentTemplates []api.CompatibleEnvironmentTemplate
	SupportedComponentSources      []api.ServiceTemplateSupportedComponentSourceType

	Bundle   *sealedBytes // nil when it could not be fetched
	Note     *string      // why registration failed, where that could not be sealed
	Findings bool         // the status message tells of secrets that were found
}

// newVersion is what the inputs of both kinds of creation have in common.
type newVersion struct {
	TemplateName, Description, MajorVersion, ClientToken *string
	Source                                               *api.TemplateVersionSourceInput
	Tags                                                 []api.Tag
	CompatibleEnvironmentTemplates                       []api.CompatibleEnvironmentTemplateInput
	SupportedComponentSources                            []api.ServiceTemplateSupportedComponentSourceType
}

// createVersion makes a version of a template: a new minor version of the major version that is
// named, or the first of a new major version. The bundle is fetched now, with the caller's own
// permission, and kept sealed; what is in it is looked at by a job.
func (s *Service) createVersion(ctx context.Context, f *family, in newVersion) (*version, error) {
	p, name := here(ctx), wire.Val(in.TemplateName)
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	t := s.clientToken(ctx, "CreateTemplateVersion "+f.word, in.ClientToken, in)
	if done, err := t.Earlier(ctx); err != nil || done != nil {
		return s.versionAgain(ctx, done, err)
	}
	tmpl, err := plain[template](ctx, s, key(f.template, p, name))
	if err != nil {
		return nil, known(err, notFound(f.word, name))
	}
	bundle, why, err := s.fetch(ctx, f, &tmpl.head, tmpl.V, in.Source)
	if err != nil {
		return nil, err
	}
	n := &versionToAdd{in: in, tags: tags, bundle: bundle, why: why, token: t, number: (*template).number}
	rec, err := s.addVersion(ctx, p, f, name, n)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, f, p, rec)
}

// versionToAdd is a version that is to be numbered and written.
type versionToAdd struct {
	in     newVersion
	tags   tagMap
	bundle *sealedBytes // nil where there is none, and why says it
	why    string
	token  *idempotency.Token
	number func(t *template, f *family, major *string) (string, string, error)
	beside func(*record[version]) (*writing, error) // what is written with it; may be nil
}

// addVersion numbers, seals and writes a version.
func (s *Service) addVersion(ctx context.Context, p place, f *family, name string, n *versionToAdd) (rec *record[version], err error) {
	for range tries {
		if rec, err = s.tryVersion(ctx, p, f, name, n); !errors.Is(err, errChanged) {
			break
		}
	}
	return rec, storeError(err)
}

// tryVersion says errChanged when another got the number.
func (s *Service) tryVersion(ctx context.Context, p place, f *family, name string, n *versionToAdd) (*record[version], error) {
	in, b := n.in, n.bundle
	tmpl, err := plain[template](ctx, s, key(f.template, p, name))
	if err != nil {
		return nil, known(err, notFound(f.word, name))
	}
	before := *tmpl
	major, minor, err := n.number(&tmpl.V, f, in.MajorVersion)
	if err != nil {
		return nil, err
	}
	own, now := p.versionARN(f, name, major, minor), s.at()
	rec := &record[version]{
		head: head{Template: tmpl.Template, Resource: own, Key: tmpl.Key}, key: key(f.version, p, name, padded(major), padded(minor)),
		V: version{
			Arn: &own, TemplateName: &name, MajorVersion: &major, MinorVersion: &minor, Status: api.TemplateVersionStatusRegistrationInProgress,
			CreatedAt: now, LastModifiedAt: now, Description: in.Description, Bundle: b, SupportedComponentSources: in.SupportedComponentSources,
		},
	}
	for _, c := range in.CompatibleEnvironmentTemplates {
		rec.V.CompatibleEnvironmentTemplates = append(rec.V.CompatibleEnvironmentTemplates, api.CompatibleEnvironmentTemplate(c))
	}
	if b == nil {
		rec.V.Status, rec.V.StatusMessage = api.TemplateVersionStatusRegistrationFailed, &n.why
	}
	w, err := prepare(ctx, s, rec)
	if err != nil {
		return nil, err
	}
	tw, err := prepare(ctx, s, tmpl)
	if err != nil {
		return nil, err
	}
	var beside *writing
	if n.beside != nil {
		if beside, err = n.beside(rec); err != nil {
			return nil, err
		}
	}
	return rec, s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		if err := unchanged[template](tx, &before); err != nil {
			return err
		}
		if err := s.compatible(tx, p, rec.V.CompatibleEnvironmentTemplates); err != nil {
			return err
		}
		if err := room(tx, within(f.version, p, name), "versions of a template", maxVersions); err != nil {
			return err
		}
		if err := w.put(tx); err != nil {
			return err
		}
		if err := tw.put(tx); err != nil {
			return err
		}
		if beside != nil {
			if err := beside.put(tx); err != nil {
				return err
			}
		}
		if err := n.token.Put(tx, string(rec.key)); err != nil {
			return err
		}
		if err := putTags(tx, own, n.tags); err != nil || b == nil {
			return err
		}
		if err := s.claim(tx, b); err != nil {
			return err
		}
		return s.jobs.Schedule(tx, job.Job{Kind: jobRegister, ID: own, Due: s.now()})
	})
}

// number takes the next number of a version. A number that was taken once is never taken again.
func (t *template) number(f *family, major *string) (string, string, error) {
	if major == nil {
		t.Majors++
		n := strconv.Itoa(t.Majors)
		t.Minors = with(t.Minors, n, 0)
		return n, "0", nil
	}
	last, ok := t.Minors[*major]
	switch {
	case ok:
		t.Newest = with(t.Newest, *major, last+1)
		t.Minors = with(t.Minors, *major, last+1)
		return *major, strconv.Itoa(last + 1), nil
	case *major == strconv.Itoa(t.Majors+1):
		t.Majors++
		t.Minors = with(t.Minors, *major, 0)
		return *major, "0", nil
	}
	return "", "", api.ResourceNotFoundException("The %s %s has no major version %s.", f.word, wire.Val(t.Name), *major)
}

// with returns a copy of a map in which key has a value.
func with[V any](m map[string]V, key string, v V) map[string]V {
	c := make(map[string]V, len(m)+1)
	for k, old := range m {
		c[k] = old
	}
	c[key] = v
	return c
}

// compatible makes sure that the environment templates which a service template's version names
// are there, with the major version.
func (s *Service) compatible(r store.Reader, p place, list []api.CompatibleEnvironmentTemplate) error {
	for _, c := range list {
		name, major := wire.Val(c.TemplateName), wire.Val(c.MajorVersion)
		found, err := anyBelow(r, within(environmentFamily.version, p, name, padded(major)))
		if err != nil {
			return err
		}
		if !found {
			return invalid("The compatible environment template %s has no major version %s.", name, major)
		}
	}
	return nil
}

// shown fills in what a version shows of its template.
func (s *Service) shown(ctx context.Context, f *family, p place, rec *record[version]) (*version, error) {
	v := rec.V
	if v.StatusMessage == nil {
		v.StatusMessage = v.Note
	}
	t, err := plain[template](ctx, s, key(f.template, p, *v.TemplateName))
	if err != nil {
		return nil, known(err, notFound(f.word, *v.TemplateName))
	}
	if minor, ok := t.V.Recommended[*v.MajorVersion]; ok {
		v.RecommendedMinorVersion = &minor
	}
	return &v, nil
}

func (s *Service) versionAgain(ctx context.Context, done *string, err error) (*version, error) {
	if err != nil {
		return nil, err
	}
	rec, err := get[version](ctx, s, []byte(*done))
	if err != nil {
		return nil, known(err, notFound("template version", "of the earlier request"))
	}
	return &rec.V, nil
}

func versionKeyOf(p place, f *family, name, major, minor *string) ([]byte, error) {
	return key(f.version, p, wire.Val(name), padded(wire.Val(major)), padded(wire.Val(minor))),
		notFound(f.word+" version", wire.Val(name)+":"+wire.Val(major)+"."+wire.Val(minor))
}

func (s *Service) getVersion(ctx context.Context, f *family, name, major, minor *string) (*version, error) {
	p := here(ctx)
	k, missing := versionKeyOf(p, f, name, major, minor)
	rec, err := get[version](ctx, s, k)
	if err != nil {
		return nil, known(err, missing)
	}
	return s.shown(ctx, f, p, rec)
}
