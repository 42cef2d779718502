package schema

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/service/proton/document"
)

// around puts the properties of a type, four spaces deep, into a schema.
func around(properties string) string {
	return "schema:\n  format:\n    openapi: \"3.0.0\"\n  service_input_type: In\n  types:\n    In:\n      type: object\n" + properties
}

func parse(t *testing.T, properties string) *Schema {
	t.Helper()
	s, err := Parse("schema/schema.yaml", []byte(around(properties)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const wide = `      required: [name]
      additionalProperties: false
      properties:
        name: {type: string, minLength: 2, maxLength: 5, pattern: '^[a-z]+$'}
        port: {type: integer, minimum: 1, maximum: 10, default: 8}
        ratio: {type: number, exclusiveMinimum: true, minimum: 0}
        size: {type: string, enum: [s, m], default: s}
        tags: {type: array, minItems: 1, maxItems: 2, uniqueItems: true, items: {type: string}}
        deep: {type: object, properties: {on: {type: boolean, default: true}}}
        free: {type: object, additionalProperties: {type: string}}
        maybe: {type: string, nullable: true}
`

func TestCheck(t *testing.T) {
	s := parse(t, wide)
	for _, c := range []struct{ value, want, problem string }{
		{"{name: abc}", `{"name":"abc","port":8,"size":"s"}`, ""},
		{"{size: m, deep: {}, name: abc, maybe: null}", `{"name":"abc","port":8,"size":"m","deep":{"on":true},"maybe":null}`, ""},
		{"{name: abc, ratio: 3, tags: [a, b], free: {x: y}}", `{"name":"abc","port":8,"ratio":3,"size":"s","tags":["a","b"],"free":{"x":"y"}}`, ""},
		{"{}", "", `spec: the required property "name" is missing`},
		{"{name: 5}", "", "spec.name: must be of type string, found integer"},
		{"{name: a}", "", "spec.name: must have at least 2 characters"},
		{"{name: abcdef}", "", "spec.name: must have at most 5 characters"},
		{"{name: ABC}", "", "spec.name: must match the pattern ^[a-z]+$"},
		{"{name: abc, port: 0}", "", "spec.port: must be at least 1"},
		{"{name: abc, port: 11}", "", "spec.port: must be at most 10"},
		{"{name: abc, port: 1.5}", "", "spec.port: must be of type integer, found number"},
		{"{name: abc, port: '8'}", "", "spec.port: must be of type integer, found string"},
		{"{name: abc, ratio: 0}", "", "spec.ratio: must be more than 0"},
		{"{name: abc, size: xl}", "", "spec.size: must be one of s, m"},
		{"{name: abc, tags: []}", "", "spec.tags: must have at least 1 items"},
		{"{name: abc, tags: [a, b, c]}", "", "spec.tags: must have at most 2 items"},
		{"{name: abc, tags: [a, a]}", "", "spec.tags[1]: is there twice"},
		{"{name: abc, tags: [a, 1]}", "", "spec.tags[1]: must be of type string, found integer"},
		{"{name: abc, deep: {on: 'yes'}}", "", "spec.deep.on: must be of type boolean, found string"},
		{"{name: abc, free: {x: 1}}", "", "spec.free.x: must be of type string, found integer"},
		{"{name: abc, nmae: x}", "", "spec.nmae: the schema has no such property"},
		{"{name: null}", "", "spec.name: must be of type string, found null"},
		{"[]", "", "spec: must be of type object, found array"},
	} {
		n, err := document.Read("", []byte(c.value))
		if err != nil {
			t.Fatal(err)
		}
		v, problems := s.Service.Check("spec", n.Value())
		if c.problem != "" {
			if len(problems) != 1 || problems[0].String() != c.problem {
				t.Errorf("%s: got %v, want %s", c.value, problems, c.problem)
			}
			continue
		}
		got, err := json.Marshal(v)
		if err != nil || len(problems) > 0 || string(got) != c.want {
			t.Errorf("%s: got %s, %v, %v, want %s", c.value, got, problems, err, c.want)
		}
	}
}

// TestProblemsHideValues shows that a refused value is not repeated.
func TestProblemsHideValues(t *testing.T) {
	s := parse(t, wide)
	v := new(document.Object).Set("name", "HUNTER2").Set("size", "hunter2")
	_, problems := s.Service.Check("spec", v)
	for _, p := range problems {
		if strings.Contains(strings.ToLower(p.String()), "hunter2") {
			t.Errorf("the value is repeated: %s", p)
		}
	}
	if len(problems) == 0 {
		t.Error("got no problem")
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"x: 1":                               "the key schema is missing",
		"schema: {types: {}}":                "schema.format.openapi is missing",
		"schema: {format: {openapi: 2.0}}":   `must be "3.0.0"`,
		"schema: {format: {openapi: 3.0.0}}": "schema.types is missing",
		"schema: {format: {openapi: 3.0.0}, types: {}, service_input_type: A}":                                        `names "A", which is not in schema.types`,
		"schema: {format: {openapi: 3.0.0}, types: {A: {type: string}}, service_input_type: A}":                       "A must be of type object",
		"schema: {format: {openapi: 3.0.0}, types: {A: {type: thing}}}":                                               "type must be one of",
		"schema: {format: {openapi: 3.0.0}, types: {A: {allOf: []}}}":                                                 `the keyword "allOf" is not supported`,
		"schema: {format: {openapi: 3.0.0}, types: {A: {type: string, pattern: '(?=x)'}}}":                            "pattern is not a regular expression",
		"schema: {format: {openapi: 3.0.0}, types: {A: {type: string, default: 5}}}":                                  "default must be of type string, found integer",
		"schema: {format: {openapi: 3.0.0}, types: {A: {type: string, enum: [1]}}}":                                   "a value of enum is not of type string",
		"schema: {format: {openapi: 3.0.0}, types: {A: {type: array}}}":                                               "an array must say the type of its items",
		"schema: {format: {openapi: 3.0.0}, types: {A: {$ref: '#/schema/types/B'}}}":                                  `$ref names "B"`,
		"schema: {format: {openapi: 3.0.0}, types: {A: {$ref: 'http://x'}}}":                                          "$ref must name a type of this file",
		"schema: {format: {openapi: 3.0.0}, types: {A: {type: object, properties: {a: {$ref: '#/schema/types/A'}}}}}": "contains itself",
		"schema: {format: {openapi: 3.0.0}, types: {A: {type: object}}, service_input_typ: A}":                        `the key "service_input_typ" is not known`,
		strings.Repeat("#", 60<<10): "larger than 50 KB",
	} {
		_, err := Parse("f", []byte(text))
		var placed *document.Error
		if !errors.As(err, &placed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want %s", text, err, want)
		}
	}
}

func TestCompatibleWith(t *testing.T) {
	const old = "      properties:\n        a: {type: string}\n        b: {type: integer, minimum: 1, maximum: 5, default: 2}\n        c: {type: string, enum: [x, y]}\n"
	for _, c := range []struct{ now, want string }{
		{old, ""},
		{old + "        d: {type: string}\n", ""},
		{"      required: [d]\n" + old + "        d: {type: string, default: z}\n", ""},
		{"      required: [d]\n" + old + "        d: {type: string}\n", `the property "d" is newly required and has no default`},
		{"      required: [a]\n" + old, `the property "a" is newly required and has no default`},
		{"      required: [b]\n" + old, ""},
		{strings.Replace(old, "[x, y]", "[x, y, z]", 1), ""},
		{strings.Replace(old, "[x, y]", "[x]", 1), "c: enum lost the value y"},
		{strings.Replace(old, "maximum: 5", "maximum: 9", 1), ""},
		{strings.Replace(old, "maximum: 5", "maximum: 4", 1), "b: maximum is narrower"},
		{strings.Replace(old, "minimum: 1, ", "", 1), ""},
		{strings.Replace(old, "minimum: 1", "minimum: 2", 1), "b: minimum is narrower"},
		{strings.Replace(old, "type: integer", "type: number", 1), ""},
		{strings.Replace(old, "a: {type: string}", "a: {type: integer}", 1), "a: the type changed from string to integer"},
		{strings.Replace(old, "a: {type: string}", "a: {type: string, pattern: x}", 1), "a: the pattern changed"},
		{strings.Replace(old, "a: {type: string}", "a: {type: string, minLength: 1}", 1), "a: minLength is narrower"},
		{strings.Replace(old, "a: {type: string}", "a: {type: string, enum: [q]}", 1), "a: enum is new"},
		{strings.Replace(old, "        a: {type: string}\n", "", 1), "a: the property was taken out"},
		{"      additionalProperties: false\n" + old, "additionalProperties was closed"},
	} {
		err := parse(t, c.now).CompatibleWith(parse(t, old))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s\ngot  %q\nwant %q", c.now, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(around(wide))
	f.Add(around("      properties:\n        a: {$ref: '#/schema/types/In'}\n"))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("f", []byte(text))
		if err != nil {
			var placed *document.Error
			if !errors.As(err, &placed) {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		if err := s.CompatibleWith(s); err != nil {
			t.Fatalf("a schema is not compatible with itself: %v", err)
		}
		s.Service.Check("spec", new(document.Object))
	})
}
