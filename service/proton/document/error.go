package document

import "strconv"

// Error is a complaint about one place in a file. Line and Column count from 1 and are 0
// where they are not known. Its text is fit to be shown to the file's author; it quotes
// names of keys and characters that are refused, nothing else of the file.
type Error struct {
	File         string
	Line, Column int
	Reason       string
}

// Error returns file, line, column and reason, as "schema/schema.yaml:3:5: ...".
func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where += ":" + strconv.Itoa(e.Line)
		if e.Column > 0 {
			where += ":" + strconv.Itoa(e.Column)
		}
	}
	if where == "" {
		return e.Reason
	}
	return where + ": " + e.Reason
}
