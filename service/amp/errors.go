package amp

import (
	"errors"
	"net/http"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// invalid is the error for an input that the model allows and the service does not. field is the member that is
// wrong, or "".
func invalid(field, format string, args ...any) *wire.Error {
	d := &api.ValidationExceptionDetail{Reason: api.ValidationExceptionReasonOther}
	e := api.ValidationException(d, format, args...)
	if field != "" {
		d.Reason = api.ValidationExceptionReasonFieldValidationFailed
		d.FieldList = []api.ValidationExceptionField{{Name: &field, Message: &e.Message}}
	}
	return e
}

func conflict(kind, id, format string, args ...any) *wire.Error {
	return api.ConflictException(&api.ConflictExceptionDetail{ResourceId: &id, ResourceType: &kind}, format, args...)
}

func notFound(kind, id string) *wire.Error {
	return api.ResourceNotFoundException(&api.ResourceNotFoundExceptionDetail{ResourceId: &id, ResourceType: &kind}, "%s not found: %s", title(kind), id)
}

// title is a kind of resource as messages name it.
func title(kind string) string {
	switch kind {
	case kindRules:
		return "RuleGroupsNamespace"
	case kindDetector:
		return "AnomalyDetector"
	case kindScraper:
		return "Scraper"
	case kindDefinition:
		return "AlertManagerDefinition"
	case kindWorkspace:
		return "Workspace"
	}
	return kind
}

func overQuota(kind, id, code, what string, most int) *wire.Error {
	service := "aps"
	return api.ServiceQuotaExceededException(&api.ServiceQuotaExceededExceptionDetail{
		ResourceId: &id, ResourceType: &kind, ServiceCode: &service, QuotaCode: &code,
	}, "You have reached the quota of %s: %d.", what, most)
}

// storeError turns what the store says into what crosses the wire.
func storeError(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return conflict("request", "", "The resource is being changed by another request.").WithCause(err)
	}
	return err
}

// keyRefused is the answer for a key that its owner's request cannot use.
func keyRefused(key string, err error) error {
	var e *wire.Error
	switch {
	case !errors.As(err, &e) || e.Fault:
		return err
	case e.Code == "AccessDeniedException":
		return &wire.Error{Code: e.Code, Status: http.StatusForbidden, Message: e.Message}
	case e.Code == "ThrottlingException":
		return api.ThrottlingException(&api.ThrottlingExceptionDetail{}, "The KMS key %s is used too often at present.", key).WithCause(err)
	}
	return invalid("kmsKeyArn", "The KMS key %s can't be used: %s: %s", key, e.Code, e.Message).WithCause(err)
}

// tenantError turns what package tenant says of a workspace into what crosses the wire of the control plane. A key that cannot be
// used at present is a ConflictException, which says so: the request may be made again when it can.
func tenantError(id string, err error) error {
	var k *tenant.KeyError
	switch {
	case errors.As(err, &k):
		return conflict(kindWorkspace, id, "%s", k.Error()).WithCause(err)
	case errors.Is(err, tenant.ErrNoWorkspace):
		return notFound(kindWorkspace, id)
	}
	return err
}
