package protocol_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/api/cloudtrail"
	"github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/protocol"
)

var services = []*wire.Service{cloudtrail.API, iam.API, kms.API, proton.API, s3.API, sts.API}

// elsewhere are operations that a request to our endpoint cannot name: AWS has them
// at an endpoint of their own, with the same method and path as another.
var elsewhere = map[string]bool{"ListDirectoryBuckets": true}

// TestRoundTrip sends an input and an output of every operation of every service,
// with all members set, through its codec and back.
func TestRoundTrip(t *testing.T) {
	for _, svc := range services {
		codec, err := protocol.New(svc)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range svc.Operations {
			t.Run(svc.Name+"."+op.Name, func(t *testing.T) {
				roundTripInput(t, codec, op)
				roundTripOutput(t, codec, op)
			})
		}
	}
}

func roundTripInput(t *testing.T, codec wire.Codec, op *wire.Operation) {
	t.Helper()
	in := op.NewInput()
	fill(op.Input, reflect.ValueOf(in).Elem(), map[string]int{})
	r, err := codec.EncodeInput(op, in)
	if err != nil {
		t.Fatalf("EncodeInput: %v", err)
	}
	if r.Stream != nil {
		body, err := io.ReadAll(r.Stream)
		if err != nil {
			t.Fatal(err)
		}
		r.Stream, r.Length = bytes.NewReader(body), 77 // what the fill put into ContentLength
	}
	routed, err := codec.Route(r)
	if err != nil {
		t.Fatalf("Route %s %s?%s: %v", r.Method, r.Path, r.RawQuery, err)
	}
	if routed != op && !elsewhere[op.Name] {
		t.Fatalf("Route %s %s?%s: got %s", r.Method, r.Path, r.RawQuery, routed.Name)
	}
	got := op.NewInput()
	if err := codec.DecodeInput(op, r, got); err != nil {
		t.Fatalf("DecodeInput: %v\n%s", err, r.Body)
	}
	want := op.NewInput()
	fill(op.Input, reflect.ValueOf(want).Elem(), map[string]int{})
	same(t, op.Input, got, want, string(r.Body))
}

func roundTripOutput(t *testing.T, codec wire.Codec, op *wire.Operation) {
	t.Helper()
	for _, m := range op.Output.Members {
		if m.Shape.EventStream {
			return // event streams are no body
		}
	}
	fresh := func() any {
		out := op.NewOutput()
		fill(op.Output, reflect.ValueOf(out).Elem(), map[string]int{})
		return out
	}
	w := &wire.Response{Header: http.Header{}}
	if err := codec.EncodeOutput(op, fresh(), wire.Meta{RequestID: "id"}, w); err != nil {
		t.Fatalf("EncodeOutput: %v", err)
	}
	body := string(w.Body)
	got := op.NewOutput()
	if err := codec.DecodeOutput(op, w, got); err != nil {
		t.Fatalf("DecodeOutput: %v\n%s", err, body)
	}
	if op.Method != http.MethodHead {
		same(t, op.Output, got, fresh(), body)
	}
}

// fill sets every member below dst, a value of shape s, to something its kind can
// hold. A recursive shape contains itself once.
func fill(s *wire.Shape, dst reflect.Value, inside map[string]int) {
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	switch s.Kind {
	case wire.String:
		if len(s.Enum) > 0 {
			dst.SetString(s.Enum[0])
			return
		}
		dst.SetString("a<ü&\"'/+ b?%c")
	case wire.Boolean:
		dst.SetBool(true)
	case wire.Integer, wire.Long:
		dst.SetInt(77)
	case wire.Float, wire.Double:
		dst.SetFloat(1.25)
	case wire.Timestamp:
		dst.Set(reflect.ValueOf(time.Unix(1700000000, 0).UTC()))
	case wire.Blob:
		if dst.Kind() == reflect.Interface {
			dst.Set(reflect.ValueOf(io.NopCloser(strings.NewReader("stream"))))
			return
		}
		dst.SetBytes([]byte("bytes\x00\xff"))
	case wire.List:
		dst.Set(reflect.MakeSlice(dst.Type(), 2, 2))
		for i := range 2 {
			fill(s.Elem.Shape, dst.Index(i), inside)
		}
	case wire.Map:
		dst.Set(reflect.MakeMap(dst.Type()))
		for i := range 2 {
			elem := reflect.New(dst.Type().Elem()).Elem()
			fill(s.Elem.Shape, elem, inside)
			dst.SetMapIndex(reflect.ValueOf(fmt.Sprintf("key-%d", i)), elem)
		}
	case wire.Structure:
		if inside[s.Name]++; inside[s.Name] <= 2 {
			for _, m := range s.Members {
				fillMember(s, m, dst.Field(m.Field), inside)
				if s.Union {
					break
				}
			}
		}
		inside[s.Name]--
	}
}

func fillMember(s *wire.Shape, m *wire.Member, dst reflect.Value, inside map[string]int) {
	switch {
	case m.Shape.EventStream:
	case m.Location == wire.HeaderPrefix:
		dst.Set(reflect.ValueOf(map[string]string{"one": "1", "two-two": "ü 2"}))
	case m.Location == wire.StatusCode:
		fill(m.Shape, dst, inside)
		dst.Elem().SetInt(200)
	default:
		fill(m.Shape, dst, inside)
	}
}

func same(t *testing.T, s *wire.Shape, got, want any, body string) {
	t.Helper()
	g, w := reflect.ValueOf(got).Elem(), reflect.ValueOf(want).Elem()
	for _, m := range s.Members {
		gf, wf := g.Field(m.Field).Interface(), w.Field(m.Field).Interface()
		if m.Location == wire.HeaderPrefix { // a client sees the names as HTTP writes them
			gf, wf = lowered(gf.(map[string]string)), lowered(wf.(map[string]string))
		}
		if m.Streaming {
			gb, _ := io.ReadAll(gf.(io.Reader))
			wb, _ := io.ReadAll(wf.(io.Reader))
			gf, wf = string(gb), string(wb)
		}
		if !reflect.DeepEqual(gf, wf) {
			t.Errorf("%s: got %+v, want %+v\nbody: %.2000s", m.Name, gf, wf, body)
		}
	}
}

func lowered(m map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[strings.ToLower(k)] = v
	}
	return out
}
