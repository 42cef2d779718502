// Package refusal sends a running house what no good client sends, over TLS, and looks for the
// answer that AWS gives, for the record in the trail wherever the caller is known, and for a
// house that goes on serving.
package refusal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/test/house"
)

func TestMain(m *testing.M) { house.Main(m) }

var ctx = context.Background()

// request is a request to be signed, or spoilt.
type request struct {
	method, path, query string // the path as it goes over the wire
	header              map[string]string
	body                string

	service, region string        // of the signature; region "" for the house's own
	key             string        // access key; "" for the administrator's
	late            time.Duration // how old the signature is
	unsigned        bool
	after           func(r *http.Request) // changes what has been signed
}

// sender sends requests to one house.
type sender struct {
	*house.House
	client *http.Client
}

func newSender(t *testing.T) *sender {
	h := house.Start(t)
	client := h.HTTP()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(client.CloseIdleConnections)
	return &sender{h, client}
}

// reply is an answer.
type reply struct {
	status   int
	code, id string
	body     string
}

func (s *sender) send(t *testing.T, q request) reply {
	t.Helper()
	at, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if at.Path, err = url.PathUnescape(q.path); err != nil {
		t.Fatal(err)
	}
	at.RawPath, at.RawQuery = q.path, q.query
	r := &http.Request{Method: q.method, URL: at, Host: at.Host, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(q.body)), ContentLength: int64(len(q.body))}
	if q.body == "" {
		r.Body = http.NoBody
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	if !q.unsigned {
		c := sigv4.Credentials{AccessKeyID: s.Admin.AccessKeyID, Secret: secret.FromString(s.Admin.SecretAccessKey)}
		if q.key != "" {
			c.AccessKeyID = q.key
		}
		region := house.Region
		if q.region != "" {
			region = q.region
		}
		if err := sigv4.NewSigner(c, region, q.service).Sign(r, sigv4.HashPayload([]byte(q.body)), time.Now().Add(-q.late)); err != nil {
			t.Fatal(err)
		}
	}
	if q.after != nil {
		q.after(r)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	id := answer.Header.Get("X-Amzn-Requestid")
	if id == "" {
		id = answer.Header.Get("X-Amz-Request-Id")
	}
	return reply{answer.StatusCode, codeOf(string(body)), id, string(body)}
}

var xmlCode = regexp.MustCompile(`<Code>(\w+)</Code>`)

// codeOf finds the error code in an answer of any protocol.
func codeOf(body string) string {
	var e struct {
		Type string `json:"__type"`
	}
	if json.Unmarshal([]byte(body), &e) == nil {
		return e.Type
	}
	if m := xmlCode.FindStringSubmatch(body); m != nil {
		return m[1]
	}
	return ""
}

// trail is what the account's trail says of each request, by request id.
func (s *sender) trail(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for pages := cloudtrail.NewLookupEventsPaginator(s.AsAdmin().CloudTrail(), &cloudtrail.LookupEventsInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			var r struct{ RequestID, EventName, ErrorCode string }
			if err := json.Unmarshal([]byte(*e.CloudTrailEvent), &r); err != nil {
				t.Fatalf("a record is not JSON: %v\n%s", err, *e.CloudTrailEvent)
			}
			found[r.RequestID] = strings.TrimSuffix(r.EventName+" "+r.ErrorCode, " ")
		}
	}
	return found
}

// kms, iam and s3Call are good requests.
func kms(operation, body string) request {
	return request{method: "POST", path: "/", service: "kms", body: body, header: map[string]string{
		"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService." + operation,
	}}
}

func iam(form string) request {
	return request{method: "POST", path: "/", service: "iam", region: "us-east-1", body: form, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
}

func s3Call(method, path, query, body string) request {
	return request{method: method, path: path, query: query, body: body, service: "s3"}
}

// but is a request with a change.
func (q request) but(change func(*request)) request {
	change(&q)
	return q
}

func unsigned(q *request)   { q.unsigned = true }
func unknown(q *request)    { q.key = "AKIAAAAAAAAAAAAAAAAA" }
func expired(q *request)    { q.late = time.Hour }
func early(q *request)      { q.late = -time.Hour }
func elsewhere(q *request)  { q.region = "ap-south-1" }
func anotherSum(q *request) { q.after = func(r *http.Request) { spoil(r) } }

// spoil makes the signature another.
func spoil(r *http.Request) {
	a := r.Header.Get("Authorization")
	sum := sha256.Sum256([]byte(a))
	r.Header.Set("Authorization", a[:len(a)-64]+hex.EncodeToString(sum[:]))
}

// stranger says in a table that no trail may have the request: nobody knows who sent it.
const stranger = ""

func TestRefusals(t *testing.T) {
	s := newSender(t)
	bucket := "refusing-bucket"
	if r := s.send(t, s3Call("PUT", "/"+bucket, "", location)); r.status != 200 {
		t.Fatalf("CreateBucket: %+v", r)
	}
	deep := func(open, middle, close string) string {
		return strings.Repeat(open, 20_000) + middle + strings.Repeat(close, 20_000)
	}
	deletes := func(body string) request {
		q := s3Call("POST", "/"+bucket, "delete=", body)
		sum := sha256.Sum256([]byte(body))
		q.header = map[string]string{"X-Amz-Checksum-Sha256": base64Of(sum[:])}
		return q
	}
	tests := []struct {
		name   string
		q      request
		status int
		code   string
		record string // event name and error code; stranger for none
	}{
		{"kms, unsigned", kms("ListKeys", "{}").but(unsigned), 400, "MissingAuthenticationTokenException", stranger},
		{"kms, wrongly signed", kms("ListKeys", "{}").but(anotherSum), 400, "InvalidSignatureException", stranger},
		{"kms, unknown key", kms("ListKeys", "{}").but(unknown), 400, "UnrecognizedClientException", stranger},
		{"kms, expired", kms("ListKeys", "{}").but(expired), 400, "InvalidSignatureException", stranger},
		{"kms, early", kms("ListKeys", "{}").but(early), 400, "InvalidSignatureException", stranger},
		{"kms, of another region", kms("ListKeys", "{}").but(elsewhere), 400, "InvalidSignatureException", stranger},
		{"kms, of another service", kms("ListKeys", "{}").but(func(q *request) { q.service = "sts" }), 400, "InvalidSignatureException", stranger},
		{"kms, replayed as another operation", kms("ListKeys", "{}").but(func(q *request) {
			q.after = func(r *http.Request) { r.Header.Set("X-Amz-Target", "TrentService.CreateKey") }
		}), 400, "InvalidSignatureException", stranger},
		{"kms, replayed with another body", kms("CreateKey", `{"Description":"a"}`).but(func(q *request) {
			q.after = func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"Description":"b"}`)) }
		}), 400, "InvalidSignatureException", stranger},
		{"kms, too long", kms("CreateKey", `{"Description":"`+strings.Repeat("x", 2<<20)+`"}`), 413, "RequestEntityTooLargeException", stranger},
		{"kms, a long description", kms("CreateKey", `{"Description":"`+strings.Repeat("x", 900<<10)+`"}`), 400, "ValidationException", "CreateKey ValidationException"},
		{"kms, many tags", kms("CreateKey", `{"Tags":[`+strings.Repeat(`{"TagKey":"a","TagValue":"b"},`, 20_000)+`{"TagKey":"a","TagValue":"b"}]}`), 400, "TagException", "CreateKey TagException"},
		{"kms, malformed", kms("CreateKey", `{"Description":`), 400, "SerializationException", "CreateKey SerializationException"},
		{"kms, not an object", kms("CreateKey", `["Description"]`), 400, "SerializationException", "CreateKey SerializationException"},
		{"kms, deeply nested", kms("CreateKey", `{"Unknown":`+deep("[", "", "]")+`}`), 400, "SerializationException", "CreateKey SerializationException"},
		{"kms, deeply nested objects", kms("CreateKey", deep(`{"Tags":`, "{}", "}")), 400, "SerializationException", "CreateKey SerializationException"},
		{"kms, invalid UTF-8", kms("CreateKey", "{\"Description\":\"\xff\xfe\"}"), 400, "SerializationException", "CreateKey SerializationException"},
		{"kms, of another type", kms("CreateKey", `{"Description":7}`), 400, "SerializationException", "CreateKey SerializationException"},
		{"kms, empty plaintext", kms("Encrypt", `{"KeyId":"alias/a","Plaintext":""}`), 400, "ValidationException", "Encrypt ValidationException"},
		{"kms, no body", kms("Encrypt", ""), 400, "ValidationException", "Encrypt ValidationException"},
		{"kms, unknown operation", kms("OpenSesame", "{}"), 400, "UnknownOperationException", "UnknownOperation UnknownOperationException"},
		{"kms, path tricks in a key id", kms("DescribeKey", `{"KeyId":"../../key"}`), 400, "NotFoundException", "DescribeKey NotFoundException"},
		{"kms, NUL in a key id", kms("DescribeKey", `{"KeyId":"a\u0000b"}`), 400, "NotFoundException", "DescribeKey NotFoundException"},
		{"kms, a very long key id", kms("DescribeKey", `{"KeyId":"`+strings.Repeat("k", 2049)+`"}`), 400, "ValidationException", "DescribeKey ValidationException"},

		{"iam, unsigned", iam("Action=ListUsers&Version=2010-05-08").but(unsigned), 403, "MissingAuthenticationToken", stranger},
		{"iam, wrongly signed", iam("Action=ListUsers&Version=2010-05-08").but(anotherSum), 403, "SignatureDoesNotMatch", stranger},
		{"iam, unknown key", iam("Action=ListUsers&Version=2010-05-08").but(unknown), 403, "InvalidClientTokenId", stranger},
		{"iam, expired", iam("Action=ListUsers&Version=2010-05-08").but(expired), 403, "SignatureDoesNotMatch", stranger},
		{"iam, of another region", iam("Action=ListUsers&Version=2010-05-08").but(elsewhere), 403, "SignatureDoesNotMatch", stranger},
		{"iam, unknown operation", iam("Action=OpenSesame&Version=2010-05-08"), 400, "InvalidAction", "UnknownOperation InvalidAction"},
		{"iam, path tricks in a name", iam("Action=CreateUser&Version=2010-05-08&UserName=..%2F..%2Froot"), 400, "ValidationError", "CreateUser ValidationError"},
		{"iam, NUL in a name", iam("Action=CreateUser&Version=2010-05-08&UserName=a%00b"), 400, "ValidationError", "CreateUser ValidationError"},
		{"iam, a name of 65", iam("Action=CreateUser&Version=2010-05-08&UserName=" + strings.Repeat("u", 65)), 400, "ValidationError", "CreateUser ValidationError"},
		{"iam, an empty name", iam("Action=CreateUser&Version=2010-05-08&UserName="), 400, "ValidationError", "CreateUser ValidationError"},
		{"iam, a policy deeply nested", iam("Action=CreatePolicy&Version=2010-05-08&PolicyName=p&PolicyDocument=" + url.QueryEscape(deep(`{"Statement":`, "{}", "}")[:100_000])), 400, "MalformedPolicyDocument", "CreatePolicy MalformedPolicyDocument"},
		{"iam, a policy that is not JSON", iam("Action=CreatePolicy&Version=2010-05-08&PolicyName=p&PolicyDocument=" + url.QueryEscape(strings.Repeat(`[`, 5000))), 400, "MalformedPolicyDocument", "CreatePolicy MalformedPolicyDocument"},

		{"s3, unsigned", s3Call("GET", "/"+bucket+"/k", "", "").but(unsigned), 403, "AccessDenied", "GetObject AccessDenied"},
		{"s3, wrongly signed", s3Call("GET", "/"+bucket+"/k", "", "").but(anotherSum), 403, "SignatureDoesNotMatch", stranger},
		{"s3, unknown key", s3Call("GET", "/"+bucket+"/k", "", "").but(unknown), 403, "InvalidAccessKeyId", stranger},
		{"s3, expired", s3Call("GET", "/"+bucket+"/k", "", "").but(expired), 403, "RequestTimeTooSkewed", stranger},
		{"s3, of another region", s3Call("GET", "/"+bucket+"/k", "", "").but(elsewhere), 400, "AuthorizationHeaderMalformed", stranger},
		{"s3, replayed for another object", s3Call("GET", "/"+bucket+"/k", "", "").but(func(q *request) {
			q.after = func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/"+bucket+"/other", "" }
		}), 403, "SignatureDoesNotMatch", stranger},
		{"s3, replayed with another method", s3Call("GET", "/"+bucket+"/k", "", "").but(func(q *request) {
			q.after = func(r *http.Request) { r.Method = "DELETE" }
		}), 403, "SignatureDoesNotMatch", stranger},
		{"s3, another body", s3Call("PUT", "/"+bucket+"/changed", "", "good").but(func(q *request) {
			q.after = func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("evil")) }
		}), 400, "XAmzContentSHA256Mismatch", "PutObject XAmzContentSHA256Mismatch"},
		{"s3, malformed XML", deletes("<Delete><Object><Key>"), 400, "MalformedXML", "DeleteObjects MalformedXML"},
		{"s3, nothing to delete", deletes("<Delete/>"), 400, "MalformedXML", "DeleteObjects MalformedXML"},
		{"s3, an object without a key", deletes("<Delete><Object><ETag>x</ETag></Object></Delete>"), 400, "MalformedXML", "DeleteObjects MalformedXML"},
		{"s3, deeply nested XML", deletes(deep("<Delete>", "", "</Delete>")), 400, "MalformedXML", "DeleteObjects MalformedXML"},
		{"s3, invalid UTF-8 in XML", deletes("<Delete><Object><Key>\xff\xfe</Key></Object></Delete>"), 400, "MalformedXML", "DeleteObjects MalformedXML"},
		{"s3, entities that explode", deletes(`<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><Delete><Object><Key>&b;&b;</Key></Object></Delete>`), 400, "MalformedXML", "DeleteObjects MalformedXML"},
		{"s3, an entity from outside", deletes(`<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>`), 400, "MalformedXML", "DeleteObjects MalformedXML"},
		{"s3, a list too long", deletes("<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 20_000) + "</Delete>"), 400, "MalformedXML", "DeleteObjects MalformedXML"},
		{"s3, too long", deletes("<Delete>" + strings.Repeat(" ", 11<<20) + "</Delete>"), 400, "MaxMessageLengthExceeded", "DeleteObjects MaxMessageLengthExceeded"},
		{"s3, unknown operation", s3Call("PATCH", "/"+bucket+"/k", "", ""), 405, "MethodNotAllowed", "UnknownOperation MethodNotAllowed"},
		{"s3, a key of 1,025 bytes", s3Call("PUT", "/"+bucket+"/"+strings.Repeat("k", 1025), "", "x"), 400, "KeyTooLongError", "PutObject KeyTooLongError"},
		{"s3, a key of 1,025 bytes in fewer characters", s3Call("PUT", "/"+bucket+"/"+strings.Repeat("%C3%BC", 512)+"k", "", "x"), 400, "KeyTooLongError", "PutObject KeyTooLongError"},
		{"s3, a very long key", s3Call("GET", "/"+bucket+"/"+strings.Repeat("k", 30_000), "", ""), 400, "KeyTooLongError", "GetObject KeyTooLongError"},
		{"s3, tags of a key of 1,025 bytes", s3Call("GET", "/"+bucket+"/"+strings.Repeat("k", 1025), "tagging=", ""), 400, "KeyTooLongError", "GetObjectTagging KeyTooLongError"},
		{"s3, the deletion of a very long key", s3Call("DELETE", "/"+bucket+"/"+strings.Repeat("k", 30_000), "", ""), 400, "KeyTooLongError", "DeleteObject KeyTooLongError"},
		{"s3, an upload of a very long key", s3Call("POST", "/"+bucket+"/"+strings.Repeat("k", 30_000), "uploads=", ""), 400, "KeyTooLongError", "CreateMultipartUpload KeyTooLongError"},
		{"s3, a copy of a very long key", s3Call("PUT", "/"+bucket+"/k", "", "").but(func(q *request) {
			q.header = map[string]string{"X-Amz-Copy-Source": bucket + "/" + strings.Repeat("k", 10_000)}
		}), 400, "KeyTooLongError", "CopyObject KeyTooLongError"},
		{"s3, a list with a very long prefix", s3Call("GET", "/"+bucket, "list-type=2&prefix="+strings.Repeat("p", 30_000), ""), 200, "", "ListObjectsV2"},
		{"s3, a list after a very long key", s3Call("GET", "/"+bucket, "list-type=2&start-after="+strings.Repeat("p", 30_000), ""), 200, "", "ListObjectsV2"},
		{"s3, a key that is not UTF-8", s3Call("PUT", "/"+bucket+"/%ff%fe", "", "x"), 400, "InvalidURI", "PutObject InvalidURI"},
		{"s3, bucket ..", s3Call("PUT", "/..", "", location), 400, "InvalidBucketName", "CreateBucket InvalidBucketName"},
		{"s3, bucket %2e%2e", s3Call("PUT", "/%2e%2e", "", location), 400, "InvalidBucketName", "CreateBucket InvalidBucketName"},
		{"s3, bucket %2e%2e%2fb", s3Call("PUT", "/%2e%2e%2fb", "", location), 400, "InvalidBucketName", "CreateBucket InvalidBucketName"},
		{"s3, bucket a..b", s3Call("PUT", "/aaa..bbb", "", location), 400, "InvalidBucketName", "CreateBucket InvalidBucketName"},
		{"s3, bucket with NUL", s3Call("PUT", "/aaa%00bbb", "", location), 400, "InvalidBucketName", "CreateBucket InvalidBucketName"},
		{"s3, bucket of 64", s3Call("PUT", "/"+strings.Repeat("b", 64), "", location), 400, "InvalidBucketName", "CreateBucket InvalidBucketName"},
		{"s3, bucket of 30,000", s3Call("PUT", "/"+strings.Repeat("b", 30_000), "", location), 400, "InvalidBucketName", "CreateBucket InvalidBucketName"},
		{"s3, bucket of 2", s3Call("PUT", "/bb", "", location), 400, "InvalidBucketName", "CreateBucket InvalidBucketName"},
		{"s3, bucket in upper case", s3Call("PUT", "/BUCKET", "", location), 400, "InvalidBucketName", "CreateBucket InvalidBucketName"},
		{"s3, bucket with a space", s3Call("PUT", "/a%20bucket", "", location), 400, "InvalidBucketName", "CreateBucket InvalidBucketName"},
		{"s3, an object of bucket ..", s3Call("GET", "/../etc/passwd", "", ""), 404, "NoSuchBucket", "GetObject NoSuchBucket"},
		{"s3, a bucket of nobody", s3Call("GET", "/no-such-bucket-here/x", "", ""), 404, "NoSuchBucket", "GetObject NoSuchBucket"},
	}
	ids := make([]string, len(tests))
	for i, tt := range tests {
		r := s.send(t, tt.q)
		if r.status != tt.status || r.code != tt.code {
			t.Errorf("%s: got %d %s, want %d %s\n%.400s", tt.name, r.status, r.code, tt.status, tt.code, r.body)
		}
		if ids[i] = r.id; r.id == "" {
			t.Errorf("%s: the answer has no request id", tt.name)
		}
	}
	recorded := s.trail(t)
	for i, tt := range tests {
		if got := recorded[ids[i]]; got != tt.record {
			t.Errorf("%s: recorded as %q, want %q", tt.name, got, tt.record)
		}
	}
	s.still(t, bucket)
}

// still fails the test unless the house serves as before, with nothing that a refusal has left.
func (s *sender) still(t *testing.T, bucket string) {
	t.Helper()
	list, err := s.AsAdmin().S3().ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil || len(list.Contents) != 0 {
		t.Errorf("after all the bucket has %d objects, %v", len(list.Contents), err)
	}
	buckets, err := s.AsAdmin().S3().ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil || len(buckets.Buckets) != 1 {
		t.Errorf("after all there are %d buckets, %v", len(buckets.Buckets), err)
	}
	for _, word := range []string{"panic", "goroutine"} {
		if strings.Contains(s.Output(), word) {
			t.Errorf("the house printed\n%s", s.Output())
		}
	}
}

// tricky are keys that would be somewhere else if a key were a path; each is only a name.
var tricky = []string{
	"..", ".", "../x", "a/../b", "a/./b", "a//b", "//", "/lead", "trail/", "a\x00b", "%2e%2e", "%2e%2e%2fx", "a%00b", "a b+c&d=e;f", "a?b#c", `a\..\b`, "~", "-rf", "*", "$(id)",
	"\u00fc", "u\u0308", "\U0001f511", "\u202egnp.exe", "con", "a\r\nb", "\x7f", strings.Repeat("k", 1024), strings.Repeat("\u00fc", 512), strings.Repeat("../", 341),
}

// TestNamesAreOnlyNames writes objects with names that are tricks, through raw requests, and reads
// each again: every one is its own object and nothing beside.
func TestNamesAreOnlyNames(t *testing.T) {
	s := newSender(t)
	bucket := "tricky-bucket"
	if r := s.send(t, s3Call("PUT", "/"+bucket, "", location)); r.status != 200 {
		t.Fatalf("CreateBucket: %+v", r)
	}
	at := func(key string) string { return "/" + bucket + "/" + escape(key) }
	body := func(key string) string { return fmt.Sprintf("the bytes of %q", key) }
	for _, key := range tricky {
		if r := s.send(t, s3Call("PUT", at(key), "", body(key))); r.status != 200 {
			t.Errorf("PutObject %.40q: %+v", key, r)
		}
	}
	if r := s.send(t, s3Call("PUT", at("empty"), "", "")); r.status != 200 {
		t.Errorf("PutObject of nothing: %+v", r)
	}
	if r := s.send(t, s3Call("GET", at("empty"), "", "")); r.status != 200 || r.body != "" {
		t.Errorf("GetObject of nothing: %+v", r)
	}
	for _, key := range tricky {
		if r := s.send(t, s3Call("GET", at(key), "", "")); r.status != 200 || r.body != body(key) {
			t.Errorf("GetObject %.40q: %d %.80q", key, r.status, r.body)
		}
	}
	listed := map[string]bool{}
	list, err := s.AsAdmin().S3().ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, EncodingType: types.EncodingTypeUrl})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		key, err := url.QueryUnescape(aws.ToString(o.Key))
		if err != nil {
			t.Error(err)
		}
		listed[key] = true
	}
	for _, key := range tricky {
		if !listed[key] {
			t.Errorf("%.40q is not listed", key)
		}
	}
	if len(listed) != len(tricky)+1 {
		t.Errorf("%d objects are listed, want %d", len(listed), len(tricky)+1)
	}
	for _, key := range tricky {
		if r := s.send(t, s3Call("DELETE", at(key), "", "")); r.status != 204 {
			t.Errorf("DeleteObject %.40q: %+v", key, r)
		}
		if r := s.send(t, s3Call("GET", at(key), "", "")); r.status != 404 || r.code != "NoSuchKey" {
			t.Errorf("GetObject of the deleted %.40q: %d %s", key, r.status, r.code)
		}
	}
	if r := s.send(t, s3Call("GET", at("empty"), "", "")); r.status != 200 {
		t.Errorf("the object beside them: %+v", r)
	}
}

// escape writes a key as S3 clients do: all but unreserved characters and slashes.
func escape(key string) string {
	var b bytes.Buffer
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

const location = `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>` + house.Region + `</LocationConstraint></CreateBucketConfiguration>`
