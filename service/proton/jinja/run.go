package jinja

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/service/proton/document"
)

// Limits bound a rendering. A zero field has its default.
type Limits struct {
	Output int // bytes of the result, default 8 MiB
	Memory int // bytes of all values made on the way, default 64 MiB
	Steps  int // expressions and statements run, default 10 million
}

const maxCalls = 50 // of macros inside each other

func (l Limits) filled() Limits {
	if l.Output == 0 {
		l.Output = 8 << 20
	}
	if l.Memory == 0 {
		l.Memory = 64 << 20
	}
	if l.Steps == 0 {
		l.Steps = 10_000_000
	}
	return l
}

// Execute renders the template over the members of values, which it does not change. An
// error over the template is a *document.Error at the line that failed; a context that
// ended comes back as its error, wrapped.
func (t *Template) Execute(ctx context.Context, values *document.Object, limits Limits) (string, error) {
	r := &run{ctx: ctx, file: t.file, limits: limits.filled()}
	top := &scope{vars: make(map[string]any)}
	for name, v := range values.All() {
		top.vars[name] = v
	}
	out := new(strings.Builder)
	if err := r.body(t.body, top, out); err != nil {
		return "", err
	}
	return out.String(), nil
}

// run is one rendering.
type run struct {
	ctx    context.Context
	file   string
	limits Limits
	steps  int
	look   int // at which step the context is looked at next
	memory int
	calls  int
}

// scope holds names. Names are looked up outwards and set in the scope itself.
type scope struct {
	vars  map[string]any
	outer *scope
}

func (s *scope) get(name string) (any, bool) {
	for ; s != nil; s = s.outer {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

func (s *scope) set(name string, v any) {
	if s.vars == nil {
		s.vars = make(map[string]any)
	}
	s.vars[name] = v
}

// at gives an error its place, unless it has one or is the context's.
func (r *run) at(p place, err error) error {
	var placed *document.Error
	if err == nil || errors.As(err, &placed) || r.ctx.Err() != nil {
		return err
	}
	return &document.Error{File: r.file, Line: p.line, Column: p.column, Reason: err.Error()}
}

// step counts a step and looks at the context now and then.
func (r *run) step() error {
	if r.steps++; r.steps > r.limits.Steps {
		return errors.New("rendering takes too many steps")
	}
	if r.steps >= r.look {
		r.look = r.steps + 1000
		if err := r.ctx.Err(); err != nil {
			return fmt.Errorf("rendering ended: %w", context.Cause(r.ctx))
		}
	}
	return nil
}

// work counts what it takes to go through values once, as filters and comparisons do.
func (r *run) work(values ...any) error {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			r.steps += len(v) / 256
		case *list:
			r.steps += len(v.items) / 16
		}
	}
	return r.step()
}

// spend counts bytes of values.
func (r *run) spend(n int) error {
	if n < 0 || n > r.limits.Memory-r.memory {
		return errors.New("rendering takes too much memory")
	}
	r.memory += n
	return nil
}

// write appends to the output of a body.
func (r *run) write(out *strings.Builder, s string) error {
	if out.Len()+len(s) > r.limits.Output {
		return errors.New("the rendered text is too large")
	}
	out.WriteString(s)
	return r.step()
}

func (r *run) body(body []stmt, s *scope, out *strings.Builder) error {
	for _, one := range body {
		if err := r.statement(one, s, out); err != nil {
			return r.at(one.where(), err)
		}
	}
	return nil
}

// captured runs a body into a string.
func (r *run) captured(body []stmt, s *scope) (string, error) {
	var out strings.Builder
	if err := r.body(body, s, &out); err != nil {
		return "", err
	}
	return out.String(), r.spend(out.Len())
}

func (r *run) statement(one stmt, s *scope, out *strings.Builder) error {
	if err := r.step(); err != nil {
		return err
	}
	switch n := one.(type) {
	case *plainText:
		return r.write(out, n.text)
	case *output:
		v, err := r.eval(n.value, s)
		if err != nil {
			return err
		}
		text, err := r.placed(v, out)
		if err != nil {
			return err
		}
		return r.write(out, text)
	case *condition:
		return r.condition(n, s, out)
	case *loop:
		return r.loop(n, s, out)
	case *setting:
		return r.setting(n, s)
	case *scoped:
		inner := &scope{outer: s}
		for i, name := range n.names {
			v, err := r.eval(n.values[i], s)
			if err != nil {
				return err
			}
			inner.set(name, v)
		}
		return r.body(n.body, inner, out)
	case *filterBlock:
		text, err := r.captured(n.body, &scope{outer: s})
		if err != nil {
			return err
		}
		v, err := r.filtered(n.filters, text, s)
		if err != nil {
			return err
		}
		if text, err = r.printed(v); err != nil {
			return err
		}
		return r.write(out, text)
	case *macroDef:
		m := *n.macro
		m.scope = s
		s.set(m.name, &m)
		return nil
	case *callBlock:
		return r.callBlock(n, s, out)
	}
	return errors.New("unknown statement")
}

// placed is the text of a value where the output has come to: the lines of a block stand
// under each other.
func (r *run) placed(v any, out *strings.Builder) (string, error) {
	lines, ok := v.(block)
	if !ok || len(lines) < 2 {
		return r.printed(v)
	}
	line := out.String()
	line = line[strings.LastIndexByte(line, '\n')+1:]
	column := utf8.RuneCountInString(line)
	if err := r.spendTimes(column, int64(len(lines))); err != nil {
		return "", err
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", column)), nil
}

// filtered sends a value through filters that stand without an expression.
func (r *run) filtered(chain []filtering, v any, s *scope) (any, error) {
	for i := range chain {
		var err error
		if v, err = r.filter(&chain[i], v, s); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (r *run) condition(n *condition, s *scope, out *strings.Builder) error {
	for i, test := range n.tests {
		v, err := r.eval(test, s)
		if err != nil {
			return err
		}
		if truth(v) {
			return r.body(n.bodies[i], s, out)
		}
	}
	if len(n.bodies) > len(n.tests) {
		return r.body(n.bodies[len(n.tests)], s, out)
	}
	return nil
}

func (r *run) loop(n *loop, s *scope, out *strings.Builder) error {
	over, err := r.eval(n.over, s)
	if err != nil {
		return err
	}
	items, err := r.items(over)
	if err != nil {
		return err
	}
	if n.only != nil {
		if items, err = r.chosen(n, items, s); err != nil {
			return err
		}
	}
	if len(items) == 0 {
		return r.body(n.none, &scope{outer: s}, out)
	}
	state := &loopState{items: items}
	for i, v := range items {
		if err := r.step(); err != nil {
			return err
		}
		state.index = i
		inner := &scope{vars: map[string]any{"loop": state}, outer: s}
		if err := assign(inner, n.targets, v); err != nil {
			return err
		}
		if err := r.body(n.body, inner, out); err != nil {
			return err
		}
	}
	return nil
}

// chosen returns the items that the loop's own if lets through.
func (r *run) chosen(n *loop, items []any, s *scope) ([]any, error) {
	var kept []any
	for _, v := range items {
		inner := &scope{outer: s}
		if err := assign(inner, n.targets, v); err != nil {
			return nil, err
		}
		yes, err := r.eval(n.only, inner)
		if err != nil {
			return nil, err
		}
		if truth(yes) {
			kept = append(kept, v)
		}
	}
	return kept, nil
}

// assign sets one name to the value, or several to its parts.
func assign(s *scope, targets []string, v any) error {
	if len(targets) == 1 {
		s.set(targets[0], v)
		return nil
	}
	l, ok := v.(*list)
	if !ok || len(l.items) != len(targets) {
		return fmt.Errorf("there are %d names to set, but the value does not have as many parts", len(targets))
	}
	for i, name := range targets {
		s.set(name, l.items[i])
	}
	return nil
}

func (r *run) setting(n *setting, s *scope) error {
	var v any
	var err error
	if n.value != nil {
		v, err = r.eval(n.value, s)
	} else {
		var text string
		if text, err = r.captured(n.body, &scope{outer: s}); err == nil {
			v, err = r.filtered(n.filters, text, s)
		}
	}
	if err != nil {
		return err
	}
	if n.field == "" {
		return assign(s, n.targets, v)
	}
	held, _ := s.get(n.targets[0])
	ns, ok := held.(*namespace)
	if !ok {
		return errors.New("only a namespace has fields that can be set")
	}
	ns.vars[n.field] = v
	return r.spend(len(n.field) + 16)
}

func (r *run) callBlock(n *callBlock, s *scope, out *strings.Builder) error {
	of, err := r.eval(n.call.of, s)
	if err != nil {
		return err
	}
	m, ok := of.(*macro)
	if !ok {
		return errors.New("call must name a macro")
	}
	args, err := r.args(n.call.args, s)
	if err != nil {
		return err
	}
	caller := *n.caller
	caller.scope = s
	v, err := r.callMacro(m, args, &caller)
	if err != nil {
		return err
	}
	return r.write(out, v)
}

// callMacro runs a macro and returns its text.
func (r *run) callMacro(m *macro, args given, caller *macro) (string, error) {
	if r.calls++; r.calls > maxCalls {
		return "", errors.New("macros call each other too deep")
	}
	defer func() { r.calls-- }()
	inner := &scope{outer: m.scope}
	if len(args.list) > len(m.params) {
		return "", fmt.Errorf("the macro %s takes %d arguments", m.name, len(m.params))
	}
	for name := range args.named {
		if !contains(m.params, name) {
			return "", fmt.Errorf("the macro %s has no parameter %s", m.name, name)
		}
	}
	if caller != nil {
		inner.set("caller", caller)
	}
	for i, name := range m.params {
		v, ok := args.named[name]
		switch d := i - (len(m.params) - len(m.defaults)); {
		case i < len(args.list):
			v = args.list[i]
		case ok:
		case d >= 0:
			var err error
			if v, err = r.eval(m.defaults[d], inner); err != nil {
				return "", err
			}
		default:
			v = &undefined{name}
		}
		inner.set(name, v)
	}
	return r.captured(m.body, inner)
}
