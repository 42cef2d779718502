package policy

import "strings"

// condition is one key of a Condition element with its operator and values:
//
//	"ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a*", "b*"]}
//	 set        operator  ifExists      key            operands
//
// All conditions of a statement must hold.
type condition struct {
	written  string // the operator as the policy says it
	named    string // the key as the policy says it
	key      string // the key in lower case
	operator *operator
	set      set
	ifExists bool
	operands []operand
}

// set is the set operator in front of a condition operator.
type set uint8

const (
	noSet set = iota
	forAll
	forAny
)

// splitOperator takes an operator's name apart. ok is false when there is no such operator.
func splitOperator(name string) (op *operator, s set, ifExists, ok bool) {
	if rest, found := strings.CutPrefix(name, "ForAllValues:"); found {
		name, s = rest, forAll
	} else if rest, found := strings.CutPrefix(name, "ForAnyValue:"); found {
		name, s = rest, forAny
	}
	if rest, found := strings.CutSuffix(name, "IfExists"); found {
		name, ifExists = rest, true
	}
	op = operators[name]
	// "You can add IfExists to the end of any condition operator name except the Null condition."
	return op, s, ifExists, op != nil && !(op == null && ifExists)
}

// holds reports whether the condition is met. The rules are those of the IAM user guide,
// "Condition operators" and "Creating a condition with multiple keys or values".
func (c *condition) holds(ctx Context) bool {
	values := lookup(ctx, c.key)
	if c.operator == null {
		return c.asksFor(!values.Present())
	}
	if !values.Present() {
		return c.holdsAbsent()
	}
	if c.set == noSet && values.kind == single {
		return c.accepts(values.one, ctx) // nearly always
	}
	if c.set != noSet && empty(values) {
		return c.set == forAll // "an empty data set (for example, an empty string)"
	}
	// Without a set operator a key with several values is met by any of them, and a negated
	// operator by none: NotEquals is the negation of Equals.
	needAll := c.set == forAll || c.set == noSet && c.operator.negated
	for i := range values.Len() {
		if c.accepts(values.At(i), ctx) != needAll {
			return !needAll
		}
	}
	return needAll
}

// asksFor reports whether a Null condition is met by a key that is missing or not.
func (c *condition) asksFor(missing bool) bool {
	for i := range c.operands {
		if c.operands[i].truth == missing {
			return true
		}
	}
	return false
}

// holdsAbsent reports whether the condition is met by a request without the key.
func (c *condition) holdsAbsent() bool {
	switch {
	case c.ifExists, c.set == forAll:
		return true
	case c.set == forAny:
		return false
	}
	return c.operator.negated
}

// accepts reports whether one value of the request satisfies the operator: it matches one of
// the operands, or, negated, none of them.
func (c *condition) accepts(value string, ctx Context) bool {
	for i := range c.operands {
		if c.operator.test(&c.operands[i], value, ctx) {
			return !c.operator.negated
		}
	}
	return c.operator.negated
}

// empty reports whether there is nothing but empty strings.
func empty(v Values) bool {
	for i := range v.Len() {
		if v.At(i) != "" {
			return false
		}
	}
	return true
}
