package series

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"sync"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/prometheus/prometheus/tsdb/tombstones"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/amp/page"
)

// block is a sealed block as Prometheus reads one. It is opened with its first reader and closed, but for the
// pages in the arena, some time after its last.
type block struct {
	db   *DB
	id   ulid.ULID
	info *Block // changed only with the store's and the block's lock held, and upkeep

	mu      sync.Mutex
	readers int
	open    *contents // nil when it is not
	retired bool      // no ledger names it any more: it goes with its last reader
}

var _ tsdb.BlockReader = (*block)(nil)

// contents is a block that has been opened.
//
// What the reader of the index keeps of it (every 32nd symbol's place and every 32nd value of a label), the places of lists and
// a few texts that nearly every series has are kept as long as the block is open; its pages come and go.
type contents struct {
	index   *index.Reader
	names   []string // of labels, in order
	symbols *symbols
	lists   *postings
	region  *page.Region
	chunks  []*page.File
	stones  tombstones.Reader
	blobs   []*blobReader
}

func (db *DB) newBlock(info *Block) *block { return &block{db: db, id: info.Meta.ULID, info: info} }

// Meta returns what Prometheus keeps of a block.
func (b *block) Meta() tsdb.BlockMeta {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.info.Meta
}

// Size returns how many bytes the block has, as it lies on disk.
func (b *block) Size() (n int64) {
	for _, f := range b.info.Files {
		n += f.Page.SealedSize(f.Size)
	}
	return n
}

// overlaps reports whether the block has samples between two times.
func (b *block) overlaps(mint, maxt int64) bool {
	return b.info.Meta.MinTime <= maxt && mint < b.info.Meta.MaxTime
}

// hold opens the block, if it is not, and keeps it open until let is called.
func (b *block) hold() (*contents, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		c, err := b.db.openBlock(b.info)
		if err != nil {
			return nil, fmt.Errorf("block %s: %w", b.id, err)
		}
		b.open = c
	}
	b.readers++
	return b.open, nil
}

// pin keeps what the block consists of until let is called.
func (b *block) pin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readers++
}

func (b *block) let() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readers--; b.readers > 0 {
		return nil
	}
	if b.retired {
		return b.erase()
	}
	if b.open != nil && openBlobs.Load() > maxOpenBlobs {
		b.open.rest()
	}
	return nil
}

// retire takes the block away: at once, or with its last reader.
func (b *block) retire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.retired = true; b.readers == 0 {
		if err := b.erase(); err != nil {
			b.db.opts.Logger.Warn("a block that is no more was not erased; it will be swept", "error", err)
		}
	}
}

// erase deletes the blobs. What is left, because that failed, no ledger names.
func (b *block) erase() error {
	err := b.close()
	for _, f := range b.info.Files {
		err = errors.Join(err, b.db.opts.Blobs.Delete(context.Background(), f.Blob))
	}
	return err
}

// drop wipes what was opened. There are no readers.
func (b *block) drop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.close()
}

// forget wipes opened pages, and keeps what is known of the index. There are no readers.
func (b *block) forget() error {
	if b.open == nil {
		return nil
	}
	for _, f := range b.open.chunks {
		b.db.arena.Forget(f)
	}
	return b.open.region.Drop()
}

func (b *block) close() error {
	if b.open == nil {
		return nil
	}
	c := b.open
	b.open = nil
	for _, f := range c.chunks {
		b.db.arena.Forget(f)
	}
	c.rest()
	c.lists.places.wipe()
	c.symbols.wipe()
	return c.region.Wipe()
}

// tire closes those files of a block that were not read since it was last called.
func (c *contents) tire() {
	for _, r := range c.blobs {
		r.tire()
	}
}

// rest closes the files of a block that nobody reads; they open again by themselves.
func (c *contents) rest() {
	for _, r := range c.blobs {
		r.rest()
	}
}

// openBlock opens the files of a block under its data key.
func (db *DB) openBlock(info *Block) (_ *contents, err error) {
	key, err := db.opts.Keys.Open(context.Background(), info.Key)
	if err != nil {
		return nil, err
	}
	c := &contents{stones: tombstones.NewMemTombstones()}
	defer func() {
		if err != nil {
			c.rest()
		}
	}()
	var indexFile *page.File
	for _, f := range info.Files {
		r := &blobReader{blobs: db.opts.Blobs, key: f.Blob}
		c.blobs = append(c.blobs, r)
		file, err := page.Open(r, f.Size, key, db.fileName(&info.Meta, f.Name), f.Page)
		if err != nil {
			return nil, err
		}
		switch {
		case strings.HasPrefix(f.Name, "chunks/"):
			c.chunks = append(c.chunks, file)
		case strings.HasPrefix(f.Name, tombstonesPrefix):
			if c.stones, err = readStones(file); err != nil {
				return nil, err
			}
		default:
			indexFile = file
		}
	}
	if indexFile == nil {
		return nil, fmt.Errorf("%w: block without an index", seal.ErrCorrupt)
	}
	if c.region, err = page.NewRegion(indexFile); err != nil {
		return nil, err
	}
	if err = c.openIndex(); err != nil {
		return nil, errors.Join(err, c.region.Wipe())
	}
	return c, nil
}

// openIndex reads the symbols and the table of an index.
func (c *contents) openIndex() (err error) {
	defer page.Recover(&err)
	if c.index, err = index.NewReader(c.region, index.DecodePostingsRaw); err != nil {
		return fmt.Errorf("%w: %w", seal.ErrCorrupt, err)
	}
	if c.index.Version() == index.FormatV1 {
		return fmt.Errorf("%w: index of version 1", seal.ErrCorrupt)
	}
	toc, err := index.NewTOCFromByteSlice(c.region)
	if err != nil {
		return fmt.Errorf("%w: %w", seal.ErrCorrupt, err)
	}
	c.region.Whole(int(toc.Series)) // the symbols stand before it
	if c.names, err = c.index.LabelNames(context.Background()); err != nil {
		return fmt.Errorf("%w: %w", seal.ErrCorrupt, err)
	}
	for i, n := range c.names {
		c.names[i] = strings.Clone(n) // it points into the region
	}
	if c.symbols, err = newSymbols(c.region, toc, c.names); err != nil {
		return err
	}
	if c.lists, err = newPostings(c.region, toc, c.symbols); err != nil {
		return err
	}
	return nil
}

// kept returns about how many bytes of memory the reader of the index takes, beside its pages.
func (c *contents) kept() int64 {
	return int64(c.region.Len())/32 + c.lists.places.size() + c.symbols.size
}

// Index returns a reader of the index.
func (b *block) Index() (tsdb.IndexReader, error) {
	c, err := b.hold()
	if err != nil {
		return nil, err
	}
	return newIndexReader(b, c), nil
}

// Chunks returns a reader of the chunks.
func (b *block) Chunks() (tsdb.ChunkReader, error) {
	c, err := b.hold()
	if err != nil {
		return nil, err
	}
	return &chunkReader{contents: c, block: b}, nil
}

// Tombstones returns what is deleted from the block, although it is still in it.
func (b *block) Tombstones() (tombstones.Reader, error) {
	c, err := b.hold()
	if err != nil {
		return nil, err
	}
	return c.stones, b.let()
}

// chunkReader gives copies of chunks, so that the pages they come from may go.
type chunkReader struct {
	*contents
	block *block
	once  sync.Once
}

// Close ends reading.
func (r *chunkReader) Close() (err error) {
	r.once.Do(func() { err = r.block.let() })
	return err
}

// chunkRead is how many bytes are read at first: most chunks are shorter.
const chunkRead = 512

// ChunkOrIterable returns a chunk that stays as it is.
func (r *chunkReader) ChunkOrIterable(meta chunks.Meta) (chunkenc.Chunk, chunkenc.Iterable, error) {
	segment, at := chunks.BlockChunkRef(meta.Ref).Unpack()
	if segment >= len(r.chunks) {
		return nil, nil, fmt.Errorf("%w: chunk in file %d of %d", seal.ErrCorrupt, segment, len(r.chunks))
	}
	f := r.chunks[segment]
	if int64(at) >= f.Size() {
		return nil, nil, fmt.Errorf("%w: chunk beyond the end of its file", seal.ErrCorrupt)
	}
	raw, err := r.block.db.arena.Append(make([]byte, 0, chunkRead), f, int64(at), chunkRead)
	if err != nil {
		return nil, nil, err
	}
	n, size := binary.Uvarint(raw)
	if size <= 0 || n > maxSegment {
		return nil, nil, fmt.Errorf("%w: length of a chunk", seal.ErrCorrupt)
	}
	end := size + chunks.ChunkEncodingSize + int(n) + crc32.Size
	if end > len(raw) {
		if raw, err = r.block.db.arena.Append(raw, f, int64(at)+int64(len(raw)), end-len(raw)); err != nil {
			return nil, nil, err
		}
		if end > len(raw) {
			return nil, nil, fmt.Errorf("%w: chunk ends with its file", seal.ErrCorrupt)
		}
	}
	body, sum := raw[size:end-crc32.Size], binary.BigEndian.Uint32(raw[end-crc32.Size:end])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, nil, fmt.Errorf("%w: checksum of a chunk", seal.ErrCorrupt)
	}
	c, err := chunkenc.FromData(chunkenc.Encoding(body[0]), body[1:])
	return c, nil, err
}
