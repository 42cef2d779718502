package proton

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/document"
	"github.com/strongroom/strongroom/service/proton/git"
	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/service/proton/syncfile"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// serviceFollower is a service whose instances come from a repository: its ops file names for
// each instance the branch and the file of a spec. Instances are made and updated, and none is taken
// away (AWS Proton user guide, "Service sync configurations").
type serviceFollower struct{ config api.ServiceSyncConfig }

func (f *serviceFollower) name() string { return wire.Val(f.config.ServiceName) }

func instanceSyncKey(p place, service, instance string) []byte {
	return key("is", p, service, instance)
}

// settle looks how the deployments have ended that go on, and begins those that had to wait.
func (f *serviceFollower) settle(ctx context.Context, l *look) error {
	var names []string
	prefix := within("is", l.p, f.name())
	err := l.s.db.View(ctx, func(r store.Reader) (err error) {
		names, err = store.KeysBelow(r, prefix, 0)
		return err
	})
	for _, name := range names {
		if err == nil {
			err = (&instanceSync{f: f, l: l, name: name}).settle(ctx)
		}
	}
	return err
}

// read reads the ops file and the specs that it names.
func (f *serviceFollower) read(ctx context.Context, l *look) (branches []string, err error) {
	svc, err := get[workload](ctx, l.s, key("se", l.p, f.name()))
	switch {
	case unusable(err):
		l.fault("The service %s: %s", f.name(), messageOf(err))
		l.unread = true
		return nil, nil
	case err != nil:
		return nil, known(err, nil)
	}
	snap, err := l.snapshot(ctx, l.w.Branch)
	if err != nil {
		return nil, err
	}
	file := strings.TrimPrefix(path.Clean("/"+wire.Val(f.config.FilePath)), "/")
	text, ok, err := snap.File(file)
	var list []syncfile.Instance
	switch {
	case err != nil:
		l.fault("%v.", err)
		return nil, nil
	case !ok:
		l.fault("The file %s is not in the branch %s.", file, l.w.Branch)
		return nil, nil
	}
	if list, err = syncfile.ParseOps(file, text, f.name()); err != nil {
		l.fault("%v", err)
		return nil, nil
	}
	for _, one := range list {
		branches = append(branches, one.Branch)
		i := &instanceSync{f: f, l: l, name: one.Name, named: one, svc: svc}
		if err := i.read(ctx); err != nil {
			return branches, err
		}
	}
	return branches, nil
}

// instanceSync brings one service instance in step with its spec.
type instanceSync struct {
	f     *serviceFollower
	l     *look
	name  string
	named syncfile.Instance // where the ops file names it
	svc   *record[workload]

	revision api.Revision
}

func (i *instanceSync) key() []byte { return instanceSyncKey(i.l.p, i.f.name(), i.name) }

func (i *instanceSync) instanceKey() []byte { return key("si", i.l.p, i.f.name(), i.name) }

// head is what the state is sealed as: the instance, which need not be there yet.
func (i *instanceSync) head() head {
	h := i.svc.head
	h.Resource = i.l.p.instanceARN(i.f.name(), i.name)
	return h
}

// read reads the spec of the instance, and begins to deploy it where it is another one.
func (i *instanceSync) read(ctx context.Context) error {
	c := &i.f.config
	i.revision = api.Revision{Branch: &i.named.Branch, Directory: wire.Ptr(path.Dir(i.named.Spec)), RepositoryName: c.RepositoryName, RepositoryProvider: c.RepositoryProvider, Sha: wire.Ptr("")}
	want, err := i.spec(ctx)
	var bad *bundle.Error
	var remote *git.Error
	switch {
	case errors.As(err, &remote) && !remote.Lasting:
		return err
	case errors.As(err, &remote):
		bad = &bundle.Error{Reason: remote.Sentence}
	case errors.As(err, &bad):
	case locked(err):
		i.l.fault("The service instance %s/%s: %s", i.f.name(), i.name, messageOf(err))
		i.l.unread = true
		return nil
	case err != nil:
		return err
	}
	err = upsert(ctx, i.l.s, i.key(), i.head(), func(st *followed) {
		st.Desired = &i.revision
		switch {
		case bad == nil:
			st.Want, st.At = &want, i.named.Fail("").Error()
		case !st.open():
			st.begin(i.l.s, i.target(), i.revision)
			st.end(i.l.s, bad.Error())
			st.Want = nil
		default: // it is told when the deployment that goes on has ended
			i.l.waiting, i.l.unread = true, true
		}
	})
	if bad != nil {
		i.l.tell("The service instance %s was not updated.", i.target())
		return err
	}
	if err != nil {
		return err
	}
	return i.settle(ctx)
}

func (i *instanceSync) target() string { return i.f.name() + "/" + i.name }

// spec reads the spec of the instance from the repository and holds it against the template's
// schema. What its author has to mend is a *bundle.Error with file and line.
func (i *instanceSync) spec(ctx context.Context) (string, error) {
	snap, err := i.l.snapshot(ctx, i.named.Branch)
	if err != nil {
		return "", err
	}
	i.revision.Sha = &snap.Commit
	text, ok, err := snap.File(i.named.Spec)
	switch {
	case err != nil:
		return "", &bundle.Error{Reason: err.Error()}
	case !ok:
		return "", i.named.Fail("the file %s is not in the branch %s", i.named.Spec, i.named.Branch)
	}
	parsed, err := spec.Parse(spec.Service, string(text))
	var bad *bundle.Error
	if errors.As(err, &bad) {
		bad.File = i.named.Spec
	}
	if err != nil {
		return "", err
	}
	if parsed.Instance(i.name) == nil {
		return "", &bundle.Error{File: i.named.Spec, Reason: fmt.Sprintf("there is no instance %s, which the ops file names this file for", i.name)}
	}
	return i.checked(ctx, parsed, text)
}

// checked holds the spec against the schema of the version that the instance has, or would get.
func (i *instanceSync) checked(ctx context.Context, parsed *spec.Spec, text []byte) (string, error) {
	s, v := i.l.s, &i.svc.V
	major, minor, old := v.TemplateMajorVersion, v.TemplateMinorVersion, v.Spec
	x, err := get[subject](ctx, s, i.instanceKey())
	switch {
	case err == nil:
		major, minor, old = x.V.TemplateMajorVersion, x.V.TemplateMinorVersion, x.V.Spec
	case !errors.Is(err, store.ErrNotFound):
		return "", err
	}
	w, err := s.want(ctx, i.l.p, serviceFamily, wire.Val(v.TemplateName), wire.Val(major), minor)
	if err != nil {
		return "", asBundle(err)
	}
	before, err := spec.Parse(spec.Service, wire.Val(old))
	if err != nil {
		return "", err
	}
	parsed = parsed.Resolve(before)
	if _, problems := parsed.CheckInstance(i.name, w.schema.Service); len(problems) > 0 {
		root, err := document.Read(i.named.Spec, text)
		if err != nil {
			return "", err
		}
		return "", root.Find(problems[0].Path).Fail("%s", problems[0].String())
	}
	return parsed.Only(i.name).String(), nil
}

// asBundle makes what the caller of an operation would be told a message for the repository's author.
func asBundle(err error) error {
	var w *wire.Error
	if errors.As(err, &w) && !w.Fault && !locked(err) {
		return &bundle.Error{Reason: w.Message}
	}
	return err
}

// settle goes on with the instance: it ends the attempt whose deployment has ended, and begins the
// next one that waits.
func (i *instanceSync) settle(ctx context.Context) error {
	st, err := followedAt(ctx, i.l.s, i.key())
	if err == nil && st.Deployment != "" {
		st, err = i.deployed(ctx, st)
	}
	switch {
	case unusable(err):
		return nil
	case err != nil:
		return err
	case st.Deployment != "":
		i.l.waiting = true
		return nil
	case st.Want == nil:
		return nil
	}
	return i.apply(ctx, st)
}

// deployed looks how the deployment has ended that the last attempt began.
func (i *instanceSync) deployed(ctx context.Context, st *followed) (*followed, error) {
	d, err := get[deployment](ctx, i.l.s, key("de", i.l.p, st.Deployment))
	failure := ""
	switch {
	case errors.Is(err, store.ErrNotFound):
		failure = "The deployment is gone."
	case err != nil:
		return st, err
	case d.V.Phase != done:
		return st, nil
	case d.V.DeploymentStatus != api.DeploymentStatusSucceeded:
		failure = fmt.Sprintf("The deployment has ended as %s. %s", d.V.DeploymentStatus, wire.Val(d.V.DeploymentStatusMessage))
	}
	rec, err := edit[followed]{key: i.key(), change: func(rec *record[followed]) error {
		if rec.V.Deployment == st.Deployment {
			rec.V.end(i.l.s, failure)
			rec.V.Deployment = ""
		}
		return nil
	}}.apply(ctx, i.l.s)
	if err != nil || rec == nil {
		return &followed{}, err
	}
	return &rec.V, nil
}

// apply begins to deploy the instance with the spec that it is to have.
func (i *instanceSync) apply(ctx context.Context, st *followed) error {
	s, p := i.l.s, i.l.p
	blocked, err := s.blocked(ctx, p, i.f.name(), i.name)
	if err != nil || blocked {
		return err
	}
	x, err := get[subject](ctx, s, i.instanceKey())
	switch {
	case errors.Is(err, store.ErrNotFound):
		_, err = s.addInstance(ctx, p, &api.CreateServiceInstanceInput{ServiceName: i.f.config.ServiceName, Name: &i.name, Spec: st.Want}, nil, nil, i.beside(ctx, st))
	case unusable(err):
		return nil
	case err != nil:
		return err
	case x.V.Open != "":
		i.l.waiting = true
		return nil
	case sameInputs(i.name, x.V.Spec, st.Want):
		return i.ended(ctx, st, "")
	default:
		in := &api.UpdateServiceInstanceInput{ServiceName: i.f.config.ServiceName, Name: &i.name, Spec: st.Want, DeploymentType: api.DeploymentUpdateTypeCurrentVersion}
		_, err = s.deployInstance(ctx, p, in, nil, i.beside(ctx, st))
	}
	var w *wire.Error
	switch {
	case err == nil:
		i.l.waiting = true
		return nil
	case errors.As(err, &w) && w.Code == "ConflictException": // somebody was quicker
		i.l.waiting = true
		return nil
	case locked(err):
		return nil
	case errors.As(err, &w) && !w.Fault:
		return i.ended(ctx, st, st.At+w.Message)
	}
	return err
}

// sameInputs reports whether an instance has the same environment and inputs in two specs.
func sameInputs(name string, a, b *string) bool {
	text := func(t *string) string {
		parsed, err := spec.Parse(spec.Service, wire.Val(t))
		if err != nil || parsed.Instance(name) == nil {
			return "none of " + wire.Val(t)
		}
		return (&spec.Spec{Kind: spec.Service, Instances: []spec.Instance{*parsed.Instance(name)}}).String()
	}
	return text(a) == text(b)
}

// ended notes an attempt that needed no deployment, or could not begin one.
func (i *instanceSync) ended(ctx context.Context, seen *followed, failure string) error {
	_, err := edit[followed]{key: i.key(), change: func(rec *record[followed]) error {
		if wire.Val(rec.V.Want) == *seen.Want {
			rec.V.Want = nil
			rec.V.begin(i.l.s, i.target(), *rec.V.Desired)
			rec.V.end(i.l.s, failure)
		}
		return nil
	}}.apply(ctx, i.l.s)
	return known(err, nil)
}

// beside notes, in the transaction that begins it, which deployment the attempt has begun.
func (i *instanceSync) beside(ctx context.Context, seen *followed) beside {
	return func(x *record[subject]) (func(store.Tx) error, error) {
		rec, err := get[followed](ctx, i.l.s, i.key())
		if err != nil {
			return nil, err
		}
		before := *rec
		if wire.Val(rec.V.Want) != *seen.Want || rec.V.Deployment != "" {
			return nil, conflict("The service instance is being synchronized.")
		}
		rec.V.begin(i.l.s, i.target(), *rec.V.Desired)
		rec.V.event(i.l.s, "DEPLOYMENT_STARTED", "The service instance is being deployed.", x.V.Open)
		rec.V.Want, rec.V.Deployment = nil, x.V.Open
		w, err := prepare(ctx, i.l.s, rec)
		return func(tx store.Tx) error {
			if err := unchanged[followed](tx, &before); err != nil {
				return err
			}
			return w.put(tx)
		}, err
	}
}
