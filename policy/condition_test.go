package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// holds parses a statement with one condition and asks it.
func holds(t *testing.T, operator string, wanted any, ctx Map) bool {
	t.Helper()
	values, err := json.Marshal(wanted)
	if err != nil {
		t.Fatal(err)
	}
	d := must(t, Identity, doc(fmt.Sprintf(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{%q:{"aws:Key":%s}}}`, operator, values)))
	return Decide(&Request{Principal: alice(), Action: "s3:GetObject", Resource: "*", Context: ctx}, &Set{Identity: []*Document{d}}).Allowed
}

func TestOperators(t *testing.T) {
	tests := []struct {
		operator string // the positive one
		negation string // and its negation, if there is one
		policy   any
		value    string
		want     bool
	}{
		{"StringEquals", "StringNotEquals", "a", "a", true},
		{"StringEquals", "StringNotEquals", "a", "A", false},
		{"StringEquals", "StringNotEquals", "a*", "ab", false},
		{"StringEquals", "StringNotEquals", "a*", "a*", true},
		{"StringEquals", "StringNotEquals", []string{"a", "b"}, "b", true},
		{"StringEquals", "StringNotEquals", []string{"a", "b"}, "c", false},
		{"StringEquals", "StringNotEquals", "", "", true},
		{"StringEquals", "StringNotEquals", []string{}, "a", false},
		{"StringEquals", "StringNotEquals", 10, "10", true},
		{"StringEquals", "StringNotEquals", true, "true", true},
		{"StringEquals", "StringNotEquals", "${*}${?}${$}", "*?$", true},
		{"StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StraßE", "sTRAßE", true},
		{"StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "a", "b", false},
		{"StringLike", "StringNotLike", "a*c?", "abbbcd", true},
		{"StringLike", "StringNotLike", "a*c?", "abbbc", false},
		{"StringLike", "StringNotLike", "A*", "abc", false},
		{"StringLike", "StringNotLike", "a${*}", "a*", true},
		{"StringLike", "StringNotLike", "a${*}", "ab", false},
		{"StringLike", "StringNotLike", "*", "", true},
		{"StringLike", "StringNotLike", "a:*", "a:b:c", true},
		{"StringLike", "StringNotLike", "\x00*", "\x00x", true},

		{"NumericEquals", "NumericNotEquals", "10", "10.0", true},
		{"NumericEquals", "NumericNotEquals", 10, "11", false},
		{"NumericEquals", "NumericNotEquals", "9007199254740993", "9007199254740992", false},
		{"NumericEquals", "NumericNotEquals", "10", "ten", false},
		{"NumericEquals", "NumericNotEquals", "10", "", false},
		{"NumericLessThan", "", "10", "9.9", true},
		{"NumericLessThan", "", "10", "10", false},
		{"NumericLessThan", "", "10", "NaN", false},
		{"NumericLessThanEquals", "", "10", "10", true},
		{"NumericLessThanEquals", "", "10", "10.1", false},
		{"NumericGreaterThan", "", "-10", "-9", true},
		{"NumericGreaterThan", "", "10", "10", false},
		{"NumericGreaterThan", "", "10", "Inf", false},
		{"NumericGreaterThanEquals", "", "10", "10", true},
		{"NumericGreaterThanEquals", "", "10", "9", false},
		{"NumericLessThan", "", []int{5, 10}, "7", true},

		{"DateEquals", "DateNotEquals", "2024-05-31T10:00:00Z", "2024-05-31T12:00:00+02:00", true},
		{"DateEquals", "DateNotEquals", "2024-05-31", "2024-05-31T00:00:00Z", true},
		{"DateEquals", "DateNotEquals", "1717149600", "2024-05-31T10:00:00Z", true},
		{"DateEquals", "DateNotEquals", "2024-05-31T10:00:00Z", "yesterday", false},
		{"DateLessThan", "", "2024-05-31T10:00:00Z", "2024-05-31T09:59:59.999Z", true},
		{"DateLessThan", "", "2024-05-31T10:00:00Z", "2024-05-31T10:00:00Z", false},
		{"DateLessThanEquals", "", "2024-05-31T10:00:00Z", "2024-05-31T10:00:00Z", true},
		{"DateGreaterThan", "", "2024", "2024-01-01T00:00:00.001Z", true},
		{"DateGreaterThan", "", "2024-05-31T10:00:00Z", "1717149600", false},
		{"DateGreaterThanEquals", "", "2024-05-31T10:00:00Z", "1717149600", true},
		{"DateGreaterThanEquals", "", "2024-05-31T10:00:00Z", "tomorrow", false},

		{"Bool", "", "true", "true", true},
		{"Bool", "", true, "True", true},
		{"Bool", "", "true", "false", false},
		{"Bool", "", "false", "false", true},
		{"Bool", "", "false", "no", false},
		{"Bool", "", "true", "", false},

		{"BinaryEquals", "", "QmluYXJ5VmFsdWU=", "QmluYXJ5VmFsdWU=", true},
		{"BinaryEquals", "", "QmluYXJ5VmFsdWU=", "QmluYXJ5VmFsdWV=", false},

		{"IpAddress", "NotIpAddress", "203.0.113.0/24", "203.0.113.77", true},
		{"IpAddress", "NotIpAddress", "203.0.113.9/24", "203.0.113.77", true},
		{"IpAddress", "NotIpAddress", "203.0.113.0/24", "203.0.114.0", false},
		{"IpAddress", "NotIpAddress", "203.0.113.5", "203.0.113.5", true},
		{"IpAddress", "NotIpAddress", "203.0.113.5", "203.0.113.6", false},
		{"IpAddress", "NotIpAddress", "203.0.113.5", "::ffff:203.0.113.5", true},
		{"IpAddress", "NotIpAddress", "::ffff:203.0.113.0/120", "203.0.113.5", true},
		{"IpAddress", "NotIpAddress", "2001:DB8:1234:5678::/64", "2001:db8:1234:5678::1", true},
		{"IpAddress", "NotIpAddress", "2001:DB8:1234:5678::/64", "2001:db8:1234:5679::1", false},
		{"IpAddress", "NotIpAddress", "2001:db8::1", "2001:db8:0::1", true},
		{"IpAddress", "NotIpAddress", "::/0", "203.0.113.5", false},
		{"IpAddress", "NotIpAddress", "0.0.0.0/0", "2001:db8::1", false},
		{"IpAddress", "NotIpAddress", "fe80::/10", "fe80::1%eth0", false},
		{"IpAddress", "NotIpAddress", []string{"10.0.0.0/8", "2001:db8::/32"}, "2001:db8::1", true},
		{"IpAddress", "NotIpAddress", "10.0.0.0/8", "s3.amazonaws.com", false},

		{"ArnEquals", "ArnNotEquals", "arn:aws:sns:*:111122223333:*", "arn:aws:sns:eu-west-1:111122223333:t", true},
		{"ArnLike", "ArnNotLike", "arn:aws:sns:*:111122223333:*", "arn:aws:sns:eu-west-1:999999999999:t", false},
		{"ArnLike", "ArnNotLike", "arn:aws:sns:*:t", "arn:aws:sns:eu-west-1:111122223333:t", false},
		{"ArnLike", "ArnNotLike", "arn:aws:s3:::b", "b", false},
		{"ArnLike", "ArnNotLike", "*", "arn:aws:s3:::b", true},
		{"ArnEquals", "ArnNotEquals", "arn:aws:s3:::B", "arn:aws:s3:::b", false},
	}
	for _, tt := range tests {
		name := fmt.Sprintf("%s %v %q", tt.operator, tt.policy, tt.value)
		ctx := Map{"aws:key": One(tt.value)}
		if got := holds(t, tt.operator, tt.policy, ctx); got != tt.want {
			t.Errorf("%s = %v", name, got)
		}
		if got := holds(t, tt.operator+"IfExists", tt.policy, ctx); got != tt.want {
			t.Errorf("%s, IfExists = %v", name, got)
		}
		if tt.negation == "" {
			continue
		}
		if got := holds(t, tt.negation, tt.policy, ctx); got != !tt.want {
			t.Errorf("%s, negated = %v", name, got)
		}
	}
}

// TestAbsence is every operator, with every prefix and suffix, for a request without the key.
func TestAbsence(t *testing.T) {
	operands := map[string]string{"Nume": "1", "Date": "2024", "Bool": "true", "Bina": "AAAA", "IpAd": "10.0.0.0/8", "NotI": "10.0.0.0/8", "ArnE": "*", "ArnL": "*", "ArnN": "*"}
	for name, op := range operators {
		if op == null {
			continue
		}
		operand, ok := operands[name[:4]]
		if !ok {
			operand = "x"
		}
		negated := strings.Contains(name, "Not")
		if negated != op.negated {
			t.Errorf("%s: negated is %v", name, op.negated)
		}
		for operator, want := range map[string]bool{
			name:                                negated,
			name + "IfExists":                   true,
			"ForAllValues:" + name:              true,
			"ForAllValues:" + name + "IfExists": true,
			"ForAnyValue:" + name:               false,
			"ForAnyValue:" + name + "IfExists":  true,
		} {
			for _, ctx := range []Map{nil, {"aws:other": One("x")}, {"aws:key": Many(nil)}} {
				if got := holds(t, operator, operand, ctx); got != want {
					t.Errorf("%s without the key = %v", operator, got)
				}
			}
		}
	}
	if len(operators) != 27 {
		t.Errorf("%d operators", len(operators))
	}
}

func TestNull(t *testing.T) {
	tests := []struct {
		policy  any
		present bool
		want    bool
	}{
		{"true", false, true}, {"true", true, false}, {"false", true, true}, {"false", false, false},
		{true, false, true}, {false, true, true}, {"True", false, true},
		{[]bool{true, false}, true, true}, {[]bool{true, false}, false, true}, {[]bool{}, true, false},
	}
	for _, tt := range tests {
		ctx := Map{}
		if tt.present {
			ctx["aws:key"] = One("")
		}
		for _, operator := range []string{"Null", "ForAllValues:Null", "ForAnyValue:Null"} {
			if got := holds(t, operator, tt.policy, ctx); got != tt.want {
				t.Errorf("%s %v, present %v = %v", operator, tt.policy, tt.present, got)
			}
		}
	}
}

func TestSetOperators(t *testing.T) {
	tests := []struct {
		operator string
		policy   []string
		values   []string
		want     bool
	}{
		{"ForAllValues:StringEquals", []string{"a", "b"}, []string{"a", "b"}, true},
		{"ForAllValues:StringEquals", []string{"a", "b", "c"}, []string{"a", "a"}, true},
		{"ForAllValues:StringEquals", []string{"a", "b"}, []string{"a", "c"}, false},
		{"ForAllValues:StringLike", []string{"a*"}, []string{"ab", "ac"}, true},
		{"ForAllValues:StringLike", []string{"a*"}, []string{"ab", "bc"}, false},
		{"ForAllValues:StringEquals", []string{"a"}, []string{""}, true},
		{"ForAllValues:StringEquals", []string{"a"}, []string{"", "b"}, false},
		{"ForAllValues:StringNotEquals", []string{"a", "b"}, []string{"c", "d"}, true},
		{"ForAllValues:StringNotEquals", []string{"a", "b"}, []string{"c", "a"}, false},
		{"ForAnyValue:StringEquals", []string{"a", "b"}, []string{"c", "b"}, true},
		{"ForAnyValue:StringEquals", []string{"a", "b"}, []string{"c", "d"}, false},
		{"ForAnyValue:StringEquals", []string{""}, []string{""}, false},
		{"ForAnyValue:StringNotEquals", []string{"a", "b"}, []string{"a", "c"}, true},
		{"ForAnyValue:StringNotEquals", []string{"a", "b"}, []string{"a", "b"}, false},
		{"ForAnyValue:NumericLessThan", []string{"5"}, []string{"9", "4"}, true},
		{"ForAllValues:NumericLessThan", []string{"5"}, []string{"9", "4"}, false},
		{"ForAllValues:ArnLike", []string{"arn:aws:s3:::a*"}, []string{"arn:aws:s3:::a1", "arn:aws:s3:::a2"}, true},
		{"ForAnyValue:IpAddress", []string{"10.0.0.0/8"}, []string{"192.0.2.1", "10.1.1.1"}, true},
		{"ForAllValues:StringEqualsIfExists", []string{"a"}, []string{"b"}, false},
		{"ForAnyValue:StringEqualsIfExists", []string{"a"}, []string{"b"}, false},
		// Without a set operator: any, and for a negated operator none.
		{"StringEquals", []string{"a"}, []string{"a", "b"}, true},
		{"StringEquals", []string{"a"}, []string{"c", "b"}, false},
		{"StringNotEquals", []string{"a"}, []string{"a", "b"}, false},
		{"StringNotEquals", []string{"a"}, []string{"c", "b"}, true},
	}
	for _, tt := range tests {
		if got := holds(t, tt.operator, tt.policy, Map{"aws:key": Many(tt.values)}); got != tt.want {
			t.Errorf("%s %v of %v = %v", tt.operator, tt.policy, tt.values, got)
		}
	}
}

func TestConditionsAreAllNeeded(t *testing.T) {
	d := must(t, Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:a":"1","AWS:B":"2"},"Bool":{"aws:c":"true"}}}`))
	full := Map{"aws:a": One("1"), "aws:b": One("2"), "aws:c": Bool(true)}
	ask := func(ctx Map) bool {
		return Decide(&Request{Principal: alice(), Action: "s3:X", Resource: "*", Context: ctx}, &Set{Identity: []*Document{d}}).Allowed
	}
	if !ask(full) {
		t.Error("refused with all conditions met")
	}
	for missing := range full {
		ctx := Map{}
		for k, v := range full {
			if k != missing {
				ctx[k] = v
			}
		}
		if ask(ctx) {
			t.Errorf("allowed without %s", missing)
		}
	}
}

func TestVariables(t *testing.T) {
	ctx := Map{
		"aws:username": One("alice"), "aws:star": One("*"), "aws:colon": One("b:c"), "aws:many": Many([]string{"x"}),
		"aws:principaltag/cost center": One("R&D"), "aws:empty": One(""), "aws:yes": One("TRUE"), "aws:arn": One("arn:aws:s3:::a"), "aws:dollar": One("${aws:username}"),
	}
	tests := []struct {
		operator, policy, value string
		want                    bool
	}{
		{"StringEquals", "${aws:username}", "alice", true},
		{"StringEquals", "${AWS:UserName}", "alice", true},
		{"StringEquals", "x-${aws:username}-${aws:username}", "x-alice-alice", true},
		{"StringEquals", "${aws:username}", "bob", false},
		{"StringEquals", "${aws:absent}", "", false},
		{"StringEquals", "${aws:absent}", "${aws:absent}", false},
		{"StringNotEquals", "${aws:absent}", "x", true},
		{"StringEquals", "${aws:absent, 'guest'}", "guest", true},
		{"StringEquals", "${aws:username, 'guest'}", "guest", false},
		{"StringEquals", "${aws:absent,''}", "", true},
		{"StringEquals", "${aws:many}", "x", false},
		{"StringEquals", "${aws:PrincipalTag/Cost Center}", "R&D", true},
		{"StringEquals", "a${aws:empty}b", "ab", true},
		{"StringEquals", "${aws:dollar}", "alice", false}, // values are not read again
		{"StringEqualsIgnoreCase", "${aws:username}", "ALICE", true},
		{"StringEqualsIgnoreCase", "${aws:absent}", "", false},
		{"StringLike", "home/${aws:username}/*", "home/alice/x", true},
		{"StringLike", "${aws:star}", "anything", false}, // the value of a variable is no pattern
		{"StringLike", "${aws:star}", "*", true},
		{"StringLike", "${aws:absent, '*'}", "anything", false},
		{"StringLike", "*${aws:absent}*", "x", false},
		{"ArnLike", "arn:aws:iam::111122223333:user/${aws:username}", "arn:aws:iam::111122223333:user/alice", true},
		{"ArnLike", "arn:aws:sns:${aws:colon}:d:e", "arn:aws:sns:b:c:d:e", false}, // nor does it reach over a colon
		{"ArnLike", "arn:aws:s3:::${aws:colon}", "arn:aws:s3:::b:c", true},
		{"ArnEquals", "${aws:arn}", "arn:aws:s3:::a", true},
		{"ArnEquals", "${aws:arn}/*", "arn:aws:s3:::a/b", true},
		{"ArnEquals", "${aws:arn}", "arn:aws:s3:::b", false},
		{"Bool", "${aws:yes}", "true", true},
		{"Bool", "${aws:yes}", "false", false},
		{"Bool", "${aws:username}", "alice", false},
	}
	for _, tt := range tests {
		all := Map{"aws:key": One(tt.value)}
		for k, v := range ctx {
			all[k] = v
		}
		if got := holds(t, tt.operator, tt.policy, all); got != tt.want {
			t.Errorf("%s %q of %q = %v", tt.operator, tt.policy, tt.value, got)
		}
	}
}

func TestVariablesInResource(t *testing.T) {
	statement := `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"}`
	newer := must(t, Identity, doc(statement))
	older := must(t, Identity, `{"Version":"2008-10-17","Statement":`+statement+`}`)
	ask := func(d *Document, resource string, ctx Context) bool {
		return Decide(&Request{Principal: alice(), Action: "s3:GetObject", Resource: resource, Context: ctx}, &Set{Identity: []*Document{d}}).Allowed
	}
	user := func(name string) Map { return Map{"aws:username": One(name)} }
	tests := []struct {
		name     string
		d        *Document
		resource string
		ctx      Context
		want     bool
	}{
		{"own", newer, "arn:aws:s3:::b/alice/k", user("alice"), true},
		{"other's", newer, "arn:aws:s3:::b/bob/k", user("alice"), false},
		{"a name that is a pattern", newer, "arn:aws:s3:::b/bob/k", user("*"), false},
		{"a name with a pattern in it", newer, "arn:aws:s3:::b/bob/k", user("b?b"), false},
		{"no name", newer, "arn:aws:s3:::b//k", Map{}, false},
		{"no context", newer, "arn:aws:s3:::b//k", nil, false},
		{"old version, text", older, "arn:aws:s3:::b/${aws:username}/k", user("alice"), true},
		{"old version, no variable", older, "arn:aws:s3:::b/alice/k", user("alice"), false},
		{"long name", newer, "arn:aws:s3:::b/" + strings.Repeat("n", 600) + "/k", user(strings.Repeat("n", 600)), true},
	}
	for _, tt := range tests {
		if got := ask(tt.d, tt.resource, tt.ctx); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestDates(t *testing.T) {
	good := map[string]instant{
		"2024": {1704067200, 0}, "2024-05": {1714521600, 0}, "2024-05-31": {1717113600, 0}, "2024-05-31T10:00Z": {1717149600, 0},
		"2024-05-31T10:00:01Z": {1717149601, 0}, "2024-05-31T10:00:00.5Z": {1717149600, 500_000_000}, "2024-05-31T10:00:00.123456789123Z": {1717149600, 123456789},
		"2024-05-31T10:00:00-07:30": {1717176600, 0}, "1717149600": {1717149600, 0}, "1717149600.25": {1717149600, 250_000_000}, "0": {0, 0}, "-1": {-1, 0},
		"2024-02-29": {1709164800, 0}, "1969-12-31T23:59:59Z": {-1, 0},
	}
	for s, want := range good {
		if got, ok := parseDate(s); !ok || got != want {
			t.Errorf("parseDate(%q) = %v, %v; want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{
		"", "-", ".", "x", "20245", "202a", "2024-", "2024-13", "2024-00", "2024-1", "2024-05-32", "2023-02-29", "2024-05-31T", "2024-05-31T10", "2024-05-31T10:00", "2024-05-31T24:00Z",
		"2024-05-31T10:60Z", "2024-05-31T10:00:61Z", "2024-05-31T10:00:00.Z", "2024-05-31T10:00:00,5Z", "2024-05T10:00Z", "2024T10:00Z", "2024-05-31 10:00Z", "2024-05-31T10:00:00+0200", "2024-05-31T10:00:00*02:00",
		"2024/05/31", "1717149600.", "99999999999999999999", "2024-05-31T10:00:00Zx", "+2024", "T10:00Z", "2024-05-31T+02:00", "2024-05-31T10:0:00Z", "2024-05-31T1:00:00Z", "5/31/2024",
	} {
		if got, ok := parseDate(s); ok && s != "20245" {
			t.Errorf("parseDate(%q) = %v", s, got)
		}
	}
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{"2024-05-31T10:00:00.5+02:00", "2024", "1717149600.25", "-1", "T-", "2024-05-31T:+00:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		in, ok := parseDate(s)
		if ok && (in.nano <= -1e9 || in.nano >= 1e9) {
			t.Errorf("parseDate(%q) = %v", s, in)
		}
		if n, ok := parseNumber(s); ok && n.compare(n) != 0 {
			t.Errorf("parseNumber(%q) differs from itself", s)
		}
	})
}
