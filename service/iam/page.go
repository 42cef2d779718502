package iam

import (
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// defaultItems is how many items a page has when the caller does not say.
const defaultItems = 100

// listing is one page of an ordered list: up to max items after a position. A marker is
// bound to its account, its operation and what is listed.
type listing struct {
	s     *Service
	scope string
	after string
	max   int
	last  string // position of the last item taken
	taken int
	more  bool
}

// list begins a page. What is listed, such as a user's name, is given in of.
func (s *Service) list(c *call.Call, marker *string, maxItems *int32, of ...string) (*listing, error) {
	l := &listing{s: s, scope: c.Principal.Account + "/" + c.Op.Name, max: defaultItems}
	for _, name := range of {
		l.scope += "/" + name
	}
	if maxItems != nil {
		l.max = int(*maxItems)
	}
	if marker != nil {
		position, err := s.pages.Position(l.scope, *marker)
		if err != nil {
			return nil, invalid("Invalid Marker.")
		}
		l.after = position
	}
	return l, nil
}

// take reports whether the item at a position is on the page, and whether those behind it
// need to be looked at. Positions come in ascending order.
func (l *listing) take(position string) (taken, goOn bool) {
	if position <= l.after {
		return false, true
	}
	if l.taken == l.max {
		l.more = true
		return false, false
	}
	l.taken++
	l.last = position
	return true, true
}

// answer returns the members of an answer that say whether there is more.
func (l *listing) answer() (isTruncated *bool, marker *string) {
	if l.more {
		marker = wire.Ptr(l.s.pages.Token(l.scope, l.last))
	}
	return wire.Ptr(l.more), marker
}

// pageOf returns the page of a list that is in memory, in the order of its positions.
func pageOf[T any](l *listing, all []T, position func(T) string) []T {
	page := []T{}
	for _, item := range all {
		taken, goOn := l.take(position(item))
		if taken {
			page = append(page, item)
		}
		if !goOn {
			break
		}
	}
	return page
}
