package jinja

import (
	"errors"
	"math"
	"strings"

	"github.com/strongroom/strongroom/service/proton/document"
)

func (r *run) unary(n *unary, s *scope) (any, error) {
	v, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	if n.op == "not" {
		return !truth(v), nil
	}
	switch v := numeric(v).(type) {
	case int64:
		if n.op == "-" {
			if v == math.MinInt64 {
				return nil, errTooLarge
			}
			return -v, nil
		}
		return v, nil
	case float64:
		if n.op == "-" {
			return -v, nil
		}
		return v, nil
	case *undefined:
		return nil, v.err()
	}
	return nil, errors.New("a sign needs a number")
}

var errTooLarge = errors.New("the number is too large")

// numeric makes a number of a boolean, as Python does.
func numeric(v any) any {
	if b, ok := v.(bool); ok {
		if b {
			return int64(1)
		}
		return int64(0)
	}
	return v
}

func (r *run) binary(n *binary, s *scope) (any, error) {
	a, err := r.eval(n.a, s)
	if err != nil {
		return nil, err
	}
	switch n.op {
	case "and":
		if !truth(a) {
			return a, nil
		}
		return r.eval(n.b, s)
	case "or":
		if truth(a) {
			return a, nil
		}
		return r.eval(n.b, s)
	}
	b, err := r.eval(n.b, s)
	if err != nil {
		return nil, err
	}
	if u, ok := a.(*undefined); ok {
		return nil, u.err()
	}
	if u, ok := b.(*undefined); ok {
		return nil, u.err()
	}
	if n.op == "~" {
		return r.joined(a, b)
	}
	return r.arithmetic(n.op, a, b)
}

// joined puts the texts of two values together.
func (r *run) joined(a, b any) (any, error) {
	x, err := r.printed(a)
	if err != nil {
		return nil, err
	}
	y, err := r.printed(b)
	if err != nil {
		return nil, err
	}
	return x + y, r.spend(len(x) + len(y))
}

func (r *run) arithmetic(op string, a, b any) (any, error) {
	a, b = numeric(a), numeric(b)
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			return whole(op, x, y)
		}
	}
	x, isNumber := float64Of(a)
	y, also := float64Of(b)
	if isNumber && also {
		return real(op, x, y)
	}
	switch op {
	case "+":
		return r.added(a, b)
	case "*":
		if _, ok := a.(int64); ok {
			a, b = b, a
		}
		if times, ok := b.(int64); ok {
			return r.repeated(a, times)
		}
	case "%":
		if s, ok := a.(string); ok {
			return r.formatted(s, b)
		}
	}
	return nil, errors.New("the operator " + op + " does not take " + kindOf(a) + " and " + kindOf(b))
}

func (r *run) added(a, b any) (any, error) {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return x + y, r.spend(len(x) + len(y))
		}
	case *list:
		if y, ok := b.(*list); ok && x.tuple == y.tuple {
			if err := r.spend(16 * (len(x.items) + len(y.items))); err != nil {
				return nil, err
			}
			l := &list{tuple: x.tuple}
			l.items = append(append(l.items, x.items...), y.items...)
			return l, nil
		}
	}
	return nil, errors.New("the operator + does not take " + kindOf(a) + " and " + kindOf(b))
}

func (r *run) repeated(a any, times int64) (any, error) {
	times = max(times, 0)
	switch x := a.(type) {
	case string:
		if err := r.spendTimes(len(x), times); err != nil {
			return nil, err
		}
		return strings.Repeat(x, int(times)), nil
	case *list:
		if err := r.spendTimes(16*len(x.items), times); err != nil {
			return nil, err
		}
		l := &list{tuple: x.tuple}
		if len(x.items) > 0 {
			for range times {
				l.items = append(l.items, x.items...)
			}
		}
		return l, nil
	}
	return nil, errors.New("the operator * does not take " + kindOf(a) + " and a number")
}

// spendTimes counts n bytes made so many times, before they are made.
func (r *run) spendTimes(n int, times int64) error {
	if n > 0 && times > int64(r.limits.Memory/n)+1 {
		return r.spend(-1)
	}
	if n == 0 {
		return nil
	}
	return r.spend(n * int(times))
}

// whole is arithmetic on whole numbers; what does not fit into 64 bits is an error.
func whole(op string, x, y int64) (any, error) {
	switch op {
	case "+":
		if z := x + y; (z > x) == (y > 0) {
			return z, nil
		}
		return nil, errTooLarge
	case "-":
		if z := x - y; (z < x) == (y > 0) {
			return z, nil
		}
		return nil, errTooLarge
	case "*":
		z := x * y
		if x != 0 && (z/x != y || x == -1 && y == math.MinInt64) {
			return nil, errTooLarge
		}
		return z, nil
	case "**":
		return power(x, y)
	}
	if y == 0 {
		return nil, errors.New("division by zero")
	}
	switch op {
	case "/":
		return float64(x) / float64(y), nil
	case "//":
		if x == math.MinInt64 && y == -1 {
			return nil, errTooLarge
		}
		q := x / y
		if x%y != 0 && (x < 0) != (y < 0) {
			q--
		}
		return q, nil
	}
	if y == -1 {
		return int64(0), nil
	}
	m := x % y
	if m != 0 && (m < 0) != (y < 0) {
		m += y
	}
	return m, nil
}

func power(x, y int64) (any, error) {
	if y < 0 {
		return real("**", float64(x), float64(y))
	}
	z := int64(1)
	for ; y > 0; y-- {
		if x == 0 || x == 1 || z == 0 {
			return map[bool]int64{true: x, false: z}[z == 1], nil
		}
		if x == -1 {
			return map[bool]int64{true: 1, false: -1}[y%2 == 0], nil
		}
		next := z * x
		if next/x != z {
			return nil, errTooLarge
		}
		z = next
	}
	return z, nil
}

func real(op string, x, y float64) (any, error) {
	var z float64
	switch op {
	case "+":
		z = x + y
	case "-":
		z = x - y
	case "*":
		z = x * y
	case "**":
		z = math.Pow(x, y)
	default:
		if y == 0 {
			return nil, errors.New("division by zero")
		}
		switch op {
		case "/":
			z = x / y
		case "//":
			z = math.Floor(x / y)
		case "%":
			if z = math.Mod(x, y); z != 0 && (z < 0) != (y < 0) {
				z += y
			}
		}
	}
	if math.IsNaN(z) || math.IsInf(z, 0) {
		return nil, errTooLarge
	}
	return z, nil
}

func float64Of(v any) (float64, bool) {
	switch v := numeric(v).(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func (r *run) comparison(n *comparison, s *scope) (any, error) {
	a, err := r.eval(n.first, s)
	if err != nil {
		return nil, err
	}
	for i, op := range n.ops {
		b, err := r.eval(n.rest[i], s)
		if err != nil {
			return nil, err
		}
		yes, err := r.compared(op, a, b)
		if err != nil {
			return nil, r.at(n.rest[i].where(), err)
		}
		if !yes {
			return false, nil
		}
		a = b
	}
	return true, nil
}

func (r *run) compared(op string, a, b any) (bool, error) {
	if err := r.work(a, b); err != nil {
		return false, err
	}
	switch op {
	case "==", "!=":
		same, err := r.equal(a, b, 0)
		return same == (op == "=="), err
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(*undefined); ok {
			return false, u.err()
		}
	}
	switch op {
	case "in":
		return r.contained(a, b)
	case "not in":
		yes, err := r.contained(a, b)
		return !yes, err
	}
	c, err := r.order(a, b)
	switch op {
	case "<":
		return c < 0, err
	case ">":
		return c > 0, err
	case "<=":
		return c <= 0, err
	}
	return c >= 0, err
}

func (r *run) contained(a, in any) (bool, error) {
	switch v := in.(type) {
	case string:
		s, ok := a.(string)
		if !ok {
			return false, errors.New("only a string can be in a string")
		}
		return strings.Contains(v, s), nil
	case *document.Object:
		s, _ := a.(string)
		_, ok := v.Get(s)
		_, isString := a.(string)
		return ok && isString, nil
	case *list:
		for _, one := range v.items {
			same, err := r.equal(a, one, 0)
			if same || err != nil {
				return same, err
			}
		}
		return false, nil
	}
	return false, errors.New("'in' needs a list, a map or a string")
}

// equal compares by value, with a limit on how deep and how long.
func (r *run) equal(a, b any, depth int) (bool, error) {
	if err := r.step(); err != nil {
		return false, err
	}
	if depth > maxDepth {
		return false, errors.New("the values are nested too deep")
	}
	a, b = own(a), own(b)
	if x, ok := float64Of(a); ok {
		if i, ok := numeric(a).(int64); ok {
			if j, ok := numeric(b).(int64); ok {
				return i == j, nil
			}
		}
		y, ok := float64Of(b)
		return ok && x == y, nil
	}
	switch x := a.(type) {
	case *list:
		y, ok := b.(*list)
		if !ok || x.tuple != y.tuple || len(x.items) != len(y.items) {
			return false, nil
		}
		for i := range x.items {
			if same, err := r.equal(x.items[i], y.items[i], depth+1); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case *document.Object:
		y, ok := b.(*document.Object)
		if !ok || x.Len() != y.Len() {
			return false, nil
		}
		for name, v := range x.All() {
			w, ok := y.Get(name)
			if !ok {
				return false, nil
			}
			if same, err := r.equal(v, w, depth+1); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case *undefined:
		_, ok := b.(*undefined)
		return ok, nil
	}
	return a == b, nil
}

// order compares numbers, strings and lists of them.
func (r *run) order(a, b any) (int, error) {
	if err := r.step(); err != nil {
		return 0, err
	}
	x, ok := float64Of(a)
	y, also := float64Of(b)
	if ok && also {
		i, whole := numeric(a).(int64)
		j, too := numeric(b).(int64)
		switch {
		case whole && too && i != j:
			return map[bool]int{true: -1, false: 1}[i < j], nil
		case x < y:
			return -1, nil
		case x > y:
			return 1, nil
		}
		return 0, nil
	}
	switch v := a.(type) {
	case string:
		if w, ok := b.(string); ok {
			return strings.Compare(v, w), nil
		}
	case *list:
		w, ok := b.(*list)
		if !ok {
			break
		}
		for i := range min(len(v.items), len(w.items)) {
			if c, err := r.order(v.items[i], w.items[i]); c != 0 || err != nil {
				return c, err
			}
		}
		return len(v.items) - len(w.items), nil
	}
	return 0, errors.New(kindOf(a) + " and " + kindOf(b) + " have no order")
}
