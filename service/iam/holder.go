package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// holderByID reads a holder and the account he is of.
func holderByID(r store.Reader, id string) (account string, h *holder, err error) {
	home, err := r.Get([]byte(path(homeTag, id)))
	if err != nil {
		return "", nil, err
	}
	h, err = read[holder](r, path(holderTag, string(home), id))
	return string(home), h, err
}

// idOf returns the unique id behind a name.
func idOf(r store.Reader, account string, k kind, name string) (string, error) {
	id, err := r.Get([]byte(path(nameTag, account, string(k), fold(name))))
	return string(id), err
}

// find reads the holder with a name, or answers NoSuchEntity.
func find(r store.Reader, account string, k kind, name string) (*holder, error) {
	if k == rootKind {
		return read[holder](r, path(holderTag, account, account))
	}
	id, err := idOf(r, account, k, name)
	if err != nil {
		return nil, missing(err, noSuch(k, name))
	}
	return read[holder](r, path(holderTag, account, id))
}

// make writes a holder who is new.
func (h *holder) make(tx store.Tx, account string) error {
	if _, err := tx.Get([]byte(path(homeTag, h.ID))); !errors.Is(err, store.ErrNotFound) {
		return errors.Join(err, fmt.Errorf("iam: a unique id was drawn twice"))
	}
	if h.Kind != rootKind {
		if err := h.takeName(tx, account); err != nil {
			return err
		}
		if err := add(tx, account, h.Kind, 1); err != nil {
			return err
		}
	}
	if h.Boundary != "" {
		if err := use(tx, account, h.Boundary, asBoundary, h); err != nil {
			return err
		}
	}
	if err := tx.Put([]byte(path(homeTag, h.ID)), []byte(account)); err != nil {
		return err
	}
	return h.save(tx, account)
}

// takeName gives the name of h to h, if nobody of its kind has it.
func (h *holder) takeName(tx store.Tx, account string) error {
	key := []byte(path(nameTag, account, string(h.Kind), fold(h.Name)))
	switch _, err := tx.Get(key); {
	case err == nil:
		return exists(h.Kind, h.Name)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	return tx.Put(key, []byte(h.ID))
}

// rename gives h another name and path; nil keeps what it has.
func (h *holder) rename(tx store.Tx, account string, name, newPath *string) error {
	if newPath != nil {
		h.Path = *newPath
	}
	if name != nil && *name != h.Name {
		old := path(nameTag, account, string(h.Kind), fold(h.Name))
		same := fold(*name) == fold(h.Name)
		h.Name = *name
		if !same {
			if err := h.takeName(tx, account); err != nil {
				return err
			}
			if err := tx.Delete([]byte(old)); err != nil {
				return err
			}
		}
	}
	return h.save(tx, account)
}

func (h *holder) save(tx store.Tx, account string) error {
	return write(tx, path(holderTag, account, h.ID), h)
}

// remove deletes h, who must hold nothing any more but a boundary.
func (h *holder) remove(tx store.Tx, account string) error {
	if err := h.bare(tx, account); err != nil {
		return err
	}
	if h.Boundary != "" {
		if err := tx.Delete([]byte(usePath(account, h.Boundary, asBoundary, h))); err != nil {
			return err
		}
	}
	for _, key := range []string{
		path(nameTag, account, string(h.Kind), fold(h.Name)), path(homeTag, h.ID), path(holderTag, account, h.ID),
	} {
		if err := tx.Delete([]byte(key)); err != nil {
			return err
		}
	}
	return add(tx, account, h.Kind, -1)
}

// bare returns DeleteConflict when h still holds something that must go before it.
func (h *holder) bare(r store.Reader, account string) error {
	what := ""
	switch {
	case len(h.Attached) > 0:
		what = "detach all policies"
	case len(h.Keys) > 0:
		what = "delete access keys"
	case len(h.Devices) > 0:
		what = "delete MFA device"
	case len(h.Groups) > 0:
		what = "remove users from group"
	}
	for tag, task := range map[string]string{inlineTag: "delete policies", memberTag: "remove users from group"} {
		some := store.Prefix(under(tag, account, h.ID))
		some.Limit, some.KeysOnly = 1, true
		for _, err := range r.Scan(some) {
			if err != nil {
				return err
			}
			what = task
		}
	}
	if what != "" {
		return api.DeleteConflictException("Cannot delete entity, must %s first.", what)
	}
	return nil
}

// How a holder uses a managed policy.
const (
	asPolicy   = "P" // attached
	asBoundary = "B" // as permissions boundary
)

// usePath is the record that says that h uses a managed policy.
func usePath(account, policyARN, how string, h *holder) string {
	return path(usedTag, account, policyARN, how, string(h.Kind), h.ID)
}

// use notes that h uses a managed policy, which must be there.
func use(tx store.Tx, account, policyARN, how string, h *holder) error {
	if _, err := attachable(tx, account, policyARN); err != nil {
		return err
	}
	return tx.Put([]byte(usePath(account, policyARN, how, h)), nil)
}

// attach gives h a managed policy. Giving it again changes nothing.
func (h *holder) attach(tx store.Tx, account, policyARN string) error {
	if slices.Contains(h.Attached, policyARN) {
		return nil
	}
	if err := use(tx, account, policyARN, asPolicy, h); err != nil {
		return err
	}
	if len(h.Attached) >= maxAttached {
		return api.LimitExceededException("Cannot exceed quota for PoliciesPer%s: %d", title(h.Kind), maxAttached)
	}
	h.Attached = append(h.Attached, policyARN)
	return h.save(tx, account)
}

// detach takes a managed policy from h.
func (h *holder) detach(tx store.Tx, account, policyARN string) error {
	i := slices.Index(h.Attached, policyARN)
	if i < 0 {
		return noSuchPolicy(policyARN)
	}
	h.Attached = slices.Delete(h.Attached, i, i+1)
	if err := tx.Delete([]byte(usePath(account, policyARN, asPolicy, h))); err != nil {
		return err
	}
	return h.save(tx, account)
}

// bound sets the permissions boundary of h; "" takes it away.
func (h *holder) bound(tx store.Tx, account, policyARN string) error {
	if h.Boundary != "" {
		if err := tx.Delete([]byte(usePath(account, h.Boundary, asBoundary, h))); err != nil {
			return err
		}
	}
	if policyARN != "" {
		if err := use(tx, account, policyARN, asBoundary, h); err != nil {
			return err
		}
	}
	h.Boundary = policyARN
	return h.save(tx, account)
}

// principalName takes the name of a user or role apart.
func principalName(s string) (account string, k kind, name string, ok bool) {
	a, err := arn.Parse(s)
	if err != nil || a.Service != "iam" || !arn.ValidAccount(a.Account) {
		return "", "", "", false
	}
	k = kind(a.ResourceType())
	return a.Account, k, a.ResourceName(), k == userKind || k == roleKind || k == groupKind
}

// policyName returns the folded name in the ARN of a policy of the account.
func policyName(account, s string) (string, bool) {
	rest, ok := strings.CutPrefix(s, arnOf(account, "policy/"))
	if !ok || strings.Contains(s, sep) {
		return "", false
	}
	name := fold(rest[strings.LastIndexByte(rest, '/')+1:])
	return name, name != ""
}

// pathOr returns the path that a caller gives, or the root.
func pathOr(p *string) string {
	if p == nil || *p == "" {
		return "/"
	}
	return *p
}

// tagsOf reads the tags that a caller sets on something new.
func tagsOf(list []api.Tag) (resource.Tags, error) { return merge(nil, list) }

// merge lays the tags that a caller sets over those that are there. Keys of tags of iam
// compare without letter case.
func merge(old resource.Tags, list []api.Tag) (resource.Tags, error) {
	changes := make(resource.Tags, len(list))
	seen := make(map[string]bool, len(list))
	kept := old
	for _, t := range list {
		key := wire.Val(t.Key)
		if seen[fold(key)] {
			return nil, api.InvalidInputException("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[fold(key)] = true
		changes[key] = wire.Val(t.Value)
		kept = without(kept, key)
	}
	merged, err := kept.Merge(changes)
	if err != nil {
		return nil, badTags(err)
	}
	if len(merged) == 0 {
		return nil, nil
	}
	return merged, nil
}

// without returns tags less a key, in whatever letter case.
func without(tags resource.Tags, key string) resource.Tags {
	for k := range tags {
		if strings.EqualFold(k, key) {
			tags = tags.Without([]string{k})
		}
	}
	return tags
}
