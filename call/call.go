// Package call holds the value that travels down the road of a request.
//
// One Call is made when a request arrives. Each stage of the gateway reads what the
// stages before it wrote and fills its own fields, so a Call printed at the end is
// the record of what was asked, by whom, what was decided and what came of it.
// A service that calls another on a caller's behalf makes a child Call that enters
// the same road below decoding.
package call

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/wire"
)

// Call is one call of one operation. Until its record is written it belongs to the
// goroutine that serves it.
type Call struct {
	// Filled on arrival.
	ID        string    // request id, a UUID: in the answer, the audit record and the operator's log
	Time      time.Time // of arrival
	SourceIP  string    // of the client; of a child call, the name of the calling service
	UserAgent string    // the client's; of a child call, the name of the calling service
	TLS       TLS
	HTTP      *http.Request // the request as it came; nil for a child call
	Parent    *Call         // the call that this one is made for; nil for a client's

	// Filled by authenticate.
	Principal *identity.Principal
	Via       string    // the service that calls for Principal: "s3.amazonaws.com"; "" for a direct call
	Region    string    // of the credential scope; for a global service, the house's first region
	Signed    Signature // how the request was signed
	// SourceAccount and SourceARN say whose resource a service acts for when it acts as
	// itself (aws:SourceAccount and aws:SourceArn); "" when it does not say.
	SourceAccount, SourceARN string

	// Filled by route and decode.
	Service *wire.Service // that was addressed; known before Op, and when there is no such operation
	Op      *wire.Operation
	In      any // pointer to the operation's generated input

	// Filled by target and authorize.
	Target   Target
	Decision *policy.Decision // the last one taken; nil until then

	// Filled by the handler.
	Out        any // pointer to the operation's generated output
	Err        error
	Additional map[string]any // additionalEventData of the record: facts a handler wants an auditor to see
	Also       []Event        // what the call did besides, in another region; each has a record of its own
	Resources  []Resource     // resources that became known only in the handler; appended to the targets' in the record
	Response   http.Header    // headers a handler adds to the answer, also to a refusal, beyond the modelled ones; nil for none

	recorded atomic.Bool
	first    atomic.Uint64
}

// TLS says how the connection is protected, for the record's tlsDetails.
type TLS struct {
	Version, CipherSuite, Host string
}

// Signature says how a request was authenticated, for condition keys such as
// s3:authType and s3:signatureAge.
type Signature struct {
	Type    string // "REST-HEADER", "REST-QUERY-STRING", or "" when unsigned
	Time    time.Time
	Payload string // X-Amz-Content-Sha256 as sent
}

// Target is what a call acts on: everything that must be allowed before its handler
// runs. Every operation has one; a call without any is refused.
type Target struct {
	Checks []Check // all of them must be allowed
	// Open says why no permission is asked, as for sts:GetCallerIdentity. Only with no Checks.
	Open string
	// Deferred says that the handler itself asks for each decision, through Authorize,
	// because only it sees what is acted on (as in s3:DeleteObjects). A handler that
	// returns without one is an internal failure. Checks may be given besides.
	Deferred bool
}

// Check is one permission to be decided.
type Check struct {
	Action   string // "kms:Encrypt"
	Resource string // ARN, or "*" for an action that has no resource
	Type     string // of the resource, for the record: "AWS::KMS::Key"
	Account  string // that owns the resource; "" for the caller's own
	Region   string // in which the action takes place; "" for the call's
	// Policy is the resource's own policy, or nil.
	Policy *policy.Document
	// RootOfTrust says that nobody has any right that Policy does not give or delegate,
	// as for KMS keys and the trust policies of roles.
	RootOfTrust bool
	// GrantID names a grant that allows this call to this principal; "" for none.
	GrantID string
	// Conditions are the condition keys that the service adds to the global ones.
	// Keys are in lower case: "kms:encryptioncontext:purpose".
	Conditions policy.Context
	// Hide is the error a refusal answers with, where the usual AccessDenied would tell
	// too much; nil for the usual one.
	Hide error
}

// Event is something that a call did besides what its operation says, in another region: making
// a key there, where it replicates one.
type Event struct {
	Name      string // of the event: "CreateKey"
	Region    string
	Resources []Resource
}

// Resource names a resource in an audit record.
type Resource struct{ Account, Type, ARN string }

// Authorizer decides a Check for the call in ctx, and returns nil when it is allowed
// or the error to answer with. It notes the decision in the Call. Calls of one ctx
// must not run together.
type Authorizer func(ctx context.Context, check Check) error

// Root returns the client's call that c was made for, through any number of
// services; for a client's own call, c itself.
func (c *Call) Root() *Call {
	for c.Parent != nil {
		c = c.Parent
	}
	return c
}

// CalledVia returns the services through which the call came on its principal's behalf,
// the first one first, as aws:CalledVia has them. A direct call has none.
func (c *Call) CalledVia() []string {
	var names []string
	for ; c != nil && c.Via != ""; c = c.Parent {
		names = append(names, c.Via)
	}
	slices.Reverse(names)
	return names
}

// FirstRecord notes that a record of c, or of a call made for it, stands at position p of the
// log, and returns the position of the first one so noted. It may be called by any goroutine.
func (c *Call) FirstRecord(p uint64) uint64 {
	if c.first.CompareAndSwap(0, p) {
		return p
	}
	return min(c.first.Load(), p)
}

// SetRecorded says that the record of c is in the log: what is done for c from now on,
// such as opening keys while its answer streams, is no longer covered by that record.
func (c *Call) SetRecorded() { c.recorded.Store(true) }

// Recorded reports whether the record of c is in the log. It may be asked by any goroutine.
func (c *Call) Recorded() bool { return c.recorded.Load() }

// Note adds a fact to the record's additionalEventData.
func (c *Call) Note(key string, value any) {
	if c.Additional == nil {
		c.Additional = make(map[string]any)
	}
	c.Additional[key] = value
}
