package s3

import (
	"time"

	"github.com/strongroom/strongroom/service/s3/object"
)

// stored is an object as the store keeps it, under its bucket and key.
type stored struct {
	Size     int64
	Modified time.Time // to the millisecond
	ETag     object.ETag
	Sum      sum
	description
	Seal sealing
	// An object is one piece, or the parts of a manifest. Chunks is then how many bytes
	// of the object each chunk of the manifest stands for, and Manifest names it.
	Piece    piece
	Manifest id
	Chunks   []int64
}

// inParts reports whether the object was uploaded in parts.
func (o *stored) inParts() bool { return o.ETag.Parts > 0 }

// summary is what listings tell of an object. Its fields come first in the record.
type summary struct {
	Key          string
	Size         int64
	Modified     time.Time
	ETag         object.ETag
	Sum          sum
	StorageClass string
}

func (o *stored) pack() []byte {
	p := newPacker(256)
	p.number(o.Size)
	p.time(o.Modified)
	p.fixed(o.ETag.Sum)
	p.number(int64(o.ETag.Parts))
	p.sum(o.Sum)
	p.description(&o.description)
	p.sealing(&o.Seal)
	p.piece(o.Piece)
	p.fixed(o.Manifest)
	p.number(int64(len(o.Chunks)))
	for _, c := range o.Chunks {
		p.number(c)
	}
	return p.b
}

func unpackObject(b []byte) (*stored, error) {
	u := newUnpacker(b)
	o := &stored{Size: u.number(), Modified: u.time()}
	o.ETag = object.ETag{Sum: u.fixed(), Parts: int(u.number())}
	o.Sum = u.sum()
	u.description(&o.description)
	u.sealing(&o.Seal)
	o.Piece = u.piece()
	o.Manifest = u.fixed()
	if n := u.number(); n > 0 && n <= int64(len(u.b)) {
		o.Chunks = make([]int64, n)
		for i := range o.Chunks {
			o.Chunks[i] = u.number()
		}
	}
	if o.inParts() != (len(o.Chunks) > 0) {
		u.fail()
	}
	return o, u.end("object")
}

func unpackSummary(key string, b []byte) (summary, error) {
	u := newUnpacker(b)
	s := summary{Key: key, Size: u.number(), Modified: u.time()}
	s.ETag = object.ETag{Sum: u.fixed(), Parts: int(u.number())}
	s.Sum = u.sum()
	s.StorageClass = u.text()
	return s, u.err
}

// upload is an upload in parts that goes on.
type upload struct {
	ID        id
	Initiated time.Time
	Initiator person
	description
	Seal sealing
	Sum  sum // algorithm and type; no value
	// Asked says that the client named the algorithm, so that every part must bring one.
	Asked bool
	// Replaced counts parts that took the place of another, so that whoever read the
	// parts before can tell in a transaction that they are still the same.
	Replaced int64
}

// person is an owner or initiator as listings show one.
type person struct{ ID, Name string }

func (v *upload) pack() []byte {
	p := newPacker(256)
	p.fixed(v.ID)
	p.time(v.Initiated)
	p.text(v.Initiator.ID)
	p.text(v.Initiator.Name)
	p.description(&v.description)
	p.sealing(&v.Seal)
	p.sum(v.Sum)
	p.flag(v.Asked)
	p.number(v.Replaced)
	return p.b
}

func unpackUpload(b []byte) (*upload, error) {
	u := newUnpacker(b)
	v := &upload{ID: u.fixed(), Initiated: u.time(), Initiator: person{u.text(), u.text()}}
	u.description(&v.description)
	u.sealing(&v.Seal)
	v.Sum = u.sum()
	v.Asked = u.flag()
	v.Replaced = u.number()
	return v, u.end("upload")
}

// part is an uploaded part.
type part struct {
	Number   int
	Modified time.Time
	Tag      [16]byte
	Sum      sum
	Piece    piece
}

func (v *part) pack() []byte {
	p := newPacker(128)
	p.time(v.Modified)
	p.fixed(v.Tag)
	p.sum(v.Sum)
	p.piece(v.Piece)
	return p.b
}

func unpackPart(number int, b []byte) (part, error) {
	u := newUnpacker(b)
	v := part{Number: number, Modified: u.time(), Tag: u.fixed(), Sum: u.sum(), Piece: u.piece()}
	return v, u.end("part")
}

// segment is a part of a finished object: a piece and its checksum.
type segment struct {
	Piece piece
	Sum   []byte
}

// chunkSegments is how many segments a chunk of a manifest holds. A chunk stays far
// below the store's limit for values, and all chunks of 10,000 parts below that of one
// transaction.
const chunkSegments = 1000

func packChunk(segments []segment) []byte {
	p := newPacker(len(segments) * 64)
	p.number(int64(len(segments)))
	for i := range segments {
		p.piece(segments[i].Piece)
		p.bytes(segments[i].Sum)
	}
	return p.b
}

func unpackChunk(b []byte) ([]segment, error) {
	u := newUnpacker(b)
	n := u.number()
	if n > chunkSegments {
		u.fail()
		n = 0
	}
	segments := make([]segment, n)
	for i := range segments {
		segments[i] = segment{u.piece(), u.bytes()}
	}
	return segments, u.end("manifest")
}
