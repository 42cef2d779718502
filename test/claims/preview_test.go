package claims

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

// previewed is an answer to PreviewAnomalyDetector.
type previewed struct {
	Status string
	Data   struct {
		ResultType string
		Result     []struct {
			Metric map[string]string
			Values [][2]any
		}
	}
	Warnings []string
}

// last returns the last value of each series, by what it is and the label job.
func (p previewed) last(t testing.TB) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, r := range p.Data.Result {
		text, _ := r.Values[len(r.Values)-1][1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimPrefix(r.Metric["__name__"], "anomaly_detector_preview:")+" "+r.Metric["job"]] = v
	}
	return out
}

// preview asks for a preview over the hours before a time.
func (p plane) preview(method, query string, end time.Time, hours, step int) (int, string) {
	p.t.Helper()
	form := url.Values{
		"query": {query}, "start": {fmt.Sprint(end.Add(-time.Duration(hours) * time.Hour).Unix())}, "end": {end.Format(time.RFC3339)}, "step": {fmt.Sprint(step)},
	}.Encode()
	if method == "GET" {
		resp, text := p.do(method, "anomalydetectors/preview?"+form, nil)
		return resp.StatusCode, text
	}
	resp, text := p.do(method, "anomalydetectors/preview", []byte(form), "Content-Type", "application/x-www-form-urlencoded")
	return resp.StatusCode, text
}

// TestPreview: a preview shows what a detector would say, to those who may ask for one and use the workspace's key, and leaves nothing behind.
func TestPreview(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	id := admin.NewWorkspace(t, key)
	p := planeOf(t, h, h.Admin, id)
	const points, step = 300, 60
	end := time.Now().Truncate(time.Second)
	var body []byte
	for i := range points {
		v := 100 + 40*math.Sin(2*math.Pi*float64(i)/24)
		spiked := v
		if i == points-1 {
			spiked += 300
		}
		body = appendSamples(body, end.Add(step*time.Second*time.Duration(i-points+1)), map[string]float64{"load{job=quiet}": v, "load{job=spiked}": spiked})
	}
	if resp, text := p.do("POST", "api/v1/remote_write", snappy(body), "Content-Type", "application/x-protobuf", "Content-Encoding", "snappy"); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("remote write: got %d %s", resp.StatusCode, text)
	}
	const query = "RCF(avg by (job) (load), 8, 256)"
	basic := p
	basic.carry = "Basic"
	for name, ask := range map[string]func() (int, string){
		"GET":             func() (int, string) { return p.preview("GET", query, end, 4, step) },
		"POST":            func() (int, string) { return p.preview("POST", query, end, 4, step) },
		"with basic auth": func() (int, string) { return basic.preview("POST", query, end, 4, step) },
	} {
		code, text := ask()
		var out previewed
		if err := json.Unmarshal([]byte(text), &out); err != nil || code != 200 || out.Status != "success" || out.Data.ResultType != "matrix" || len(out.Data.Result) != 8 {
			t.Fatalf("%s: got %d %.2000s", name, code, text)
		}
		got := out.last(t)
		if !(got["score spiked"] > 0.6 && got["score quiet"] < 0.3 && got[" spiked"] > got["upper_band spiked"] && got[" quiet"] <= got["upper_band quiet"]+1 && got[" quiet"] >= got["lower_band quiet"]-1) {
			t.Errorf("%s: the last values are %v", name, got)
		}
	}
	for name, bad := range map[string]struct {
		query string
		hours int
		step  int
		want  int
	}{
		"no RCF":                {"avg(load)", 1, 60, 400},
		"no aggregation":        {"RCF(load)", 1, 60, 400},
		"a sample of one":       {"RCF(avg(load), 8, 1)", 1, 60, 400},
		"points beyond all":     {"RCF(avg(load))", 24, 1, 400},
		"values beyond a model": {"RCF(avg(vector(1)), 1024, 1024)", 1, 1, 422},
	} {
		if code, text := p.preview("POST", bad.query, end, bad.hours, bad.step); code != bad.want || !strings.Contains(text, `"status":"error"`) {
			t.Errorf("%s: got %d %s, want %d", name, code, text, bad.want)
		}
	}
	if resp, text := p.do("DELETE", "anomalydetectors/preview", nil); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("another method: got %d %s", resp.StatusCode, text)
	}
	if code, data := p.get("query", "query", `{__name__=~"anomaly_detector.*"}`); code != 200 || !strings.Contains(data, `"result":[]`) {
		t.Errorf("a preview has left %d %s", code, data)
	}

	decrypt := allow(`"kms:Decrypt"`, "*")
	for name, who := range map[string]struct {
		policy string
		want   int
	}{
		"who may not preview":     {document(allow(`"aps:QueryMetrics"`, "*"), decrypt), 403},
		"who may not use the key": {document(allow(`"aps:PreviewAnomalyDetector"`, "*")), 403},
		"who may do both":         {document(allow(`"aps:PreviewAnomalyDetector"`, "*"), decrypt), 200},
	} {
		user := planeOf(t, h, h.User("user-"+strconv.Itoa(len(name)), who.policy), id)
		if code, text := user.preview("GET", query, end, 1, step); code != who.want {
			t.Errorf("%s: got %d %.300s, want %d", name, code, text, who.want)
		}
	}
	if got := events(t, admin, "PreviewAnomalyDetector"); len(got) == 0 || strings.Contains(fmt.Sprint(got), "avg by") {
		t.Errorf("records of previews: %v", got)
	}
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	if code, text := p.preview("GET", query, end, 1, step); code != http.StatusServiceUnavailable {
		t.Errorf("without the key: got %d %s", code, text)
	}
}
