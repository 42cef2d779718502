package iam

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// versionID returns the name of a version: "v1".
func versionID(n int) string { return "v" + strconv.Itoa(n) }

// policyAt reads the managed policy of the account with an ARN.
func policyAt(r store.Reader, account, arn string) (*managed, error) {
	name, ok := policyName(account, arn)
	if !ok {
		return nil, noSuchPolicy(arn)
	}
	m, err := read[managed](r, path(policyTag, account, name))
	if err != nil {
		return nil, missing(err, noSuchPolicy(arn))
	}
	if m.arn(account) != arn { // the same name under another path
		return nil, noSuchPolicy(arn)
	}
	return m, nil
}

// lookUp reads a managed policy of the account, or of AWS. of is the account it belongs to.
func lookUp(r store.Reader, account, arn string) (m *managed, of string, err error) {
	if a := awsManaged(arn); a != nil {
		return &a.managed, awsAccount, nil
	}
	m, err = policyAt(r, account, arn)
	return m, account, err
}

// attachable reads a managed policy that is to be attached.
func attachable(r store.Reader, account, arn string) (*managed, error) {
	m, _, err := lookUp(r, account, arn)
	if wire.IsCode(err, "NoSuchEntity") {
		return nil, notAttachable(arn)
	}
	return m, err
}

// text returns the text of a version.
func (m *managed) text(r store.Reader, account string, number int) (string, error) {
	if a := awsManaged(m.arn(account)); a != nil {
		return a.text, nil
	}
	text, err := r.Get([]byte(path(versionTag, account, fold(m.Name), versionID(number))))
	return string(text), err
}

// version returns the version with a name, or NoSuchEntity.
func (m *managed) version(account, id string) (version, error) {
	for _, v := range m.Versions {
		if versionID(v.Number) == id {
			return v, nil
		}
	}
	return version{}, api.NoSuchEntityException("Policy %s version %s does not exist or is not attachable.", m.arn(account), id)
}

func (m *managed) save(tx store.Tx, account string) error {
	return write(tx, path(policyTag, account, fold(m.Name)), m)
}

// make writes a policy that is new, with its first version.
func (m *managed) make(tx store.Tx, account, text string) error {
	switch _, err := tx.Get([]byte(path(policyTag, account, fold(m.Name)))); {
	case err == nil:
		return api.EntityAlreadyExistsException("A policy called %s already exists. Duplicate names are not allowed.", m.Name)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if err := add(tx, account, policyKind, 1); err != nil {
		return err
	}
	_, err := m.addVersion(tx, account, text, true)
	return err
}

// addVersion gives m a new version.
func (m *managed) addVersion(tx store.Tx, account, text string, isDefault bool) (version, error) {
	if len(m.Versions) >= maxVersions {
		return version{}, api.LimitExceededException("A managed policy can have up to %d versions. "+
			"Before you create a new version, you must delete an existing version.", maxVersions)
	}
	m.Last++
	v := version{Number: m.Last, Created: now()}
	m.Versions = append(m.Versions, v)
	m.Updated = v.Created
	if isDefault {
		m.Default = v.Number
	}
	if err := tx.Put([]byte(path(versionTag, account, fold(m.Name), versionID(v.Number))), []byte(text)); err != nil {
		return version{}, err
	}
	return v, m.save(tx, account)
}

// dropVersion deletes a version that is not the default.
func (m *managed) dropVersion(tx store.Tx, account, id string) error {
	v, err := m.version(account, id)
	if err != nil {
		return err
	}
	if v.Number == m.Default {
		return api.DeleteConflictException("Cannot delete the default version of a policy.")
	}
	m.Versions = slices.DeleteFunc(m.Versions, func(w version) bool { return w.Number == v.Number })
	if err := tx.Delete([]byte(path(versionTag, account, fold(m.Name), id))); err != nil {
		return err
	}
	return m.save(tx, account)
}

// remove deletes a policy that nobody uses and that has one version.
func (m *managed) remove(tx store.Tx, account string) error {
	used, err := uses(tx, account, m.arn(account))
	switch {
	case err != nil:
		return err
	case len(used) > 0:
		return api.DeleteConflictException("Cannot delete a policy attached to entities.")
	case len(m.Versions) > 1:
		return api.DeleteConflictException("This policy has more than one version. Before you delete a policy, " +
			"you must delete the policy's versions. The default version is deleted with the policy.")
	}
	if err := tx.Delete([]byte(path(versionTag, account, fold(m.Name), versionID(m.Default)))); err != nil {
		return err
	}
	if err := tx.Delete([]byte(path(policyTag, account, fold(m.Name)))); err != nil {
		return err
	}
	return add(tx, account, policyKind, -1)
}

// usage is one use of a managed policy.
type usage struct {
	how string // asPolicy or asBoundary
	by  kind
	id  string
}

// uses returns who in the account uses a managed policy.
func uses(r store.Reader, account, arn string) ([]usage, error) {
	var list []usage
	err := keysUnder(r, under(usedTag, account, arn), func(rest string) error {
		p := strings.Split(rest, sep)
		list = append(list, usage{how: p[0], by: kind(p[1]), id: p[2]})
		return nil
	})
	return list, err
}

// checkText parses a policy that a caller gives, and holds it against a quota of characters
// (white space does not count).
func checkText(text string, as policy.Kind, limit int, quotaName string) (*policy.Document, error) {
	doc, err := policy.Parse([]byte(text), as)
	if err != nil {
		return nil, malformed(err)
	}
	if doc.SizeWithoutSpace() > limit {
		return nil, api.LimitExceededException("Cannot exceed quota for %s: %d", quotaName, limit)
	}
	return doc, nil
}

// putInline gives h an inline policy, in place of the one of that name.
func (h *holder) putInline(tx store.Tx, account, name, text string) error {
	doc, err := policy.Parse([]byte(text), policy.Identity)
	if err != nil {
		return malformed(err)
	}
	others, err := inlineOf(tx, account, h)
	if err != nil {
		return err
	}
	total := doc.SizeWithoutSpace()
	for _, other := range others {
		if other.Name() != string(h.Kind)+"_"+h.Name+"_"+name {
			total += other.SizeWithoutSpace()
		}
	}
	if limit := inlineQuotas[h.Kind]; total > limit {
		return api.LimitExceededException("Maximum policy size of %d bytes exceeded for %s %s", limit, h.Kind, h.Name)
	}
	return tx.Put([]byte(path(inlineTag, account, h.ID, name)), []byte(text))
}

// inline returns the text of an inline policy of h.
func (h *holder) inline(r store.Reader, account, name string) (string, error) {
	text, err := r.Get([]byte(path(inlineTag, account, h.ID, name)))
	return string(text), missing(err, api.NoSuchEntityException("The %s policy with name %s cannot be found.", h.Kind, name))
}

// dropInline deletes an inline policy of h.
func (h *holder) dropInline(tx store.Tx, account, name string) error {
	if _, err := h.inline(tx, account, name); err != nil {
		return err
	}
	return tx.Delete([]byte(path(inlineTag, account, h.ID, name)))
}

// inlineNames returns the names of the inline policies of h, in order.
func (h *holder) inlineNames(r store.Reader, account string) ([]string, error) {
	var names []string
	err := keysUnder(r, under(inlineTag, account, h.ID), func(name string) error {
		names = append(names, name)
		return nil
	})
	return names, err
}
