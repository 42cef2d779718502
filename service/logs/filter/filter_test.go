package filter

import (
	"errors"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	const event = `{"a":"b","status":404,"ratio":0.5,"ok":true,"bad":false,"none":null,"list":[{"id":7},"x"],"deep":{"er":{"key":"value one"}},"ip":"123.123.4.5","odd key":"y","text":"10","e-x":1}`
	for _, c := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{"   ", "", true},
		{"ERROR", "[ERROR 400] BAD REQUEST", true},
		{"ERROR", "[error 400]", false},
		{"ERROR BAD", "BAD and ERROR", true},
		{"ERROR GOOD", "BAD and ERROR", false},
		{`"INTERNAL SERVER ERROR"`, "[ERROR 500] INTERNAL SERVER ERROR", true},
		{`"INTERNAL SERVER ERROR"`, "INTERNAL ERROR of the SERVER", false},
		{`"say \"x\""`, `to say "x" loudly`, true},
		{`"a\\b"`, `a\b`, true},
		{"ERROR -EXITING", "ERROR EXITING", false},
		{"ERROR -EXITING", "ERROR", true},
		{`-"not this"`, "this not", true},
		{`-"not this"`, "not this", false},
		{"?ERROR ?WARN", "a WARN", true},
		{"?ERROR ?WARN", "an INFO", false},
		{`?"a b" ?c`, "xa bx", true},
		{"?ERROR INFO", "an INFO", true}, // the question mark does not count beside others
		{"fehler_größe", "die fehler_größe", true},

		{`{ $.a = "b" }`, event, true},
		{`{$.a="b"}`, event, true},
		{`{ $.a = b }`, event, true},
		{`{ $.a = "c" }`, event, false},
		{`{ $.a != "c" }`, event, true},
		{`{ $.a != "b" }`, event, false},
		{`{ $.missing = "b" }`, event, false},
		{`{ $.missing != "b" }`, event, false},
		{`{ $.status = 404 }`, event, true},
		{`{ $.status = 404.0 }`, event, true},
		{`{ $.status = 4.04e2 }`, event, true},
		{`{ $.status = "404" }`, event, true},
		{`{ $.status = 4* }`, event, true},
		{`{ $.status >= 404 }`, event, true},
		{`{ $.status > 404 }`, event, false},
		{`{ $.status < 405 }`, event, true},
		{`{ $.status <= 403 }`, event, false},
		{`{ $.status != 404 }`, event, false},
		{`{ $.ratio = .5 }`, event, true},
		{`{ $.ratio > -1 }`, event, true},
		{`{ $.text = 10 }`, event, true},
		{`{ $.text > 9 }`, event, false},
		{`{ $.a != 5 }`, event, true},
		{`{ $.list != 5 }`, event, true},
		{`{ $.none != 5 }`, event, false},
		{`{ $.ok IS TRUE }`, event, true},
		{`{ $.ok is false }`, event, false},
		{`{ $.bad IS FALSE }`, event, true},
		{`{ $.ok = true }`, event, true},
		{`{ $.none IS NULL }`, event, true},
		{`{ $.missing IS NULL }`, event, false},
		{`{ $.missing NOT EXISTS }`, event, true},
		{`{ $.none NOT EXISTS }`, event, false},
		{`{ $.a EXISTS }`, event, true},
		{`{ $.list[0].id = 7 }`, event, true},
		{`{ $.list[1] = "x" }`, event, true},
		{`{ $.list[2] = "x" }`, event, false},
		{`{ $.list.id = 7 }`, event, false},
		{`{ $.a[0] = "b" }`, event, false},
		{`{ $[0] = "b" }`, `["b"]`, true},
		{`{ $.deep.er.key = "value*" }`, event, true},
		{`{ $.deep.er.key = "*one" }`, event, true},
		{`{ $.deep.er.key = "*ue o*" }`, event, true},
		{`{ $.deep.er.key = "v*e*e" }`, event, true},
		{`{ $.deep.er.key = "value*value one" }`, event, false},
		{`{ $.ip != 123.123.* }`, event, false},
		{`{ $.ip = 123.123.* }`, event, true},
		{`{ $['odd key'] = "y" }`, event, true},
		{`{ $.e-x = 1 }`, event, true},
		{`{ ($.a = "b") && ($.status > 400) }`, event, true},
		{`{ ($.a = "b") && ($.status > 500) }`, event, false},
		{`{ $.a = "z" || $.status = 404 && $.ok IS TRUE }`, event, true},
		{`{ ($.a = "b" || $.status = 1) && $.ok IS FALSE }`, event, false},
		{`{ $.a = "b" || $.status = 1 && $.ok IS FALSE }`, event, true}, // && binds closer
		{`{ $.a = "b" }`, "not json", false},
		{`{ $.a NOT EXISTS }`, "not json", false},
		{`{ $.a = "b" }`, `{"a":"b"} and more`, false},
	} {
		p, err := Parse(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := p.Match(c.message); got != c.want {
			t.Errorf("%s on %s: got %v", c.pattern, c.message, got)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, pattern := range []string{
		"foo-bar", "a.b", `"open`, `"a"b`, `""`, "-", "?", "- a", "%err.*%", "[a, b]", "(a)",
		"{", "{}", "{ $ = 1 }", "{ $.a }", "{ $.a = }", `{ $.a = "x }`, `{ a = "x" }`, `{ $.a = "x" } x`, `{ $.a = "x" `, `{ ($.a = "x" }`, `{ $.a = "x") }`,
		`{ $.a > "x" }`, "{ $.a > x }", "{ $.a[ = 1 }", "{ $.a[x] = 1 }", "{ $.a[*] = 1 }", "{ $.* = 1 }", "{ $.a = %x% }", "{ $.a IS 1 }", "{ $.a NOT 1 }", "{ $.a = 1 && }",
		"{" + strings.Repeat("(", 65) + "$.a = 1" + strings.Repeat(")", 65) + "}", strings.Repeat("a", MaxPattern+1), "\xff",
	} {
		if _, err := Parse(pattern); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: got %v", pattern, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range []string{`ERROR -"a b" ?c`, `{ ($.a = "b*") && $.c[0].d >= 1e3 || $['x'] NOT EXISTS }`, `{ $.a IS NULL }`, `"\"`, "[a]", "%x%"} {
		f.Add(p, `{"a":"bc","c":[{"d":2000}]}`)
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		p, err := Parse(pattern)
		if (p == nil) != (err != nil) || err != nil && !errors.Is(err, ErrSyntax) {
			t.Fatalf("%q: got %v, %v", pattern, p, err)
		}
		if again, _ := Parse(pattern); p != nil && p.Match(message) != again.Match(message) {
			t.Errorf("%q on %q: once so, once otherwise", pattern, message)
		}
	})
}
