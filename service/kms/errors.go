package kms

import (
	"errors"
	"fmt"
	"net/http"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/wire"
)

// errTarget says that a handler runs without the target that was authorized. It is a fault of ours.
var errTarget = errors.New("call has no authorized key")

// invalid is the error for an input that the model allows and the service does not.
func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("ValidationException", http.StatusBadRequest, format, args...)
}

// denied is a refusal in words of its own.
func denied(format string, args ...any) *wire.Error {
	return wire.Errorf("AccessDeniedException", http.StatusBadRequest, format, args...)
}

// notAuthorized is what AWS says of names it keeps for itself.
func notAuthorized() *wire.Error {
	return &wire.Error{Code: "NotAuthorizedException", Status: http.StatusBadRequest}
}

// foreign is the refusal for a resource of another account. It says the same whether the
// resource is there or not.
func foreign(c *call.Call, action, resource string) *wire.Error {
	return denied("User: %s is not authorized to perform: %s on resource: %s because the resource does not exist in this Region, "+
		"no resource-based policies allow access, or a resource-based policy explicitly denies access", caller(c), action, resource)
}

// undecryptable is the refusal for a ciphertext under a key that is not the caller's to see,
// or under none at all.
func undecryptable() *wire.Error {
	return denied("The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
}

func caller(c *call.Call) string {
	if c.Principal.Kind == identity.Service {
		return c.Principal.Name
	}
	return c.Principal.ARN
}

func badCiphertext() *wire.Error { return api.InvalidCiphertextException("") }

func incorrectKey() *wire.Error {
	return api.IncorrectKeyException("The key ID in the request does not identify a CMK that can perform this operation.")
}

func noSuchKey(arn string) *wire.Error { return api.NotFoundException("Key '%s' does not exist", arn) }

func noSuchAlias(arn string) *wire.Error { return api.NotFoundException("Alias %s is not found.", arn) }

func badKeyID(id string) *wire.Error { return api.NotFoundException("Invalid keyId '%s'", id) }

func noSuchGrant(id string) *wire.Error { return api.NotFoundException("Grant ID %s not found", id) }

func dryRun() *wire.Error {
	return api.DryRunOperationException("The request would have succeeded, but the DryRun option is set.")
}

// internal wraps a fault of ours for the operator's log.
func internal(format string, args ...any) error { return fmt.Errorf("kms: "+format, args...) }

func notFoundARN(what string) *wire.Error { return api.NotFoundException("Invalid arn %s", what) }
