package proton

import (
	"errors"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// errChanged says that a record was changed between its reading and its writing.
var errChanged = errors.New("record was changed meanwhile")

func invalid(format string, args ...any) *wire.Error  { return api.ValidationException(format, args...) }
func conflict(format string, args ...any) *wire.Error { return api.ConflictException(format, args...) }

func notFound(what, name string) *wire.Error {
	return api.ResourceNotFoundException("The %s %s couldn't be found.", what, name)
}

func taken(what, name string) *wire.Error {
	return conflict("The %s %s already exists.", what, name)
}

func overQuota(what string, most int) *wire.Error {
	return api.ServiceQuotaExceededException("You have reached the maximum number of %s: %d.", what, most)
}

// storeError turns what the store says into what crosses the wire.
func storeError(err error) error {
	switch {
	case errors.Is(err, errChanged), errors.Is(err, store.ErrConflict):
		return conflict("The resource is being changed by another request.").WithCause(err)
	}
	return err
}

// known is err, or missing where a record was not there.
func known(err error, missing error) error {
	if errors.Is(err, store.ErrNotFound) {
		return missing
	}
	return err
}

// keyError is the error for data whose key does not open it. Proton says ValidationException
// whatever the reason (AWS Proton administrator guide, "Encryption at rest"); what KMS said stands in the
// message, because the key's owner must find out which of the things he can do has happened.
func keyError(resource string, err error) error {
	var e *wire.Error
	switch {
	case !errors.As(err, &e) || e.Fault:
		return err
	case e.Code == "ThrottlingException":
		return api.ThrottlingException("The KMS key of %s is used too often at present.", resource).WithCause(err)
	}
	return invalid("AWS Proton can't use the KMS key that protects %s: it is disabled, pending deletion or deleted, or its grant was retired or revoked (%s).", resource, e.Code).WithCause(err)
}

// locked reports whether err says that a key cannot be used, and not that something else is not valid.
func locked(err error) bool {
	var e, cause *wire.Error
	return errors.As(err, &e) && e.Code == "ValidationException" && errors.As(e.Cause, &cause)
}
