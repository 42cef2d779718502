package syncfile

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/service/proton/document"
)

const registration = `compatible_environments:
  - my-env-template:1
  - another:12
supported_component_sources:
  - DIRECTLY_DEFINED
`

const ops = `sync:
  services:
    frontend-svc:
      alpha:
        branch: dev
        spec: ./frontend-svc/test/frontend-spec.yaml
      2024:
        branch: "1.10"
        spec: /a/../b.yaml
    other: broken
`

func TestParseRegistration(t *testing.T) {
	r, err := ParseRegistration("f", []byte(registration))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Compatible) != 2 || r.Compatible[1].Name != "another" || r.Compatible[1].Major != "12" || !reflect.DeepEqual(r.ComponentSources, []string{"DIRECTLY_DEFINED"}) {
		t.Errorf("got %+v", r)
	}
	if got := r.Compatible[1].Fail("is missing").Error(); got != "f:3:5: is missing" {
		t.Errorf("an error at the second template is %q", got)
	}
}

func TestParseCompatible(t *testing.T) {
	r, err := ParseCompatible("f", []byte("my-env-template:1\r\n\n  another:12"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Compatible) != 2 || r.Compatible[0].Name != "my-env-template" || r.Compatible[1].Major != "12" || r.ComponentSources != nil {
		t.Errorf("got %+v", r)
	}
	if got := r.Compatible[1].Fail("is missing").Error(); got != "f:3:1: is missing" {
		t.Errorf("an error at the second template is %q", got)
	}
}

func TestParseOps(t *testing.T) {
	list, err := ParseOps("f", []byte(ops), "frontend-svc")
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i].at = nil
	}
	want := []Instance{{Name: "alpha", Branch: "dev", Spec: "frontend-svc/test/frontend-spec.yaml"}, {Name: "2024", Branch: "1.10", Spec: "b.yaml"}}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("got %+v, want %+v", list, want)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	parseOps := func(text string) error { _, err := ParseOps("f", []byte(text), "s"); return err }
	parseRegistration := func(text string) error { _, err := ParseRegistration("f", []byte(text)); return err }
	parseCompatible := func(text string) error { _, err := ParseCompatible("f", []byte(text)); return err }
	for _, c := range []struct {
		parse      func(string) error
		text, want string
	}{
		{parseCompatible, "\n", "f:1:1: must name at least one"},
		{parseCompatible, "a:1\nb\n", "f:2:1: an environment template is named"},
		{parseCompatible, strings.Repeat("a:1\n", 11), "f:11:1: there are more than 10"},
		{parseRegistration, "", "f:1:1: must be a map"},
		{parseRegistration, "compatible_environments: []\n", "f:1:1: compatible_environments must name"},
		{parseRegistration, "compatible_environments:\n- a:1\n- b\n", "f:3:3: an environment template is named"},
		{parseRegistration, "compatible_environments:\n- a:1\nsupported_component_sources:\n- EVERY\n", "f:4:3: the only component source"},
		{parseRegistration, "compatible_environments:\n- a:1\nmore: 1\n", "f:3:1: the key \"more\""},
		{parseRegistration, "a: [\n", "f:1: not valid YAML"},
		{parseOps, "sync: {}\n", "f:1:1: must have a map of services"},
		{parseOps, "sync:\n  services:\n    other: {}\n", "f:3:5: the service s is not"},
		{parseOps, "sync:\n  services:\n    s: []\n", "f:3:8: a service must be a map"},
		{parseOps, "sync:\n  services:\n    s:\n      a b: {branch: m, spec: x}\n", "f:4:7: the name of an instance"},
		{parseOps, "sync:\n  services:\n    s:\n      a: {branch: m}\n", "f:4:7: an instance must have branch and spec"},
		{parseOps, "sync:\n  services:\n    s:\n      a: {branch: m, spec: [x]}\n", "f:4:28: spec must be a text"},
		{parseOps, "sync:\n  services:\n    s:\n      a: {branch: m, spec: ..}\n", "f:4:28: spec must be the path"},
		{parseOps, "sync:\n  services:\n    s:\n      a: {branch: m, spec: x, at: y}\n", "f:4:31: the key \"at\""},
	} {
		err := c.parse(c.text)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %s", c.text, err, c.want)
		}
	}
}

func FuzzRegistration(f *testing.F) {
	f.Add([]byte(registration))
	f.Add([]byte("compatible_environments: [a:1]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseRegistration("f", text)
		checkError(t, err)
		if err == nil && (len(r.Compatible) == 0 || len(r.Compatible) > maxListed) {
			t.Errorf("%d templates", len(r.Compatible))
		}
	})
}

func FuzzCompatible(f *testing.F) {
	f.Add([]byte("a:1\nb:2"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseCompatible("f", text)
		checkError(t, err)
		if err == nil && (len(r.Compatible) == 0 || len(r.Compatible) > maxListed) {
			t.Errorf("%d templates", len(r.Compatible))
		}
	})
}

func FuzzOps(f *testing.F) {
	f.Add([]byte(ops))
	f.Add([]byte("sync: {services: {frontend-svc: {a: {branch: b, spec: c}}}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := ParseOps("f", text, "frontend-svc")
		checkError(t, err)
		for _, one := range list {
			if one.Branch == "" || one.Spec == "" || strings.HasPrefix(one.Spec, "..") || strings.HasPrefix(one.Spec, "/") {
				t.Errorf("instance %+v", one)
			}
		}
	})
}

func checkError(t *testing.T, err error) {
	var e *document.Error
	if err != nil && (!errors.As(err, &e) || e.File != "f") {
		t.Errorf("the error is %#v", err)
	}
}
