package spec

import "github.com/strongroom/strongroom/service/proton/document"

// Current stands in a new spec for the value that the old one has at the same place.
const Current = "${Proton::CURRENT_VAL}"

// Resolve returns the spec with every ${Proton::CURRENT_VAL} replaced by the value at the
// same place of old; instances are paired by name. Where old has no value, the input is
// left out, so that a default of the schema can take its place. old may be nil.
func (s *Spec) Resolve(old *Spec) *Spec {
	if old == nil {
		old = new(Spec)
	}
	out := &Spec{Kind: s.Kind}
	out.Inputs = resolveObject(s.Inputs, old.Inputs)
	out.Pipeline = resolveObject(s.Pipeline, old.Pipeline)
	for _, in := range s.Instances {
		var before *document.Object
		if was := old.Instance(in.Name); was != nil {
			before = was.Inputs
		}
		out.Instances = append(out.Instances, Instance{in.Name, in.Environment, resolveObject(in.Inputs, before)})
	}
	return out
}

func resolveObject(now, was *document.Object) *document.Object {
	if now == nil {
		return nil
	}
	out := new(document.Object)
	for name, v := range now.All() {
		before, ok := was.Get(name)
		if v, ok := resolve(v, before, ok); ok {
			out.Set(name, v)
		}
	}
	return out
}

// resolve returns the value and whether there is one.
func resolve(now, was any, has bool) (any, bool) {
	switch now := now.(type) {
	case string:
		if now == Current {
			return was, has
		}
	case *document.Object:
		before, _ := was.(*document.Object)
		return resolveObject(now, before), true
	case []any:
		before, _ := was.([]any)
		out := make([]any, 0, len(now))
		for i, item := range now {
			var b any
			if i < len(before) {
				b = before[i]
			}
			if v, ok := resolve(item, b, i < len(before)); ok {
				out = append(out, v)
			}
		}
		return out, true
	}
	return now, true
}
