package grant

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
)

type pairs = map[string]string

func TestAllows(t *testing.T) {
	all := []string{"Decrypt", "DescribeKey", "GenerateDataKey"}
	for _, c := range []struct {
		name string
		g    Grant
		op   string
		ctx  pairs
		want bool
	}{
		{"listed, no constraint", Grant{Operations: all}, "Decrypt", pairs{"any": "thing"}, true},
		{"not listed", Grant{Operations: all}, "Encrypt", nil, false},
		{"equals", Grant{Operations: all, Equals: pairs{"a": "1", "b": "2"}}, "Decrypt", pairs{"b": "2", "a": "1"}, true},
		{"equals, keys in other case", Grant{Operations: all, Equals: pairs{"aws:S3:Arn": "x"}}, "Decrypt", pairs{"AWS:s3:arn": "x"}, true},
		{"equals, value in other case", Grant{Operations: all, Equals: pairs{"a": "x"}}, "Decrypt", pairs{"a": "X"}, false},
		{"equals, pair too many", Grant{Operations: all, Equals: pairs{"a": "1"}}, "Decrypt", pairs{"a": "1", "b": "2"}, false},
		{"equals, twice in two cases", Grant{Operations: all, Equals: pairs{"a": "1", "b": "1"}}, "Decrypt", pairs{"a": "1", "A": "1"}, false},
		{"equals, pair missing", Grant{Operations: all, Equals: pairs{"a": "1", "b": "2"}}, "Decrypt", pairs{"a": "1"}, false},
		{"equals, no context", Grant{Operations: all, Equals: pairs{"a": "1"}}, "Decrypt", nil, false},
		{"subset", Grant{Operations: all, Subset: pairs{"a": "1"}}, "Decrypt", pairs{"a": "1", "b": "2"}, true},
		{"subset, keys in other case", Grant{Operations: all, Subset: pairs{"Tenant": "1"}}, "Decrypt", pairs{"TENANT": "1", "b": "2"}, true},
		{"subset, other value under the same key, right one in other case", Grant{Operations: all, Subset: pairs{"a": "1"}}, "Decrypt", pairs{"a": "2", "A": "1"}, true},
		{"subset, other value", Grant{Operations: all, Subset: pairs{"a": "1"}}, "Decrypt", pairs{"a": "2"}, false},
		{"subset, no context", Grant{Operations: all, Subset: pairs{"a": "1"}}, "GenerateDataKey", nil, false},
		{"kelvin sign is no k", Grant{Operations: all, Subset: pairs{"k": "1"}}, "Decrypt", pairs{"\u212a": "1"}, false},
		{"operation without context", Grant{Operations: all, Equals: pairs{"a": "1"}}, "DescribeKey", nil, true},
		{"both, one fails", Grant{Operations: all, Equals: pairs{"a": "1"}, Subset: pairs{"b": "1"}}, "Decrypt", pairs{"a": "1"}, false},
	} {
		if got := c.g.Allows(&Request{Operation: c.op, Context: c.ctx}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		found := NewSet([]*Grant{{Operations: []string{"Encrypt"}, Subset: pairs{"zz": "1"}}, &c.g}).Find(&Request{Operation: c.op, Context: c.ctx})
		if (found == &c.g) != c.want {
			t.Errorf("%s: a set finds %v", c.name, found)
		}
		rules := rulesOf(t, &Grant{Operations: []string{"Encrypt"}, Subset: pairs{"zz": "1"}}, &c.g)
		if got := rules.Find("g", &Request{Operation: c.op, Context: c.ctx}); (got != "") != c.want {
			t.Errorf("%s: rules find %q", c.name, got)
		}
	}
}

// rulesOf makes rules of grants to a grantee called g.
func rulesOf(t *testing.T, grants ...*Grant) Rules {
	t.Helper()
	var all []*Grant
	for i, g := range grants {
		copied := *g
		copied.ID, copied.Grantee = fmt.Sprintf("%064x", i+1), Party{Name: "g"}
		all = append(all, &copied)
	}
	rules, err := NewRules(all)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestRules(t *testing.T) {
	rules, err := NewRules([]*Grant{
		{ID: fmt.Sprintf("%064x", 1), Grantee: Party{Name: "a"}, Operations: []string{"Sign"}},
		{ID: fmt.Sprintf("%064x", 0xab), Grantee: Party{Name: "a", ID: "AIDA"}, Operations: []string{"Decrypt", "RetireGrant"}, Source: "arn"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ grantee, op, source, want string }{
		{"a", "Sign", "", fmt.Sprintf("%064x", 1)}, {"AIDA", "Sign", "", ""}, {"a", "Decrypt", "arn", ""}, {"a", "Verify", "", ""}, {"a", "", "", ""}, {"a", "NoSuch", "", ""},
		{"AIDA", "Decrypt", "arn", fmt.Sprintf("%064x", 0xab)}, {"AIDA", "Decrypt", "", ""}, {"AIDA", "RetireGrant", "", fmt.Sprintf("%064x", 0xab)},
	} {
		if got := rules.Find(c.grantee, &Request{Operation: c.op, Source: c.source}); got != c.want {
			t.Errorf("%s %s for %q: got %q, want %q", c.grantee, c.op, c.source, got, c.want)
		}
	}
	if len(everyOperation) > 32 {
		t.Errorf("%d operations do not fit", len(everyOperation))
	}
	for _, id := range []string{"", "ab", fmt.Sprintf("%063xg", 1)} {
		if _, err := NewRules([]*Grant{{ID: id}}); err == nil {
			t.Errorf("a grant with the id %q has rules", id)
		}
	}
}

func TestRulesSame(t *testing.T) {
	named := Grant{ID: fmt.Sprintf("%064x", 7), Name: "n", Grantee: Party{Name: "a"}, Operations: []string{"Sign"}, Created: time.Now()}
	nameless := Grant{ID: fmt.Sprintf("%064x", 8), Grantee: Party{Name: "a"}, Operations: []string{"Sign"}}
	rules, err := NewRules([]*Grant{&nameless, &named})
	if err != nil {
		t.Fatal(err)
	}
	again, other, without := named, named, nameless
	again.ID, again.Created = "", time.Time{}
	other.Operations = []string{"Verify"}
	for _, c := range []struct {
		g    *Grant
		want string
	}{{&again, named.ID}, {&other, ""}, {&without, ""}} {
		if got := rules.Same(c.g); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.g, got, c.want)
		}
	}
}

// TestRulesGrants makes rules of grants that have each field in all ways, and grants of them again.
func TestRulesGrants(t *testing.T) {
	at := time.Date(2026, 11, 1, 12, 0, 0, 123e6, time.UTC)
	want := []*Grant{
		{Grantee: Party{Name: "s.amazonaws.com", Service: true}, Retiring: Party{Name: "r", ID: "AIDAR"}, Source: "arn", Operations: []string{"Decrypt", "RetireGrant"}, Created: at},
		{Grantee: Party{Name: "a", ID: "AIDA"}, Name: "n", Equals: pairs{"a": "1"}, Operations: []string{"Encrypt"}, Created: at.Add(time.Hour)},
		{Grantee: Party{Name: "a"}, Subset: pairs{"a": "1", "b": "2"}, Operations: []string{"Encrypt"}, Created: at},
		{Grantee: Party{Name: "a"}, Operations: slices.Clone(everyOperation), Created: at},
	}
	for i, g := range want {
		g.ID, g.Issuer = fmt.Sprintf("%064x", i+0xabc), "111122223333"
	}
	mixed := slices.Clone(want)
	slices.Reverse(mixed)
	rules, err := NewRules(mixed[1:])
	if err != nil {
		t.Fatal(err)
	}
	others, err := NewRules(mixed[:1])
	if err != nil {
		t.Fatal(err)
	}
	all := rules.Replace(nil, others)
	if got := all.Grants(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got := all.Replace(map[string]bool{want[0].ID: true, want[2].ID: true}, nil).Grants(); !reflect.DeepEqual(got, []*Grant{want[1], want[3]}) {
		t.Errorf("without two: %+v", got)
	}
	if got := Rules(nil).Grants(); len(got) != 0 {
		t.Errorf("of none: %+v", got)
	}
}

func TestWithin(t *testing.T) {
	ops := []string{"CreateGrant", "Decrypt", "Encrypt"}
	for _, c := range []struct {
		name          string
		child, parent Grant
		want          bool
	}{
		{"same", Grant{Operations: ops}, Grant{Operations: ops}, true},
		{"fewer operations", Grant{Operations: ops[1:2]}, Grant{Operations: ops}, true},
		{"more operations", Grant{Operations: ops}, Grant{Operations: ops[:2]}, false},
		{"constraint added", Grant{Operations: ops, Subset: pairs{"a": "1"}}, Grant{Operations: ops}, true},
		{"constraint dropped", Grant{Operations: ops}, Grant{Operations: ops, Subset: pairs{"a": "1"}}, false},
		{"equals kept", Grant{Operations: ops, Equals: pairs{"A": "1"}}, Grant{Operations: ops, Equals: pairs{"a": "1"}}, true},
		{"equals loosened to subset", Grant{Operations: ops, Subset: pairs{"a": "1"}}, Grant{Operations: ops, Equals: pairs{"a": "1"}}, false},
		{"equals changed", Grant{Operations: ops, Equals: pairs{"a": "1", "b": "2"}}, Grant{Operations: ops, Equals: pairs{"a": "1"}}, false},
		{"subset to equals", Grant{Operations: ops, Equals: pairs{"a": "1", "b": "2"}}, Grant{Operations: ops, Subset: pairs{"a": "1"}}, true},
		{"subset to equals of others", Grant{Operations: ops, Equals: pairs{"b": "2"}}, Grant{Operations: ops, Subset: pairs{"a": "1"}}, false},
		{"subset grown", Grant{Operations: ops, Subset: pairs{"a": "1", "b": "2"}}, Grant{Operations: ops, Subset: pairs{"a": "1"}}, true},
		{"source kept", Grant{Operations: ops, Source: "arn:aws:s3:::b"}, Grant{Operations: ops, Source: "arn:aws:s3:::b"}, true},
		{"source added", Grant{Operations: ops, Source: "arn:aws:s3:::b"}, Grant{Operations: ops}, true},
		{"source dropped", Grant{Operations: ops}, Grant{Operations: ops, Source: "arn:aws:s3:::b"}, false},
		{"source changed", Grant{Operations: ops, Source: "arn:aws:s3:::c"}, Grant{Operations: ops, Source: "arn:aws:s3:::b"}, false},
		{"subset shrunk", Grant{Operations: ops, Subset: pairs{"a": "1"}}, Grant{Operations: ops, Subset: pairs{"a": "1", "b": "2"}}, false},
	} {
		if got := c.child.Within(&c.parent); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if found := NewSet([]*Grant{&c.parent}).Parent(&c.child, c.parent.Source); (found != nil) != c.want {
			t.Errorf("%s: Parent says %v", c.name, found)
		}
	}
}

func TestFingerprint(t *testing.T) {
	a := Grant{Name: "n", Grantee: Party{Name: "g"}, Operations: []string{"Decrypt"}, Subset: pairs{"a": "1", "b": "2"}}
	b := a
	b.ID, b.Created = "x", time.Now()
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("id or time counts")
	}
	for i, change := range []func(*Grant){
		func(g *Grant) { g.Name = "m" }, func(g *Grant) { g.Grantee.Name = "h" }, func(g *Grant) { g.Grantee.ID = "AIDA" },
		func(g *Grant) { g.Retiring.Name = "g" }, func(g *Grant) { g.Source = "arn:aws:s3:::b" },
		func(g *Grant) { g.Operations = []string{"Encrypt"} }, func(g *Grant) { g.Equals, g.Subset = g.Subset, nil },
		func(g *Grant) { g.Subset = pairs{"a": "1"} },
	} {
		b := a
		if change(&b); a.Fingerprint() == b.Fingerprint() {
			t.Errorf("change %d does not count", i)
		}
	}
}

func TestDistinct(t *testing.T) {
	if !Distinct(pairs{"a": "", "b": ""}) || Distinct(pairs{"a": "", "A": ""}) {
		t.Error("Distinct is wrong")
	}
}

// FuzzSet checks that a set finds a grant exactly when one of them allows.
func FuzzSet(f *testing.F) {
	f.Add("a", "1", "A", "1", "b", "2", true)
	f.Fuzz(func(t *testing.T, k, v, ck, cv, ck2, cv2 string, equals bool) {
		g := &Grant{Operations: []string{"Decrypt"}, Subset: pairs{k: v}}
		if equals {
			g.Equals, g.Subset = g.Subset, nil
		}
		ctx := pairs{ck: cv, ck2: cv2}
		r := &Request{Operation: "Decrypt", Context: ctx}
		if got, want := rulesOf(t, g).Find("g", r) != "", g.Allows(r); got != want {
			t.Fatalf("%v under %v: rules find %v, allows %v", g, ctx, got, want)
		}
		if got, want := NewSet([]*Grant{g}).Find(r) != nil, g.Allows(r); got != want {
			t.Fatalf("%v under %v: found %v, allows %v", g, ctx, got, want)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	var grants []*Grant
	for i := range 50_000 {
		grants = append(grants, &Grant{Operations: []string{"Decrypt", "GenerateDataKey"}, Subset: pairs{"aws:aps:arn": fmt.Sprint("workspace/", i)}})
	}
	s := NewSet(grants)
	r := &Request{Operation: "Decrypt", Context: pairs{"aws:aps:arn": "workspace/49999"}}
	b.ReportAllocs()
	for b.Loop() {
		if s.Find(r) == nil {
			b.Fatal("not found")
		}
	}
}
