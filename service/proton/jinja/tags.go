package jinja

// body reads statements until a tag named in stops, which it leaves, or until the end of
// the template when there are none.
func (p *parser) body(stops ...string) ([]stmt, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	var all []stmt
	for {
		t := p.peek()
		switch t.kind {
		case end:
			if len(stops) > 0 {
				return nil, p.fail(t.at, "the template ends before '"+stops[len(stops)-1]+"'")
			}
			return all, nil
		case data:
			p.take()
			all = append(all, &plainText{t.at, t.text})
		case outputBegin:
			p.take()
			e, err := p.tuple()
			if err != nil {
				return nil, err
			}
			if p.peek().kind != outputEnd {
				return nil, p.unexpected("'}}'")
			}
			p.take()
			all = append(all, &output{e.where(), e})
		case blockBegin:
			if next := p.tokens[p.at+1]; next.kind == name && contains(stops, next.text) {
				return all, nil
			}
			s, err := p.statement()
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
}

// blockEnd takes the end of a tag.
func (p *parser) blockEnd() error {
	if p.peek().kind != blockEnd {
		return p.unexpected("'%}'")
	}
	p.take()
	return nil
}

// ending takes {% word %}.
func (p *parser) ending(word string) error {
	p.take()
	if err := p.want(name, word); err != nil {
		return err
	}
	return p.blockEnd()
}

func (p *parser) statement() (stmt, error) {
	p.take()
	t := p.peek()
	if t.kind != name {
		return nil, p.unexpected("the name of a tag")
	}
	p.take()
	switch t.text {
	case "for":
		return p.loop(t.at)
	case "if":
		return p.condition(t.at)
	case "set":
		return p.set(t.at)
	case "with":
		return p.with(t.at)
	case "filter":
		return p.filterBlock(t.at)
	case "macro":
		return p.macro(t.at)
	case "call":
		return p.callBlock(t.at)
	case "include", "import", "from", "extends", "block":
		return nil, p.fail(t.at, "the tag '"+t.text+"' is not allowed: a template stands alone")
	}
	return nil, p.fail(t.at, "there is no tag '"+t.text+"' here")
}

// targets reads the names on the left of in or =.
func (p *parser) targets() ([]string, error) {
	brackets := p.skip(operator, "(")
	var all []string
	for {
		t := p.peek()
		if t.kind != name || contains([]string{"true", "True", "false", "False", "none", "None", "loop"}, t.text) {
			return nil, p.unexpected("a name to set")
		}
		p.take()
		all = append(all, t.text)
		if !p.skip(operator, ",") || p.is(operator, ")") || p.is(name, "in") {
			break
		}
	}
	if brackets {
		return all, p.want(operator, ")")
	}
	return all, nil
}

func (p *parser) loop(at place) (stmt, error) {
	l := &loop{place: at}
	var err error
	if l.targets, err = p.targets(); err != nil {
		return nil, err
	}
	if err := p.want(name, "in"); err != nil {
		return nil, err
	}
	if l.over, err = p.or(); err != nil { // no inline if: that word filters the loop
		return nil, err
	}
	if p.skip(name, "if") {
		if l.only, err = p.expression(); err != nil {
			return nil, err
		}
	}
	if p.is(name, "recursive") {
		return nil, p.fail(p.peek().at, "a recursive loop is not supported")
	}
	if err := p.blockEnd(); err != nil {
		return nil, err
	}
	if l.body, err = p.body("else", "endfor"); err != nil {
		return nil, err
	}
	if p.tokens[p.at+1].text == "else" {
		if err := p.ending("else"); err != nil {
			return nil, err
		}
		if l.none, err = p.body("endfor"); err != nil {
			return nil, err
		}
	}
	return l, p.ending("endfor")
}

func (p *parser) condition(at place) (stmt, error) {
	c := &condition{place: at}
	for {
		test, err := p.tuple()
		if err != nil {
			return nil, err
		}
		if err := p.blockEnd(); err != nil {
			return nil, err
		}
		body, err := p.body("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		c.tests, c.bodies = append(c.tests, test), append(c.bodies, body)
		if p.tokens[p.at+1].text != "elif" {
			break
		}
		p.take()
		p.take()
	}
	if p.tokens[p.at+1].text == "else" {
		if err := p.ending("else"); err != nil {
			return nil, err
		}
		body, err := p.body("endif")
		if err != nil {
			return nil, err
		}
		c.bodies = append(c.bodies, body)
	}
	return c, p.ending("endif")
}

func (p *parser) set(at place) (stmt, error) {
	s := &setting{place: at}
	var err error
	if s.targets, err = p.targets(); err != nil {
		return nil, err
	}
	if len(s.targets) == 1 && p.skip(operator, ".") {
		t := p.take()
		if t.kind != name {
			return nil, p.fail(t.at, "expected the name of a field")
		}
		s.field = t.text
	}
	if p.skip(operator, "=") {
		if s.value, err = p.tuple(); err != nil {
			return nil, err
		}
		return s, p.blockEnd()
	}
	if len(s.targets) != 1 {
		return nil, p.unexpected("'='")
	}
	if p.is(operator, "|") {
		p.take()
		if s.filters, err = p.filterChain(); err != nil {
			return nil, err
		}
	}
	if err := p.blockEnd(); err != nil {
		return nil, err
	}
	if s.body, err = p.body("endset"); err != nil {
		return nil, err
	}
	return s, p.ending("endset")
}

func (p *parser) with(at place) (stmt, error) {
	w := &scoped{place: at}
	for p.peek().kind == name {
		w.names = append(w.names, p.take().text)
		if err := p.want(operator, "="); err != nil {
			return nil, err
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		w.values = append(w.values, e)
		if !p.skip(operator, ",") {
			break
		}
	}
	if err := p.blockEnd(); err != nil {
		return nil, err
	}
	var err error
	if w.body, err = p.body("endwith"); err != nil {
		return nil, err
	}
	return w, p.ending("endwith")
}

// filterChain reads name|name(...).
func (p *parser) filterChain() ([]filtering, error) {
	var all []filtering
	for {
		f, err := p.filter()
		if err != nil {
			return nil, err
		}
		if all = append(all, *f); len(all) > maxChain {
			return nil, p.fail(f.place, "the expression is too long")
		}
		if !p.skip(operator, "|") {
			return all, nil
		}
	}
}

func (p *parser) filterBlock(at place) (stmt, error) {
	f := &filterBlock{place: at}
	var err error
	if f.filters, err = p.filterChain(); err != nil {
		return nil, err
	}
	if err := p.blockEnd(); err != nil {
		return nil, err
	}
	if f.body, err = p.body("endfilter"); err != nil {
		return nil, err
	}
	return f, p.ending("endfilter")
}

// signature reads (a, b=1).
func (p *parser) signature(m *macro) error {
	if err := p.want(operator, "("); err != nil {
		return err
	}
	for !p.is(operator, ")") {
		t := p.take()
		if t.kind != name {
			return p.fail(t.at, "expected the name of a parameter")
		}
		m.params = append(m.params, t.text)
		if p.skip(operator, "=") {
			e, err := p.expression()
			if err != nil {
				return err
			}
			m.defaults = append(m.defaults, e)
		} else if len(m.defaults) > 0 {
			return p.fail(t.at, "a parameter without a default must not follow one that has one")
		}
		if !p.skip(operator, ",") {
			break
		}
	}
	return p.want(operator, ")")
}

func (p *parser) macro(at place) (stmt, error) {
	t := p.take()
	if t.kind != name {
		return nil, p.fail(t.at, "expected the name of the macro")
	}
	m := &macro{name: t.text}
	if err := p.signature(m); err != nil {
		return nil, err
	}
	if err := p.blockEnd(); err != nil {
		return nil, err
	}
	var err error
	if m.body, err = p.body("endmacro"); err != nil {
		return nil, err
	}
	return &macroDef{at, m}, p.ending("endmacro")
}

func (p *parser) callBlock(at place) (stmt, error) {
	c := &callBlock{place: at, caller: &macro{name: "caller"}}
	if p.is(operator, "(") {
		if err := p.signature(c.caller); err != nil {
			return nil, err
		}
	}
	e, err := p.expression()
	if err != nil {
		return nil, err
	}
	var ok bool
	if c.call, ok = e.(*call); !ok {
		return nil, p.fail(e.where(), "expected the call of a macro")
	}
	if err := p.blockEnd(); err != nil {
		return nil, err
	}
	if c.caller.body, err = p.body("endcall"); err != nil {
		return nil, err
	}
	return c, p.ending("endcall")
}
