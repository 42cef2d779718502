package gateway

import (
	"net/url"
	"strings"

	"github.com/strongroom/strongroom/sensitive"
)

// maxNotices is how many findings of a call its record tells.
const maxNotices = 16

// notice looks for sensitive data where people write what they like, in what a client has changed: names, descriptions and tags. They are
// not sealed as contents are: records, listings and condition keys have them. What it finds is a warning in the record, for the owner of
// the data; the operator's log hears nothing of it.
func notice(_ *Gateway, p *passage) error {
	c := &p.call
	if p.w == nil || c.Op.ReadOnly {
		return nil
	}
	var found []map[string]any
	c.Op.FreeForm(c.In, func(at, name, text string) {
		if strings.Contains(text, "%") { // tags in a header are parameters
			if plain, err := url.QueryUnescape(text); err == nil {
				text = plain
			}
		}
		for _, f := range sensitive.New(name).Scan(text) {
			if len(found) < maxNotices {
				found = append(found, map[string]any{"field": at, "identifier": f.Identifier, "category": f.Category})
			}
		}
	})
	if len(found) > 0 {
		c.Note("sensitiveData", found)
	}
	return nil
}
