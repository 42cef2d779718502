package s3

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/s3/checksum"
)

// The records of objects, uploads and parts are written in one compact form, because
// every request reads or writes them: a version byte, then fields in a fixed order.
//
//	number  unsigned varint
//	text    number of bytes, bytes
//	pairs   number of pairs, then each key and value as texts, sorted by key
//	flag    one byte, 0 or 1
//
// A reader takes exactly what a writer wrote: bytes left over are an error.
const recordVersion = 1

var errRecord = errors.New("stored record is malformed")

// packer writes the fields of a record.
type packer struct{ b []byte }

func newPacker(size int) *packer { return &packer{append(make([]byte, 0, size), recordVersion)} }

func (p *packer) number(n int64)    { p.b = binary.AppendUvarint(p.b, uint64(n)) }
func (p *packer) text(s string)     { p.number(int64(len(s))); p.b = append(p.b, s...) }
func (p *packer) bytes(s []byte)    { p.number(int64(len(s))); p.b = append(p.b, s...) }
func (p *packer) fixed(id [16]byte) { p.b = append(p.b, id[:]...) }
func (p *packer) time(t time.Time)  { p.number(t.UnixMilli()) }

func (p *packer) flag(on bool) {
	if on {
		p.b = append(p.b, 1)
	} else {
		p.b = append(p.b, 0)
	}
}

func (p *packer) pairs(m map[string]string) {
	p.number(int64(len(m)))
	if len(m) == 0 {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		p.text(k)
		p.text(m[k])
	}
}

// unpacker reads the fields of a record. The first error stays; what is read after it is zero.
type unpacker struct {
	b   []byte
	err error
}

func newUnpacker(b []byte) *unpacker {
	u := &unpacker{b: b}
	if len(b) == 0 || b[0] != recordVersion {
		u.err = fmt.Errorf("%w: unknown version", errRecord)
		return u
	}
	u.b = b[1:]
	return u
}

func (u *unpacker) fail() { u.b, u.err = nil, errRecord }

func (u *unpacker) number() int64 {
	n, size := binary.Uvarint(u.b)
	if size <= 0 || n > 1<<62 {
		u.fail()
		return 0
	}
	u.b = u.b[size:]
	return int64(n)
}

// take returns the next n bytes, which share the record's memory.
func (u *unpacker) take(n int64) []byte {
	if n > int64(len(u.b)) {
		u.fail()
		return nil
	}
	b := u.b[:n:n]
	u.b = u.b[n:]
	return b
}

func (u *unpacker) text() string  { return string(u.take(u.number())) }
func (u *unpacker) bytes() []byte { return slices.Clone(u.take(u.number())) }

func (u *unpacker) fixed() (id [16]byte) {
	copy(id[:], u.take(16))
	return id
}

func (u *unpacker) time() time.Time { return time.UnixMilli(u.number()).UTC() }

func (u *unpacker) flag() bool {
	b := u.take(1)
	if len(b) == 1 && b[0] > 1 {
		u.fail()
	}
	return len(b) == 1 && b[0] == 1
}

func (u *unpacker) pairs() map[string]string {
	n := u.number()
	if n == 0 || n > int64(len(u.b)) {
		if n != 0 {
			u.fail()
		}
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		k := u.text()
		m[k] = u.text()
	}
	return m
}

// end returns the first error, or one when something is left over.
func (u *unpacker) end(what string) error {
	if u.err == nil && len(u.b) > 0 {
		u.err = fmt.Errorf("%w: %d bytes left over", errRecord, len(u.b))
	}
	if u.err != nil {
		return fmt.Errorf("%s: %w", what, u.err)
	}
	return nil
}

// piece is a run of bytes that was sealed in one go: a whole object, or a part of one.
type piece struct {
	ID     id
	Size   int64     // of the plaintext
	Inline bool      // the sealed bytes stand in the record store and not in a blob
	Mark   seal.Mark // of the sealed bytes in the blob
}

// String names what holds the piece, so that an operator finds it: the blob, whose name its
// file has, or a record of the store.
func (v piece) String() string {
	if v.Inline {
		return "record of piece " + v.ID.String()
	}
	return "blob " + v.ID.blobKey()
}

func (p *packer) piece(v piece) {
	p.fixed(v.ID)
	p.number(v.Size)
	p.flag(v.Inline)
	if !v.Inline {
		p.b = append(p.b, v.Mark[:]...)
	}
}

func (u *unpacker) piece() piece {
	v := piece{ID: u.fixed(), Size: u.number(), Inline: u.flag()}
	if !v.Inline {
		copy(v.Mark[:], u.take(int64(len(v.Mark))))
	}
	return v
}

// sum is a stored checksum; Algorithm is None for none.
type sum struct {
	Algorithm checksum.Algorithm
	Type      checksum.Type
	Value     []byte
}

func (p *packer) sum(v sum) {
	p.number(int64(v.Algorithm))
	p.number(int64(v.Type))
	p.bytes(v.Value)
}

func (u *unpacker) sum() sum {
	v := sum{checksum.Algorithm(u.number()), checksum.Type(u.number()), u.bytes()}
	if v.Algorithm > checksum.SHA256 || v.Type > checksum.Composite {
		u.fail()
		return sum{}
	}
	return v
}

// headers are the standard headers an object is served with; "" is absent.
type headers struct {
	ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, Expires, Redirect string
}

func (p *packer) headers(h *headers) {
	for _, s := range []string{h.ContentType, h.CacheControl, h.ContentDisposition, h.ContentEncoding, h.ContentLanguage, h.Expires, h.Redirect} {
		p.text(s)
	}
}

func (u *unpacker) headers(h *headers) {
	for _, s := range []*string{&h.ContentType, &h.CacheControl, &h.ContentDisposition, &h.ContentEncoding, &h.ContentLanguage, &h.Expires, &h.Redirect} {
		*s = u.text()
	}
}

// description is what a client says of an object beside its bytes.
type description struct {
	Headers      headers
	Metadata     map[string]string
	Tags         map[string]string
	StorageClass string
}

func (p *packer) description(d *description) {
	p.text(d.StorageClass)
	p.headers(&d.Headers)
	p.pairs(d.Metadata)
	p.pairs(d.Tags)
}

func (u *unpacker) description(d *description) {
	d.StorageClass = u.text()
	u.headers(&d.Headers)
	d.Metadata = u.pairs()
	d.Tags = u.pairs()
}
