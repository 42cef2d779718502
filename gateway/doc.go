// Package gateway is the road of a call: from the TLS handshake to the last byte of the
// answer, the same for every operation of every service, and for services that call each
// other.
//
// # The road
//
//	TLS -> accept -> authenticate -> route -> decode -> validate -> target -> authorize -> handle -> notice -> record -> encode
//
// One value travels, call.Call. Each stage reads what the stages before it wrote and fills its own
// fields. When a stage fails, the rest up to record are left out: a refusal is recorded and
// answered like a success. The list is in stages.go.
//
//	accept        gives the call its id and its place among the calls under way
//	authenticate  finds the service by the credential scope, proves the signature, names the caller
//	route         finds the operation
//	decode        makes the operation's input
//	validate      checks it against the model, in AWS's words
//	target        asks the service what the call acts on: actions, resources, their policies
//	authorize     decides each of these; everything must be allowed
//	handle        lets the service do it
//	notice        looks for sensitive data in names, descriptions and tags that it has changed
//	record        writes the audit record and waits until it is durable
//	encode        answers
//
// A service that calls another comes in at validate, through Inside, and its call is
// authorized and recorded like any other. There is no quieter door.
//
// # Invariants
//
//   - No handler runs without a decision that allows it: an operation without a target, a target
//     with nothing to decide and no reason given, and a handler that was to decide and did not are
//     internal failures, whatever they would have answered.
//   - No answer to a known caller leaves before its record is in the log; nor, unless the operator chose
//     otherwise for plain reads, before the record is durable. When the log fails, the call fails.
//   - A request's body is not asked for (100 Continue) before the caller is allowed to send it,
//     where the operation streams.
//   - Time, memory and number are bounded for everything that a stranger can send; see Limits.
//   - The operator's log holds no secrets, no signatures and no customer's data: of a request, its id, the
//     operation, the caller, the outcome, and for the server's own faults their cause.
//
// # Map
//
//	gateway.go     the Gateway and what it is made of
//	stages.go      the road as a list, and how a call walks it
//	listen.go      connections: how many, and that they speak TLS
//	tls.go         the one TLS configuration
//	certs.go       the local certificate authority, or certificates from files
//	serve.go       the HTTP server: start, drain, stop
//	authenticate.go, route.go    who calls, and what
//	plain.go       access keys that are carried instead of signed with, where the protocol is not AWS's
//	body.go        request bodies: limits, pace, checks
//	authorize.go, conditions.go  what is decided, and the global condition keys
//	handle.go      target, handle, and what happens when a handler panics
//	notice.go      what a record warns of
//	inside.go      calls of services on services
//	record.go      the audit record, and whose trail it belongs to
//	answer.go, id.go             answers and errors in the words of each protocol
//	limits.go, metrics.go        what is bounded, and what is counted
package gateway
