package git

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // Git names objects so; nothing here rests on it being hard to collide
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits of a pack.
const (
	maxPack     = 64 << 20  // bytes on the wire
	maxUnfolded = 192 << 20 // bytes of all objects together
	maxObjects  = 400_000
)

// kind is the type of an object, as packs number them (gitformat-pack).
type kind byte

const (
	commitKind kind = 1
	treeKind   kind = 2
	blobKind   kind = 3
	tagKind    kind = 4
	ofsDelta   kind = 6
	refDelta   kind = 7
)

var kindNames = map[kind]string{commitKind: "commit", treeKind: "tree", blobKind: "blob", tagKind: "tag"}

// object is a commit, a tree, a blob or a tag.
type object struct {
	kind kind
	data []byte
}

// nameOf returns an object's name: the SHA-1 of its kind, length and bytes.
func nameOf(k kind, data []byte) (h hash) {
	sum := sha1.New() //nolint:gosec // see above
	fmt.Fprintf(sum, "%s %d\x00", kindNames[k], len(data))
	sum.Write(data)
	return hash(sum.Sum(nil))
}

var (
	errPack  = errors.New("the remote sent a pack that cannot be read")
	errLarge = fmt.Errorf("the repository is too large: what it sends of one commit is more than %d MiB, or %d MiB unpacked", maxPack>>20, maxUnfolded>>20)
)

// counter counts bytes, so that deltas find their base by its place.
type counter struct {
	r *bufio.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// ReadByte keeps zlib from reading beyond the end of an object.
func (c *counter) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

// pack is a pack that is being read.
type pack struct {
	in       *counter
	unfolded int64
	at       map[int64]object // by place, for deltas
	objects  map[hash]object
	waiting  []delta // whose base comes later
}

type delta struct {
	at   int64
	base hash
	data []byte
}

// readPack reads all objects of a pack in which every delta has its base; blobs keep their bytes
// only until the pack is read.
func readPack(r io.Reader) (map[hash]object, error) {
	p := &pack{in: &counter{r: bufio.NewReader(io.LimitReader(r, maxPack+1))}, at: make(map[int64]object), objects: make(map[hash]object)}
	var head [12]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return nil, ended(err)
	}
	count := binary.BigEndian.Uint32(head[8:])
	if string(head[:4]) != "PACK" || binary.BigEndian.Uint32(head[4:8]) != 2 {
		return nil, errPack
	}
	if count > maxObjects {
		return nil, errLarge
	}
	for range count {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	return p.objects, p.settle()
}

// settle resolves the deltas that stood before their bases.
func (p *pack) settle() error {
	for len(p.waiting) > 0 {
		var still []delta
		for _, d := range p.waiting {
			base, ok := p.objects[d.base]
			if !ok {
				still = append(still, d)
				continue
			}
			if err := p.apply(d.at, base, d.data); err != nil {
				return err
			}
		}
		if len(still) == len(p.waiting) {
			return errPack
		}
		p.waiting = still
	}
	return nil
}

// next reads one object (gitformat-pack, "Object entries").
func (p *pack) next() error {
	at := p.in.n
	if at > maxPack {
		return errLarge
	}
	b, err := p.in.ReadByte()
	if err != nil {
		return ended(err)
	}
	k, size := kind(b>>4&7), uint64(b&15)
	for shift := 4; b&0x80 != 0; shift += 7 {
		if b, err = p.in.ReadByte(); err != nil || shift > 53 {
			return errPack
		}
		size |= uint64(b&0x7f) << shift
	}
	switch k {
	case commitKind, treeKind, blobKind, tagKind:
		data, err := p.inflate(size)
		if err != nil {
			return err
		}
		p.keep(at, object{k, data})
		return nil
	case ofsDelta:
		return p.offset(at, size)
	case refDelta:
		var base hash
		if _, err := io.ReadFull(p.in, base[:]); err != nil {
			return ended(err)
		}
		data, err := p.inflate(size)
		if err != nil {
			return err
		}
		if o, ok := p.objects[base]; ok {
			return p.apply(at, o, data)
		}
		p.waiting = append(p.waiting, delta{at, base, data})
		return nil
	}
	return errPack
}

// offset reads a delta whose base is named by how far back it stands.
func (p *pack) offset(at int64, size uint64) error {
	b, err := p.in.ReadByte()
	if err != nil {
		return ended(err)
	}
	back := int64(b & 0x7f)
	for n := 0; b&0x80 != 0; n++ {
		if b, err = p.in.ReadByte(); err != nil || n > 6 {
			return errPack
		}
		back = (back+1)<<7 | int64(b&0x7f)
	}
	data, err := p.inflate(size)
	if err != nil {
		return err
	}
	base, ok := p.at[at-back]
	if !ok {
		return errPack
	}
	return p.apply(at, base, data)
}

// inflate reads the bytes of one object, of which there must be as many as it said.
func (p *pack) inflate(size uint64) ([]byte, error) {
	if err := p.count(size); err != nil {
		return nil, err
	}
	z, err := zlib.NewReader(p.in)
	if err != nil {
		return nil, p.broken()
	}
	var out bytes.Buffer // grows with what comes, not with what was announced
	if n, err := io.Copy(&out, io.LimitReader(z, int64(size)+1)); err != nil || n != int64(size) {
		return nil, p.broken()
	}
	return out.Bytes(), nil
}

// broken says why an object could not be read: the limit cut it off, or it is malformed.
func (p *pack) broken() error {
	if p.in.n > maxPack {
		return errLarge
	}
	return errPack
}

// count takes from the room for unfolded objects.
func (p *pack) count(size uint64) error {
	if size > maxUnfolded || p.unfolded+int64(size) > maxUnfolded {
		return errLarge
	}
	p.unfolded += int64(size)
	return nil
}

func (p *pack) keep(at int64, o object) {
	p.at[at] = o
	p.objects[nameOf(o.kind, o.data)] = o
}

// apply makes the object that a delta describes (gitformat-pack, "Deltified representation").
func (p *pack) apply(at int64, base object, d []byte) error {
	source, n := binary.Uvarint(d)
	if n <= 0 || source != uint64(len(base.data)) {
		return errPack
	}
	d = d[n:]
	target, n := binary.Uvarint(d)
	if n <= 0 {
		return errPack
	}
	if err := p.count(target); err != nil {
		return err
	}
	out, err := patch(base.data, d[n:], target)
	if err != nil {
		return err
	}
	p.keep(at, object{base.kind, out})
	return nil
}

// patch follows the instructions of a delta, which must make target bytes.
func patch(base, d []byte, target uint64) ([]byte, error) {
	var out []byte
	for len(d) > 0 {
		op := d[0]
		d = d[1:]
		var piece []byte
		switch {
		case op == 0:
			return nil, errPack
		case op&0x80 == 0: // insert
			if len(d) < int(op) {
				return nil, errPack
			}
			piece, d = d[:op], d[op:]
		default: // copy
			var field [7]byte // 4 of the offset, 3 of the size
			for i := range field {
				if op>>i&1 == 1 {
					if len(d) == 0 {
						return nil, errPack
					}
					field[i], d = d[0], d[1:]
				}
			}
			from := uint64(binary.LittleEndian.Uint32(field[:4]))
			size := uint64(field[4]) | uint64(field[5])<<8 | uint64(field[6])<<16
			if size == 0 {
				size = 0x10000
			}
			if from+size > uint64(len(base)) {
				return nil, errPack
			}
			piece = base[from : from+size]
		}
		if uint64(len(out)+len(piece)) > target {
			return nil, errPack
		}
		out = append(out, piece...)
	}
	if uint64(len(out)) != target {
		return nil, errPack
	}
	return out, nil
}

// writePack appends a pack of whole objects.
func writePack(b []byte, objects []object) []byte {
	start := len(b)
	b = append(b, "PACK\x00\x00\x00\x02"...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(objects)))
	for _, o := range objects {
		size := uint64(len(o.data))
		c := byte(o.kind)<<4 | byte(size&15)
		for size >>= 4; size > 0; size >>= 7 {
			b = append(b, c|0x80)
			c = byte(size & 0x7f)
		}
		b = append(b, c)
		var folded bytes.Buffer
		z := zlib.NewWriter(&folded)
		_, _ = z.Write(o.data) // a buffer takes everything
		_ = z.Close()
		b = append(b, folded.Bytes()...)
	}
	sum := sha1.Sum(b[start:]) //nolint:gosec // the pack's own checksum
	return append(b, sum[:]...)
}
