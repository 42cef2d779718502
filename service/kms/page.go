package kms

import (
	"context"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// page is one page of a listing: where it begins, how much it holds, and where the next one
// goes on.
type page struct {
	s     *Service
	scope string
	after string // name that the page before ended with
	limit int
	last  string // name taken last
	taken int
	more  bool
}

// page opens a page of an operation's listing in or of something. A limit beyond what the
// operation gives at most counts as that.
func (s *Service) page(operation string, of home, marker *string, limit *int32, usual, most int) (*page, error) {
	p := &page{s: s, scope: operation + " " + of.arn(), limit: usual}
	if limit != nil {
		p.limit = min(int(*limit), most)
	}
	if marker != nil {
		var err error
		if p.after, err = s.pages.Position(p.scope, *marker); err != nil {
			return nil, badMarker()
		}
	}
	return p, nil
}

func badMarker() error { return api.InvalidMarkerException("The marker is not valid.") }

// take reports whether the next thing of the listing, by its name, is on the page. Names come
// in order.
func (p *page) take(name string) bool {
	if p.after != "" && name <= p.after {
		return false
	}
	if p.taken == p.limit {
		p.more = true
		return false
	}
	p.taken++
	p.last = name
	return true
}

// marker returns NextMarker and Truncated.
func (p *page) marker() (*string, *bool) {
	if !p.more {
		return nil, wire.Ptr(false)
	}
	return wire.Ptr(p.s.pages.Token(p.scope, p.last)), wire.Ptr(true)
}

// scan gives fn the records of the page whose store keys begin with prefix, with the rest of the
// store key as the name.
func (p *page) scan(ctx context.Context, s *Service, prefix string, fn func(r store.Reader, name string, value []byte) error) error {
	return s.room.Store.View(ctx, func(r store.Reader) error {
		within := store.Prefix([]byte(prefix))
		if p.after != "" {
			within.From = []byte(prefix + p.after + sep)
		}
		within.Limit = p.limit + 1
		for rec, err := range r.Scan(within) {
			if err != nil {
				return err
			}
			name := string(rec.Key[len(prefix):])
			if !p.take(name) {
				continue
			}
			if err := fn(r, name, rec.Value); err != nil {
				return err
			}
		}
		return nil
	})
}
