package object

import (
	"iter"
	"strings"
)

// Query says what a listing wants.
type Query struct {
	Prefix    string
	Delimiter string
	After     string // list only what sorts after this key or common prefix
	Limit     int    // most keys and common prefixes together; 0 lists nothing
	// Visible returns the beginning of a name in which the delimiter counts; nil for all of it.
	Visible func(name string) string
}

// Page is one page of a listing: entries and common prefixes, each in order.
type Page[E any] struct {
	Entries  []E
	Prefixes []string
	// Next is the last key or common prefix of a page that is not the last: the After
	// of the next. It is "" when there is no more.
	Next string
}

// Truncated reports whether there is more.
func (p *Page[E]) Truncated() bool { return p.Next != "" }

// Names is an ordered set of keys to list. Scan yields the keys from the given one on
// (itself included) in byte order, each with its entry; after an error it stops. An
// empty to has no upper end.
type Names[E any] interface {
	Scan(from, to string) iter.Seq2[Named[E], error]
}

// Named is a key with what is listed of it.
type Named[E any] struct {
	Key   string
	Entry E
}

// List makes one page. A common prefix costs one seek and not a scan of all that it
// hides: List leaves the scan at the first key under it and begins another behind it.
func List[E any](names Names[E], q Query) (*Page[E], error) {
	l := &lister[E]{query: q, page: new(Page[E])}
	from, ok := l.start()
	for ok && q.Limit > 0 {
		var err error
		if from, ok, err = l.run(names, from); err != nil {
			return nil, err
		}
	}
	return l.page, nil
}

type lister[E any] struct {
	query Query
	page  *Page[E]
	last  string // key or prefix listed last
	count int
}

// start returns the first key that may be listed; ok is false when none can be.
func (l *lister[E]) start() (from string, ok bool) {
	q := l.query
	if q.After == "" || q.After < q.Prefix {
		return q.Prefix, true
	}
	if !strings.HasPrefix(q.After, q.Prefix) {
		return "", false // it sorts behind everything under the prefix
	}
	if group, grouped := q.group(q.After); grouped && group == q.After {
		// A page ended with this common prefix: go on behind all that it hides.
		return End(group)
	}
	return q.After + "\x00", true
}

// run lists from a key to the end, or to the first common prefix, behind which the
// next run begins.
func (l *lister[E]) run(names Names[E], from string) (next string, again bool, err error) {
	to, _ := End(l.query.Prefix)
	for n, err := range names.Scan(from, to) {
		if err != nil {
			return "", false, err
		}
		group, grouped := l.query.group(n.Key)
		if grouped && group <= l.query.After {
			// start-after lies inside the group: S3 lists the group only when it sorts after it.
			next, again = End(group)
			return next, again, nil
		}
		if l.count == l.query.Limit {
			l.page.Next = l.last
			return "", false, nil
		}
		l.count++
		if grouped {
			l.page.Prefixes = append(l.page.Prefixes, group)
			l.last = group
			next, again = End(group)
			return next, again, nil
		}
		l.page.Entries = append(l.page.Entries, n.Entry)
		l.last = n.Key
	}
	return "", false, nil
}

// group returns the common prefix that hides key, if one does.
func (q Query) group(key string) (string, bool) {
	if q.Delimiter == "" {
		return "", false
	}
	if q.Visible != nil {
		key = q.Visible(key)
	}
	if len(key) < len(q.Prefix) {
		return "", false
	}
	i := strings.Index(key[len(q.Prefix):], q.Delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(q.Prefix)+i+len(q.Delimiter)], true
}

// End returns the least string greater than every string that begins with prefix; ok
// is false, and the string empty, when there is none.
func End(prefix string) (end string, ok bool) {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1}), true
		}
	}
	return "", false
}
