package spec

import "slices"

// Instance returns the instance with the name, or nil. It must not be changed.
func (s *Spec) Instance(name string) *Instance {
	for i := range s.Instances {
		if s.Instances[i].Name == name {
			return &s.Instances[i]
		}
	}
	return nil
}

// InstanceNames returns the names of the instances in order.
func (s *Spec) InstanceNames() []string {
	var all []string
	for _, in := range s.Instances {
		all = append(all, in.Name)
	}
	return all
}

// Changes returns the names of the instances that s has and old has not, and the other
// way round, in the order of the specs.
func (s *Spec) Changes(old *Spec) (added, removed []string) {
	for _, in := range s.Instances {
		if old.Instance(in.Name) == nil {
			added = append(added, in.Name)
		}
	}
	for _, in := range old.Instances {
		if s.Instance(in.Name) == nil {
			removed = append(removed, in.Name)
		}
	}
	return added, removed
}

// With returns the spec with the instance in the place of the one that has its name, or
// at the end.
func (s *Spec) With(in Instance) *Spec {
	out := *s
	out.Instances = slices.Clone(s.Instances)
	if at := slices.IndexFunc(out.Instances, func(o Instance) bool { return o.Name == in.Name }); at >= 0 {
		out.Instances[at] = in
		return &out
	}
	out.Instances = append(out.Instances, in)
	return &out
}

// Without returns the spec without the instance.
func (s *Spec) Without(name string) *Spec {
	out := *s
	out.Instances = slices.DeleteFunc(slices.Clone(s.Instances), func(in Instance) bool { return in.Name == name })
	return &out
}

// Only returns the spec with no instance but the one, as a service instance's own spec is.
func (s *Spec) Only(name string) *Spec {
	out := *s
	out.Instances = slices.DeleteFunc(slices.Clone(s.Instances), func(in Instance) bool { return in.Name != name })
	return &out
}
