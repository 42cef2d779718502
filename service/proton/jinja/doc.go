// Package jinja renders templates of the Jinja2 language in a closed world: a template
// sees the values of package document that it is given, and nothing else.
//
// There is no loader, so no include, import or extends; no reflection, so no attribute
// leads out of the values into Go; no clock, no chance, no file. Every step, byte and call
// is counted against Limits, and the context can end a rendering at any step. That is also
// why the language is read and run here and not by a library: the ones there are for Go
// reach into Go values by reflection and cannot be stopped inside an expression such as
// 'x' * 10 ** 10.
//
// The words, the precedence and the printing (True, None, ['a', 1]) are those of Jinja2
// with its defaults: no autoescaping, no trimming of blocks, one newline taken off the
// end. An undefined value is strict, as AWS Proton has it: to print it, loop over it or
// filter it fails, while "is defined", default(), length (0) and a plain truth test are allowed, also
// for a member of something undefined.
//
//	lex.go               text to tokens
//	node.go parse.go     expressions
//	tags.go              statements
//	run.go eval.go       both, run; limits
//	operate.go value.go  operators, comparison, printing
//	method.go            methods of strings, lists and maps; functions
//	filter.go filter_text.go filter_list.go test.go json.go
//	proton.go            the filters that AWS Proton adds
package jinja
