package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/strongroom/strongroom/service/amp/prom"
	"github.com/strongroom/strongroom/service/amp/series"
)

// Managed Prometheus's engine is measured against Prometheus's own store of the same version behind its own handler of
// remote writes, in one process, over the same requests, and VictoriaMetrics beside them where it is installed
// (Debian's package victoria-metrics). What is compared is processor time.

const (
	ampSeries  = 20_000
	ampRequest = 2_000 // samples of a request
	ampSenders = 4
)

func ampLabels(n int) []labels.Labels {
	list := make([]labels.Labels, n)
	for i := range list {
		list[i] = labels.FromStrings("__name__", fmt.Sprintf("bench_%d_total", i%10), "instance", fmt.Sprintf("host-%d:9100", i/10), "job", "node", "mode", "user")
	}
	return list
}

// scrapes returns remote writes of one sample of each series at each of some times, as a sender has them.
func scrapes(tb testing.TB, list []labels.Labels, from, step int64, times int) (bodies [][]byte) {
	tb.Helper()
	for n := range times {
		at := from + int64(n)*step
		for i := 0; i < len(list); i += ampRequest {
			var w prompb.WriteRequest
			for k, ls := range list[i:min(i+ampRequest, len(list))] {
				w.Timeseries = append(w.Timeseries, prompb.TimeSeries{Labels: prompb.FromLabels(ls, nil), Samples: []prompb.Sample{{Timestamp: at, Value: float64(at/1000 + int64(k*n))}}})
			}
			raw, err := w.Marshal()
			if err != nil {
				tb.Fatal(err)
			}
			bodies = append(bodies, snappy.Encode(nil, raw))
		}
	}
	return bodies
}

func receiver(db storage.AppendableV2) http.Handler {
	return remote.NewWriteHandler(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), db, remoteapi.MessageTypes{remoteapi.WriteV1MessageType}, false, false)
}

func writeRequest(url string, body []byte) *http.Request {
	r := httptest.NewRequest("POST", url, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("Content-Encoding", "snappy")
	r.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	return r
}

// send sends bodies from several senders at once, each in order and each series always from the same.
func send(tb testing.TB, bodies [][]byte, one func(body []byte) error) {
	tb.Helper()
	perScrape := ampSeries / ampRequest
	errs := make([]error, ampSenders)
	var wg sync.WaitGroup
	for s := range ampSenders {
		wg.Go(func() {
			for i, body := range bodies {
				if i%perScrape%ampSenders == s && errs[s] == nil {
					errs[s] = one(body)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func into(h http.Handler) func([]byte) error {
	return func(body []byte) error {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, writeRequest("/api/v1/write", body))
		if w.Code/100 != 2 {
			return fmt.Errorf("%d %s", w.Code, w.Body)
		}
		return nil
	}
}

// own sends to a sealed store by the road of the house below its gateway.
func own(db *series.DB) func([]byte) error {
	api := prom.New(prom.Options{DB: db})
	header := http.Header{"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"snappy"}}
	return func(body []byte) error {
		w, err := api.Serve(context.Background(), &prom.Request{Method: "POST", Path: "remote_write", Header: header, Body: body})
		if err == nil && w.Status/100 != 2 {
			err = fmt.Errorf("%d %s", w.Status, w.Body)
		}
		return err
	}
}

// BenchmarkAmpIngest takes remote writes of 20,000 series from four senders.
func BenchmarkAmpIngest(b *testing.B) {
	list, clock := ampLabels(ampSeries), time.Now().Add(-time.Hour).UnixMilli()
	stores := []struct {
		name  string
		write func([]byte) error
	}{
		{"plain", into(receiver(openPlainStore(b, b.TempDir(), false)))},
		{"plain that syncs", into(receiver(openPlainStore(b, b.TempDir(), true)))},
		{"sealed", own(openSealedStore(b, b.TempDir(), "ingest", nil).DB)},
	}
	first := scrapes(b, list, clock, 1, 1)
	for _, s := range stores {
		send(b, first, s.write)
	}
	vm := startVictoria(b)
	if vm != nil {
		send(b, first, vm.write)
	}
	const perRound, rounds = 10, 9
	spent := make(map[string][]float64)
	for range b.N {
		for range rounds {
			bodies := scrapes(b, list, clock+15_000, 15_000, perRound)
			clock += 15_000 * perRound
			for _, s := range stores {
				runtime.GC()
				before := ownCPU()
				send(b, bodies, s.write)
				spent[s.name] = append(spent[s.name], float64(ownCPU()-before)/perRound/ampSeries)
			}
			if vm != nil {
				before := vm.cpu(b)
				send(b, bodies, vm.write)
				spent["VictoriaMetrics"] = append(spent["VictoriaMetrics"], float64(vm.cpu(b)-before)/perRound/ampSeries)
			}
		}
	}
	for name, list := range spent {
		b.Logf("%s: %.0f ns of processor time a sample, %.0f thousand samples a CPU-second", name, median(list), 1e6/median(list))
	}
	b.ReportMetric(ratio(spent["plain"], spent["sealed"]), "rate-of-plain")
	b.ReportMetric(ratio(spent["plain that syncs"], spent["sealed"]), "rate-of-plain-that-syncs")
}

// ratio returns the median of the quotients of two lists.
func ratio(of, to []float64) float64 {
	list := make([]float64, len(of))
	for i := range of {
		list[i] = of[i] / to[i]
	}
	return median(list)
}

// victoria is a running VictoriaMetrics.
type victoria struct {
	server
	client http.Client
}

// startVictoria starts VictoriaMetrics, or says loudly that it is not there and returns nil.
func startVictoria(b *testing.B) *victoria {
	b.Helper()
	binary, err := exec.LookPath("victoria-metrics")
	if err != nil {
		b.Log("VICTORIAMETRICS IS MISSING: it is not compared. Install Debian's package victoria-metrics.")
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(binary, "-storageDataPath="+filepath.Join(b.TempDir(), "vm"), "-httpListenAddr="+address, "-loggerLevel=ERROR", "-retentionPeriod=100y")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	v := &victoria{server: server{endpoint: "http://" + address, pid: cmd.Process.Pid}}
	for range 200 {
		if r, err := v.client.Get(v.endpoint + "/health"); err == nil {
			r.Body.Close()
			return v
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatal("VictoriaMetrics does not answer")
	return nil
}

func (v *victoria) write(body []byte) error {
	r := writeRequest(v.endpoint+"/api/v1/write", body)
	r.RequestURI = ""
	return v.do(r)
}

func (v *victoria) do(r *http.Request) error {
	w, err := v.client.Do(r)
	if err != nil {
		return err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if w.StatusCode/100 != 2 {
		return fmt.Errorf("VictoriaMetrics: %s %.200s", w.Status, text)
	}
	return err
}

// ampQueries are the five typical queries.
var ampQueries = []struct{ name, text string }{
	{"one", `bench_3_total{instance="host-77:9100"}`},
	{"rate", `sum(rate(bench_3_total[5m]))`},
	{"by", `topk(5, sum by (instance) (rate(bench_4_total[5m])))`},
	{"regex", `max(bench_5_total{instance=~"host-[0-9]*7:9100"})`},
	{"over_time", `avg_over_time(bench_6_total{instance=~"host-1.*"}[1h])`},
}

// BenchmarkAmpQuery asks over six hours of 10,000 series in blocks, and compares what the blocks take on disk.
func BenchmarkAmpQuery(b *testing.B) {
	const span, step = 6 * time.Hour, time.Minute
	list, start := ampLabels(10_000), time.Now().Add(-8*time.Hour).Truncate(2*time.Hour).UnixMilli()
	plain, sealed := openPlainStore(b, b.TempDir(), false), openSealedStore(b, b.TempDir(), "query", nil)
	vm := startVictoria(b)
	for at := time.Duration(0); at < span; at += step {
		bodies := scrapes(b, list, start+at.Milliseconds(), 1, 1)
		send(b, bodies, into(receiver(plain)))
		send(b, bodies, into(receiver(sealed)))
		if vm != nil {
			send(b, bodies, vm.write)
		}
	}
	end := start + (span - step).Milliseconds()
	cutPlain(b, plain)
	if err := sealed.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	var plainSize int64
	for _, block := range plain.Blocks() {
		plainSize += size(b, filepath.Join(block.Dir(), "chunks")) + size(b, filepath.Join(block.Dir(), "index"))
	}
	b.Logf("blocks: plain %d bytes, sealed %d", plainSize, sealed.Size())
	b.ReportMetric(float64(sealed.Size())/float64(plainSize), "disk-ratio")
	for range b.N {
		var own, warm, alone, cold float64
		for _, q := range ampQueries {
			o, w, a, c := compareQuery(b, q.name, q.text, plain, sealed, vm, start+time.Hour.Milliseconds(), end)
			own, warm, alone, cold = own+o, warm+w, alone+a, cold+c
		}
		b.Logf("all five: plain %.2f ms, sealed %.2f; each on its own: plain %.2f, opened again %.2f", own/1e6, warm/1e6, alone/1e6, cold/1e6)
		b.ReportMetric(warm/own, "five-warm")
		b.ReportMetric(cold/alone, "five-opened-again")
	}
}

// cutPlain puts all that Prometheus's head has into blocks of two hours.
func cutPlain(b *testing.B, plain *plainStore) {
	const two = int64(2 * time.Hour / time.Millisecond)
	for h := plain.Head(); h.NumSeries() > 0; {
		mint := h.MinTime()
		if err := plain.CompactHead(tsdb.NewRangeHead(h, mint, min(mint-mint%two+two-1, h.MaxTime()))); err != nil {
			b.Fatal(err)
		}
	}
}

// compareQuery returns the processor time of a query, in nanoseconds: of both stores one after another, and of both when each is asked on
// its own. All pages are forgotten before each query that opens them again, so it can only be measured alone, and reading the clock costs a
// twentieth of a small query, and more behind it: then plain is measured so too.
func compareQuery(b *testing.B, name, text string, plain *plainStore, sealed *sealedStore, vm *victoria, from, to int64) (plainly, warmly, singly, coldly float64) {
	b.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 100_000_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	ask := func(db storage.Queryable) {
		q, err := engine.NewRangeQuery(b.Context(), db, nil, text, time.UnixMilli(from), time.UnixMilli(to), time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		defer q.Close()
		if r := q.Exec(b.Context()); r.Err != nil || len(r.Value.(promql.Matrix)) == 0 {
			b.Fatalf("%s: %v", text, r)
		}
	}
	times := 3
	if name == "one" {
		times = 30
	}
	row := func(db storage.Queryable) float64 { // one after another
		before := ownCPU()
		for range times {
			ask(db)
		}
		return float64(ownCPU()-before) / float64(times)
	}
	single := func(do func(), before func() error) float64 { // each on its own, with the clock read in between
		var sum time.Duration
		for range times {
			if err := before(); err != nil {
				b.Fatal(err)
			}
			start := ownCPU()
			do()
			sum += ownCPU() - start
		}
		return float64(sum) / float64(times)
	}
	none := func() error { return nil }
	ask(plain)
	ask(sealed)
	var own, warm, alone, cold, theirs []float64
	for range 11 {
		own = append(own, row(plain))
		warm = append(warm, row(sealed))
		clock := single(func() {}, none)
		alone = append(alone, single(func() { ask(plain) }, none)-clock)
		cold = append(cold, single(func() { ask(sealed) }, sealed.Forget)-clock)
		if vm != nil {
			theirs = append(theirs, vm.ask(b, text, from, to, times))
		}
	}
	b.Logf("%s: plain %.3f ms, sealed %.3f; on its own: plain %.3f, sealed and opened again %.3f, %.2f of plain in a row", name, median(own)/1e6, median(warm)/1e6, median(alone)/1e6, median(cold)/1e6, ratio(cold, own))
	if vm != nil {
		b.Logf("%s: VictoriaMetrics %.2f ms, over HTTP", name, median(theirs)/1e6)
	}
	b.ReportMetric(ratio(warm, own), name+"-warm")
	b.ReportMetric(ratio(cold, alone), name+"-opened-again")
	return median(own), median(warm), median(alone), median(cold)
}

func (v *victoria) ask(b *testing.B, text string, from, to int64, times int) float64 {
	b.Helper()
	before := v.cpu(b)
	for range times {
		r, err := http.NewRequest("GET", v.endpoint+"/api/v1/query_range", nil)
		if err != nil {
			b.Fatal(err)
		}
		q := r.URL.Query()
		q.Set("query", text)
		q.Set("start", strconv.FormatInt(from/1000, 10))
		q.Set("end", strconv.FormatInt(to/1000, 10))
		q.Set("step", "60")
		q.Set("nocache", "1")
		r.URL.RawQuery = q.Encode()
		if err := v.do(r); err != nil {
			b.Fatal(err)
		}
	}
	return float64(v.cpu(b)-before) / float64(times)
}

// BenchmarkAmpMemory ingests an hour of 100,000 series into each store, each in a process of its own, and compares the
// most memory that it took. What lies in a file system in memory counts.
func BenchmarkAmpMemory(b *testing.B) {
	for range b.N {
		plain := ampChild(b, "plain", 100_000, 1, 120)
		sealed := ampChild(b, "sealed", 100_000, 1, 120)
		b.Logf("100,000 series, 120 samples each: plain %d MiB, sealed %d MiB", plain>>20, sealed>>20)
		b.ReportMetric(float64(sealed)/float64(plain), "memory-ratio")
	}
}

// BenchmarkAmpScale ingests into one workspace of 1,000,000 series, and into 1,000 workspaces of 1,000 series each.
func BenchmarkAmpScale(b *testing.B) {
	for range b.N {
		one := ampChild(b, "sealed", 1_000_000, 1, 20)
		b.Logf("1 workspace of 1,000,000 series: %d MiB", one>>20)
		many := ampChild(b, "sealed", 1_000, 1_000, 20)
		b.Logf("1,000 workspaces of 1,000 series: %d MiB", many>>20)
		b.ReportMetric(float64(one)/(1<<30), "GiB-one-large")
		b.ReportMetric(float64(many)/(1<<30), "GiB-many-small")
	}
}

// ampChild runs TestAmpChild in a process of its own and returns the most memory that it took.
func ampChild(b *testing.B, kind string, perStore, stores, scrapes int) int64 {
	b.Helper()
	cmd := exec.CommandContext(context.Background(), os.Args[0], "-test.run", "^TestAmpChild$", "-test.v", "-test.timeout", "30m")
	cmd.Env = append(os.Environ(), ampChildEnv+"="+fmt.Sprint(kind, " ", perStore, " ", stores, " ", scrapes))
	out, err := cmd.CombinedOutput()
	_, figure, found := strings.Cut(string(out), "peak=")
	figure, _, _ = strings.Cut(figure, "\n")
	peak, perr := strconv.ParseInt(strings.TrimSpace(figure), 10, 64)
	if err != nil || !found || perr != nil {
		b.Fatalf("%s: %v\n%s", kind, err, out)
	}
	return peak
}
