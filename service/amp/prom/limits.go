package prom

import (
	"sync"
	"time"
)

// Limits bound what a workspace takes and answers. 0 is no limit. The names in quotes are the quotas of Amazon Managed
// Service for Prometheus.
type Limits struct {
	IngestionRate     float64       // "Ingestion rate per workspace": samples a second
	IngestionBurst    int64         // "Ingestion burst size per workspace": samples
	RequestSize       int64         // "Request size": bytes of a write, decompressed
	LabelsPerSeries   int           // "Labels per metric series"
	LabelSize         int           // "Label size": bytes of all names and values of a series together
	LabelNameLength   int           // bytes of one name
	LabelValueLength  int           // bytes of one value
	MetadataLength    int           // "Metadata length": bytes; what is longer is left out
	QuerySamples      int64         // "Query samples": that one query reads
	QuerySeries       int64         // "Query series fetched"
	QueryChunks       int64         // "Query chunks fetched", from blocks
	QueryBytes        int64         // "Query bytes for range queries": of chunks from blocks, for each 24 hours of the range
	QueryRange        time.Duration // "Query time range in days"
	QueryTime         time.Duration // that one query may take
	ConcurrentQueries int           // that are under way or wait
	QueryRate         float64       // "QueryMetrics API operations per workspace": requests a second
	WriteRate         float64       // "RemoteWrite API operations per workspace": requests a second
	OtherRate         float64       // all other requests a second
}

// bucket lets rate units through a second, and burst at once.
type bucket struct {
	mu   sync.Mutex
	have float64
	last time.Time
}

// fill adds what has come in since the last time. b.mu is held.
func (b *bucket) fill(now time.Time, rate, burst float64) {
	if b.last.IsZero() {
		b.have = burst
	} else if d := now.Sub(b.last).Seconds(); d > 0 {
		b.have += d * rate
	}
	b.have, b.last = min(b.have, burst), now
}

// empty reports whether nothing at all can be taken now.
func (b *bucket) empty(now time.Time, rate, burst float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now, rate, burst)
	return b.have < 1
}

// take takes n, or nothing.
func (b *bucket) take(now time.Time, n int, rate, burst float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now, rate, burst)
	if float64(n) > b.have {
		return false
	}
	b.have -= float64(n)
	return true
}

// give gives back what was taken and not used.
func (b *bucket) give(n int, burst float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.have = min(b.have+float64(n), burst)
}
