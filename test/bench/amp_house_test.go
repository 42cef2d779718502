package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/service/amp/series"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/test/house"
)

// sender sends to one workspace of a house, or to a Prometheus.
type sender struct {
	client *http.Client
	base   string // before "api/v1"
	write  string // path of a remote write
	creds  aws.Credentials
	signs  bool // with SigV4, and otherwise with the key carried; nothing where there are no credentials
}

func toWorkspace(h *house.House, workspace string, signs bool) *sender {
	return &sender{
		client: &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.Roots}, MaxIdleConnsPerHost: 64}},
		base:   h.Endpoint + "/workspaces/" + workspace, write: "remote_write", creds: h.Admin, signs: signs,
	}
}

func (s *sender) do(method, path string, query url.Values, body []byte) error {
	r, err := http.NewRequest(method, s.base+"/api/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.URL.RawQuery = query.Encode()
	if body != nil {
		r.Header.Set("Content-Type", "application/x-protobuf")
		r.Header.Set("Content-Encoding", "snappy")
		r.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	}
	switch {
	case s.creds.AccessKeyID == "":
	case s.signs:
		err = v4.NewSigner().SignHTTP(context.Background(), s.creds, r, sigv4.HashPayload(body), "aps", house.Region, time.Now())
	default:
		r.SetBasicAuth(s.creds.AccessKeyID, s.creds.SecretAccessKey)
	}
	if err != nil {
		return err
	}
	w, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if w.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s %.200s", path, w.Status, text)
	}
	return err
}

func (s *sender) send(body []byte) error { return s.do("POST", s.write, nil, body) }

func (s *sender) ask(query string) error {
	return s.do("GET", "query", url.Values{"query": {query}}, nil)
}

// startPrometheus starts Prometheus as a receiver of remote writes, or says loudly that it is not there and returns nil.
func startPrometheus(b *testing.B) (*server, *sender) {
	b.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		b.Log("PROMETHEUS IS MISSING: it is not compared. Install Debian's package prometheus.")
		return nil, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address, dir := l.Addr().String(), b.TempDir()
	l.Close()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {scrape_interval: 1h}\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(binary, "--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address, "--web.enable-remote-write-receiver", "--log.level", "error")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s := &sender{client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, base: "http://" + address, write: "write"}
	for range 400 {
		if err = s.do("GET", "status/buildinfo", nil, nil); err == nil {
			return &server{endpoint: s.base, pid: cmd.Process.Pid}, s
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatalf("Prometheus does not answer: %v", err)
	return nil, nil
}

// BenchmarkAmpHouse is remote writes of 20,000 series from four senders into a workspace of a whole house, over TLS, with everything
// enforced and recorded, against a Prometheus that takes the same over plain HTTP and asks nobody who it is.
func BenchmarkAmpHouse(b *testing.B) {
	h := house.Start(b)
	list, clock := ampLabels(ampSeries), time.Now().Add(-time.Hour).UnixMilli()
	receivers := []struct {
		name string
		*server
		*sender
	}{
		{"house, keys carried", of(h), toWorkspace(h, h.AsAdmin().NewWorkspace(b, ""), false)},
		{"house, signed", of(h), toWorkspace(h, h.AsAdmin().NewWorkspace(b, ""), true)},
	}
	if process, s := startPrometheus(b); s != nil {
		receivers = append(receivers, struct {
			name string
			*server
			*sender
		}{"Prometheus", process, s})
	}
	first := scrapes(b, list, clock, 1, 1)
	for _, r := range receivers {
		send(b, first, r.send)
	}
	const perRound, rounds = 10, 9
	spent := make(map[string][]float64)
	for range b.N {
		for range rounds {
			bodies := scrapes(b, list, clock+15_000, 15_000, perRound)
			clock += 15_000 * perRound
			for _, r := range receivers {
				before := r.cpu(b)
				send(b, bodies, r.send)
				spent[r.name] = append(spent[r.name], float64(r.cpu(b)-before)/perRound/ampSeries)
			}
		}
	}
	for name, list := range spent {
		b.Logf("%s: %.0f ns of processor time a sample, %.0f thousand samples a CPU-second", name, median(list), 1e6/median(list))
	}
	if theirs := spent["Prometheus"]; theirs != nil {
		b.ReportMetric(ratio(theirs, spent["house, keys carried"]), "rate-of-Prometheus")
		b.ReportMetric(ratio(theirs, spent["house, signed"]), "rate-of-Prometheus-signed")
	}
}

// houseScaleEnv lets BenchmarkAmpHouseScale run, which takes a while and memory.
const houseScaleEnv = "STRONGROOM_BENCH_AMP_HOUSE"

// BenchmarkAmpHouseScale sends to one workspace of 1,000,000 series of a house, and to 1,000 workspaces of 1,000 series each of another,
// and reports the most memory that each house took, with what lies in the file system in memory.
func BenchmarkAmpHouseScale(b *testing.B) {
	if os.Getenv(houseScaleEnv) == "" {
		b.Skip("takes minutes and up to 8 GiB: set " + houseScaleEnv)
	}
	for range b.N {
		for _, c := range []struct{ workspaces, series, times int }{{1, 1_000_000, 20}, {1000, 1000, 20}} {
			peak, memory := fillHouse(b, c.workspaces, c.series, c.times)
			b.Logf("%d workspaces of %d series: VmHWM %d MiB, in memory file systems %d MiB", c.workspaces, c.series, peak>>20, memory>>20)
			b.ReportMetric(float64(peak+memory)/(1<<30), fmt.Sprintf("GiB-%dx%d", c.workspaces, c.series))
		}
	}
}

// fillHouse sends samples of each series at some times to each workspace of a new house.
func fillHouse(b *testing.B, workspaces, each, times int) (peak, memory int64) {
	b.Helper()
	h := house.Start(b)
	defer h.Stop()
	var to []*sender
	shared := toWorkspace(h, "", false).client
	for range workspaces {
		s := toWorkspace(h, h.AsAdmin().NewWorkspace(b, ""), false)
		s.client = shared
		to = append(to, s)
	}
	var list []labels.Labels
	for i := range each {
		list = append(list, labels.FromStrings("__name__", fmt.Sprintf("bench_%d_total", i%10), "instance", fmt.Sprintf("host-%d:9100", i/10), "job", "node", "mode", "user"))
	}
	clock := time.Now().Add(-10 * time.Minute).UnixMilli()
	cpu, began := of(h).cpu(b), time.Now()
	for n := range times {
		for from := 0; from < each; from += ampRequest {
			body := scrapes(b, list[from:min(from+ampRequest, each)], clock+int64(n)*15_000, 1, 1)[0]
			var wg sync.WaitGroup
			errs := make([]error, 4)
			for k := range errs {
				wg.Go(func() {
					for i := k; i < len(to) && errs[k] == nil; i += len(errs) {
						errs[k] = to[i].send(body)
					}
				})
			}
			wg.Wait()
			if err := errors.Join(errs...); err != nil {
				b.Fatal(err)
			}
		}
	}
	_, peak = h.Memory()
	folders, err := filepath.Glob(filepath.Join(series.DefaultMemory, "strongroom-amp-*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, dir := range folders { // of this house, where no other runs
		memory += size(b, dir)
	}
	total := float64(workspaces) * float64(each) * float64(times)
	b.Logf("%.0f samples: %.0f ns of processor time each, %v", total, float64(of(h).cpu(b)-cpu)/total, time.Since(began).Round(time.Second))
	return peak, memory
}

// BenchmarkAmpIsolation measures what a small workspace waits for its writes and queries, alone and beside a workspace that floods: one
// that sends as fast as it can, one whose queries never end, be they many or long, and one that does both. Beside them stands what this process
// itself waits for when it appends to two files one after the other and syncs each, as the house does for a write: what the machine gives anybody.
func BenchmarkAmpIsolation(b *testing.B) {
	h := house.Start(b)
	small, full := toWorkspace(h, h.AsAdmin().NewWorkspace(b, ""), false), h.AsAdmin().NewWorkspace(b, "")
	big := toWorkspace(h, full, false)
	few, many := ampLabels(200), ampLabels(ampSeries)
	clock := time.Now().Add(-time.Hour).UnixMilli()
	for _, body := range scrapes(b, many, clock, 15_000, 60) {
		if err := big.send(body); err != nil {
			b.Fatal(err)
		}
	}
	f := startFlood(b, h, full, clock+60*15_000)
	rounds, bare := map[string][][]float64{}, [2]*os.File{newFile(b), newFile(b)}
	measure := func() []float64 {
		var writes, asks, appends []time.Duration
		for range 300 {
			clock += 800 // not further into the future than a workspace takes, in all rounds
			body := scrapes(b, few, clock, 1, 1)[0]
			writes = append(writes, took(b, func() error { return small.send(body) }))
			asks = append(asks, took(b, func() error { return small.ask(`sum by (instance) (rate(bench_3_total[5m]))`) }))
			appends = append(appends, took(b, func() error { return errors.Join(appendTo(bare[0]), appendTo(bare[1])) }))
			time.Sleep(5 * time.Millisecond)
		}
		return []float64{p99(writes), p99(asks), p99(appends)}
	}
	measure()
	for range b.N {
		for range 3 {
			rounds["alone"] = append(rounds["alone"], measure())
			for _, kind := range floodKinds {
				f.tell(b, kind)
				time.Sleep(500 * time.Millisecond)
				rounds[kind] = append(rounds[kind], measure())
				f.tell(b, "nothing")
			}
		}
	}
	for i, what := range []string{"write", "query", "bare append"} {
		alone := column(rounds["alone"], i)
		for _, kind := range floodKinds {
			beside := column(rounds[kind], i)
			b.Logf("p99 of a small %s: alone %.2f ms, beside a flood of %s %.2f ms", what, median(alone), kind, median(beside))
			b.ReportMetric(ratio(beside, alone), strings.ReplaceAll(what+"-p99-beside-"+kind, " ", "-"))
		}
	}
}

func newFile(b *testing.B) *os.File {
	f, err := os.CreateTemp(b.TempDir(), "bare")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

// appendTo makes a file longer by as much as a small write takes of a log, durably.
func appendTo(f *os.File) error {
	if _, err := f.Write(make([]byte, 4<<10)); err != nil {
		return err
	}
	return durable.SyncData(f)
}

var floodKinds = []string{"writes", "queries", "long queries", "writes and queries"}

func column(rows [][]float64, i int) (list []float64) {
	for _, r := range rows {
		list = append(list, r[i])
	}
	return list
}

func took(b *testing.B, fn func() error) time.Duration {
	at := time.Now()
	if err := fn(); err != nil {
		b.Fatal(err)
	}
	return time.Since(at)
}

// p99 returns the 99th percentile in milliseconds.
func p99(list []time.Duration) float64 {
	slices.Sort(list)
	return float64(list[len(list)*99/100]) / 1e6
}
