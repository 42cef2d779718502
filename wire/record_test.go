package wire

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestAppendParameters(t *testing.T) {
	when := time.Date(2026, 11, 23, 8, 30, 0, 250e6, time.FixedZone("CET", 3600))
	tests := []struct {
		name string
		in   any
		want string
	}{
		{"nil", nil, `null`},
		{"typed nil", (*sampleInput)(nil), `null`},
		{"empty", &sampleInput{}, `null`},
		{"only secrets", &sampleInput{Password: Ptr("hunter2"), Plaintext: []byte("x"), Pins: []string{"1"}, Deep: &sampleSecret{Ptr("1")}, Secrets: map[string]string{"a": "b"}}, `null`},
		{"stream", &sampleInput{Body: strings.NewReader("body")}, `null`},
		{"string", &sampleInput{KeyId: Ptr("a\"b\\\n\x01\xffé")}, `{"keyId":"a\"b\\\n\u0001` + "\uFFFD" + `é"}`},
		{"numbers", &sampleInput{Days: Ptr(int32(-7)), Size: Ptr(int64(math.MaxInt64)), Ratio: Ptr(0.5), Small: Ptr(float32(0.1))}, `{"days":-7,"size":9223372036854775807,"ratio":0.5,"small":0.1}`},
		{"not numbers", &sampleInput{Ratio: Ptr(math.Inf(-1)), Small: Ptr(float32(math.NaN()))}, `{"ratio":"-Infinity","small":"NaN"}`},
		{"enum, bool, time", &sampleInput{Spec: "RSA_2048", DryRun: Ptr(false), When: &when}, `{"spec":"RSA_2048","dryRun":false,"when":"2026-11-23T07:30:00.25Z"}`},
		{"list", &sampleInput{Tags: []sampleTag{{Ptr("a"), Ptr("b")}, {}}, Tokens: []string{}}, `{"tags":[{"tagKey":"a","value":"b"},{}],"tokens":[]}`},
		{"maps", &sampleInput{Context: map[string]string{"b": "2", "a": "1"}, ByName: map[string]sampleTag{"n": {Value: Ptr("v")}}}, `{"context":{"a":"1","b":"2"},"byName":{"n":{"value":"v"}}}`},
		{"tree", &sampleInput{Tree: &sampleNode{Children: []sampleNode{{Name: Ptr("x")}}}}, `{"tree":{"children":[{"name":"x"}]}}`},
		{"header", &sampleInput{Header: Ptr("h")}, `{"x-amz-sample":"h"}`},
	}
	shape := sample.Operation("Sample").Input
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := string(AppendParameters([]byte("before"), shape, tt.in))
			if got != "before"+tt.want {
				t.Errorf("got  %s\nwant before%s", got, tt.want)
			}
		})
	}
}

func TestAppendParametersOfAnotherType(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	AppendParameters(nil, sample.Operation("Sample").Input, &sampleOutput{})
}

func TestAppendParametersManyKeys(t *testing.T) {
	in := &sampleInput{Context: map[string]string{}}
	for i := range 5 * fewKeys {
		in.Context[strings.Repeat("k", i)] = "v"
	}
	var out struct{ Context map[string]string }
	if err := json.Unmarshal(AppendParameters(nil, sample.Operation("Sample").Input, in), &out); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(out.Context, in.Context) {
		t.Errorf("got %v", out.Context)
	}
}

func TestAppendParametersAllocatesNothing(t *testing.T) {
	shape, in := sample.Operation("Sample").Input, validSample()
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = AppendParameters(buf[:0], shape, in) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzAppendText compares with encoding/json: both must print what reads back as the
// text, with what is not UTF-8 replaced.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "é\u2028\u2029😀", "\xff\xfe", "a\xc3", "\xed\xa0\x80", "<script>&"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		printed := appendText(nil, s)
		if !utf8.Valid(printed) {
			t.Fatalf("%q is not UTF-8", printed)
		}
		var got, want string
		if err := json.Unmarshal(printed, &got); err != nil {
			t.Fatalf("%q: %v", printed, err)
		}
		std, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(std, &want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%q printed as %s reads %q, want %q", s, printed, got, want)
		}
	})
}

func FuzzAppendFloat(f *testing.F) {
	for _, v := range []float64{0, 1, -1.5, 1e-7, 1e21, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		var got float64
		if err := json.Unmarshal(appendFloat(nil, v, 64), &got); err != nil || got != v {
			t.Errorf("%v reads %v, %v", v, got, err)
		}
	})
}

func BenchmarkAppendParameters(b *testing.B) {
	shape, in := sample.Operation("Sample").Input, validSample()
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendParameters(buf[:0], shape, in)
	}
}
