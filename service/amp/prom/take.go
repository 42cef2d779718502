package prom

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// taker appends what was decoded, in the order and with the answers of upstream's handler (storage/remote/write_handler.go).
type taker struct {
	*appender
	decoded *decoder
	latest  int64 // time of a sample
	news    bool  // there are series to be remembered
}

// take appends a decoded request, and answers it.
func (w *write) take(ctx context.Context, d *decoder) (*Answer, error) {
	app := &appender{write: w, AppenderV2: w.api.db.AppenderV2(ctx)}
	t := &taker{appender: app, decoded: d, latest: time.Now().Add(maxAhead).UnixMilli()}
	if w.whole {
		return w.answer(t.first())
	}
	return w.answer(t.second().exact(len(d.exemplars)))
}

// maxAhead is how far in the future the time of a sample may lie, as upstream has it.
const maxAhead = 10 * time.Minute

var errFuture = fmt.Errorf("%w: timestamp is too far in the future", storage.ErrOutOfBounds)

// finish makes what was appended durable, and remembers its series.
func (t *taker) finish() error {
	if err := t.Commit(); err != nil {
		return err
	}
	if w := t.write; t.news {
		w.api.known.learn(t.decoded.parts, w.limits, w.epoch, nameRoom*(w.api.db.ActiveSeries()+1024))
	}
	return nil
}

// sent is what belongs to one series of a request.
type sent struct {
	samples    []sample
	histograms []native
	exemplars  []exemplar.Exemplar
}

// each calls fn with each series of the request, and with what was sent of it. fn returns the reference to the series.
func (t *taker) each(fn func(p *part, s sent) (storage.SeriesRef, error)) error {
	d := t.decoded
	var samples, histograms, exemplars int
	for i := range d.parts {
		if i%128 == 127 {
			t.write.turn.pass()
		}
		p := &d.parts[i]
		ref, err := fn(p, sent{d.samples[samples:p.samples], d.histograms[histograms:p.histograms], d.exemplars[exemplars:p.exemplars]})
		if err != nil {
			return err
		}
		t.note(p, ref)
		samples, histograms, exemplars = p.samples, p.histograms, p.exemplars
	}
	return nil
}

// note notes what there is to be remembered of a series.
func (t *taker) note(p *part, ref storage.SeriesRef) {
	if ref != 0 && ref != p.ref {
		p.ref, p.news = ref, true
		if store, ok := t.AppenderV2.(storage.GetRef); ok {
			if _, own := store.GetRef(p.labels, p.labels.Hash()); labels.Equal(own, p.labels) {
				p.labels = own // of which the head has the one copy
			}
		}
	}
	t.news = t.news || p.news
}

// first appends a request of version 1, all of it or nothing.
func (t *taker) first() *Answer {
	err := t.each(func(p *part, s sent) (ref storage.SeriesRef, err error) {
		ref = p.ref
		for i := range s.samples {
			if ref, err = t.sample(ref, p.labels, &s.samples[i], nil); err != nil && !isPartial(err) {
				return ref, err
			}
		}
		for i := range s.histograms {
			if ref, err = t.histogram(ref, p.labels, &s.histograms[i], nil); err != nil && !isPartial(err) {
				return ref, err
			}
		}
		if len(s.exemplars) > 0 {
			_, _, _ = t.exemplars(ref, p.labels, s.exemplars) // those that are not taken fail nothing
		}
		return ref, nil
	})
	if err != nil {
		_ = t.Rollback() // the error is why
	} else {
		err = t.finish()
	}
	switch {
	case err == nil:
		return &Answer{Status: http.StatusNoContent, Header: http.Header{}}
	case isBadSample(err), isBadHistogram(err):
		return plain(http.StatusBadRequest, err.Error())
	}
	return plain(http.StatusInternalServerError, err.Error())
}

// written counts what was appended of a request of version 2.
type written struct{ samples, histograms, exemplars int }

// second appends a request of version 2, or what is good of it.
func (t *taker) second() *Answer {
	var n written
	var bad []error
	err := t.each(func(p *part, s sent) (storage.SeriesRef, error) { return t.series(p, s, &n, &bad) })
	if err != nil {
		_ = t.Rollback() // the error is why
		return (written{}).answer(http.StatusInternalServerError, err)
	}
	if err := t.finish(); err != nil {
		return (written{}).answer(http.StatusInternalServerError, err)
	}
	if len(bad) > 0 {
		return n.answer(http.StatusBadRequest, errors.Join(bad...))
	}
	return n.answer(http.StatusNoContent, nil)
}

// series appends a series of version 2.
func (t *taker) series(p *part, s sent, n *written, bad *[]error) (storage.SeriesRef, error) {
	ref, opts := p.ref, storage.AOptions{Metadata: p.metadata.metadata()}
	for i := range s.samples {
		var err error
		if ref, err = t.sample(ref, p.labels, &s.samples[i], &opts); err == nil || isPartial(err) {
			n.samples++
			continue
		}
		if !isBadSample(err) {
			return 0, err
		}
		*bad = append(*bad, fmt.Errorf("%w for series %v", err, p.labels))
	}
	for i := range s.histograms {
		var err error
		if ref, err = t.histogram(ref, p.labels, &s.histograms[i], &opts); err == nil || isPartial(err) {
			n.histograms++
			continue
		}
		if !isBadSample(err) && !isBadHistogram(err) {
			return 0, err
		}
		*bad = append(*bad, fmt.Errorf("%w for series %v", err, p.labels))
	}
	if len(s.exemplars) > 0 {
		failed, errs, err := t.exemplars(ref, p.labels, s.exemplars)
		if err == nil {
			n.exemplars += max(0, len(s.exemplars)-failed)
		}
		*bad = append(*bad, errs...)
	}
	return ref, nil
}

// answer returns the answer of version 2, which says what was written.
func (n written) answer(status int, err error) *Answer {
	a := &Answer{Status: status, Header: http.Header{}}
	if err != nil {
		a = plain(status, err.Error())
	}
	a.Header.Set(samplesWritten, strconv.Itoa(n.samples))
	a.Header.Set(histogramsWritten, strconv.Itoa(n.histograms))
	a.Header.Set(exemplarsWritten, strconv.Itoa(n.exemplars))
	return a
}

// The headers of answers to version 2.
const (
	samplesWritten    = "X-Prometheus-Remote-Write-Samples-Written"
	histogramsWritten = "X-Prometheus-Remote-Write-Histograms-Written"
	exemplarsWritten  = "X-Prometheus-Remote-Write-Exemplars-Written"
)

// counted says of what an answer to version 2 does not count that nothing of it was written.
func (a *Answer) counted() {
	if a.Header == nil {
		a.Header = http.Header{}
	}
	for _, name := range []string{samplesWritten, histogramsWritten, exemplarsWritten} {
		if a.Header.Get(name) == "" {
			a.Header.Set(name, "0")
		}
	}
}

// NothingWritten returns the headers that an answer needs which an error takes the place of: to a remote write of version 2, whose
// headers are asked, that nothing of it was written. The specification wants them "with success or failure". It returns nil for
// other requests.
func NothingWritten(asked http.Header) http.Header {
	if version, err := versionOf(asked.Get(contentType)); err != nil || version != remoteapi.WriteV2MessageType {
		return nil
	}
	a := &Answer{}
	a.counted()
	return a.Header
}

// sample appends a float. opts is nil for none.
func (t *taker) sample(ref storage.SeriesRef, ls labels.Labels, s *sample, opts *storage.AOptions) (storage.SeriesRef, error) {
	if s.at > t.latest {
		return 0, errFuture
	}
	if opts == nil {
		return t.Append(ref, ls, 0, s.at, s.value, nil, nil, storage.AOptions{})
	}
	return t.Append(ref, ls, s.start, s.at, s.value, nil, nil, *opts)
}

// histogram appends a histogram. opts is nil for none.
func (t *taker) histogram(ref storage.SeriesRef, ls labels.Labels, n *native, opts *storage.AOptions) (storage.SeriesRef, error) {
	if n.at > t.latest {
		return 0, errFuture
	}
	if err := n.reduce(); err != nil {
		return 0, err
	}
	if opts == nil {
		opts = &storage.AOptions{}
	}
	return t.Append(ref, ls, n.start, n.at, 0, n.whole, n.float, *opts)
}

// reduce brings a histogram of a finer schema than the store keeps to the finest that it does.
func (n *native) reduce() error {
	if h := n.whole; h != nil && histogram.IsExponentialSchemaReserved(h.Schema) && h.Schema > histogram.ExponentialSchemaMax {
		return h.ReduceResolution(histogram.ExponentialSchemaMax)
	}
	if h := n.float; h != nil && histogram.IsExponentialSchemaReserved(h.Schema) && h.Schema > histogram.ExponentialSchemaMax {
		return h.ReduceResolution(histogram.ExponentialSchemaMax)
	}
	return nil
}

// exemplars appends exemplars. It returns how many were not taken, and what of that the sender is told; or why the store
// took none.
func (t *taker) exemplars(ref storage.SeriesRef, ls labels.Labels, list []exemplar.Exemplar) (failed int, told []error, err error) {
	slices.SortFunc(list, exemplar.Compare) // as the store wants them
	late := slices.IndexFunc(list, func(e exemplar.Exemplar) bool { return e.Ts > t.latest })
	if late >= 0 {
		failed, list = len(list)-late, list[:late]
	}
	if len(list) == 0 {
		return failed, nil, nil
	}
	_, err = t.AppendExemplars(ref, ls, list)
	var partial *storage.AppendPartialError
	if !errors.As(err, &partial) {
		return failed, nil, err
	}
	for _, e := range partial.ExemplarErrors {
		if errors.Is(e, storage.ErrOutOfOrderExemplar) {
			told = append(told, fmt.Errorf("%w for series %v", e, ls))
		}
	}
	return failed + len(partial.ExemplarErrors), told, nil
}

// exact tells a sender of version 2 that exemplars were not taken of which upstream's handler says nothing: the specification
// wants no 2xx where anything was left out ("Response").
func (a *Answer) exact(sent int) *Answer {
	n, err := strconv.Atoi(a.Header.Get(exemplarsWritten))
	if a.Status/100 != 2 || err != nil || n >= sent {
		return a
	}
	told := plain(http.StatusBadRequest, fmt.Sprintf("%d of %d exemplars were not taken: their labels are too long or they are too far in the future", sent-n, sent))
	for name, values := range a.Header {
		if strings.HasPrefix(name, "X-Prometheus-") {
			told.Header[name] = values
		}
	}
	return told
}

// isPartial reports whether an error says that only what came with a sample was not taken.
func isPartial(err error) bool { return errors.Is(err, (*storage.AppendPartialError)(nil)) }

// isBadSample reports whether an error is one of the sender's, which the other samples do not share.
func isBadSample(err error) bool {
	return errors.Is(err, storage.ErrOutOfOrderSample) || errors.Is(err, storage.ErrOutOfBounds) ||
		errors.Is(err, storage.ErrDuplicateSampleForTimestamp) || errors.Is(err, storage.ErrTooOldSample)
}
