package protocol

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/wire"
)

// The protocol vectors are those of the AWS SDK for Go, version 1, read where the
// module cache has them. A client's input is read backwards, as the server that
// gets it, and forwards, as the client that sends it; an output likewise.

// exceptions are the directions of cases that cannot hold, and why.
var exceptions = map[string]string{
	"input/rest-xml/Header whitespace/0 decode": "white space around a header's value is not part of it, so the server cannot get it back",

	"input/query/Recursive shapes/5 encode":                    "the case numbers a map's entries in the order of its file; we sort the keys, so that a request is the same each time",
	"input/rest-json/Structure payload/1 decode":               samePayload,
	"input/rest-json/JSON value trait/2 decode":                samePayload,
	"input/rest-json/rest-json Content-Type and body/2 decode": samePayload,
	"input/rest-json/rest-json Content-Type and body/4 decode": samePayload,

	"output/json/Lists/1 encode":                               "no list of the API is sparse, so our Go types hold no null elements to write",
	"output/json/Lists/1 exact":                                "a null element reads as a zero value for the same reason",
	"output/json/Ignores extra data/0 encode":                  "the answer holds what the output does not",
	"output/json/unmodeled non-json response payload/0 encode": "the answer is not JSON",
	"output/json/unmodeled non-json response payload/1 encode": "the answer is no JSON object",
	"output/rest-json/Scalar members/0 encode":                 "the case reads an ISO 8601 time where the protocol's own format is epoch seconds, which we write",
	"output/rest-json/Ignores extra data/0 encode":             "the answer holds what the output does not",
	"output/rest-json/Ignores undefined output/0 encode":       "the answer has a body where the output has no member",
	"output/rest-json/Supports header maps/0 encode":           "an output of headers only has no body; the case's is an empty object",
}

const samePayload = "an absent structure payload travels as {}, which is what an empty one is too"

// hostPrefix is in the cases named "Endpoint host trait": a client puts it in front
// of the endpoint's name. The house has one name for all operations, so neither
// side of the codec has a host; all else of these cases holds.

var used = map[string]bool{}

type suite struct {
	Description string
	Metadata    struct {
		Protocol, JSONVersion, TargetPrefix, APIVersion string
	}
	Shapes map[string]*shapeDef
	Cases  []*vector
}

type vector struct {
	Given struct {
		Name string
		HTTP struct {
			Method, RequestURI string
		}
		Input, Output *shapeDef
	}
	Params, Result map[string]any
	Serialized     struct {
		Method, URI   string
		Body          *string
		Headers       map[string]string
		ForbidHeaders []string
	}
	Response struct {
		StatusCode int `json:"status_code"`
		Headers    map[string]string
		Body       *string
	}
}

var protocols = map[string]wire.Protocol{
	"json": wire.JSON11, "query": wire.Query, "rest-json": wire.RESTJSON, "rest-xml": wire.RESTXML,
}

func vectorFolder(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		out, err = exec.Command("go", "mod", "download", "-json", "github.com/aws/aws-sdk-go").Output()
		var mod struct{ Dir string }
		if err != nil || json.Unmarshal(out, &mod) != nil || mod.Dir == "" {
			t.Fatalf("finding the module that holds the vectors: %v", err)
		}
		dir = mod.Dir
	}
	return filepath.Join(dir, "models", "protocol_tests")
}

func TestVectors(t *testing.T) {
	folder, cases := vectorFolder(t), 0
	for _, direction := range []string{"input", "output"} {
		for name := range protocols {
			data, err := os.ReadFile(filepath.Join(folder, direction, name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var suites []*suite
			if err := json.Unmarshal(data, &suites); err != nil {
				t.Fatal(err)
			}
			for _, s := range suites {
				for i, v := range s.Cases {
					cases++
					id := fmt.Sprintf("%s/%s/%s/%d", direction, name, s.Description, i)
					t.Run(id, func(t *testing.T) { runVector(t, id, direction, s, v) })
				}
			}
		}
	}
	if cases != 203 {
		t.Errorf("ran %d cases, want 203", cases)
	}
	for id := range exceptions {
		if !used[id] {
			t.Errorf("exception %q was not needed", id)
		}
	}
}

func except(id string) bool {
	_, ok := exceptions[id]
	used[id] = used[id] || ok
	return ok
}

func runVector(t *testing.T, id, direction string, s *suite, v *vector) {
	b := &builder{t: t, shapes: s.Shapes, inside: map[string]int{}}
	op := b.operation(s, v)
	codec, err := New(op.Service)
	if err != nil {
		t.Fatal(err)
	}
	if direction == "output" {
		checkOutput(t, id, b, codec, op, v)
		return
	}
	params := b.withTokens(op, v.Params)
	want := b.value(op.Input, params)
	if !except(id + " encode") {
		checkEncodeInput(t, codec, op, v, want)
	}
	if !except(id + " decode") {
		checkDecodeInput(t, codec, op, v, b.value(op.Input, params))
	}
	if len(params) > len(v.Params) {
		checkTokens(t, codec, op, b.value(op.Input, v.Params))
	}
}

// operation builds the service of one operation that a vector describes.
func (b *builder) operation(s *suite, v *vector) *wire.Operation {
	svc := &wire.Service{
		Name: "vectors", ID: "Vectors", Version: s.Metadata.APIVersion, Protocol: protocols[s.Metadata.Protocol],
		TargetPrefix: s.Metadata.TargetPrefix,
	}
	if svc.Protocol == wire.JSON11 && s.Metadata.JSONVersion == "1.0" {
		svc.Protocol = wire.JSON10
	}
	op := &wire.Operation{Service: svc, Name: v.Given.Name, Method: v.Given.HTTP.Method, Path: v.Given.HTTP.RequestURI}
	if op.Method == "" {
		op.Method = http.MethodPost
	}
	if op.Path == "" {
		op.Path = "/"
	}
	op.Input = b.top(v.Given.Input)
	op.Output = b.top(v.Given.Output)
	if in := v.Given.Input; in != nil {
		op.InputName, op.InputXMLNS = in.LocationName, in.XMLNamespace.URI
	}
	if out := v.Given.Output; out != nil {
		if op.ResultWrapper = out.ResultWrapper; op.ResultWrapper == "" {
			op.ResultWrapper = b.shapes[out.Shape].ResultWrapper
		}
	}
	svc.Operations = []*wire.Operation{op}
	return op
}

func (b *builder) top(ref *shapeDef) *wire.Shape {
	if ref == nil {
		return &wire.Shape{Name: "Empty", Kind: wire.Structure, Type: reflect.TypeFor[struct{}]()}
	}
	s, _ := b.shape(ref, true)
	return s
}

func (b *builder) value(s *wire.Shape, params map[string]any) reflect.Value {
	p := reflect.New(s.Type)
	b.set(s, nil, params, p.Elem())
	return p
}

// zeroToken is what the vectors expect a client to fill in.
const zeroToken = "00000000-0000-4000-8000-000000000000"

func (b *builder) withTokens(op *wire.Operation, params map[string]any) map[string]any {
	for _, m := range op.Input.Members {
		if m.IdempotencyToken && params[m.Name] == nil {
			params = maps.Clone(params)
			if params == nil {
				params = map[string]any{}
			}
			params[m.Name] = zeroToken
		}
	}
	if params == nil {
		return map[string]any{}
	}
	return params
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

func checkTokens(t *testing.T, codec wire.Codec, op *wire.Operation, in reflect.Value) {
	t.Helper()
	var bodies [2]string
	for i := range bodies {
		r, err := codec.EncodeInput(op, in.Interface())
		if err != nil {
			t.Fatal(err)
		}
		bodies[i] = string(r.Body)
	}
	if !uuid.MatchString(bodies[0]) || bodies[0] != bodies[1] {
		t.Errorf("idempotency token: got %q, then %q", bodies[0], bodies[1])
	}
}

func checkEncodeInput(t *testing.T, codec wire.Codec, op *wire.Operation, v *vector, in reflect.Value) {
	t.Helper()
	got, err := codec.EncodeInput(op, in.Interface())
	if err != nil {
		t.Fatalf("EncodeInput: %v", err)
	}
	if v.Serialized.Method != "" && got.Method != v.Serialized.Method {
		t.Errorf("method: got %s, want %s", got.Method, v.Serialized.Method)
	}
	path, query, _ := strings.Cut(v.Serialized.URI, "?")
	if got.Path != path {
		t.Errorf("path: got %s, want %s", got.Path, path)
	}
	if !sameForm(got.RawQuery, query) {
		t.Errorf("query: got %s, want %s", got.RawQuery, query)
	}
	checkHeaders(t, got.Header, v.Serialized.Headers)
	for _, name := range v.Serialized.ForbidHeaders {
		if got.Header.Get(name) != "" {
			t.Errorf("header %s must not be there", name)
		}
	}
	body := got.Body
	if got.Stream != nil {
		if body, err = io.ReadAll(got.Stream); err != nil {
			t.Fatal(err)
		}
	}
	if v.Serialized.Body != nil {
		checkBody(t, op, string(body), *v.Serialized.Body, false)
	}
}

func checkDecodeInput(t *testing.T, codec wire.Codec, op *wire.Operation, v *vector, want reflect.Value) {
	t.Helper()
	r := &wire.Request{Method: op.Method, Header: http.Header{}}
	r.Path, r.RawQuery, _ = strings.Cut(v.Serialized.URI, "?")
	for k, value := range v.Serialized.Headers {
		r.Header.Set(k, value)
	}
	if r.Header.Get("X-Amz-Target") == "" {
		r.Header.Set("X-Amz-Target", op.Service.TargetPrefix+"."+op.Name)
	}
	if v.Serialized.Body != nil {
		if op.StreamsInput() {
			r.Stream, r.Length = strings.NewReader(*v.Serialized.Body), int64(len(*v.Serialized.Body))
		} else {
			r.Body = []byte(*v.Serialized.Body)
		}
	}
	routed, err := codec.Route(r)
	if err != nil || routed != op {
		t.Fatalf("Route: got %v, %v", routed, err)
	}
	in := op.NewInput()
	if err := codec.DecodeInput(op, r, in); err != nil {
		t.Fatalf("DecodeInput: %v", err)
	}
	checkSame(t, reflect.ValueOf(in), want)
}

func checkOutput(t *testing.T, id string, b *builder, codec wire.Codec, op *wire.Operation, v *vector) {
	t.Helper()
	body := ""
	if v.Response.Body != nil {
		body = *v.Response.Body
	}
	if !except(id + " encode") {
		w := &wire.Response{Header: http.Header{}}
		if err := codec.EncodeOutput(op, b.value(op.Output, v.Result).Interface(), wire.Meta{RequestID: "request-id"}, w); err != nil {
			t.Fatalf("EncodeOutput: %v", err)
		}
		if w.Status != v.Response.StatusCode {
			t.Errorf("status: got %d, want %d", w.Status, v.Response.StatusCode)
		}
		checkHeaders(t, w.Header, v.Response.Headers)
		if v.Response.Body != nil {
			checkBody(t, op, string(w.Body), body, true)
		}
	}
	r := &wire.Response{Status: v.Response.StatusCode, Header: http.Header{}, Body: []byte(body)}
	for k, value := range v.Response.Headers {
		r.Header.Set(k, value)
	}
	out := op.NewOutput()
	if err := codec.DecodeOutput(op, r, out); err != nil {
		t.Fatalf("DecodeOutput: %v", err)
	}
	if except(id + " exact") {
		out = emptied(out)
		checkSame(t, reflect.ValueOf(out), reflect.ValueOf(emptied(b.value(op.Output, v.Result).Interface())))
		return
	}
	checkSame(t, reflect.ValueOf(out), b.value(op.Output, v.Result))
}

// emptied returns p with what is empty in lists made the same, whether it is nil or not.
func emptied(p any) any {
	v := reflect.ValueOf(p).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() != reflect.Slice {
			continue
		}
		for j := range f.Len() {
			if e := f.Index(j); e.Kind() == reflect.Map && e.Len() == 0 {
				e.SetZero()
			}
		}
	}
	return p
}

func checkSame(t *testing.T, got, want reflect.Value) {
	t.Helper()
	got, want = got.Elem(), want.Elem()
	for i := range got.NumField() {
		g, w := got.Field(i).Interface(), want.Field(i).Interface()
		if r, ok := g.(io.Reader); ok {
			var wb []byte
			gb, _ := io.ReadAll(r)
			if w != nil {
				wb, _ = io.ReadAll(w.(io.Reader))
			}
			g, w = string(gb), string(wb)
		}
		if !reflect.DeepEqual(g, w) {
			gj, _ := json.Marshal(g)
			wj, _ := json.Marshal(w)
			t.Errorf("field %d: got %s, want %s", i, gj, wj)
		}
	}
}

func checkHeaders(t *testing.T, got http.Header, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if g := got.Get(textproto.CanonicalMIMEHeaderKey(k)); g != v {
			t.Errorf("header %s: got %q, want %q", k, g, v)
		}
	}
}

func checkBody(t *testing.T, op *wire.Operation, got, want string, answer bool) {
	t.Helper()
	same := got == want
	switch {
	case same:
	case op.Service.Protocol == wire.Query && strings.HasPrefix(want, "Action="):
		same = sameForm(got, want)
	case strings.HasPrefix(want, "<"):
		same = canonicalXML(t, got, answer) == canonicalXML(t, want, answer)
	default:
		var g, w any
		same = json.Unmarshal([]byte(got), &g) == nil && json.Unmarshal([]byte(want), &w) == nil && reflect.DeepEqual(g, w)
	}
	if !same {
		t.Errorf("body:\n got %s\nwant %s", got, want)
	}
}

func sameForm(a, b string) bool {
	pa, erra := url.ParseQuery(a)
	pb, errb := url.ParseQuery(b)
	return erra == nil && errb == nil && reflect.DeepEqual(pa, pb)
}

type node struct {
	name  string
	attrs []string
	text  string
	kids  []string
}

// canonicalXML writes a document with what the cases leave open made the same: order
// of members, name and namespace of an answer's root, and the request's id.
func canonicalXML(t *testing.T, doc string, answer bool) string {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader([]byte(doc)))
	stack := []*node{{}}
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			n := &node{name: tok.Name.Local}
			for _, a := range tok.Attr {
				if a.Name.Local != "xmlns" {
					n.attrs = append(n.attrs, a.Name.Space+" "+a.Name.Local+"="+a.Value)
				}
			}
			stack = append(stack, n)
		case xml.CharData:
			stack[len(stack)-1].text += strings.TrimSpace(string(tok))
		case xml.EndElement:
			n := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if n.name == "RequestId" || n.name == "ResponseMetadata" {
				continue
			}
			if len(stack) == 1 && answer {
				n.name = "answer"
			}
			slices.Sort(n.kids)
			slices.Sort(n.attrs)
			parent := stack[len(stack)-1]
			parent.kids = append(parent.kids, fmt.Sprintf("<%s %q %q %s>", n.name, n.attrs, n.text, n.kids))
		}
	}
	return strings.Join(stack[0].kids, "")
}
