package policy

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
)

// operand is one value of a condition, prepared for its operator. Only the field that the
// operator uses is set.
type operand struct {
	written string
	pattern pattern
	whole   bool // the pattern of a resource name is matched as a whole, not part by part
	number  number
	date    instant
	network netip.Prefix
	truth   bool
}

// operator is one condition operator. A negated one has the test of the operator that it
// negates.
type operator struct {
	negated bool
	compile func(o *operand, how int) error
	test    func(o *operand, value string, ctx Context) bool
}

// operators is every condition operator by name (IAM user guide, "Condition operators").
// The table is never written to.
var operators = map[string]*operator{
	"StringEquals":              {false, compileText, testEquals},
	"StringNotEquals":           {true, compileText, testEquals},
	"StringEqualsIgnoreCase":    {false, compileText, testEqualsFold},
	"StringNotEqualsIgnoreCase": {true, compileText, testEqualsFold},
	"StringLike":                {false, compileLike, testLike},
	"StringNotLike":             {true, compileLike, testLike},

	"NumericEquals":            {false, compileNumber, testNumber(func(c int) bool { return c == 0 })},
	"NumericNotEquals":         {true, compileNumber, testNumber(func(c int) bool { return c == 0 })},
	"NumericLessThan":          {false, compileNumber, testNumber(func(c int) bool { return c < 0 })},
	"NumericLessThanEquals":    {false, compileNumber, testNumber(func(c int) bool { return c <= 0 })},
	"NumericGreaterThan":       {false, compileNumber, testNumber(func(c int) bool { return c > 0 })},
	"NumericGreaterThanEquals": {false, compileNumber, testNumber(func(c int) bool { return c >= 0 })},

	"DateEquals":            {false, compileDate, testDate(func(c int) bool { return c == 0 })},
	"DateNotEquals":         {true, compileDate, testDate(func(c int) bool { return c == 0 })},
	"DateLessThan":          {false, compileDate, testDate(func(c int) bool { return c < 0 })},
	"DateLessThanEquals":    {false, compileDate, testDate(func(c int) bool { return c <= 0 })},
	"DateGreaterThan":       {false, compileDate, testDate(func(c int) bool { return c > 0 })},
	"DateGreaterThanEquals": {false, compileDate, testDate(func(c int) bool { return c >= 0 })},

	"Bool":         {false, compileBool, testBool},
	"BinaryEquals": {false, compileBinary, testBinary},
	"IpAddress":    {false, compileNetwork, testNetwork},
	"NotIpAddress": {true, compileNetwork, testNetwork},

	// ArnEquals and ArnLike behave identically.
	"ArnEquals":    {false, compileName, testName},
	"ArnLike":      {false, compileName, testName},
	"ArnNotEquals": {true, compileName, testName},
	"ArnNotLike":   {true, compileName, testName},

	"Null": null,
}

// null is the operator that asks whether a key is missing. It has no test: condition.holds
// does its work.
var null = &operator{compile: compileNull}

func compileText(o *operand, how int) (err error) {
	o.pattern, err = compile(o.written, how)
	return err
}

func compileLike(o *operand, how int) (err error) {
	o.pattern, err = compile(o.written, how|wildcards)
	return err
}

func testEquals(o *operand, v string, ctx Context) bool     { return o.pattern.equal(v, ctx) }
func testEqualsFold(o *operand, v string, ctx Context) bool { return o.pattern.equalFold(v, ctx) }
func testLike(o *operand, v string, ctx Context) bool       { return o.pattern.like(v, ctx) }

func compileNumber(o *operand, _ int) error {
	var ok bool
	if o.number, ok = parseNumber(o.written); !ok {
		return errors.New("not a number")
	}
	return nil
}

func testNumber(holds func(c int) bool) func(*operand, string, Context) bool {
	return func(o *operand, v string, _ Context) bool {
		n, ok := parseNumber(v)
		return ok && holds(n.compare(o.number))
	}
}

func compileDate(o *operand, _ int) error {
	var ok bool
	if o.date, ok = parseDate(o.written); !ok {
		return errors.New("not a date")
	}
	return nil
}

func testDate(holds func(c int) bool) func(*operand, string, Context) bool {
	return func(o *operand, v string, _ Context) bool {
		d, ok := parseDate(v)
		return ok && holds(d.compare(o.date))
	}
}

// compileBool takes true, false or a variable that will be one of them.
func compileBool(o *operand, how int) error {
	if err := compileText(o, how); err != nil {
		return err
	}
	if o.pattern.parts != nil {
		return nil
	}
	return compileNull(o, how)
}

func testBool(o *operand, v string, ctx Context) bool {
	if o.pattern.parts != nil {
		return isBool(v) && o.pattern.equalFold(v, ctx)
	}
	if o.truth {
		return strings.EqualFold(v, "true")
	}
	return strings.EqualFold(v, "false")
}

func isBool(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }

func compileNull(o *operand, _ int) error {
	if !isBool(o.written) {
		return errors.New("neither true nor false")
	}
	o.truth = strings.EqualFold(o.written, "true")
	return nil
}

// compileBinary brings the base64 text into the one form that requests have, so that texts
// can be compared.
func compileBinary(o *operand, _ int) error {
	raw, err := base64.StdEncoding.DecodeString(o.written)
	if err != nil {
		return errors.New("not base64")
	}
	o.pattern.fixed = base64.StdEncoding.EncodeToString(raw)
	return nil
}

func testBinary(o *operand, v string, _ Context) bool { return v == o.pattern.fixed }

// compileNetwork takes a network in CIDR form, or an address, which is a network of one.
func compileNetwork(o *operand, _ int) error {
	if network, err := netip.ParsePrefix(o.written); err == nil {
		if addr := network.Addr(); addr.Is4In6() {
			if network.Bits() < 96 {
				return errors.New("a network half IPv4, half IPv6")
			}
			network = netip.PrefixFrom(addr.Unmap(), network.Bits()-96)
		}
		o.network = network.Masked()
		return nil
	}
	addr, ok := parseAddr(o.written)
	if !ok {
		return errors.New("neither an IP address nor a network in CIDR form")
	}
	o.network = netip.PrefixFrom(addr, addr.BitLen())
	return nil
}

func testNetwork(o *operand, v string, _ Context) bool {
	addr, ok := parseAddr(v)
	return ok && o.network.Contains(addr)
}

// parseAddr reads an address without a zone; an IPv4 address in IPv6 clothes is the IPv4 one.
func parseAddr(s string) (netip.Addr, bool) {
	if s == "" || len(s) > 45 || strings.IndexByte(s, '%') >= 0 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(s)
	return addr.Unmap(), err == nil
}

// compileName takes the pattern of a resource name. One whose parts come out of a variable,
// such as "${aws:SourceArn}", is compared as a whole.
func compileName(o *operand, how int) error {
	if err := compileLike(o, how); err != nil {
		return err
	}
	if o.pattern.parts != nil {
		colons := 0
		for i := range o.pattern.parts {
			colons += strings.Count(o.pattern.parts[i].fixedText(), ":")
		}
		o.whole = colons < 5
		return nil
	}
	if o.written != "*" && !strings.HasPrefix(o.written, "arn:") {
		return errors.New("not the pattern of a resource name")
	}
	return nil
}

func testName(o *operand, v string, ctx Context) bool {
	if o.whole {
		return o.pattern.like(v, ctx)
	}
	return o.pattern.names(v, ctx)
}
