// Package wire describes what travels between a client and the house: services,
// operations, shapes and errors, as values.
//
// The packages under api/ are generated and hold these descriptions for each
// service, with the Go types they describe. The codecs below this folder (awsjson,
// awsquery, restjson, restxml) walk the descriptions and serve every service of
// their protocol; Validate checks a decoded input against its constraints. A
// description is built once at start and never changes, so all of it may be read
// together.
package wire

import (
	"context"
	"reflect"
	"sort"
	"strings"
	"sync/atomic"
	"time"
)

// Protocol is an AWS wire protocol.
type Protocol uint8

// The protocols that services speak.
const (
	JSON10 Protocol = iota + 1 // awsJson1.0
	JSON11                     // awsJson1.1
	Query                      // AWS Query, answers in XML
	RESTJSON
	RESTXML
	Raw // requests and answers of another protocol than AWS's: see package raw
)

// Service describes the API of one service.
type Service struct {
	Name           string   // folder, and prefix of its IAM actions: "kms"
	ID             string   // the model's serviceId: "KMS"
	Version        string   // API version: "2014-11-01"
	Protocol       Protocol // how it is spoken
	SigningName    string   // service of the credential scope
	EndpointPrefix string   // first label of the public host name
	EventSource    string   // in audit records: "kms.amazonaws.com"
	TargetPrefix   string   // before the last dot of X-Amz-Target; JSON protocols only
	XMLNamespace   string   // of answers; XML protocols only
	Global         bool     // one endpoint for all regions, as iam has
	MessageName    string   // how its errors spell their message member in JSON; "" is "message"
	ValidationCode string   // of the error that says an input breaks its constraints; "" is ValidationException
	Operations     []*Operation
	Errors         []*ErrorShape
}

// Target returns what X-Amz-Target calls the service: the last label of its TargetPrefix.
// Older clients write more labels before it, as in
// com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents; they say nothing.
func (s *Service) Target() string {
	return s.TargetPrefix[strings.LastIndexByte(s.TargetPrefix, '.')+1:]
}

// CutTarget cuts a value of X-Amz-Target into a service's Target and the name of the operation.
func CutTarget(header string) (target, operation string, ok bool) {
	i := strings.LastIndexByte(header, '.')
	if i < 0 {
		return "", "", false
	}
	target, operation = header[:i], header[i+1:]
	return target[strings.LastIndexByte(target, '.')+1:], operation, true
}

// Operation returns the operation with this name, or nil.
func (s *Service) Operation(name string) *Operation {
	i := sort.Search(len(s.Operations), func(i int) bool { return s.Operations[i].Name >= name })
	if i < len(s.Operations) && s.Operations[i].Name == name {
		return s.Operations[i]
	}
	return nil
}

// Operation describes one operation. Operations of a service are sorted by name.
type Operation struct {
	Service       *Service
	Name          string
	Method        string // HTTP method
	Path          string // request URI pattern with {Label} and {Label+}, and literal query keys
	Status        int    // HTTP status of success
	Input, Output *Shape // structures; never nil, possibly without members
	InputName     string // XML root element of the input, where the model gives one
	InputXMLNS    string
	OutputName    string // XML root element of the answer, where it is not the output's name
	Unwrapped     bool   // that root element is itself the output's one member: s3 GetBucketLocation
	ResultWrapper string // Query: element around the result
	Errors        []*ErrorShape
	ReadOnly      bool // changes nothing; audit records say so
	Unsigned      bool // may be called without a signature
	Idempotent    bool
	Alias         string   // an older name, where the model gives one
	Routes        []string // Raw: where it is asked for, each "METHOD /path"; Method and Path are the first of them
	MaxBody       int64    // Raw, JSON: bytes of a request's body; 0 for the house's usual limit
	// CallTime is how long the operation may take, where that is longer than the house's usual limit. Raw only.
	CallTime time.Duration
	// Invoke calls the operation's method of impl, which implements the generated
	// Service interface, with in of the input's type. Nil where nothing generated stands behind.
	Invoke func(ctx context.Context, impl, in any) (any, error)
}

// NewInput returns a pointer to a zero input of the operation.
func (o *Operation) NewInput() any { return reflect.New(o.Input.Type).Interface() }

// NewOutput returns a pointer to a zero output of the operation.
func (o *Operation) NewOutput() any { return reflect.New(o.Output.Type).Interface() }

// Kind is what a shape holds, and which Go type its members have.
type Kind uint8

// The kinds. An absent member is nil, whatever its kind; an absent enum is "".
const (
	String    Kind = iota + 1 // *string, or a named string type when the shape has an Enum; lists hold string
	Boolean                   // *bool
	Integer                   // *int32
	Long                      // *int64
	Float                     // *float32
	Double                    // *float64
	Timestamp                 // *time.Time
	Blob                      // []byte; streaming: io.Reader in inputs, io.ReadCloser in outputs
	List                      // []T, T without pointer
	Map                       // map[string]T, T without pointer
	Structure                 // *T as a member, T in lists and maps
)

// Shape describes a type of the API.
type Shape struct {
	Name            string
	Kind            Kind
	Type            reflect.Type // Go type of a structure; nil for other kinds
	Members         []*Member    // structure: in the model's order
	Key             *Member      // map
	Elem            *Member      // list element or map value
	Enum            []string
	Pattern         string // Go regular expression, whole match
	PatternText     string // the pattern as AWS words it, for messages
	Min, Max        *float64
	Sensitive       bool
	Flattened       bool
	Union           bool
	TimestampFormat string // "", iso8601, unixTimestamp, rfc822, or unixTimestampMillis
	Payload         string // structure: the member that is the whole body
	XMLNamespace    string
	XMLPrefix       string
	LocationName    string
	EventStream     bool

	rules  atomic.Pointer[rules]  // see validate.go
	record atomic.Pointer[[]line] // see record.go

	freeMembers atomic.Pointer[[]*Member] // see freeform.go
}

// Member describes a member of a structure, the element of a list, or the key or
// value of a map.
type Member struct {
	Name             string // the model's spelling
	Field            int    // index of the Go struct field; structures only
	Shape            *Shape
	Location         Location
	WireName         string // locationName, or Name
	QueryName        string // Query protocol's own name, where there is one
	RecordName       string // in audit records
	Required         bool
	Sensitive        bool // of itself or its shape
	Streaming        bool
	IdempotencyToken bool
	Flattened        bool
	XMLAttribute     bool
	XMLNamespace     string
	XMLPrefix        string
	TimestampFormat  string
	JSONValue        bool
	HostLabel        bool
}

// Location is where in an HTTP message a member stands.
type Location uint8

// The locations of REST protocols; all else travels in the body.
const (
	Body Location = iota
	URI
	QueryString // "querystring": one key, or every remaining key for a map
	Header
	HeaderPrefix // "headers": a map of all headers with the prefix
	StatusCode
)

// ErrorShape describes an error that an operation may answer with.
type ErrorShape struct {
	Name   string // the model's shape name
	Code   string // what travels: the model's error.code, or Name
	Status int
	Fault  bool   // the server's fault
	Shape  *Shape // its members beyond the message; may be nil
}

// Invoker calls an operation from inside the house or over the network; the
// generated clients stand on it. in and the answer are pointers to the
// operation's input and output types.
type Invoker interface {
	Invoke(ctx context.Context, op *Operation, in any) (out any, err error)
}

// Ptr returns a pointer to a copy of v, for the optional members of API types.
func Ptr[T any](v T) *T { return &v }

// Val returns what p points to, or the zero value when p is nil.
func Val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
