package httpbind

import (
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

var text = &wire.Shape{Name: "Text", Kind: wire.String}

// op describes an operation by its method, path and required members: "?id" is a
// query key, "x-y" a header.
func op(name, method, path string, required ...string) *wire.Operation {
	in := &wire.Shape{Name: name + "Input", Kind: wire.Structure}
	for i, r := range required {
		m := &wire.Member{Name: r, WireName: r, Field: i, Shape: text, Required: true, Location: wire.Header}
		if key, ok := strings.CutPrefix(r, "?"); ok {
			m.WireName, m.Location = key, wire.QueryString
		}
		in.Members = append(in.Members, m)
	}
	return &wire.Operation{Name: name, Method: method, Path: path, Input: in}
}

// bucketOps are operations whose paths and keys compete as S3's do.
var bucketOps = []*wire.Operation{
	op("AbortMultipartUpload", "DELETE", "/{Bucket}/{Key+}", "?uploadId"),
	op("CompleteMultipartUpload", "POST", "/{Bucket}/{Key+}", "?uploadId"),
	op("CopyObject", "PUT", "/{Bucket}/{Key+}", "x-amz-copy-source"),
	op("CreateBucket", "PUT", "/{Bucket}"),
	op("CreateMultipartUpload", "POST", "/{Bucket}/{Key+}?uploads"),
	op("DeleteObject", "DELETE", "/{Bucket}/{Key+}"),
	op("DeleteObjects", "POST", "/{Bucket}?delete"),
	op("GetBucketAnalyticsConfiguration", "GET", "/{Bucket}?analytics", "?id"),
	op("GetBucketLifecycle", "GET", "/{Bucket}?lifecycle"),
	op("GetBucketLifecycleConfiguration", "GET", "/{Bucket}?lifecycle"),
	op("GetObject", "GET", "/{Bucket}/{Key+}"),
	op("GetObjectAcl", "GET", "/{Bucket}/{Key+}?acl"),
	op("GetObjectAttributes", "GET", "/{Bucket}/{Key+}?attributes", "x-amz-object-attributes"),
	op("HeadBucket", "HEAD", "/{Bucket}"),
	op("ListBucketAnalyticsConfigurations", "GET", "/{Bucket}?analytics"),
	op("ListBuckets", "GET", "/"),
	op("ListObjects", "GET", "/{Bucket}"),
	op("ListObjectsV2", "GET", "/{Bucket}?list-type=2"),
	op("ListParts", "GET", "/{Bucket}/{Key+}", "?uploadId"),
	op("PutObject", "PUT", "/{Bucket}/{Key+}"),
	op("SelectObjectContent", "POST", "/{Bucket}/{Key+}?select&select-type=2"),
	op("UploadPart", "PUT", "/{Bucket}/{Key+}", "?partNumber", "?uploadId"),
	op("UploadPartCopy", "PUT", "/{Bucket}/{Key+}", "x-amz-copy-source", "?partNumber", "?uploadId"),
	op("WriteGetObjectResponse", "POST", "/WriteGetObjectResponse"),
}

func TestMatch(t *testing.T) {
	backwards := slices.Clone(bucketOps)
	slices.Reverse(backwards)
	for _, ops := range [][]*wire.Operation{bucketOps, backwards} {
		router, err := NewRouter(ops)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ method, uri, header, want string }{
			{"GET", "/", "", "ListBuckets"},
			{"GET", "/?x-id=ListBuckets", "", "ListBuckets"},
			{"GET", "/b", "", "ListObjects"},
			{"GET", "/b/", "", "ListObjects"},
			{"GET", "/b?prefix=a&unknown=1", "", "ListObjects"},
			{"GET", "/b?list-type=2&prefix=", "", "ListObjectsV2"},
			{"GET", "/b?analytics", "", "ListBucketAnalyticsConfigurations"},
			{"GET", "/b?analytics=&id=x", "", "GetBucketAnalyticsConfiguration"},
			{"GET", "/b?lifecycle", "", "GetBucketLifecycleConfiguration"},
			{"GET", "/b//", "", "GetObject"},
			{"GET", "/b/%2F", "", "GetObject"},
			{"GET", "/b/k?acl", "", "GetObjectAcl"},
			{"GET", "/b/acl", "", "GetObject"},
			{"GET", "/b/k?attributes", "", "GetObjectAttributes"},
			{"GET", "/b/k?uploadId=u", "", "ListParts"},
			{"HEAD", "/b", "", "HeadBucket"},
			{"PUT", "/b", "", "CreateBucket"},
			{"PUT", "/b/k", "", "PutObject"},
			{"PUT", "/b/k", "X-Amz-Copy-Source", "CopyObject"},
			{"PUT", "/b/k?partNumber=1&uploadId=u", "", "UploadPart"},
			{"PUT", "/b/k?uploadId=u&partNumber=1", "X-Amz-Copy-Source", "UploadPartCopy"},
			{"POST", "/b/k?uploads", "", "CreateMultipartUpload"},
			{"POST", "/b/k?uploadId=u", "", "CompleteMultipartUpload"},
			{"POST", "/b/k?select&select-type=2", "", "SelectObjectContent"},
			{"POST", "/b?delete", "", "DeleteObjects"},
			{"POST", "/WriteGetObjectResponse", "", "WriteGetObjectResponse"},
			{"DELETE", "/b/k", "", "DeleteObject"},
			{"DELETE", "/b/k?uploadId=u", "", "AbortMultipartUpload"},

			{"PUT", "/b/k?partNumber=1", "", "conflict"}, // must not overwrite the object
			{"PUT", "/b/k?uploadId=u", "", "conflict"},
			{"GET", "/b/k?acl&uploadId=u", "", "conflict"},
			{"GET", "/b?analytics&lifecycle", "", "conflict"},
			{"GET", "/b?list-type=1", "", "conflict"},
			{"POST", "/b", "", "allow GET, HEAD, POST, PUT"},
			{"PATCH", "/b/k", "", "allow DELETE, GET, POST, PUT"},
			{"DELETE", "/", "", "allow GET"},
			{"GET", "", "", "none"},
			{"GET", "*", "", "none"},
			{"GET", "//k", "", "none"},
		} {
			r := &wire.Request{Method: c.method, Header: http.Header{}}
			r.Path, r.RawQuery, _ = strings.Cut(c.uri, "?")
			if c.header != "" {
				r.Header.Set(c.header, "x")
			}
			if got := matched(router, r, c.want); got != c.want {
				t.Errorf("%s %s %s: got %s, want %s", c.method, c.uri, c.header, got, c.want)
			}
		}
	}
}

func matched(router *Router, r *wire.Request, want string) string {
	route, err := router.Match(r)
	var conflict *ConflictError
	var method *MethodError
	switch {
	case err == nil:
		return route.Op.Name
	case errors.As(err, &conflict):
		return "conflict"
	case errors.As(err, &method):
		for _, m := range strings.Split(strings.TrimPrefix(want, "allow "), ", ") {
			if !slices.Contains(method.Allow, m) {
				return err.Error()
			}
		}
		return want
	case errors.Is(err, ErrNoRoute):
		return "none"
	}
	return err.Error()
}

func TestBadPatterns(t *testing.T) {
	for _, path := range []string{"", "b", "/{Key", "/{Key+}/more"} {
		if _, err := NewRouter([]*wire.Operation{op("X", "GET", path)}); err == nil {
			t.Errorf("%q was taken", path)
		}
	}
}

type object struct {
	Bucket, Key, Range, Version *string
	Meta                        map[string]string
	Sizes                       []int64
	Flag                        *bool
	Status                      *int32
	Rest                        map[string][]string
	Names                       []string
	Length                      *int64
}

func objectBinding(t *testing.T) (*Binding, *Route) {
	t.Helper()
	long := &wire.Shape{Name: "Long", Kind: wire.Long}
	list := func(e *wire.Shape) *wire.Shape {
		return &wire.Shape{Name: "List", Kind: wire.List, Elem: &wire.Member{Shape: e}}
	}
	mapOf := func(e *wire.Shape) *wire.Shape {
		return &wire.Shape{Name: "Map", Kind: wire.Map, Key: &wire.Member{Shape: text}, Elem: &wire.Member{Shape: e}}
	}
	shape := &wire.Shape{Name: "Object", Kind: wire.Structure, Type: reflect.TypeFor[object](), Members: []*wire.Member{
		{Name: "Bucket", Shape: text, Location: wire.URI}, {Name: "Key", Shape: text, Location: wire.URI},
		{Name: "Range", Shape: text, Location: wire.Header, WireName: "Range"},
		{Name: "Version", Shape: text, Location: wire.QueryString, WireName: "versionId"},
		{Name: "Meta", Shape: mapOf(text), Location: wire.HeaderPrefix, WireName: "x-amz-meta-"},
		{Name: "Sizes", Shape: list(long), Location: wire.QueryString, WireName: "size"},
		{Name: "Flag", Shape: &wire.Shape{Name: "Flag", Kind: wire.Boolean}, Location: wire.Header, WireName: "x-flag"},
		{Name: "Status", Shape: &wire.Shape{Name: "Integer", Kind: wire.Integer}, Location: wire.StatusCode},
		{Name: "Rest", Shape: mapOf(list(text)), Location: wire.QueryString},
		{Name: "Names", Shape: list(text), Location: wire.Header, WireName: "x-names"},
		{Name: "Length", Shape: long, Location: wire.Header, WireName: "Content-Length"},
	}}
	for i, m := range shape.Members {
		m.Field = i
	}
	b, err := New(plan.New(), shape)
	if err != nil {
		t.Fatal(err)
	}
	router, err := NewRouter([]*wire.Operation{{Name: "X", Method: "GET", Path: "/{Bucket}/{Key+}?lit", Input: shape}})
	if err != nil {
		t.Fatal(err)
	}
	return b, router.groups[0].methods["GET"].byLiteral["lit"][0]
}

// TestPathsAreKept checks that no path is cleaned on its way to the key.
func TestPathsAreKept(t *testing.T) {
	b, route := objectBinding(t)
	for path, key := range map[string]string{
		"/b/a//b/../c/.": "a//b/../c/.", "/b//a": "/a", "/b/a/": "a/", "/b/%2e%2E/x": "../x", "/b/a%2Fb": "a/b", "/b/%20+%2B": " ++",
		"/b/..%2f..%2fetc": "../../etc", "/b/%00": "\x00", "/b/%C3%BC": "ü", "/b/%25%41": "%A", "/b/a?": "a?", "/b/" + strings.Repeat("k", 2000): strings.Repeat("k", 2000),
	} {
		var got object
		err := b.DecodeRequest(route, &wire.Request{Path: path, Header: http.Header{}}, reflect.ValueOf(&got).Elem())
		if err != nil || wire.Val(got.Key) != key || wire.Val(got.Bucket) != "b" {
			t.Errorf("%s: got %q, %v", path, wire.Val(got.Key), err)
		}
	}
	for _, path := range []string{"/b/%", "/b/%zz", "/b/%ff", "/b/%c0%80", "/b", "", "/"} {
		var got object
		if err := b.DecodeRequest(route, &wire.Request{Path: path, Header: http.Header{}}, reflect.ValueOf(&got).Elem()); err == nil {
			t.Errorf("%s: got %q", path, wire.Val(got.Key))
		}
	}
}

func TestDecodeRequest(t *testing.T) {
	b, route := objectBinding(t)
	r := &wire.Request{
		Path: "/b/k", RawQuery: "lit&versionId=a%20b+c&size=1&size=2&x=1&x=2&y&X-Amz-Signature=s", Stream: strings.NewReader("abc"), Length: 3,
		Header: http.Header{
			"Range": {"bytes=0-1"}, "X-Amz-Meta-Two-Words": {"v", "w"}, "X-Amz-Meta-A": {""}, "X-Amz-Meta-": {"no name"}, "X-Flag": {"TRUE"},
			"X-Names": {`a, "b, \"c\"" ,d`}, "Content-Length": {"99"}, "If-Modified-Since": {"whenever"},
		},
	}
	var got object
	if err := b.DecodeRequest(route, r, reflect.ValueOf(&got).Elem()); err != nil {
		t.Fatal(err)
	}
	want := object{
		Bucket: wire.Ptr("b"), Key: wire.Ptr("k"), Range: wire.Ptr("bytes=0-1"), Version: wire.Ptr("a b c"), Flag: wire.Ptr(true),
		Meta: map[string]string{"two-words": "v,w", "a": ""}, Sizes: []int64{1, 2}, Names: []string{"a", `b, "c"`, "d"},
		Rest: map[string][]string{"x": {"1", "2"}, "y": {""}}, Length: wire.Ptr(int64(3)),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for name, r := range map[string]*wire.Request{
		"repeated":    {Path: "/b/k", RawQuery: "versionId=a&versionId=b"},
		"bad element": {Path: "/b/k", RawQuery: "size=x"},
		"bad escape":  {Path: "/b/k", RawQuery: "versionId=%"},
		"bad flag":    {Path: "/b/k", Header: http.Header{"X-Flag": {"perhaps"}}},
		"bad UTF-8":   {Path: "/b/k", Header: http.Header{"Range": {"\xff"}}},
	} {
		if err := b.DecodeRequest(route, r, reflect.ValueOf(new(object)).Elem()); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestEncode(t *testing.T) {
	b, route := objectBinding(t)
	in := object{
		Bucket: wire.Ptr("b/c"), Key: wire.Ptr("a/ü ?"), Version: wire.Ptr("x+y"), Sizes: []int64{1, 2}, Names: []string{"a", `b,"c"`},
		Meta: map[string]string{"a": " v "}, Rest: map[string][]string{"versionId": {"hidden"}, "z": {"1"}}, Status: wire.Ptr(int32(206)),
	}
	src := reflect.ValueOf(&in).Elem()
	r := &wire.Request{Header: http.Header{}}
	if err := b.EncodeRequest(route, src, r); err != nil {
		t.Fatal(err)
	}
	if want := "/b%2Fc/a/%C3%BC%20%3F"; r.Path != want {
		t.Errorf("path: got %s, want %s", r.Path, want)
	}
	if want := "lit&versionId=x%2By&size=1&size=2&z=1"; r.RawQuery != want {
		t.Errorf("query: got %s, want %s", r.RawQuery, want)
	}
	if want := (http.Header{"X-Names": {`a, "b,\"c\""`}, "X-Amz-Meta-A": {"v"}}); !reflect.DeepEqual(r.Header, want) {
		t.Errorf("header: got %v, want %v", r.Header, want)
	}
	w := &wire.Response{Header: http.Header{}}
	if err := b.EncodeAnswer(src, w); err != nil || w.Status != 206 {
		t.Errorf("got status %d, %v", w.Status, err)
	}
	for name, bad := range map[string]object{
		"no key":         {Bucket: wire.Ptr("b")},
		"empty key":      {Bucket: wire.Ptr("b"), Key: wire.Ptr("")},
		"split header":   {Bucket: wire.Ptr("b"), Key: wire.Ptr("k"), Range: wire.Ptr("a\r\nX: y")},
		"split metadata": {Bucket: wire.Ptr("b"), Key: wire.Ptr("k"), Meta: map[string]string{"a": "v\nX: y"}},
		"split name":     {Bucket: wire.Ptr("b"), Key: wire.Ptr("k"), Meta: map[string]string{"a: b\r\nc": "v"}},
	} {
		if err := b.EncodeRequest(route, reflect.ValueOf(&bad).Elem(), &wire.Request{Header: http.Header{}}); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}
