package wire

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Validate checks in, a pointer to the operation's input, against the constraints of
// its shape. It returns nil, or an *Error of the service's validation code with
// status 400 that names every failure in AWS's words:
//
//	2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null; Value 'x' at 'tags.1.member.tagKey' failed to ...
//
// Values of sensitive and blob members are left out of the message. An input without
// a failure costs no allocation of ours; package regexp pools its own. Calls may run
// together.
func (o *Operation) Validate(in any) error {
	v := reflect.ValueOf(in).Elem()
	fast := walk{}
	if fast.structure(v, o.Input, ""); !fast.failed {
		return nil
	}
	slow := walk{explain: true}
	slow.structure(v, o.Input, "")
	if o.inDocument(slow.failures) {
		return Errorf("MalformedXML", http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema")
	}
	code := "ValidationException"
	if o.Service != nil && o.Service.ValidationCode != "" {
		code = o.Service.ValidationCode
	}
	plural := ""
	if len(slow.failures) > 1 {
		plural = "s"
	}
	texts := make([]string, len(slow.failures))
	for i, f := range slow.failures {
		texts[i] = f.text()
	}
	e := Errorf(code, http.StatusBadRequest, "%d validation error%s detected: %s", len(slow.failures), plural, strings.Join(texts, "; "))
	e.Detail = o.Service.explain(code, ReasonFields, slow.failures)
	return e
}

// inDocument reports whether all that fails stands in the XML document of a request: S3 answers then as if it could not be read,
// and says nothing of what is wrong in it.
func (o *Operation) inDocument(failures []failure) bool {
	if o.Service == nil || o.Service.Protocol != RESTXML || o.Input.Payload == "" {
		return false
	}
	document := joined("", o.Input.Payload) + "."
	return !slices.ContainsFunc(failures, func(f failure) bool { return !strings.HasPrefix(f.path, document) })
}

// rules are a shape's constraints, prepared.
type rules struct {
	idle    bool // nothing below this shape can fail
	pattern *regexp.Regexp
	enum    map[string]bool
	scalar  bool // a value of its own, which a list reports as a whole
}

func (s *Shape) rule() *rules {
	if r := s.rules.Load(); r != nil {
		return r
	}
	r := &rules{idle: idle(s, map[*Shape]bool{}), scalar: s.Kind != List && s.Kind != Map && s.Kind != Structure}
	if s.Pattern != "" {
		r.pattern = regexp.MustCompile(`\A(?:` + s.Pattern + `)\z`)
	}
	if len(s.Enum) > 0 {
		r.enum = make(map[string]bool, len(s.Enum))
		for _, v := range s.Enum {
			r.enum[v] = true
		}
	}
	s.rules.Store(r)
	return r
}

// leaks reports whether a text must not be repeated although its shape is not sensitive: it is
// meant as part of a URL, is not what the shape allows, and has what a credential or a token
// stands behind or before in a URL.
func (s *Shape) leaks(text string) bool {
	if !strings.ContainsAny(text, "@?") {
		return false
	}
	name := strings.ToLower(s.Name)
	if !strings.Contains(name, "uri") && !strings.Contains(name, "url") {
		return false
	}
	pattern := s.rule().pattern
	return pattern != nil && !pattern.MatchString(text)
}

// idle reports whether no value of s can break a constraint. A shape that is being
// looked at already adds nothing to the answer.
func idle(s *Shape, seen map[*Shape]bool) bool {
	if seen[s] {
		return true
	}
	seen[s] = true
	if s.Min != nil || s.Max != nil || s.Pattern != "" || len(s.Enum) > 0 || s.Union {
		return false
	}
	for _, m := range s.Members {
		if m.Required || !idle(m.Shape, seen) {
			return false
		}
	}
	return (s.Key == nil || idle(s.Key.Shape, seen)) && (s.Elem == nil || idle(s.Elem.Shape, seen))
}

// A walk goes through a value twice at most: first to see whether anything fails,
// and only then to say what.
type walk struct {
	explain  bool
	failed   bool
	failures []failure
}

// done reports whether the rest of the value does not matter any more.
func (w *walk) done() bool { return w.failed && !w.explain }

func (w *walk) fail(shown, path, constraint string) {
	w.failed = true
	if !w.explain {
		return
	}
	w.failures = append(w.failures, failure{path, shown, constraint})
}

func (w *walk) join(path, name string) string {
	if !w.explain {
		return ""
	}
	return joined(path, name)
}

// joined returns the path of a member below another, as AWS words it.
func joined(path, name string) string {
	if name[0] >= 'A' && name[0] <= 'Z' {
		name = string(name[0]+'a'-'A') + name[1:]
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func (w *walk) structure(v reflect.Value, s *Shape, path string) {
	set := 0
	for _, m := range s.Members {
		f := v.Field(m.Field)
		if absent(f) {
			if m.Required {
				w.fail("null", w.join(path, m.Name), "Member must not be null")
			}
		} else {
			set++
			if !m.Streaming && !m.Shape.rule().idle {
				w.value(f, m, w.join(path, m.Name))
			}
		}
		if w.done() {
			return
		}
	}
	if s.Union && set != 1 {
		w.fail("", path, "Member must have exactly one member set")
	}
}

// absent reports whether a field holds nothing: see Kind.
func absent(f reflect.Value) bool {
	if f.Kind() == reflect.String {
		return f.Len() == 0
	}
	return f.IsNil()
}

// value checks what a member, element or map value holds.
func (w *walk) value(v reflect.Value, m *Member, path string) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	s := m.Shape
	switch s.Kind {
	case Structure:
		w.structure(v, s, path)
	case List:
		w.size(v, m, path)
		w.list(v, m, path)
	case Map:
		w.size(v, m, path)
		w.entries(v, m, path)
	default:
		w.scalar(v, m, path)
	}
}

func (w *walk) size(v reflect.Value, m *Member, path string) {
	if c := bounds(m.Shape, float64(v.Len()), "length"); c != "" {
		w.fail(w.show(v, m), path, c)
	}
}

func (w *walk) list(v reflect.Value, m *Member, path string) {
	elem := m.Shape.Elem
	rule := elem.Shape.rule()
	if rule.idle {
		return
	}
	for i := range v.Len() {
		if rule.scalar {
			if scalarFails(v.Index(i), elem.Shape) {
				w.fail(w.show(v, m), path, "Member must satisfy constraint: "+w.all(elem.Shape))
				return
			}
			continue
		}
		at := ""
		if w.explain {
			at = path + "." + strconv.Itoa(i+1) + ".member"
		}
		if w.value(v.Index(i), elem, at); w.done() {
			return
		}
	}
}

func (w *walk) entries(v reflect.Value, m *Member, path string) {
	key, elem := m.Shape.Key, m.Shape.Elem
	if key.Shape.rule().idle && elem.Shape.rule().idle {
		return
	}
	if texts, ok := v.Interface().(map[string]string); ok && !w.explain {
		w.failed = w.failed || textsFail(texts, key.Shape, elem.Shape)
		return
	}
	keys := v.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	badKey, badValue := false, false
	for _, k := range keys {
		badKey = badKey || scalarFails(k, key.Shape)
		if !elem.Shape.rule().scalar {
			w.value(v.MapIndex(k), elem, path+"."+k.String()+".member")
		} else {
			badValue = badValue || scalarFails(v.MapIndex(k), elem.Shape)
		}
	}
	if badKey {
		w.fail(w.show(v, m), path, "Map keys must satisfy constraint: "+w.all(key.Shape))
	}
	if badValue {
		w.fail(w.show(v, m), path, "Map value must satisfy constraint: "+w.all(elem.Shape))
	}
}

// textsFail is entries for the map that is on the way of every key use: the
// encryption context.
func textsFail(texts map[string]string, key, value *Shape) bool {
	for k, v := range texts {
		if textFails(k, key) || textFails(v, value) {
			return true
		}
	}
	return false
}

// scalar reports each constraint that a value of its own breaks.
func (w *walk) scalar(v reflect.Value, m *Member, path string) {
	if !scalarFails(v, m.Shape) {
		return
	}
	w.failed = true
	if !w.explain {
		return
	}
	for _, c := range broken(v, m.Shape) {
		w.fail(w.show(v, m), path, c)
	}
}

func scalarFails(v reflect.Value, s *Shape) bool {
	switch s.Kind {
	case String:
		return textFails(v.String(), s)
	case Blob:
		return outside(s, float64(v.Len()))
	case Integer, Long:
		return outside(s, float64(v.Int()))
	case Float, Double:
		return outside(s, v.Float())
	}
	return false
}

func textFails(text string, s *Shape) bool {
	r := s.rule()
	return (s.Min != nil || s.Max != nil) && outside(s, float64(utf8.RuneCountInString(text))) ||
		r.pattern != nil && !r.pattern.MatchString(text) ||
		r.enum != nil && !r.enum[text]
}

func outside(s *Shape, n float64) bool {
	return s.Max != nil && !(n <= *s.Max) || s.Min != nil && !(n >= *s.Min)
}
