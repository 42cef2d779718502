package policy

// Request is one thing that somebody wants to do.
type Request struct {
	Principal *Principal
	Action    string  // "kms:Encrypt"; any letter case
	Resource  string  // the ARN, or "*" for an action that has no resource
	Context   Context // condition keys; nil for none
}

// Context answers the condition keys of a request. Value gets the key in lower case
// ("aws:sourceip", "kms:encryptioncontext:purpose"; strings.ToLower of what the policy
// says, because the names of keys are case-insensitive) and returns its value, or the zero
// Values when the request has no such key. It is called only for keys that a statement
// names, possibly more than once, and must not keep or change anything.
type Context interface {
	Value(key string) Values
}

// Map is a Context that looks keys up in a map. The keys are in lower case.
type Map map[string]Values

// Value returns m[key].
func (m Map) Value(key string) Values { return m[key] }

// Values is what a request has for a condition key: nothing (the zero Values), one
// value, or a set of them.
type Values struct {
	one  string
	many []string
	kind valuesKind
}

type valuesKind uint8

const (
	absent valuesKind = iota
	single
	multi
)

// One is the value of a key that has exactly one, such as aws:SourceIp. The empty string
// is a value.
func One(s string) Values { return Values{one: s, kind: single} }

// Many is the values of a key that may have several, such as aws:TagKeys. Without any the
// key is absent. Such keys are asked with ForAllValues and ForAnyValue, and cannot be used
// as policy variables. The slice is not copied and must not change while it is in use.
func Many(ss []string) Values {
	if len(ss) == 0 {
		return Values{}
	}
	return Values{many: ss, kind: multi}
}

// Bool is One("true") or One("false").
func Bool(b bool) Values {
	if b {
		return One("true")
	}
	return One("false")
}

// Present reports whether the request has the key at all.
func (v Values) Present() bool { return v.kind != absent }

// Len returns how many values there are.
func (v Values) Len() int {
	switch v.kind {
	case single:
		return 1
	case multi:
		return len(v.many)
	}
	return 0
}

// At returns the i-th value, from 0. It panics when there is none.
func (v Values) At(i int) string {
	if v.kind == single && i == 0 {
		return v.one
	}
	return v.many[i]
}
