package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
)

// credentials are an access key that a request carries with its secret, for agents that cannot sign. Only services of the
// protocol Raw take them, and only over TLS.
//
//	Authorization: Basic base64(access key id:secret access key)
//	Authorization: Bearer access key id:secret access key
//
// A session token stands after the secret, behind another colon.
type credentials struct {
	scheme string // as the record names it
	id     string
	secret secret.Bytes
	token  string
}

// carried returns the credentials that a request carries in place of a signature.
func carried(r *http.Request) (c credentials, ok bool) {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return c, false
	}
	var rest string
	scheme, value, _ := strings.Cut(values[0], " ")
	switch {
	case strings.EqualFold(scheme, "Basic"):
		c.scheme = "Basic"
		c.id, rest, ok = r.BasicAuth()
	case strings.EqualFold(scheme, "Bearer"):
		c.scheme = "Bearer"
		c.id, rest, ok = strings.Cut(strings.TrimSpace(value), ":")
	}
	key, token, _ := strings.Cut(rest, ":")
	c.secret, c.token = secret.New([]byte(key)), token
	return c, ok
}

// foreign reports whether a request has an Authorization header of another scheme than AWS's.
func foreign(r *http.Request) bool {
	values := r.Header["Authorization"]
	return len(values) == 1 && !strings.HasPrefix(strings.TrimSpace(values[0]), "AWS")
}

// challenges are the schemes by which an agent that cannot sign proves who it is.
var challenges = []string{`Basic realm="strongroom", charset="UTF-8"`, `Bearer realm="strongroom"`}

// bare returns the room of the protocol Raw that a request is for, where its path is one of that room.
func (h *house) bare(p *passage) *room {
	if len(h.raws) == 0 {
		return nil
	}
	fill(&p.req, p.r)
	for _, m := range h.raws {
		if _, err := m.codec.Route(&p.req); !wire.IsCode(err, "UnknownOperationException") {
			return m
		}
	}
	return nil
}

// near returns the room of the protocol Raw that a request with carried credentials means, though nothing is at its path. bare was called before.
func (h *house) near(p *passage) *room {
	for _, m := range h.raws {
		if c, ok := m.codec.(interface{ Near(path string) bool }); ok && c.Near(p.req.Path) {
			return m
		}
	}
	return nil
}

// among returns which of the rooms with one signing name a request is for: that of the protocol Raw by its path, else the other.
func (h *house) among(rooms []*room, p *passage) *room {
	if len(rooms) > 1 {
		if bare := h.bare(p); bare != nil && slices.Contains(rooms, bare) {
			return bare
		}
	}
	for _, m := range rooms {
		if m.API.Protocol != wire.Raw || len(rooms) == 1 {
			return m
		}
	}
	return nil
}

// unsignable stands for the secret of an access key that does not exist, so that the work is done all the same.
var unsignable = secret.New(make([]byte, 40))

// compare proves carried credentials. It says what the signature of such a key would have met with.
func (g *Gateway) compare(p *passage, c credentials) error {
	if p.house.verifier == nil {
		return errNobody
	}
	known, err := p.house.Keys.SecretKey(p.base, c.id, c.token)
	missing := err != nil
	if missing {
		known = unsignable
	}
	// Hashes have one length, which says nothing of that of the secret.
	got, want := sha256.Sum256(c.secret.Reveal()), sha256.Sum256(known.Reveal())
	same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
	switch {
	case missing:
		return asRefusal(err)
	case !same:
		return &sigv4.Error{Kind: sigv4.Mismatch, Message: "The secret that the request carries is not that of its access key."}
	}
	return nil
}

// bearer lets a request in that carries an access key with its secret.
func (g *Gateway) bearer(p *passage, c credentials) error {
	p.call.Service = p.room.API
	if err := g.compare(p, c); err != nil {
		return err
	}
	if err := g.readBody(p); err != nil {
		return err
	}
	var err error
	if p.call.Principal, err = p.house.Principals.Principal(p.base, c.id, c.token); err != nil {
		return asRefusal(err)
	}
	p.call.Region = g.regionOf(p.r.Host)
	p.call.Signed.Type = strings.ToUpper(c.scheme)
	p.call.Note("AuthenticationMethod", c.scheme)
	return nil
}

// regionOf returns the region that a host name says, as in aps-workspaces.eu-west-1.example.org, or the house's first.
func (g *Gateway) regionOf(host string) string {
	for label := range strings.SplitSeq(trimHost(host), ".") {
		if slices.Contains(g.regions, label) {
			return label
		}
	}
	return g.regions[0]
}

// mostBody returns the most bytes of a body that is read whole, of the request that p is.
func (g *Gateway) mostBody(p *passage) (int64, error) {
	protocol := p.room.API.Protocol
	if protocol != wire.Raw && !p.room.large {
		return g.limits.body(protocol), nil
	}
	fill(&p.req, p.r)
	op, err := p.room.codec.Route(&p.req)
	switch {
	case err != nil && protocol == wire.Raw:
		return 0, err
	case err == nil && op.MaxBody > 0:
		return op.MaxBody, nil
	}
	return g.limits.body(protocol), nil
}
