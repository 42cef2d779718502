package prom

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service/amp/series"
)

// testKeys hands out data keys that nothing wraps.
type testKeys struct{}

func (testKeys) Make(context.Context) (seal.DataKey, error) {
	key := make([]byte, seal.KeySize)
	rand.Read(key)
	return seal.DataKey{Plaintext: secret.New(key), Wrapped: bytes.Clone(key)}, nil
}

func (testKeys) Open(_ context.Context, wrapped []byte) (secret.Bytes, error) {
	return secret.New(bytes.Clone(wrapped)), nil
}

// testLedger keeps blocks in memory.
type testLedger struct {
	mu    sync.Mutex
	state series.State
}

func (l *testLedger) Load(context.Context) (series.State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return series.State{Blocks: slices.Clone(l.state.Blocks), Covered: l.state.Covered}, nil
}

func (l *testLedger) Pending(context.Context, string) error { return nil }

func (l *testLedger) Replace(_ context.Context, remove []ulid.ULID, add []series.Block, covered series.Covered) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Blocks = append(slices.DeleteFunc(l.state.Blocks, func(b series.Block) bool { return slices.Contains(remove, b.Meta.ULID) }), add...)
	l.state.Covered = covered
	return nil
}

// newAPI opens the API of a workspace of its own.
func newAPI(t testing.TB, l Limits, change ...func(*series.Options)) *API {
	t.Helper()
	blobs, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	o := series.Options{Name: "ws-1", Log: t.TempDir(), Memory: t.TempDir(), Blobs: blobs, Prefix: "amp/", Keys: testKeys{}, Ledger: new(testLedger)}
	for _, c := range change {
		c(&o)
	}
	db, err := series.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return New(Options{DB: db, Limits: l})
}

// send sends a write request of version 1 or 2.
func send(t testing.TB, a *API, message any) *Answer {
	t.Helper()
	var body []byte
	var err error
	kind := "application/x-protobuf"
	switch m := message.(type) {
	case []byte:
		body = m
	case *prompb.WriteRequest:
		body, err = m.Marshal()
	case *writev2.Request:
		kind += ";proto=io.prometheus.write.v2.Request"
		body, err = m.Marshal()
	}
	if err != nil {
		t.Fatal(err)
	}
	return serveOne(t, a, &Request{Method: "POST", Path: "remote_write", Header: http.Header{"Content-Type": {kind}, "Content-Encoding": {"snappy"}}, Body: s2.EncodeSnappy(nil, body)})
}

func serveOne(t testing.TB, a *API, r *Request) *Answer {
	t.Helper()
	got, err := a.Serve(t.Context(), r)
	if err != nil {
		t.Fatalf("%s: %v", r.Path, err)
	}
	return got
}

func get(t testing.TB, a *API, path string, params ...string) *Answer {
	t.Helper()
	v := url.Values{}
	for i := 0; i < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	return serveOne(t, a, &Request{Method: "GET", Path: path, RawQuery: v.Encode()})
}

// data asks and returns the data of the answer as JSON.
func data(t testing.TB, a *API, path string, params ...string) string {
	t.Helper()
	got := get(t, a, path, params...)
	var m struct {
		Status string
		Data   json.RawMessage
	}
	if err := json.Unmarshal(got.Body, &m); err != nil || got.Status != 200 || m.Status != "success" {
		t.Fatalf("%s %q: got %d %s", path, params, got.Status, got.Body)
	}
	return string(m.Data)
}

func labelsOf(pairs ...string) (list []prompb.Label) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

// one is a series with one sample.
func one(at int64, v float64, pairs ...string) prompb.TimeSeries {
	return prompb.TimeSeries{Labels: labelsOf(pairs...), Samples: []prompb.Sample{{Timestamp: at, Value: v}}}
}

func v1(list ...prompb.TimeSeries) *prompb.WriteRequest {
	return &prompb.WriteRequest{Timeseries: list}
}

// start is a time on a minute not long ago.
func start() int64 { return time.Now().Add(-10 * time.Minute).Truncate(time.Minute).UnixMilli() }

func seconds(ms int64) string { return fmt.Sprint(ms / 1000) }
