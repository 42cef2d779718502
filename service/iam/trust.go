package iam

import (
	"errors"
	"maps"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/store"
)

// setTrust gives a role a trust policy. Every principal it names must exist; users and
// roles are bound to their unique ids, so that who is made later under the same name does not inherit
// the trust.
func (h *holder) setTrust(r store.Reader, text string) error {
	doc, err := checkText(text, policy.Trust, maxTrust, "ACLSizePerRole")
	if err != nil {
		return err
	}
	trusted := make(map[string]string)
	for _, ref := range doc.Principals() {
		if ref.Type != policy.PrincipalAWS || ref.Value == "*" {
			continue
		}
		id, err := trustee(r, ref.Value)
		if errors.Is(err, store.ErrNotFound) {
			return api.MalformedPolicyDocumentException("Invalid principal in policy: \"%s\":\"%s\"", ref.Type, ref.Value)
		}
		if err != nil {
			return err
		}
		if id != "" {
			trusted[ref.Value] = id
		}
	}
	h.Trust, h.Trusted = text, trusted
	return nil
}

// trustee returns the unique id of the user or role that a trust policy names; "" for an
// account, or for somebody who is named by unique id.
func trustee(r store.Reader, name string) (string, error) {
	if arn.ValidAccount(name) {
		_, err := r.Get([]byte(path(accountTag, name)))
		return "", err
	}
	if !arn.Is(name) { // a unique id
		_, _, err := holderByID(r, name)
		return "", err
	}
	a, err := arn.Parse(name)
	if err != nil {
		return "", store.ErrNotFound
	}
	k := kind(a.ResourceType())
	switch {
	case a.Service == "iam" && a.Resource == "root":
		_, err := r.Get([]byte(path(accountTag, a.Account)))
		return "", err
	case a.Service == "sts" && a.ResourceType() == "assumed-role":
		// A session has no unique id of its own; its role's is in it.
		role, _, _ := strings.Cut(a.ResourceID(), "/")
		return idOf(r, a.Account, roleKind, role)
	case a.Service == "iam" && (k == userKind || k == roleKind):
		id, err := idOf(r, a.Account, k, a.ResourceName())
		if err != nil {
			return "", err
		}
		h, err := read[holder](r, path(holderTag, a.Account, id))
		if err == nil && h.arn(a.Account) != name {
			return "", store.ErrNotFound
		}
		return id, err
	}
	return "", store.ErrNotFound
}

// trustText returns the trust policy of a role as answers carry it: who was renamed stands in
// it under his new name, and in place of who was deleted, and is trusted no more, stands the
// unique id he had.
func (h *holder) trustText(r store.Reader) (*string, error) {
	text := h.Trust
	for _, name := range slices.Sorted(maps.Keys(h.Trusted)) {
		id := h.Trusted[name]
		now := name
		account, trusted, err := holderByID(r, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			now = id
		case err != nil:
			return nil, err
		case !strings.Contains(name, ":assumed-role/"):
			now = trusted.arn(account)
		}
		text = strings.ReplaceAll(text, `"`+name+`"`, `"`+now+`"`)
	}
	return encoded(text), nil
}
