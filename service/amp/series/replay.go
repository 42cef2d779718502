package series

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"

	"github.com/strongroom/strongroom/seal"
)

// replayer gives the log back to the head.
type replayer struct {
	ctx     context.Context
	db      *DB
	decoder record.Decoder
	segment uint64
	series  map[chunks.HeadSeriesRef]*known // of the segment
	app     storage.AppenderV2

	refused int // samples that the head did not take
	sets    struct {
		series     []record.RefSeries
		samples    []record.RefSample
		histograms []record.RefHistogramSample
		floats     []record.RefFloatHistogramSample
		exemplars  []record.RefExemplar
	}
}

// known is a series of a segment.
type known struct {
	ref    storage.SeriesRef // in the head; 0 when it is not there yet
	labels labels.Labels
}

// replay reads the log into the head, which then holds whatever is not in blocks.
func (db *DB) replay(ctx context.Context) error {
	r := &replayer{ctx: ctx, db: db, decoder: record.NewDecoder(labels.NewSymbolTable(), slog.New(slog.DiscardHandler))}
	limit := db.limit.Swap(0) // what was acknowledged is taken
	db.quotas.off = true
	defer func() {
		db.limit.Store(limit)
		db.quotas.mu.Lock()
		defer db.quotas.mu.Unlock()
		db.quotas.off = false
	}()
	err := db.log.Replay(ctx, db.covered.First, func(number uint64, frame []byte) error {
		if number != r.segment {
			r.segment, r.series = number, map[chunks.HeadSeriesRef]*known{}
		}
		r.app = db.head.AppenderV2(ctx)
		if err := split(frame, r.record); err != nil {
			return errors.Join(err, r.app.Rollback())
		}
		return r.app.Commit()
	})
	if r.refused > 0 {
		db.opts.Logger.Warn("samples of the log were not taken again", "workspace", db.opts.Name, "samples", r.refused)
	}
	return err
}

func (r *replayer) record(rec []byte) error {
	var err error
	switch {
	case rec[0] == metadataType:
		var e entry
		if e, err = decodeEntry(rec); err == nil {
			r.db.metadata.put(e)
		}
	case rec[0] == deletionType:
		err = r.deletion(rec)
	case r.decoder.Type(rec) == record.Series:
		err = r.name(rec)
	case r.decoder.Type(rec) == record.Exemplars:
		err = r.exemplars(rec)
	default:
		err = r.samples(rec)
	}
	if err != nil && !errors.Is(err, seal.ErrCorrupt) {
		err = fmt.Errorf("%w: %w", seal.ErrCorrupt, err)
	}
	return err
}

func (r *replayer) name(rec []byte) (err error) {
	if r.sets.series, err = r.decoder.Series(rec, r.sets.series[:0]); err != nil {
		return err
	}
	for _, s := range r.sets.series {
		r.series[s.Ref] = &known{labels: s.Labels.Copy()}
	}
	return nil
}

func (r *replayer) samples(rec []byte) (err error) {
	switch r.decoder.Type(rec) {
	case record.Samples, record.SamplesV2:
		if r.sets.samples, err = r.decoder.Samples(rec, r.sets.samples[:0]); err != nil {
			return err
		}
		for _, s := range r.sets.samples {
			if err := r.append(s.Ref, s.ST, s.T, s.V, nil, nil); err != nil {
				return err
			}
		}
	case record.HistogramSamples, record.CustomBucketsHistogramSamples, record.HistogramSamplesV2:
		if r.sets.histograms, err = r.decoder.HistogramSamples(rec, r.sets.histograms[:0]); err != nil {
			return err
		}
		for _, s := range r.sets.histograms {
			if err := r.append(s.Ref, s.ST, s.T, 0, s.H, nil); err != nil {
				return err
			}
		}
	case record.FloatHistogramSamples, record.CustomBucketsFloatHistogramSamples, record.FloatHistogramSamplesV2:
		if r.sets.floats, err = r.decoder.FloatHistogramSamples(rec, r.sets.floats[:0]); err != nil {
			return err
		}
		for _, s := range r.sets.floats {
			if err := r.append(s.Ref, s.ST, s.T, 0, nil, s.FH); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("record of type %d", rec[0])
	}
	return nil
}

// append gives one sample to the head, unless it is in a block.
func (r *replayer) append(ref chunks.HeadSeriesRef, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram) error {
	s := r.series[ref]
	if s == nil {
		return fmt.Errorf("series %d was never named", ref)
	}
	r.db.note(r.segment, t)
	if c := r.db.covered; r.segment <= c.Through && t < c.Time {
		return nil
	}
	got, err := r.app.Append(s.ref, s.labels, st, t, v, h, fh, storage.AppendV2Options{})
	if err != nil {
		r.refused++ // a duplicate, or out of order where the head had not noticed before
		return nil
	}
	s.ref = got
	return nil
}

func (r *replayer) exemplars(rec []byte) (err error) {
	if r.sets.exemplars, err = r.decoder.Exemplars(rec, r.sets.exemplars[:0]); err != nil {
		return err
	}
	app := r.db.head.Appender(context.Background())
	for _, e := range r.sets.exemplars {
		s := r.series[e.Ref]
		if s == nil {
			return errors.Join(fmt.Errorf("series %d was never named", e.Ref), app.Rollback())
		}
		// Those of series that are no more, and those twice in the log, are not taken.
		r.db.roomForExemplars()
		_, _ = app.AppendExemplar(s.ref, s.labels, exemplar.Exemplar{Labels: e.Labels.Copy(), Value: e.V, Ts: e.T, HasTs: true})
	}
	return app.Commit()
}
