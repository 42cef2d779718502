package prom

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/prometheus/common/model"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// second decodes a request of version 2, and reports whether it could. k.mu is held; k says nothing where it is nil.
func (d *decoder) second(body []byte, k *known) bool {
	guess := 0
	for len(body) > 0 {
		tag := body[0]
		m, rest, ok := message(body[1:])
		if !ok {
			return false
		}
		body = rest
		switch {
		case tag == tagMessage4 && len(d.parts) == 0 && len(m) < maxLabel:
			d.unfolded += symbolBytes
			d.symbols = append(d.symbols, m)
		case tag == tagMessage5 && len(d.symbols) > 0:
			d.unfolded += seriesBytes
			if guess, ok = d.series2(m, k, guess); !ok {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// series2 decodes a series of version 2: labels, and then the rest.
func (d *decoder) series2(b []byte, k *known, guess int) (int, bool) {
	if len(b) == 0 || b[0] != tagMessage1 {
		return 0, false
	}
	refs, b, ok := message(b[1:])
	if !ok {
		return 0, false
	}
	d.count(refs)
	var p part
	at := len(d.names)
	if d.names, ok = d.name(d.names, refs); !ok {
		return 0, false
	}
	p.name = d.names[at:len(d.names):len(d.names)]
	if guess, ok = d.recognize(&p, k, guess); !ok {
		return 0, false
	}
	if !p.news {
		d.names = d.names[:at]
	}
	samples, histograms := len(d.samples), len(d.histograms)
	p.metadata = about{help: d.symbols[0], unit: d.symbols[0]}
	for len(b) > 0 {
		tag := b[0]
		m, rest, ok := message(b[1:])
		if !ok {
			return 0, false
		}
		d.count(m)
		b = rest
		switch tag {
		case tagMessage2:
			ok = d.sample(m, true)
		case tagMessage3:
			ok = d.histogram2(m)
		case tagMessage4:
			ok = d.exemplar2(m)
		case tagMessage5:
			ok = d.metadata2(m, &p.metadata)
		default:
			ok = false
		}
		if !ok {
			return 0, false
		}
	}
	if samples == len(d.samples) && histograms == len(d.histograms) {
		return 0, false // upstream says what it thinks of that
	}
	d.describe(&p, k)
	d.add(p)
	return guess, true
}

// describe notes whether there is metadata of a series that is not kept yet.
func (d *decoder) describe(p *part, k *known) {
	if k == nil {
		p.news = true
		return
	}
	h := maphash.Bytes(k.seed, p.metadata.help)*31 + maphash.Bytes(k.seed, p.metadata.unit)*7 + uint64(p.metadata.kind) + 1
	if h == p.described {
		p.metadata = about{}
	} else {
		p.described, p.news = h, true
	}
}

// name appends the labels that references stand for, in the encoding of version 1.
func (d *decoder) name(dst, refs []byte) ([]byte, bool) {
	if len(refs) == 0 {
		return dst, false
	}
	for len(refs) > 0 {
		var pair [2][]byte
		for i := range pair {
			v, n := uint64(0), 1
			if len(refs) > 0 && refs[0] < 0x80 {
				v = uint64(refs[0])
			} else if v, n = binary.Uvarint(refs); n <= 0 {
				return dst, false
			}
			if v >= uint64(len(d.symbols)) {
				return dst, false
			}
			pair[i], refs = d.symbols[v], refs[n:]
		}
		size := 2 + uvarintSize(len(pair[0])) + len(pair[0]) + uvarintSize(len(pair[1])) + len(pair[1])
		dst = binary.AppendUvarint(append(dst, tagMessage1), uint64(size))
		dst = binary.AppendUvarint(append(dst, tagMessage1), uint64(len(pair[0])))
		dst = append(dst, pair[0]...)
		dst = binary.AppendUvarint(append(dst, tagMessage2), uint64(len(pair[1])))
		dst = append(dst, pair[1]...)
	}
	return dst, true
}

func uvarintSize(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// histogram2 lets upstream's code decode a histogram.
func (d *decoder) histogram2(b []byte) bool {
	var h writev2.Histogram
	if h.Unmarshal(b) != nil {
		return false
	}
	if h.IsFloatHistogram() {
		d.histograms = append(d.histograms, native{h.StartTimestamp, h.Timestamp, nil, h.ToFloatHistogram()})
	} else {
		d.histograms = append(d.histograms, native{h.StartTimestamp, h.Timestamp, h.ToIntHistogram(), nil})
	}
	return true
}

// exemplar2 lets upstream's code decode an exemplar.
func (d *decoder) exemplar2(b []byte) bool {
	var e writev2.Exemplar
	if e.Unmarshal(b) != nil || len(e.LabelsRefs)%2 != 0 {
		return false
	}
	for _, ref := range e.LabelsRefs {
		if int(ref) >= len(d.symbols) {
			return false
		}
	}
	texts := make([]string, len(e.LabelsRefs)) // those that it needs, as symbols of its own
	for i, ref := range e.LabelsRefs {
		texts[i], e.LabelsRefs[i] = string(d.symbols[ref]), uint32(i)
	}
	made, err := e.ToExemplar(&d.builder, texts)
	if err != nil {
		return false
	}
	d.exemplars = append(d.exemplars, made)
	return true
}

// metadata2 decodes what is said of a metric. What is said twice counts the second time.
func (d *decoder) metadata2(b []byte, m *about) bool {
	for len(b) > 0 {
		tag := b[0]
		v, n := binary.Uvarint(b[1:])
		if n <= 0 {
			return false
		}
		b = b[1+n:]
		switch {
		case tag == tagVarint1 && v < uint64(len(kindsOfMetric)):
			m.kind = writev2.Metadata_MetricType(v)
		case tag == tagVarint3 && v < uint64(len(d.symbols)):
			m.help = d.symbols[v]
		case tag == tagVarint4 && v < uint64(len(d.symbols)):
			m.unit = d.symbols[v]
		default:
			return false
		}
	}
	return true
}

// kindsOfMetric are the types of metrics of version 2, as Prometheus names them.
var kindsOfMetric = [...]model.MetricType{
	writev2.Metadata_METRIC_TYPE_UNSPECIFIED:    model.MetricTypeUnknown,
	writev2.Metadata_METRIC_TYPE_COUNTER:        model.MetricTypeCounter,
	writev2.Metadata_METRIC_TYPE_GAUGE:          model.MetricTypeGauge,
	writev2.Metadata_METRIC_TYPE_HISTOGRAM:      model.MetricTypeHistogram,
	writev2.Metadata_METRIC_TYPE_GAUGEHISTOGRAM: model.MetricTypeGaugeHistogram,
	writev2.Metadata_METRIC_TYPE_SUMMARY:        model.MetricTypeSummary,
	writev2.Metadata_METRIC_TYPE_INFO:           model.MetricTypeInfo,
	writev2.Metadata_METRIC_TYPE_STATESET:       model.MetricTypeStateset,
}
