package jinja

import (
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/service/proton/document"
)

// Template is a parsed template. It can be rendered by several goroutines at a time.
type Template struct {
	file string
	body []stmt
}

// parser reads tokens.
type parser struct {
	file   string
	tokens []token
	at     int
	depth  int
}

// maxDepth bounds how deep statements and expressions nest.
const maxDepth = 200

// Parse reads a template. Unknown tags, filters and tests are refused here, so that a
// template that parses fails only over its values. Every error is a *document.Error.
func Parse(file, text string) (*Template, error) {
	tokens, err := lex(file, text)
	if err != nil {
		return nil, err
	}
	p := &parser{file: file, tokens: tokens}
	body, err := p.body()
	if err != nil {
		return nil, err
	}
	return &Template{file: file, body: body}, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) take() token {
	t := p.tokens[p.at]
	if p.at < len(p.tokens)-1 {
		p.at++
	}
	return t
}

func (p *parser) fail(at place, reason string) error {
	return &document.Error{File: p.file, Line: at.line, Column: at.column, Reason: reason}
}

// is reports whether the next token is the operator or the name.
func (p *parser) is(k kind, s string) bool {
	t := p.peek()
	return t.kind == k && t.text == s
}

// skip takes the next token if it is the one.
func (p *parser) skip(k kind, s string) bool {
	if p.is(k, s) {
		p.take()
		return true
	}
	return false
}

func (p *parser) want(k kind, s string) error {
	if !p.skip(k, s) {
		return p.unexpected("'" + s + "'")
	}
	return nil
}

// unexpected says what came where something else was to be.
func (p *parser) unexpected(wanted string) error {
	t := p.peek()
	words := map[kind]string{end: "the end of the template", data: "text", outputBegin: "'{{'", outputEnd: "'}}'", blockBegin: "'{%'", blockEnd: "'%}'", text: "a string", integer: "a number", float: "a number"}
	found, ok := words[t.kind]
	if !ok {
		found = "'" + t.text + "'"
	}
	return p.fail(t.at, "expected "+wanted+", found "+found)
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.fail(p.peek().at, "the template is nested too deep")
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// expression reads "or" expressions with an inline if.
func (p *parser) expression() (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	for p.is(name, "if") {
		at := p.take().at
		c := &choice{place: at, yes: e}
		if c.test, err = p.or(); err != nil {
			return nil, err
		}
		if p.skip(name, "else") {
			if c.no, err = p.expression(); err != nil {
				return nil, err
			}
		}
		e = c
	}
	return e, nil
}

// maxChain bounds a chain of operators, members or filters: each link is a level of the tree.
const maxChain = 500

// chain reads operands of the level below with the operators between them.
func (p *parser) chain(k kind, ops []string, below func() (expr, error)) (expr, error) {
	a, err := below()
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		t := p.peek()
		if t.kind != k || !contains(ops, t.text) {
			return a, nil
		}
		if n > maxChain {
			return nil, p.fail(t.at, "the expression is too long")
		}
		p.take()
		b, err := below()
		if err != nil {
			return nil, err
		}
		a = &binary{t.at, t.text, a, b}
	}
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

func (p *parser) or() (expr, error)  { return p.chain(name, []string{"or"}, p.and) }
func (p *parser) and() (expr, error) { return p.chain(name, []string{"and"}, p.not) }

func (p *parser) not() (expr, error) {
	if !p.is(name, "not") {
		return p.compare()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	at := p.take().at
	of, err := p.not()
	return &unary{at, "not", of}, err
}

var comparisons = []string{"==", "!=", "<", ">", "<=", ">="}

func (p *parser) compare() (expr, error) {
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	c := &comparison{place: first.where(), first: first}
	for {
		t := p.peek()
		op := ""
		switch {
		case t.kind == operator && contains(comparisons, t.text), t.kind == name && t.text == "in":
			op = t.text
			p.take()
		case t.kind == name && t.text == "not" && p.tokens[p.at+1].kind == name && p.tokens[p.at+1].text == "in":
			op = "not in"
			p.take()
			p.take()
		}
		if op == "" {
			break
		}
		b, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, b)
	}
	if len(c.ops) == 0 {
		return first, nil
	}
	return c, nil
}

func (p *parser) sum() (expr, error)    { return p.chain(operator, []string{"+", "-"}, p.concat) }
func (p *parser) concat() (expr, error) { return p.chain(operator, []string{"~"}, p.product) }
func (p *parser) product() (expr, error) {
	return p.chain(operator, []string{"*", "/", "//", "%"}, p.power)
}

func (p *parser) power() (expr, error) {
	return p.chain(operator, []string{"**"}, func() (expr, error) { return p.sign(true) })
}

func (p *parser) sign(filters bool) (e expr, err error) {
	if t := p.peek(); t.kind == operator && (t.text == "-" || t.text == "+") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		p.take()
		of, err := p.sign(false)
		p.leave()
		if err != nil {
			return nil, err
		}
		e = &unary{t.at, t.text, of}
	} else if e, err = p.primary(); err != nil {
		return nil, err
	}
	if e, err = p.postfix(e); err != nil || !filters {
		return e, err
	}
	return p.filters(e)
}

func (p *parser) primary() (expr, error) {
	t := p.peek()
	switch t.kind {
	case name:
		p.take()
		switch t.text {
		case "true", "True":
			return &constant{t.at, true}, nil
		case "false", "False":
			return &constant{t.at, false}, nil
		case "none", "None":
			return &constant{t.at, nil}, nil
		}
		return &variable{t.at, t.text}, nil
	case text:
		var b strings.Builder
		for p.peek().kind == text {
			b.WriteString(p.take().text)
		}
		return &constant{t.at, b.String()}, nil
	case integer, float:
		p.take()
		return p.number(t)
	case operator:
		switch t.text {
		case "(":
			return p.parenthesis()
		case "[":
			return p.list()
		case "{":
			return p.mapping()
		}
	}
	return nil, p.unexpected("an expression")
}

func (p *parser) number(t token) (expr, error) {
	if t.kind == integer {
		i, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			return nil, p.fail(t.at, "the number is too large")
		}
		return &constant{t.at, i}, nil
	}
	f, err := strconv.ParseFloat(t.text, 64)
	if err != nil {
		return nil, p.fail(t.at, "the number is too large")
	}
	return &constant{t.at, f}, nil
}

func (p *parser) parenthesis() (expr, error) {
	at := p.take().at
	if p.skip(operator, ")") {
		return &listing{at, nil, true}, nil
	}
	e, err := p.tuple()
	if err != nil {
		return nil, err
	}
	return e, p.want(operator, ")")
}

// tuple reads one expression, or several with commas between them, which make a tuple.
func (p *parser) tuple() (expr, error) {
	at := p.peek().at
	first, err := p.expression()
	if err != nil {
		return nil, err
	}
	if !p.is(operator, ",") {
		return first, nil
	}
	l := &listing{at, []expr{first}, true}
	for p.skip(operator, ",") {
		if t := p.peek(); t.kind == blockEnd || t.kind == outputEnd || t.kind == operator && (t.text == ")" || t.text == "]" || t.text == "=") {
			break
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, e)
	}
	return l, nil
}

func (p *parser) list() (expr, error) {
	l := &listing{place: p.take().at}
	for !p.is(operator, "]") {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, e)
		if !p.skip(operator, ",") {
			break
		}
	}
	return l, p.want(operator, "]")
}

func (p *parser) mapping() (expr, error) {
	m := &mapping{place: p.take().at}
	for !p.is(operator, "}") {
		key, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.want(operator, ":"); err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		m.keys, m.values = append(m.keys, key), append(m.values, value)
		if !p.skip(operator, ",") {
			break
		}
	}
	return m, p.want(operator, "}")
}

// postfix reads members, items and calls.
func (p *parser) postfix(e expr) (expr, error) {
	for n := 0; ; n++ {
		t := p.peek()
		if t.kind != operator || t.text != "." && t.text != "[" && t.text != "(" {
			return e, nil
		}
		if n > maxChain {
			return nil, p.fail(t.at, "the expression is too long")
		}
		var err error
		switch t.text {
		case ".":
			e, err = p.member(e)
		case "[":
			e, err = p.item(e)
		case "(":
			e, err = p.call(e)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) member(of expr) (expr, error) {
	at := p.take().at
	switch t := p.peek(); t.kind {
	case name:
		p.take()
		return &member{at, of, t.text}, nil
	case integer:
		p.take()
		key, err := p.number(t)
		return &item{at, of, key}, err
	}
	return nil, p.unexpected("a name")
}

func (p *parser) item(of expr) (expr, error) {
	at := p.take().at
	var parts [3]expr
	colons := 0
	for !p.is(operator, "]") {
		if p.skip(operator, ":") {
			if colons++; colons > 2 {
				return nil, p.fail(at, "a slice has at most three parts")
			}
			continue
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		if parts[colons] != nil {
			return nil, p.unexpected("']'")
		}
		parts[colons] = e
		if !p.is(operator, ":") && !p.is(operator, "]") {
			return nil, p.unexpected("']'")
		}
	}
	p.take()
	if colons > 0 {
		return &slicing{at, of, parts[0], parts[1], parts[2]}, nil
	}
	if parts[0] == nil {
		return nil, p.fail(at, "expected an expression, found ']'")
	}
	return &item{at, of, parts[0]}, nil
}

func (p *parser) call(of expr) (*call, error) {
	at := p.peek().at
	args, err := p.arguments()
	return &call{at, of, args}, err
}

// arguments reads (a, b, c=d).
func (p *parser) arguments() (a arguments, err error) {
	p.take()
	for !p.is(operator, ")") {
		t := p.peek()
		if t.kind == name && p.tokens[p.at+1].kind == operator && p.tokens[p.at+1].text == "=" {
			p.take()
			p.take()
			e, err := p.expression()
			if err != nil {
				return a, err
			}
			a.named = append(a.named, namedArgument{t.text, e})
		} else {
			if len(a.named) > 0 {
				return a, p.fail(t.at, "a plain argument must not follow a named one")
			}
			e, err := p.expression()
			if err != nil {
				return a, err
			}
			a.list = append(a.list, e)
		}
		if !p.skip(operator, ",") {
			break
		}
	}
	return a, p.want(operator, ")")
}

// filters reads |filter and "is test".
func (p *parser) filters(e expr) (expr, error) {
	for n := 0; ; n++ {
		t := p.peek()
		if n > maxChain {
			return nil, p.fail(t.at, "the expression is too long")
		}
		var err error
		switch {
		case t.kind == operator && t.text == "|":
			p.take()
			var f *filtering
			if f, err = p.filter(); err == nil {
				f.of = e
				e = f
			}
		case t.kind == name && t.text == "is":
			e, err = p.test(e)
		case t.kind == operator && t.text == "(":
			e, err = p.call(e)
		default:
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) filter() (*filtering, error) {
	t := p.peek()
	if t.kind != name {
		return nil, p.unexpected("the name of a filter")
	}
	p.take()
	if _, ok := filters[t.text]; !ok {
		return nil, p.fail(t.at, "there is no filter '"+t.text+"'")
	}
	f := &filtering{place: t.at, name: t.text}
	var err error
	if p.is(operator, "(") {
		f.args, err = p.arguments()
	}
	return f, err
}

func (p *parser) test(of expr) (expr, error) {
	p.take()
	t := &tested{of: of, not: p.skip(name, "not")}
	word := p.peek()
	if word.kind != name {
		return nil, p.unexpected("the name of a test")
	}
	p.take()
	t.place, t.name = word.at, word.text
	if _, ok := tests[t.name]; !ok {
		return nil, p.fail(word.at, "there is no test '"+t.name+"'")
	}
	next := p.peek()
	switch {
	case p.is(operator, "("):
		var err error
		t.args, err = p.arguments()
		return t, err
	case next.kind == name && !contains([]string{"else", "or", "and", "is", "if", "not", "in"}, next.text), next.kind == text, next.kind == integer, next.kind == float,
		next.kind == operator && (next.text == "[" || next.text == "{"):
		arg, err := p.primary()
		if err != nil {
			return nil, err
		}
		if arg, err = p.postfix(arg); err != nil {
			return nil, err
		}
		t.args.list = []expr{arg}
	}
	return t, nil
}
