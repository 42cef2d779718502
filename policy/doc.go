// Package policy is the AWS policy language: it parses policy documents, decides
// requests over the policies that bear on them, and explains the decision.
//
// A Document is parsed once, when it is stored, into a compiled and immutable form;
// a decision then parses and allocates nothing. The package is pure: no store, no
// network, no clock. The time of a request, like everything else that conditions may
// ask for, comes in through the Context of the Request.
//
//	doc, err := policy.Parse(text, policy.Identity)
//	...
//	req := &policy.Request{Principal: who, Action: "s3:GetObject", Resource: name, Context: keys}
//	d := policy.Decide(req, &policy.Set{Identity: []*policy.Document{doc}, ResourceAccount: owner})
//	if !d.Allowed {
//		return errors.New(d.Message(req)) // and policy.Explain(req, set) says why
//	}
//
// # The decision
//
// Decide follows "Policy evaluation logic" of the IAM user guide and "Determining
// access to KMS keys" of the KMS developer guide:
//
//  1. An explicit Deny in any policy of the Set wins over everything.
//  2. Every ceiling (service control policies and their like) must allow.
//  3. A grant allows, also from another account. Permissions boundary and session
//     policies cut it short (a choice of ours: AWS does not publish it).
//  4. In the resource's own account, either side is enough. What the resource's policy
//     gives to the user or the session by name, or to everybody, is given: no boundary and
//     no session policy cuts it short (they can still deny). What it gives to the role, or
//     user, behind a session is cut by both. What it gives to the account is a delegation:
//     identity-based policies decide.
//  5. From another account both sides must allow: the resource's policy, by whatever
//     name, and an identity-based policy, cut by boundary and session policies.
//  6. Where the resource's policy is the root of trust (KMS keys, trust policies of
//     roles), identity-based policies count only as far as a matching statement of it
//     delegates to the account.
//  7. The root user of an account has an allow-everything identity policy that cannot
//     be taken away, and no boundary; rules 1, 2, 5 and 6 hold for it.
//  8. Services, federated callers without an account and anonymous callers have no
//     identity policies: only the resource's policy (and, for services, a grant) counts.
//     Anonymous callers match only the principal "*".
//
// # Where AWS is silent or vague
//
//   - NotPrincipal with Deny spares a caller only if it names the caller in full: account,
//     role, and session or user. With Allow it means everybody else but anonymous callers,
//     and is cut by boundary and session policies.
//   - A key with several values that is asked without a set operator is met by any of them,
//     and a negated operator by none.
//   - The value of a variable is text: wildcards and colons in it stand for themselves. A
//     variable without value and default equals nothing, so that a negated operator holds.
//   - A policy variable cannot be a key with several values.
//   - The messages of syntax errors are IAM's, and S3's for the kind Resource, whose other
//     users may take the Detail.
//
// Anything that is missing, empty or in doubt does not allow.
//
// # Map
//
//	document.go   Document and what can be asked of it
//	json.go       strict reading of JSON: duplicate names, types, limits
//	parse.go      the grammar: from text to compiled statements
//	statement.go  a compiled statement and its match against a request
//	action.go     patterns of actions
//	resource.go   patterns of resource names
//	pattern.go    text with wildcards and variables, compiled
//	principal.go  the Principal element, and who calls
//	condition.go  the Condition element: keys, set operators, IfExists, absence
//	operators.go  the condition operators; date.go and number.go the values they compare
//	request.go    the request and its condition keys
//	decide.go     the decision, on one page
//	message.go    the sentence of a refusal
//	explain.go    the same decision, told
//	public.go     which policies are public
package policy
