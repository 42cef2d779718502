package jinja

import (
	"errors"
	"strings"

	"github.com/strongroom/strongroom/service/proton/document"
)

// testDef is a test, such as defined in "x is defined".
type testDef struct {
	params []param
	run    func(r *run, v any, a []any) (bool, error)
}

// kinds makes a test of a question about the value alone.
func ask(f func(v any) bool) testDef {
	return testDef{nil, func(_ *run, v any, _ []any) (bool, error) { return f(v), nil }}
}

// compares makes a test of an operator.
func compares(op string) testDef {
	return testDef{[]param{need("other")}, func(r *run, v any, a []any) (bool, error) { return r.compared(op, v, a[0]) }}
}

// divides makes a test on the remainder of a whole number.
func divides(by, rest int64) testDef {
	return testDef{nil, func(_ *run, v any, _ []any) (bool, error) {
		n, ok := v.(int64)
		if !ok {
			return false, errors.New("the test needs a whole number")
		}
		return (n%by+by)%by == rest, nil
	}}
}

func testDefs() map[string]testDef {
	isText := func(v any) bool { _, ok := v.(string); return ok }
	isWhole := func(v any) bool { _, ok := v.(int64); return ok }
	isFloat := func(v any) bool { _, ok := v.(float64); return ok }
	isMap := func(v any) bool { _, ok := v.(*document.Object); return ok }
	isList := func(v any) bool { _, ok := v.(*list); return ok }
	isUndefined := func(v any) bool { _, ok := v.(*undefined); return ok }
	isCallable := func(v any) bool {
		switch v.(type) {
		case *bound, *macro:
			return true
		}
		return false
	}
	sequence := func(v any) bool { return isText(v) || isList(v) || isMap(v) }
	t := map[string]testDef{
		"defined":   ask(func(v any) bool { return !isUndefined(v) }),
		"undefined": ask(isUndefined),
		"none":      ask(func(v any) bool { return v == nil }),
		"boolean":   ask(func(v any) bool { _, ok := v.(bool); return ok }),
		"true":      ask(func(v any) bool { return v == true }),
		"false":     ask(func(v any) bool { return v == false }),
		"integer":   ask(isWhole),
		"float":     ask(isFloat),
		"number":    ask(func(v any) bool { _, ok := v.(bool); return ok || isWhole(v) || isFloat(v) }),
		"string":    ask(isText),
		"mapping":   ask(isMap),
		"sequence":  ask(sequence),
		"iterable":  ask(sequence),
		"callable":  ask(isCallable),
		"lower":     ask(func(v any) bool { s, _ := v.(string); return s == strings.ToLower(s) && s != strings.ToUpper(s) }),
		"upper":     ask(func(v any) bool { s, _ := v.(string); return s == strings.ToUpper(s) && s != strings.ToLower(s) }),
		"even":      divides(2, 0),
		"odd":       divides(2, 1),
		"divisibleby": {[]param{need("num")}, func(_ *run, v any, a []any) (bool, error) {
			n, ok := v.(int64)
			by, also := a[0].(int64)
			if !ok || !also || by == 0 {
				return false, errors.New("divisibleby needs whole numbers")
			}
			return by == -1 || n%by == 0, nil
		}},
		"sameas": compares("=="),
		"in":     compares("in"),
		"filter": ask(func(v any) bool { s, _ := v.(string); _, ok := filters[s]; return ok }),
		"test":   ask(func(v any) bool { s, _ := v.(string); _, ok := tests[s]; return ok }),
	}
	for op, names := range map[string]string{"==": "== eq equalto", "!=": "!= ne", "<": "< lt lessthan", "<=": "<= le", ">": "> gt greaterthan", ">=": ">= ge"} {
		for _, name := range strings.Fields(names) {
			t[name] = compares(op)
		}
	}
	return t
}
