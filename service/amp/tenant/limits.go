package tenant

import (
	"maps"
	"time"

	"github.com/strongroom/strongroom/service/amp/series"
)

// Limits are the quotas of a workspace, with the names and the default values of Amazon Managed Service for
// Prometheus ("Amazon Managed Service for Prometheus service quotas", User Guide). 0 is no limit.
type Limits struct {
	ActiveSeries          int64         // "Active series (metrics that have reported data in the past 2 hours) per workspace"
	SeriesPerMetric       int64         // "Active series per metric name"
	IngestionRate         float64       // "Ingestion rate per workspace", samples a second
	IngestionBurst        int64         // "Ingestion burst size per workspace", samples
	RequestSize           int64         // "Request size", bytes of a remote write, decompressed
	LabelSize             int           // "Label size": bytes of all names and values of a series together
	LabelsPerSeries       int           // "Labels per metric series"
	LabelNameLength       int           // of one label name
	LabelValueLength      int           // of one label value
	MetadataLength        int           // "Metadata length", bytes
	MetadataPerMetric     int           // "Metadata per metric"
	QuerySamples          int64         // "Query samples": that one query loads
	QuerySeries           int64         // "Query series fetched"
	QueryChunks           int64         // "Query chunks fetched"
	QueryRange            time.Duration // "Query time range in days"
	QueryBytes            int64         // "Query bytes for range queries"
	QueryTime             time.Duration // that one query may take
	ConcurrentQueries     int           // that run at the same moment
	QueryRate             float64       // "QueryMetrics API operations per workspace", a second
	WriteRate             float64       // "RemoteWrite API operations per workspace", a second
	OtherRate             float64       // other Prometheus-compatible operations, a second
	RuleGroupsFile        int64         // "Rule group namespace definition file size", bytes
	RulesPerWorkspace     int           // "Rules per workspace"
	RulesPerGroup         int           // "Rules per rule group"
	AlertManagerFile      int64         // "Alert manager definition file size", bytes
	AlertManagerRoutes    int           // "Nodes in alert manager routing tree"
	AlertManagerTemplates int           // "Templates in the alert manager definition file"
	InhibitionRules       int           // "Inhibition rules in the alert manager definition file"
	AlertsPerWorkspace    int           // "Alerts in Alert Manager"
	AlertPayload          int64         // "Alert payload size", bytes
	AggregationGroups     int           // "Alert aggregation groups"

	Retention  time.Duration // "Retention time for ingested data"
	OutOfOrder time.Duration // how far behind the newest sample of a series another may be
	RuleOffset time.Duration // how far back rules look, so that samples have come when they are asked for
	// PerLabelSet are the limits of the workspace's configuration.
	PerLabelSet []LabelSetLimit
}

// LabelSetLimit bounds the active series that have all of some labels. An empty set stands for the series that no
// other set fits.
type LabelSetLimit struct {
	Labels    map[string]string
	MaxSeries int64
}

func (l LabelSetLimit) equal(other LabelSetLimit) bool {
	return l.MaxSeries == other.MaxSeries && maps.Equal(l.Labels, other.Labels)
}

// perMetric is the limit of one metric where the limit of the workspace does not hold it anyway.
func (l *Limits) perMetric() int64 {
	if l.ActiveSeries > 0 && l.SeriesPerMetric >= l.ActiveSeries {
		return 0
	}
	return l.SeriesPerMetric
}

func (l *Limits) labelSets() (sets []series.LabelSet) {
	for _, s := range l.PerLabelSet {
		sets = append(sets, series.LabelSet(s))
	}
	return sets
}

// DefaultRetention is how long samples are kept where the workspace's configuration does not say.
const DefaultRetention = 150 * 24 * time.Hour

// DefaultOutOfOrder is how far samples may be behind where the workspace's configuration does not say ("Configure your workspace",
// User Guide).
const DefaultOutOfOrder = time.Minute

// DefaultLimits are the limits of a workspace of which nobody has said anything.
func DefaultLimits() Limits {
	return Limits{
		ActiveSeries: 50_000_000, SeriesPerMetric: 50_000_000, IngestionRate: 1_000_000, IngestionBurst: 10_000_000, RequestSize: 16 << 20,
		LabelSize: 7 << 10, LabelsPerSeries: 150, LabelNameLength: 1 << 10, LabelValueLength: 2 << 10, MetadataLength: 1 << 10, MetadataPerMetric: 10,
		QuerySamples: 50_000_000, QuerySeries: 12_000_000, QueryChunks: 20_000_000, QueryRange: 95 * 24 * time.Hour, QueryBytes: 5 << 30,
		QueryTime: 2 * time.Minute, ConcurrentQueries: 20, QueryRate: 300, WriteRate: 3000, OtherRate: 100,
		RuleGroupsFile: 1 << 20, RulesPerWorkspace: 2000, RulesPerGroup: 20, AlertManagerFile: 1 << 20, AlertManagerRoutes: 100,
		AlertManagerTemplates: 100, InhibitionRules: 100, AlertsPerWorkspace: 1000, AlertPayload: 20 << 20, AggregationGroups: 1000,
		Retention: DefaultRetention, OutOfOrder: DefaultOutOfOrder,
	}
}
