package arn

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, s string
		want       bool
	}{
		{"*", "arn:aws:s3:::b", true},
		{"*", "*", true},
		{"arn:aws:s3:::b", "arn:aws:s3:::b", true},
		{"arn:aws:s3:::b", "arn:aws:s3:::B", false},
		{"arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b:c", true},
		{"arn:aws:s3:::b/*", "arn:aws:s3:::b", false},
		{"arn:aws:s3:::b/*/test/*", "arn:aws:s3:::b/1/2/test/3/object.jpg", true},
		{"arn:aws:s3:::b/?", "arn:aws:s3:::b/é", true},
		{"arn:aws:s3:::b/??", "arn:aws:s3:::b/é", false},
		{"arn:aws:s3:::*", "arn:aws:s3:eu-west-1:111122223333:accesspoint/x", false},
		{"arn:*:s3:::b", "arn:aws-cn:s3:::b", true},
		{"arn:*", "arn:aws:s3:::b", true},
		{"arn:aws:s3:*", "arn:aws:s3:::b/k", true},
		{"arn:aws:s3:*", "arn:aws:sqs:eu-west-1:1:q", false},
		{"arn:aws:s3", "arn:aws:s3:::b", false},
		{"arn:aws:*:b", "arn:aws:s3:::b", false},
		{"arn:aws:logs:*:111122223333:log-group:*", "arn:aws:logs:eu-west-1:111122223333:log-group:a:log-stream:b", true},
		{"arn:aws:logs:*:111122223333:log-group:*", "arn:aws:logs:eu-west-1:111122223333:x:log-group:a", false},
		{"arn:aws:kms:*:key/1", "arn:aws:kms:eu-west-1:111122223333:key/1", false}, // a wildcard does not reach over a colon
		{"arn:aws:iam::*:role/a*", "arn:aws:iam::111122223333:role/admin", true},
		{"arn:aws:iam::1*3:role/a", "arn:aws:iam::111122223333:role/a", true},
		{"arn:aws:iam::1*3:role/a", "arn:aws:iam::1:x:3:role/a", false},
		{"arn:aws:s3:::b", "*", false},
		{"arn:aws:s3:::b", "", false},
		{"arn:aws:s3:::a\x00*", "arn:aws:s3:::ab", false},
		{"arn:aws:s3:::a\x00*", "arn:aws:s3:::a*", true},
		{"arn:aws:sns:a\x00:b:1:t", "arn:aws:sns:a:b:1:t", false}, // an escaped colon ends no part
		{"arn:aws\x00*", "arn:aws*:s3:::b", false},
	}
	for _, tt := range tests {
		if got := Match(tt.pattern, tt.s); got != tt.want {
			t.Errorf("Match(%q, %q) = %v", tt.pattern, tt.s, got)
		}
	}
}

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"**", "", true}, {"?", "", false}, {"a", "", false},
		{"a*b*c", "aXbYbZc", true}, {"a*b*c", "aXbYbZ", false}, {"*aab*", "aaab", true}, {"*??", "€", false}, {"*?", "€", true},
		{"*a?c", "abcaxc", true}, {"a**", "a", true}, {"a*?", "a", false}, {"a:*", "a:b:c", true},
		{"\x00?", "?", true}, {"\x00?", "x", false}, {"*\x00*", "ab*", true}, {"*\x00*", "ab", false}, {"\x00\x00", "\x00", true}, {"\x00", "\x00", true},
		{"*\x00**", "a*b", true},
	}
	for _, tt := range tests {
		if got := Glob(tt.pattern, tt.s); got != tt.want {
			t.Errorf("Glob(%q, %q) = %v", tt.pattern, tt.s, got)
		}
	}
	if !GlobFold("get*t", "GetObject") || GlobFold("get*t", "PutObject") || !GlobFold("*object", "GETOBJECT") {
		t.Error("GlobFold")
	}
}

// reference is the same language as a regular expression, which needs no backtracking.
func reference(pattern string, anyChar string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("(?s)^")
	for i := 0; i < len(pattern); {
		n := runeLen(pattern, i)
		switch c := pattern[i : i+n]; c {
		case "*":
			b.WriteString(anyChar + "*")
		case "?":
			b.WriteString(anyChar)
		default:
			b.WriteString(regexp.QuoteMeta(c))
		}
		i += n
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String())
}

func TestGlobAgainstRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab?*é:]{0,12}`).Draw(t, "pattern")
		s := rapid.StringMatching(`[abé:]{0,16}`).Draw(t, "s")
		if got, want := Glob(pattern, s), reference(pattern, ".").MatchString(s); got != want {
			t.Fatalf("Glob(%q, %q) = %v, regexp says %v", pattern, s, got, want)
		}
	})
}

func TestMatchAgainstRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		head := rapid.SliceOfN(rapid.StringMatching(`[ab?*]{0,3}`), 5, 5).Draw(t, "pattern head")
		tail := rapid.StringMatching(`[ab?*:]{0,6}`).Draw(t, "pattern resource")
		sHead := rapid.SliceOfN(rapid.StringMatching(`[ab]{0,3}`), 5, 5).Draw(t, "head")
		sTail := rapid.StringMatching(`[ab:]{0,6}`).Draw(t, "resource")
		want := reference(tail, ".").MatchString(sTail)
		for i := range head {
			want = want && reference(head[i], "[^:]").MatchString(sHead[i])
		}
		pattern, s := strings.Join(head, ":")+":"+tail, strings.Join(sHead, ":")+":"+sTail
		if got := Match(pattern, s); got != want {
			t.Fatalf("Match(%q, %q) = %v, regexp says %v", pattern, s, got, want)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("arn:aws:s3:::b/*", "arn:aws:s3:::b/k")
	f.Add("*a*a*a*a*a*a*b", "arn:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Add("\x00\x00*\x00", "\xff\xfe:::::é")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		got := Match(pattern, s)
		if got && pattern != "*" && strings.Count(s, ":") < 5 && !strings.Contains(pattern, "*") {
			t.Errorf("Match(%q, %q) without six parts", pattern, s)
		}
		if GlobFold(strings.ToLower(s), s) != Glob(strings.ToLower(s), strings.ToLower(s)) && isASCII(s) {
			t.Errorf("GlobFold of %q", s)
		}
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func TestMatchDoesNotAllocate(t *testing.T) {
	pattern, s := "arn:aws:s3:::b/*/x?z*", "arn:aws:s3:::b/aaaa/xyz/longer/and/longer"
	if n := testing.AllocsPerRun(100, func() { Match(pattern, s) }); n != 0 {
		t.Errorf("Match allocates %v times", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	b.Run("usual", func(b *testing.B) {
		for b.Loop() {
			Match("arn:aws:s3:::my-bucket/home/*/reports/*", "arn:aws:s3:::my-bucket/home/alice/reports/2024/one.csv")
		}
	})
	long := "arn:aws:s3:::" + strings.Repeat("a", 1024)
	pattern := "arn:aws:s3:::" + strings.Repeat("*a", 200) + "b"
	b.Run("hostile", func(b *testing.B) {
		for b.Loop() {
			Match(pattern, long)
		}
	})
}
