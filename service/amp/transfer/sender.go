package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Workspace is where samples go or come from.
type Workspace struct {
	// Client signs what it sends. It sends to addresses of the house only.
	Client *http.Client
	// Address is that of the workspace: https://host:8443/workspaces/ws-...
	Address string
}

const (
	fullRequest = 5_000            // samples, after which a request is sent
	patience    = 10 * time.Minute // how long a request is tried again
	maxRefusal  = 4 << 10
)

// request is a remote write 2.0 that is being put together.
type request struct {
	symbols writev2.SymbolsTable
	series  []writev2.TimeSeries
	samples int
}

func newRequest() *request { return &request{symbols: writev2.NewSymbolTable()} }

// add takes all samples of a series. They stay in one request, so that they are taken or refused together.
func (r *request) add(s storage.Series) error {
	ts := writev2.TimeSeries{LabelsRefs: r.symbols.SymbolizeLabels(s.Labels(), nil)}
	it := s.Iterator(nil)
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		switch kind {
		case chunkenc.ValFloat:
			at, v := it.At()
			ts.Samples = append(ts.Samples, writev2.Sample{Timestamp: at, Value: v})
		case chunkenc.ValHistogram:
			at, h := it.AtHistogram(nil)
			ts.Histograms = append(ts.Histograms, writev2.FromIntHistogram(0, at, h))
		case chunkenc.ValFloatHistogram:
			at, h := it.AtFloatHistogram(nil)
			ts.Histograms = append(ts.Histograms, writev2.FromFloatHistogram(0, at, h))
		}
	}
	if n := len(ts.Samples) + len(ts.Histograms); n > 0 {
		r.series = append(r.series, ts)
		r.samples += n
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("series %s: %w", name(s.Labels()), err)
	}
	return nil
}

// name is as much of a series as an error says: values of labels are not for logs.
func name(ls labels.Labels) string { return strconv.Quote(ls.Get(model.MetricNameLabel)) }

func (r *request) encode() ([]byte, error) {
	raw, err := (&writev2.Request{Symbols: r.symbols.Symbols(), Timeseries: r.series}).Marshal()
	if err != nil {
		return nil, err
	}
	return snappy.Encode(nil, raw), nil
}

// refusal is an answer after which the same request will not be taken either.
type refusal struct {
	status  int
	text    string
	written int64 // samples of the request that were taken all the same
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the workspace refused: %d %s", r.status, r.text)
}

// known reports whether the samples that were refused are there already, or newer ones of their series.
func (r *refusal) known() bool {
	return r.status == http.StatusBadRequest && (strings.Contains(r.text, storage.ErrOutOfOrderSample.Error()) ||
		strings.Contains(r.text, storage.ErrTooOldSample.Error()) || // the same, in a workspace that has a window
		strings.Contains(r.text, storage.ErrDuplicateSampleForTimestamp.Error()))
}

// write sends a request until it is taken, refused, or patience ends.
func (w *Workspace) write(ctx context.Context, r *request) error {
	body, err := r.encode()
	if err != nil {
		return err
	}
	return persist(ctx, math.MaxInt, func(ctx context.Context) (time.Duration, error) { return w.once(ctx, body) })
}

// persist sends a request until it is answered, or refused, has failed more often than failures says, or patience ends. An answer that the workspace is
// asked too often is no failure.
func persist(ctx context.Context, failures int, send func(context.Context) (after time.Duration, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 500 * time.Millisecond; ; pause = min(2*pause, 30*time.Second) {
		after, err := send(ctx)
		var no *refusal
		if err == nil || errors.As(err, &no) {
			return err
		}
		if !errors.Is(err, errOften) {
			if failures--; failures < 0 {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(max(pause, after)):
		}
	}
}

// errOften says that a workspace is asked more often than its quotas allow.
var errOften = errors.New("429 Too Many Requests")

// once sends a request. An error that is no *refusal may be over when it is sent again, after some time.
func (w *Workspace) once(ctx context.Context, body []byte) (after time.Duration, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, w.Address+"/api/v1/remote_write", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	q.Header.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
	q.Header.Set("Content-Encoding", "snappy")
	q.Header.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	a, after, err := w.send(q)
	if err != nil {
		return after, err
	}
	_ = a.Body.Close() // it was taken, whatever follows
	return 0, nil
}

// send sends a request and returns the answer where it was granted; the caller closes its body.
func (w *Workspace) send(q *http.Request) (_ *http.Response, after time.Duration, err error) {
	a, err := w.Client.Do(q)
	if err != nil || a.StatusCode/100 == 2 {
		return a, 0, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, maxRefusal))
	switch {
	case a.StatusCode == http.StatusTooManyRequests:
		err = errors.Join(fmt.Errorf("%w %s", errOften, oneLine(text)), err)
	case a.StatusCode/100 == 5:
		err = errors.Join(fmt.Errorf("%s %s", a.Status, oneLine(text)), err)
	default:
		return nil, 0, &refusal{a.StatusCode, oneLine(text), written(a.Header)}
	}
	seconds, _ := strconv.Atoi(a.Header.Get("Retry-After"))
	return nil, time.Duration(min(max(seconds, 0), 60)) * time.Second, err
}

// written is how many samples an answer says that it took.
func written(h http.Header) (n int64) {
	for _, kind := range []string{"Samples", "Histograms"} {
		if m, err := strconv.ParseInt(h.Get("X-Prometheus-Remote-Write-"+kind+"-Written"), 10, 32); err == nil && m > 0 {
			n += m
		}
	}
	return n
}

// oneLine makes an answer fit for a message.
func oneLine(text []byte) string { return strings.Join(strings.Fields(string(text)), " ") }
