package place

import (
	"errors"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	doc := []byte("groups:\n  - name: a\n    ruels: []\n")
	for name, tt := range map[string]struct {
		errs []error
		want string
	}{
		"unknown field": {[]error{errors.New("yaml: unmarshal errors:\n  line 3: field ruels not found in type rulefmt.RuleGroup")}, "3:5: field ruels is not known"},
		"twice":         {[]error{errors.New(`yaml: line 2: mapping values are not allowed`), errors.New(`yaml: line 2: mapping values are not allowed`)}, "2:3: mapping values are not allowed"},
		"placed":        {[]error{errors.New(`2:11: group "a", rule 1, "x": bad`)}, `2:11: group "a", rule 1, "x": bad`},
		"placed twice":  {[]error{errors.New(`2:11: 3:4: group "a"`)}, `2:11: group "a"`},
		"nowhere":       {[]error{errors.New("no route provided in config")}, "no route provided in config"},
		"line unknown":  {[]error{errors.New("yaml: line 900: oops")}, "4:1: oops"},
		"several":       {[]error{errors.New("yaml: unmarshal errors:\n  line 1: one\n  line 2: two")}, "1:1: one; 2:3: two"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Of(doc, tt.errs...).Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOf_bounded(t *testing.T) {
	long := "yaml: unmarshal errors:" + strings.Repeat("\n  line 1: x", 3)
	for i := range 50 {
		long += "\n  line 1: problem " + strings.Repeat("i", i)
	}
	if got := len(Of([]byte("a"), errors.New(long)).Problems); got != maxProblems {
		t.Errorf("%d problems are told, want %d", got, maxProblems)
	}
}
