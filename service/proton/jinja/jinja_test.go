package jinja

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/service/proton/document"
)

// ordered reads JSON with the order of its objects kept.
func ordered(t *testing.T, dec *json.Decoder) any {
	t.Helper()
	tok, err := dec.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch v := tok.(type) {
	case json.Delim:
		o, l := new(document.Object), []any{}
		for dec.More() {
			if v == '[' {
				l = append(l, ordered(t, dec))
				continue
			}
			name, err := dec.Token()
			if err != nil {
				t.Fatal(err)
			}
			o.Set(name.(string), ordered(t, dec))
		}
		if _, err := dec.Token(); err != nil {
			t.Fatal(err)
		}
		if v == '[' {
			return l
		}
		return o
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, err := v.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	return tok
}

// TestLikeJinja2 holds the engine against what Jinja2 3.1 (Python, StrictUndefined) made
// of the same templates and values.
func TestLikeJinja2(t *testing.T) {
	data, err := os.ReadFile("testdata/jinja2.json")
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	root := ordered(t, dec).(*document.Object)
	values, _ := root.Get("values")
	cases, _ := root.Get("cases")
	if n := len(cases.([]any)); n < 80 {
		t.Fatalf("only %d cases", n)
	}
	for _, c := range cases.([]any) {
		o := c.(*document.Object)
		template, _ := o.Get("template")
		want, _ := o.Get("text")
		_, fails := o.Get("fails")
		got, err := render(template.(string), values.(*document.Object))
		switch {
		case fails && err == nil:
			t.Errorf("%s: got %q, want an error", template, got)
		case !fails && err != nil:
			t.Errorf("%s: %v", template, err)
		case !fails && got != want:
			t.Errorf("%s:\ngot  %q\nwant %q", template, got, want)
		}
	}
}

func render(text string, values *document.Object) (string, error) {
	t, err := Parse("t", text)
	if err != nil {
		return "", err
	}
	return t.Execute(context.Background(), values, Limits{})
}

func outputs() *document.Object {
	o := new(document.Object).Set("One", "hello").Set("Two", "world").Set("Arn", "arn:aws:iam::123456789012:policy/x").Set("Bad", "a: b\n- c")
	return new(document.Object).Set("o", o).Set("s", "this::is::incorrect").Set("inject", "{{ o.One }}{% for x in range(9) %}")
}

func TestProtonFilters(t *testing.T) {
	for _, c := range []struct{ template, want, fails string }{
		{"{{ 'This-is_valid_37' | proton_cfn_sanitize }}", "This-is_valid_37", ""},
		{"{{ 'arn:aws:some-service::123456789012:some-resource/resource-name' | proton_cfn_sanitize }}", "arn:aws:some-service::123456789012:some-resource/resource-name", ""},
		{"{{ s | proton_cfn_sanitize }}", "", `t:1:8: Illegal character(s) detected in "this::is::incorrect". Must match regex ^[a-zA-Z0-9_-]*$ or be a valid ARN`},
		{"{{ 'arn:aws:s3:::b\n  X: y' | proton_cfn_sanitize }}", "", "Illegal character(s)"},
		{"Env:\n  {{ o | proton_cfn_ecs_task_definition_formatted_env_vars }}\nX:", "Env:\n  - Name: One\n    Value: hello\n  - Name: Two\n    Value: world\n  - Name: Arn\n    Value: arn:aws:iam::123456789012:policy/x\n  - Name: Bad\n    Value: \"a: b\\n- c\"\nX:", ""},
		{"V:\n    {{ o | proton_cfn_lambda_function_formatted_env_vars }}", "V:\n    One: hello\n    Two: world\n    Arn: arn:aws:iam::123456789012:policy/x\n    Bad: \"a: b\\n- c\"", ""},
		{"{{ o | proton_cfn_ecs_task_definition_formatted_env_vars(raw=false) }}", "", "Illegal character(s)"},
		{"{{ o | proton_cfn_ecs_task_definition_formatted_env_vars(False) }}", "", "Illegal character(s)"},
		{"P:\n  - !Ref B\n  {{ o | proton_cfn_iam_policy_arns }}", "P:\n  - !Ref B\n  - arn:aws:iam::123456789012:policy/x", ""},
		{"P:\n  - !Ref B\n  {{ c.default.outputs | proton_cfn_iam_policy_arns }}\nQ", "P:\n  - !Ref B\n  \nQ", ""},
		{"[{{ c.default.outputs | proton_cfn_ecs_task_definition_formatted_env_vars }}]", "[]", ""},
		{"[{{ c.default.outputs | proton_cfn_lambda_function_formatted_env_vars }}]", "[]", ""},
		{"{{ c.default.outputs.test | proton_cfn_sanitize }}", "", "is undefined"},
		{"{{ c.default.outputs.test | default('x') }}", "x", ""},
		{"{{ o.test | default('x') }}", "x", ""},
		{"{{ o.test }}", "", "t:1:5: 'test' is undefined"},
		{"{{ c.default.outputs.test }}", "", "'c.default.outputs.test' is undefined"},
		{"{{ inject }}", "{{ o.One }}{% for x in range(9) %}", ""}, // a value is never a template
	} {
		got, err := render(c.template, outputs())
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: got %q, %v, want the error %s", c.template, got, err, c.fails)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.template, got, err, c.want)
		}
	}
}

// TestRefused holds what does not even parse, each with its place.
func TestRefused(t *testing.T) {
	for template, want := range map[string]string{
		"{% include 'x' %}":                    "t:1:4: the tag 'include' is not allowed",
		"{% extends 'x' %}":                    "t:1:4: the tag 'extends' is not allowed",
		"{% import 'x' as y %}":                "t:1:4: the tag 'import' is not allowed",
		"{% from 'x' import y %}":              "t:1:4: the tag 'from' is not allowed",
		"a\n  {{ x | nosuch }}":                "t:2:10: there is no filter 'nosuch'",
		"{{ x | attr('a') }}":                  "there is no filter 'attr'",
		"{{ x is nosuch }}":                    "there is no test 'nosuch'",
		"{% for x in y %}":                     "the template ends before 'endfor'",
		"{% if x %}{% endfor %}":               "there is no tag 'endfor' here",
		"{{ x":                                 "the tag has no end",
		"{{ 'x }}":                             "the string has no end",
		"{# x":                                 "the comment has no end",
		"{% raw %} x":                          "raw has no endraw",
		"{{ x y }}":                            "expected '}}', found 'y'",
		"{{ (x }}":                             "unexpected '}'",
		"{{ x ! }}":                            "unexpected character '!'",
		"{{ " + strings.Repeat("(", 200) + "x": "nested too deep",
		"{{ " + strings.Repeat("not ", 5000) + "x }}":   "nested too deep",
		"{{ x" + strings.Repeat("|upper", 5000) + " }}": "too long",
		strings.Repeat("{% if x %}", 5000):              "nested too deep",
		"{{ 99999999999999999999 }}":                    "the number is too large",
	} {
		_, err := Parse("t", template)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %v, want %s", template, err, want)
		}
	}
}

// TestBounded holds templates that would take all time or memory, or reach outside.
func TestBounded(t *testing.T) {
	for _, template := range []string{
		"{% for a in range(10**9) %}x{% endfor %}",
		"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
		"{{ 'x' * 10**10 }}",
		"{{ [1] * 10**10 }}",
		"{{ 2 ** 10 ** 9 }}",
		"{{ 10**18 * 10**18 }}",
		"{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
		"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"{{ 'x' | center(10**12) }}",
		"{{ 'x' | indent(10**12) }}",
		"{{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
		"{{ ('a' * 1000000) | list | map('center', 99999) | list }}",
		"{% set l = [1] %}{% for i in range(99) %}{% set _ = l.extend(l) %}{% endfor %}",
		"{% set l = [] %}{{ l.append([l]) }}{{ l }}",
		"{% set s = 'x' * 30000000 %}{% for i in range(99999) %}{% if s | length == 1 or 'y' in s %}{% endif %}{% endfor %}",
		"{{ o.__class__ }}",
		"{{ ''.__class__.__mro__ }}",
		"{{ o.MarshalJSON() }}",
		"{{ o.Set('a', 'b') }}",
		"{{ range }}",
		"{{ [1,2] | batch(10**12, 0) }}",
		"{{ 5 | round(10**9) }}",
	} {
		began := time.Now()
		got, err := render(template, outputs())
		if err == nil {
			t.Errorf("%s: got %.60q, want an error", template, got)
		}
		if time.Since(began) > 30*time.Second {
			t.Errorf("%s: it does not end in bounded time", template)
		}
	}
}

func TestCancelled(t *testing.T) {
	tm, err := Parse("t", "{% for a in range(99999) %}{% for b in range(99) %}{{ a }}{% endfor %}{% endfor %}")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tm.Execute(ctx, nil, Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the error of the context", err)
	}
}

// TestLongLine shows that the place of a token costs the same wherever it stands.
func TestLongLine(t *testing.T) {
	if _, err := Parse("t", "{{ "+strings.Repeat("'a' ", 120_000)+" }}"); err != nil {
		t.Fatal(err)
	}
}

// TestValuesStay shows that a template cannot change what it was given.
func TestValuesStay(t *testing.T) {
	values := new(document.Object).Set("l", []any{int64(1)}).Set("d", new(document.Object).Set("l", []any{int64(1)}))
	if _, err := render("{% set _ = l.append(2) %}{% set _ = d.l.append(2) %}{% set l = 5 %}", values); err != nil {
		t.Fatal(err)
	}
	got, err := render("{{ l }}{{ d }}", values)
	if err != nil || got != "[1]{'l': [1]}" {
		t.Errorf("got %s, %v", got, err)
	}
}

func FuzzJinja(f *testing.F) {
	for _, seed := range []string{"{{ a }}", "{% for x in l %}{{ loop.index }}{% else %}-{% endfor %}", "{{ d.k | tojson(2) }}{# c #}{% raw %}{{{% endraw %}",
		"{% macro m(x=1) %}{{ x ~ 'b' * 3 }}{% endmacro %}{{ m() }}", "{{ l[::-1] | map('string') | join(',') if a is defined else 1 // 2 }}",
		"{% set ns = namespace(a=1) %}{% set ns.a = 2 %}{{ '%s' % (a,) }}", "{% filter indent(2) %}{{ d | dictsort }}{% endfilter %}"} {
		f.Add(seed)
	}
	values := new(document.Object).Set("a", "text").Set("n", int64(3)).Set("l", []any{"x", int64(1), nil}).Set("d", new(document.Object).Set("k", "v"))
	f.Fuzz(func(t *testing.T, text string) {
		tm, err := Parse("t", text)
		if err != nil {
			var placed *document.Error
			if !errors.As(err, &placed) {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		out, err := tm.Execute(context.Background(), values, Limits{Output: 1 << 16, Memory: 1 << 20, Steps: 20_000})
		if err == nil && len(out) > 1<<16 {
			t.Fatal("the output is beyond its limit")
		}
	})
}

func BenchmarkRender(b *testing.B) {
	var text strings.Builder
	text.WriteString("{% for i in service_instances %}")
	for text.Len() < 200<<10 {
		text.WriteString("{# a comment about the resources of the instance, as templates of this size have them #}\n")
		if text.Len()%40 == 0 {
			text.WriteString("  R{{ loop.index }}:\n    Name: '{{ i.name | truncate(20, true, 'zzz', 0) }}'\n    Port: {{ i.inputs.port }}\n")
		}
	}
	text.WriteString("{% endfor %}")
	var instances []any
	for range 100 {
		instances = append(instances, new(document.Object).Set("name", "an-instance-with-a-name").Set("inputs", new(document.Object).Set("port", int64(80))))
	}
	values := new(document.Object).Set("service_instances", instances)
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		tm, err := Parse("t", text.String())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := tm.Execute(context.Background(), values, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPlain is a template of 200 KB that is text and outputs throughout.
func BenchmarkPlain(b *testing.B) {
	var text strings.Builder
	for text.Len() < 200<<10 {
		text.WriteString("  Resource:\n    Type: AWS::SSM::Parameter\n    Properties:\n      Name: '{{ name }}-{{ inputs.port }}'\n")
	}
	head := "{% for i in service_instances %}  D{{ loop.index }}: '{{ i.name }} {{ i.inputs.port }}'\n{% endfor %}"
	var instances []any
	for range 100 {
		instances = append(instances, new(document.Object).Set("name", "an-instance").Set("inputs", new(document.Object).Set("port", int64(80))))
	}
	values := new(document.Object).Set("service_instances", instances).Set("name", "x").Set("inputs", new(document.Object).Set("port", int64(80)))
	for b.Loop() {
		tm, err := Parse("t", head+text.String())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := tm.Execute(context.Background(), values, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
