package sigv4

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The parameters of a presigned query.
const (
	paramAlgorithm     = "X-Amz-Algorithm"
	paramCredential    = "X-Amz-Credential"
	paramDate          = "X-Amz-Date"
	paramExpires       = "X-Amz-Expires"
	paramSignedHeaders = "X-Amz-SignedHeaders"
	paramSignature     = "X-Amz-Signature"
	paramToken         = "X-Amz-Security-Token"
	paramContentSHA256 = "X-Amz-Content-Sha256"

	paramVersion2 = "AWSAccessKeyId" // Signature Version 2
)

// isPresigned reports whether the query holds a signature, or part of one.
func isPresigned(rawQuery string) bool {
	if !strings.Contains(rawQuery, "X-Amz-") && !strings.Contains(rawQuery, paramVersion2) {
		return false
	}
	for rest, more := rawQuery, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		name, _, _ := strings.Cut(pair, "=")
		switch name {
		case paramAlgorithm, paramCredential, paramSignature, paramVersion2:
			return true
		}
	}
	return false
}

// presignedParams are the decoded values of a presigned query.
type presignedParams struct {
	algorithm, credential, date, expires, list, signature, token, payload, version2 string
}

// place returns where the value of the named parameter belongs, or nil.
func (p *presignedParams) place(name string) *string {
	switch name {
	case paramAlgorithm:
		return &p.algorithm
	case paramCredential:
		return &p.credential
	case paramDate:
		return &p.date
	case paramExpires:
		return &p.expires
	case paramSignedHeaders:
		return &p.list
	case paramSignature:
		return &p.signature
	case paramToken:
		return &p.token
	case paramContentSHA256:
		return &p.payload
	case paramVersion2:
		return &p.version2
	}
	return nil
}

// readParams decodes the parameters of a presigned query. One that stands twice is refused: two readers might
// pick different ones.
func readParams(rawQuery string) (p presignedParams, err error) {
	for rest, more := rawQuery, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		if name, err = unescape(name); err != nil {
			return p, err
		}
		to := p.place(name)
		if to == nil {
			continue
		}
		if *to != "" {
			text := "The query parameter '" + name + "' must not be repeated."
			return p, &Error{Kind: MalformedQuery, Message: text, S3Message: text}
		}
		if *to, err = unescape(value); err != nil {
			return p, err
		}
	}
	return p, nil
}

// parsePresigned reads a presigned query.
func parsePresigned(r *http.Request) (*Request, error) {
	p, err := readParams(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if err := p.checkAlgorithm(); err != nil {
		return nil, err
	}
	if p.credential == "" || p.list == "" || p.signature == "" || p.date == "" {
		return nil, p.missing()
	}
	q := &Request{r: r, Presigned: true, list: p.list, signature: p.signature, SessionToken: p.token, PayloadHash: p.payload}
	if err := q.setCredential(p.credential); err != nil {
		return nil, err
	}
	if err := q.setSignedHeaders(); err != nil {
		return nil, err
	}
	if err := q.setExpires(p.expires); err != nil {
		return nil, err
	}
	if err := q.setTime(p.date); err != nil {
		return nil, err
	}
	if err := q.fillFromHeaders(); err != nil {
		return nil, err
	}
	return q, nil
}

// fillFromHeaders takes what a presigned query may leave to the headers: token and payload.
func (q *Request) fillFromHeaders() (err error) {
	if q.SessionToken == "" {
		if q.SessionToken, err = q.single(paramToken); err != nil {
			return err
		}
	}
	if q.PayloadHash == "" {
		if q.PayloadHash, err = q.single(paramContentSHA256); err != nil {
			return err
		}
	}
	if q.PayloadHash == "" && q.isS3() {
		// S3 API reference, "Authenticating Requests: Using Query Parameters": who presigns does not know the payload.
		q.PayloadHash = UnsignedPayload
	}
	return q.setPayload()
}

func (p *presignedParams) checkAlgorithm() error {
	switch {
	case p.algorithm == algorithm:
		return nil
	case p.version2 != "":
		return &Error{Kind: Unsupported, Message: "Signature Version 2 is not supported. Please use AWS4-HMAC-SHA256."}
	case p.algorithm == "":
		return p.missing()
	case p.algorithm == asymmetric:
		return schemeError(asymmetric, "")
	}
	return &Error{
		Kind:      MalformedQuery,
		Message:   fmt.Sprintf("Unsupported AWS 'algorithm': '%s'.", p.algorithm),
		S3Message: `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`,
	}
}

// missing names what a presigned query lacks, in the order AWS does. S3's sentence is that of the kind.
func (p *presignedParams) missing() error {
	var all []string
	for _, name := range []string{paramAlgorithm, paramCredential, paramSignature, paramSignedHeaders, paramDate} {
		if *p.place(name) == "" {
			all = append(all, "AWS query-string parameters must include '"+name+"'.")
		}
	}
	return &Error{Kind: MalformedQuery, Message: strings.Join(all, " ") + " Re-examine the query-string parameters."}
}

// setExpires reads X-Amz-Expires, which only S3 insists on.
func (q *Request) setExpires(value string) error {
	if value == "" {
		if q.isS3() {
			return &Error{Kind: MalformedQuery}
		}
		return nil
	}
	text := ""
	seconds, err := strconv.ParseInt(value, 10, 64)
	switch limit := int64(maxExpires / time.Second); {
	case err != nil && !strings.HasPrefix(value, "-"):
		text = "X-Amz-Expires should be a number"
	case err != nil, seconds < 1:
		text = "X-Amz-Expires must be non-negative"
		if err == nil && seconds == 0 {
			text = "X-Amz-Expires must be at least 1"
		}
	case seconds > limit:
		text = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
	}
	if text != "" {
		return &Error{Kind: MalformedQuery, Message: text, S3Message: text}
	}
	q.Expires = time.Duration(seconds) * time.Second
	return nil
}
