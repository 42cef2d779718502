package sigv4

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// TestSDKSigns verifies what aws-sdk-go-v2 signs, and makes the same signature.
func TestSDKSigns(t *testing.T) {
	sdk := aws.Credentials{AccessKeyID: suiteID, SecretAccessKey: suiteSecret}
	for _, c := range []struct {
		service, method, url, body string
		header                     http.Header
	}{
		{"kms", "POST", "https://kms.us-east-1.amazonaws.com/", "{}", http.Header{"X-Amz-Target": {"TrentService.ListKeys"}, "Content-Type": {"application/x-amz-json-1.1"}}},
		{"iam", "POST", "https://127.0.0.1:8443/", "Action=ListUsers&Version=2010-05-08", http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}},
		{"aps", "GET", "https://localhost:8443/workspaces/ws-1/api/v1/query?query=up%7Ba%3D%22b%22%7D&time=1.5", "", nil},
		{"macie2", "POST", "https://h/tags/arn%3Aaws%3Amacie2%3Aus-east-1%3A123456789012%3Aclassification-job%2Fabc", "{}", nil},
		{"s3", "GET", "https://h/bucket/a%20b/%C3%A4%2B%28%29//../x?list-type=2&prefix=a%2Fb%20c&delimiter=%2F&empty", "", nil},
		{"s3", "PUT", "https://h/b/k?x-id=PutObject", "hello", http.Header{"X-Amz-Meta-A": {" spaced   out "}, "X-Amz-Acl": {"private"}}},
		{"s3", "PUT", "https://h/b/~key.with-marks_%2A%21%27%28%29", "hello", nil},
	} {
		t.Run(c.service+" "+c.url, func(t *testing.T) {
			clock(t, suiteTime, func(t *testing.T) {
				r, err := http.NewRequest(c.method, c.url, strings.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				if c.header != nil {
					r.Header = c.header
				}
				ours := r.Clone(t.Context())
				hash := HashPayload([]byte(c.body))
				if c.service == "s3" {
					r.Header.Set("X-Amz-Content-Sha256", hash)
				}
				plain := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = c.service == "s3" }
				if err := v4.NewSigner().SignHTTP(t.Context(), sdk, r, hash, c.service, "us-east-1", suiteTime, plain); err != nil {
					t.Fatal(err)
				}
				if err := NewSigner(suiteCredentials, "us-east-1", c.service).Sign(ours, hash, suiteTime); err != nil {
					t.Fatal(err)
				}
				// The SDK covers Content-Length too, where there is one.
				if !strings.Contains(r.Header.Get("Authorization"), "content-length") && r.Header.Get("Authorization") != ours.Header.Get("Authorization") {
					t.Errorf("the SDK signs %s\nwe sign       %s", r.Header.Get("Authorization"), ours.Header.Get("Authorization"))
				}
				at := Endpoint{Service: c.service, Regions: []string{"us-east-1"}}
				for who, r := range map[string]*http.Request{"SDK": r, "ours": ours} {
					q, err := Parse(r)
					if err == nil {
						err = NewVerifier(known).Verify(t.Context(), q, at, []byte(c.body))
					}
					if err != nil {
						t.Errorf("%s: %v", who, err)
					}
				}
			})
		})
	}
}

// TestSDKPresigns verifies what aws-sdk-go-v2 presigns.
func TestSDKPresigns(t *testing.T) {
	for _, token := range []string{"", stsToken} {
		clock(t, suiteTime, func(t *testing.T) {
			r, err := http.NewRequest("PUT", "https://h/b/k%20k?X-Amz-Expires=600&x-id=PutObject", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Acl", "private")             // stays a header
			r.Header.Set("X-Amz-Checksum-Crc32", "AAA+A/==") // goes into the query
			sdk := aws.Credentials{AccessKeyID: suiteID, SecretAccessKey: suiteSecret, SessionToken: token}
			u, header, err := v4.NewSigner().PresignHTTP(t.Context(), sdk, r, UnsignedPayload, "s3", "us-east-1", suiteTime, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
			if err != nil {
				t.Fatal(err)
			}
			got := newRequest("PUT", strings.TrimPrefix(u, "https://h"), "h", "hello")
			got.Header = header
			if body, err := readS3(t, got); err != nil || body != "hello" {
				t.Errorf("got %q, %v", body, err)
			}
		})
	}
}

// TestOverHTTP sends requests through net/http, version 1.1 and 2, where host and lengths take another way.
func TestOverHTTP(t *testing.T) {
	v := NewVerifier(known)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := Parse(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body, err := v.VerifyStream(r.Context(), q, s3Doc)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		b, err := io.ReadAll(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = w.Write(b)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	signer := NewSigner(suiteCredentials, "us-east-1", "s3")
	sdk := aws.Credentials{AccessKeyID: suiteID, SecretAccessKey: suiteSecret}
	body := strings.Repeat("0123456789", 5000)
	sign := map[string]func(r *http.Request) error{
		"hash": func(r *http.Request) error { return signer.Sign(r, HashPayload([]byte(body)), time.Now()) },
		"stream": func(r *http.Request) error {
			return signer.SignStream(r, Stream{Length: int64(len(body)), Trailer: crcTrailer}, time.Now())
		},
		"SDK": func(r *http.Request) error {
			r.Header.Set("X-Amz-Content-Sha256", UnsignedPayload)
			return v4.NewSigner().SignHTTP(r.Context(), sdk, r, UnsignedPayload, "s3", "us-east-1", time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		},
	}
	for _, http2 := range []bool{false, true} {
		client := server.Client()
		client.Transport.(*http.Transport).ForceAttemptHTTP2 = http2
		if !http2 {
			client.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
		} else {
			client.Transport.(*http.Transport).TLSClientConfig.NextProtos = nil
		}
		for name, sign := range sign {
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", name, http2), func(t *testing.T) {
				r, err := http.NewRequest("PUT", server.URL+"/b/a%20%2B//./x?x-id=PutObject&b=%20+", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if err := sign(r); err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				got, err := io.ReadAll(resp.Body)
				if err != nil || string(got) != body {
					t.Errorf("%s: got %d bytes (%.200s), %v", resp.Status, len(got), got, err)
				}
			})
		}
		client.CloseIdleConnections()
	}
}
