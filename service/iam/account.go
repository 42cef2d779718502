package iam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/store"
)

// ErrName says that a name does not do for an account.
var ErrName = errors.New("an account's name has 1 to 50 printable characters")

// ErrNoAdministrator says that the administrator an account was made with is no more, or
// has no active access key.
var ErrNoAdministrator = errors.New("the account's first administrator has no active access key")

// administratorName is the user that a new account has, and administratorPolicy what he may do.
const (
	administratorName   = "administrator"
	administratorPolicy = "arn:aws:iam::aws:policy/AdministratorAccess"
)

// Account is an account as the operator sees it.
type Account struct {
	ID      string // twelve digits
	Name    string
	Created time.Time
}

// CreateAccount makes an account with its root user and an administrator: a user who may do
// everything in it. His access key is returned; it lasts until it is deleted.
func (s *Service) CreateAccount(ctx context.Context, name string) (Account, *identity.Credential, error) {
	if n := utf8.RuneCountInString(name); n < 1 || n > 50 || !utf8.ValidString(name) {
		return Account{}, nil, ErrName
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return Account{}, nil, ErrName
		}
	}
	id, err := newAccountID()
	if err != nil {
		return Account{}, nil, err
	}
	admin := &holder{Kind: userKind, ID: newID(userKind), Name: administratorName, Path: "/", Created: now()}
	credential := &identity.Credential{AccessKeyID: newKeyID(), Secret: newSecret()}
	a := accountRecord{Name: name, Created: time.Now().UTC(), Admin: admin.ID}
	err = s.update(ctx, func(tx store.Tx) error {
		owner := *admin
		return makeAccount(tx, id, a, &owner, credential)
	})
	if err != nil {
		return Account{}, nil, err
	}
	if credential.Principal, err = s.Principal(ctx, credential.AccessKeyID, ""); err != nil {
		return Account{}, nil, err
	}
	return Account{ID: id, Name: name, Created: a.Created}, credential, nil
}

// makeAccount writes the records of a new account.
func makeAccount(tx store.Tx, id string, a accountRecord, admin *holder, credential *identity.Credential) error {
	if _, err := tx.Get([]byte(path(accountTag, id))); !errors.Is(err, store.ErrNotFound) {
		return errors.Join(err, errors.New("iam: an account id was drawn twice; try again"))
	}
	if err := write(tx, path(accountTag, id), a); err != nil {
		return err
	}
	root := &holder{Kind: rootKind, ID: id, Path: "/", Created: admin.Created}
	if err := root.make(tx, id); err != nil {
		return err
	}
	if err := admin.make(tx, id); err != nil {
		return err
	}
	if err := admin.attach(tx, id, administratorPolicy); err != nil {
		return err
	}
	return admin.addKey(tx, id, credential.AccessKeyID, credential.Secret)
}

// Accounts returns all accounts, the oldest first.
func (s *Service) Accounts(ctx context.Context) ([]Account, error) {
	var all []Account
	err := s.view(ctx, func(r store.Reader) error {
		all = nil
		prefix := under(accountTag)
		return keysUnder(r, prefix, func(id string) error {
			a, err := read[accountRecord](r, path(accountTag, id))
			if err == nil {
				all = append(all, Account{ID: id, Name: a.Name, Created: a.Created})
			}
			return err
		})
	})
	slices.SortStableFunc(all, func(a, b Account) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return all, err
}

// AdministratorKey returns the oldest active access key of the administrator that an account
// was made with, or ErrNoAdministrator.
func (s *Service) AdministratorKey(ctx context.Context, account string) (*identity.Credential, error) {
	var credential *identity.Credential
	err := s.view(ctx, func(r store.Reader) error {
		a, err := read[accountRecord](r, path(accountTag, account))
		if err != nil {
			return fmt.Errorf("iam: account %.12q: %w", account, err)
		}
		admin, err := read[holder](r, path(holderTag, account, a.Admin))
		if errors.Is(err, store.ErrNotFound) {
			return ErrNoAdministrator
		}
		if err != nil {
			return err
		}
		for _, id := range admin.Keys {
			k, err := read[accessKey](r, path(keyTag, id))
			if err != nil {
				return err
			}
			if k.Status == api.StatusTypeActive {
				credential = &identity.Credential{AccessKeyID: id, Secret: secret.FromString(k.Secret)}
				return nil
			}
		}
		return ErrNoAdministrator
	})
	if err != nil {
		return nil, err
	}
	credential.Principal, err = s.Principal(ctx, credential.AccessKeyID, "")
	return credential, err
}

// addKey gives h an access key.
func (h *holder) addKey(tx store.Tx, account, id string, secretKey secret.Bytes) error {
	if len(h.Keys) >= maxKeys {
		return api.LimitExceededException("Cannot exceed quota for AccessKeysPerUser: %d", maxKeys)
	}
	if _, err := tx.Get([]byte(path(keyTag, id))); !errors.Is(err, store.ErrNotFound) {
		return errors.Join(err, errors.New("iam: an access key id was drawn twice; try again"))
	}
	err := write(tx, path(keyTag, id), accessKey{
		Account: account, Owner: h.ID, Secret: string(secretKey.Reveal()), Status: api.StatusTypeActive, Created: now(),
	})
	if err != nil {
		return err
	}
	h.Keys = append(h.Keys, id)
	return h.save(tx, account)
}
