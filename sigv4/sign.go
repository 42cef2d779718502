package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/secret"
)

// Credentials are an access key, and the session token of a temporary one.
type Credentials struct {
	AccessKeyID  string
	Secret       secret.Bytes
	SessionToken string
}

// Signer signs requests for one service in one region. Its methods may run together.
type Signer struct {
	credentials     Credentials
	region, service string
	cache           *keyCache
}

// NewSigner makes a Signer. service is the signing name, for example "kms".
func NewSigner(c Credentials, region, service string) *Signer {
	// Two days at most are in use at a time.
	return &Signer{credentials: c, region: region, service: service, cache: newKeyCache(2)}
}

// HashPayload returns what Sign wants to know of a body: its SHA-256 in lower-case hexadecimal.
func HashPayload(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// notSignedHeaders change on the way or belong to the connection.
var notSignedHeaders = map[string]bool{
	"Authorization": true, "User-Agent": true, "Accept-Encoding": true, "Connection": true, "Content-Length": true,
	"Expect": true, "Keep-Alive": true, "Proxy-Authorization": true, "Te": true, "Transfer-Encoding": true, "Upgrade": true, "X-Amzn-Trace-Id": true,
}

// Sign adds the headers of a signature made at the given time: X-Amz-Date, X-Amz-Security-Token when there is a token,
// for S3 X-Amz-Content-Sha256, and Authorization. It covers the host and all headers that r has then, but for those that
// belong to the connection. payloadHash is HashPayload's answer; S3 also takes UnsignedPayload.
//
// r must not change afterwards in what is covered.
func (s *Signer) Sign(r *http.Request, payloadHash string, at time.Time) error {
	_, err := s.sign(r, payloadHash, at)
	return err
}

func (s *Signer) sign(r *http.Request, payloadHash string, at time.Time) (*Request, error) {
	if r.Header == nil {
		r.Header = http.Header{}
	}
	q := s.request(r, at)
	r.Header.Set("X-Amz-Date", q.timestamp)
	if s.credentials.SessionToken != "" {
		r.Header.Set(paramToken, s.credentials.SessionToken)
	}
	if s.service == serviceS3 {
		r.Header.Set(paramContentSHA256, payloadHash)
	}
	q.cover(r.Header)
	if err := s.finish(q, payloadHash); err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", algorithm+" Credential="+q.AccessKeyID+"/"+q.scope+", SignedHeaders="+q.list+", Signature="+q.signature)
	return q, nil
}

// Presign returns the URL of r with a signature in its query, good from the given time for expires, which is 1 second
// to 7 days. It covers the host and all headers that r has, which must then be sent with the URL. The body is that of
// no bytes, or for S3 any. r stays as it is.
func (s *Signer) Presign(r *http.Request, expires time.Duration, at time.Time) (string, error) {
	if expires < time.Second || expires > maxExpires {
		return "", fmt.Errorf("sigv4: presigned for %v, want 1 second to 7 days", expires)
	}
	q := s.request(r, at)
	q.cover(r.Header)
	u := *r.URL
	signed := []string{
		paramAlgorithm, algorithm,
		paramCredential, q.AccessKeyID + "/" + q.scope,
		paramDate, q.timestamp,
		paramExpires, strconv.FormatInt(int64(expires/time.Second), 10),
		paramSignedHeaders, q.list,
	}
	if s.credentials.SessionToken != "" {
		signed = append(signed, paramToken, s.credentials.SessionToken)
	}
	for i := 0; i < len(signed); i += 2 {
		u.RawQuery += "&" + signed[i] + "=" + url.QueryEscape(signed[i+1])
	}
	u.RawQuery = strings.TrimPrefix(u.RawQuery, "&")
	q.r = &http.Request{Method: r.Method, URL: &u, Host: r.Host, Header: r.Header}
	payload := EmptyPayload
	if s.service == serviceS3 {
		payload = UnsignedPayload
	}
	if err := s.finish(q, payload); err != nil {
		return "", err
	}
	u.RawQuery += "&" + paramSignature + "=" + q.signature
	return u.String(), nil
}

// request starts the signature of r.
func (s *Signer) request(r *http.Request, at time.Time) *Request {
	at = at.UTC()
	q := &Request{r: r, AccessKeyID: s.credentials.AccessKeyID, Time: at, timestamp: at.Format(timeLayout)}
	q.Scope = Scope{Date: at.Format(dateLayout), Region: s.region, Service: s.service}
	q.scope = q.Scope.Date + "/" + s.region + "/" + s.service + "/" + terminator
	return q
}

// cover lists the host and the headers that are to be signed.
func (q *Request) cover(header http.Header) {
	q.SignedHeaders = append(q.names[:0], "host")
	for name := range header {
		if !notSignedHeaders[name] && name != "Host" {
			q.SignedHeaders = append(q.SignedHeaders, strings.ToLower(name))
		}
	}
	slices.Sort(q.SignedHeaders)
	q.list = strings.Join(q.SignedHeaders, ";")
}

// finish computes the signature.
func (s *Signer) finish(q *Request, payload string) error {
	t := scratches.Get().(*scratch)
	defer t.release()
	complete, err := t.appendRequest(q.r, canonical{s3: q.isS3(), names: q.SignedHeaders, list: q.list, payload: payload})
	if err != nil {
		return err
	}
	if !complete {
		return fmt.Errorf("sigv4: a header that is to be signed has no value: %s", q.list)
	}
	t.appendStringToSign(q.timestamp, q.scope, sha256.Sum256(t.text))
	s.key(q).sign(t, t.text)
	q.signature = string(t.hex[:])
	return nil
}

// key returns the signing key of q's scope.
func (s *Signer) key(q *Request) *signingKey {
	name := keyName{q.AccessKeyID, q.Scope}
	if k := s.cache.get(name, s.credentials.Secret); k != nil {
		return k
	}
	k := derive(name, s.credentials.Secret)
	s.cache.put(k)
	return k
}
