package cluster

import (
	"net/url"
	"strings"

	"github.com/prometheus/common/model"
)

// Where both have the same ("HTTP API" of Cortex and of Grafana Mimir, with the default prefixes).
const (
	pushPath       = "/api/v1/push"
	prometheusPath = "/prometheus/api/v1/"
	alertsPath     = "/alertmanager/api/v2/"
	definitionPath = "/api/v1/alerts"
	settingsPath   = "/runtime_config"
)

// places are where each kind has what both have in different places.
type places struct{ otlp, rules, remove, removed string }

var placesOf = map[Kind]places{
	Cortex: {"/api/v1/otlp/v1/metrics", "/api/v1/rules", "/purger/delete_tenant", "/purger/delete_tenant_status"},
	Mimir:  {"/otlp/v1/metrics", "/prometheus/config/v1/rules", "/compactor/delete_tenant", "/compactor/delete_tenant_status"},
}

// known are the paths of Prometheus's API that are the cluster's to answer.
var known = map[string]bool{
	"query": true, "query_range": true, "query_exemplars": true, "series": true, "labels": true, "read": true, "metadata": true,
	"rules": true, "alerts": true,
}

// prometheusAPI returns where the cluster answers a path of Prometheus's API, or "".
func (c *Cluster) prometheusAPI(path string) string {
	switch path {
	case "remote_write", "write":
		return pushPath
	case "otlp/v1/metrics":
		return placesOf[c.kind].otlp
	}
	if known[path] {
		return prometheusPath + path
	}
	if name, ok := strings.CutPrefix(path, "label/"); ok {
		if name, ok = strings.CutSuffix(name, "/values"); ok && name != "" && model.UTF8Validation.IsValidLabelName(name) {
			// Names beyond the legacy ones go as Prometheus's clients escape them: no letter of such a name has a meaning in a path.
			return prometheusPath + "label/" + url.PathEscape(model.EscapeName(name, model.ValueEncodingEscaping)) + "/values"
		}
	}
	return ""
}

// managing are the paths of Alertmanager's API.
var managing = map[string]bool{"alerts": true, "alerts/groups": true, "receivers": true, "silences": true, "status": true}

// alertmanagerAPI returns where the cluster answers a path of Alertmanager's API, which begins with api/v2/, or "".
func (c *Cluster) alertmanagerAPI(path string) string {
	path, ok := strings.CutPrefix(path, "api/v2/")
	if !ok {
		return ""
	}
	if id, ok := strings.CutPrefix(path, "silence/"); managing[path] || ok && plainName(id) {
		return alertsPath + path
	}
	return ""
}

// plainName reports whether a name has nothing in it that means something in a path.
func plainName(name string) bool {
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		default:
			return false
		}
	}
	return name != "" && len(name) <= 128
}
