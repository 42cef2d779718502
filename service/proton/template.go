package proton

import (
	"context"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// template is the record of an environment template or a service template: the two differ in
// nothing but what their versions hold.
type template struct {
	Arn, Name                 *string
	CreatedAt, LastModifiedAt *time.Time
	Description               *string `sealed:"yes"`
	DisplayName               *string `sealed:"yes"`
	EncryptionKey             *string
	Provisioning              api.Provisioning
	RecommendedVersion        *string

	Grant       string            // id of the grant on the customer's key
	Majors      int               // the last major version there ever was
	Minors      map[string]int    // the last minor version there ever was, by major
	Recommended map[string]string // the recommended minor version, by major
	Newest      map[string]int    // the newest minor version that is left, by major, where the last one ever was deleted
}

// newTemplate is what the inputs of both kinds of creation have in common.
type newTemplate struct {
	Name, DisplayName, Description, EncryptionKey *string
	Provisioning                                  api.Provisioning
	Tags                                          []api.Tag
}

// createTemplate makes a template: the grant with the caller's own permission, then the record
// under the key, which proves that the key can be used.
func (s *Service) createTemplate(ctx context.Context, f *family, in newTemplate) (*template, error) {
	p, name := here(ctx), wire.Val(in.Name)
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	k, own, now := key(f.template, p, name), p.templateARN(f, name), s.at()
	if err := s.free(ctx, k, taken(f.word, name)); err != nil {
		return nil, err
	}
	rec := &record[template]{
		head: head{Template: own, Resource: own, Key: wire.Val(in.EncryptionKey)}, key: k,
		V: template{
			Arn: &own, Name: &name, CreatedAt: now, LastModifiedAt: now, Description: in.Description, DisplayName: in.DisplayName,
			EncryptionKey: in.EncryptionKey, Provisioning: in.Provisioning, Minors: map[string]int{}, Recommended: map[string]string{},
		},
	}
	var pledged string
	if rec.V.Grant, pledged, err = s.grant(ctx, p, &rec.head); err != nil {
		return nil, err
	}
	if err := s.addTemplate(ctx, p, f, rec, tags, pledged); err != nil {
		s.releaseGrant(ctx, &rec.head, rec.V.Grant)
		return nil, err
	}
	return &rec.V, nil
}

// addTemplate writes a template, whose grant was pledged under a name.
func (s *Service) addTemplate(ctx context.Context, p place, f *family, rec *record[template], tags tagMap, pledged string) error {
	w, err := prepare(ctx, s, rec)
	if err == nil && rec.Key != "" && !rec.Sealed {
		err = s.tryKey(ctx, &rec.head) // nothing to seal, so nothing has asked for the key yet
	}
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx store.Tx) error {
		if err := absent(tx, rec.key, taken(f.word, *rec.V.Name)); err != nil {
			return err
		}
		ets, err := count(tx, within("et", p), maxTemplates)
		if err != nil {
			return err
		}
		sts, err := count(tx, within("st", p), maxTemplates)
		if err != nil {
			return err
		}
		if ets+sts >= maxTemplates {
			return overQuota("templates", maxTemplates)
		}
		if err := w.put(tx); err != nil {
			return err
		}
		if err := s.keepGrant(tx, pledged); err != nil {
			return err
		}
		return putTags(tx, rec.Resource, tags)
	})
}

// free is nil unless there is a record. It answers a name that is taken before anything is done
// for it.
func (s *Service) free(ctx context.Context, k []byte, there error) error {
	return s.db.View(ctx, func(r store.Reader) error { return absent(r, k, there) })
}

func (s *Service) getTemplate(ctx context.Context, f *family, name *string) (*template, error) {
	rec, err := get[template](ctx, s, key(f.template, here(ctx), wire.Val(name)))
	if err != nil {
		return nil, known(err, notFound(f.word, wire.Val(name)))
	}
	return &rec.V, nil
}

// listTemplates lists all templates. What is sealed under a key that cannot be used is left out.
func (s *Service) listTemplates(ctx context.Context, f *family, max *int32, token *string) ([]*template, *string, error) {
	p := here(ctx)
	items, next, err := list[template](ctx, s, within(f.template, p), page{p.scope(f.word), token, max}, nil)
	if err == nil {
		err = reveal(ctx, s, items)
	}
	return values(items), next, err
}

// values returns the resources of records.
func values[T any](items []*record[T]) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i].V
	}
	return out
}

func (s *Service) updateTemplate(ctx context.Context, f *family, name, display, description *string) (*template, error) {
	rec, err := edit[template]{
		key: key(f.template, here(ctx), wire.Val(name)), missing: notFound(f.word, wire.Val(name)),
		change: func(rec *record[template]) error {
			if display != nil {
				rec.V.DisplayName = display
			}
			if description != nil {
				rec.V.Description = description
			}
			rec.V.LastModifiedAt = s.at()
			return nil
		},
	}.apply(ctx, s)
	if err != nil {
		return nil, err
	}
	return &rec.V, nil
}

// deleteTemplate deletes a template that has no versions any more, and gives its grant back. A
// template whose key cannot be used is deleted like any other: nothing of it needs to be read.
func (s *Service) deleteTemplate(ctx context.Context, f *family, name *string) (*template, error) {
	p := here(ctx)
	k, missing := key(f.template, p, wire.Val(name)), notFound(f.word, wire.Val(name))
	rec, err := get[template](ctx, s, k)
	if unusable(err) {
		rec, err = plain[template](ctx, s, k)
	}
	if err != nil {
		return nil, known(err, missing)
	}
	err = s.update(ctx, func(tx store.Tx) error {
		if err := absentRecord(tx, k, missing); err != nil {
			return err
		}
		used, err := anyBelow(tx, within(f.version, p, *rec.V.Name))
		if err != nil {
			return err
		}
		if used {
			return conflict("The %s %s has versions. Delete them first.", f.word, *rec.V.Name)
		}
		if err := tx.Delete(key("ty", p, string(f.syncType), *rec.V.Name)); err != nil {
			return err
		}
		if err := s.dropGrant(tx, &rec.head, rec.V.Grant); err != nil {
			return err
		}
		if err := removeBelow(tx, within("ts", p, string(f.syncType), *rec.V.Name)); err != nil {
			return err
		}
		return removeResource(tx, k, rec.Resource)
	})
	if err != nil {
		return nil, err
	}
	s.releaseGrant(ctx, &rec.head, rec.V.Grant)
	return &rec.V, nil
}

// absentRecord is missing when there is no record.
func absentRecord(r store.Reader, k []byte, missing error) error {
	found, err := store.Exists(r, k)
	if err == nil && !found {
		return missing
	}
	return err
}

// removeResource deletes a record and the tags of its resource.
func removeResource(tx store.Tx, k []byte, arn string) error {
	if err := remove(tx, k); err != nil {
		return err
	}
	return tx.Delete(tagsKey(arn))
}
