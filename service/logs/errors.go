package logs

import (
	"errors"
	"net/http"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// errChanged says that what a writing stands on has changed since it was read.
var errChanged = errors.New("group was changed meanwhile")

func invalid(format string, args ...any) *wire.Error {
	return api.InvalidParameterException(format, args...)
}

func noGroup() *wire.Error {
	return api.ResourceNotFoundException("The specified log group does not exist.")
}

func noStream() *wire.Error {
	return api.ResourceNotFoundException("The specified log stream does not exist.")
}

// storeError turns what the store says into what crosses the wire.
func storeError(err error) error {
	if errors.Is(err, errChanged) || errors.Is(err, store.ErrConflict) {
		return api.OperationAbortedException("A conflicting operation is currently in progress against this resource. Please try again.").WithCause(err)
	}
	return err
}

// known is err, or missing where a record was not there.
func known(err, missing error) error {
	if errors.Is(err, store.ErrNotFound) {
		return missing
	}
	return err
}

// keyError is the error for events whose key does not open them, or does not seal new ones: what AWS says of a key that the service may
// not use, with the code of KMS behind it, because the key's owner must find out what has happened.
func keyError(group string, err error) error {
	var e *wire.Error
	switch {
	case !errors.As(err, &e) || e.Fault:
		return err
	case e.Code == "ThrottlingException":
		return wire.Errorf("ThrottlingException", http.StatusBadRequest, "The KMS key of %s is used too often at present.", group).WithCause(err)
	}
	return notAllowed(group, e).WithCause(err)
}

func notAllowed(group string, e *wire.Error) *wire.Error {
	return api.AccessDeniedException("The specified KMS key does not exist or is not allowed to be used with Arn '%s' (%s)", group, e.Code)
}

// chosenKeyError is the error for a key that a group is to have. One that is not there or cannot be used at all is an
// InvalidParameterException (AssociateKmsKey, API reference).
func chosenKeyError(group, key string, err error) error {
	var e *wire.Error
	if errors.As(err, &e) {
		switch e.Code {
		case "NotFoundException", "DisabledException", "KMSInvalidStateException", "InvalidKeyUsageException", "InvalidArnException":
			return invalid("The KMS key %s does not exist, is disabled or cannot be used (%s).", key, e.Code).WithCause(err)
		}
	}
	return keyError(group, err)
}

func tagError(err error) error {
	switch {
	case errors.Is(err, resource.ErrTooManyTags):
		return api.TooManyTagsException(nil, "%v", err)
	case errors.Is(err, resource.ErrTag):
		return invalid("%v", err)
	}
	return err
}
