package detect

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/prometheus/common/model"

	"github.com/strongroom/strongroom/service/amp/rcf"
)

func TestParseRCF(t *testing.T) {
	for text, want := range map[string]struct {
		query           string
		shingle, sample int
		above, below    rcf.Near
	}{
		"RCF(avg(up))":                           {"avg(up)", 8, 256, rcf.Near{}, rcf.Near{}},
		" RCF ( avg(up) ) ":                      {"avg(up)", 8, 256, rcf.Near{}, rcf.Near{}},
		"RCF(avg(vector(time())), 8, 512)":       {"avg(vector(time()))", 8, 512, rcf.Near{}, rcf.Near{}},
		"RCF(avg(up),,,,,1.0,1.5)":               {"avg(up)", 8, 256, rcf.Near{Ratio: 1}, rcf.Near{Ratio: 1.5}},
		"RCF(avg(up),16,,2e3,4)":                 {"avg(up)", 16, 256, rcf.Near{Amount: 2000}, rcf.Near{Amount: 4}},
		"RCF(avg(up),,,,)":                       {"avg(up)", 8, 256, rcf.Near{}, rcf.Near{}},
		`RCF(sum by (a, b) (x{c=",)", d="\""}))`: {`sum by (a, b) (x{c=",)", d="\""})`, 8, 256, rcf.Near{}, rcf.Near{}},
		"RCF(max(clamp(x[5m:1m] offset 5m, 1, 2)) # why, not\n, 4)": {"", 0, 0, rcf.Near{}, rcf.Near{}}, // clamp takes no range
		"RCF(quantile(0.9, clamp(x, 1, 2)) # why, not\n, 4)":        {"quantile(0.9, clamp(x, 1, 2)) # why, not", 4, 256, rcf.Near{}, rcf.Near{}},
		"RCF(sum({`a,b`=~'(c|d)'}), 4)":                             {"sum({`a,b`=~'(c|d)'})", 4, 256, rcf.Near{}, rcf.Near{}},

		"": {}, "avg(up)": {}, "RCF": {}, "RCF()": {}, "RCF(avg(up)": {}, "RCF(avg(up)))": {}, "RCF(avg(up)) + 1": {}, "rcf(avg(up))": {}, "RCF avg(up)": {}, "(RCF(avg(up)))": {},
		"RCF(up)": {}, "RCF(avg(up) + 1)": {}, "RCF(avg(up), 1)": {}, "RCF(avg(up), 0)": {}, "RCF(avg(up), -3)": {}, "RCF(avg(up), 8, 255)": {}, "RCF(avg(up), 8, 1025)": {}, "RCF(avg(up), a)": {},
		"RCF(avg(up), 8.5)": {}, "RCF(avg(up),,,-1)": {}, "RCF(avg(up),,,NaN)": {}, "RCF(avg(up),,,Inf)": {}, "RCF(avg(up),,,1e101)": {}, "RCF(avg(up),,,,,,x)": {}, "RCF(avg(up),,,,,,,)": {},
		"RCF(avg(up), 99999999999999999999)": {}, "RCF(RCF(avg(up)))": {}, "RCF(avg(up), (8))": {}, `RCF(avg("a)`: {}, "RCF(x[5m)])": {}, "RCF(avg(up)\xff)": {},
	} {
		c, err := ParseRCF(text)
		switch {
		case want.query == "" && err == nil:
			t.Errorf("%s: got %+v, want an error", text, c)
		case want.query == "":
		case err != nil:
			t.Errorf("%s: %v", text, err)
		case c.Query != want.query || c.Shingle != want.shingle || c.Sample != want.sample || c.Above.rcf() != want.above || c.Below.rcf() != want.below:
			t.Errorf("%s: got %+v, %+v, %+v", text, c, c.Above.rcf(), c.Below.rcf())
		}
	}
	if _, err := ParseRCF("RCF(avg(up))" + string(make([]byte, maxText))); !errors.Is(err, ErrQuery) {
		t.Errorf("a text that is too long: %v", err)
	}
}

// FuzzParseRCF makes sure that no text panics, and that what was read says the same when it is written again.
func FuzzParseRCF(f *testing.F) {
	for _, text := range []string{"RCF(avg(up))", `RCF(sum by (a, b) (x{c=",)"}), 8, 256, 1, 2, 3, 4)`, "RCF(avg(up),,,,,1.0,1.0)", "RCF(max(x[5m:1m]) # a\n,)", "RCF(avg(`", "RCF({{"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseRCF(text)
		if err != nil {
			return
		}
		above, below := c.Above.rcf(), c.Below.rcf()
		again, err := ParseRCF(fmt.Sprintf("RCF(%s\n,%d,%d,%g,%g,%g,%g)", c.Query, c.Shingle, c.Sample, above.Amount, below.Amount, above.Ratio, below.Ratio))
		if err != nil || again.Query != c.Query || again.Shingle != c.Shingle || again.Sample != c.Sample || again.Above.rcf() != above || again.Below.rcf() != below {
			t.Errorf("%q was read as %+v, and that as %+v, %v", text, c, again, err)
		}
	})
}

// past is a series with the values of a shape.
func past(job string, n int, shape func(int) float64) *model.SampleStream {
	s := &model.SampleStream{Metric: model.Metric{"job": model.LabelValue(job)}}
	for i := range n {
		s.Values = append(s.Values, model.SamplePair{Timestamp: model.Time(i * 1000), Value: model.SampleValue(shape(i))})
	}
	return s
}

func preview(t *testing.T, text string) *Config {
	t.Helper()
	c, err := ParseRCF(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPreview: of two series one has a spike, which the preview finds. It says nothing as long as it has seen too little, and nothing of what is no
// number.
func TestPreview(t *testing.T) {
	const n, spike = 200, 180
	c, memory := preview(t, "RCF(avg by (job) (load))"), &Memory{Most: 1 << 30}
	in := model.Matrix{
		past("quiet", n, wave),
		past("spiked", n, func(i int) float64 { return wave(i) + map[bool]float64{true: 200}[i == spike] }),
		past("none", n, func(int) float64 { return math.NaN() }),
		past("short", 10, wave),
	}
	out, full, err := c.Preview(t.Context(), in, memory, NewTurns())
	if err != nil || full != nil || len(out) != 6 || memory.used.Load() != 0 {
		t.Fatalf("got %d series, %v, %v; %d bytes are used", len(out), full, err, memory.used.Load())
	}
	found := map[string]map[model.Time]float64{}
	for _, s := range out {
		what := string(s.Metric[PreviewLabel])
		if string(s.Metric["__name__"]) != "anomaly_detector_preview:"+what {
			t.Errorf("a series is called %v", s.Metric)
		}
		values := map[model.Time]float64{}
		for _, p := range s.Values {
			values[p.Timestamp] = float64(p.Value)
		}
		found[string(s.Metric["job"])+" "+what] = values
	}
	for job, most := range map[string]float64{"quiet": 0.3, "spiked": 1} {
		score, upper, lower := found[job+" score"], found[job+" upper_band"], found[job+" lower_band"]
		if len(score) < n/2 || len(upper) != len(score) || len(lower) != len(score) {
			t.Fatalf("%s: %d scores, %d and %d bands", job, len(score), len(upper), len(lower))
		}
		for at, v := range score {
			if v < 0 || v > most || !(lower[at] < upper[at]) {
				t.Errorf("%s at %d: score %g, band %g to %g", job, at, v, lower[at], upper[at])
			}
		}
	}
	if at := model.Time(spike * 1000); found["spiked score"][at] < 0.6 || !(wave(spike)+200 > found["spiked upper_band"][at]) {
		t.Errorf("the spike: score %g, band up to %g", found["spiked score"][at], found["spiked upper_band"][at])
	}
}

// TestPreviewBounds: what a preview costs has an end.
func TestPreviewBounds(t *testing.T) {
	flat := func(int) float64 { return 1 }
	var many model.Matrix
	for i := range MaxSeries + 3 {
		many = append(many, past(fmt.Sprint(i), 1, flat))
	}
	c := preview(t, "RCF(avg(x))")
	if out, full, err := c.Preview(t.Context(), many, nil, nil); err != nil || !errors.Is(full, ErrTooMany) || len(out) != 0 {
		t.Errorf("many series: got %d, %v, %v", len(out), full, err)
	}
	if _, _, err := c.Preview(t.Context(), model.Matrix{past("a", MaxValues+1, flat)}, nil, nil); !errors.Is(err, ErrLong) {
		t.Errorf("many values: got %v", err)
	}
	large := preview(t, "RCF(avg(x), 1024, 1024)")
	if _, _, err := large.Preview(t.Context(), model.Matrix{past("a", 1000, flat)}, nil, nil); !errors.Is(err, ErrLong) {
		t.Errorf("many values, with large points: got %v", err)
	}
	if _, _, err := c.Preview(t.Context(), model.Matrix{past("a", 10, flat)}, &Memory{Most: 100}, nil); !errors.Is(err, ErrTooMany) {
		t.Errorf("without memory: got %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	memory := &Memory{Most: 1 << 30}
	if _, _, err := c.Preview(gone, model.Matrix{past("a", 10, flat)}, memory, nil); !errors.Is(err, context.Canceled) || memory.used.Load() != 0 {
		t.Errorf("when nobody waits any more: got %v, %d bytes are used", err, memory.used.Load())
	}
}
