package series

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/common/model"
	promdata "github.com/prometheus/prometheus/model/metadata"

	"github.com/strongroom/strongroom/seal"
)

// Limits of metadata: what is more is left out, as Prometheus does with what it has no room for.
const (
	maxMetrics  = 40_000 // with metadata
	maxVariants = 10     // of the metadata of one metric
	maxMetadata = 4 << 10
)

// entry is the metadata of a metric.
type entry struct {
	Metric string
	promdata.Metadata
}

func (e entry) encode(dst []byte) []byte {
	dst = append(dst, metadataType)
	for _, s := range []string{e.Metric, string(e.Type), e.Unit, e.Help} {
		dst = appendText(dst, s)
	}
	return dst
}

// appendText appends a text with its length before it.
func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// cutText returns the text at the beginning of a record, and what follows it.
func cutText(rec []byte) (string, []byte, error) {
	n, size := binary.Uvarint(rec)
	if size <= 0 || n > uint64(len(rec)-size) {
		return "", nil, fmt.Errorf("%w: text in a record", seal.ErrCorrupt)
	}
	end := size + int(n)
	return string(rec[size:end]), rec[end:], nil
}

func decodeEntry(rec []byte) (e entry, err error) {
	var parts [4]string
	rec = rec[1:]
	for i := range parts {
		if parts[i], rec, err = cutText(rec); err != nil {
			return e, err
		}
	}
	return entry{parts[0], promdata.Metadata{Type: model.MetricType(parts[1]), Unit: parts[2], Help: parts[3]}}, nil
}

// metadata is what is known of metrics beside their samples.
type metadata struct {
	mu      sync.RWMutex
	metrics map[string][]promdata.Metadata
}

func newMetadata() *metadata { return &metadata{metrics: map[string][]promdata.Metadata{}} }

// wants reports whether e says something new that there is room for.
func (m *metadata) wants(e entry) bool {
	if e.Metric == "" || e.Metadata == (promdata.Metadata{}) || len(e.Metric)+len(e.Unit)+len(e.Help) > maxMetadata {
		return false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	known, ok := m.metrics[e.Metric]
	return !slices.Contains(known, e.Metadata) && len(known) < maxVariants && (ok || len(m.metrics) < maxMetrics)
}

func (m *metadata) put(e entry) {
	if !m.wants(e) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.metrics[e.Metric] = append(m.metrics[e.Metric], e.Metadata)
}

func (m *metadata) all() []entry {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var list []entry
	for name, variants := range m.metrics {
		for _, v := range variants {
			list = append(list, entry{name, v})
		}
	}
	slices.SortStableFunc(list, func(a, b entry) int { return cmp.Compare(a.Metric, b.Metric) })
	return list
}

// Metadata returns what is known of the metrics of the workspace, or of one of them when metric is not "".
func (db *DB) Metadata(metric string) map[string][]promdata.Metadata {
	db.metadata.mu.RLock()
	defer db.metadata.mu.RUnlock()
	found := map[string][]promdata.Metadata{}
	for name, variants := range db.metadata.metrics {
		if metric == "" || metric == name {
			found[name] = slices.Clone(variants)
		}
	}
	return found
}
