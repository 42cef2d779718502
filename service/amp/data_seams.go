package amp

import (
	"context"
	"net/http"

	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service/amp/prom"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/raw"
)

// rulesOf returns the rules of a workspace and their alerts; nil for none.
func (s *Service) rulesOf(context.Context, tenant.ID) prom.Rules { return nil }

// askAlertManager lets the alert manager of a workspace answer.
func (s *Service) askAlertManager(context.Context, tenant.ID, *raw.Input, string) (*raw.Output, error) {
	return nil, wire.Errorf("ResourceNotFoundException", http.StatusNotFound, "The Alertmanager is not configured.")
}

// sharingPolicy returns the resource policy of a workspace, or nil where it has none.
func (s *Service) sharingPolicy(store.Reader, tenant.ID) (*policy.Document, error) { return nil, nil }
