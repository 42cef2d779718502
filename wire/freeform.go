package wire

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// FreeForm calls fn with each text of in, a pointer to the operation's input, that people write as they like, so that it may hold what
// should not be there: names, descriptions, aliases, titles and comments, and tags; sensitive ones too. at is where the text
// stands, worded as Validate does: tags.1.value. name is what it is called: the member's name, or the key of the tag whose value it
// is. An operation that has no such members costs nothing. Calls may run together.
func (o *Operation) FreeForm(in any, fn func(at, name, text string)) {
	if len(o.Input.free()) > 0 {
		freeWalk(fn).structure(reflect.ValueOf(in).Elem(), o.Input, "")
	}
}

// free returns the members of a structure that are such texts, or that lead to some.
func (s *Shape) free() []*Member {
	if have := s.freeMembers.Load(); have != nil {
		return *have
	}
	var list []*Member
	for _, m := range s.Members {
		if leadsToFree(m, map[*Shape]bool{}) {
			list = append(list, m)
		}
	}
	s.freeMembers.Store(&list)
	return list
}

// leadsToFree reports whether a member is such a text, or has some below it. A shape that is being looked at already adds nothing to the answer.
func leadsToFree(m *Member, seen map[*Shape]bool) bool {
	if freeText(m) || tagged(m) {
		return true
	}
	s := m.Shape
	if seen[s] {
		return false
	}
	seen[s] = true
	return slices.ContainsFunc(s.Members, func(m *Member) bool { return leadsToFree(m, seen) }) || s.Elem != nil && leadsToFree(s.Elem, seen)
}

// freeText reports whether people write a member as they like. Whom a name is about in IAM and STS, and by which session, is
// no such text: AWS itself advises to put the address of a person there.
func freeText(m *Member) bool {
	if m.Shape.Kind != String || len(m.Shape.Enum) > 0 || m.Streaming {
		return false
	}
	name := strings.ToLower(m.Name)
	for _, end := range [...]string{"description", "alias", "title", "comment", "comments"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return strings.HasSuffix(name, "name") && !strings.HasSuffix(name, "username") && name != "rolesessionname"
}

// tagged reports whether a member has tags.
func tagged(m *Member) bool {
	switch m.Name {
	case "Tags", "tags", "TagSet", "Tagging", "TagsList":
		return true
	}
	return false
}

// freeWalk is a walk through a value to its free-form texts.
type freeWalk func(at, name, text string)

func (w freeWalk) structure(v reflect.Value, s *Shape, at string) {
	for _, m := range s.free() {
		f := v.Field(m.Field)
		if absent(f) {
			continue
		}
		below := joined(at, m.Name)
		switch {
		case tagged(m):
			w.tags(f, m.Shape, below, "")
		case freeText(m):
			w(below, m.Name, reflect.Indirect(f).String())
		default:
			w.value(f, m.Shape, below)
		}
	}
}

func (w freeWalk) value(v reflect.Value, s *Shape, at string) {
	v = reflect.Indirect(v)
	switch s.Kind {
	case Structure:
		w.structure(v, s, at)
	case List:
		for i := range v.Len() {
			w.value(v.Index(i), s.Elem.Shape, at+"."+strconv.Itoa(i+1))
		}
	case Map:
		for entry := v.MapRange(); entry.Next(); {
			w.value(entry.Value(), s.Elem.Shape, at)
		}
	}
}

// tags tells of all texts of tags, whatever form they have.
func (w freeWalk) tags(v reflect.Value, s *Shape, at, name string) {
	v = reflect.Indirect(v)
	switch s.Kind {
	case String:
		w(at, name, v.String())
	case List:
		for i := range v.Len() {
			w.tags(v.Index(i), s.Elem.Shape, at+"."+strconv.Itoa(i+1), "")
		}
	case Map:
		for entry := v.MapRange(); entry.Next(); {
			w(at, "", entry.Key().String())
			w.tags(entry.Value(), s.Elem.Shape, at, entry.Key().String())
		}
	case Structure:
		key := ""
		for _, m := range s.Members { // the key of a tag comes before its value
			f := v.Field(m.Field)
			if absent(f) {
				continue
			}
			w.tags(f, m.Shape, joined(at, m.Name), key)
			if m.Shape.Kind == String && strings.HasSuffix(m.Name, "ey") {
				key = reflect.Indirect(f).String()
			}
		}
	}
}
