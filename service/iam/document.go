package iam

import (
	"maps"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/wire"
)

// encoded returns a policy text as answers carry it: percent-encoded as RFC 3986 says, with
// nothing but unreserved characters left as they are.
func encoded(text string) *string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(text) * 2)
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return wire.Ptr(b.String())
}

// tagList returns tags as the API shows them, in the order of their keys.
func tagList(tags resource.Tags) []api.Tag {
	if len(tags) == 0 {
		return nil
	}
	list := make([]api.Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, api.Tag{Key: wire.Ptr(k), Value: wire.Ptr(tags[k])})
	}
	return list
}
