package sigv4

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Parse reads what the signature of r says of itself, from the Authorization header or from a presigned
// query, and proves nothing. Every error is an *Error; a request without any signature is MissingSignature.
//
// The Request keeps r: its method, URL, RequestURI, Host and Header must not change before it is verified.
func Parse(r *http.Request) (*Request, error) {
	authorization := r.Header["Authorization"]
	presigned := isPresigned(r.URL.RawQuery)
	switch {
	case presigned && len(authorization) > 0, len(authorization) > 1:
		return nil, &Error{Kind: Ambiguous, Message: "A request must carry exactly one signature."}
	case presigned:
		return parsePresigned(r)
	case len(authorization) == 1:
		return parseHeader(r, authorization[0])
	}
	return nil, &Error{Kind: MissingSignature}
}

// parseHeader reads the form
//
//	AWS4-HMAC-SHA256 Credential=<key>/<scope>, SignedHeaders=<a;b>, Signature=<hex>
func parseHeader(r *http.Request, value string) (*Request, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	if scheme != algorithm {
		return nil, schemeError(scheme, value)
	}
	q := &Request{r: r}
	credential, err := q.readParts(rest, value)
	if err != nil {
		return nil, err
	}
	if err := q.setCredential(credential); err != nil {
		return nil, err
	}
	if err := q.setSignedHeaders(); err != nil {
		return nil, err
	}
	if err := q.readHeaders(); err != nil {
		return nil, err
	}
	return q, nil
}

// readParts reads the three parts behind the algorithm. value is the whole header.
func (q *Request) readParts(rest, value string) (credential string, err error) {
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, ",")
		part = strings.Trim(part, " \t")
		name, v, ok := strings.Cut(part, "=")
		var to *string
		switch name {
		case "Credential":
			to = &credential
		case "SignedHeaders":
			to = &q.list
		case "Signature":
			to = &q.signature
		}
		switch {
		case !ok:
			return "", badPart("Invalid key=value pair (missing equal-sign)", part, value)
		case to == nil || *to != "":
			return "", badPart("Unexpected or repeated parameter", part, value)
		}
		*to = v
	}
	if credential == "" || q.list == "" || q.signature == "" {
		return "", missingParts(q.r, value, credential, q.list, q.signature)
	}
	return credential, nil
}

// badPart refuses a part of an Authorization header.
func badPart(what, part, value string) *Error {
	return &Error{
		Kind:      MalformedHeader,
		Message:   what + " in Authorization header (hashed with SHA-256 and encoded with Base64): '" + hashed(value) + "'.",
		S3Message: fmt.Sprintf("The authorization header is malformed; the authorization component %q is malformed.", part),
	}
}

// readHeaders fills what the header form keeps in headers of its own: time, token and payload.
func (q *Request) readHeaders() error {
	date, err := q.single("X-Amz-Date")
	if err != nil {
		return err
	}
	if err := q.setTime(date); err != nil {
		return err
	}
	if q.SessionToken, err = q.single("X-Amz-Security-Token"); err != nil {
		return err
	}
	if q.PayloadHash, err = q.single("X-Amz-Content-Sha256"); err != nil {
		return err
	}
	return q.setPayload()
}

// single returns the value of a header that may stand only once. name is in canonical form.
func (q *Request) single(name string) (string, error) {
	switch v := q.r.Header[name]; len(v) {
	case 0:
		return "", nil
	case 1:
		return v[0], nil
	}
	text := "The header '" + name + "' must not be repeated."
	return "", &Error{Kind: Ambiguous, Message: text, S3Message: text}
}

// setCredential reads <access key id>/<date>/<region>/<service>/aws4_request.
func (q *Request) setCredential(credential string) error {
	id, scope, _ := strings.Cut(credential, "/")
	date, rest, _ := strings.Cut(scope, "/")
	region, rest, _ := strings.Cut(rest, "/")
	service, end, _ := strings.Cut(rest, "/")
	if id == "" || date == "" || region == "" || service == "" || end == "" || strings.Contains(end, "/") {
		return q.scopeError(MalformedHeader,
			fmt.Sprintf("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", credential),
			`the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)
	}
	if end != terminator {
		return q.scopeError(BadScope,
			fmt.Sprintf("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, end),
			fmt.Sprintf(`incorrect terminal %q. This endpoint uses "aws4_request".`, end))
	}
	if !isDate(date) {
		return q.scopeError(MalformedHeader,
			fmt.Sprintf("Date in Credential scope must have the form YYYYMMDD, got '%s'.", date),
			fmt.Sprintf(`incorrect date format %q. This date in the credential must be in the format "yyyyMMdd".`, date))
	}
	q.AccessKeyID, q.scope, q.Scope = id, scope, Scope{date, region, service}
	return nil
}

func isDate(s string) bool {
	if len(s) != len(dateLayout) {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// scopeError words an error of the credential for both forms: S3 says where it stood.
func (q *Request) scopeError(kind Kind, message, s3 string) *Error {
	if !q.Presigned {
		return &Error{Kind: kind, Message: message, S3Message: "The authorization header is malformed; " + s3}
	}
	// S3 has one code for all that is wrong with a presigned query; the other dialects keep the kind's code.
	if kind == MalformedHeader {
		kind = MalformedQuery
	}
	return &Error{Kind: kind, Message: message, S3Message: "Error parsing the X-Amz-Credential parameter; " + s3, presigned: true}
}

// setSignedHeaders splits the list of names, which must be lower case, ascending and without repetition: the
// canonical form has only that order, so that any other could never match.
func (q *Request) setSignedHeaders() error {
	q.SignedHeaders = q.names[:0]
	previous := ""
	for rest, more := q.list, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, ";")
		if name <= previous || !isHeaderName(name) || len(q.SignedHeaders) == maxSignedHeaders {
			kind, where := MalformedHeader, "The authorization header is malformed; "
			if q.Presigned {
				kind, where = MalformedQuery, "Error parsing the X-Amz-SignedHeaders parameter; "
			}
			text := "'SignedHeaders' must be header names in lower case and ascending order, separated by semicolons, without repetition."
			return &Error{Kind: kind, Message: text, S3Message: where + text}
		}
		q.SignedHeaders = append(q.SignedHeaders, name)
		previous = name
	}
	return nil
}

// isHeaderName reports whether s is a token of RFC 9110, section 5.6.2, without capitals.
func isHeaderName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("-_!#$%&'*+.^`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// setTime fills Time from x-amz-date or, when that is empty, from the Date header, and compares the day with
// the scope's.
func (q *Request) setTime(date string) error {
	var ok bool
	if date != "" {
		q.Time, ok = parseTime(date)
		q.timestamp = date
	} else if q.Time, ok = dateHeader(q.r); ok {
		q.timestamp = q.Time.Format(timeLayout)
	}
	if !ok {
		e := &Error{Kind: MissingDate}
		if date != "" {
			e.Message = fmt.Sprintf("Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", date)
		}
		if q.Presigned {
			e.Kind, e.S3Message = MalformedQuery, `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`
		}
		return e
	}
	if q.timestamp[:len(dateLayout)] == q.Scope.Date {
		return nil
	}
	e := &Error{
		Kind: DateMismatch,
		Message: fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			q.Scope.Date, q.timestamp[:len(dateLayout)], q.timestamp),
		S3Message: fmt.Sprintf("Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", q.Scope.Date, q.timestamp[:len(dateLayout)]),
		presigned: q.Presigned,
	}
	if !q.Presigned {
		e.S3Message = "The authorization header is malformed; " + e.S3Message
	}
	return e
}

// dateHeader reads the Date header, in a form of HTTP or in that of x-amz-date.
func dateHeader(r *http.Request) (time.Time, bool) {
	v := r.Header["Date"]
	if len(v) != 1 {
		return time.Time{}, false
	}
	if t, ok := parseTime(v[0]); ok {
		return t, true
	}
	t, err := http.ParseTime(v[0])
	// A year beyond four digits has no timestamp.
	return t.UTC(), err == nil && t.Year() > 0 && t.Year() <= 9999
}

// setPayload classifies PayloadHash and finds the length of the body. Whether the form is allowed is the
// service's matter: see body.go.
func (q *Request) setPayload() error {
	q.Payload = payloadOf(q.PayloadHash)
	if !q.Payload.Chunked() {
		q.DecodedLength = q.r.ContentLength
		return nil
	}
	value, err := q.single("X-Amz-Decoded-Content-Length")
	if err != nil {
		return err
	}
	n, perr := strconv.ParseUint(value, 10, 63)
	if perr != nil {
		return &Error{Kind: MissingLength}
	}
	q.DecodedLength = int64(n)
	return nil
}

// schemeError refuses an Authorization header that is not ours.
func schemeError(scheme, value string) error {
	switch scheme {
	case asymmetric:
		text := "Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not supported. Please use AWS4-HMAC-SHA256."
		return &Error{Kind: Unsupported, Message: text, S3Message: text}
	case "AWS": // Signature Version 2
		return &Error{Kind: Unsupported, Message: "Signature Version 2 is not supported. Please use AWS4-HMAC-SHA256."}
	}
	if strings.HasPrefix(scheme, "AWS") {
		return &Error{Kind: Unsupported, Message: fmt.Sprintf("Unsupported AWS 'algorithm': '%s'.", scheme)}
	}
	return &Error{
		Kind: Unsupported,
		Message: "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. " +
			"Authorization header requires 'SignedHeaders' parameter. (Hashed with SHA-256 and encoded with Base64) Authorization=" + hashed(value),
	}
}

// missingParts names what an Authorization header lacks, in the order AWS does.
func missingParts(r *http.Request, value, credential, list, signature string) error {
	var all []string
	s3 := ""
	for _, p := range []struct{ name, value string }{{"Credential", credential}, {"Signature", signature}, {"SignedHeaders", list}} {
		if p.value == "" {
			all = append(all, "Authorization header requires '"+p.name+"' parameter.")
			if s3 == "" {
				s3 = "missing " + p.name + "."
			}
		}
	}
	if len(r.Header["X-Amz-Date"]) == 0 && len(r.Header["Date"]) == 0 {
		all = append(all, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	return &Error{
		Kind:      MalformedHeader,
		Message:   strings.Join(all, " ") + " (Hashed with SHA-256 and encoded with Base64) Authorization=" + hashed(value),
		S3Message: "The authorization header is malformed; " + s3,
	}
}

// hashed is how AWS names an Authorization header without repeating it.
func hashed(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.StdEncoding.EncodeToString(sum[:])
}
