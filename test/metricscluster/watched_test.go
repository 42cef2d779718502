package metricscluster

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	amptypes "github.com/aws/aws-sdk-go-v2/service/amp/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

// wave is a series as a cluster would give it: a wave, and a spike at the end.
func wave(at, end time.Time) float64 {
	v := 100 + 40*math.Sin(2*math.Pi*float64(at.Unix())/1200)
	if !at.Before(end) {
		v += 300
	}
	return v
}

// answerWaves lets the fake answer every query with one series.
func answerWaves(f *Fake) {
	const stats = `,"stats":{"samples":{"totalQueryableSamples":7}}`
	answer := func(w http.ResponseWriter, r *http.Request, kind string, result any) {
		text, _ := json.Marshal(result)
		extra := ""
		if r.FormValue("stats") != "" {
			extra = stats
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":%q,"result":%s%s}}`, kind, text, extra)
	}
	seconds := func(r *http.Request, name string) time.Time {
		v, _ := strconv.ParseFloat(r.FormValue(name), 64)
		return time.UnixMilli(int64(v * 1000))
	}
	pair := func(at, end time.Time) [2]any {
		return [2]any{float64(at.UnixMilli()) / 1000, fmt.Sprint(wave(at, end))}
	}
	f.Answer("/prometheus/api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		at := seconds(r, "time")
		answer(w, r, "vector", []any{map[string]any{"metric": map[string]string{"job": "canary"}, "value": pair(at, at)}})
	})
	f.Answer("/prometheus/api/v1/query_range", func(w http.ResponseWriter, r *http.Request) {
		step, _ := strconv.ParseFloat(r.FormValue("step"), 64)
		var values [][2]any
		for at, end := seconds(r, "start"), seconds(r, "end"); step > 0 && !at.After(end) && len(values) < 11000; at = at.Add(time.Duration(step * float64(time.Second))) {
			values = append(values, pair(at, end.Add(time.Second))) // no spike: the past of a detector, or all of a preview
		}
		answer(w, r, "matrix", []any{map[string]any{"metric": map[string]string{"job": "canary"}, "values": values}})
	})
}

// written returns the series that were written for a tenant, by name and job, with their newest values.
func written(t testing.TB, f *Fake, tenant string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, m := range f.Writes(t)[tenant] {
		for _, s := range m.Timeseries {
			labels := map[string]string{}
			for _, l := range s.Labels {
				labels[l.Name] = l.Value
			}
			out[labels["__name__"]+" "+labels["job"]] = s.Samples[0].Value
		}
	}
	return out
}

// detector makes a detector that is evaluated once in a test: at the beginning. Its past is that of every half minute of a wave.
func detector(t testing.TB, a house.Account, workspace, query string) string {
	t.Helper()
	const interval = 3*1200 + 30
	out, err := a.AMP().CreateAnomalyDetector(ctx, &amp.CreateAnomalyDetectorInput{
		WorkspaceId: &workspace, Alias: aws.String("load"), EvaluationIntervalInSeconds: aws.Int32(interval),
		Configuration: &amptypes.AnomalyDetectorConfigurationMemberRandomCutForest{Value: amptypes.RandomCutForestConfiguration{Query: &query}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.AnomalyDetectorId
}

func detectorStatus(t testing.TB, a house.Account, workspace, id string) (code amptypes.AnomalyDetectorStatusCode, reason string) {
	t.Helper()
	out, err := a.AMP().DescribeAnomalyDetector(ctx, &amp.DescribeAnomalyDetectorInput{WorkspaceId: &workspace, AnomalyDetectorId: &id})
	if err != nil {
		t.Fatal(err)
	}
	return out.AnomalyDetector.Status.StatusCode, aws.ToString(out.AnomalyDetector.Status.StatusReason)
}

// target is something to scrape.
func target(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte("# TYPE scraped_metric gauge\nscraped_metric 7\n")) // a client that has gone has no answer
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func scraper(t testing.TB, h *house.House, workspace, target string) (string, error) {
	t.Helper()
	out, err := h.AsAdmin().AMP().CreateScraper(ctx, &amp.CreateScraperInput{
		Destination: &amptypes.DestinationMemberAmpConfiguration{Value: amptypes.AmpConfiguration{
			WorkspaceArn: aws.String("arn:aws:aps:" + house.Region + ":" + h.Account + ":workspace/" + workspace),
		}},
		Source: &amptypes.SourceMemberVpcConfiguration{Value: amptypes.VpcConfiguration{SecurityGroupIds: []string{"sg-1"}, SubnetIds: []string{"subnet-1"}}},
		ScrapeConfiguration: &amptypes.ScrapeConfigurationMemberConfigurationBlob{
			Value: []byte("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: a\n  static_configs:\n  - targets: ['" + target + "']\n"),
		},
	})
	if err != nil {
		return "", err
	}
	return *out.ScraperId, nil
}

// logGroup makes a log group, and returns its ARN and a function that finds records in it.
func logGroup(t testing.TB, h *house.House) (arn string, find func(pattern string) []string) {
	t.Helper()
	name, logs := "/aws/vendedlogs/cluster", h.AsAdmin().Logs()
	if _, err := logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name}); err != nil {
		t.Fatal(err)
	}
	return "arn:aws:logs:" + house.Region + ":" + h.Account + ":log-group:" + name + ":*", func(pattern string) (list []string) {
		out, err := logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &name, FilterPattern: &pattern})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			list = append(list, *e.LogStreamName+" "+*e.Message)
		}
		return list
	}
}

// preview asks for a preview of the last hours, of one value a minute.
func (c *client) preview(query string, hours int) (int, string) {
	c.t.Helper()
	now := time.Now().Unix()
	form := url.Values{"query": {query}, "start": {fmt.Sprint(now - int64(hours)*3600)}, "end": {fmt.Sprint(now)}, "step": {"60"}}
	return c.do("POST", "anomalydetectors/preview", []byte(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
}

// wantPreview wants bands and scores of one series.
func (c *client) wantPreview(query string) {
	c.t.Helper()
	code, text := c.preview(query, 4)
	for _, what := range []string{`"anomaly_detector_preview:upper_band"`, `"anomaly_detector_preview:lower_band"`, `"anomaly_detector_preview:score"`} {
		if code != 200 || !strings.Contains(text, what) {
			c.t.Fatalf("a preview: %d %.2000s", code, text)
		}
	}
}

// TestWatchedCluster lets a house run detectors and scrapers, and log queries, of workspaces that a cluster keeps.
func TestWatchedCluster(t *testing.T) {
	f := New(t, t.TempDir())
	answerWaves(f)
	to := target(t)
	h := house.Start(t, "--metrics-backend", backend(t, f.Certificates, f.URL, f.Overrides, ""), "--scrape-address", to)
	admin := h.AsAdmin()
	key := newKey(t, admin)
	sealed, plain := admin.NewWorkspace(t, key), admin.NewWorkspace(t, "")
	c := clientOf(t, h, h.Admin, sealed)

	id := detector(t, admin, sealed, "avg by (job) (load)")
	soon(t, "the detector is active", func() bool {
		code, reason := detectorStatus(t, admin, sealed, id)
		if reason != "" {
			t.Logf("%s: %s", code, reason)
		}
		return code == amptypes.AnomalyDetectorStatusCodeActive
	})
	got := written(t, f, sealed)
	if got["anomaly_detector:score canary"] < 0.6 || !(got["anomaly_detector:value canary"] > got["anomaly_detector:upper_band canary"]) || got["anomaly_detector:lower_band canary"] == 0 {
		t.Errorf("the detector has written %v", got)
	}
	if n := len(written(t, f, plain)); n != 0 {
		t.Errorf("%d series were written for the other workspace", n)
	}
	c.wantPreview("RCF(avg by (job) (load))")
	code, text := c.preview("RCF(load)", 1)
	c.wantError(400, "a preview without an aggregation", code, text)

	scrapeAndLog(t, f, h, sealed, plain, to)

	// Without the key nothing is asked and nothing written; with it all goes on by itself.
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	code, text = c.query("load")
	c.wantError(503, "a query while the key is disabled", code, text)
	code, text = c.preview("RCF(avg(load))", 1)
	c.wantError(503, "a preview while the key is disabled", code, text)
	if _, err := admin.AMP().DescribeAnomalyDetector(ctx, &amp.DescribeAnomalyDetectorInput{WorkspaceId: &sealed, AnomalyDetectorId: &id}); house.ErrorCode(err) != "ConflictException" {
		t.Errorf("the detector without the key: %v", err)
	}
	trained := func() (n int) {
		for _, r := range f.Asked("/prometheus/api/v1/query_range") {
			if r.Tenant == sealed {
				n++
			}
		}
		return n
	}
	before := trained()
	if _, err := admin.KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	soon(t, "the detector is active again", func() bool {
		code, _ := detectorStatus(t, admin, sealed, id)
		return code == amptypes.AnomalyDetectorStatusCodeActive
	})
	if trained() == before {
		t.Error("the detector was not trained again")
	}

	// A cluster that fails is told as what it is, and no more.
	f.Answer("/prometheus/api/v1/query", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", http.StatusBadGateway) })
	failing := detector(t, admin, plain, "avg(load)")
	soon(t, "the new detector fails", func() bool {
		code, reason := detectorStatus(t, admin, plain, failing)
		return code == amptypes.AnomalyDetectorStatusCodeCreationFailed && strings.Contains(reason, "metrics cluster answers with status 502")
	})
	if _, err := admin.AMP().DeleteAnomalyDetector(ctx, &amp.DeleteAnomalyDetectorInput{WorkspaceId: &plain, AnomalyDetectorId: &failing}); err != nil {
		t.Error(err)
	}
}

// scrapeAndLog lets a scraper write into a workspace, and logs queries of it.
func scrapeAndLog(t *testing.T, f *Fake, h *house.House, sealed, plain, to string) {
	t.Helper()
	admin := h.AsAdmin()
	if _, err := scraper(t, h, sealed, to); house.ErrorCode(err) != "ValidationException" {
		t.Errorf("a scraper into a workspace under a customer's key: %v", err)
	}
	id, err := scraper(t, h, plain, to)
	if err != nil {
		t.Fatal(err)
	}
	arn, find := logGroup(t, h)
	if _, err := admin.AMP().UpdateScraperLoggingConfiguration(ctx, &amp.UpdateScraperLoggingConfigurationInput{
		ScraperId: &id, LoggingDestination: &amptypes.ScraperLoggingDestinationMemberCloudWatchLogs{Value: amptypes.CloudWatchLogDestination{LogGroupArn: &arn}},
	}); err != nil {
		t.Fatal(err)
	}
	soon(t, "the scraper has written", func() bool {
		got := written(t, f, plain)
		return got["scraped_metric a"] == 7 && got["up a"] == 1
	})
	f.Answer("/api/v1/push", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTooManyRequests) })
	soon(t, "the scraper's log says that a write failed", func() bool {
		return len(find(`{ $.component = "EXPORTER" && $.message.error = "*status 429*" && $.scraperId = "`+id+`" }`)) > 0
	})
	f.Answer("/api/v1/push", nil)

	rules, err := admin.AMP().CreateLoggingConfiguration(ctx, &amp.CreateLoggingConfigurationInput{WorkspaceId: &plain, LogGroupArn: &arn})
	if err != nil || rules.Status.StatusCode != amptypes.LoggingConfigurationStatusCodeCreationFailed || !strings.Contains(aws.ToString(rules.Status.StatusReason), "metrics cluster") {
		t.Errorf("logs of rules: %+v, %v", rules, err)
	}
	queries, err := admin.AMP().CreateQueryLoggingConfiguration(ctx, &amp.CreateQueryLoggingConfigurationInput{WorkspaceId: &plain, Destinations: []amptypes.LoggingDestination{{
		CloudWatchLogs: &amptypes.CloudWatchLogDestination{LogGroupArn: &arn}, Filters: &amptypes.LoggingFilter{QspThreshold: aws.Int64(6)},
	}}})
	if err != nil || queries.Status.StatusCode != amptypes.QueryLoggingConfigurationStatusCodeActive {
		t.Fatalf("logs of queries: %+v, %v", queries, err)
	}
	c := clientOf(t, h, h.Admin, plain)
	if code, text := c.query("sum(logged)"); code != 200 || strings.Contains(text, "stats") {
		t.Errorf("a query that is logged: %d %s", code, text)
	}
	soon(t, "the query is logged", func() bool {
		return slices.ContainsFunc(find(`{ $.component = "query-frontend" && $.message.query = "sum(logged)" && $.message.samples = "7" }`), func(s string) bool {
			return strings.HasPrefix(s, plain+"/")
		})
	})
	if _, err := admin.AMP().DeleteScraper(ctx, &amp.DeleteScraperInput{ScraperId: &id}); err != nil {
		t.Error(err)
	}
}
