package place

import "testing"

func TestCounts(t *testing.T) {
	for text, want := range map[string]bool{
		`{{ range .Alerts }}{{ .Labels.x }}{{ end }}`:                     false,
		`{{ $value | printf "%.2f" }} {{ if gt $value 5.0 }}x{{ end }}`:   false,
		`{{ with query "up" }}{{ . | first | value }}{{ end }}`:           false,
		`{{ index .Alerts 0 }}{{ 5 }}`:                                    false,
		`{{ nothing`:                                                      false,
		`{{ range 1000000000 }}{{ end }}`:                                 true,
		`{{ range $i := 1000000000 }}{{ end }}`:                           true,
		`{{ range $i, $e := (1000000000) }}{{ end }}`:                     true,
		`{{ $n := 1000000000 }}{{ range $n }}{{ end }}`:                   true,
		`{{ with 1000000000 }}{{ range . }}{{ end }}{{ end }}`:            true,
		`{{ define "x" }}{{ range 9 }}{{ end }}{{ end }}`:                 true,
		`{{ template "x" 1000000000 }}`:                                   true,
		`{{ range or 0 1000000000 }}{{ end }}`:                            true,
		`{{ if true }}{{ else }}{{ range 1000000000 }}{{ end }}{{ end }}`: true,
	} {
		if got := Counts("{{$value := .Value}}", text) != nil; got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
