package jinja

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/service/proton/document"
)

// filterDef is a filter: its parameters, whether it takes an undefined value, its body.
type filterDef struct {
	params    []param
	undefined bool
	run       func(r *run, v any, a []any) (any, error)
}

// filters and tests are set in init, because map and select look into them themselves.
var (
	filters map[string]filterDef
	tests   map[string]testDef
)

func init() {
	filters = map[string]filterDef{
		"default":  {[]param{with("default_value", ""), with("boolean", false)}, true, defaulted},
		"abs":      {nil, false, absolute},
		"int":      {[]param{with("default", int64(0)), with("base", int64(10))}, false, toWhole},
		"float":    {[]param{with("default", 0.0)}, false, toFloat},
		"round":    {[]param{with("precision", int64(0)), with("method", "common")}, false, round},
		"string":   {nil, false, func(r *run, v any, _ []any) (any, error) { return r.printed(v) }},
		"safe":     {nil, false, func(r *run, v any, _ []any) (any, error) { return r.printed(v) }},
		"tojson":   {[]param{with("indent", nil)}, false, toJSON},
		"length":   {nil, true, length},
		"dictsort": {[]param{with("case_sensitive", false), with("by", "key"), with("reverse", false)}, false, dictsort},
		"items": {nil, false, func(r *run, v any, _ []any) (any, error) {
			o, ok := v.(*document.Object)
			if !ok {
				return nil, errors.New("items needs a map")
			}
			b, _ := mapMethod(o, "items").(*bound)
			return b.call(r, given{})
		}},
	}
	for _, more := range []map[string]filterDef{textFilters(), listFilters(), protonFilters()} {
		maps.Copy(filters, more)
	}
	filters["d"], filters["count"] = filters["default"], filters["length"]
	filters["e"] = filters["escape"]
	tests = testDefs()
}

func sortedNames(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

func defaulted(_ *run, v any, a []any) (any, error) {
	if _, ok := v.(*undefined); ok || truth(a[1]) && !truth(v) {
		return a[0], nil
	}
	return v, nil
}

func absolute(r *run, v any, _ []any) (any, error) {
	switch n := numeric(v).(type) {
	case int64:
		if n == math.MinInt64 {
			return nil, errTooLarge
		}
		return max(n, -n), nil
	case float64:
		return math.Abs(n), nil
	}
	return nil, errors.New("abs needs a number")
}

func toWhole(_ *run, v any, a []any) (any, error) {
	switch n := numeric(v).(type) {
	case int64:
		return n, nil
	case float64:
		if math.Abs(n) < 1<<62 {
			return int64(n), nil
		}
	case string:
		base, ok := a[1].(int64)
		if !ok || base < 2 || base > 36 {
			return nil, errors.New("the base of int is from 2 to 36")
		}
		s := strings.TrimSpace(n)
		lower := strings.ToLower(s)
		for prefix, b := range map[string]int64{"0x": 16, "0o": 8, "0b": 2} {
			if base == b {
				lower = strings.TrimPrefix(lower, prefix)
			}
		}
		if i, err := strconv.ParseInt(lower, int(base), 64); err == nil {
			return i, nil
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 1<<62 {
			return int64(f), nil
		}
	}
	return a[0], nil
}

func toFloat(_ *run, v any, a []any) (any, error) {
	if f, ok := float64Of(v); ok {
		return f, nil
	}
	if s, ok := v.(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, nil
		}
	}
	return a[0], nil
}

func round(_ *run, v any, a []any) (any, error) {
	f, ok := float64Of(v)
	places, whole := a[0].(int64)
	if !ok || !whole || places < -300 || places > 300 {
		return nil, errors.New("round needs a number and a number of places")
	}
	scale := math.Pow(10, float64(places))
	switch a[1] {
	case "ceil":
		f = math.Ceil(f*scale) / scale
	case "floor":
		f = math.Floor(f*scale) / scale
	case "common":
		if k, ok := numeric(v).(int64); ok && math.Abs(f) < 1<<53 { // a whole number stays one
			if places >= 0 {
				return k, nil
			}
			return int64(math.RoundToEven(f*scale) / scale), nil
		}
		if places >= 0 { // exact, to even, as Python rounds
			f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(places), 64), 64)
		} else {
			f = math.RoundToEven(f*scale) / scale
		}
	default:
		return nil, errors.New("the method of round is common, ceil or floor")
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errTooLarge
	}
	return f, nil
}

// length is 0 of something undefined, as in Jinja2: AWS's own templates ask in this way whether a component
// is attached (AWS Proton user guide, "Component CloudFormation IaC file parameter details").
func length(_ *run, v any, _ []any) (any, error) {
	switch v := v.(type) {
	case *undefined:
		return int64(0), nil
	case string:
		return int64(utf8.RuneCountInString(v)), nil
	case *list:
		return int64(len(v.items)), nil
	case *document.Object:
		return int64(v.Len()), nil
	}
	return nil, errors.New(kindOf(v) + " has no length")
}

func dictsort(r *run, v any, a []any) (any, error) {
	o, ok := v.(*document.Object)
	if !ok {
		return nil, errors.New("dictsort needs a map")
	}
	at := 0
	switch a[1] {
	case "key":
	case "value":
		at = 1
	default:
		return nil, errors.New("dictsort is by key or by value")
	}
	l := &list{}
	for name, value := range o.All() {
		l.items = append(l.items, &list{[]any{name, own(value)}, true})
	}
	key := func(v any) (any, error) {
		pair, _ := v.(*list)
		return folded(pair.items[at], truth(a[0])), nil
	}
	return l, r.sortBy(l.items, key, truth(a[2]))
}

// folded is a string in lower case, unless case counts.
func folded(v any, sensitive bool) any {
	if s, ok := v.(string); ok && !sensitive {
		return strings.ToLower(s)
	}
	return v
}

// sortBy sorts the items by their keys; the order of equal ones stays.
func (r *run) sortBy(items []any, key func(any) (any, error), reverse bool) error {
	type pair struct{ key, value any }
	pairs := make([]pair, len(items))
	for i, v := range items {
		k, err := key(v)
		if err != nil {
			return err
		}
		pairs[i] = pair{k, v}
	}
	var failed error
	slices.SortStableFunc(pairs, func(a, b pair) int {
		if failed != nil {
			return 0
		}
		c, err := r.order(a.key, b.key)
		failed = err
		if reverse {
			return -c
		}
		return c
	})
	for i := range pairs {
		items[i] = pairs[i].value
	}
	return failed
}
