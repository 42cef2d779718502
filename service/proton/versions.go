package proton

import (
	"bytes"
	"context"
	"errors"
	"strconv"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// listVersions lists the minor versions of a major version, or, when none is named, one version of
// each major version: the recommended one, or the newest where none is published.
func (s *Service) listVersions(ctx context.Context, f *family, name, major *string, max *int32, token *string) ([]*version, *string, error) {
	p := here(ctx)
	t, err := plain[template](ctx, s, key(f.template, p, wire.Val(name)))
	if err != nil {
		return nil, nil, known(err, notFound(f.word, wire.Val(name)))
	}
	prefix, keep := within(f.version, p, *name), t.V.shows
	if major != nil {
		prefix, keep = within(f.version, p, *name, padded(*major)), nil
	}
	items, next, err := list(ctx, s, prefix, page{p.scope(f.word, *name, wire.Val(major)), token, max}, keep)
	if err != nil {
		return nil, nil, err
	}
	out := make([]*version, len(items))
	for i, item := range items {
		whole, err := get[version](ctx, s, item.key) // all under one key: without it there is no list
		if err != nil {
			return nil, nil, known(err, notFound(f.word+" version", *item.V.Arn))
		}
		v := whole.V
		if v.StatusMessage == nil {
			v.StatusMessage = v.Note
		}
		if minor, ok := t.V.Recommended[*v.MajorVersion]; ok {
			v.RecommendedMinorVersion = &minor
		}
		out[i] = &v
	}
	return out, next, nil
}

// shows reports whether a version stands for its major version in a list.
func (t *template) shows(rec *record[version]) bool {
	major := wire.Val(rec.V.MajorVersion)
	if minor, ok := t.Recommended[major]; ok {
		return wire.Val(rec.V.MinorVersion) == minor
	}
	newest, ok := t.Newest[major]
	if !ok {
		newest = t.Minors[major]
	}
	return wire.Val(rec.V.MinorVersion) == strconv.Itoa(newest)
}

// newestLeft is the newest minor version of a major version but for one that is being deleted; -1 for none.
func newestLeft(r store.Reader, prefix, gone []byte) (int, error) {
	newest := -1
	for rec, err := range r.Scan(store.Prefix(prefix)) {
		if err != nil {
			return 0, err
		}
		if bytes.Equal(rec.Key, gone) {
			continue
		}
		v, err := decode[version](rec.Key, rec.Value)
		if err != nil {
			return 0, err
		}
		if newest, err = strconv.Atoi(wire.Val(v.V.MinorVersion)); err != nil {
			return 0, err
		}
	}
	return newest, nil
}

// versionChange is what the inputs of both kinds of update have in common.
type versionChange struct {
	TemplateName, MajorVersion, MinorVersion, Description *string
	Status                                                api.TemplateVersionStatus
	CompatibleEnvironmentTemplates                        []api.CompatibleEnvironmentTemplateInput
	SupportedComponentSources                             []api.ServiceTemplateSupportedComponentSourceType
}

// updateVersion describes a version anew, or publishes it.
func (s *Service) updateVersion(ctx context.Context, f *family, in versionChange) (*version, error) {
	p := here(ctx)
	k, missing := versionKeyOf(p, f, in.TemplateName, in.MajorVersion, in.MinorVersion)
	rec, err := edit[version]{
		key: k, missing: missing,
		change: func(rec *record[version]) error { return in.apply(&rec.V, s) },
		also: func(tx store.Tx, _, rec *record[version]) error {
			if in.CompatibleEnvironmentTemplates != nil {
				if err := s.compatible(tx, p, rec.V.CompatibleEnvironmentTemplates); err != nil {
					return err
				}
			}
			if in.Status != api.TemplateVersionStatusPublished {
				return nil
			}
			return recommend(tx, key(f.template, p, *rec.V.TemplateName), *rec.V.MajorVersion, *rec.V.MinorVersion)
		},
	}.apply(ctx, s)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, f, p, rec)
}

func (in *versionChange) apply(v *version, s *Service) error {
	switch {
	case in.Status == "" || in.Status == v.Status:
	case v.Status == api.TemplateVersionStatusDraft && in.Status == api.TemplateVersionStatusPublished:
		v.Status = in.Status
	case in.Status != api.TemplateVersionStatusPublished:
		return invalid("The status of a template version can only be changed to PUBLISHED.")
	default:
		return conflict("The template version is in the status %s and can't be published.", v.Status)
	}
	if in.Description != nil {
		v.Description = in.Description
	}
	if in.CompatibleEnvironmentTemplates != nil {
		v.CompatibleEnvironmentTemplates = nil
		for _, c := range in.CompatibleEnvironmentTemplates {
			v.CompatibleEnvironmentTemplates = append(v.CompatibleEnvironmentTemplates, api.CompatibleEnvironmentTemplate(c))
		}
	}
	if in.SupportedComponentSources != nil {
		v.SupportedComponentSources = in.SupportedComponentSources
	}
	v.LastModifiedAt = s.at()
	return nil
}

// recommend makes a published version the recommended one of its major version, unless a newer
// one is.
func recommend(tx store.Tx, k []byte, major, minor string) error {
	return changeTemplate(tx, k, func(t *template) {
		if now, ok := t.Recommended[major]; !ok || padded(now) < padded(minor) {
			t.Recommended = with(t.Recommended, major, minor)
		}
		t.recommended()
	})
}

// changeTemplate changes the plain part of a template in a transaction.
func changeTemplate(tx store.Tx, k []byte, change func(*template)) error {
	t, err := peek[template](tx, k)
	if err != nil {
		return err
	}
	change(&t.V)
	return t.putPlain(tx)
}

// recommended works out the recommended version of the whole template.
func (t *template) recommended() {
	best := ""
	for major := range t.Recommended {
		if padded(major) > padded(best) || best == "" {
			best = major
		}
	}
	t.RecommendedVersion = nil
	if best != "" {
		t.RecommendedVersion = wire.Ptr(best + "." + t.Recommended[best])
	}
}

// deleteVersion deletes a version that nothing uses and that is not recommended over others
// (AWS Proton API reference, DeleteEnvironmentTemplateVersion). A version whose key cannot be used is deleted like any other.
func (s *Service) deleteVersion(ctx context.Context, f *family, name, major, minor *string) (*version, error) {
	p := here(ctx)
	k, missing := versionKeyOf(p, f, name, major, minor)
	rec, err := get[version](ctx, s, k)
	if unusable(err) {
		rec, err = plain[version](ctx, s, k)
	}
	if err != nil {
		return nil, known(err, missing)
	}
	err = s.update(ctx, func(tx store.Tx) error {
		if err := unchanged[version](tx, rec); err != nil {
			return err
		}
		if err := s.deletable(tx, p, f, rec); err != nil {
			return err
		}
		if rec.V.Bundle != nil {
			if err := s.discard(tx, rec.V.Bundle.Blob); err != nil {
				return err
			}
		}
		left, err := newestLeft(tx, within(f.version, p, *name, padded(*major)), k)
		if err != nil {
			return err
		}
		err = changeTemplate(tx, key(f.template, p, *name), func(t *template) {
			t.Newest = with(t.Newest, *major, left)
			if t.Recommended[*major] == *minor {
				rest := with(t.Recommended, *major, "")
				delete(rest, *major)
				t.Recommended = rest
			}
			t.recommended()
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return removeResource(tx, k, rec.Resource)
	})
	if err != nil {
		return nil, err
	}
	return &rec.V, nil
}

// deletable says ConflictException for a version that is used, or recommended over others.
func (s *Service) deletable(r store.Reader, p place, f *family, rec *record[version]) error {
	v := &rec.V
	used, err := anyBelow(r, linkPrefix(usesVersion, rec.key))
	if err != nil {
		return err
	}
	if used {
		return conflict("The template version %s is used by environments or services.", rec.Resource)
	}
	t, err := peek[template](r, key(f.template, p, *v.TemplateName))
	if err != nil {
		return err
	}
	if t.V.Recommended[*v.MajorVersion] != *v.MinorVersion {
		return nil
	}
	siblings, err := count(r, within(f.version, p, *v.TemplateName, padded(*v.MajorVersion)), 2)
	if err != nil {
		return err
	}
	if siblings > 1 {
		return conflict("The version %s.%s is the recommended minor version. Delete the other minor versions first.", *v.MajorVersion, *v.MinorVersion)
	}
	all, err := count(r, within(f.version, p, *v.TemplateName), 2)
	if err != nil {
		return err
	}
	if all > 1 && wire.Val(t.V.RecommendedVersion) == *v.MajorVersion+"."+*v.MinorVersion {
		return conflict("The version %s.%s is the recommended version of the template. Delete the other versions first.", *v.MajorVersion, *v.MinorVersion)
	}
	return nil
}
