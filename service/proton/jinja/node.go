package jinja

// expr is an expression. Each kind of it is a struct below.
type expr interface{ where() place }

type (
	constant struct {
		place
		value any
	}
	variable struct {
		place
		name string
	}
	listing struct { // [a, b] or (a, b)
		place
		items []expr
		tuple bool
	}
	mapping struct { // {'a': b}
		place
		keys, values []expr
	}
	member struct { // of.name
		place
		of   expr
		name string
	}
	item struct { // of[key]
		place
		of, key expr
	}
	slicing struct { // of[from:to:step]; nil for an absent part
		place
		of, from, to, step expr
	}
	call struct {
		place
		of   expr
		args arguments
	}
	filtering struct {
		place
		of   expr // nil for the body of a filter block
		name string
		args arguments
	}
	tested struct {
		place
		of   expr
		name string
		args arguments
		not  bool
	}
	unary struct {
		place
		op string // not, -, +
		of expr
	}
	binary struct {
		place
		op   string
		a, b expr
	}
	comparison struct { // a < b <= c
		place
		first expr
		ops   []string
		rest  []expr
	}
	choice struct { // yes if test else no; no can be nil
		place
		test, yes, no expr
	}
)

type arguments struct {
	list  []expr
	named []namedArgument
}

type namedArgument struct {
	name  string
	value expr
}

func (p place) where() place { return p }

// stmt is a part of a template's body.
type stmt interface{ where() place }

type (
	plainText struct {
		place
		text string
	}
	output struct {
		place
		value expr
	}
	condition struct {
		place
		tests  []expr
		bodies [][]stmt // one more than tests when there is an else
	}
	loop struct {
		place
		targets []string // one, or the names of a tuple
		over    expr
		only    expr // nil without an if
		body    []stmt
		none    []stmt // else
	}
	setting struct {
		place
		targets []string
		field   string // of a namespace: {% set ns.field = %}
		value   expr   // nil with a body
		body    []stmt
		filters []filtering
	}
	scoped struct { // with
		place
		names  []string
		values []expr
		body   []stmt
	}
	filterBlock struct {
		place
		filters []filtering
		body    []stmt
	}
	macroDef struct {
		place
		macro *macro
	}
	callBlock struct {
		place
		caller *macro
		call   *call
	}
)

// macro is a macro of the template. Its scope is set when its definition runs.
type macro struct {
	name     string
	params   []string
	defaults []expr // of the last params
	body     []stmt
	scope    *scope
}
