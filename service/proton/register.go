package proton

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/schema"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

const jobRegister = "register"

// handleJobs says which function runs the jobs of which kind.
func (s *Service) handleJobs() {
	s.jobs.Handle(jobRegister, s.register)
	s.jobs.Handle(jobSweep, s.sweep)
	s.tokens.Handle()
	s.jobs.Handle(jobDeploy, s.deploy)
	s.jobs.Handle(jobUnlog, s.unlog)
	s.jobs.Handle(jobSettle, s.settle)
	s.jobs.Handle(jobPurge, s.purge)
	s.jobs.Handle(jobTakeDown, s.takeDown)
	s.jobs.Handle(jobUngrant, s.ungrant)
	s.jobs.Handle(jobRedeploy, s.redeploy)
	s.jobs.Handle(jobWatch, s.watch)
}

// register looks into the bundle of a version, and makes a draft of it or says why not. The job's id
// is the version's ARN.
func (s *Service) register(ctx context.Context, j job.Job) error {
	p, k, ok := keyOfARN(j.ID)
	if !ok {
		return fmt.Errorf("register: malformed name %q", j.ID)
	}
	f := environmentFamily
	if bytes.HasPrefix(k, []byte(serviceFamily.version)) {
		f = serviceFamily
	}
	rec, err := plain[version](ctx, s, k)
	if errors.Is(err, store.ErrNotFound) || err == nil && rec.V.Status != api.TemplateVersionStatusRegistrationInProgress {
		return nil
	}
	if err != nil {
		return err
	}
	text, findings, err := s.examine(ctx, p, f, rec)
	var bad *bundle.Error
	switch {
	case errors.As(err, &bad):
		return s.registered(ctx, k, func(v *version) {
			v.Status, v.StatusMessage = api.TemplateVersionStatusRegistrationFailed, wire.Ptr(bad.Error())
		})
	case unusable(err):
		return s.unregistered(ctx, k, err)
	case err != nil:
		return err
	}
	err = s.registered(ctx, k, func(v *version) {
		v.Status, v.Schema = api.TemplateVersionStatusDraft, &text
		if len(findings) > 0 {
			v.StatusMessage, v.Findings = wire.Ptr(tellFindings(findings)), true
		}
	})
	if unusable(err) {
		return s.unregistered(ctx, k, err)
	}
	return err
}

// registered writes how the registration ended.
func (s *Service) registered(ctx context.Context, k []byte, change func(*version)) error {
	_, err := edit[version]{key: k, change: func(rec *record[version]) error {
		change(&rec.V)
		rec.V.LastModifiedAt = s.at()
		return nil
	}}.apply(ctx, s)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted meanwhile
	}
	return err
}

// unregistered fails a registration whose key cannot be used. What cannot be sealed is said in words
// that tell nothing of the bundle.
func (s *Service) unregistered(ctx context.Context, k []byte, why error) error {
	_, err := edit[version]{key: k, closed: true, change: func(rec *record[version]) error {
		rec.V.Status, rec.V.Note = api.TemplateVersionStatusRegistrationFailed, wire.Ptr(messageOf(why))
		rec.V.LastModifiedAt = s.at()
		return nil
	}}.apply(ctx, s)
	return err
}

// messageOf is the text of an error as it crosses the wire.
func messageOf(err error) string {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "internal failure"
}

// examine reads the bundle of a version and compares it with the minor version before.
func (s *Service) examine(ctx context.Context, p place, f *family, rec *record[version]) (text string, findings []bundle.Finding, err error) {
	t, err := plain[template](ctx, s, key(f.template, p, *rec.V.TemplateName))
	if err != nil {
		return "", nil, err
	}
	b, err := s.bundleOf(ctx, f, &t.V, rec)
	if err != nil {
		return "", nil, err
	}
	older, err := s.published(ctx, p, f, rec)
	if err != nil {
		return "", nil, err
	}
	if older != nil {
		if err := b.Schema.CompatibleWith(older); err != nil {
			return "", nil, err
		}
	}
	return b.SchemaText, bundle.Secrets(b), nil
}

// bundleOf opens and reads the bundle of a version.
func (s *Service) bundleOf(ctx context.Context, f *family, t *template, rec *record[version]) (*bundle.Bundle, error) {
	data, err := s.bundleBytes(ctx, rec)
	if err != nil {
		return nil, err
	}
	return bundle.Open(f.bundleKind(t.Provisioning), bytes.NewReader(data))
}

// bundleBytes opens the bundle of a version. It is sealed for the template: see fetch.
func (s *Service) bundleBytes(ctx context.Context, rec *record[version]) ([]byte, error) {
	if rec.V.Bundle == nil {
		return nil, invalid("The template version %s has no bundle.", rec.Resource)
	}
	h := rec.head
	h.Resource = h.Template
	return s.bytesOf(ctx, &h, rec.V.Bundle)
}

// bundleKind is what bundles of a template must hold.
func (f *family) bundleKind(p api.Provisioning) bundle.Kind {
	managed := p == api.ProvisioningCustomerManaged
	switch {
	case f == environmentFamily && managed:
		return bundle.CustomerManagedEnvironment
	case f == environmentFamily:
		return bundle.Environment
	case managed:
		return bundle.ServiceWithoutPipeline
	}
	return bundle.Service
}

// published returns the schema of the newest minor version before this one that was registered, or nil.
func (s *Service) published(ctx context.Context, p place, f *family, rec *record[version]) (*schema.Schema, error) {
	minor, err := strconv.Atoi(*rec.V.MinorVersion)
	if err != nil {
		return nil, err
	}
	for minor--; minor >= 0; minor-- {
		n := strconv.Itoa(minor)
		k, _ := versionKeyOf(p, f, rec.V.TemplateName, rec.V.MajorVersion, &n)
		older, err := get[version](ctx, s, k)
		if errors.Is(err, store.ErrNotFound) || err == nil && older.V.Schema == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		return schema.Parse("schema/schema.yaml", []byte(*older.V.Schema))
	}
	return nil, nil
}

// tellFindings says where secrets were found, and never what they are.
func tellFindings(list []bundle.Finding) string {
	lines := make([]string, len(list))
	for i, f := range list {
		lines[i] = f.String()
	}
	return "The bundle seems to hold secrets, which belong elsewhere: " + strings.Join(lines, "; ")
}
