package policy

// String names the reason.
func (r Reason) String() string {
	switch r {
	case ExplicitDeny:
		return "explicit deny"
	case AllowedByIdentity:
		return "allowed by an identity-based policy"
	case AllowedByResource:
		return "allowed by the resource's policy"
	case AllowedByBoth:
		return "allowed by the resource's policy and an identity-based policy"
	case AllowedByGrant:
		return "allowed by a grant"
	case AllowedByRoot:
		return "allowed as root user of the account"
	}
	return "implicit deny"
}

// String names the kind of policy as AWS's messages do, without an article.
func (s Source) String() string {
	switch s {
	case FromIdentity:
		return "identity-based policy"
	case FromBoundary:
		return "permissions boundary"
	case FromSession:
		return "session policy"
	case FromResource:
		return "resource-based policy"
	case FromTrust:
		return "role trust policy"
	case FromCeiling:
		return "service control policy"
	}
	return "policy"
}

// article returns the word before the name of the kind of policy.
func (s Source) article() string {
	switch s {
	case FromIdentity:
		return "an "
	case FromTrust:
		return "the "
	}
	return "a "
}

// Message returns the sentence AWS refuses with (IAM user guide, "Troubleshooting access denied
// error messages"):
//
//	User: ARN is not authorized to perform: kms:Encrypt on resource: ARN because no identity-based policy allows the kms:Encrypt action
//	User: ARN is not authorized to perform: kms:Encrypt on resource: ARN with an explicit deny in a resource-based policy
//
// It has no meaning for a decision that allows.
func (d Decision) Message(req *Request) string {
	msg := "User: " + req.Principal.String() + " is not authorized to perform: " + req.Action
	if req.Resource != "" {
		msg += " on resource: " + req.Resource
	}
	switch {
	case d.Source == NoSource:
		return msg
	case d.Reason == ExplicitDeny, d.Source == FromCeiling:
		// Of a ceiling AWS says so "even if the denial is implicit".
		return msg + " with an explicit deny in " + d.Source.article() + d.Source.String()
	}
	return msg + " because no " + d.Source.String() + " allows the " + req.Action + " action"
}
