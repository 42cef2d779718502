package iam

import (
	"errors"
	"net/http"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// quota is the most that an account may have of something (IAM user guide, "IAM and AWS
// STS quotas").
type quota struct {
	name string
	max  int
}

var quotas = map[kind]quota{
	userKind:   {"UsersPerAccount", 5000},
	groupKind:  {"GroupsPerAccount", 300},
	roleKind:   {"RolesPerAccount", 1000},
	policyKind: {"PoliciesPerAccount", 1500},
}

// The other quotas.
const (
	maxKeys     = 2    // of a user
	maxGroups   = 10   // of a user
	maxAttached = 10   // to a user, group or role
	maxVersions = 5    // of a managed policy
	maxDevices  = 8    // of a user
	maxManaged  = 6144 // characters of a managed policy
	maxTrust    = 2048 // characters of a trust policy
)

// inlineQuotas are the characters that all inline policies of one holder may have together.
var inlineQuotas = map[kind]int{userKind: 2048, groupKind: 5120, roleKind: 10240}

func invalid(format string, args ...any) *wire.Error {
	return api.ValidationErrorException(format, args...)
}

func noSuch(k kind, name string) *wire.Error {
	return api.NoSuchEntityException("The %s with name %s cannot be found.", k, name)
}

func noSuchPolicy(arn string) *wire.Error {
	return api.NoSuchEntityException("Policy %s was not found.", arn)
}

func notAttachable(arn string) *wire.Error {
	return api.NoSuchEntityException("Policy %s does not exist or is not attachable.", arn)
}

func noSuchKey(id string) *wire.Error {
	return api.NoSuchEntityException("The Access Key with id %s cannot be found.", id)
}

func exists(k kind, name string) *wire.Error {
	return api.EntityAlreadyExistsException("%s with name %s already exists.", title(k), name)
}

// title returns the word for a kind as it begins a sentence.
func title(k kind) string { return string(k[0]-'a'+'A') + string(k[1:]) }

// gone is the refusal of a caller who was removed while the call was under way.
func gone() *wire.Error {
	return wire.Errorf("InvalidClientTokenId", http.StatusForbidden, "The security token included in the request is invalid.")
}

// missing turns a record that is not there into the modelled error.
func missing(err error, modelled *wire.Error) error {
	if errors.Is(err, store.ErrNotFound) {
		return modelled
	}
	return err
}

// malformed returns the answer to a text that is not a policy.
func malformed(err error) error {
	var syntax *policy.SyntaxError
	if errors.As(err, &syntax) {
		return api.MalformedPolicyDocumentException("%s", syntax.Message)
	}
	return err
}

// badTags returns the answer to tags that break the rules.
func badTags(err error) error {
	switch {
	case errors.Is(err, resource.ErrTooManyTags):
		return api.LimitExceededException("The number of tags has reached the maximum limit: %d", resource.MaxTags)
	case errors.Is(err, resource.ErrTag):
		return api.InvalidInputException("%v", err)
	}
	return err
}
