package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
)

// route finds the operation that the request asks for.
func route(g *Gateway, p *passage) error {
	fill(&p.req, p.r)
	if p.room.API.Protocol == wire.RESTXML {
		p.req.Path = g.pathStyle(p.r.Host, p.req.Path)
	}
	op, err := p.room.codec.Route(&p.req)
	if err != nil {
		return err
	}
	door := p.room.doors[op]
	if door == nil || !door.implemented {
		return p.room.API.Unknown(op.Name)
	}
	p.door, p.call.Op = door, op
	if p.call.Principal == identity.Nobody && p.room.API.Protocol != wire.RESTXML && !op.Unsigned {
		return &sigv4.Error{Kind: sigv4.MissingSignature}
	}
	g.begin(p, p.base, false)
	return nil
}

// fill copies the line and headers of a request for the codec.
func fill(req *wire.Request, r *http.Request) {
	req.Method, req.Path, req.RawQuery, req.Header = r.Method, rawPath(r), r.URL.RawQuery, r.Header
}

// rawPath returns the path as it was sent: object keys may hold dots, empty segments and escapes
// that cleaning would take away.
func rawPath(r *http.Request) string {
	if !strings.HasPrefix(r.RequestURI, "/") { // the absolute form, for proxies
		return r.URL.EscapedPath()
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return path
}

// pathStyle puts the bucket that a host name begins with in front of the path: what lies below
// one of the configured names is a bucket ("Virtual hosting of buckets", S3 user guide).
func (g *Gateway) pathStyle(host, path string) string {
	if len(g.hosts) == 0 {
		return path
	}
	host = trimHost(host)
	for _, base := range g.hosts { // the longest first
		if host == base[1:] {
			return path
		}
		if bucket, ok := strings.CutSuffix(host, base); ok && bucket != "" {
			return "/" + bucket + path
		}
	}
	return path
}

// namesBucket reports whether a host name is that of a bucket.
func (g *Gateway) namesBucket(host string) bool {
	host = trimHost(host)
	return slices.ContainsFunc(g.hosts, func(base string) bool { return strings.HasSuffix(host, base) })
}

// decode makes the operation's input from the request.
func decode(g *Gateway, p *passage) error {
	if p.room.API.Protocol == wire.RESTXML {
		if p.door.streamsIn {
			p.req.Stream, p.req.Length = &p.stream, p.stream.body.Length()
		} else {
			body, err := readAll(&p.stream, p.stream.body.Length(), g.limits.XMLBody)
			p.req.Body = body
			if err != nil {
				return err
			}
		}
	}
	in := p.door.op.NewInput()
	if err := p.room.codec.DecodeInput(p.door.op, &p.req, in); err != nil {
		return err
	}
	p.call.In = in
	return nil
}
