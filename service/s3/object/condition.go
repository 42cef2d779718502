package object

import (
	"strings"
	"time"
)

// Conditions are those of a read or of a copy's source. Absent ones are "" and the
// zero time.
type Conditions struct {
	Match, NoneMatch          string // ETags in a list, or *
	ModifiedSince, UnmodSince time.Time
}

// Verdict is what conditions come to.
type Verdict uint8

// The verdicts.
const (
	Proceed Verdict = iota
	NotModified
	Failed
)

// Read decides the conditions of GET and HEAD for an object in the order of RFC 9110,
// section 13.2.2, which is S3's: a true If-Match overrules If-Unmodified-Since, a
// false If-None-Match overrules If-Modified-Since.
func (c Conditions) Read(tag ETag, modified time.Time) Verdict {
	if c == (Conditions{}) {
		return Proceed
	}
	switch {
	case c.Match != "":
		if !matches(c.Match, tag) {
			return Failed
		}
	case !c.UnmodSince.IsZero() && after(modified, c.UnmodSince):
		return Failed
	}
	switch {
	case c.NoneMatch != "":
		if matches(c.NoneMatch, tag) {
			return NotModified
		}
	case !c.ModifiedSince.IsZero() && !after(modified, c.ModifiedSince) && !c.ModifiedSince.After(time.Now()):
		return NotModified // a time in the future is no valid If-Modified-Since (RFC 9110, 13.1.3)
	}
	return Proceed
}

// Copy decides the conditions of a copy's source; a copy that is not to be made has
// Failed, never NotModified.
func (c Conditions) Copy(tag ETag, modified time.Time) Verdict {
	if c.Read(tag, modified) != Proceed {
		return Failed
	}
	return Proceed
}

// after compares as HTTP dates do, in whole seconds.
func after(modified, since time.Time) bool {
	return modified.Truncate(time.Second).After(since)
}

// matches reports whether the list holds tag or is a star. Weak tags compare by their
// value: S3's own tags are never weak.
func matches(list string, tag ETag) bool {
	bare := tag.Bare()
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == "*" || Unquote(one) == bare {
			return true
		}
	}
	return false
}

// Guard holds the conditions of a write: If-Match with one ETag, or If-None-Match
// with a star. The zero Guard asks for nothing.
type Guard struct{ Match, NoneMatch string }

// GuardVerdict is what a Guard comes to.
type GuardVerdict uint8

// The verdicts of a write's conditions. Absent is a failed If-Match for an object
// that is not there, which S3 answers with NoSuchKey.
const (
	Write GuardVerdict = iota
	Refuse
	Absent
)

// Decide decides the guard over what is stored; tag is nil when nothing is.
func (g Guard) Decide(tag *ETag) GuardVerdict {
	switch {
	case g.NoneMatch != "" && tag != nil:
		return Refuse
	case g.Match != "" && tag == nil:
		return Absent
	case g.Match != "" && !matches(g.Match, *tag):
		return Refuse
	}
	return Write
}

// Supported reports whether S3 knows the guard's form: If-None-Match only with a star,
// not both conditions.
func (g Guard) Supported() bool {
	return (g.NoneMatch == "" || g.NoneMatch == "*") && (g.Match == "" || g.NoneMatch == "")
}
