package jinja

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/strongroom/strongroom/service/proton/document"
)

// param is a parameter of a filter, test, method or function.
type param struct {
	name     string
	value    any // the default
	required bool
}

func need(name string) param            { return param{name: name, required: true} }
func with(name string, value any) param { return param{name: name, value: value} }

// variadic stands for any number of arguments, which come unbound.
var variadic = []param{{name: "*"}}

// bind puts arguments into the order of the parameters.
func bind(what string, params []param, args given) ([]any, error) {
	if len(params) == 1 && params[0].name == "*" {
		return []any{args}, nil
	}
	if len(args.list) > len(params) {
		return nil, fmt.Errorf("%s takes at most %d arguments", what, len(params))
	}
	out := make([]any, len(params))
	used := 0
	for i, p := range params {
		v, named := args.named[p.name]
		switch {
		case i < len(args.list) && named:
			return nil, fmt.Errorf("%s: the argument %s is given twice", what, p.name)
		case i < len(args.list):
			out[i] = args.list[i]
		case named:
			out[i] = v
			used++
		case p.required:
			return nil, fmt.Errorf("%s needs the argument %s", what, p.name)
		default:
			out[i] = p.value
		}
		if u, ok := out[i].(*undefined); ok {
			return nil, u.err()
		}
	}
	if used != len(args.named) {
		return nil, fmt.Errorf("%s was given an argument that it does not have", what)
	}
	return out, nil
}

// fn makes a method or function out of its parameters and its body.
func fn(name string, params []param, body func(r *run, a []any) (any, error)) *bound {
	return &bound{name, func(r *run, args given) (any, error) {
		a, err := bind(name, params, args)
		if err != nil {
			return nil, err
		}
		return body(r, a)
	}}
}

// functions are the names that every template knows.
var functions = map[string]*bound{
	"range": fn("range", []param{need("start"), with("stop", nil), with("step", int64(1))}, rangeOf),
	"dict": {"dict", func(r *run, args given) (any, error) {
		o := new(document.Object)
		for _, v := range args.list {
			from, ok := v.(*document.Object)
			if !ok {
				return nil, errors.New("dict takes a map")
			}
			for name, member := range from.All() {
				o.Set(name, member)
			}
		}
		for _, name := range sortedNames(args.named) {
			o.Set(name, args.named[name])
		}
		return o, r.spend(64 * o.Len())
	}},
	"namespace": {"namespace", func(r *run, args given) (any, error) {
		ns := &namespace{vars: make(map[string]any)}
		for name, v := range args.named {
			ns.vars[name] = v
		}
		return ns, nil
	}},
}

// maxRange is the longest range, as in Jinja2's own sandbox.
const maxRange = 100_000

func rangeOf(r *run, a []any) (any, error) {
	var n [3]int64
	for i, v := range a {
		if i == 1 && v == nil {
			continue
		}
		k, ok := numeric(v).(int64)
		if !ok {
			return nil, errors.New("range takes whole numbers")
		}
		n[i] = k
	}
	if a[1] == nil {
		n[0], n[1] = 0, n[0]
	}
	if n[2] == 0 {
		return nil, errors.New("the step of range must not be zero")
	}
	l := &list{}
	for k := n[0]; n[2] > 0 && k < n[1] || n[2] < 0 && k > n[1]; {
		if len(l.items) >= maxRange {
			return nil, fmt.Errorf("a range has at most %d numbers", maxRange)
		}
		l.items = append(l.items, k)
		next := k + n[2]
		if (next > k) != (n[2] > 0) {
			break // beyond 64 bits
		}
		k = next
	}
	return l, r.spend(16 * len(l.items))
}

// field is a member of the variable loop.
func (l *loopState) field(name string) (any, bool) {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.index + 1), true
	case "index0":
		return int64(l.index), true
	case "revindex":
		return int64(n - l.index), true
	case "revindex0":
		return int64(n - l.index - 1), true
	case "first":
		return l.index == 0, true
	case "last":
		return l.index == n-1, true
	case "length":
		return int64(n), true
	case "depth":
		return int64(1), true
	case "previtem":
		if l.index > 0 {
			return l.items[l.index-1], true
		}
	case "nextitem":
		if l.index < n-1 {
			return l.items[l.index+1], true
		}
	case "cycle":
		return &bound{"cycle", func(_ *run, args given) (any, error) {
			if len(args.list) == 0 {
				return nil, errors.New("cycle needs values")
			}
			return args.list[l.index%len(args.list)], nil
		}}, true
	case "changed":
		return &bound{"changed", l.changed}, true
	}
	return nil, false
}

func (l *loopState) changed(r *run, args given) (any, error) {
	var now any = &list{items: args.list, tuple: true}
	if l.last != nil {
		same, err := r.equal(*l.last, now, 0)
		if same || err != nil {
			return false, err
		}
	}
	l.last = &now
	return true, nil
}

// method returns a method of a string, list or map, or nil.
func method(of any, name string) any {
	switch v := of.(type) {
	case string:
		if f, ok := textMethods[name]; ok {
			return fn(name, f.params, func(r *run, a []any) (any, error) {
				if err := r.work(v); err != nil {
					return nil, err
				}
				return f.run(r, v, a)
			})
		}
	case *list:
		return listMethod(v, name)
	case *document.Object:
		return mapMethod(v, name)
	}
	return nil
}

func mapMethod(v *document.Object, name string) any {
	each := func(of func(name string, value any) any) *bound {
		return fn(name, nil, func(r *run, _ []any) (any, error) {
			l := &list{}
			for name, value := range v.All() {
				l.items = append(l.items, of(name, own(value)))
			}
			return l, r.spend(48 * len(l.items))
		})
	}
	switch name {
	case "items":
		return each(func(name string, value any) any { return &list{[]any{name, value}, true} })
	case "keys":
		return each(func(name string, _ any) any { return name })
	case "values":
		return each(func(_ string, value any) any { return value })
	case "get":
		return fn(name, []param{need("key"), with("default", nil)}, func(_ *run, a []any) (any, error) {
			if key, ok := a[0].(string); ok {
				if value, ok := v.Get(key); ok {
					return own(value), nil
				}
			}
			return a[1], nil
		})
	}
	return nil
}

func listMethod(v *list, name string) any {
	switch {
	case name == "index":
		return fn(name, []param{need("value")}, func(r *run, a []any) (any, error) {
			for i, one := range v.items {
				if same, err := r.equal(one, a[0], 0); same || err != nil {
					return int64(i), err
				}
			}
			return nil, errors.New("the value is not in the list")
		})
	case name == "count":
		return fn(name, []param{need("value")}, func(r *run, a []any) (any, error) {
			n := int64(0)
			for _, one := range v.items {
				same, err := r.equal(one, a[0], 0)
				if err != nil {
					return nil, err
				}
				if same {
					n++
				}
			}
			return n, nil
		})
	case name == "append" && !v.tuple:
		return fn(name, []param{need("value")}, func(r *run, a []any) (any, error) {
			if a[0] == any(v) {
				return nil, errors.New("a list cannot hold itself")
			}
			v.items = append(v.items, a[0])
			return nil, r.spend(32)
		})
	case name == "extend" && !v.tuple:
		return fn(name, []param{need("values")}, func(r *run, a []any) (any, error) {
			more, err := r.items(a[0])
			if err != nil {
				return nil, err
			}
			if err := r.spend(32 * len(more)); err != nil {
				return nil, err
			}
			v.items = append(v.items, more...)
			return nil, nil
		})
	}
	return nil
}

// textMethod is a method of a string.
type textMethod struct {
	params []param
	run    func(r *run, s string, a []any) (any, error)
}

// plainMethod is one without arguments whose result is at most twice as long.
func plainMethod(f func(string) string) textMethod {
	return textMethod{nil, func(r *run, s string, _ []any) (any, error) {
		return f(s), r.spend(2 * len(s))
	}}
}

// stringsOf returns arguments that must be strings.
func stringsOf(a []any) ([]string, error) {
	out := make([]string, len(a))
	for i, v := range a {
		s, ok := v.(string)
		if !ok {
			return nil, errors.New("expected a string, found " + kindOf(v))
		}
		out[i] = s
	}
	return out, nil
}

// asks is a method that says yes or no about a string and another.
func asks(f func(s, part string) bool) textMethod {
	return textMethod{[]param{need("part")}, func(_ *run, s string, a []any) (any, error) {
		part, err := stringsOf(a)
		if err != nil {
			return nil, err
		}
		return f(s, part[0]), nil
	}}
}

// every is a method such as isdigit.
func every(f func(rune) bool) textMethod {
	return textMethod{nil, func(_ *run, s string, _ []any) (any, error) {
		return s != "" && strings.IndexFunc(s, func(c rune) bool { return !f(c) }) < 0, nil
	}}
}

// strips is strip, lstrip or rstrip.
func strips(left, right bool) textMethod {
	return textMethod{[]param{with("chars", nil)}, func(_ *run, s string, a []any) (any, error) {
		cut := unicode.IsSpace
		if a[0] != nil {
			chars, err := stringsOf(a)
			if err != nil {
				return nil, err
			}
			cut = func(c rune) bool { return strings.ContainsRune(chars[0], c) }
		}
		if left {
			s = strings.TrimLeftFunc(s, cut)
		}
		if right {
			s = strings.TrimRightFunc(s, cut)
		}
		return s, nil
	}}
}

var textMethods = map[string]textMethod{
	"upper": plainMethod(strings.ToUpper), "lower": plainMethod(strings.ToLower),
	"capitalize": plainMethod(capitalize), "title": plainMethod(pythonTitle), "swapcase": plainMethod(swapcase),
	"strip": strips(true, true), "lstrip": strips(true, false), "rstrip": strips(false, true),
	"startswith": asks(strings.HasPrefix), "endswith": asks(strings.HasSuffix),
	"isdigit": every(unicode.IsDigit), "isalpha": every(unicode.IsLetter), "isspace": every(unicode.IsSpace),
	"isalnum": every(func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }),
	"removeprefix": {[]param{need("part")}, func(_ *run, s string, a []any) (any, error) {
		part, err := stringsOf(a)
		return strings.TrimPrefix(s, strings.Join(part, "")), err
	}},
	"removesuffix": {[]param{need("part")}, func(_ *run, s string, a []any) (any, error) {
		part, err := stringsOf(a)
		return strings.TrimSuffix(s, strings.Join(part, "")), err
	}},
	"replace": {[]param{need("old"), need("new"), with("count", int64(-1))}, func(r *run, s string, a []any) (any, error) {
		return r.replaced(s, a[0], a[1], a[2])
	}},
	"split": {[]param{with("sep", nil), with("maxsplit", int64(-1))}, splits},
	"splitlines": {nil, func(r *run, s string, _ []any) (any, error) {
		return r.texts(strings.Split(strings.TrimSuffix(s, "\n"), "\n"))
	}},
	"join": {[]param{need("values")}, func(r *run, s string, a []any) (any, error) {
		return r.together(a[0], s)
	}},
	"find": {[]param{need("part")}, func(_ *run, s string, a []any) (any, error) {
		part, err := stringsOf(a)
		if err != nil {
			return nil, err
		}
		i := strings.Index(s, part[0])
		if i > 0 {
			i = len([]rune(s[:i]))
		}
		return int64(i), nil
	}},
	"count": {[]param{need("part")}, func(_ *run, s string, a []any) (any, error) {
		part, err := stringsOf(a)
		if err != nil {
			return nil, err
		}
		return int64(strings.Count(s, part[0])), nil
	}},
	"zfill": {[]param{need("width")}, func(r *run, s string, a []any) (any, error) {
		width, ok := a[0].(int64)
		n := width - int64(len([]rune(s)))
		if !ok || n <= 0 {
			return s, nil
		}
		if err := r.spendTimes(1, n); err != nil {
			return nil, err
		}
		sign := ""
		if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
			sign, s = s[:1], s[1:]
		}
		return sign + strings.Repeat("0", int(n)) + s, nil
	}},
}

// texts makes a list of strings.
func (r *run) texts(all []string) (any, error) {
	l := &list{items: make([]any, len(all))}
	for i, s := range all {
		l.items[i] = s
	}
	return l, r.spend(32 * len(all))
}

func splits(r *run, s string, a []any) (any, error) {
	if err := r.spend(32 * (len(s) + 1)); err != nil {
		return nil, err
	}
	most, ok := a[1].(int64)
	if !ok {
		return nil, errors.New("maxsplit must be a whole number")
	}
	n := int(min(most, int64(len(s)))) + 1
	if most < 0 {
		n = -1
	}
	if a[0] == nil {
		if n < 0 {
			return r.texts(strings.Fields(s))
		}
		return r.texts(fieldsN(s, n))
	}
	sep, ok := a[0].(string)
	if !ok || sep == "" {
		return nil, errors.New("split needs a separator that is not empty")
	}
	return r.texts(strings.SplitN(s, sep, n))
}

// fieldsN splits at white space into at most n parts.
func fieldsN(s string, n int) []string {
	var all []string
	for s = strings.TrimSpace(s); s != ""; {
		i := strings.IndexFunc(s, unicode.IsSpace)
		if i < 0 || len(all) == n-1 {
			return append(all, s)
		}
		all = append(all, s[:i])
		s = strings.TrimLeftFunc(s[i:], unicode.IsSpace)
	}
	return all
}
