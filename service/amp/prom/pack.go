package prom

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// worthPacking is how long an answer is at least, in bytes, that is compressed: a shorter one is one packet anyhow.
const worthPacking = 1400

// zips are writers that are used again: upstream's handler makes one for each answer, which takes a megabyte.
var zips = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

// packs reports whether a client would have its answer from upstream's handler in gzip.
func packs(h http.Header) bool {
	for encoding := range strings.SplitSeq(h.Get("Accept-Encoding"), ",") {
		switch strings.TrimSpace(encoding) {
		case "gzip":
			return true
		case "deflate":
			return false
		}
	}
	return false
}

// packer compresses what a handler writes, where it is worth it.
type packer struct {
	*keeper
	short bytes.Buffer // all of it, while it is short
	zip   *gzip.Writer // nil until it is not
}

var _ http.Flusher = (*packer)(nil)

// Write takes a part of the answer.
func (p *packer) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.zip != nil {
		return p.zip.Write(b)
	}
	if p.short.Len()+len(b) < worthPacking {
		return p.short.Write(b)
	}
	p.header.Set("Content-Encoding", "gzip")
	p.header.Del("Content-Length")
	p.zip = zips.Get().(*gzip.Writer)
	p.zip.Reset(p.keeper)
	if _, err := p.zip.Write(p.short.Bytes()); err != nil {
		return 0, err
	}
	return p.zip.Write(b)
}

// end writes what is left.
func (p *packer) end() {
	if p.zip == nil {
		_, _ = p.keeper.Write(p.short.Bytes())
		return
	}
	_ = p.zip.Close() // the keeper notes what does not fit
	p.zip.Reset(io.Discard)
	zips.Put(p.zip)
	p.zip = nil
}

// servePacked is serve, with an answer that is compressed as the client has asked for.
func servePacked(h http.Handler, k *keeper, r *http.Request) {
	if !packs(r.Header) {
		serve(h, k, r)
		return
	}
	r.Header.Del("Accept-Encoding")
	p := &packer{keeper: k}
	defer p.end()
	serve(h, p, r)
}
