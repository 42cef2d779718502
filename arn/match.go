package arn

import (
	"strings"
	"unicode/utf8"
)

// Escape, in a pattern, takes the special meaning of the byte after it: a star, a question
// mark, a colon or another Escape then stands for itself. It is the NUL byte, which stands
// in no resource name, so patterns that people write never need to know of it; it exists for
// programs that put foreign text into a pattern.
const Escape = '\x00'

// Match reports whether the resource name s is one of those that pattern names. Both are
// compared part by part, so that a wildcard never reaches over a colon: * stands for any
// number of characters of its part and ? for one. Two exceptions: the resource, the sixth
// part, is one part with all the colons in it; and a pattern of fewer than six parts that
// ends in * covers all parts that follow (IAM user guide, "Resource": a * at the end can
// expand beyond the colon boundaries). The pattern * matches everything.
//
// Matching is case-sensitive, allocates nothing and takes at most len(pattern)*len(s) steps.
func Match(pattern, s string) bool {
	if pattern == "*" {
		return true
	}
	for range 5 {
		pc, sc := colon(pattern), strings.IndexByte(s, ':')
		if sc < 0 {
			return false
		}
		if pc < 0 {
			return endsInStar(pattern) && glob(pattern, s, false)
		}
		if !glob(pattern[:pc], s[:sc], false) {
			return false
		}
		pattern, s = pattern[pc+1:], s[sc+1:]
	}
	return glob(pattern, s, false)
}

// Glob reports whether the whole of s matches pattern, where * stands for any number of
// characters, colons included, and ? for exactly one. Cost is as for Match.
func Glob(pattern, s string) bool { return glob(pattern, s, false) }

// GlobFold is Glob with the ASCII letters of s taken as lower case. The pattern must be in
// lower case already.
func GlobFold(pattern, s string) bool { return glob(pattern, s, true) }

// colon returns the place of the first colon of p that is not escaped, or -1.
func colon(p string) int {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case ':':
			return i
		case Escape:
			i++
		}
	}
	return -1
}

// endsInStar reports whether the last thing of p is a wildcard for any number of characters.
func endsInStar(p string) bool {
	star := false
	for i := 0; i < len(p); i++ {
		star = p[i] == '*'
		if p[i] == Escape {
			i++
		}
	}
	return star
}

// glob walks pattern and s side by side. After a mismatch it goes back to the last star only
// and lets that one eat a character more: an earlier star could not do better, because what
// stands between the two was found at its leftmost place. So the work is bounded by the
// product of the lengths.
func glob(p string, s string, fold bool) bool {
	pi, si := 0, 0
	star, from := -1, 0 // where to go on in p after the last star, and in s
	for si < len(s) {
		switch {
		case pi < len(p) && p[pi] == '*':
			pi++
			if pi == len(p) {
				return true
			}
			si = hop(p, pi, s, si, fold)
			star, from = pi, si
			continue
		case pi < len(p) && p[pi] == '?':
			pi++
			si += runeLen(s, si)
			continue
		}
		if n := literal(p, pi, s[si], fold); n > 0 {
			pi += n
			si++
			continue
		}
		if star < 0 {
			return false
		}
		si = hop(p, star, s, from+runeLen(s, from), fold)
		pi, from = star, si
	}
	for pi < len(p) && p[pi] == '*' {
		pi++
	}
	return pi == len(p)
}

// literal reports how many bytes of p at pi stand for the byte c: 1, 2 with an Escape, or 0
// when they do not.
func literal(p string, pi int, c byte, fold bool) int {
	n := 1
	if pi+1 < len(p) && p[pi] == Escape {
		pi++
		n = 2
	}
	if fold {
		c = lower(c)
	}
	if pi < len(p) && p[pi] == c {
		return n
	}
	return 0
}

// hop returns the first place from si on at which what follows a star in p could begin: the
// next occurrence of its first byte, where that is plain.
func hop(p string, pi int, s string, si int, fold bool) int {
	if c := p[pi]; !fold && c != '*' && c != '?' && c != Escape {
		if i := strings.IndexByte(s[si:], c); i >= 0 {
			return si + i
		}
		return len(s)
	}
	return si
}

// runeLen returns the length of the character of s at i; a byte that is no UTF-8 counts as one.
func runeLen(s string, i int) int {
	if s[i] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s[i:])
	return n
}

// lower returns the lower-case form of an ASCII letter, and any other byte as it is.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
