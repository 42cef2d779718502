package sigv4

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strongroom/strongroom/secret"
)

var kms = Endpoint{Service: "kms", Regions: []string{"eu-central-1", "us-east-1"}}

const kmsBody = `{"KeyId":"alias/a","Plaintext":"AAAA"}`

// signedKMS is a request as an SDK sends it.
func signedKMS(t testing.TB) *http.Request {
	t.Helper()
	r := newRequest("POST", "/", "127.0.0.1:8443", kmsBody,
		"Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", "TrentService.Encrypt", "User-Agent", "sdk/1", "Accept-Encoding", "identity",
		"Amz-Sdk-Invocation-Id", "4a2c1f7e-0000-4000-8000-000000000000", "Amz-Sdk-Request", "attempt=1; max=3")
	if err := NewSigner(suiteCredentials, "eu-central-1", "kms").Sign(r, HashPayload([]byte(kmsBody)), suiteTime); err != nil {
		t.Fatal(err)
	}
	return r
}

// signedS3 is a GetObject as an SDK sends it.
func signedS3(t testing.TB) *http.Request {
	t.Helper()
	r := newRequest("GET", "/bucket/some/key%20with%20space?x-id=GetObject", "127.0.0.1:8443", "", "Range", "bytes=0-9")
	if err := NewSigner(suiteCredentials, "us-east-1", "s3").Sign(r, EmptyPayload, suiteTime); err != nil {
		t.Fatal(err)
	}
	return r
}

// presignedS3 is a presigned GetObject.
func presignedS3(t testing.TB) *http.Request {
	t.Helper()
	u, err := NewSigner(suiteCredentials, "us-east-1", "s3").Presign(
		&http.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: "h", Path: "/b/k", RawQuery: "versionId=3"}}, time.Hour, suiteTime)
	if err != nil {
		t.Fatal(err)
	}
	return newRequest("GET", strings.TrimPrefix(u, "https://h"), "h", "")
}

var suiteCredentials = Credentials{AccessKeyID: suiteID, Secret: secret.FromString(suiteSecret)}

func verifyKMS(v *Verifier, r *http.Request) error {
	q, err := Parse(r)
	if err != nil {
		return err
	}
	return v.Verify(context.Background(), q, kms, []byte(kmsBody))
}

func verifyS3(v *Verifier, r *http.Request) error {
	q, err := Parse(r)
	if err != nil {
		return err
	}
	_, err = v.VerifyStream(context.Background(), q, s3Doc)
	return err
}

// setAuth edits the Authorization header.
func setAuth(old, new string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
	}
}

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func del(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }

// query edits the request line.
func query(old, new string) func(*http.Request) {
	return func(r *http.Request) {
		r.RequestURI = strings.Replace(r.RequestURI, old, new, 1)
		_, r.URL.RawQuery, _ = strings.Cut(r.RequestURI, "?")
	}
}

const wrongSignature = "0000000000000000000000000000000000000000000000000000000000000000"

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(*http.Request)
		later   time.Duration
		kind    Kind
		code    string // of awsJson
		message string // a part of it
	}{
		{"good", func(*http.Request) {}, 0, 0, "", ""},
		{"good at the edge", func(*http.Request) {}, 15 * time.Minute, 0, "", ""},
		{"good at the other edge", func(*http.Request) {}, -15 * time.Minute, 0, "", ""},
		{"no signature", del("Authorization"), 0, MissingSignature, "MissingAuthenticationTokenException", "Missing Authentication Token"},
		{"too late", func(*http.Request) {}, 15*time.Minute + time.Second, Skewed, "InvalidSignatureException", "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"},
		{"too early", func(*http.Request) {}, -16 * time.Minute, Skewed, "InvalidSignatureException", "Signature not yet current: 20150830T123600Z is still later than 20150830T123500Z (20150830T122000Z + 15 min.)"},
		{"wrong signature", func(r *http.Request) {
			r.Header.Set("Authorization", r.Header.Get("Authorization")[:len(r.Header.Get("Authorization"))-64]+wrongSignature)
		}, 0, Mismatch, "InvalidSignatureException", "The request signature we calculated does not match"},
		{"short signature", func(r *http.Request) {
			r.Header.Set("Authorization", strings.TrimRight(r.Header.Get("Authorization"), "0123456789abcdef")+"ab")
		}, 0, Mismatch, "InvalidSignatureException", ""},
		{"long signature", func(r *http.Request) { r.Header.Set("Authorization", r.Header.Get("Authorization")+"00") }, 0, Mismatch, "InvalidSignatureException", ""},
		{"another region", setAuth("eu-central-1", "eu-central-2"), 0, BadScope, "InvalidSignatureException", "Credential should be scoped to a valid region, not 'eu-central-2'."},
		{"a region it was not signed for", setAuth("eu-central-1", "us-east-1"), 0, Mismatch, "InvalidSignatureException", ""},
		{"another service", setAuth("/kms/", "/iam/"), 0, BadScope, "InvalidSignatureException", "Credential should be scoped to correct service: 'kms'."},
		{"another terminator", setAuth("aws4_request", "aws5_request"), 0, BadScope, "InvalidSignatureException", "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."},
		{"another date in the scope", setAuth("/20150830/", "/20150829/"), 0, DateMismatch, "InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150829' != '20150830', from '20150830T123600Z'."},
		{"a date that is none", setAuth("/20150830/", "/2015083/"), 0, MalformedHeader, "IncompleteSignatureException", ""},
		{"a short credential", setAuth("/aws4_request", ""), 0, MalformedHeader, "IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIDEXAMPLE/20150830/eu-central-1/kms'"},
		{"a long credential", setAuth("aws4_request", "aws4_request/x"), 0, MalformedHeader, "IncompleteSignatureException", "exactly 5"},
		{"unknown access key", setAuth(suiteID, "AKIDUNKNOWN"), 0, UnknownKey, "UnrecognizedClientException", "The security token included in the request is invalid."},
		{"bad token", set("X-Amz-Security-Token", "x"), 0, BadToken, "UnrecognizedClientException", "The security token included in the request is invalid."},
		{"expired token", set("X-Amz-Security-Token", "expired"), 0, ExpiredToken, "ExpiredTokenException", "The security token included in the request is expired"},
		{"SigV4A", setAuth("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), 0, Unsupported, "IncompleteSignatureException", "Signature Version 4A"},
		{"SigV2", set("Authorization", "AWS AKID:c2lnbmF0dXJl"), 0, Unsupported, "IncompleteSignatureException", "Signature Version 2"},
		{"a later version", setAuth("AWS4-HMAC-SHA256", "AWS5-HMAC-SHA256"), 0, Unsupported, "IncompleteSignatureException", "Unsupported AWS 'algorithm': 'AWS5-HMAC-SHA256'."},
		{"basic", set("Authorization", "Basic QTpC"), 0, Unsupported, "IncompleteSignatureException", "Authorization header requires 'Credential' parameter."},
		{"empty", set("Authorization", ""), 0, Unsupported, "IncompleteSignatureException", "Authorization header requires"},
		{"nothing but the algorithm", set("Authorization", "AWS4-HMAC-SHA256"), 0, MalformedHeader, "IncompleteSignatureException", "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. (Hashed with SHA-256 and encoded with Base64) Authorization="},
		{"no signature part", setAuth("Signature=", "Sig="), 0, MalformedHeader, "IncompleteSignatureException", "Unexpected or repeated parameter"},
		{"no equal sign", setAuth("Credential=", "Credential"), 0, MalformedHeader, "IncompleteSignatureException", "(missing equal-sign)"},
		{"a part twice", setAuth("SignedHeaders=", "Credential=a/20150830/r/s/aws4_request, SignedHeaders="), 0, MalformedHeader, "IncompleteSignatureException", "repeated"},
		{"two headers", func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, 0, Ambiguous, "IncompleteSignatureException", "exactly one"},
		{"header and query", query("/", "/?X-Amz-Signature=0"), 0, Ambiguous, "IncompleteSignatureException", ""},
		{"no date", del("X-Amz-Date"), 0, MissingDate, "IncompleteSignatureException", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."},
		{"a date of another form", set("X-Amz-Date", "2015-08-30T12:36:00Z"), 0, MissingDate, "IncompleteSignatureException", "Date must be in ISO-8601 'basic format'."},
		{"31 February", set("X-Amz-Date", "20150231T123600Z"), 0, MissingDate, "IncompleteSignatureException", ""},
		{"two dates", func(r *http.Request) { r.Header.Add("X-Amz-Date", "20150830T123600Z") }, 0, Ambiguous, "IncompleteSignatureException", "X-Amz-Date"},
		{"another second", set("X-Amz-Date", "20150830T123601Z"), 0, Mismatch, "InvalidSignatureException", ""},
		{"host not signed", setAuth(";host;", ";"), 0, HeadersNotSigned, "InvalidSignatureException", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
		{"target not signed", setAuth(";x-amz-target", ""), 0, HeadersNotSigned, "InvalidSignatureException", "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."},
		{"another x-amz header", set("X-Amz-Other", "1"), 0, HeadersNotSigned, "InvalidSignatureException", "'x-amz-other'"},
		{"a signed header gone", del("Content-Type"), 0, Mismatch, "InvalidSignatureException", ""},
		{"a signed header twice", func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") }, 0, Mismatch, "InvalidSignatureException", ""},
		{"names not in order", setAuth("content-type;host", "host;content-type"), 0, MalformedHeader, "IncompleteSignatureException", "SignedHeaders"},
		{"a name twice", setAuth(";host;", ";host;host;"), 0, MalformedHeader, "IncompleteSignatureException", "SignedHeaders"},
		{"a name in capitals", setAuth(";host;", ";Host;"), 0, MalformedHeader, "IncompleteSignatureException", "SignedHeaders"},
		{"an empty name", setAuth(";host;", ";;host;"), 0, MalformedHeader, "IncompleteSignatureException", "SignedHeaders"},
		{"broken escape", query("/", "/?a=%zz"), 0, InvalidURI, "MalformedQueryStringException", ""},
		{"semicolon", query("/", "/?a=1;b=2"), 0, InvalidURI, "MalformedQueryStringException", ""},
		{"a parameter more", query("/", "/?a=1"), 0, Mismatch, "InvalidSignatureException", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock(t, suiteTime.Add(c.later), func(t *testing.T) {
				r := signedKMS(t)
				c.edit(r)
				check(t, verifyKMS(NewVerifier(known), r), JSON, c.kind, c.code, c.message)
			})
		})
	}
}

func check(t *testing.T, err error, d Dialect, kind Kind, code, message string) {
	t.Helper()
	if kind == 0 {
		if err != nil {
			t.Fatalf("got %v, want none", err)
		}
		return
	}
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	status, gotCode, gotMessage := e.Answer(d)
	if gotCode != code || !strings.Contains(gotMessage, message) || gotMessage == "" || status < 400 || status > 499 {
		t.Errorf("answer %d %s %q, want %s with %q", status, gotCode, gotMessage, code, message)
	}
}

func TestRefusalsOfS3(t *testing.T) {
	for _, c := range []struct {
		name    string
		request func(testing.TB) *http.Request
		edit    func(*http.Request)
		later   time.Duration
		kind    Kind
		code    string
		message string
	}{
		{"good", signedS3, func(*http.Request) {}, 0, 0, "", ""},
		{"no signature", signedS3, del("Authorization"), 0, MissingSignature, "AccessDenied", "Access Denied"},
		{"too late", signedS3, func(*http.Request) {}, time.Hour, Skewed, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."},
		{"another region", signedS3, setAuth("us-east-1", "us-west-1"), 0, BadScope, "AuthorizationHeaderMalformed", `The authorization header is malformed; the region "us-west-1" is wrong; expecting "us-east-1"`},
		{"another service", signedS3, setAuth("/s3/", "/kms/"), 0, BadScope, "AuthorizationHeaderMalformed", `The authorization header is malformed; incorrect service "kms". This endpoint belongs to "s3".`},
		{"a short credential", signedS3, setAuth("/aws4_request", ""), 0, MalformedHeader, "AuthorizationHeaderMalformed", `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`},
		{"no payload hash", signedS3, del("X-Amz-Content-Sha256"), 0, MissingPayloadHash, "InvalidRequest", "x-amz-content-sha256"},
		{"bad payload hash", signedS3, set("X-Amz-Content-Sha256", "abc"), 0, InvalidPayloadHash, "InvalidArgument", "or a valid sha256 value"},
		{"another payload hash", signedS3, set("X-Amz-Content-Sha256", UnsignedPayload), 0, Mismatch, "SignatureDoesNotMatch", "Check your key and signing method."},
		{"chunks without a length", signedS3, set("X-Amz-Content-Sha256", streamSigned), 0, MissingLength, "MissingContentLength", ""},
		{"header not signed", signedS3, set("X-Amz-Acl", "public-read"), 0, HeadersNotSigned, "AccessDenied", "There were headers present in the request which were not signed"},
		{"token not signed", signedS3, set("X-Amz-Security-Token", stsToken), 0, HeadersNotSigned, "AccessDenied", "not signed"},
		{"host not signed", signedS3, setAuth("SignedHeaders=host;", "SignedHeaders="), 0, HeadersNotSigned, "AccessDenied", "not signed"},
		{"unknown access key", signedS3, setAuth(suiteID, "AKIDUNKNOWN"), 0, UnknownKey, "InvalidAccessKeyId", "does not exist in our records"},
		{"SigV2", signedS3, set("Authorization", "AWS AKID:c2ln"), 0, Unsupported, "InvalidRequest", "Please use AWS4-HMAC-SHA256."},

		{"presigned", presignedS3, func(*http.Request) {}, time.Hour, 0, "", ""},
		{"presigned, expired", presignedS3, func(*http.Request) {}, time.Hour + time.Second, Expired, "AccessDenied", "Request has expired"},
		{"presigned, a little early", presignedS3, func(*http.Request) {}, -15 * time.Minute, 0, "", ""},
		{"presigned, too early", presignedS3, func(*http.Request) {}, -16 * time.Minute, NotYetValid, "AccessDenied", "Request is not valid yet"},
		{"presigned, another expiry", presignedS3, query("X-Amz-Expires=3600", "X-Amz-Expires=3601"), 0, Mismatch, "SignatureDoesNotMatch", ""},
		{"presigned, no expiry", presignedS3, query("X-Amz-Expires=3600&", ""), 0, MalformedQuery, "AuthorizationQueryParametersError", "requires the X-Amz-Algorithm"},
		{"presigned, expiry zero", presignedS3, query("X-Amz-Expires=3600", "X-Amz-Expires=0"), 0, MalformedQuery, "AuthorizationQueryParametersError", "at least 1"},
		{"presigned, expiry negative", presignedS3, query("X-Amz-Expires=3600", "X-Amz-Expires=-1"), 0, MalformedQuery, "AuthorizationQueryParametersError", "non-negative"},
		{"presigned, expiry no number", presignedS3, query("X-Amz-Expires=3600", "X-Amz-Expires=1h"), 0, MalformedQuery, "AuthorizationQueryParametersError", "should be a number"},
		{"presigned, over a week", presignedS3, query("X-Amz-Expires=3600", "X-Amz-Expires=604801"), 0, MalformedQuery, "AuthorizationQueryParametersError", "less than a week"},
		{"presigned, another region", presignedS3, query("us-east-1", "us-west-1"), 0, BadScope, "AuthorizationQueryParametersError", `Error parsing the X-Amz-Credential parameter; the region "us-west-1" is wrong; expecting "us-east-1"`},
		{"presigned, another service", presignedS3, query("%2Fs3%2F", "%2Fkms%2F"), 0, BadScope, "AuthorizationQueryParametersError", `incorrect service "kms". This endpoint belongs to "s3".`},
		{"presigned, short credential", presignedS3, query("%2Faws4_request", ""), 0, MalformedQuery, "AuthorizationQueryParametersError", "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed"},
		{"presigned, another date", presignedS3, query("X-Amz-Date=20150830", "X-Amz-Date=20150829"), 0, DateMismatch, "AuthorizationQueryParametersError", `Invalid credential date "20150830". This date is not the same as X-Amz-Date: "20150829".`},
		{"presigned, bad date", presignedS3, query("T123600Z", "T123600"), 0, MalformedQuery, "AuthorizationQueryParametersError", "ISO8601 Long Format"},
		{"presigned, no date", presignedS3, query("X-Amz-Date=", "X-Amz-Dat="), 0, MalformedQuery, "AuthorizationQueryParametersError", "X-Amz-Date"},
		{"presigned, no algorithm", presignedS3, query("X-Amz-Algorithm=", "Algorithm="), 0, MalformedQuery, "AuthorizationQueryParametersError", "X-Amz-Algorithm"},
		{"presigned, another algorithm", presignedS3, query("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), 0, MalformedQuery, "AuthorizationQueryParametersError", "X-Amz-Algorithm only supports"},
		{"presigned, SigV4A", presignedS3, query("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), 0, Unsupported, "InvalidRequest", "Signature Version 4A"},
		{"presigned, SigV2", signedS3, func(r *http.Request) {
			r.Header.Del("Authorization")
			query("x-id=GetObject", "AWSAccessKeyId=A&Signature=b&Expires=1")(r)
		}, 0, Unsupported, "InvalidRequest", "AWS4-HMAC-SHA256"},
		{"presigned, signature twice", presignedS3, func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Signature=1" }, 0, MalformedQuery, "AuthorizationQueryParametersError", "must not be repeated"},
		{"presigned, parameter hidden by an escape", presignedS3, func(r *http.Request) { r.URL.RawQuery += "&X%2DAmz%2DExpires=9" }, 0, MalformedQuery, "AuthorizationQueryParametersError", "must not be repeated"},
		{"presigned, a parameter more", presignedS3, query("versionId=3", "versionId=3&a"), 0, Mismatch, "SignatureDoesNotMatch", ""},
		{"presigned, another host", presignedS3, func(r *http.Request) { r.Host = "i" }, 0, Mismatch, "SignatureDoesNotMatch", ""},
		{"presigned, header not signed", presignedS3, set("X-Amz-Acl", "public-read"), 0, HeadersNotSigned, "AccessDenied", "not signed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock(t, suiteTime.Add(c.later), func(t *testing.T) {
				r := c.request(t)
				c.edit(r)
				check(t, verifyS3(NewVerifier(known), r), S3, c.kind, c.code, c.message)
			})
		})
	}
}

// TestAnswers asks for every kind in every dialect.
func TestAnswers(t *testing.T) {
	for k := Kind(1); k < kinds; k++ {
		for d := S3; d <= RESTJSON; d++ {
			status, code, message := (&Error{Kind: k}).Answer(d)
			if status < 400 || status > 499 || code == "" || message == "" {
				t.Errorf("kind %d, dialect %d: %d %q %q", k, d, status, code, message)
			}
			if isJSON := d == JSON || d == RESTJSON; isJSON != strings.HasSuffix(code, "Exception") {
				t.Errorf("kind %d, dialect %d: code %s", k, d, code)
			}
		}
		if k.Error() == "" || (&Error{Kind: k}).Error() == "" {
			t.Errorf("kind %d has no text", k)
		}
	}
	for _, k := range []Kind{0, kinds, 255} {
		if status, code, _ := (&Error{Kind: k}).Answer(S3); status != 403 || code != "AccessDenied" || k.Error() == "" {
			t.Errorf("kind %d: %d %s", k, status, code)
		}
	}
}

// TestTamper changes every byte of everything that is signed, one at a time.
func TestTamper(t *testing.T) {
	const body = `{"a":1}`
	requests := map[string]struct {
		at                   Endpoint
		method, target, host string
	}{
		"kms": {kms, "POST", "/path/x%20y?b=2&a=%2F1&c", "example.com:8443"},
		"s3":  {s3Doc, "PUT", "/bucket//a/./b%2Fc+d?partNumber=2&uploadId=x%3D", "example.com"},
	}
	for name, c := range requests {
		t.Run(name, func(t *testing.T) {
			clock(t, suiteTime, func(t *testing.T) {
				signed := newRequest(c.method, c.target, c.host, body, "Content-Type", "text/plain", "X-Amz-Meta-A", "one  two")
				if err := NewSigner(suiteCredentials, "us-east-1", c.at.Service).Sign(signed, HashPayload([]byte(body)), suiteTime); err != nil {
					t.Fatal(err)
				}
				v := NewVerifier(known)
				accepted := func(method, target, host, body string, header http.Header) bool {
					r := newRequest(method, target, host, body)
					r.Header = header
					q, err := Parse(r)
					return err == nil && v.Verify(t.Context(), q, c.at, []byte(body)) == nil
				}
				if !accepted(c.method, c.target, c.host, body, signed.Header) {
					t.Fatal("the signed request is refused")
				}
				each(c.method, func(s string) bool { return accepted(s, c.target, c.host, body, signed.Header) }, t, "method")
				each(c.target, func(s string) bool { return accepted(c.method, s, c.host, body, signed.Header) }, t, "target")
				each(c.host, func(s string) bool { return accepted(c.method, c.target, s, body, signed.Header) }, t, "host")
				each(body, func(s string) bool { return accepted(c.method, c.target, c.host, s, signed.Header) }, t, "body")
				for name, values := range signed.Header {
					each(values[0], func(s string) bool {
						h := signed.Header.Clone()
						h[name] = []string{s}
						return accepted(c.method, c.target, c.host, body, h)
					}, t, name)
				}
			})
		})
	}
}

// each calls try with s changed at every byte. One change means nothing by the rules of the form: the first of two
// spaces in the Authorization header, and of those that are collapsed in a value.
func each(s string, try func(string) bool, t *testing.T, what string) {
	t.Helper()
	for i := range len(s) {
		for _, with := range []byte{s[i] ^ 1, s[i] ^ 2, s[i] ^ 0x80} {
			changed := s[:i] + string([]byte{with}) + s[i+1:]
			if try(changed) {
				t.Errorf("%s %q accepted instead of %q", what, changed, s)
			}
		}
		if cut := s[:i] + s[i+1:]; s[i] != ' ' && try(cut) {
			t.Errorf("%s %q accepted instead of %q", what, cut, s)
		}
	}
}

// TestRotation takes a secret away while its signing key is cached.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(suiteTime))
		keys := fakeKeys{suiteID + "|": suiteSecret}
		v := NewVerifier(keys)
		r := signedKMS(t)
		for range 2 {
			if err := verifyKMS(v, r); err != nil {
				t.Fatal(err)
			}
		}
		keys[suiteID+"|"] = "another secret"
		for range 2 {
			if err := verifyKMS(v, r); !errors.Is(err, Mismatch) {
				t.Errorf("rotated: got %v, want Mismatch", err)
			}
		}
		keys[suiteID+"|"] = suiteSecret
		if err := verifyKMS(v, r); err != nil {
			t.Errorf("rotated back: %v", err)
		}
		delete(keys, suiteID+"|")
		if err := verifyKMS(v, r); !errors.Is(err, UnknownKey) {
			t.Errorf("deleted: got %v, want UnknownKey", err)
		}
	})
}

// TestStrangersDoNotFillTheCache sends signatures that are wrong.
func TestStrangersDoNotFillTheCache(t *testing.T) {
	clock(t, suiteTime, func(t *testing.T) {
		v := NewVerifier(known)
		for i := range 20 {
			r := signedKMS(t)
			setAuth(suiteID, fmt.Sprintf("AKID%d", i))(r)
			if verifyKMS(v, r) == nil {
				t.Fatal("accepted")
			}
			r = signedKMS(t)
			setAuth("Signature=", "Signature=0")(r)
			if verifyKMS(v, r) == nil {
				t.Fatal("accepted")
			}
		}
		if n := len(v.cache.keys); n != 0 {
			t.Errorf("%d keys cached, want none", n)
		}
	})
}

func TestKeysFail(t *testing.T) {
	clock(t, suiteTime, func(t *testing.T) {
		broken := errors.New("the store is closed")
		err := verifyKMS(NewVerifier(failingKeys{broken}), signedKMS(t))
		var e *Error
		if !errors.Is(err, broken) || errors.As(err, &e) {
			t.Errorf("got %v, want the error of Keys and no refusal", err)
		}
	})
}

type failingKeys struct{ err error }

func (k failingKeys) SecretKey(context.Context, string, string) (secret.Bytes, error) {
	return secret.Bytes{}, k.err
}

func TestKeyCache(t *testing.T) {
	c := newKeyCache(3)
	secretKey := secret.FromString("s")
	name := func(i int) keyName { return keyName{fmt.Sprint(i), Scope{"20150830", "r", "s"}} }
	for i := range 3 {
		c.put(derive(name(i), secretKey))
	}
	if c.get(name(0), secretKey) == nil { // now 1 is the oldest
		t.Fatal("0 is gone")
	}
	c.put(derive(name(3), secretKey))
	c.put(derive(name(3), secretKey))
	for i, want := range []bool{true, false, true, true} {
		if got := c.get(name(i), secretKey) != nil; got != want {
			t.Errorf("key %d cached: %v, want %v", i, got, want)
		}
	}
	if c.get(name(0), secret.FromString("other")) != nil || len(c.keys) != 2 {
		t.Errorf("a key of another secret stays; %d keys", len(c.keys))
	}
	for i := 10; i < 100; i++ {
		c.put(derive(name(i), secretKey))
		n := 0
		for k := c.newest; k != nil; k = k.older {
			n++
		}
		if len(c.keys) > 3 || n != len(c.keys) || c.oldest.older != nil || c.newest.newer != nil {
			t.Fatalf("%d keys, %d in the list", len(c.keys), n)
		}
	}
}

// TestNoSecretsInErrors looks for the secret in everything that a refusal says.
func TestNoSecretsInErrors(t *testing.T) {
	clock(t, suiteTime, func(t *testing.T) {
		r := signedS3(t)
		setAuth("Signature=", "Signature=0")(r)
		var e *Error
		if !errors.As(verifyS3(NewVerifier(known), r), &e) {
			t.Fatal("accepted")
		}
		if text := fmt.Sprintf("%+v %v", *e, e); strings.Contains(text, suiteSecret) || e.Detail["CanonicalRequest"] != "" {
			t.Errorf("secret in %s", text)
		}
		if !strings.HasPrefix(e.Detail["StringToSign"], "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/s3/aws4_request\n") {
			t.Errorf("string to sign %q", e.Detail["StringToSign"])
		}
	})
}

func TestAppendTrimmed(t *testing.T) {
	for in, want := range map[string]string{"": "", " ": "", " a ": "a", "a  b": "a b", "  a   b  c ": "a b c", "a\tb": "a\tb", "ab": "ab"} {
		if got := appendTrimmed(nil, in); !bytes.Equal(got, []byte(want)) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
