package jinja

import (
	"errors"
	"strings"

	"github.com/strongroom/strongroom/service/proton/document"
)

// onItems makes a filter of a function on what a loop would go through.
func onItems(params []param, f func(r *run, items []any, a []any) (any, error)) filterDef {
	return filterDef{params, false, func(r *run, v any, a []any) (any, error) {
		items, err := r.items(v)
		if err != nil {
			return nil, err
		}
		if err := r.spend(16 * len(items)); err != nil {
			return nil, err
		}
		return f(r, append([]any(nil), items...), a)
	}}
}

func listFilters() map[string]filterDef {
	attr := with("attribute", nil)
	return map[string]filterDef{
		"list": onItems(nil, func(_ *run, items []any, _ []any) (any, error) { return &list{items: items}, nil }),
		"first": onItems(nil, func(_ *run, items []any, _ []any) (any, error) {
			if len(items) == 0 {
				return &undefined{"the first item of an empty list"}, nil
			}
			return items[0], nil
		}),
		"last": onItems(nil, func(_ *run, items []any, _ []any) (any, error) {
			if len(items) == 0 {
				return &undefined{"the last item of an empty list"}, nil
			}
			return items[len(items)-1], nil
		}),
		"join": {[]param{with("d", ""), attr}, false, func(r *run, v any, a []any) (any, error) {
			sep, err := r.printed(a[0])
			if err != nil {
				return nil, err
			}
			if a[1] != nil {
				if v, err = r.members(v, a[1]); err != nil {
					return nil, err
				}
			}
			return r.together(v, sep)
		}},
		"reverse": {nil, false, reversed},
		"sort": onItems([]param{with("reverse", false), with("case_sensitive", false), attr}, func(r *run, items []any, a []any) (any, error) {
			key := func(v any) (any, error) {
				if a[2] != nil {
					var err error
					if v, err = r.path(v, a[2]); err != nil {
						return nil, err
					}
				}
				return folded(v, truth(a[1])), nil
			}
			return &list{items: items}, r.sortBy(items, key, truth(a[0]))
		}),
		"unique": onItems([]param{with("case_sensitive", false), attr}, unique),
		"sum": onItems([]param{attr, with("start", int64(0))}, func(r *run, items []any, a []any) (any, error) {
			total := a[1]
			for _, v := range items {
				var err error
				if a[0] != nil {
					if v, err = r.path(v, a[0]); err != nil {
						return nil, err
					}
				}
				if total, err = r.arithmetic("+", total, v); err != nil {
					return nil, err
				}
			}
			return total, nil
		}),
		"min":        onItems([]param{with("case_sensitive", false), attr}, extreme(-1)),
		"max":        onItems([]param{with("case_sensitive", false), attr}, extreme(1)),
		"batch":      onItems([]param{need("linecount"), with("fill_with", nil)}, batch),
		"slice":      onItems([]param{need("slices"), with("fill_with", nil)}, sliceFilter),
		"map":        onItems(variadic, mapped),
		"select":     onItems(variadic, selected(true, false)),
		"reject":     onItems(variadic, selected(false, false)),
		"selectattr": onItems(variadic, selected(true, true)),
		"rejectattr": onItems(variadic, selected(false, true)),
		"groupby":    onItems([]param{need("attribute"), with("default", nil)}, groupby),
	}
}

// together joins the texts of the items.
func (r *run) together(v any, sep string) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, one := range items {
		s, err := r.printed(one)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(s)
		if err := r.spend(len(s) + len(sep)); err != nil {
			return nil, err
		}
	}
	return b.String(), nil
}

// path follows an attribute such as "environment.name" or a number.
func (r *run) path(v, attr any) (any, error) {
	if k, ok := attr.(int64); ok {
		return r.indexed(v, k)
	}
	s, ok := attr.(string)
	if !ok {
		return nil, errors.New("an attribute must be a name")
	}
	for name := range strings.SplitSeq(s, ".") {
		if o, ok := v.(*document.Object); ok {
			if field, ok := o.Get(name); ok {
				v = own(field)
				continue
			}
		}
		v = attribute(v, name)
	}
	return v, nil
}

// members returns the attribute of every item.
func (r *run) members(v, attr any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	l := &list{items: make([]any, len(items))}
	for i, one := range items {
		if l.items[i], err = r.path(one, attr); err != nil {
			return nil, err
		}
	}
	return l, r.spend(16 * len(items))
}

func reversed(r *run, v any, _ []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	l := &list{items: make([]any, len(items))}
	for i, one := range items {
		l.items[len(items)-1-i] = one
	}
	if err := r.spend(16 * len(items)); err != nil {
		return nil, err
	}
	if _, ok := v.(string); ok {
		return r.together(l, "")
	}
	return l, nil
}

func unique(r *run, items []any, a []any) (any, error) {
	out := &list{}
	var keys []any
	for _, v := range items {
		key := v
		if a[1] != nil {
			var err error
			if key, err = r.path(v, a[1]); err != nil {
				return nil, err
			}
		}
		key = folded(key, truth(a[0]))
		seen, err := r.contained(key, &list{items: keys})
		if err != nil {
			return nil, err
		}
		if !seen {
			keys, out.items = append(keys, key), append(out.items, v)
		}
	}
	return out, nil
}

func extreme(sign int) func(r *run, items []any, a []any) (any, error) {
	return func(r *run, items []any, a []any) (any, error) {
		if len(items) == 0 {
			return &undefined{"the extreme of an empty list"}, nil
		}
		key := func(v any) (any, error) {
			if a[1] != nil {
				var err error
				if v, err = r.path(v, a[1]); err != nil {
					return nil, err
				}
			}
			return folded(v, truth(a[0])), nil
		}
		best, err := key(items[0])
		if err != nil {
			return nil, err
		}
		at := 0
		for i, v := range items[1:] {
			k, err := key(v)
			if err != nil {
				return nil, err
			}
			c, err := r.order(k, best)
			if err != nil {
				return nil, err
			}
			if c*sign > 0 {
				best, at = k, i+1
			}
		}
		return items[at], nil
	}
}

// maxLines bounds the lists that batch and slice make beyond the items.
const maxLines = 10_000

func batch(r *run, items []any, a []any) (any, error) {
	n, ok := a[0].(int64)
	if !ok || n < 1 || n > maxLines {
		return nil, errors.New("batch needs a number from 1 to 10000")
	}
	out := &list{}
	for len(items) > 0 {
		k := min(int(n), len(items))
		line := &list{items: append([]any(nil), items[:k]...)}
		items = items[k:]
		for a[1] != nil && len(line.items) < int(n) {
			line.items = append(line.items, a[1])
		}
		out.items = append(out.items, line)
	}
	return out, r.spend(16*len(out.items) + 16*int(n))
}

func sliceFilter(r *run, items []any, a []any) (any, error) {
	n, ok := a[0].(int64)
	if !ok || n < 1 || n > maxLines {
		return nil, errors.New("slice needs a number from 1 to 10000")
	}
	out := &list{}
	size, more := len(items)/int(n), len(items)%int(n)
	for i := range int(n) {
		k := size
		if i < more {
			k++
		}
		line := &list{items: append([]any(nil), items[:k]...)}
		items = items[k:]
		if a[1] != nil && i >= more {
			line.items = append(line.items, a[1])
		}
		out.items = append(out.items, line)
	}
	return out, r.spend(64 * int(n))
}

// mapped is map: by attribute, or through another filter.
func mapped(r *run, items []any, a []any) (any, error) {
	args, _ := a[0].(given)
	out := &list{items: make([]any, len(items))}
	attr, byAttribute := args.named["attribute"]
	if byAttribute && len(args.list) > 0 || !byAttribute && len(args.list) == 0 {
		return nil, errors.New("map needs the name of a filter, or an attribute")
	}
	for i, v := range items {
		var err error
		if byAttribute {
			if v, err = r.path(v, attr); err == nil {
				if d, ok := args.named["default"]; ok {
					v, err = defaulted(r, v, []any{d, false})
				}
			}
		} else {
			name, _ := args.list[0].(string)
			if _, ok := filters[name]; !ok {
				return nil, errors.New("map needs the name of a filter that there is")
			}
			v, err = r.applyFilter(name, v, given{args.list[1:], args.named})
		}
		if err != nil {
			return nil, err
		}
		if err := r.step(); err != nil {
			return nil, err
		}
		out.items[i] = v
	}
	return out, nil
}

// selected is select, reject, selectattr or rejectattr.
func selected(want, byAttribute bool) func(r *run, items []any, a []any) (any, error) {
	return func(r *run, items []any, a []any) (any, error) {
		args, _ := a[0].(given)
		rest := args.list
		var attr any
		if byAttribute {
			if len(rest) == 0 {
				return nil, errors.New("this filter needs an attribute")
			}
			attr, rest = rest[0], rest[1:]
		}
		out := &list{}
		for _, v := range items {
			of := v
			var err error
			if byAttribute {
				if of, err = r.path(v, attr); err != nil {
					return nil, err
				}
			}
			yes := truth(of)
			if len(rest) > 0 {
				name, _ := rest[0].(string)
				if _, ok := tests[name]; !ok {
					return nil, errors.New("this filter needs the name of a test that there is")
				}
				if yes, err = r.applyTest(name, of, given{rest[1:], args.named}); err != nil {
					return nil, err
				}
			}
			if err := r.step(); err != nil {
				return nil, err
			}
			if yes == want {
				out.items = append(out.items, v)
			}
		}
		return out, nil
	}
}

func groupby(r *run, items []any, a []any) (any, error) {
	key := func(v any) (any, error) {
		k, err := r.path(v, a[0])
		if err != nil {
			return nil, err
		}
		if u, ok := k.(*undefined); ok {
			if a[1] == nil {
				return nil, u.err()
			}
			k = a[1]
		}
		return k, nil
	}
	if err := r.sortBy(items, func(v any) (any, error) {
		k, err := key(v)
		return folded(k, false), err
	}, false); err != nil {
		return nil, err
	}
	out := &list{}
	var last any
	for i, v := range items {
		k, err := key(v)
		if err != nil {
			return nil, err
		}
		same := false
		if i > 0 {
			if same, err = r.equal(folded(k, false), folded(last, false), 0); err != nil {
				return nil, err
			}
		}
		if !same {
			out.items = append(out.items, &list{[]any{k, &list{}}, true})
			last = k
		}
		group, _ := out.items[len(out.items)-1].(*list)
		members, _ := group.items[1].(*list)
		members.items = append(members.items, v)
	}
	return out, r.spend(96 * len(out.items))
}
