package wire

import "reflect"

// Members reads members of an operation's input by their names, for what a service does alike with all of its operations
// that have a member of that name.
type Members struct{ v reflect.Value }

// MembersOf returns the members of an input, which is a pointer to one of the generated structs.
func MembersOf(in any) Members { return Members{reflect.ValueOf(in).Elem()} }

// Text returns a member as text; "" when it is absent, no text, or none of the operation's.
func (m Members) Text(name string) string {
	f := m.v.FieldByName(name)
	if f.IsValid() && f.Kind() == reflect.Pointer {
		f = f.Elem() // not valid for nil
	}
	if f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

// Get returns a member as it is; nil when it is none of the operation's.
func (m Members) Get(name string) any {
	if f := m.v.FieldByName(name); f.IsValid() {
		return f.Interface()
	}
	return nil
}
