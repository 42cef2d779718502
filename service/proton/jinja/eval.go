package jinja

import (
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/service/proton/document"
)

// given are the evaluated arguments of a call.
type given struct {
	list  []any
	named map[string]any
}

// undefined is what a name stands for that nothing was given for.
type undefined struct{ name string }

func (u *undefined) err() error { return fmt.Errorf("'%s' is undefined", u.name) }

// list is a list or tuple made by the template; lists that come from outside are copied
// into one when they are first used, so that a template never changes what it was given.
type list struct {
	items []any
	tuple bool
}

// namespace is what namespace() makes.
type namespace struct{ vars map[string]any }

// loopState is the variable loop.
type loopState struct {
	items []any
	index int
	last  *any // of changed
}

// bound is a method of a value, or a function.
type bound struct {
	name string
	call func(r *run, args given) (any, error)
}

// eval evaluates an expression. An undefined value is no error by itself.
func (r *run) eval(e expr, s *scope) (any, error) {
	if err := r.step(); err != nil {
		return nil, r.at(e.where(), err)
	}
	v, err := r.evaluate(e, s)
	if err != nil {
		return nil, r.at(e.where(), err)
	}
	return v, nil
}

func (r *run) evaluate(e expr, s *scope) (any, error) {
	switch n := e.(type) {
	case *constant:
		return n.value, nil
	case *variable:
		if v, ok := s.get(n.name); ok {
			return own(v), nil
		}
		if f, ok := functions[n.name]; ok {
			return f, nil
		}
		return &undefined{n.name}, nil
	case *listing:
		return r.listing(n, s)
	case *mapping:
		return r.mapping(n, s)
	case *member:
		of, err := r.eval(n.of, s)
		if err != nil {
			return nil, err
		}
		return attribute(of, n.name), nil
	case *item:
		return r.item(n, s)
	case *slicing:
		return r.slicing(n, s)
	case *call:
		return r.call(n, s)
	case *filtering:
		of, err := r.eval(n.of, s)
		if err != nil {
			return nil, err
		}
		return r.filter(n, of, s)
	case *tested:
		return r.testing(n, s)
	case *unary:
		return r.unary(n, s)
	case *binary:
		return r.binary(n, s)
	case *comparison:
		return r.comparison(n, s)
	case *choice:
		test, err := r.eval(n.test, s)
		if err != nil {
			return nil, err
		}
		if truth(test) {
			return r.eval(n.yes, s)
		}
		if n.no == nil {
			return "", nil
		}
		return r.eval(n.no, s)
	}
	return nil, errors.New("unknown expression")
}

// own turns a list from outside into one of the template.
func own(v any) any {
	if items, ok := v.([]any); ok {
		l := &list{items: make([]any, len(items))}
		for i := range items {
			l.items[i] = own(items[i])
		}
		return l
	}
	return v
}

func (r *run) listing(n *listing, s *scope) (any, error) {
	l := &list{tuple: n.tuple, items: make([]any, 0, len(n.items))}
	for _, e := range n.items {
		v, err := r.eval(e, s)
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, v)
	}
	return l, r.spend(16 * len(l.items))
}

func (r *run) mapping(n *mapping, s *scope) (any, error) {
	o := new(document.Object)
	for i := range n.keys {
		k, err := r.eval(n.keys[i], s)
		if err != nil {
			return nil, err
		}
		name, ok := k.(string)
		if !ok {
			return nil, errors.New("the keys of a map must be strings")
		}
		v, err := r.eval(n.values[i], s)
		if err != nil {
			return nil, err
		}
		o.Set(name, v)
	}
	return o, r.spend(64 * o.Len())
}

// attribute returns a member by its name: a method first, as Jinja2 has it.
func attribute(of any, name string) any {
	switch v := of.(type) {
	case *undefined:
		return &undefined{v.name + "." + name}
	case *namespace:
		if field, ok := v.vars[name]; ok {
			return field
		}
	case *loopState:
		if field, ok := v.field(name); ok {
			return field
		}
	case *document.Object:
		if m := method(of, name); m != nil {
			return m
		}
		if field, ok := v.Get(name); ok {
			return own(field)
		}
	default:
		if m := method(of, name); m != nil {
			return m
		}
	}
	return &undefined{name}
}

func (r *run) item(n *item, s *scope) (any, error) {
	of, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	key, err := r.eval(n.key, s)
	if err != nil {
		return nil, err
	}
	if u, ok := key.(*undefined); ok {
		return nil, u.err()
	}
	switch k := key.(type) {
	case string:
		if o, ok := of.(*document.Object); ok {
			if v, ok := o.Get(k); ok {
				return own(v), nil
			}
		}
		return attribute(of, k), nil
	case int64:
		return r.indexed(of, k)
	}
	return nil, errors.New("an index must be a string or a whole number")
}

func (r *run) indexed(of any, k int64) (any, error) {
	switch v := of.(type) {
	case *list:
		if i, ok := within(k, len(v.items)); ok {
			return v.items[i], nil
		}
	case string:
		runes := []rune(v)
		if err := r.spend(4 * len(runes)); err != nil {
			return nil, err
		}
		if i, ok := within(k, len(runes)); ok {
			return string(runes[i]), nil
		}
	case *undefined:
		return &undefined{fmt.Sprintf("%s[%d]", v.name, k)}, nil
	}
	return &undefined{fmt.Sprintf("[%d]", k)}, nil
}

func within(k int64, n int) (int, bool) {
	if k < 0 {
		k += int64(n)
	}
	return int(k), k >= 0 && k < int64(n)
}

func (r *run) slicing(n *slicing, s *scope) (any, error) {
	of, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	var parts [3]*int64
	for i, e := range []expr{n.from, n.to, n.step} {
		if e == nil {
			continue
		}
		v, err := r.eval(e, s)
		if err != nil {
			return nil, err
		}
		k, ok := v.(int64)
		if !ok && v != nil {
			return nil, errors.New("the parts of a slice must be whole numbers")
		}
		if ok {
			parts[i] = &k
		}
	}
	switch v := of.(type) {
	case *list:
		at, err := r.sliced(len(v.items), parts)
		if err != nil {
			return nil, err
		}
		l := &list{tuple: v.tuple}
		for _, i := range at {
			l.items = append(l.items, v.items[i])
		}
		return l, nil
	case string:
		runes := []rune(v)
		at, err := r.sliced(len(runes), parts)
		if err != nil {
			return nil, err
		}
		out := make([]rune, 0, len(at))
		for _, i := range at {
			out = append(out, runes[i])
		}
		return string(out), nil
	case *undefined:
		return nil, v.err()
	}
	return nil, errors.New("only lists and strings can be sliced")
}

// sliced returns the indexes that a Python slice of n items takes.
func (r *run) sliced(n int, parts [3]*int64) ([]int, error) {
	if err := r.spend(16 * n); err != nil {
		return nil, err
	}
	step := int64(1)
	if parts[2] != nil {
		step = *parts[2]
	}
	if step == 0 {
		return nil, errors.New("the step of a slice must not be zero")
	}
	low, high := int64(0), int64(n)
	from, to := low, high
	if step < 0 {
		low, high = -1, int64(n)-1
		from, to = high, low
	}
	clamp := func(k int64) int64 {
		if k < 0 {
			k += int64(n)
		}
		return min(max(k, low), high)
	}
	if parts[0] != nil {
		from = clamp(*parts[0])
	}
	if parts[1] != nil {
		to = clamp(*parts[1])
	}
	var at []int
	for i := from; step > 0 && i < to || step < 0 && i > to; {
		at = append(at, int(i))
		if step > 0 && step >= to-i || step < 0 && step <= to-i {
			break // i + step could overflow
		}
		i += step
	}
	return at, nil
}

func (r *run) args(a arguments, s *scope) (given, error) {
	g := given{list: make([]any, 0, len(a.list))}
	for _, e := range a.list {
		v, err := r.eval(e, s)
		if err != nil {
			return g, err
		}
		g.list = append(g.list, v)
	}
	for _, named := range a.named {
		v, err := r.eval(named.value, s)
		if err != nil {
			return g, err
		}
		if g.named == nil {
			g.named = make(map[string]any)
		}
		if _, ok := g.named[named.name]; ok {
			return g, fmt.Errorf("the argument %s is given twice", named.name)
		}
		g.named[named.name] = v
	}
	return g, nil
}

func (r *run) call(n *call, s *scope) (any, error) {
	of, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	args, err := r.args(n.args, s)
	if err != nil {
		return nil, err
	}
	switch f := of.(type) {
	case *bound:
		return f.call(r, args)
	case *macro:
		return r.callMacro(f, args, nil)
	case *undefined:
		return nil, f.err()
	}
	return nil, errors.New("this value cannot be called")
}

func (r *run) filter(n *filtering, of any, s *scope) (any, error) {
	args, err := r.args(n.args, s)
	if err != nil {
		return nil, err
	}
	return r.applyFilter(n.name, of, args)
}

func (r *run) applyFilter(name string, of any, args given) (any, error) {
	f := filters[name]
	if u, ok := of.(*undefined); ok && !f.undefined {
		return nil, u.err()
	}
	bound, err := bind(name, f.params, args)
	if err != nil {
		return nil, err
	}
	if err := r.work(of); err != nil {
		return nil, err
	}
	return f.run(r, of, bound)
}

func (r *run) testing(n *tested, s *scope) (any, error) {
	of, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	args, err := r.args(n.args, s)
	if err != nil {
		return nil, err
	}
	yes, err := r.applyTest(n.name, of, args)
	return yes != n.not, err
}

func (r *run) applyTest(name string, of any, args given) (bool, error) {
	t := tests[name]
	if u, ok := of.(*undefined); ok && name != "defined" && name != "undefined" {
		return false, u.err()
	}
	bound, err := bind(name, t.params, args)
	if err != nil {
		return false, err
	}
	if err := r.work(of); err != nil {
		return false, err
	}
	return t.run(r, of, bound)
}
