package jsonbody

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

type color string

type choice struct {
	A *string
	B *int32
}

type record struct {
	S  *string
	B  *bool
	I  *int32
	L  *int64
	F  *float32
	D  *float64
	T  *time.Time
	X  []byte
	C  color
	LS []string
	M  map[string]string
	ML map[string][]int64
	R  *record
	LR []record
	U  *choice
	MS *time.Time
}

func recordPlan(tb testing.TB) *plan.Struct {
	tb.Helper()
	shape := func(name string, k wire.Kind) *wire.Shape { return &wire.Shape{Name: name, Kind: k} }
	str := shape("String", wire.String)
	elem := func(s *wire.Shape) *wire.Member { return &wire.Member{Shape: s} }
	longs := &wire.Shape{Name: "Longs", Kind: wire.List, Elem: elem(shape("Long", wire.Long))}
	rec := &wire.Shape{Name: "Record", Kind: wire.Structure, Type: reflect.TypeFor[record]()}
	choices := &wire.Shape{Name: "Choice", Kind: wire.Structure, Type: reflect.TypeFor[choice](), Union: true, Members: []*wire.Member{
		{Name: "A", WireName: "A", Shape: str}, {Name: "B", WireName: "B", Shape: shape("Integer", wire.Integer), Field: 1},
	}}
	for i, s := range []*wire.Shape{
		str, shape("Boolean", wire.Boolean), shape("Integer", wire.Integer), shape("Long", wire.Long), shape("Float", wire.Float),
		shape("Double", wire.Double), shape("Timestamp", wire.Timestamp), shape("Blob", wire.Blob),
		{Name: "Color", Kind: wire.String, Enum: []string{"red", "green"}},
		{Name: "Strings", Kind: wire.List, Elem: elem(str)},
		{Name: "Map", Kind: wire.Map, Key: elem(str), Elem: elem(str)},
		{Name: "LongMap", Kind: wire.Map, Key: elem(str), Elem: elem(longs)},
		rec, {Name: "Records", Kind: wire.List, Elem: elem(rec)}, choices,
		{Name: "Millis", Kind: wire.Timestamp, TimestampFormat: "unixTimestampMillis"},
	} {
		name := rec.Type.Field(i).Name
		rec.Members = append(rec.Members, &wire.Member{Name: name, WireName: name, Field: i, Shape: s})
	}
	p, err := plan.New().Top(rec)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func decode(p *plan.Struct, data string, side Side) (*record, error) {
	r := &record{}
	return r, Decode(p, []byte(data), reflect.ValueOf(r).Elem(), side)
}

func TestDecode(t *testing.T) {
	p := recordPlan(t)
	for _, c := range []struct {
		name, data string
		want       record
	}{
		{"empty body", "", record{}},
		{"empty object", " {\r\n\t} ", record{}},
		{"unknown members", `{"x":{"a":[1,{"b":null}],"c":"\u00e9"},"S":"s","y":[[]],"z":-1.5e+3,"t":true}`, record{S: wire.Ptr("s")}},
		{"names match exactly", `{"s":"no"}`, record{}},
		{"null is absent", `{"S":null,"LS":null,"R":null,"X":null,"C":null}`, record{}},
		{"the last of a repeated key counts", `{"S":"a","S":"b","LS":["x","y"],"LS":["z"],"I":1,"I":null}`, record{S: wire.Ptr("b"), LS: []string{"z"}}},
		{"a repeated structure is not merged", `{"R":{"S":"a"},"R":{"I":1}}`, record{R: &record{I: wire.Ptr(int32(1))}}},
		{"escapes", `{"S":"\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00"}`, record{S: wire.Ptr("\"\\/\b\f\n\r\tAé😀")}},
		{"escaped key", `{"\u0053":"s"}`, record{S: wire.Ptr("s")}},
		{"escaped base64", `{"X":"\/\/8="}`, record{X: []byte{0xff, 0xff}}},
		{"empty values", `{"S":"","X":"","LS":[],"M":{},"R":{}}`, record{S: wire.Ptr(""), X: []byte{}, LS: []string{}, M: map[string]string{}, R: &record{}}},
		{"limits", `{"I":-2147483648,"L":9223372036854775807,"F":1e38,"D":"-Infinity"}`,
			record{I: wire.Ptr(int32(math.MinInt32)), L: wire.Ptr(int64(math.MaxInt64)), F: wire.Ptr(float32(1e38)), D: wire.Ptr(math.Inf(-1))}},
		{"times", `{"T":"2015-01-25T08:00:00Z","MS":1422172800321,"R":{"T":1422172800.5}}`, record{
			T: wire.Ptr(time.Unix(1422172800, 0).UTC()), MS: wire.Ptr(time.UnixMilli(1422172800321).UTC()),
			R: &record{T: wire.Ptr(time.Unix(1422172800, 500e6).UTC())}}},
		{"nested", `{"ML":{"a":[1,2],"b":[]},"LR":[{"S":"a"},{}],"U":{"B":7},"C":"green"}`, record{
			ML: map[string][]int64{"a": {1, 2}, "b": {}}, LR: []record{{S: wire.Ptr("a")}, {}}, U: &choice{B: wire.Ptr(int32(7))}, C: "green"}},
	} {
		got, err := decode(p, c.data, Request)
		if err != nil || !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: got %+v, %v", c.name, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	p := recordPlan(t)
	deep := strings.Repeat(`{"R":`, plan.MaxDepth+1) + "{}" + strings.Repeat("}", plan.MaxDepth+1)
	for name, data := range map[string]string{
		"not an object": `[]`, "a word": `x`, "cut short": `{"S":"a"`, "cut in a string": `{"S":"a`, "trailing data": `{} {}`,
		"trailing comma": `{"S":"a",}`, "leading comma": `{,"S":"a"}`, "list comma": `{"LS":["a",]}`, "no colon": `{"S" "a"}`,
		"unquoted key": `{S:"a"}`, "single quotes": `{'S':'a'}`, "comment": `{/**/}`, "BOM": "\ufeff{}",
		"number as string": `{"S":1}`, "string as number": `{"I":"1"}`, "object as list": `{"LS":{}}`, "list as object": `{"R":[]}`,
		"string as map": `{"M":"a"}`, "word as bool": `{"B":"true"}`, "wrong literal": `{"B":tru}`, "nul literal": `{"S":nul}`,
		"too large for Integer": `{"I":2147483648}`, "too large for Long": `{"L":9223372036854775808}`, "fraction as Integer": `{"I":1.5}`,
		"too large for Float": `{"F":1e39}`, "too large for Double": `{"D":1e309}`, "leading zero": `{"I":01}`, "plus": `{"I":+1}`,
		"bare point": `{"D":1.}`, "bare exponent": `{"D":1e}`, "bare minus": `{"D":-}`, "hex": `{"I":0x1}`, "unquoted NaN": `{"D":NaN}`,
		"inf": `{"D":"inf"}`, "base64 padding": `{"X":"aGk"}`, "base64 bits": `{"X":"aGl="}`, "base64 newline": `{"X":"aG\nk="}`,
		"invalid UTF-8": "{\"S\":\"\xff\"}", "invalid UTF-8 in an unknown member": "{\"x\":\"\xc0\x80\"}", "invalid UTF-8 after an escape": "{\"S\":\"\\n\xff\"}",
		"half a surrogate pair": `{"S":"\ud83d"}`, "wrong second half": `{"S":"\ud83d\u0041"}`, "low half first": `{"S":"\ude00\ud83d"}`,
		"control character": "{\"S\":\"a\nb\"}", "bad escape": `{"S":"\x"}`, "cut escape": `{"S":"\u12"}`,
		"null in a list": `{"LS":["a",null]}`, "null in a map": `{"M":{"a":null}}`, "null in a nested list": `{"ML":{"a":[null]}}`,
		"union of none": `{"U":{}}`, "union of two": `{"U":{"A":"a","B":1}}`, "bad time": `{"T":"yesterday"}`, "time too far": `{"T":1e12}`,
		"too deep": deep, "too deep in an unknown member": `{"x":` + strings.Repeat("[", plan.MaxDepth+1) + strings.Repeat("]", plan.MaxDepth+1) + `}`,
	} {
		if got, err := decode(p, data, Request); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// TestErrorsKeepSecrets checks that errors say where and not what, and stay short.
func TestErrorsKeepSecrets(t *testing.T) {
	p := recordPlan(t)
	long := strings.Repeat("k", 10000)
	_, err := decode(p, `{"R":{"M":{"`+long+`":5}}}`, Request)
	if err == nil || len(err.Error()) > 1000 || !strings.HasPrefix(err.Error(), "R.M.kkk") {
		t.Errorf("got %v", err)
	}
	_, err = decode(p, `{"X":"hunter2hunter2!"}`, Request)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestDecodeAnswerIsLenient(t *testing.T) {
	got, err := decode(recordPlan(t), `{"LS":["a",null],"M":{"a":null},"U":{"New":{}}}`, Answer)
	want := record{LS: []string{"a", ""}, M: map[string]string{"a": ""}, U: &choice{}}
	if err != nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestNoAliasing checks that what was decoded does not change with the body.
func TestNoAliasing(t *testing.T) {
	data := []byte(`{"S":"secret","X":"aGk=","LS":["a"],"M":{"k":"v"},"C":"blue"}`)
	var got record
	if err := Decode(recordPlan(t), data, reflect.ValueOf(&got).Elem(), Request); err != nil {
		t.Fatal(err)
	}
	clear(data)
	want := record{S: wire.Ptr("secret"), X: []byte("hi"), LS: []string{"a"}, M: map[string]string{"k": "v"}, C: "blue"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestAppend(t *testing.T) {
	p := recordPlan(t)
	in := record{
		S: wire.Ptr("a\"\\\x01\n\r\té\xff\u2028<"), F: wire.Ptr(float32(1.2)), D: wire.Ptr(math.NaN()), C: "red",
		M: map[string]string{"b": "2", "a": "1"}, ML: map[string][]int64{"z": nil, "y": {1}}, U: &choice{A: wire.Ptr("u")},
	}
	got, err := Append(nil, p, reflect.ValueOf(&in).Elem())
	want := `{"S":"a\"\\\u0001\n\r\té` + "\ufffd\u2028<" + `","F":1.2,"D":"NaN","C":"red","M":{"a":"1","b":"2"},"ML":{"y":[1],"z":[]},"U":{"A":"u"}}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestDecodeError(t *testing.T) {
	errs, err := plan.New().Errors(&wire.Service{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ data, header, code, message string }{
		{`{"__type":"com.amazonaws.kms#NotFoundException","message":"m"}`, "", "NotFoundException", "m"},
		{`{"Message":"M"}`, "ValidationException:http://x/y", "ValidationException", "M"},
		{`{"code":"C"}`, "", "C", ""},
		{`<html>`, "", "UnknownError", ""},
		{``, "", "UnknownError", ""},
	} {
		e, _, _ := DecodeError(errs, []byte(c.data), c.header, 400)
		if e.Code != c.code || e.Message != c.message || e.Status != 400 {
			t.Errorf("%s: got %+v", c.data, e)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"S":"a\u00e9\ud83d\ude00","I":1,"L":-9,"F":1.5,"D":"NaN","T":1422172800.5,"X":"aGk=","C":"red"}`,
		`{"LS":["a"],"M":{"k":"v"},"ML":{"a":[1]},"R":{"LR":[{"U":{"A":"x"}}]},"MS":12,"zz":[null,{"q":0}]}`, ``, `{`, `{"S":null}`,
	} {
		f.Add([]byte(s))
	}
	p := recordPlan(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var got record
		if err := Decode(p, data, reflect.ValueOf(&got).Elem(), Request); err != nil {
			return
		}
		if len(bytes.TrimSpace(data)) > 0 && !json.Valid(data) {
			t.Fatal("took what is no JSON")
		}
		once, err := Append(nil, p, reflect.ValueOf(&got).Elem())
		if err != nil || !json.Valid(once) {
			t.Fatalf("wrote %s, %v", once, err)
		}
		var back record
		if err := Decode(p, once, reflect.ValueOf(&back).Elem(), Request); err != nil {
			t.Fatalf("reading %s: %v", once, err)
		}
		twice, err := Append(nil, p, reflect.ValueOf(&back).Elem())
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("wrote %s, then %s, %v", once, twice, errors.Join(err))
		}
	})
}
