package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An api is a model with every Go name decided: what the printers print.
type api struct {
	pkg    string
	meta   metadata
	ops    []*op     // by name
	types  []*typ    // inputs and outputs by operation, then the others by name
	enums  []*typ    // by name
	others []*typ    // shapes without a Go type of their own, by name
	errors []*failed // by name
}

type op struct {
	operation
	input, output *typ
}

// A typ is a shape and the name it goes by: of its Go type, where it has one, and in
// the schema.
type typ struct {
	*shape
	name    string
	pattern string // Go's
	of      string // "the input of Encrypt", for types that are an operation's
	fields  []field
	elem    *use
	key     *use
	values  []value // of an enum
	in      bool    // reached from an input
}

// A use is a shape where a member, element, key or value names it.
type use struct {
	ref
	typ *typ
}

type field struct {
	use
	member string // the model's spelling
	name   string // Go's
	must   bool
}

type value struct{ name, text string }

// A failed is an error shape.
type failed struct {
	*shape
	name   string
	fn     string // the constructor
	detail *typ   // its members beyond the message
	secret bool   // the model calls its message sensitive
}

func (f *failed) code() string {
	if f.Error.Code != "" {
		return f.Error.Code
	}
	return f.name
}

func (f *failed) fault() bool { return f.Fault || f.Error.Fault || f.status() >= 500 }

func (f *failed) status() int {
	switch {
	case f.Error.Status != 0:
		return f.Error.Status
	case f.Fault || f.Error.Fault:
		return 500
	}
	return 400
}

type resolver struct {
	*api
	m     *model
	scope scope
	done  map[string]*typ // by model name, without inputs and outputs
}

// resolve decides the names of everything that can be reached from an operation or
// an error. What cannot is left out.
func resolve(pkg string, m *model) (*api, error) {
	r := &resolver{api: &api{pkg: pkg, meta: m.Metadata}, m: m, scope: scope{}, done: map[string]*typ{}}
	for _, name := range []string{"API", "Client", "NewClient", "Service", "Unimplemented"} {
		r.scope[name] = "in every package"
	}
	steps := []func() error{r.reserve, r.operations, r.failures, r.enumerate}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("%s: %w", pkg, err)
		}
	}
	byName := func(a, b *typ) int { return strings.Compare(a.name, b.name) }
	for _, t := range slices.SortedFunc(maps.Values(r.done), byName) {
		switch {
		case t.Type == "structure":
			r.types = append(r.types, t)
		case len(t.Enum) > 0:
			r.enums = append(r.enums, t)
		default:
			r.others = append(r.others, t)
		}
	}
	return r.api, nil
}

// reserve gives inputs and outputs their names before any shape can take them.
func (r *resolver) reserve() error {
	for _, name := range slices.Sorted(maps.Keys(r.m.Operations)) {
		if exported(name) != name {
			return fmt.Errorf("operation %s is no Go name", name)
		}
		for _, suffix := range []string{"Input", "Output"} {
			if _, err := r.scope.take("operation "+name, name+suffix); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *resolver) operations() error {
	for _, name := range slices.Sorted(maps.Keys(r.m.Operations)) {
		o := &op{operation: r.m.Operations[name]}
		o.Name = name
		var err error
		if o.input, err = r.message(name+"Input", "the input of "+name, o.Input.Shape, true); err != nil {
			return err
		}
		if o.output, err = r.message(name+"Output", "the output of "+name, o.Output.Shape, false); err != nil {
			return err
		}
		r.ops = append(r.ops, o)
		r.types = append(r.types, o.input, o.output)
	}
	return nil
}

// message makes a type of an input's or output's own, also where the model has none
// or shares one.
func (r *resolver) message(name, of, model string, in bool) (*typ, error) {
	s := &shape{Type: "structure"}
	if model != "" {
		if s = r.m.Shapes[model]; s == nil {
			return nil, fmt.Errorf("%s: no shape %s", of, model)
		}
	}
	t := &typ{shape: s, name: name, of: of, in: in}
	if err := r.fill(t); err != nil {
		return nil, err
	}
	for i := range t.fields {
		if f := &t.fields[i]; in && f.RecordName == "" {
			f.RecordName = r.meta.RecordNames[f.member]
		}
	}
	return t, nil
}

// shape resolves a shape that is not an input or output.
func (r *resolver) shape(name string, in bool) (*typ, error) {
	if t := r.done[name]; t != nil {
		return t, nil
	}
	s := r.m.Shapes[name]
	if s == nil {
		return nil, fmt.Errorf("no shape %s", name)
	}
	t := &typ{shape: s, name: name, in: in}
	r.done[name] = t
	var err error
	if s.Type == "structure" || len(s.Enum) > 0 {
		go_ := exported(name)
		if t.name, err = r.scope.take("shape "+name, go_, go_+"Shape"); err != nil {
			return nil, err
		}
	}
	if err := r.fill(t); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

func (r *resolver) fill(t *typ) error {
	var err error
	if t.pattern, err = t.goPattern(); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, member := range t.Members.names {
		u, err := r.use(t.Members.refs[member], t.in)
		if err != nil {
			return err
		}
		f := field{use: *u, member: member, name: exported(member), must: slices.Contains(t.Required, member)}
		if names[f.name] {
			return fmt.Errorf("two members would be named %s", f.name)
		}
		names[f.name] = true
		t.fields = append(t.fields, f)
	}
	for _, name := range t.Required {
		if _, ok := t.Members.refs[name]; !ok {
			return fmt.Errorf("required member %s does not exist", name)
		}
	}
	if elem := t.Member; elem != nil {
		t.elem, err = r.use(*elem, t.in)
	} else if t.Value != nil {
		t.elem, err = r.use(*t.Value, t.in)
	}
	if err == nil && t.Key != nil {
		t.key, err = r.use(*t.Key, t.in)
	}
	return err
}

func (r *resolver) use(ref ref, in bool) (*use, error) {
	t, err := r.shape(ref.Shape, in)
	return &use{ref: ref, typ: t}, err
}

// failures resolves the error shapes, whether or not an operation names them.
func (r *resolver) failures() error {
	for _, name := range slices.Sorted(maps.Keys(r.m.Shapes)) {
		s := r.m.Shapes[name]
		if !s.Exception {
			continue
		}
		f := &failed{shape: s, name: name, secret: r.hidesMessage(s)}
		go_ := exported(name)
		var err error
		if f.fn, err = r.scope.take("error "+name, go_, "Err"+go_); err != nil {
			return err
		}
		detail := *s
		detail.Members.names = slices.DeleteFunc(slices.Clone(s.Members.names), isMessage)
		detail.Required = slices.DeleteFunc(slices.Clone(s.Required), isMessage)
		if len(detail.Members.names) > 0 {
			f.detail = &typ{shape: &detail, of: "what " + go_ + " says beyond its message"}
			if f.detail.name, err = r.scope.take("detail of "+name, go_+"Detail"); err != nil {
				return err
			}
			if err := r.fill(f.detail); err != nil {
				return err
			}
			r.types = append(r.types, f.detail)
		}
		r.errors = append(r.errors, f)
	}
	return nil
}

// hidesMessage reports whether the message of an error is sensitive.
func (r *resolver) hidesMessage(s *shape) bool {
	for name, ref := range s.Members.refs {
		if isMessage(name) {
			text := r.m.Shapes[ref.Shape]
			return ref.Sensitive || text != nil && text.Sensitive
		}
	}
	return false
}

func isMessage(member string) bool { return strings.EqualFold(member, "message") }

// enumerate names the values of enums, after all types have theirs.
func (r *resolver) enumerate() error {
	for _, name := range slices.Sorted(maps.Keys(r.done)) {
		t := r.done[name]
		for _, text := range t.Enum {
			c := constant(t.name, text)
			c, err := r.scope.take(fmt.Sprintf("value %q of %s", text, t.name), c, c+"Value", c+"Value2")
			if err != nil {
				return err
			}
			t.values = append(t.values, value{c, text})
		}
	}
	return nil
}

// readOnlyVerbs begin the names of operations that change nothing.
var readOnlyVerbs = []string{
	"BatchGet", "Describe", "Get", "Head", "List", "Lookup", "Search", "Select", "Simulate", "Validate", "Verify",
}

func (o *op) readOnly() bool {
	if o.ReadOnly != nil {
		return *o.ReadOnly
	}
	return slices.ContainsFunc(readOnlyVerbs, func(verb string) bool {
		rest, ok := strings.CutPrefix(o.Name, verb)
		return ok && (rest == "" || 'A' <= rest[0] && rest[0] <= 'Z')
	})
}

func (o *op) unsigned() bool {
	return o.AuthType == "none" || slices.Equal(o.Auth, []string{"smithy.api#noAuth"})
}
