package policy

import (
	"bytes"
	"fmt"
	"strings"
)

// SyntaxError says why a text is not a policy. Message is the sentence AWS answers
// with, where it is known; Detail is ours, and says where the mistake is.
type SyntaxError struct {
	Message string // "Syntax errors in policy."
	Detail  string // `Statement[1].Condition: no operator "StringEqual"`; may be empty
}

// Error returns the message and, after it, the detail.
func (e *SyntaxError) Error() string {
	if e.Detail == "" {
		return e.Message
	}
	return e.Message + " (" + e.Detail + ")"
}

// AWS's sentences. IAM's, which KMS mostly shares, and S3's where they differ.
const (
	msgSyntax           = "Syntax errors in policy."
	msgSyntaxS3         = "Invalid policy syntax."
	msgJSONS3           = "Policies must be valid JSON and the first byte must be '{'"
	msgSid              = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
	msgSidTwice         = "Statement IDs (SID) in a single policy must be unique."
	msgNoActions        = "Policy statement must contain actions."
	msgNoResources      = "Policy statement must contain resources."
	msgHasPrincipal     = "Policy document should not specify a principal."
	msgNoPrincipal      = "Missing required field Principal"
	msgHasResource      = "Has prohibited field Resource"
	msgNotSTS           = "AssumeRole policy may only specify STS AssumeRole actions."
	msgPrincipal        = "Invalid principal in policy"
	msgPrincipalKMS     = "Policy contains a statement with one or more invalid principals."
	msgResourceS3       = "Policy has invalid resource"
	msgActionS3         = "Policy has invalid action"
	msgConditionKeyForm = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
)

// The versions of the language. Variables came with the second.
const (
	version2008 = "2008-10-17"
	version2012 = "2012-10-17"
)

// Parse reads and compiles a policy document. It is strict: what AWS's grammar does not
// know, a name that stands twice, a value of the wrong type or an operator that does not
// exist is refused, because a policy that is not understood must not be stored as if it were.
// text is copied. Every error is a *SyntaxError.
func Parse(text []byte, kind Kind) (*Document, error) {
	limit := MaxSize
	if kind == KeyPolicy {
		limit = MaxKeyPolicySize
	}
	p := parser{kind: kind}
	if len(text) > limit {
		return nil, p.syntax(fmt.Sprintf("longer than %d bytes", limit))
	}
	root, err := readJSON(text)
	if err == nil && root.form != formObject {
		err = fmt.Errorf("not a JSON object")
	}
	if err != nil {
		if kind == Resource {
			return nil, &SyntaxError{msgJSONS3, err.Error()}
		}
		return nil, p.syntax(err.Error())
	}
	d := &Document{kind: kind, text: bytes.Clone(text), version: version2008}
	if err := p.document(d, root); err != nil {
		return nil, err
	}
	return d, nil
}

// parser holds what the grammar depends on.
type parser struct {
	kind Kind
	how  int // variables, in the version that has them
	sids map[string]bool
	at   string // where we are: "Statement[1]"
}

// syntax returns the general error, in the words of the service that stores the kind.
func (p *parser) syntax(detail string) error {
	msg := msgSyntax
	if p.kind == Resource {
		msg = msgSyntaxS3
	}
	return p.fail(msg, detail)
}

// fail returns an error with a place in its detail.
func (p *parser) fail(message, detail string) error {
	if p.at != "" && detail != "" {
		detail = p.at + ": " + detail
	} else if p.at != "" {
		detail = p.at
	}
	return &SyntaxError{Message: message, Detail: detail}
}

// document reads the elements of the document. The version comes first, because it says
// what the statements mean.
func (p *parser) document(d *Document, root node) error {
	var statements *node
	for i := range root.members {
		m := &root.members[i]
		if m.name == "Statement" {
			statements = &m.value
			continue
		}
		if m.value.form != formString {
			return p.syntax(m.name + " is unknown or not a string")
		}
		switch {
		case m.name == "Version" && (m.value.text == version2008 || m.value.text == version2012):
			d.version = m.value.text
		case m.name == "Version":
			return p.syntax("no version " + m.value.text)
		case m.name == "Id":
			d.id = m.value.text
		default:
			return p.syntax("no element " + m.name)
		}
	}
	if statements == nil {
		return p.syntax("no Statement")
	}
	if d.version == version2012 {
		p.how = variables
	}
	return p.statements(d, *statements)
}

// statements reads one statement or a list of them.
func (p *parser) statements(d *Document, n node) error {
	items := []node{n}
	if n.form == formList {
		items = n.list
	}
	if len(items) == 0 || len(items) > maxStatements {
		return p.syntax(fmt.Sprintf("between 1 and %d statements are needed", maxStatements))
	}
	p.sids = make(map[string]bool)
	d.statements = make([]statement, len(items))
	for i := range items {
		p.at = fmt.Sprintf("Statement[%d]", i)
		if err := p.statement(&d.statements[i], items[i]); err != nil {
			return err
		}
	}
	return nil
}

// statement reads the elements of one statement and then checks that none is missing.
func (p *parser) statement(st *statement, n node) error {
	if n.form != formObject {
		return p.syntax("not an object")
	}
	seen := make(map[string]bool)
	for _, m := range n.members {
		seen[m.name] = true
		if err := p.element(st, m.name, m.value); err != nil {
			return err
		}
	}
	if err := p.complete(st, seen); err != nil {
		return err
	}
	st.service = oneService(st.actions)
	return nil
}

// element reads one element of a statement.
func (p *parser) element(st *statement, name string, v node) error {
	switch name {
	case "Sid":
		return p.sid(st, v)
	case "Effect":
		if v.form != formString || v.text != "Allow" && v.text != "Deny" {
			return p.syntax("Effect is neither Allow nor Deny")
		}
		st.allow = v.text == "Allow"
		return nil
	case "Action", "NotAction":
		st.notAction = name == "NotAction"
		return p.actions(st, v)
	case "Resource", "NotResource":
		st.notResource = name == "NotResource"
		return p.resources(st, v)
	case "Principal", "NotPrincipal":
		return p.principals(st, v, name == "NotPrincipal")
	case "Condition":
		return p.conditions(st, v)
	}
	if p.kind == Resource {
		return p.fail("Unknown field "+name, "")
	}
	return p.syntax("no element " + name)
}

// complete says what a statement lacks, or has too much of.
func (p *parser) complete(st *statement, seen map[string]bool) error {
	for _, name := range []string{"Action", "Resource", "Principal"} {
		if seen[name] && seen["Not"+name] {
			return p.syntax(name + " and Not" + name + " stand together")
		}
	}
	switch attached := p.kind.attached(); {
	case !seen["Effect"]:
		return p.syntax("no Effect")
	case len(st.actions) == 0:
		return p.fail(msgNoActions, "")
	case p.kind == Trust && st.resources != nil:
		return p.fail(msgHasResource, "")
	case p.kind != Trust && len(st.resources) == 0:
		return p.fail(msgNoResources, "")
	case !attached && st.principals != nil:
		return p.fail(msgHasPrincipal, "")
	case attached && st.principals == nil:
		return p.fail(msgNoPrincipal, "")
	}
	return nil
}

// sid reads the Sid. IAM allows letters and digits; the services that keep policies of
// resources allow more, such as the spaces of KMS's own "Enable IAM User Permissions".
func (p *parser) sid(st *statement, v node) error {
	if v.form != formString || len(v.text) > 256 {
		return p.syntax("Sid is not a string of at most 256 bytes")
	}
	loose := p.kind == Resource || p.kind == KeyPolicy
	for _, c := range v.text {
		plain := '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !plain && !loose || c < ' ' || c == 0x7f {
			return p.fail(msgSid, "")
		}
	}
	if v.text != "" && p.sids[v.text] {
		return p.fail(msgSidTwice, "")
	}
	p.sids[v.text] = true
	st.sid = v.text
	return nil
}

// actions reads the Action or NotAction element.
func (p *parser) actions(st *statement, v node) error {
	list, ok := v.strings()
	if !ok {
		return p.syntax("an action is not a string")
	}
	for _, s := range list {
		a, msg := compileAction(s)
		if msg != "" && p.kind == Resource {
			msg = msgActionS3
		}
		if msg != "" {
			return p.fail(msg, "action "+s)
		}
		if p.kind == Trust && a.service != "sts" {
			return p.fail(msgNotSTS, "action "+s)
		}
		st.actions = append(st.actions, a)
	}
	return nil
}

// resources reads the Resource or NotResource element.
func (p *parser) resources(st *statement, v node) error {
	list, ok := v.strings()
	if !ok {
		return p.syntax("a resource is not a string")
	}
	st.resources = make([]resource, 0, len(list))
	for _, s := range list {
		r, msg := compileResource(s, p.how)
		if msg != "" && p.kind == Resource {
			msg = msgResourceS3
		}
		if msg != "" {
			return p.fail(msg, "resource "+s)
		}
		st.resources = append(st.resources, r)
	}
	return nil
}

// principals reads the Principal or NotPrincipal element.
func (p *parser) principals(st *statement, v node, not bool) error {
	st.principals = &principals{not: not}
	if v.form == formString {
		if v.text != "*" {
			return p.principal(PrincipalAWS, v.text)
		}
		st.principals.add(PrincipalAWS, "*", p.kind)
		return nil
	}
	if v.form != formObject {
		return p.syntax(`Principal is neither "*" nor an object`)
	}
	for _, m := range v.members {
		list, ok := m.value.strings()
		if !ok {
			return p.syntax("a principal is not a string")
		}
		for _, s := range list {
			if !st.principals.add(PrincipalType(m.name), s, p.kind) {
				return p.principal(PrincipalType(m.name), s)
			}
		}
	}
	if len(st.principals.written) == 0 {
		return p.fail(msgNoPrincipal, "an empty one names nobody")
	}
	return nil
}

// principal returns the error for a principal that is none.
func (p *parser) principal(t PrincipalType, s string) error {
	named := fmt.Sprintf(`"%s":"%s"`, t, s)
	switch p.kind {
	case KeyPolicy:
		return p.fail(msgPrincipalKMS, named)
	case Resource:
		return p.fail(msgPrincipal, named)
	}
	return p.fail(msgPrincipal+": "+named, "")
}

// conditions reads the Condition element.
func (p *parser) conditions(st *statement, v node) error {
	if v.form != formObject {
		return p.syntax("Condition is not an object")
	}
	for _, m := range v.members {
		op, set, ifExists, ok := splitOperator(m.name)
		if !ok {
			return p.syntax("Condition: no operator " + m.name)
		}
		if m.value.form != formObject {
			return p.syntax("Condition: " + m.name + " is not an object")
		}
		for _, key := range m.value.members {
			c := condition{written: m.name, named: key.name, key: strings.ToLower(key.name), operator: op, set: set, ifExists: ifExists}
			if err := p.operands(&c, key.value); err != nil {
				return err
			}
			st.conditions = append(st.conditions, c)
		}
	}
	return nil
}

// operands reads the values of one condition key.
func (p *parser) operands(c *condition, v node) error {
	if before, after, ok := strings.Cut(c.named, ":"); !ok || before == "" || after == "" {
		return p.fail(msgConditionKeyForm, "condition key "+c.named)
	}
	list, ok := v.scalars()
	if !ok {
		return p.syntax("Condition: a value of " + c.named + " is no string, number or boolean")
	}
	c.operands = make([]operand, len(list))
	for i, s := range list {
		o := &c.operands[i]
		o.written = s
		if err := c.operator.compile(o, p.how); err != nil {
			return p.syntax(fmt.Sprintf("Condition: %s: %s: %q: %v", c.written, c.named, s, err))
		}
	}
	return nil
}
