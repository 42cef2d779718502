package policy

import "strings"

// narrowing are the condition keys that tie an Allow for everybody to fixed callers (S3 user
// guide, "The meaning of public"). Those that end in a slash or colon stand for all keys that
// begin so. The table is never written to.
var narrowing = map[string]bool{
	"aws:principalaccount": true, "aws:principalarn": true, "aws:principalorgid": true, "aws:principalorgpaths": true,
	"aws:sourceaccount": true, "aws:sourcearn": true, "aws:sourceip": true, "aws:sourceorgid": true, "aws:sourceorgpaths": true,
	"aws:sourceowner": true, "aws:sourcevpc": true, "aws:sourcevpce": true, "aws:userid": true,
	"kms:calleraccount": true, "s3:dataaccesspointaccount": true, "s3:dataaccesspointarn": true,
}

// HasPublicAllow reports whether d allows something to everybody, by the rules that S3
// publishes for "public": a wildcard principal without a condition that narrows the
// callers to fixed accounts, organizations, networks or resources.
func (d *Document) HasPublicAllow() bool {
	for i := range d.statements {
		if d.statements[i].public() {
			return true
		}
	}
	return false
}

// public reports whether the statement allows something to everybody.
func (st *statement) public() bool {
	ps := st.principals
	if !st.allow || ps == nil || !ps.everybody && !ps.not {
		return false
	}
	for i := range st.conditions {
		if st.conditions[i].narrows() {
			return false
		}
	}
	return true
}

// narrows reports whether the condition holds for fixed callers only.
func (c *condition) narrows() bool {
	if !narrowing[c.key] || c.operator.negated || c.operator == null || c.ifExists || c.set == forAll || len(c.operands) == 0 {
		return false
	}
	for i := range c.operands {
		if !c.operands[i].fixed(c) {
			return false
		}
	}
	return true
}

// fixed reports whether the operand stands for a bounded set of callers.
func (o *operand) fixed(c *condition) bool {
	switch base := strings.TrimPrefix(c.written, "ForAnyValue:"); {
	case base == "IpAddress":
		// "IP ranges wider than /8 for IPv4 and /32 for IPv6 are public."
		if o.network.Addr().Is4() {
			return o.network.Bits() >= 8
		}
		return o.network.Bits() >= 32
	case base == "StringEquals", base == "StringEqualsIgnoreCase":
		return o.pattern.parts == nil
	case base == "StringLike", strings.HasPrefix(base, "Arn"):
		return o.fixedPattern(c.key)
	}
	return false
}

// fixedPattern reports whether a pattern with wildcards still names one account or owner: it
// has none, or it is the name of a resource whose account is spelt out, or a unique id before
// the colon of aws:userid.
func (o *operand) fixedPattern(key string) bool {
	if o.pattern.parts != nil {
		return false
	}
	if o.pattern.plainText() {
		return true
	}
	if key == "aws:userid" {
		id, _, found := strings.Cut(o.written, ":")
		return found && !strings.ContainsAny(id, "*?")
	}
	parts := strings.SplitN(o.written, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && parts[4] != "" && !strings.ContainsAny(parts[4], "*?")
}
