package iam

import (
	"slices"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/store"
)

// join puts a user into a group. Who is in it already stays.
func (h *holder) join(tx store.Tx, account string, group *holder) error {
	if slices.Contains(h.Groups, group.ID) {
		return nil
	}
	if len(h.Groups) >= maxGroups {
		return api.LimitExceededException("Cannot exceed quota for GroupsPerUser: %d", maxGroups)
	}
	h.Groups = append(h.Groups, group.ID)
	if err := tx.Put([]byte(path(memberTag, account, group.ID, h.ID)), nil); err != nil {
		return err
	}
	return h.save(tx, account)
}

// leave takes a user out of a group.
func (h *holder) leave(tx store.Tx, account string, group *holder) error {
	i := slices.Index(h.Groups, group.ID)
	if i < 0 {
		return api.NoSuchEntityException("User %s is not in group %s.", h.Name, group.Name)
	}
	h.Groups = slices.Delete(h.Groups, i, i+1)
	if err := tx.Delete([]byte(path(memberTag, account, group.ID, h.ID))); err != nil {
		return err
	}
	return h.save(tx, account)
}

// members returns the unique ids of the users in a group, in order.
func (h *holder) members(r store.Reader, account string) ([]string, error) {
	var ids []string
	err := keysUnder(r, under(memberTag, account, h.ID), func(id string) error {
		ids = append(ids, id)
		return nil
	})
	return ids, err
}
