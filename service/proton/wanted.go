package proton

import (
	"context"
	"errors"
	"strconv"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/schema"
	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// wanted is the version of a template that a subject is to have.
type wanted struct {
	template     *record[template]
	version      *record[version]
	major, minor string
	schema       *schema.Schema
}

// want finds a published version and reads its schema. Without a minor version it is the
// recommended one.
func (s *Service) want(ctx context.Context, p place, f *family, name, major string, minor *string) (*wanted, error) {
	t, err := plain[template](ctx, s, key(f.template, p, name))
	if err != nil {
		return nil, known(err, notFound(f.word, name))
	}
	w := &wanted{template: t, major: major, minor: wire.Val(minor)}
	if minor == nil {
		var ok bool
		if w.minor, ok = t.V.Recommended[major]; !ok {
			return nil, invalid("The %s %s has no published version %s.", f.word, name, major)
		}
	}
	k, missing := versionKeyOf(p, f, &name, &w.major, &w.minor)
	if w.version, err = get[version](ctx, s, k); err != nil {
		return nil, known(err, missing)
	}
	if w.version.V.Status != api.TemplateVersionStatusPublished || w.version.V.Schema == nil {
		return nil, invalid("The version %s.%s of the %s %s isn't published.", w.major, w.minor, f.word, name)
	}
	w.schema, err = schema.Parse("schema/schema.yaml", []byte(*w.version.V.Schema))
	return w, err
}

// update finds the version that an update of a deployment type leads to
// (AWS Proton API reference, UpdateEnvironment, deploymentType).
func (s *Service) wantUpdate(ctx context.Context, p place, x *subject, t api.DeploymentUpdateType, major, minor *string) (*wanted, error) {
	f, name, now := x.family(), wire.Val(x.TemplateName), wire.Val(x.TemplateMajorVersion)
	switch t {
	case api.DeploymentUpdateTypeCurrentVersion:
		if major != nil || minor != nil {
			return nil, invalid("The deployment type CURRENT_VERSION takes no template version.")
		}
		return s.want(ctx, p, f, name, now, x.TemplateMinorVersion)
	case api.DeploymentUpdateTypeMinorVersion:
		if major != nil && *major != now {
			return nil, invalid("The deployment type MINOR_VERSION can't change the major version from %s to %s.", now, *major)
		}
		return s.want(ctx, p, f, name, now, minor)
	}
	if major == nil {
		rec, err := plain[template](ctx, s, key(f.template, p, name))
		if err != nil {
			return nil, known(err, notFound(f.word, name))
		}
		best := ""
		for m := range rec.V.Recommended {
			if padded(m) > padded(best) {
				best = m
			}
		}
		major = &best
	}
	a, _ := strconv.Atoi(*major)
	b, _ := strconv.Atoi(now)
	if a < b {
		return nil, invalid("The deployment type MAJOR_VERSION can't go back from the major version %s to %s.", now, *major)
	}
	return s.want(ctx, p, f, name, *major, minor)
}

// specError turns what is wrong with a spec into the exception for it.
func specError(err error) error {
	var bad *bundle.Error
	if errors.As(err, &bad) {
		return invalid("The spec is not valid: %s", bad.Error())
	}
	return err
}

func specProblems(list []schema.Problem) error {
	if len(list) == 0 {
		return nil
	}
	return invalid("%s", tellProblems(list))
}

// resolved reads a new spec, with the values of the old one where it says so. Without a new one
// it is the old one.
func resolved(kind string, text, old *string) (*spec.Spec, *string, error) {
	if text == nil {
		text = old
	}
	now, err := spec.Parse(kind, wire.Val(text))
	if err != nil {
		return nil, nil, specError(err)
	}
	var before *spec.Spec
	if wire.Val(old) != "" {
		if before, err = spec.Parse(kind, *old); err != nil {
			return nil, nil, specError(err)
		}
	}
	now = now.Resolve(before)
	return now, wire.Ptr(now.String()), nil
}

// newSubject is a subject in the making, with the deployment that makes it.
type newSubject struct {
	rec *record[subject]
	d   *record[deployment]
	w   [2]*writing
	// tags of the subject
	tags tagMap
}

// begin makes a subject and its first deployment ready to be written.
func (s *Service) begin(ctx context.Context, p place, rec *record[subject], tags tagMap) (n *newSubject, err error) {
	n = &newSubject{rec: rec, tags: tags}
	if n.d, err = s.newDeployment(p, rec, rec.V.state(), false); err != nil {
		return nil, err
	}
	if n.w[0], err = prepare(ctx, s, rec); err != nil {
		return nil, err
	}
	n.w[1], err = prepare(ctx, s, n.d)
	return n, err
}

// add writes a new subject, its deployment and what finds them.
func (n *newSubject) add(tx store.Tx, s *Service, p place) error {
	x := n.rec
	if err := absent(tx, x.key, conflict("The %s already exists.", x.V.called())); err != nil {
		return err
	}
	if err := n.w[0].put(tx); err != nil {
		return err
	}
	if err := linkVersion(tx, p, x.key, x.V.Kind, n.d.V.TargetState, x.V.TemplateName); err != nil {
		return err
	}
	if err := setLinks(tx, p, x, true); err != nil {
		return err
	}
	if err := putTags(tx, x.Resource, n.tags); err != nil {
		return err
	}
	return n.d.V.add(tx, s, p, n.w[1])
}
