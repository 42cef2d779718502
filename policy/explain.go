package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Explanation is a Decision with its grounds: every statement of the Set, and whether it
// took part.
type Explanation struct {
	Decision
	Request    Request
	Statements []Verdict // in the order of the Set: ceilings, resource, identity, boundary, session
}

// Verdict is what one statement had to say.
type Verdict struct {
	Source   Source
	Policy   string // name of the document, or what it is: "identity-based policy 2"
	Sid      string
	Index    int    // of the statement in its document, from 0
	Effect   string // "Allow" or "Deny"
	Matched  bool
	Deciding bool   // the decision rests on this statement
	Why      string // why it did not match; or by what name the caller matched

	grip grip
}

// Explain decides like Decide and says why. It is meant for people, not for the hot path. What it
// says holds values of the request's condition keys: show it to those who may see them.
func Explain(req *Request, set *Set) Explanation {
	e := Explanation{Decision: Decide(req, set)}
	if req == nil || set == nil || req.Principal == nil {
		return e
	}
	e.Request = *req
	a := newAsk(req)
	e.add(&a, FromCeiling, set.Ceilings)
	e.add(&a, set.resourceSource(), []*Document{set.Resource})
	e.add(&a, FromIdentity, set.Identity)
	e.add(&a, FromBoundary, []*Document{set.Boundary})
	e.add(&a, FromSession, set.Session)
	for i := range e.Statements {
		e.Statements[i].Deciding = e.decides(&e.Statements[i], set)
	}
	return e
}

// add appends the verdicts of the documents of one kind.
func (e *Explanation) add(a *ask, source Source, docs []*Document) {
	for n, d := range docs {
		if d == nil {
			continue
		}
		name := d.name
		if name == "" {
			name = source.String()
			if len(docs) > 1 {
				name += fmt.Sprintf(" %d", n+1)
			}
		}
		attached := source == FromResource || source == FromTrust
		for i := range d.statements {
			st := &d.statements[i]
			v := Verdict{Source: source, Policy: name, Sid: st.sid, Index: i, Effect: st.effect()}
			if attached && st.allow && st.principals == nil {
				v.Why = "it does not say for whom it is"
			} else {
				g, m, unmet := st.match(a)
				v.grip, v.Matched, v.Why = g, g != noGrip, st.why(a, g, m, unmet)
			}
			e.Statements = append(e.Statements, v)
		}
	}
}

// decides reports whether the decision rests on the statement: a Deny that matched, or an Allow
// that the decision needed.
func (e *Explanation) decides(v *Verdict, set *Set) bool {
	switch {
	case !v.Matched:
		return false
	case e.Reason == ExplicitDeny:
		return v.Effect == "Deny" && v.Source == e.Source
	case !e.Allowed:
		return false
	case v.Source == FromCeiling:
		return true
	}
	attached := v.Source == FromResource || v.Source == FromTrust
	switch e.Reason {
	case AllowedByBoth:
		return true
	case AllowedByIdentity:
		return !attached || set.RootOfTrust
	case AllowedByRoot:
		return v.Source == FromSession || attached && set.RootOfTrust
	case AllowedByResource:
		return attached && v.grip >= gripBehind
	}
	return false
}

// why says how the statement took hold of the caller, or what did not match.
func (st *statement) why(a *ask, g grip, m miss, unmet *condition) string {
	switch m {
	case missAction:
		return fmt.Sprintf("action %s:%s is %s %s", a.service, a.name, amongst(st.notAction), list(st.actions, func(x action) string { return x.written }))
	case missPrincipal:
		return "its principals are not " + a.principal.String()
	case missResource:
		return fmt.Sprintf("resource %s is %s %s", a.resource, amongst(st.notResource), list(st.resources, func(x resource) string { return x.written }))
	case missCondition:
		return unmet.why(a.context)
	}
	switch {
	case st.principals == nil:
		return "it matches"
	case g == gripAccount:
		return "it names the account of the caller, and leaves it to the identity-based policies there"
	case g == gripBehind:
		return "it names what stands behind the session of the caller"
	}
	return "it names the caller, or everybody"
}

// amongst says on which side of a Not element the value fell.
func amongst(not bool) string {
	if not {
		return "excepted by"
	}
	return "not among"
}

// list writes values as they stand in a policy, the first few of them.
func list[T any](items []T, text func(T) string) string {
	const most = 8
	var words []string
	for _, item := range items[:min(len(items), most)] {
		words = append(words, fmt.Sprintf("%q", text(item)))
	}
	if len(items) > most {
		words = append(words, fmt.Sprintf("and %d more", len(items)-most))
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// why says what the request has for the key and what the policy asks.
func (c *condition) why(ctx Context) string {
	has := "the request has no such key"
	if v := lookup(ctx, c.key); v.Present() {
		var values []string
		for i := range v.Len() {
			values = append(values, v.At(i))
		}
		has = "the request has " + list(values, func(s string) string { return s })
	}
	asked := list(c.operands, func(o operand) string { return o.written })
	for i := range c.operands {
		for _, part := range c.operands[i].pattern.parts {
			if _, ok := part.value(ctx); part.variable && !ok {
				asked += ", where ${" + part.key + "} has no value"
			}
		}
	}
	return fmt.Sprintf("condition %s on %s: %s, the policy asks for %s", c.written, c.named, has, asked)
}

// Deciding returns the verdicts that the decision rests on.
func (e Explanation) Deciding() []Verdict {
	return slices.DeleteFunc(slices.Clone(e.Statements), func(v Verdict) bool { return !v.Deciding })
}

// String tells the explanation in lines of plain text: the request, the decision, and each
// statement with a mark on those that decide.
func (e Explanation) String() string {
	var b strings.Builder
	verdict := "REFUSED"
	if e.Allowed {
		verdict = "ALLOWED"
	}
	fmt.Fprintf(&b, "%s: %s, %s, %s\n", verdict, e.Request.Principal, e.Request.Action, e.Request.Resource)
	fmt.Fprintf(&b, "  %s", e.Reason)
	switch {
	case e.Reason == AllowedByGrant:
		fmt.Fprintf(&b, " %s", e.GrantID)
	case e.Reason == ExplicitDeny:
		fmt.Fprintf(&b, " in %s%s", e.Source.article(), e.Source)
	case !e.Allowed:
		fmt.Fprintf(&b, ": no %s allows it", e.Source)
	}
	b.WriteByte('\n')
	for _, v := range e.Statements {
		mark := "-"
		if v.Deciding {
			mark = "*"
		}
		fmt.Fprintf(&b, "%s %s of %s, %s: %s\n", mark, v.label(), v.Policy, v.Effect, v.Why)
	}
	return b.String()
}

// label names the statement by its Sid, or by its place.
func (v Verdict) label() string {
	if v.Sid != "" {
		return fmt.Sprintf("statement %q", v.Sid)
	}
	return fmt.Sprintf("statement %d", v.Index)
}
