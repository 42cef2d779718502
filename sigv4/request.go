package sigv4

import (
	"net/http"
	"slices"
	"time"
)

// Names of the protocol.
const (
	algorithm  = "AWS4-HMAC-SHA256"
	asymmetric = "AWS4-ECDSA-P256-SHA256"
	terminator = "aws4_request"
	serviceS3  = "s3"

	// maxSkew is how far a request's time may be from ours ("Elements of an AWS API request
	// signature": within 15 minutes in IAM, KMS and S3).
	maxSkew = 15 * time.Minute
	// maxExpires is how long a presigned request may live: seven days.
	maxExpires = 604800 * time.Second
	// maxSignedHeaders bounds the work that a list of names can cause. Real clients sign about ten.
	maxSignedHeaders = 128

	timeLayout = "20060102T150405Z"
	dateLayout = "20060102"
)

// Values of x-amz-content-sha256 that are no hash.
const (
	UnsignedPayload = "UNSIGNED-PAYLOAD"
	// EmptyPayload is the SHA-256 of no bytes.
	EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

	streamSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// Scope is the credential scope: what a signing key was derived for.
type Scope struct {
	Date    string // YYYYMMDD
	Region  string
	Service string // the signing name, for example "kms"
}

// Endpoint is what a request has reached, as the gateway's routing found it. A signature made for
// another region or service is refused there.
type Endpoint struct {
	Service string   // the signing name
	Regions []string // the regions it answers for; errors name the first. None means that nothing is accepted.
}

// Payload says how the body is bound to the signature.
type Payload uint8

// The forms of payload.
const (
	Hashed                Payload = iota // the signed text holds the body's SHA-256
	Unsigned                             // UNSIGNED-PAYLOAD
	SignedChunks                         // aws-chunked, each chunk signed
	SignedChunksTrailer                  // aws-chunked, each chunk and the trailing headers signed
	UnsignedChunksTrailer                // aws-chunked with trailing headers, unsigned
	invalidPayload
)

// Chunked reports whether the body is aws-chunked. Such a body's length is the header
// x-amz-decoded-content-length and its Content-Encoding names aws-chunked, which is no part of the object.
func (p Payload) Chunked() bool { return p >= SignedChunks && p <= UnsignedChunksTrailer }

// Request is what the signature of a request says of itself. Parse fills it; nothing of it is proven before
// Verifier.Verify or Verifier.VerifyStream has returned without an error.
type Request struct {
	AccessKeyID   string
	SessionToken  string // empty for long-lived access keys
	Scope         Scope
	Time          time.Time     // when it was signed, UTC
	Presigned     bool          // the signature is in the query
	Expires       time.Duration // of a presigned request, from Time; 0 when it names none
	SignedHeaders []string      // lower case, ascending
	PayloadHash   string        // x-amz-content-sha256 as sent; UNSIGNED-PAYLOAD for presigned S3 requests without it
	Payload       Payload
	// DecodedLength is the number of bytes the body holds: x-amz-decoded-content-length when it is
	// aws-chunked, else the Content-Length; -1 when unknown.
	DecodedLength int64

	r         *http.Request
	scope     string // Scope and terminator as sent, with slashes
	timestamp string // Time as the string to sign has it
	signature string
	list      string // SignedHeaders as sent
	names     [16]string
}

// isS3 reports whether S3's canonical form and S3's rules hold.
func (q *Request) isS3() bool { return q.Scope.Service == serviceS3 }

// Covers reports whether the signature covers the header with this name, in lower case.
func (q *Request) Covers(name string) bool {
	_, found := slices.BinarySearch(q.SignedHeaders, name)
	return found
}

// payloadOf classifies a value of x-amz-content-sha256.
func payloadOf(value string) Payload {
	switch value {
	case UnsignedPayload:
		return Unsigned
	case streamSigned:
		return SignedChunks
	case streamSignedTrailer:
		return SignedChunksTrailer
	case streamUnsignedTrailer:
		return UnsignedChunksTrailer
	}
	if isHex64(value) {
		return Hashed
	}
	return invalidPayload
}

// isHex64 reports whether s is the lower-case hexadecimal form of 32 bytes.
func isHex64(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// parseTime reads YYYYMMDDTHHMMSSZ, which time.Parse would do five times slower.
func parseTime(s string) (time.Time, bool) {
	if len(s) != len(timeLayout) || s[8] != 'T' || s[15] != 'Z' {
		return time.Time{}, false
	}
	for i := range len(s) {
		if i != 8 && i != 15 && (s[i] < '0' || s[i] > '9') {
			return time.Time{}, false
		}
	}
	two := func(i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }
	year, month, day := two(0)*100+two(2), time.Month(two(4)), two(6)
	hour, minute, second := two(9), two(11), two(13)
	t := time.Date(year, month, day, hour, minute, second, 0, time.UTC)
	// time.Date carries 31 February over into March: what it has changed was no time.
	if t.Day() != day || t.Month() != month || t.Year() != year || t.Hour() != hour || t.Minute() != minute || t.Second() != second {
		return time.Time{}, false
	}
	return t, true
}
