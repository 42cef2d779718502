package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTranslate(t *testing.T) {
	for in, want := range map[string]string{
		`[\u0020-\u00FF]+`: `[\x{0020}-\x{00FF}]+`,
		`\\u0020\d`:        `\\u0020\d`,
		`\\\u0041`:         `\\\x{0041}`,
		`^[a-z]{1,3}$`:     `^[a-z]{1,3}$`,
	} {
		if got, err := translate(in); got != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
	if _, err := translate(`[\uD800\uDC00]`); err == nil {
		t.Error("translated half a character")
	}
	if _, err := (&shape{Pattern: `a(?!b)`}).goPattern(); err == nil {
		t.Error("took a look-ahead")
	}
}

// words calls f with every text of up to n of the letters.
func words(letters string, n int, f func(string)) {
	f("")
	if n == 0 {
		return
	}
	words(letters, n-1, func(w string) {
		if len(w) == n-1 {
			for _, c := range letters {
				f(w + string(c))
			}
		} else if w != "" {
			f(w)
		}
	})
}

// TestRewritten compares the patterns that RE2 does not understand, as we wrote them
// again, with what the originals mean, said in Go.
func TestRewritten(t *testing.T) {
	tests := []struct {
		file, shape, letters string
		want                 func(string) bool
	}{
		{"../../model/iam.json", "accountAliasType", "a0-A", func(s string) bool {
			// ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$
			return len(s) >= 3 && !strings.Contains(s, "A") && !strings.Contains(s, "--") &&
				!strings.HasPrefix(s, "-") && !strings.HasSuffix(s, "-")
		}},
		{"testdata/later/ssmincidents.json", "TagKey", "aws:*", func(s string) bool {
			// ^(?!aws:)[A-Za-z0-9 _=@:.+-/]+$
			return s != "" && !strings.Contains(s, "*") && !strings.HasPrefix(s, "aws:")
		}},
	}
	for _, tt := range tests {
		m, err := load(filepath.FromSlash(tt.file))
		if err != nil {
			t.Fatal(err)
		}
		pattern, err := m.Shapes[tt.shape].goPattern()
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile(`\A(?:` + pattern + `)\z`)
		words(tt.letters, 6, func(s string) {
			if got := re.MatchString(s); got != tt.want(s) {
				t.Errorf("%s: %q matches: %v", tt.shape, s, got)
			}
		})
	}
}
