package sigv4

import (
	"net/http"
)

// Kind is a class of refusal. It is an error itself, so that
// errors.Is(err, sigv4.Mismatch) asks for the class of any *Error in err's chain.
type Kind uint8

// The classes of refusal.
const (
	MissingSignature   Kind = iota + 1 // the request carries no signature at all
	MalformedHeader                    // the Authorization header cannot be read
	MalformedQuery                     // the presigned query cannot be read
	Ambiguous                          // more than one signature, or a header twice that may stand once
	Unsupported                        // SigV4A, Signature Version 2, another scheme
	MissingDate                        // neither X-Amz-Date nor Date, or unreadable
	BadScope                           // another region, service or terminator than this endpoint's
	DateMismatch                       // the scope's date is not the request's
	Skewed                             // the request's time is too far from ours
	Expired                            // a presigned request after its time
	NotYetValid                        // a presigned request before its time
	HeadersNotSigned                   // host or an x-amz-* header is not covered
	InvalidURI                         // a path or query that cannot be decoded
	UnknownKey                         // no such access key
	BadToken                           // the session token is not the access key's
	ExpiredToken                       // the session is over
	Mismatch                           // the signature, or that of a chunk, is not ours
	MissingPayloadHash                 // S3 without x-amz-content-sha256
	InvalidPayloadHash                 // a value of x-amz-content-sha256 that means nothing
	ContentMismatch                    // the body's SHA-256 is not the signed one
	MissingLength                      // aws-chunked without x-amz-decoded-content-length
	IncompleteBody                     // the body ended early, late or in the middle of a chunk
	InvalidChunkSize                   // a small chunk that is not the last
	MalformedTrailer                   // trailing headers that were not announced or cannot be read
	kinds                              // how many there are
)

// Dialect is the family of error codes and sentences that a service speaks.
type Dialect uint8

// The dialects.
const (
	S3       Dialect = iota // REST-XML: bare codes
	Query                   // awsQuery: IAM and STS
	JSON                    // awsJson1.0 and awsJson1.1
	RESTJSON                // REST-JSON
)

// Error is a refusal. Every error this package makes about a request is one; other errors are
// those of Keys and of the network.
type Error struct {
	Kind Kind
	// Message is AWS's sentence in every dialect but S3. When it is empty, the kind's own sentence stands.
	Message string
	// S3Message is AWS's sentence in dialect S3. When it is empty, the kind's own sentence stands.
	S3Message string
	// Detail holds the further elements that S3 puts into its error document, by element name.
	// It never holds a secret. It may be nil.
	Detail map[string]string

	presigned bool // the signature was in the query, for which S3 has a code of its own
}

// Error returns a sentence for logs: the kind and its message.
func (e *Error) Error() string {
	msg := e.Message
	if msg == "" {
		msg = e.S3Message
	}
	if msg == "" {
		return e.Kind.Error()
	}
	return e.Kind.Error() + ": " + msg
}

// Is reports whether target is e's Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// Error returns the kind's code, as S3 has it, and its sentence.
func (k Kind) Error() string {
	if k == 0 || k >= kinds {
		return "sigv4: refused"
	}
	return "sigv4: " + answers[k].s3.code
}

// Answer returns what AWS answers for e in dialect d: the HTTP status, the error code and the
// message.
func (e *Error) Answer(d Dialect) (status int, code, message string) {
	if e.Kind == 0 || e.Kind >= kinds {
		return http.StatusForbidden, "AccessDenied", "Access Denied"
	}
	a := &answers[e.Kind]
	switch d {
	case S3:
		if e.presigned && a.s3.code == answers[MalformedHeader].s3.code {
			a = &row{s3: answer{a.s3.status, answers[MalformedQuery].s3.code, a.s3.message}}
		}
		return a.s3.status, a.s3.code, pick(e.S3Message, a.s3.message)
	case Query:
		return a.query.status, a.query.code, pick(e.Message, a.query.message)
	case JSON: // every client error of these protocols is a 400
		return http.StatusBadRequest, a.json, pick(e.Message, pick(a.jsonMessage, a.query.message))
	default:
		return a.query.status, a.json, pick(e.Message, pick(a.jsonMessage, a.query.message))
	}
}

func pick(own, usual string) string {
	if own != "" {
		return own
	}
	return usual
}
