package amp

import (
	"time"

	"github.com/strongroom/strongroom/store"
)

// The quotas of an account in a region ("Amazon Managed Service for Prometheus service quotas", User Guide), and their codes
// in Service Quotas.
const (
	maxWorkspaces = 1000
	maxScrapers   = 30
	maxDetectors  = 100 // of a workspace

	maxNamespaces = 100 // of rule groups, of a workspace

	// minInterval is the shortest interval of a rule group: one of our own, as AWS does not tell.
	minInterval = 5 * time.Second

	quotaNamespaces = "rule-group-namespaces-per-workspace"
	quotaRules      = "rules-per-workspace"
	quotaWorkspaces = "L-C13EFB7E"
	quotaScrapers   = "L-2D4E6A5B"
	quotaDetectors  = "anomaly-detectors-per-workspace"
)

// room returns the quota's error when no more resources fit below prefix.
func room(r store.Reader, prefix []byte, kind, id, code string, most int) error {
	n, err := count(r, prefix, most)
	if err == nil && n >= most {
		return overQuota(kind, id, code, "resources of this kind ("+kind+")", most)
	}
	return err
}
