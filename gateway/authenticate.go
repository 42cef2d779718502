package gateway

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
)

// globalRegion is what clients scope a signature to when a service has one endpoint for all
// regions (AWS General Reference, "Regional endpoints").
const globalRegion = "us-east-1"

// authenticate finds the addressed service, proves the signature over the request, and names
// the caller. Bodies of REST-XML are proven while they are read; all others are read here, whole.
func authenticate(g *Gateway, p *passage) error {
	if c, ok := carried(p.r); ok {
		if bare := p.house.bare(p); bare != nil {
			p.room = bare
			return g.bearer(p, c)
		}
		if near := p.house.near(p); near != nil {
			p.room = near
			_, err := near.codec.Route(&p.req)
			return err
		}
	} else if foreign(p.r) && p.room != nil && p.room.API.Protocol == wire.Raw {
		return &sigv4.Error{Kind: sigv4.MissingSignature}
	}
	q, err := sigv4.Parse(p.r)
	if errors.Is(err, sigv4.MissingSignature) {
		return g.unsigned(p, err)
	}
	if err != nil {
		return err
	}
	if p.room = p.house.addressed(q, p); p.room == nil {
		return wire.Errorf("UnknownServiceException", http.StatusBadRequest,
			"Credential should be scoped to a service that is known here, not '%.64s'.", q.Scope.Service)
	}
	p.call.Service = p.room.API
	if p.house.verifier == nil {
		return errNobody
	}
	if err := g.prove(p, q); err != nil {
		return err
	}
	p.call.Principal, err = p.house.Principals.Principal(p.base, q.AccessKeyID, q.SessionToken)
	if err != nil {
		return asRefusal(err)
	}
	p.call.Region = q.Scope.Region
	if p.room.API.Global {
		p.call.Region = g.regions[0]
	}
	p.call.Signed = call.Signature{Type: "REST-HEADER", Time: q.Time, Payload: q.PayloadHash}
	if q.Presigned {
		p.call.Signed.Type = "REST-QUERY-STRING"
	}
	return nil
}

// prove checks the signature against the endpoint and the body.
func (g *Gateway) prove(p *passage, q *sigv4.Request) error {
	at := sigv4.Endpoint{Service: p.room.API.SigningName, Regions: g.regions}
	if p.room.API.Global && !slices.Contains(g.regions, globalRegion) {
		at.Regions = append(slices.Clone(g.regions), globalRegion)
	}
	if p.room.API.Protocol == wire.RESTXML {
		body, err := p.house.verifier.VerifyStream(p.base, q, at)
		if err != nil {
			return err
		}
		p.stream.open(p, body, g.limits.StallTime)
		return nil
	}
	if err := g.readBody(p); err != nil {
		return err
	}
	return p.house.verifier.Verify(p.base, q, at, p.req.Body)
}

// asRefusal turns what a directory says of a key into the refusal that sigv4 would have made.
func asRefusal(err error) error {
	switch {
	case errors.Is(err, sigv4.ErrUnknownKey):
		return &sigv4.Error{Kind: sigv4.UnknownKey}
	case errors.Is(err, sigv4.ErrBadToken):
		return &sigv4.Error{Kind: sigv4.BadToken}
	case errors.Is(err, sigv4.ErrExpiredToken):
		return &sigv4.Error{Kind: sigv4.ExpiredToken}
	}
	return err
}

// unsigned lets a request in that carries no signature: to the service that speaks REST-XML,
// whose policies may admit everybody, or to an operation of another that needs none. For
// everything else missing is the answer.
func (g *Gateway) unsigned(p *passage, missing error) error {
	r := p.r
	if p.room != nil && p.room.API.Protocol == wire.Raw {
		return missing // its bodies are long, and none of its operations is open
	}
	if p.room != nil && p.room.API.Protocol != wire.RESTXML {
		if err := g.readBody(p); err != nil {
			return err
		}
		if p.room.API.Protocol == wire.Query {
			p.room = p.house.spokenTo(r, p.req.Body)
		}
		if p.room == nil || !p.room.opensTo(&p.req, r, p.req.Body) {
			return missing
		}
	}
	if p.room == nil {
		return missing
	}
	p.call.Service, p.call.Principal, p.call.Region = p.room.API, identity.Nobody, g.regions[0]
	if p.room.API.Protocol == wire.RESTXML {
		body, err := sigv4.UnsignedBody(r)
		if err != nil {
			return err
		}
		p.stream.open(p, body, g.limits.StallTime)
	}
	return nil
}

// opensTo reports whether the request asks for an operation that needs no signature.
func (m *room) opensTo(req *wire.Request, r *http.Request, body []byte) bool {
	fill(req, r)
	op, err := m.codec.Route(req)
	return err == nil && op.Unsigned
}

// addressed returns the room that a signed request is for: that of X-Amz-Target, so that a signature
// made for another service is told so, or else that of the credential scope. It returns nil when there
// is none.
func (h *house) addressed(q *sigv4.Request, p *passage) *room {
	scoped := h.signing[q.Scope.Service]
	if named := h.target(p.r); named != nil && (len(scoped) == 0 || scoped[0].API.Protocol != wire.RESTXML) {
		return named
	}
	if len(scoped) == 0 {
		return nil
	}
	return h.among(scoped, p)
}

// guess returns the room that a request seems to be for before anything of it has been
// looked at closely, or nil.
func (g *Gateway) guess(p *passage) *room {
	h, r := p.house, p.r
	if m := h.target(r); m != nil {
		return m
	}
	if a := r.Header["Authorization"]; len(a) == 1 {
		if scoped := h.signing[scopeService(a[0])]; len(scoped) > 0 {
			return h.among(scoped, p)
		}
		return h.bare(p)
	}
	if isQuery(r) && len(h.query) > 0 {
		return h.query[0]
	}
	if r.Header["X-Amz-Target"] != nil {
		return nil
	}
	if !strings.Contains(r.URL.RawQuery, "X-Amz-") && !g.namesBucket(r.Host) {
		if m := h.bare(p); m != nil {
			return m // an object with such a path is reached with a signature, or under the host name of its bucket
		}
	}
	return h.objects
}

// target returns the room that X-Amz-Target names, or nil.
func (h *house) target(r *http.Request) *room {
	if t := r.Header["X-Amz-Target"]; len(t) == 1 {
		if service, _, ok := wire.CutTarget(t[0]); ok {
			return h.targets[service]
		}
	}
	return nil
}

// spokenTo returns the room among those of the Query protocol whose version a request names, or nil.
func (h *house) spokenTo(r *http.Request, body []byte) *room {
	raw := string(body)
	if r.Method == http.MethodGet {
		raw = r.URL.RawQuery
	}
	params, err := wire.ParseParams(raw)
	if err != nil {
		return nil
	}
	for _, param := range params {
		if param.Key != "Version" {
			continue
		}
		for _, m := range h.query {
			if m.API.Version == param.Value {
				return m
			}
		}
	}
	return nil
}

// isQuery reports whether a request looks like one of the Query protocol: a form posted to the root, or an
// action in the query of it.
func isQuery(r *http.Request) bool {
	if r.URL.Path != "/" && r.URL.Path != "" {
		return false
	}
	if r.Method == http.MethodGet {
		action, err := url.ParseQuery(r.URL.RawQuery)
		return err == nil && action.Has("Action") && action.Has("Version")
	}
	return r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// scopeService returns the service of the credential scope in an Authorization header, or "".
func scopeService(authorization string) string {
	_, scope, ok := strings.Cut(authorization, "Credential=")
	if !ok {
		return ""
	}
	scope, _, _ = strings.Cut(scope, ",")
	if parts := strings.Split(strings.TrimSpace(scope), "/"); len(parts) >= 5 {
		return parts[len(parts)-2]
	}
	return ""
}
