package series

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"

	"github.com/strongroom/strongroom/seal"
)

// A frame of the log holds records, one behind the other:
//
//	offset  bytes
//	     0      4  length, big-endian
//	     4      n  a record in the format of Prometheus's own log (tsdb/docs/format/wal.md), which begins with its type,
//	               or of the types below
//
// Series are named before samples refer to them, once a segment, so that each segment can be read alone.
const (
	// metadataType is followed by the name of a metric and its type, unit and help, each with its length before it.
	metadataType = 0xf0
	// deletionType is followed by two times and, for each matcher, its type, its name and its value, each with its length
	// before it. See DB.Delete.
	deletionType = 0xf1
)

// batch is what one appender gathers until it commits.
type batch struct {
	series     []record.RefSeries
	samples    []record.RefSample
	histograms []record.RefHistogramSample
	floats     []record.RefFloatHistogramSample
	exemplars  []record.RefExemplar
	metadata   []entry
}

func (b *batch) empty() bool {
	return len(b.samples) == 0 && len(b.histograms) == 0 && len(b.floats) == 0 && len(b.exemplars) == 0 && len(b.metadata) == 0
}

// reset forgets what was gathered and keeps the room for it.
func (b *batch) reset() {
	clear(b.series)
	clear(b.histograms)
	clear(b.floats)
	clear(b.exemplars)
	*b = batch{series: b.series[:0], samples: b.samples[:0], histograms: b.histograms[:0], floats: b.floats[:0], exemplars: b.exemplars[:0]}
}

// encode appends the batch to dst, as it is to stand in segment number.
func (db *DB) encode(b *batch, number uint64, dst []byte) []byte {
	enc := record.Encoder{EnableSTStorage: db.opts.StartTimes}
	db.note(number, b.newest())
	fresh := b.series[:0]
	for _, s := range b.series {
		if db.mark(s.Ref, uint32(number)) {
			fresh = append(fresh, s)
		}
	}
	if len(fresh) > 0 {
		dst = framed(dst, func(d []byte) []byte { return enc.Series(fresh, d) })
	}
	if len(b.samples) > 0 {
		dst = framed(dst, func(d []byte) []byte { return enc.Samples(b.samples, d) })
	}
	if len(b.histograms) > 0 {
		var custom []record.RefHistogramSample
		dst = framed(dst, func(d []byte) []byte { d, custom = enc.HistogramSamples(b.histograms, d); return d })
		if len(custom) > 0 {
			dst = framed(dst, func(d []byte) []byte { return enc.CustomBucketsHistogramSamples(custom, d) })
		}
	}
	if len(b.floats) > 0 {
		var custom []record.RefFloatHistogramSample
		dst = framed(dst, func(d []byte) []byte { d, custom = enc.FloatHistogramSamples(b.floats, d); return d })
		if len(custom) > 0 {
			dst = framed(dst, func(d []byte) []byte { return enc.CustomBucketsFloatHistogramSamples(custom, d) })
		}
	}
	if len(b.exemplars) > 0 {
		dst = framed(dst, func(d []byte) []byte { return enc.Exemplars(b.exemplars, d) })
	}
	for _, m := range b.metadata {
		dst = framed(dst, m.encode)
	}
	return dst
}

// newest returns the time of the newest sample of the batch.
func (b *batch) newest() int64 {
	t := int64(math.MinInt64)
	for i := range b.samples {
		t = max(t, b.samples[i].T)
	}
	for i := range b.histograms {
		t = max(t, b.histograms[i].T)
	}
	for i := range b.floats {
		t = max(t, b.floats[i].T)
	}
	return t
}

// note remembers that a sample of this time stands in a segment.
func (db *DB) note(number uint64, t int64) {
	db.newest.Lock()
	defer db.newest.Unlock()
	if old, ok := db.times[number]; !ok || t > old {
		db.times[number] = t
	}
}

// mark notes that a series is named in a segment, and reports whether it was not before.
func (db *DB) mark(ref chunks.HeadSeriesRef, number uint32) bool {
	if n := uint64(ref); n >= uint64(len(db.seen)) {
		db.seen = append(db.seen, make([]uint32, n+1-uint64(len(db.seen)))...)
	}
	if db.seen[ref] == number {
		return false
	}
	db.seen[ref] = number
	return true
}

// framed appends what encode appends to nothing, with its length before it. Some encoders of Prometheus start their
// buffer anew, so they are not given what is already there.
func framed(dst []byte, encode func([]byte) []byte) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	rec := encode(dst[len(dst):])
	if len(rec) == 0 {
		return dst[:at]
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(rec)))
	return append(dst, rec...) // onto itself, where there was room
}

// split yields the records of a frame.
func split(frame []byte, fn func(rec []byte) error) error {
	for len(frame) > 0 {
		if len(frame) < 4 {
			return fmt.Errorf("%w: length of a record", seal.ErrCorrupt)
		}
		n := binary.BigEndian.Uint32(frame)
		if n == 0 || n > math.MaxInt32 || int(n) > len(frame)-4 {
			return fmt.Errorf("%w: record of %d bytes", seal.ErrCorrupt, n)
		}
		if err := fn(frame[4 : 4+n]); err != nil {
			return err
		}
		frame = frame[4+n:]
	}
	return nil
}
