package series

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/amp/page"
)

// maxSegment is how long a file of chunks is at most, as in Prometheus.
const maxSegment = chunks.DefaultChunkSegmentSize

// The bytes of plaintext of a page. A query of one series reads a few bytes here and there of an index, and a few hundred of each
// file of chunks; each page takes page.Overhead bytes, which must not show beside what blocks of Prometheus's take.
const (
	indexPage = 2 << 10
	chunkPage = 4 << 10

	indexName = "index"
)

// writer seals a block while it is written.
type writer struct {
	ctx   context.Context
	db    *DB
	meta  *tsdb.BlockMeta
	key   seal.DataKey
	files []File
	now   *upload // file of chunks that is being written
	buf   []byte
	fails error
}

var _ tsdb.ChunkWriter = (*writer)(nil)

// fileName is what is bound into the pages of a file of a block.
func (db *DB) fileName(meta *tsdb.BlockMeta, file string) string {
	return db.opts.Name + "\x00" + meta.ULID.String() + "\x00" + file
}

// upload is one sealed file on its way into a blob.
type upload struct {
	File
	pages *page.Writer
	pipe  *io.PipeWriter
	wait  sync.WaitGroup
	err   error
}

// start begins a sealed file.
func (w *writer) start(name string) (*upload, error) {
	var random [16]byte
	rand.Read(random[:])
	text := hex.EncodeToString(random[:])
	key := w.db.opts.Prefix + text[:2] + "/" + text
	if err := w.db.opts.Ledger.Pending(w.ctx, key); err != nil {
		return nil, err
	}
	r, pipe := io.Pipe()
	layout := page.Layout(chunkPage)
	if name == indexName {
		layout = indexPage
	}
	pages, err := page.NewWriter(pipe, w.key.Plaintext, w.db.fileName(w.meta, name), layout)
	if err != nil {
		return nil, err
	}
	u := &upload{File: File{Name: name, Blob: key, Page: layout}, pages: pages, pipe: pipe}
	marker, err := seal.NewMarker(r, w.db.opts.Marks, key)
	if err != nil {
		return nil, err
	}
	u.wait.Go(func() {
		_, u.err = w.db.opts.Blobs.Put(w.ctx, key, marker)
		mark := marker.Mark()
		u.Mark = mark[:]
		r.CloseWithError(errors.Join(u.err, errors.New("blob was written")))
	})
	return u, nil
}

// finish seals the last page and waits until the blob is durable.
func (u *upload) finish(failed error) (File, error) {
	u.Size = u.pages.Size()
	err := failed
	if err == nil {
		err = u.pages.Close()
	}
	u.pipe.CloseWithError(err) // nil is the end
	u.wait.Wait()
	return u.File, errors.Join(err, u.err)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteChunks writes chunks in Prometheus's format (tsdb/docs/format/chunks.md) and says where they are.
func (w *writer) WriteChunks(metas ...chunks.Meta) error {
	for i := range metas {
		if err := w.room(len(metas[i].Chunk.Bytes())); err != nil {
			return err
		}
		metas[i].Ref = chunks.ChunkRef(chunks.NewBlockChunkRef(uint64(len(w.files)), uint64(w.now.pages.Size())))
		data := metas[i].Chunk.Bytes()
		w.buf = binary.AppendUvarint(w.buf[:0], uint64(len(data)))
		body := len(w.buf)
		w.buf = append(append(w.buf, byte(metas[i].Chunk.Encoding())), data...)
		w.buf = binary.BigEndian.AppendUint32(w.buf, crc32.Checksum(w.buf[body:], castagnoli))
		if _, err := w.now.pages.Write(w.buf); err != nil {
			w.fails = err
			return err
		}
	}
	return nil
}

// room sees to it that a file of chunks is begun, and has room for n bytes of data.
func (w *writer) room(n int) error {
	if w.now != nil && w.now.pages.Size()+int64(n)+chunks.MaxChunkLengthFieldSize+chunks.ChunkEncodingSize+crc32.Size <= maxSegment {
		return nil
	}
	if err := w.Close(); err != nil {
		return err
	}
	u, err := w.start(fmt.Sprintf("chunks/%06d", len(w.files)+1))
	if err != nil {
		return err
	}
	w.now = u
	header := binary.BigEndian.AppendUint32(nil, chunks.MagicChunks)
	_, err = u.pages.Write(append(header, 1, 0, 0, 0))
	return err
}

// Close ends the file of chunks.
func (w *writer) Close() error {
	if w.now == nil {
		return nil
	}
	f, err := w.now.finish(w.fails)
	w.now = nil
	w.files = append(w.files, f)
	return err
}

// seal takes a file out of memory into a sealed one.
func (w *writer) seal(name, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	return w.copy(name, in)
}

// copy seals what r yields as a file.
func (w *writer) copy(name string, r io.Reader) error {
	u, err := w.start(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(u.pages, r)
	f, err := u.finish(err)
	w.files = append(w.files, f)
	return err
}

// writeBlock makes one block of others, or of the head. The block has no samples, and is not kept, when nil is returned.
func (db *DB) writeBlock(ctx context.Context, meta *tsdb.BlockMeta, sources []tsdb.BlockReader) (_ *Block, err error) {
	key, err := db.opts.Keys.Make(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{ctx: ctx, db: db, meta: meta, key: key}
	defer func() {
		if w.now != nil {
			w.fails = errors.Join(errors.New("block was given up"), w.fails)
			_ = w.Close() // what it was given up for is the error
		}
	}()
	path := filepath.Join(db.opts.Memory, meta.ULID.String()+".index")
	defer os.Remove(path)
	indexw, err := index.NewWriter(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := db.populate(ctx, meta, sources, indexw, w); err != nil {
		return nil, errors.Join(err, indexw.Close())
	}
	if err := errors.Join(indexw.Close(), w.Close()); err != nil {
		return nil, err
	}
	if meta.Stats.NumSamples == 0 {
		return nil, nil
	}
	if err := w.seal(indexName, path); err != nil {
		return nil, err
	}
	return &Block{Meta: *meta, Key: key.Wrapped, Files: w.files}, nil
}
