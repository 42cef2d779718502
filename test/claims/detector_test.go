package claims

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	amptypes "github.com/aws/aws-sdk-go-v2/service/amp/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

// vector asks an instant query and returns the values of its series, by the label job.
func (p plane) vector(query string) map[string]float64 {
	p.t.Helper()
	status, data := p.get("query", "query", query)
	var m struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := json.Unmarshal([]byte(data), &m); err != nil || status != 200 {
		p.t.Fatalf("%s: %d %s", query, status, data)
	}
	out := map[string]float64{}
	for _, r := range m.Result {
		text, _ := r.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		out[r.Metric["job"]] = v
	}
	return out
}

func randomCutForest(query string) *amptypes.AnomalyDetectorConfigurationMemberRandomCutForest {
	return &amptypes.AnomalyDetectorConfigurationMemberRandomCutForest{Value: amptypes.RandomCutForestConfiguration{Query: &query}}
}

func waitForDetector(t testing.TB, a house.Account, workspace, id string) *amptypes.AnomalyDetectorDescription {
	t.Helper()
	in := &amp.DescribeAnomalyDetectorInput{WorkspaceId: &workspace, AnomalyDetectorId: &id}
	out, err := amp.NewAnomalyDetectorActiveWaiter(a.AMP(), func(o *amp.AnomalyDetectorActiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	}).WaitForOutput(ctx, in, 2*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return out.AnomalyDetector
}

// TestDetectors: of two series, the last value of one is a spike. A detector that is made finds it and is quiet about the other. It stops with the
// key and goes on with it, and after the house was killed; its query and labels are readable nowhere on the disk.
func TestDetectors(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	id := admin.NewWorkspace(t, key)
	p := planeOf(t, h, h.Admin, id)
	const points, step = 320, 5 * time.Minute
	end := time.Now()
	var body []byte
	for i := range points {
		v := 100 + 40*math.Sin(2*math.Pi*float64(i)/24)
		spiked := v
		if i == points-1 {
			spiked += 300
		}
		body = appendSamples(body, end.Add(step*time.Duration(i-points+1)), map[string]float64{"canary_load{job=quiet}": v, "canary_load{job=spiked}": spiked})
	}
	if resp, text := p.do("POST", "api/v1/remote_write", snappy(body), "Content-Type", "application/x-protobuf", "Content-Encoding", "snappy"); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("remote write: got %d %s", resp.StatusCode, text)
	}

	c := admin.AMP()
	in := &amp.CreateAnomalyDetectorInput{
		WorkspaceId: &id, Alias: aws.String("load"), Configuration: randomCutForest("avg by (job) (canary_load)"), EvaluationIntervalInSeconds: aws.Int32(300),
		MissingDataAction: &amptypes.AnomalyDetectorMissingDataActionMemberSkip{Value: true}, Labels: map[string]string{"team": "canaryteam"},
		Tags: map[string]string{"stage": "test"}, ClientToken: aws.String("t-1"),
	}
	made, err := c.CreateAnomalyDetector(ctx, in)
	if err != nil || made.Status.StatusCode != amptypes.AnomalyDetectorStatusCodeCreating || *made.Arn != "arn:aws:aps:"+house.Region+":"+h.Account+":anomalydetector/"+id+"/"+*made.AnomalyDetectorId {
		t.Fatalf("created as %+v, %v", made, err)
	}
	if again, err := c.CreateAnomalyDetector(ctx, in); err != nil || *again.AnomalyDetectorId != *made.AnomalyDetectorId {
		t.Errorf("the same request again: %+v, %v", again, err)
	}
	ad := *made.AnomalyDetectorId
	d := waitForDetector(t, admin, id, ad)
	if f := d.Configuration.(*amptypes.AnomalyDetectorConfigurationMemberRandomCutForest).Value; *d.Alias != "load" || *d.EvaluationIntervalInSeconds != 300 || *f.Query != "avg by (job) (canary_load)" ||
		*f.SampleSize != 256 || *f.ShingleSize != 8 || d.Labels["team"] != "canaryteam" || d.Tags["stage"] != "test" || d.MissingDataAction == nil {
		t.Errorf("described as %+v", d)
	}
	if got := p.vector(`anomaly_detector:score{team="canaryteam",anomaly_detector_alias="load",anomaly_detector_id="` + ad + `"}`); len(got) != 2 || got["spiked"] < 0.6 || got["quiet"] > 0.3 {
		t.Errorf("scores are %v", got)
	}
	value, upper, lower := p.vector("anomaly_detector:value"), p.vector("anomaly_detector:upper_band"), p.vector("anomaly_detector:lower_band")
	if !(value["spiked"] > upper["spiked"] && value["quiet"] <= upper["quiet"]+1 && value["quiet"] >= lower["quiet"]-1) {
		t.Errorf("values %v, bands %v to %v", value, lower, upper)
	}

	evaluated := func() float64 { return p.vector(`count_over_time(anomaly_detector:value{job="quiet"}[1h])`)["quiet"] }
	before := evaluated()
	put, err := c.PutAnomalyDetector(ctx, &amp.PutAnomalyDetectorInput{WorkspaceId: &id, AnomalyDetectorId: &ad, Configuration: randomCutForest("max by (job) (canary_load)")})
	if err != nil || put.Status.StatusCode != amptypes.AnomalyDetectorStatusCodeUpdating {
		t.Errorf("changed as %+v, %v", put, err)
	}
	if d := waitForDetector(t, admin, id, ad); *d.EvaluationIntervalInSeconds != 60 || len(d.Labels) != 0 || d.ModifiedAt.Equal(*d.CreatedAt) || d.Tags["stage"] != "test" {
		t.Errorf("after the change: %+v", d)
	}
	if n := p.vector(`count(anomaly_detector:value{team=""})`)[""]; n != 2 {
		t.Errorf("%v series of the changed detector", n)
	}

	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DescribeAnomalyDetector(ctx, &amp.DescribeAnomalyDetectorInput{WorkspaceId: &id, AnomalyDetectorId: &ad})
	want(t, "a detector without the key", err, "ConflictException")
	h.Kill()
	h.Restart()
	noCanary(t, h.Dir)
	admin = h.AsAdmin()
	c, p = admin.AMP(), planeOf(t, h, h.Admin, id)
	if _, err := admin.KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	soon(t, "an evaluation after the restart, with the key", func() bool {
		return p.vector(`count_over_time(anomaly_detector:value{job="quiet",team=""}[1h])`)["quiet"] > 1 && evaluated() >= before
	})
	waitForDetector(t, admin, id, ad)

	if _, err := c.DeleteAnomalyDetector(ctx, &amp.DeleteAnomalyDetectorInput{WorkspaceId: &id, AnomalyDetectorId: &ad}); err != nil {
		t.Fatal(err)
	}
	gone := &amp.DescribeAnomalyDetectorInput{WorkspaceId: &id, AnomalyDetectorId: &ad}
	quick := func(o *amp.AnomalyDetectorDeletedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	}
	if err := amp.NewAnomalyDetectorDeletedWaiter(c).Wait(ctx, gone, 2*time.Minute, quick); err != nil {
		t.Error(err)
	}
}

// TestDetectors_Requests: what the API refuses, lists and tags.
func TestDetectors_Requests(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	c, id := admin.AMP(), admin.NewWorkspace(t, "")
	create := func(alias, query string) (*amp.CreateAnomalyDetectorOutput, error) {
		return c.CreateAnomalyDetector(ctx, &amp.CreateAnomalyDetectorInput{WorkspaceId: &id, Alias: &alias, Configuration: randomCutForest(query)})
	}
	for what, query := range map[string]string{"no aggregation": "up", "no expression": "avg(", "another aggregation": "topk(3, up)"} {
		_, err := create("bad", query)
		if want(t, what, err, "ValidationException"); !strings.Contains(messageOf(err), "query is not valid") {
			t.Errorf("%s: %v", what, err)
		}
	}
	one, err := create("one", "avg(up)")
	if err != nil {
		t.Fatal(err)
	}
	_, err = create("one", "max(up)")
	want(t, "the same alias", err, "ConflictException")
	if _, err := create("two", "sum(up)"); err != nil {
		t.Fatal(err)
	}
	waitForDetector(t, admin, id, *one.AnomalyDetectorId) // without any data
	list, err := c.ListAnomalyDetectors(ctx, &amp.ListAnomalyDetectorsInput{WorkspaceId: &id, MaxResults: aws.Int32(1)})
	if err != nil || len(list.AnomalyDetectors) != 1 || list.NextToken == nil {
		t.Fatalf("first page %+v, %v", list, err)
	}
	if list, err = c.ListAnomalyDetectors(ctx, &amp.ListAnomalyDetectorsInput{WorkspaceId: &id, NextToken: list.NextToken}); err != nil || len(list.AnomalyDetectors) != 1 {
		t.Errorf("second page %+v, %v", list, err)
	}
	if list, err = c.ListAnomalyDetectors(ctx, &amp.ListAnomalyDetectorsInput{WorkspaceId: &id, Alias: aws.String("two")}); err != nil || len(list.AnomalyDetectors) != 1 || *list.AnomalyDetectors[0].Alias != "two" {
		t.Errorf("by alias: %+v, %v", list, err)
	}
	if _, err := c.TagResource(ctx, &amp.TagResourceInput{ResourceArn: one.Arn, Tags: map[string]string{"a": "b"}}); err != nil {
		t.Error(err)
	}
	if tags, err := c.ListTagsForResource(ctx, &amp.ListTagsForResourceInput{ResourceArn: one.Arn}); err != nil || tags.Tags["a"] != "b" {
		t.Errorf("tags: %+v, %v", tags, err)
	}
	none := aws.String("ad-none")
	_, err = c.PutAnomalyDetector(ctx, &amp.PutAnomalyDetectorInput{WorkspaceId: &id, AnomalyDetectorId: none, Configuration: randomCutForest("avg(up)")})
	want(t, "changing one that is not there", err, "ResourceNotFoundException")
	_, err = c.DeleteAnomalyDetector(ctx, &amp.DeleteAnomalyDetectorInput{WorkspaceId: &id, AnomalyDetectorId: none})
	want(t, "deleting one that is not there", err, "ResourceNotFoundException")
	deleteWorkspace(t, admin, id)
	_, err = c.ListTagsForResource(ctx, &amp.ListTagsForResourceInput{ResourceArn: one.Arn})
	want(t, "the tags of a detector of a workspace that was deleted", err, "ResourceNotFoundException")
}

// TestLabelSets_AreLimits: a label set that is full refuses its own series with 429, also after the house was killed; the rest goes on.
func TestLabelSets_AreLimits(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	id := admin.NewWorkspace(t, "")
	_, err := admin.AMP().UpdateWorkspaceConfiguration(ctx, &amp.UpdateWorkspaceConfigurationInput{WorkspaceId: &id, LimitsPerLabelSet: []amptypes.LimitsPerLabelSet{
		{LabelSet: map[string]string{"team": "a"}, Limits: &amptypes.LimitsPerLabelSetEntry{MaxSeries: aws.Int64(1)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p := planeOf(t, h, h.Admin, id)
		p.mustWrite(time.Now(), map[string]float64{"x{team=a}": 1, "y{team=b}": 1, "z": 1})
		resp, text := p.write(time.Now(), map[string]float64{"other{team=a}": 1})
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || !strings.Contains(text, `per_labelset_series_limit`) || !strings.Contains(text, `{team="a"}`) {
			t.Errorf("the set that is full: %d %s", resp.StatusCode, text)
		}
		h.Kill()
		h.Restart()
	}
}
