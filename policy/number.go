package policy

import (
	"cmp"
	"strconv"
)

// number is an integer or decimal number. Integers are compared exactly; a float64 would
// take neighbours beyond 2^53 for equal.
type number struct {
	whole int64
	float float64
	exact bool // whole holds it
}

// parseNumber reads a number. Words such as NaN and Infinity, hexadecimal and underscores,
// which strconv would take, are none.
func parseNumber(s string) (number, bool) {
	if s == "" || len(s) > 64 {
		return number{}, false
	}
	whole := true
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', i == 0 && (c == '-' || c == '+'):
		case c == '.' || c == 'e' || c == 'E' || c == '-' || c == '+':
			whole = false
		default:
			return number{}, false
		}
	}
	if whole {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return number{whole: n, float: float64(n), exact: true}, true
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return number{float: f}, err == nil
}

// compare returns -1, 0 or 1 as a is less than, equal to or greater than b.
func (a number) compare(b number) int {
	if a.exact && b.exact {
		return cmp.Compare(a.whole, b.whole)
	}
	return cmp.Compare(a.float, b.float)
}
