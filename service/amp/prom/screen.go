package prom

import (
	"encoding/binary"
	"fmt"

	"github.com/prometheus/common/model"
)

// measured is what the labels of a series come to. It is filled in one label at a time.
type measured struct {
	count, size int
	metric      string // the beginning of the metric's name
	broken      string // the first limit that a single label breaks
}

// measure adds a label to m.
func measure[T ~string | ~[]byte](m *measured, l *Limits, name, value T) {
	m.count++
	m.size += len(name) + len(value)
	if string(name) == model.MetricNameLabel {
		m.metric = cutText(string(value))
	}
	switch {
	case m.broken != "":
	case l.LabelNameLength > 0 && len(name) > l.LabelNameLength:
		m.broken = fmt.Sprintf("label name too long (actual: %d, limit: %d) label: '%s'", len(name), l.LabelNameLength, cutText(string(name)))
	case l.LabelValueLength > 0 && len(value) > l.LabelValueLength:
		m.broken = fmt.Sprintf("label value too long (actual: %d, limit: %d) label: '%s'", len(value), l.LabelValueLength, cutText(string(name)))
	}
}

// verdict says which limit the labels break, or nothing. Names and values do not appear in it whole.
func (m *measured) verdict(l *Limits) string {
	switch {
	case l.LabelsPerSeries > 0 && m.count > l.LabelsPerSeries:
		return fmt.Sprintf("series has too many labels (actual: %d, limit: %d) series: '%s'", m.count, l.LabelsPerSeries, m.metric)
	case m.broken != "":
		return m.broken
	case l.LabelSize > 0 && m.size > l.LabelSize:
		return fmt.Sprintf("labels of the series are too long together (actual: %d, limit: %d) series: '%s'", m.size, l.LabelSize, m.metric)
	}
	return ""
}

// The fields of the messages of both versions of remote write that are looked at.
const (
	seriesV1, seriesV2   = 1, 5
	symbolsV2            = 4
	labelsField          = 1 // of a series: labels of version 1, references to symbols of version 2
	samplesField         = 2
	histogramsV1         = 4
	histogramsV2         = 3
	exemplarsV2          = 4
	labelName, labelText = 1, 2
)

// screening is a look at a write request before it is handed on: what it holds, and without the series that break a limit.
type screening struct {
	limits  *Limits
	kept    []byte // the request without them; body itself where there is none
	dropped int    // series
	samples int    // and histograms, of the series that are kept
	first   string // why the first series was dropped

	refs []uint64 // of the series that is looked at
}

// screen looks at the message of a write request. The error is errProto.
func screen(body []byte, second bool, l *Limits) (*screening, error) {
	s := &screening{limits: l, kept: body}
	seriesField, symbols := uint64(seriesV1), [][]byte(nil)
	if second {
		seriesField = seriesV2
		err := each(body, func(f field, _ []byte) error {
			if f.number == symbolsV2 && f.kind == 2 {
				symbols = append(symbols, f.bytes)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var copied []byte
	done := 0 // bytes of body that are looked at
	err := each(body, func(f field, whole []byte) error {
		start := done
		done += len(whole)
		if f.number == seriesField && f.kind == 2 {
			verdict, samples, err := s.series(f.bytes, second, symbols)
			if err != nil {
				return err
			}
			if verdict != "" {
				if s.dropped++; s.dropped == 1 {
					s.first = verdict
					copied = append(make([]byte, 0, len(body)), body[:start]...)
				}
				return nil
			}
			s.samples += samples
		}
		if s.dropped > 0 {
			copied = append(copied, whole...)
		}
		return nil
	})
	if s.dropped > 0 {
		s.kept = copied
	}
	return s, err
}

// each calls fn with the fields of a message, each with its bytes as they stand there.
func each(body []byte, fn func(f field, whole []byte) error) error {
	for len(body) > 0 {
		f, rest, err := next(body)
		if err != nil {
			return err
		}
		if err := fn(f, body[:len(body)-len(rest)]); err != nil {
			return err
		}
		body = rest
	}
	return nil
}

// series looks at one series: which limit its labels break, and how many samples it has.
func (s *screening) series(body []byte, second bool, symbols [][]byte) (verdict string, samples int, err error) {
	var m measured
	histograms := uint64(histogramsV1)
	if second {
		histograms = histogramsV2
	}
	s.refs = s.refs[:0]
	err = each(body, func(f field, _ []byte) error {
		switch {
		case f.number == samplesField && f.kind == 2, f.number == histograms && f.kind == 2:
			samples++
		case f.number == labelsField && f.kind == 2 && !second:
			return s.label(&m, f.bytes)
		case f.number == labelsField && f.kind == 2:
			for packed := f.bytes; len(packed) > 0; {
				ref, n := binary.Uvarint(packed)
				if n <= 0 {
					return errProto
				}
				s.refs, packed = append(s.refs, ref), packed[n:]
			}
		case f.number == labelsField && f.kind == 0 && second:
			s.refs = append(s.refs, f.varint)
		}
		return nil
	})
	if err != nil {
		return "", 0, err
	}
	if len(s.refs)%2 != 0 {
		return "", 0, errProto
	}
	for i := 0; i < len(s.refs); i += 2 {
		name, value := s.refs[i], s.refs[i+1]
		if name >= uint64(len(symbols)) || value >= uint64(len(symbols)) {
			return "", 0, errProto
		}
		measure(&m, s.limits, symbols[name], symbols[value])
	}
	return m.verdict(s.limits), samples, nil
}

// label looks at one label of version 1.
func (s *screening) label(m *measured, body []byte) error {
	var name, value []byte
	err := each(body, func(f field, _ []byte) error {
		switch {
		case f.kind != 2:
		case f.number == labelName:
			name = f.bytes
		case f.number == labelText:
			value = f.bytes
		}
		return nil
	})
	measure(m, s.limits, name, value)
	return err
}
