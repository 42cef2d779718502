package sigv4

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/secret"
)

// Keys finds the secret half of an access key. Its calls may run together.
type Keys interface {
	// SecretKey returns the secret access key of accessKeyID as it is now. sessionToken is what the request carries,
	// empty when it carries none. It fails with an error that is
	//
	//   - ErrUnknownKey when there is no such access key, or an inactive one;
	//   - ErrBadToken when the token is missing, does not belong to the access key, or stands beside one that needs none;
	//   - ErrExpiredToken when the session is over;
	//
	// and with any other error when it cannot know. The secret stays Keys's: this package does not keep it.
	SecretKey(ctx context.Context, accessKeyID, sessionToken string) (secret.Bytes, error)
}

// What Keys answers.
var (
	ErrUnknownKey   = errors.New("sigv4: no such access key")
	ErrBadToken     = errors.New("sigv4: the session token does not belong to the access key")
	ErrExpiredToken = errors.New("sigv4: the session token has expired")
)

// cachedKeys bounds the memory of derived keys: about 1 KiB each.
const cachedKeys = 4096

// Verifier proves signatures. Its methods may run together.
type Verifier struct {
	keys  Keys
	cache *keyCache
	// dummy stands for the secret of an access key that does not exist, so that the work is done all the same.
	dummy secret.Bytes
}

// NewVerifier makes a Verifier that asks keys for every request.
func NewVerifier(keys Keys) *Verifier {
	return &Verifier{
		keys:  keys,
		cache: newKeyCache(cachedKeys),
		dummy: secret.New(make([]byte, 40)), // as long as a real one
	}
}

// Verify proves that q was signed with the secret of its access key, for this endpoint, within its time, and with
// this body. It is for bodies that the caller has read whole (with a limit of its own): all services but S3's
// streams. Outside of S3 the body's own hash is what counts, whatever x-amz-content-sha256 says.
//
// It fails with an *Error, or with Keys's error when that is none of the three it may answer.
func (v *Verifier) Verify(ctx context.Context, q *Request, at Endpoint, body []byte) error {
	payload := q.PayloadHash
	var sum [sha256.Size]byte
	if q.Payload == Hashed || !q.isS3() {
		sum = sha256.Sum256(body)
	}
	if q.isS3() {
		if err := q.checkPayload(); err != nil {
			return err
		}
		if q.Payload.Chunked() {
			return &Error{Kind: InvalidPayloadHash}
		}
	} else {
		payload = hex.EncodeToString(sum[:])
	}
	if _, err := v.prove(ctx, q, at, payload); err != nil {
		return err
	}
	if q.isS3() && q.Payload == Hashed {
		return compareContent(q.PayloadHash, sum)
	}
	return nil
}

// VerifyStream proves q like Verify but without its body, for S3, and returns the body: decoded, and checked while it
// is read. Nothing of it may be made visible before it has returned io.EOF.
func (v *Verifier) VerifyStream(ctx context.Context, q *Request, at Endpoint) (*Body, error) {
	if q.isS3() {
		if err := q.checkPayload(); err != nil {
			return nil, err
		}
	}
	key, err := v.prove(ctx, q, at, q.PayloadHash)
	if err != nil {
		return nil, err
	}
	if !q.isS3() {
		// Other services may leave the header out or send what they like in it: only Verify covers their bodies.
		return nil, &Error{Kind: MissingPayloadHash}
	}
	return newBody(q, key)
}

// prove checks everything but the body. payload is the last line of the canonical request.
func (v *Verifier) prove(ctx context.Context, q *Request, at Endpoint, payload string) (*signingKey, error) {
	if err := cmp.Or(q.checkScope(at), q.checkTime(time.Now()), q.checkCoverage()); err != nil {
		return nil, err
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	// The text first: a request that has no canonical form is not worth a question.
	complete, err := s.appendRequest(q.r, q.canonical(payload))
	if err != nil {
		return nil, err
	}
	key, cached, refusal, err := v.key(ctx, q)
	if err != nil {
		return nil, err
	}
	match := q.matches(s, key)
	switch {
	case refusal != nil:
		return nil, refusal
	case !match && q.tokenInQuery():
		c := q.canonical(payload)
		c.without = signatureAndToken
		if complete, err = s.appendRequest(q.r, c); err != nil {
			return nil, err
		}
		match = q.matches(s, key)
	}
	if !match || !complete {
		return nil, q.mismatch(string(s.text), q.signature)
	}
	if !cached {
		// Only a proven scope gets a place: others would let a stranger push the real ones out.
		v.cache.put(key)
	}
	return key, nil
}

// canonical says what goes into q's canonical request.
func (q *Request) canonical(payload string) canonical {
	c := canonical{s3: q.isS3(), names: q.SignedHeaders, list: q.list, payload: payload}
	if q.Presigned {
		c.without = signatureOnly
	}
	return c
}

// tokenInQuery reports whether a presigned query holds a session token. Some clients add it after signing ("Create a signed
// AWS API request": for some services). It selects the secret, so that leaving it out of the text takes nothing from the proof.
func (q *Request) tokenInQuery() bool {
	return q.Presigned && strings.Contains(q.r.URL.RawQuery, paramToken)
}

var (
	signatureOnly     = []string{paramSignature}
	signatureAndToken = []string{paramSignature, paramToken}
)

// key finds or derives q's signing key. When there is none, refusal says so and the key is a dummy.
func (v *Verifier) key(ctx context.Context, q *Request) (key *signingKey, cached bool, refusal *Error, err error) {
	name := keyName{q.AccessKeyID, q.Scope}
	secretKey, err := v.keys.SecretKey(ctx, q.AccessKeyID, q.SessionToken)
	switch {
	case err == nil:
		if key = v.cache.get(name, secretKey); key != nil {
			return key, true, nil, nil
		}
	case errors.Is(err, ErrUnknownKey):
		refusal = &Error{Kind: UnknownKey, Detail: map[string]string{"AWSAccessKeyId": q.AccessKeyID}}
	case errors.Is(err, ErrBadToken):
		refusal = &Error{Kind: BadToken, Detail: map[string]string{"Token-0": q.SessionToken}}
	case errors.Is(err, ErrExpiredToken):
		refusal = &Error{Kind: ExpiredToken, Detail: map[string]string{"Token-0": q.SessionToken}}
	default:
		return nil, false, nil, fmt.Errorf("sigv4: secret of %s: %w", q.AccessKeyID, err)
	}
	if refusal != nil {
		secretKey = v.dummy
	}
	// The name outlives the request in the cache; the request's strings are parts of its whole header.
	name = keyName{strings.Clone(name.accessKeyID), Scope{strings.Clone(name.scope.Date), strings.Clone(name.scope.Region), strings.Clone(name.scope.Service)}}
	return derive(name, secretKey), false, refusal, nil
}

// matches computes the signature of the canonical request in s.text and compares it. It leaves the string to sign there.
func (q *Request) matches(s *scratch, key *signingKey) bool {
	s.appendStringToSign(q.timestamp, q.scope, sha256.Sum256(s.text))
	key.sign(s, s.text)
	return equalSignature(s, q.signature)
}

// equalSignature compares the signature in s.hex with the one that was sent, in constant time.
func equalSignature(s *scratch, sent string) bool {
	var buf [64]byte
	n := copy(buf[:], sent)
	return n == len(sent) && subtle.ConstantTimeCompare(s.hex[:], buf[:n]) == 1
}

// mismatch is the refusal of a wrong signature. S3 shows the string it has signed, which helps whoever mends a client and tells
// nothing that the client does not know.
func (q *Request) mismatch(stringToSign, sent string) *Error {
	return &Error{Kind: Mismatch, Detail: map[string]string{
		"AWSAccessKeyId":    q.AccessKeyID,
		"StringToSign":      stringToSign,
		"SignatureProvided": sent,
	}}
}

// checkScope refuses a signature made for another region or service.
func (q *Request) checkScope(at Endpoint) error {
	service, region := q.Scope.Service == at.Service, slices.Contains(at.Regions, q.Scope.Region)
	if service && region {
		return nil
	}
	expected := ""
	if len(at.Regions) > 0 {
		expected = at.Regions[0]
	}
	var all []string
	var s3 string
	if !region {
		all = append(all, "Credential should be scoped to a valid region, not '"+q.Scope.Region+"'.")
		s3 = fmt.Sprintf("the region %q is wrong; expecting %q", q.Scope.Region, expected)
	}
	if !service {
		all = append(all, "Credential should be scoped to correct service: '"+at.Service+"'.")
		s3 = fmt.Sprintf("incorrect service %q. This endpoint belongs to %q.", q.Scope.Service, at.Service)
	}
	e := q.scopeError(BadScope, strings.Join(all, " "), s3)
	if service {
		e.Detail = map[string]string{"Region": expected}
	}
	return e
}

// checkTime refuses a request outside of its time.
func (q *Request) checkTime(now time.Time) error {
	now = now.UTC()
	if q.Presigned && q.Expires > 0 {
		return q.checkExpiry(now)
	}
	switch age := now.Sub(q.Time); {
	case age > maxSkew:
		return q.skewed(now, "Signature expired: %s is now earlier than %s (%s - 15 min.)", now.Add(-maxSkew))
	case age < -maxSkew:
		return q.skewed(now, "Signature not yet current: %s is still later than %s (%s + 15 min.)", now.Add(maxSkew))
	}
	return nil
}

func (q *Request) skewed(now time.Time, sentence string, bound time.Time) *Error {
	return &Error{
		Kind:    Skewed,
		Message: fmt.Sprintf(sentence, q.timestamp, bound.Format(timeLayout), now.Format(timeLayout)),
		Detail: map[string]string{
			"RequestTime":                q.timestamp,
			"ServerTime":                 now.Format(time.RFC3339),
			"MaxAllowedSkewMilliseconds": strconv.FormatInt(maxSkew.Milliseconds(), 10),
		},
	}
}

// checkExpiry is checkTime for a presigned request that says how long it lives.
func (q *Request) checkExpiry(now time.Time) error {
	end := q.Time.Add(q.Expires)
	switch {
	case now.After(end):
		return &Error{
			Kind: Expired,
			Message: fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %d sec.)", q.timestamp,
				now.Add(-q.Expires).Format(timeLayout), now.Format(timeLayout), int64(q.Expires/time.Second)),
			Detail: map[string]string{
				"X-Amz-Expires": strconv.FormatInt(int64(q.Expires/time.Second), 10),
				"Expires":       end.Format(time.RFC3339),
				"ServerTime":    now.Format(time.RFC3339),
			},
		}
	case q.Time.Sub(now) > maxSkew:
		e := q.skewed(now, "Signature not yet current: %s is still later than %s (%s + 15 min.)", now.Add(maxSkew))
		e.Kind = NotYetValid
		return e
	}
	return nil
}

// checkCoverage refuses a signature that leaves out a header which must be covered: host, and every x-amz-* header
// that is there.
func (q *Request) checkCoverage() error {
	if !q.Covers("host") {
		return notSigned("host", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	var missing []string
	for name := range q.r.Header {
		if len(name) > 6 && strings.EqualFold(name[:6], "x-amz-") && !q.coversCanonical(name) {
			missing = append(missing, strings.ToLower(name))
		}
	}
	if missing == nil {
		return nil
	}
	slices.Sort(missing)
	return notSigned(strings.Join(missing, ", "), "'"+missing[0]+"' must be a 'SignedHeader' in the AWS Authorization.")
}

// coversCanonical reports whether a header is covered, or need not be. name is as http.Header spells it.
func (q *Request) coversCanonical(name string) bool {
	switch name {
	case "X-Amz-Date", "X-Amz-Content-Sha256":
		// The values stand in the string to sign and in the last line of the canonical request.
		return true
	case paramToken:
		// It selects the secret. S3 wants it signed; other services take it added after signing.
		if !q.isS3() {
			return true
		}
	}
	var buf [64]byte
	if len(name) > len(buf) {
		return q.Covers(strings.ToLower(name))
	}
	lower := buf[:len(name)]
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return slices.ContainsFunc(q.SignedHeaders, func(s string) bool { return s == string(lower) })
}

func notSigned(names, message string) *Error {
	return &Error{Kind: HeadersNotSigned, Message: message, Detail: map[string]string{"HeadersNotSigned": names}}
}
