package prom

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	promdata "github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"github.com/strongroom/strongroom/service/amp/series"
)

// write is a write under way: what upstream's handler appends to.
type write struct {
	api    *API
	limits *Limits
	whole  bool   // the handler stops at the first error: samples that are refused must not look so to it
	epoch  uint64 // of the store, when the request was decoded
	leave  func()
	turn   turn

	exemplars int // in a request of version 2 that upstream takes
	refused   refusal
	failed    error // of the store
}

var _ storage.AppendableV2 = (*write)(nil)

// refusal is why some samples, or all, were not taken. The worst that a sender can mend by waiting counts.
type refusal struct {
	status  int
	message string
	more    int // samples that were refused besides
}

func (r *refusal) add(status int, message string) {
	switch {
	case r.status == 0, status == http.StatusTooManyRequests && r.status != status:
		r.status, r.message = status, message
	default:
		r.more++
	}
}

func (r *refusal) text() string {
	if r.more > 0 {
		return fmt.Sprintf("%s (and %d more)", r.message, r.more)
	}
	return r.message
}

// AppenderV2 returns the appender of the request.
func (w *write) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &appender{write: w, AppenderV2: w.api.db.AppenderV2(ctx)}
}

// appender holds the limits of a workspace.
type appender struct {
	storage.AppenderV2
	write   *write
	samples int
}

var _ storage.ExemplarAppenderV2 = (*appender)(nil)

// refusedError is a sample that is refused where the handler goes on after errors that it knows.
type refusedError string

func (e refusedError) Error() string { return string(e) }

// Is makes upstream take a refusal for what it is: a fault of the sender, which the other samples do not share.
func (e refusedError) Is(target error) bool { return target == storage.ErrOutOfBounds }

// Append takes a sample, or refuses it.
func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if ref == 0 {
		if message := a.write.limits.labels(ls); message != "" {
			return a.refuse(ref, http.StatusBadRequest, message)
		}
	}
	if t < 0 {
		// Upstream takes them, and would cut blocks for every two hours since.
		return a.refuse(ref, http.StatusBadRequest, storage.ErrOutOfBounds.Error()+": negative timestamp")
	}
	if a.write.limits.describes(&opts.Metadata) {
		opts.Metadata = promdata.Metadata{}
	}
	ref, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	switch {
	case err == nil, isPartial(err):
		a.samples++
		return ref, err
	case series.IsTooMany(err):
		return a.refuse(0, http.StatusTooManyRequests, err.Error())
	case isBadSample(err), isBadHistogram(err):
		if a.write.whole {
			return a.refuse(ref, http.StatusBadRequest, fmt.Sprintf("%v for series %s", err, ls))
		}
		return ref, err
	}
	a.write.failed = err
	return ref, err
}

func isBadHistogram(err error) bool {
	var bad histogram.Error
	return errors.As(err, &bad)
}

// refuse notes a refusal. The handler goes on with the next sample.
func (a *appender) refuse(ref storage.SeriesRef, status int, message string) (storage.SeriesRef, error) {
	a.write.refused.add(status, message)
	if a.write.whole {
		return ref, nil
	}
	return 0, refusedError(message)
}

// AppendExemplars takes exemplars.
func (a *appender) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, list []exemplar.Exemplar) (storage.SeriesRef, error) {
	to, ok := a.AppenderV2.(storage.ExemplarAppenderV2)
	if !ok {
		return 0, fmt.Errorf("no exemplars: %T", a.AppenderV2)
	}
	return to.AppendExemplars(ref, ls, list)
}

// errRate is that a workspace sends more than it may.
var errRate = errors.New("ingestion rate limit exceeded")

// Commit takes the samples from what the workspace may send, and keeps them. Others take their turn while the disk writes.
func (a *appender) Commit() error {
	w := a.write
	w.leave()
	rate, burst := w.limits.IngestionRate, float64(w.limits.IngestionBurst)
	if rate > 0 && a.samples > 0 && !w.api.ingested.take(time.Now(), a.samples, rate, burst) {
		w.refused.add(http.StatusTooManyRequests, w.limits.rateMessage(a.samples))
		return errors.Join(errRate, a.Rollback())
	}
	err := a.AppenderV2.Commit()
	if err != nil {
		w.failed = err
		if rate > 0 {
			w.api.ingested.give(a.samples, burst)
		}
	}
	return err
}

func (l *Limits) rateMessage(samples int) string {
	return fmt.Sprintf("%v (rate: %g, burst: %d) while adding %d samples", errRate, l.IngestionRate, l.IngestionBurst, samples)
}

// labels says which limit the labels of a series break, or nothing.
func (l *Limits) labels(ls labels.Labels) string {
	var m measured
	ls.Range(func(one labels.Label) { measure(&m, l, one.Name, one.Value) })
	return m.verdict(l)
}

// describes reports whether metadata is longer than it may be: the sample counts, what it says is left out.
func (l *Limits) describes(m *promdata.Metadata) bool {
	return l.MetadataLength > 0 && len(m.Help)+len(m.Unit) > l.MetadataLength
}

// cutText keeps a message short, whatever was sent.
func cutText(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
