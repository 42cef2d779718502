package place

import (
	"errors"
	"text/template/parse"
)

// errCounts says that a template counts.
var errCounts = errors.New("a template must not count: range over alerts, labels or results of queries, not over a number")

// Counts returns an error when a template loops as often as a number in it says, for which a machine could be busy
// for years. before is what the reader of the template puts before it. A template that cannot be parsed has no loops:
// its reader says what is wrong with it.
func Counts(before, text string) error {
	t := parse.New("")
	t.Mode = parse.SkipFuncCheck
	set := make(map[string]*parse.Tree)
	if _, err := t.Parse(before+text, "", "", set); err != nil {
		return nil
	}
	set[""] = t
	for _, tree := range set {
		if tree != nil && tree.Root != nil && counts(tree.Root) {
			return errCounts
		}
	}
	return nil
}

func counts(n parse.Node) bool {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return false
		}
		for _, sub := range n.Nodes {
			if counts(sub) {
				return true
			}
		}
	case *parse.IfNode:
		return counts(n.List) || counts(n.ElseList)
	case *parse.RangeNode:
		return number(n.Pipe) || counts(n.List) || counts(n.ElseList)
	case *parse.WithNode:
		return number(n.Pipe) || counts(n.List) || counts(n.ElseList)
	case *parse.TemplateNode:
		return n.Pipe != nil && number(n.Pipe)
	case *parse.ActionNode:
		return len(n.Pipe.Decl) > 0 && number(n.Pipe)
	}
	return false
}

// number reports whether a number that stands in a pipe may come out of it.
func number(p *parse.PipeNode) bool {
	for _, cmd := range p.Cmds {
		for i, arg := range cmd.Args {
			switch arg := arg.(type) {
			case *parse.NumberNode:
				id, function := cmd.Args[0].(*parse.IdentifierNode)
				if i == 0 || function && (id.Ident == "or" || id.Ident == "and") {
					return true
				}
			case *parse.PipeNode:
				if number(arg) {
					return true
				}
			}
		}
	}
	return false
}
