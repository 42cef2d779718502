package rules

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/service/amp/place"
)

const good = `groups:
  - name: cpu
    interval: 1m
    rules:
      - record: job:cpu:rate5m
        expr: sum by (job) (rate(cpu_seconds_total[5m]))
      - alert: Hot
        expr: job:cpu:rate5m > 3
        for: 5m
        labels: {severity: page}
        annotations: {summary: "{{ $labels.job }} is hot"}
`

func TestParse(t *testing.T) {
	limits := Limits{FileSize: 4 << 10, RulesPerGroup: 2, MinInterval: 30 * time.Second}
	f, err := Parse([]byte(good), NewParser(), limits)
	if err != nil {
		t.Fatal(err)
	}
	if f.Rules() != 2 || f.Groups() != 1 {
		t.Errorf("got %d rules in %d groups, want 2 in 1", f.Rules(), f.Groups())
	}
	for name, tt := range map[string]struct{ file, want string }{
		"no YAML":        {"groups: [", "1:1: did not find expected node content"},
		"not a map":      {"- a\n- b\n", "1:1: cannot unmarshal !!seq here"},
		"unknown field":  {strings.Replace(good, "record:", "recrod:", 1), "5:9: field recrod is not known"},
		"bad expression": {strings.Replace(good, "> 3", "> >", 1), `8:15: group "cpu", rule 2, "Hot": could not parse expression`},
		"bad template":   {strings.Replace(good, "{{ $labels.job }}", "{{ $label.job }}", 1), `rule 2, "Hot": annotation "summary"`},
		"counting":       {strings.Replace(good, "{{ $labels.job }}", "{{ range 1000000000000 }}{{ end }}", 1), "11:32: a template must not count"},
		"both":           {strings.Replace(good, "- alert: Hot", "- alert: Hot\n        record: x", 1), "only one of 'record' and 'alert' must be set"},
		"duplicate":      {good + strings.TrimPrefix(good, "groups:\n"), "is repeated in the same file"},
		"empty":          {"", "1:1: the file is empty"},
		"interval":       {strings.Replace(good, "interval: 1m", "interval: 5s", 1), `2:5: group "cpu": an interval of 5s is less than the limit of 30s`},
		"too many rules": {good + "      - record: c\n        expr: vector(1)\n", `2:5: group "cpu": 3 rules are more than the limit of 2 rules in a group`},
		"too long":       {good + strings.Repeat("#", 4<<10), "which is more than the limit of 4096"},
		"bad duration":   {strings.Replace(good, "for: 5m", "for: soon", 1), "not a valid duration"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(tt.file), NewParser(), limits)
			var invalid *place.Invalid
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("groups: [{name: a, rules: [{record: x, expr: y}]}]")
	f.Add("a: &a [*a, *a]")
	f.Add("groups: &g\n- name: x\n  rules: *g")
	f.Fuzz(func(t *testing.T, content string) {
		file, err := Parse([]byte(content), NewParser(), Limits{FileSize: 1 << 16, RulesPerGroup: 20, MinInterval: time.Second})
		if (file == nil) == (err == nil) {
			t.Fatalf("file %v, error %v", file, err)
		}
		var invalid *place.Invalid
		if err != nil && (!errors.As(err, &invalid) || len(invalid.Problems) == 0) {
			t.Errorf("an error without a problem: %v", err)
		}
	})
}
