package prom

import (
	"encoding/binary"
	"math"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	promdata "github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
)

// decoder takes a remote write apart without making a thing of each label. It knows the form that senders use: fields that the
// message has, labels before samples, symbols before series. Whatever has another form, or is wrong, it leaves to
// upstream's handler, which says why: nothing has been appended by then.
type decoder struct {
	parts      []part
	samples    []sample
	histograms []native
	exemplars  []exemplar.Exemplar
	describes  bool // there is metadata, of version 1

	names    []byte   // of series that are not known, of version 2
	symbols  [][]byte // of version 2
	unfolded int      // what upstream would unfold the message to, see bomb
	builder  labels.ScratchBuilder
}

// part is one series of a request. Its samples, histograms and exemplars end at these places, and begin where those of
// the part before it end.
type part struct {
	name      []byte
	labels    labels.Labels
	ref       storage.SeriesRef
	news      bool // it has something that is not known of it
	described uint64

	samples, histograms, exemplars int
	metadata                       about
}

// about is the metadata of a series of version 2.
type about struct {
	kind       writev2.Metadata_MetricType
	help, unit []byte
}

// sample is a float with its time.
type sample struct {
	start, at int64
	value     float64
}

// native is a histogram with its time, of one kind or the other.
type native struct {
	start, at int64
	whole     *histogram.Histogram
	float     *histogram.FloatHistogram
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// done forgets all that was decoded, and keeps the room for it.
func (d *decoder) done() {
	clear(d.parts)
	clear(d.samples)
	clear(d.histograms)
	clear(d.exemplars)
	clear(d.symbols)
	clear(d.names)
	*d = decoder{parts: d.parts[:0], samples: d.samples[:0], histograms: d.histograms[:0], exemplars: d.exemplars[:0], symbols: d.symbols[:0], names: d.names[:0]}
	if cap(d.parts) <= 1<<16 && cap(d.samples) <= 1<<18 && cap(d.names) <= maxKept && cap(d.symbols) <= 1<<16 {
		decoders.Put(d)
	}
}

// message returns the message of which the length stands at the beginning of b, and what follows it.
func message(b []byte) (m, rest []byte, ok bool) {
	if len(b) > 0 && b[0] < 0x80 {
		if n := int(b[0]) + 1; n <= len(b) {
			return b[1:n], b[n:], true
		}
		return nil, nil, false
	}
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size : size+int(n)], b[size+int(n):], true
}

// Tags of protobuf fields: the number, and in the last three bits the wire type; 0 is that of a varint.
const (
	tagVarint1  = 1 << 3
	tagDouble1  = 1<<3 | 1
	tagMessage1 = 1<<3 | 2
	tagVarint2  = 2 << 3
	tagMessage2 = 2<<3 | 2
	tagVarint3  = 3 << 3
	tagMessage3 = 3<<3 | 2
	tagVarint4  = 4 << 3
	tagMessage4 = 4<<3 | 2
	tagMessage5 = 5<<3 | 2
)

// count counts what a part of a series would unfold to.
func (d *decoder) count(m []byte) {
	if len(m) < 8 {
		d.unfolded += partBytes
	} else {
		d.unfolded += 48
	}
}

// bomb says of the message what the function says.
func (d *decoder) bomb(body []byte) bool {
	return len(body) > smallBody && d.unfolded > maxUnfolded+6*len(body)
}

// first decodes a request of version 1, and reports whether it could. k.mu is held; k says nothing where it is nil.
func (d *decoder) first(body []byte, k *known) bool {
	guess := 0
	for len(body) > 0 {
		tag := body[0]
		m, rest, ok := message(body[1:])
		if !ok {
			return false
		}
		body = rest
		switch tag {
		case tagMessage1:
			d.unfolded += seriesBytes
			if guess, ok = d.series1(m, k, guess); !ok {
				return false
			}
		case tagMessage3:
			d.unfolded += symbolBytes
			d.describes = true
			var whole prompb.MetricMetadata
			if whole.Unmarshal(m) != nil {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// series1 decodes a series of version 1: labels, and then the rest.
func (d *decoder) series1(b []byte, k *known, guess int) (int, bool) {
	all := b
	for len(b) > 0 && b[0] == tagMessage1 {
		m, rest, ok := message(b[1:])
		if !ok {
			return 0, false
		}
		d.count(m)
		b = rest
	}
	p := part{name: all[:len(all)-len(b)]}
	guess, ok := d.recognize(&p, k, guess)
	if !ok {
		return 0, false
	}
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
			ok = d.sample(m, false)
		case tagMessage3:
			ok = d.exemplar1(m)
		case tagMessage4:
			ok = d.histogram1(m)
		default:
			ok = false
		}
		if !ok {
			return 0, false
		}
	}
	d.add(p)
	return guess, true
}

func (d *decoder) add(p part) {
	p.samples, p.histograms, p.exemplars = len(d.samples), len(d.histograms), len(d.exemplars)
	d.parts = append(d.parts, p)
}

// recognize finds the series of which the name is given, or reads its labels. It returns which entry to look at first for the
// next series.
func (d *decoder) recognize(p *part, k *known, guess int) (int, bool) {
	if k != nil {
		if n := k.find(p.name, guess); n >= 0 {
			e := &k.entries[n]
			p.name, p.labels, p.ref, p.described = e.name, e.labels, e.ref, e.described // the name of the entry stays
			return n + 1, true
		}
	}
	p.news = true
	var ok bool
	p.labels, ok = d.labels(p.name)
	return guess, ok
}

// maxLabel is what Prometheus's labels can hold of one name or value.
const maxLabel = 1 << 24

// labels reads a name. It reports whether the labels are those of a series.
func (d *decoder) labels(name []byte) (labels.Labels, bool) {
	d.builder.Reset()
	for len(name) > 0 {
		m, rest, ok := message(name[1:]) // the tag is known
		if !ok {
			return labels.Labels{}, false
		}
		name = rest
		var one [2]string // name and value
		for len(m) > 0 {
			which := 0
			switch m[0] {
			case tagMessage1:
			case tagMessage2:
				which = 1
			default:
				return labels.Labels{}, false
			}
			text, rest, ok := message(m[1:])
			if !ok || len(text) >= maxLabel {
				return labels.Labels{}, false
			}
			one[which], m = string(text), rest
		}
		d.builder.Add(one[0], one[1])
	}
	d.builder.Sort()
	ls := d.builder.Labels()
	if _, twice := ls.HasDuplicateLabelNames(); twice || !ls.Has(model.MetricNameLabel) || !ls.IsValid(model.UTF8Validation) {
		return labels.Labels{}, false
	}
	return ls, true
}

// sample decodes a float; only version 2 has the start.
func (d *decoder) sample(b []byte, hasStart bool) bool {
	var s sample
	for len(b) > 0 {
		switch tag := b[0]; {
		case tag == tagDouble1 && len(b) >= 9:
			s.value = math.Float64frombits(binary.LittleEndian.Uint64(b[1:]))
			b = b[9:]
		case tag == tagVarint2, tag == tagVarint3 && hasStart:
			v, n := binary.Uvarint(b[1:])
			if n <= 0 {
				return false
			}
			if tag == tagVarint2 {
				s.at = int64(v)
			} else {
				s.start = int64(v)
			}
			b = b[1+n:]
		default:
			return false
		}
	}
	d.samples = append(d.samples, s)
	return true
}

// histogram1 lets upstream's code decode a histogram.
func (d *decoder) histogram1(b []byte) bool {
	var h prompb.Histogram
	if h.Unmarshal(b) != nil {
		return false
	}
	if h.IsFloatHistogram() {
		d.histograms = append(d.histograms, native{0, h.Timestamp, nil, h.ToFloatHistogram()})
	} else {
		d.histograms = append(d.histograms, native{0, h.Timestamp, h.ToIntHistogram(), nil})
	}
	return true
}

// exemplar1 lets upstream's code decode an exemplar.
func (d *decoder) exemplar1(b []byte) bool {
	var e prompb.Exemplar
	if e.Unmarshal(b) != nil || hasLong(e.Labels) {
		return false
	}
	d.exemplars = append(d.exemplars, e.ToExemplar(&d.builder, nil))
	return true
}

func hasLong(list []prompb.Label) bool {
	for _, l := range list {
		if len(l.Name) >= maxLabel || len(l.Value) >= maxLabel {
			return true
		}
	}
	return false
}

// metadata returns what is said of a metric.
func (m *about) metadata() promdata.Metadata {
	return promdata.Metadata{Type: kindsOfMetric[m.kind], Unit: string(m.unit), Help: string(m.help)}
}
