package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The generators draw from few names, so that statements and requests meet often.

func genStrings(choices ...string) *rapid.Generator[[]string] {
	return rapid.SliceOfN(rapid.SampledFrom(choices), 1, 3)
}

// genStatement draws a statement as a value that can be printed and changed.
func genStatement(effect string, attached bool) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		st := map[string]any{"Effect": effect}
		if effect == "" {
			st["Effect"] = rapid.SampledFrom([]string{"Allow", "Allow", "Deny"}).Draw(t, "effect")
		}
		not := func(name string) string {
			return rapid.SampledFrom([]string{name, name, name, "Not" + name}).Draw(t, name)
		}
		st[not("Action")] = genStrings("*", "kms:*", "kms:Encrypt", "kms:En*", "s3:Get?bject", "s3:*").Draw(t, "actions")
		st[not("Resource")] = genStrings("*", keyARN, "arn:aws:kms:*:*:key/*", "arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/*").Draw(t, "resources")
		if attached {
			who := genStrings("*", home, abroad, userARN, roleARN, sessARN, "AIDAALICEALICEALICE1").Draw(t, "principals")
			st[not("Principal")] = map[string]any{"AWS": who, "Service": []string{"logs.amazonaws.com"}}
		}
		if rapid.Bool().Draw(t, "conditional") {
			st["Condition"] = map[string]any{
				rapid.SampledFrom([]string{"StringEquals", "StringNotEquals", "StringLikeIfExists", "ForAllValues:StringEquals", "ForAnyValue:StringNotLike"}).Draw(t, "operator"): map[string]any{
					rapid.SampledFrom([]string{"aws:username", "aws:TagKeys"}).Draw(t, "key"): genStrings("a", "b", "${aws:username}", "*").Draw(t, "values")},
			}
		}
		return st
	})
}

// text prints statements as a document.
func text(statements []map[string]any) string {
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func genDocument(t *rapid.T, kind Kind, label string) *Document {
	statements := rapid.SliceOfN(genStatement("", kind.attached()), 1, 3).Draw(t, label)
	d, err := Parse([]byte(text(statements)), kind)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text(statements), err)
	}
	return d
}

func genRequest(t *rapid.T) *Request {
	who := rapid.SampledFrom([]*Principal{alice(), session(), federatedSession(), root(), service(), {Anonymous: true}}).Draw(t, "who")
	ctx := Map{}
	if rapid.Bool().Draw(t, "has name") {
		ctx["aws:username"] = One(rapid.SampledFrom([]string{"a", "b", "*", ""}).Draw(t, "name"))
	}
	ctx["aws:tagkeys"] = Many(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", ""}), 0, 3).Draw(t, "tags"))
	return &Request{
		Principal: who, Context: ctx,
		Action:   rapid.SampledFrom([]string{"kms:Encrypt", "kms:Decrypt", "s3:GetObject", "KMS:encrypt"}).Draw(t, "action"),
		Resource: rapid.SampledFrom([]string{keyARN, "arn:aws:s3:::b/a/k", "arn:aws:s3:::b/z/k", "*"}).Draw(t, "resource"),
	}
}

func genSet(t *rapid.T) *Set {
	s := &Set{RootOfTrust: rapid.Bool().Draw(t, "root of trust"), Granted: rapid.Bool().Draw(t, "granted")}
	s.ResourceAccount = rapid.SampledFrom([]string{"", home, abroad}).Draw(t, "owner")
	for i := range rapid.IntRange(0, 2).Draw(t, "identity policies") {
		s.Identity = append(s.Identity, genDocument(t, Identity, fmt.Sprintf("identity %d", i)))
	}
	if rapid.Bool().Draw(t, "resource policy") {
		s.Resource = genDocument(t, KeyPolicy, "resource")
	}
	if rapid.Bool().Draw(t, "boundary") {
		s.Boundary = genDocument(t, Boundary, "boundary policy")
	}
	if rapid.Bool().Draw(t, "session") {
		s.Session = []*Document{genDocument(t, Session, "session policy")}
	}
	return s
}

// with returns d with one statement more.
func with(t *rapid.T, d *Document, st map[string]any) *Document {
	var parsed struct{ Statement []map[string]any }
	if err := json.Unmarshal(d.Text(), &parsed); err != nil {
		t.Fatal(err)
	}
	more, err := Parse([]byte(text(append(parsed.Statement, st))), d.Kind())
	if err != nil {
		t.Fatal(err)
	}
	return more
}

func TestMorePolicyMovesOneWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		req, set := genRequest(t), genSet(t)
		before := Decide(req, set)

		d := genDocument(t, Identity, "base")
		set.Identity = append(set.Identity, d)
		base := Decide(req, set)
		set.Identity[len(set.Identity)-1] = with(t, d, genStatement("Deny", false).Draw(t, "denial"))
		if denied := Decide(req, set); denied.Allowed && !base.Allowed {
			t.Fatalf("a Deny allowed: %+v, then %+v", base, denied)
		}
		set.Identity[len(set.Identity)-1] = with(t, d, genStatement("Allow", false).Draw(t, "allowance"))
		if allowed := Decide(req, set); base.Allowed && !allowed.Allowed {
			t.Fatalf("an Allow denied: %+v, then %+v", base, allowed)
		}
		set.Identity = set.Identity[:len(set.Identity)-1]

		for name, limit := range map[string]func(*Set){
			"ceiling":  func(s *Set) { s.Ceilings = append(slices.Clone(s.Ceilings), d) },
			"boundary": func(s *Set) { s.Boundary = d },
			"session":  func(s *Set) { s.Session = []*Document{d} },
		} {
			limited := *set
			if name == "boundary" && set.Boundary != nil || name == "session" && set.Session != nil {
				continue
			}
			limit(&limited)
			if after := Decide(req, &limited); after.Allowed && !before.Allowed {
				t.Fatalf("a %s allowed: %+v, then %+v", name, before, after)
			}
		}
	})
}

func TestExplicitDenyWins(t *testing.T) {
	all := map[string]any{"Effect": "Deny", "Action": "*", "Resource": "*"}
	rapid.Check(t, func(t *rapid.T) {
		req, set := genRequest(t), genSet(t)
		d, err := Parse([]byte(text([]map[string]any{all})), Identity)
		if err != nil {
			t.Fatal(err)
		}
		set.Identity = append(set.Identity, d)
		if got := Decide(req, set); got.Allowed || got.Reason != ExplicitDeny {
			t.Fatalf("got %+v", got)
		}
	})
}

// TestAgainstNaive compares Decide with the rules written down as sets of matching statements,
// which know nothing of grips, shapes and short cuts.
func TestAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		req, set := genRequest(t), genSet(t)
		got, want := Decide(req, set), naive(req, set)
		if got.Allowed != want {
			t.Fatalf("got %+v, want %v\n%s", got, want, Explain(req, set))
		}
		e := Explain(req, set)
		if e.Decision != got {
			t.Fatalf("Explain says %+v, Decide %+v", e.Decision, got)
		}
		if (got.Reason == ExplicitDeny) != (len(e.Deciding()) > 0 && e.Deciding()[0].Effect == "Deny") {
			t.Fatalf("deciding %+v of %+v", e.Deciding(), got)
		}
		if got.Allowed != (got.Source == NoSource) || got.Allowed != (got.Reason > ExplicitDeny) {
			t.Fatalf("contradiction in %+v", got)
		}
	})
}

// naive is the decision as the documentation tells it, over the verdicts of single statements.
func naive(req *Request, set *Set) bool {
	matched := func(effect string, docs ...*Document) (grips []grip) {
		a := newAsk(req)
		for _, d := range docs {
			for i := range d.statements {
				if g, _, _ := d.statements[i].match(&a); g != noGrip && d.statements[i].effect() == effect {
					grips = append(grips, g)
				}
			}
		}
		return grips
	}
	attached, boundaries := []*Document{}, []*Document{}
	if set.Resource != nil {
		attached = append(attached, set.Resource)
	}
	if set.Boundary != nil {
		boundaries = append(boundaries, set.Boundary)
	}
	if len(matched("Deny", slices.Concat(attached, boundaries, set.Identity, set.Session)...)) > 0 {
		return false
	}
	p := req.Principal
	given := matched("Allow", attached...)
	if p.Anonymous {
		return slices.Contains(given, gripOwn)
	}
	if p.Service != "" {
		return set.Granted || len(given) > 0
	}
	limits := set.Session == nil || len(matched("Allow", set.Session...)) > 0
	limits = limits && (p.Root || set.Boundary == nil || len(matched("Allow", boundaries...)) > 0)
	own := limits && (p.Root || len(matched("Allow", set.Identity...)) > 0)
	switch {
	case set.Granted && limits:
		return true
	case set.ResourceAccount != "" && set.ResourceAccount != p.Account:
		return own && len(given) > 0
	case slices.Contains(given, gripOwn):
		return true
	case slices.Contains(given, gripBehind) && limits:
		return true
	case set.RootOfTrust:
		return own && len(given) > 0
	}
	return own
}

func TestNegationIsNegation(t *testing.T) {
	pairs := map[string]string{
		"StringEquals": "StringNotEquals", "StringLike": "StringNotLike", "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
		"NumericEquals": "NumericNotEquals", "ArnLike": "ArnNotLike", "DateEquals": "DateNotEquals",
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]string{"a", "A", "ab", "1", "1.0", "2024", "arn:aws:s3:::b", "", "é"}).Draw(t, "value")
		name := rapid.SampledFrom([]string{"StringEquals", "StringLike", "StringEqualsIgnoreCase", "NumericEquals", "ArnLike", "DateEquals"}).Draw(t, "operator")
		wanted := map[string][]string{
			"NumericEquals": {"1", "2", "1e0"}, "ArnLike": {"arn:aws:s3:::?", "*"}, "DateEquals": {"2024", "2024-01-01T00:00:00Z", "1"},
		}[name]
		if wanted == nil {
			wanted = []string{"a", "A?", "*", "", "${aws:absent}", "é"}
		}
		values := genStrings(wanted...).Draw(t, "policy values")
		ask := func(operator string) bool {
			d, err := Parse([]byte(text([]map[string]any{{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": map[string]any{operator: map[string]any{"aws:k": values}}}})), Identity)
			if err != nil {
				t.Fatal(err)
			}
			return Decide(&Request{Principal: alice(), Action: "s3:X", Resource: "*", Context: Map{"aws:k": One(value)}}, &Set{Identity: []*Document{d}}).Allowed
		}
		if ask(name) == ask(pairs[name]) {
			t.Fatalf("%s and %s agree on %q of %v", name, pairs[name], value, values)
		}
	})
}

// TestValuesAreNoPatterns: whatever stands in the value of a variable, it matches itself only.
func TestValuesAreNoPatterns(t *testing.T) {
	like := must(t, Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:username}","Condition":{"StringLike":{"aws:k":"x${aws:username}y"}}}`))
	rapid.Check(t, func(t *rapid.T) {
		chars := rapid.StringMatching(`[ab*?:$\x00é]{0,6}`)
		name, other := chars.Draw(t, "name"), chars.Draw(t, "other")
		ask := func(s string) bool {
			ctx := Map{"aws:username": One(name), "aws:k": One("x" + s + "y")}
			return Decide(&Request{Principal: alice(), Action: "s3:X", Resource: "arn:aws:s3:::b/" + s, Context: ctx}, &Set{Identity: []*Document{like}}).Allowed
		}
		if !ask(name) || ask(other) != (name == other) {
			t.Fatalf("name %q, other %q: %v, %v", name, other, ask(name), ask(other))
		}
	})
}

func TestActionCaseDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		req, set := genRequest(t), genSet(t)
		upper := *req
		upper.Action = strings.ToUpper(req.Action)
		if Decide(req, set).Allowed != Decide(&upper, set).Allowed {
			t.Fatalf("%s and %s differ", req.Action, upper.Action)
		}
	})
}
