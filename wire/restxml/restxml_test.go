package restxml_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/restxml"
)

func codecOf(t *testing.T) *restxml.Codec {
	t.Helper()
	c, err := restxml.New(s3.API)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func request(method, uri, body string, headers ...string) *wire.Request {
	r := &wire.Request{Method: method, Header: http.Header{}, Body: []byte(body)}
	r.Path, r.RawQuery, _ = strings.Cut(uri, "?")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// TestRoute holds the operations that the AWS CLI and SDKs ask for, as they ask.
func TestRoute(t *testing.T) {
	c := codecOf(t)
	for _, x := range []struct{ method, uri, want string }{
		{"GET", "/?x-id=ListBuckets", "ListBuckets"}, {"HEAD", "/b", "HeadBucket"}, {"PUT", "/b", "CreateBucket"}, {"DELETE", "/b", "DeleteBucket"},
		{"GET", "/b?location", "GetBucketLocation"}, {"GET", "/b?list-type=2&prefix=a%2F&delimiter=%2F&encoding-type=url", "ListObjectsV2"},
		{"GET", "/b?marker=&prefix=&encoding-type=url", "ListObjects"}, {"GET", "/b?versions", "ListObjectVersions"}, {"GET", "/b?uploads", "ListMultipartUploads"},
		{"GET", "/b?policy", "GetBucketPolicy"}, {"PUT", "/b?policy", "PutBucketPolicy"}, {"GET", "/b?policyStatus", "GetBucketPolicyStatus"},
		{"PUT", "/b?encryption", "PutBucketEncryption"}, {"GET", "/b?versioning", "GetBucketVersioning"}, {"POST", "/b?delete", "DeleteObjects"},
		{"GET", "/b?lifecycle", "GetBucketLifecycleConfiguration"}, {"GET", "/b?notification", "GetBucketNotificationConfiguration"},
		{"GET", "/b/k?x-id=GetObject&versionId=v&response-content-type=a", "GetObject"}, {"GET", "/b/k?partNumber=1", "GetObject"},
		{"HEAD", "/b/k?partNumber=1", "HeadObject"}, {"PUT", "/b/k?x-id=PutObject", "PutObject"}, {"GET", "/b/k?tagging", "GetObjectTagging"},
		{"POST", "/b/k?uploads", "CreateMultipartUpload"}, {"PUT", "/b/k?partNumber=1&uploadId=u&x-id=UploadPart", "UploadPart"},
		{"POST", "/b/k?uploadId=u", "CompleteMultipartUpload"}, {"GET", "/b/k?uploadId=u&x-id=ListParts", "ListParts"}, {"DELETE", "/b/k?uploadId=u", "AbortMultipartUpload"},
		{"GET", "/b/k?attributes", "GetObjectAttributes"}, {"PUT", "/b/k?acl", "PutObjectAcl"}, {"POST", "/b/k?restore", "RestoreObject"},
	} {
		if op, err := c.Route(request(x.method, x.uri, "")); err != nil || op.Name != x.want {
			t.Errorf("%s %s: got %v, %v, want %s", x.method, x.uri, op, err, x.want)
		}
	}
	for _, x := range []struct{ method, uri, code string }{
		{"POST", "/b", "MethodNotAllowed"}, {"PATCH", "/b/k", "MethodNotAllowed"}, {"PUT", "/b/k?partNumber=1", "InvalidArgument"},
		{"GET", "/b?acl&policy", "InvalidArgument"}, {"GET", "/b?prefix=%zz", "InvalidURI"}, {"GET", "", "InvalidURI"},
	} {
		if op, err := c.Route(request(x.method, x.uri, "")); !wire.IsCode(err, x.code) {
			t.Errorf("%s %s: got %v, %v, want %s", x.method, x.uri, op, err, x.code)
		}
	}
}

func TestDecodeInput(t *testing.T) {
	c := codecOf(t)
	decode := func(r *wire.Request) (any, error) {
		t.Helper()
		op, err := c.Route(r)
		if err != nil {
			t.Fatal(err)
		}
		in := op.NewInput()
		return in, c.DecodeInput(op, r, in)
	}
	in, err := decode(request("GET", "/b/a//b%2F..?versionId=v", "", "Range", "bytes=0-9", "If-Modified-Since", "nonsense", "If-None-Match", `"e"`))
	want := &s3.GetObjectInput{Bucket: wire.Ptr("b"), Key: wire.Ptr("a//b/.."), VersionId: wire.Ptr("v"), Range: wire.Ptr("bytes=0-9"), IfNoneMatch: wire.Ptr(`"e"`)}
	if err != nil || !reflect.DeepEqual(in, want) {
		t.Errorf("got %+v, %v", in, err)
	}
	put := request("PUT", "/b/k", "", "Content-Length", "1234", "x-amz-meta-Some-Key", "v", "Content-Type", "text/plain")
	put.Stream, put.Length = strings.NewReader("hello"), 5
	in, err = decode(put)
	if err != nil {
		t.Fatal(err)
	}
	p := in.(*s3.PutObjectInput)
	body, _ := io.ReadAll(p.Body)
	if string(body) != "hello" || *p.ContentLength != 5 || p.Metadata["some-key"] != "v" || *p.ContentType != "text/plain" {
		t.Errorf("got %q %+v", body, p)
	}
	in, err = decode(request("PUT", "/b/k", ""))
	if body, readErr := io.ReadAll(in.(*s3.PutObjectInput).Body); err != nil || readErr != nil || len(body) != 0 {
		t.Errorf("no body: got %q, %v, %v", body, err, readErr)
	}
	in, err = decode(request("POST", "/b?delete", `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a&#x1;b</Key></Object><Object><Key>c</Key></Object><Quiet>true</Quiet></Delete>`))
	if d := in.(*s3.DeleteObjectsInput); err != nil || len(d.Delete.Objects) != 2 || *d.Delete.Objects[0].Key != "a\x01b" || !*d.Delete.Quiet {
		t.Errorf("got %+v, %v", in, err)
	}
	in, err = decode(request("PUT", "/b", ""))
	if err != nil || in.(*s3.CreateBucketInput).CreateBucketConfiguration != nil {
		t.Errorf("got %+v, %v", in, err)
	}
	for name, x := range map[string]struct {
		r    *wire.Request
		code string
	}{
		"broken":       {request("POST", "/b?delete", "<Delete>"), "MalformedXML"},
		"wrong root":   {request("POST", "/b?delete", "<Remove/>"), "MalformedXML"},
		"with a DTD":   {request("POST", "/b?delete", `<!DOCTYPE a [<!ENTITY b "c">]><Delete/>`), "MalformedXML"},
		"bad member":   {request("POST", "/b?delete", "<Delete><Quiet>maybe</Quiet></Delete>"), "MalformedXML"},
		"bad number":   {request("GET", "/b?max-keys=lots", ""), "InvalidArgument"},
		"bad escape":   {request("GET", "/b/%zz", ""), "InvalidURI"},
		"no UTF-8":     {request("GET", "/b/%ff", ""), "InvalidURI"},
		"policy bytes": {request("PUT", "/b?policy", "\xff"), "InvalidArgument"},
	} {
		if in, err := decode(x.r); !wire.IsCode(err, x.code) {
			t.Errorf("%s: got %+v, %v, want %s", name, in, err, x.code)
		}
	}
}

func encode(t *testing.T, name string, out any) *wire.Response {
	t.Helper()
	w := &wire.Response{Header: http.Header{}}
	if err := codecOf(t).EncodeOutput(s3.API.Operation(name), out, wire.Meta{RequestID: "R1", HostID: "H1"}, w); err != nil {
		t.Fatal(err)
	}
	return w
}

const prolog = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func TestOutputs(t *testing.T) {
	const ns = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
	at := time.Date(2015, 1, 25, 8, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		op     string
		out    any
		status int
		body   string
	}{
		{"GetBucketLocation", &s3.GetBucketLocationOutput{LocationConstraint: wire.Ptr("eu-west-1")}, 200, prolog + `<LocationConstraint` + ns + `>eu-west-1</LocationConstraint>`},
		{"GetBucketLocation", &s3.GetBucketLocationOutput{}, 200, prolog + `<LocationConstraint` + ns + `></LocationConstraint>`},
		{"GetBucketPolicy", &s3.GetBucketPolicyOutput{Policy: wire.Ptr(`{"a":1}`)}, 200, `{"a":1}`},
		{"ListBuckets", &s3.ListBucketsOutput{Buckets: []s3.Bucket{{Name: wire.Ptr("b"), CreationDate: &at}}}, 200,
			prolog + `<ListAllMyBucketsResult` + ns + `><Buckets><Bucket><Name>b</Name><CreationDate>2015-01-25T08:00:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>`},
		{"ListObjectsV2", &s3.ListObjectsV2Output{Contents: []s3.Object{{Key: wire.Ptr("a&b"), ETag: wire.Ptr(`"e"`)}, {Key: wire.Ptr("c")}}, CommonPrefixes: []s3.CommonPrefix{{Prefix: wire.Ptr("p/")}}}, 200,
			prolog + `<ListBucketResult` + ns + `><Contents><Key>a&amp;b</Key><ETag>&quot;e&quot;</ETag></Contents><Contents><Key>c</Key></Contents><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>`},
		{"CopyObject", &s3.CopyObjectOutput{CopyObjectResult: &s3.CopyObjectResult{ETag: wire.Ptr("e")}, VersionId: wire.Ptr("v")}, 200, prolog + `<CopyObjectResult` + ns + `><ETag>e</ETag></CopyObjectResult>`},
		{"GetBucketAcl", &s3.GetBucketAclOutput{Grants: []s3.Grant{{Grantee: &s3.Grantee{Type: "CanonicalUser", ID: wire.Ptr("i")}}}}, 200,
			prolog + `<AccessControlPolicy` + ns + `><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>i</ID></Grantee></Grant></AccessControlList></AccessControlPolicy>`},
		{"DeleteObject", &s3.DeleteObjectOutput{VersionId: wire.Ptr("v")}, 204, ""},
		{"HeadObject", &s3.HeadObjectOutput{ContentLength: wire.Ptr(int64(7)), LastModified: &at}, 200, ""},
	} {
		w := encode(t, x.op, x.out)
		if w.Status != x.status || string(w.Body) != x.body || w.Header.Get("x-amz-request-id") != "R1" || w.Header.Get("x-amz-id-2") != "H1" {
			t.Errorf("%s: got %d %s %v\nwant %d %s", x.op, w.Status, w.Body, w.Header, x.status, x.body)
		}
		back := s3.API.Operation(x.op).NewOutput()
		if err := codecOf(t).DecodeOutput(s3.API.Operation(x.op), w, back); err != nil || !reflect.DeepEqual(back, x.out) {
			t.Errorf("%s: got back %+v, %v", x.op, back, err)
		}
	}
	head := encode(t, "HeadObject", &s3.HeadObjectOutput{ContentLength: wire.Ptr(int64(7)), LastModified: &at, ETag: wire.Ptr(`"e"`), Metadata: map[string]string{"a-b": "c"}})
	for name, want := range map[string]string{"Content-Length": "7", "Last-Modified": "Sun, 25 Jan 2015 08:00:00 GMT", "ETag": `"e"`, "x-amz-meta-a-b": "c"} {
		got := head.Header.Get(name)
		if strings.HasPrefix(name, "x-amz-meta-") { // clients read the name as it comes
			got = strings.Join(head.Header[name], ",")
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

type closed struct {
	io.Reader
	done *bool
}

func (c closed) Close() error { *c.done = true; return nil }

func TestStream(t *testing.T) {
	done := false
	out := &s3.GetObjectOutput{Body: closed{strings.NewReader("bytes"), &done}, ContentLength: wire.Ptr(int64(5)), ContentRange: wire.Ptr("bytes 0-4/9")}
	w := encode(t, "GetObject", out)
	rec := httptest.NewRecorder()
	for k, v := range w.Header {
		rec.Header()[k] = v
	}
	if err := w.Send(rec); err != nil || rec.Code != 206 || rec.Body.String() != "bytes" || !done || rec.Header().Get("Content-Length") != "5" {
		t.Errorf("got %d %q %v, closed %v, %v", rec.Code, rec.Body, rec.Header(), done, err)
	}
	broken := errors.New("disk gone")
	w = encode(t, "GetObject", &s3.GetObjectOutput{Body: closed{io.MultiReader(strings.NewReader("by"), failing{broken}), &done}})
	if err := w.Send(httptest.NewRecorder()); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestErrors(t *testing.T) {
	c := codecOf(t)
	get, head := s3.API.Operation("GetObject"), s3.API.Operation("HeadObject")
	meta := wire.Meta{RequestID: "R1", HostID: "H1", Resource: "/b/<k>", Method: "GET"}
	send := func(op *wire.Operation, e *wire.Error, m wire.Meta) *wire.Response {
		w := &wire.Response{Header: http.Header{}}
		c.EncodeError(op, e, m, w)
		return w
	}
	noKey := wire.Errorf("NoSuchKey", 404, "The specified key does not exist.")
	w := send(get, noKey, meta)
	want := prolog + `<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Resource>/b/&lt;k&gt;</Resource><RequestId>R1</RequestId><HostId>H1</HostId></Error>`
	if string(w.Body) != want || w.Status != 404 || w.Header.Get("Content-Type") != "application/xml" {
		t.Errorf("got %d %s", w.Status, w.Body)
	}
	if e := c.DecodeError(get, w); e.Code != "NoSuchKey" || e.Message != noKey.Message || e.Status != 404 {
		t.Errorf("got back %+v", e)
	}
	w = send(head, noKey, wire.Meta{RequestID: "R1"})
	if len(w.Body) != 0 || w.Status != 404 || w.Header.Get("x-amz-request-id") != "R1" {
		t.Errorf("HEAD: got %d %s %v", w.Status, w.Body, w.Header)
	}
	if e := c.DecodeError(head, w); e.Code != "NotFound" {
		t.Errorf("HEAD: got back %+v", e)
	}
	notModified := &wire.Error{Code: "NotModified", Status: 304, Detail: &s3.GetObjectOutput{ETag: wire.Ptr(`"e"`), ContentLength: wire.Ptr(int64(9))}}
	w = send(get, notModified, meta)
	if len(w.Body) != 0 || w.Status != 304 || w.Header.Get("ETag") != `"e"` || w.Header.Get("Content-Length") != "" {
		t.Errorf("304: got %d %s %v", w.Status, w.Body, w.Header)
	}
	_, err := c.Route(request("PATCH", "/b/k", ""))
	w = send(nil, wire.AsError(err), meta)
	if w.Status != 405 || !strings.Contains(w.Header.Get("Allow"), "GET") {
		t.Errorf("405: got %d %v", w.Status, w.Header)
	}
	state := s3.InvalidObjectState(&s3.InvalidObjectStateDetail{StorageClass: "GLACIER"}, "archived")
	w = send(get, state, meta)
	if e := c.DecodeError(get, w); !reflect.DeepEqual(e.Detail, state.Detail) {
		t.Errorf("detail: got %+v of %s", e.Detail, w.Body)
	}
	// An answer that failed half-way leaves nothing behind.
	w = encode(t, "GetBucketPolicy", &s3.GetBucketPolicyOutput{Policy: wire.Ptr("secret")})
	if c.EncodeError(get, noKey, meta, w); strings.Contains(string(w.Body), "secret") || w.Header.Get("Content-Type") != "application/xml" {
		t.Errorf("got %s %v", w.Body, w.Header)
	}
}
