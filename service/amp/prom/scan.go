package prom

import (
	"encoding/binary"
	"errors"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
)

var errProto = errors.New("malformed protobuf message")

// field is one field of a protobuf message.
type field struct {
	number uint64
	kind   uint64 // wire type
	bytes  []byte // of a field of wire type 2
	varint uint64 // of a field of wire type 0
}

// next reads the first field of b and returns what follows it. It says errProto of what upstream's decoder refuses too.
func next(b []byte) (f field, rest []byte, err error) {
	key, n := binary.Uvarint(b)
	if n <= 0 {
		return f, nil, errProto
	}
	b, f.number, f.kind = b[n:], key>>3, key&7
	size := 0
	switch f.kind {
	case 0:
		f.varint, size = binary.Uvarint(b)
		if size <= 0 {
			return f, nil, errProto
		}
	case 1:
		size = 8
	case 5:
		size = 4
	case 2:
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return f, nil, errProto
		}
		f.bytes = b[n : n+int(length)]
		return f, b[n+int(length):], nil
	default:
		return f, nil, errProto
	}
	if size > len(b) {
		return f, nil, errProto
	}
	return f, b[size:], nil
}

// What a message becomes in memory, at most: a histogram of two bytes is a structure of hundreds.
const (
	seriesBytes = 128
	partBytes   = 320 // a sample, an exemplar, a histogram or a label
	symbolBytes = 16
	// A request may unfold to so much, and to six times its length besides: honest ones unfold to four times.
	maxUnfolded = 32 << 20
	// smallBody cannot unfold to more than that, whatever it holds.
	smallBody = maxUnfolded / (partBytes / 2)
)

// bomb reports whether a write request would unfold to more than it can be worth. series is the number of the field
// that holds the series: seriesV1 or seriesV2.
func bomb(body []byte, series uint64) bool {
	if len(body) <= smallBody {
		return false
	}
	total, most := 0, maxUnfolded+6*len(body)
	for len(body) > 0 {
		f, rest, err := next(body)
		if err != nil {
			return false // the decoder says so, at this same place
		}
		body = rest
		if f.number != series {
			total += symbolBytes
			continue
		}
		total += seriesBytes
		for inner := f.bytes; len(inner) > 0; {
			part, rest, err := next(inner)
			if err != nil {
				break
			}
			inner = rest
			if part.kind == 2 && len(part.bytes) < 8 {
				total += partBytes // whole ones are longer, and worth their structure
			} else {
				total += 48
			}
			if total > most {
				return true
			}
		}
	}
	return total > most
}

// exemplarsIn returns how many exemplars a request of version 2 holds, as far as it can be read.
func (w *write) exemplarsIn(body []byte) (n int) {
	if w.whole {
		return 0
	}
	_ = each(body, func(f field, _ []byte) error {
		if f.number != seriesV2 {
			return nil
		}
		return each(f.bytes, func(f field, _ []byte) error {
			if f.number == exemplarsV2 {
				n++
			}
			return nil
		})
	})
	return n
}

// metadataField is where a request of version 1 has the metadata of metrics, which upstream's handler leaves unread.
const metadataField = 3

// described calls yield with each metadata entry of a write request of version 1 until it returns false.
func described(body []byte) func(yield func(string, metadata.Metadata) bool) {
	return func(yield func(string, metadata.Metadata) bool) {
		for len(body) > 0 {
			f, rest, err := next(body)
			if err != nil {
				return
			}
			body = rest
			if f.number != metadataField || f.kind != 2 {
				continue
			}
			var m prompb.MetricMetadata
			if m.Unmarshal(f.bytes) != nil {
				return
			}
			if !yield(m.MetricFamilyName, metadata.Metadata{Type: typeOf(m.Type), Unit: m.Unit, Help: m.Help}) {
				return
			}
		}
	}
}

// typeOf returns a metric type as Prometheus names it. Both versions number them alike.
func typeOf(t prompb.MetricMetadata_MetricType) model.MetricType {
	if t < 0 || int(t) >= len(kindsOfMetric) {
		return model.MetricTypeUnknown
	}
	return kindsOfMetric[t]
}
