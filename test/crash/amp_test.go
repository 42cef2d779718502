package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/test/house"
)

// sampleWorker writes samples to a workspace: of some series the number of the write, all in one request.
type sampleWorker struct {
	*journal
	workspace string
	begin     int64
	written   int  // requests that were answered
	open      bool // one more may have been taken
}

const samplesPerWrite = 20

func newSampleWorker(name string, seed uint64, workspace string) *sampleWorker {
	return &sampleWorker{journal: newJournal(name, seed), workspace: workspace, begin: time.Now().Add(-time.Minute).UnixMilli()}
}

// call sends a signed request to the workspace and returns the body of the answer.
func (w *sampleWorker) call(a house.Account, method, path string, query url.Values, header map[string]string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, *a.Config.BaseEndpoint+"/workspaces/"+w.workspace+"/api/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.URL.RawQuery = query.Encode()
	for k, v := range header {
		r.Header.Set(k, v)
	}
	creds, err := a.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	if err := v4.NewSigner().SignHTTP(ctx, creds, r, sigv4.HashPayload(body), "aps", house.Region, time.Now()); err != nil {
		return nil, err
	}
	out, err := a.Config.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	if err == nil && out.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s: %s %s", path, out.Status, text)
	}
	return text, err
}

func (w *sampleWorker) step(a house.Account) error {
	var r prompb.WriteRequest
	for i := range samplesPerWrite {
		r.Timeseries = append(r.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: w.metric()}, {Name: "i", Value: fmt.Sprint(i)}},
			Samples: []prompb.Sample{{Timestamp: w.begin + int64(w.written), Value: float64(w.written)}},
		})
	}
	raw, err := r.Marshal()
	if err != nil {
		return err
	}
	w.open = true
	_, err = w.call(a, "POST", "remote_write", nil, map[string]string{
		"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0",
	}, snappy.Encode(nil, raw))
	if err != nil {
		return err
	}
	w.written, w.open = w.written+1, false
	return nil
}

func (w *sampleWorker) metric() string { return strings.ReplaceAll(w.name, "-", "_") }

// verify asks for every sample. A request is there as a whole or not at all.
func (w *sampleWorker) verify(t *testing.T, a house.Account) {
	t.Helper()
	text, err := w.call(a, "GET", "query", url.Values{"query": {w.metric() + "[1h]"}}, nil, nil)
	if err != nil {
		t.Error(err)
		return
	}
	var out struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Error(err)
		return
	}
	want := w.written
	if len(out.Data.Result) > 0 && w.open && len(out.Data.Result[0].Values) == want+1 {
		want++ // the one whose answer never came was taken
	}
	if want > 0 && len(out.Data.Result) != samplesPerWrite {
		t.Errorf("%s: %d series are there, want %d", w.name, len(out.Data.Result), samplesPerWrite)
	}
	for _, s := range out.Data.Result {
		if len(s.Values) != want {
			t.Errorf("%s, series %s: %d samples are there, %d were acknowledged", w.name, s.Metric["i"], len(s.Values), w.written)
			continue
		}
		for i, v := range s.Values {
			if v[1] != fmt.Sprint(i) {
				t.Errorf("%s, series %s: sample %d is %v", w.name, s.Metric["i"], i, v[1])
			}
		}
	}
	w.written, w.open = want, false
}

// TestKilledWhileSamplesCome kills the house while senders write to a workspace under an owned key and one under a customer's,
// and once while a backup is written.
func TestKilledWhileSamplesCome(t *testing.T) {
	choose := chooser(t)
	h := house.Start(t)
	key, _, _ := prepare(t, h.AsAdmin())
	owned, customer := h.AsAdmin().NewWorkspace(t, ""), h.AsAdmin().NewWorkspace(t, key)
	workers := []worker{
		newSampleWorker("owned-a", *seed, owned), newSampleWorker("owned-b", *seed, owned),
		newSampleWorker("customer-a", *seed, customer), newSampleWorker("customer-b", *seed, customer), newUserWorker("users", *seed),
	}
	for round := range *rounds {
		from := time.Now()
		run(t, h, workers, time.Duration(300+choose.IntN(700))*time.Millisecond)
		if round%2 == 1 {
			h.KillWhileStarting(time.Duration(choose.IntN(250)) * time.Millisecond)
		}
		checked(t, h)
		h.Restart()
		verify(t, h.AsAdmin(), workers, from)
		if t.Failed() {
			return
		}
	}
	restoredWhileSamplesCome(t, h, workers)
}

// restoredWhileSamplesCome takes a backup while senders write, and looks in what is restored of it for all that was
// acknowledged before it began.
func restoredWhileSamplesCome(t *testing.T, h *house.House, workers []worker) {
	t.Helper()
	var before []sampleWorker
	for _, w := range workers {
		if s, ok := w.(*sampleWorker); ok {
			before = append(before, *s)
		}
	}
	backup := t.TempDir() + "/backup"
	done := make(chan error, 1)
	go func() {
		text, err := h.Run("backup", backup)
		if err != nil {
			err = fmt.Errorf("%w: %s", err, text)
		}
		done <- err
	}()
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
			for _, w := range workers {
				if err := w.step(h.AsAdmin()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	restored := house.New(t)
	restored.RootKey, restored.Account, restored.Admin = h.RootKey, h.Account, h.Admin
	if text, err := restored.Run("restore", backup); err != nil {
		t.Fatalf("restore: %v\n%s", err, text)
	}
	checked(t, restored)
	restored.Restart()
	for i := range before {
		text, err := before[i].call(restored.AsAdmin(), "GET", "query", url.Values{"query": {"min(count_over_time(" + before[i].metric() + "[1h]))"}}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Data struct{ Result []struct{ Value [2]any } }
		}
		if err := json.Unmarshal(text, &out); err != nil || len(out.Data.Result) != 1 {
			t.Fatalf("%s: %v, %s", before[i].name, err, text)
		}
		var n int
		if _, err := fmt.Sscan(fmt.Sprint(out.Data.Result[0].Value[1]), &n); err != nil || n < before[i].written {
			t.Errorf("%s: %d samples of a series were restored, %d were acknowledged before the backup began; %v", before[i].name, n, before[i].written, err)
		}
	}
}
