package spec

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/service/proton/document"
)

const service = `proton: ServiceSpec
pipeline:
  cmd: make
instances:
  - name: one
    environment: dev
    spec:
      port: 80
      image: web:1
      list: [a, b]
  - name: two
    environment: prod
    spec:
      port: 90
`

func parse(t *testing.T, text string) *Spec {
	t.Helper()
	s, err := Parse(Service, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "the key proton is missing",
		"proton: x":                         "spec:1:9: proton must be ServiceSpec",
		"proton: ServiceSpec":               "instances must name at least one service instance",
		"proton: ServiceSpec\ninstances: x": "spec:2:12: instances must be a list",
		"proton: ServiceSpec\nspec: {}":     `spec:2:1: the key "spec" is not known in a ServiceSpec`,
		"proton: ServiceSpec\ninstances:\n- {name: a}":                                              `the instance "a" must name its environment`,
		"proton: ServiceSpec\ninstances:\n- {environment: a}":                                       "an instance must have a name",
		"proton: ServiceSpec\ninstances:\n- {name: a b, environment: e}":                            "a name has 1 to 100",
		"proton: ServiceSpec\ninstances:\n- {name: a, environment: e}\n- {name: a, environment: e}": `spec:4:3: the instance "a" is there twice`,
		"proton: ServiceSpec\ninstances:\n- {name: a, environment: e, spec: [1]}":                   "must be a map of inputs",
		"proton: ServiceSpec\ninstances:\n- {name: a, environment: e, spce: {}}":                    `the key "spce" is not known in an instance`,
		"proton: ServiceSpec\npipeline: {a: 1, a: 2}":                                               `the key "a" is there twice`,
		"#" + strings.Repeat("x", MaxCharacters):                                                    "longer than 51200 characters",
	} {
		_, err := Parse(Service, text)
		var placed *document.Error
		if !errors.As(err, &placed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: got %v, want %s", text, err, want)
		}
	}
}

func TestResolve(t *testing.T) {
	old := parse(t, service)
	now := parse(t, `proton: ServiceSpec
pipeline: {cmd: "${Proton::CURRENT_VAL}", gone: "${Proton::CURRENT_VAL}"}
instances:
  - name: one
    environment: dev
    spec: {port: 81, image: "${Proton::CURRENT_VAL}", list: ["${Proton::CURRENT_VAL}", c]}
  - name: three
    environment: dev
    spec: {port: "${Proton::CURRENT_VAL}", image: "a ${Proton::CURRENT_VAL}"}
`)
	want := parse(t, `proton: ServiceSpec
pipeline: {cmd: make}
instances:
  - name: one
    environment: dev
    spec: {port: 81, image: "web:1", list: [a, c]}
  - name: three
    environment: dev
    spec: {image: "a ${Proton::CURRENT_VAL}"}
`)
	if got := now.Resolve(old).String(); got != want.String() {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	added, removed := now.Changes(old)
	if !reflect.DeepEqual(added, []string{"three"}) || !reflect.DeepEqual(removed, []string{"two"}) {
		t.Errorf("Changes: got %v, %v", added, removed)
	}
	if got := now.Resolve(nil).Pipeline.Len(); got != 0 {
		t.Errorf("without an old spec: got %d pipeline inputs, want none", got)
	}
}

func TestEdit(t *testing.T) {
	s := parse(t, service)
	if got := s.Without("one").InstanceNames(); !reflect.DeepEqual(got, []string{"two"}) {
		t.Errorf("Without: got %v", got)
	}
	if got := s.Only("one").InstanceNames(); !reflect.DeepEqual(got, []string{"one"}) {
		t.Errorf("Only: got %v", got)
	}
	more := s.With(Instance{"three", "dev", new(document.Object)}).With(Instance{"one", "test", new(document.Object)})
	if got := more.InstanceNames(); !reflect.DeepEqual(got, []string{"one", "two", "three"}) || more.Instance("one").Environment != "test" {
		t.Errorf("With: got %v", got)
	}
	if got := s.InstanceNames(); !reflect.DeepEqual(got, []string{"one", "two"}) || s.Instance("one").Environment != "dev" {
		t.Errorf("the spec itself changed: %v", got)
	}
}

func FuzzSpec(f *testing.F) {
	f.Add(service)
	f.Add("proton: EnvironmentSpec\nspec: {a: 1.0, b: [~, 1e30, '12', \"yes\"], c: {d: |\n}}")
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []string{Service, Environment} {
			s, err := Parse(kind, text)
			if err != nil {
				var placed *document.Error
				if !errors.As(err, &placed) {
					t.Fatalf("an error without a place: %v", err)
				}
				continue
			}
			written := s.String()
			if len(written) > MaxCharacters {
				continue // longer than what was read, as without aliases
			}
			again, err := Parse(kind, written)
			if err != nil {
				t.Fatalf("cannot read back: %v\n%s", err, written)
			}
			if again.String() != written {
				t.Fatalf("got\n%s\nwant\n%s", again, written)
			}
			s.Resolve(again)
		}
	})
}
