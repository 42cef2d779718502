package series

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/amp/page"
)

// TestFirstLayout opens blocks whose pages are of version 1, as those that were written before there were others, and
// puts them together with newer ones.
func TestFirstLayout(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	var want []string
	for i := range 500 {
		want = append(want, fmt.Sprintf("m%d %d %d", i%50, i, i))
	}
	put(t, db, want...)
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range p.ledger.state.Blocks {
		p.seal(t, db, &p.ledger.state.Blocks[i])
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = p.open(t)
	same(t, "pages of version 1", all(t, db), want)
	later := fmt.Sprintf("m0 %d 1", 20*hour)
	put(t, db, later)
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "with newer ones", all(t, db), append(want, later))
}

// seal seals the files of a block again, in pages of version 1.
func (p *place) seal(t *testing.T, db *DB, b *Block) {
	t.Helper()
	key, err := p.keys.Open(t.Context(), b.Key)
	if err != nil {
		t.Fatal(err)
	}
	b.Files = append([]File(nil), b.Files...)
	for i := range b.Files {
		f := &b.Files[i]
		if f.Page == 0 {
			t.Errorf("%s has pages of version 1 already", f.Name)
		}
		in, err := page.Open(&blobReader{blobs: p.opts.Blobs, key: f.Blob}, f.Size, key, db.fileName(&b.Meta, f.Name), f.Page)
		if err != nil {
			t.Fatal(err)
		}
		count := f.Page.Count(f.Size)
		plain, err := in.Pages(make([]byte, count*f.Page.Size()), 0, count)
		if err != nil {
			t.Fatal(err)
		}
		f.Page, f.Blob = 0, f.Blob[:len(f.Blob)-4]+"0000"
		var sealed bytes.Buffer
		w, err := page.NewWriter(&sealed, key, db.fileName(&b.Meta, f.Name), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		m, err := seal.NewMarker(&sealed, p.opts.Marks, f.Blob)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.opts.Blobs.Put(t.Context(), f.Blob, m); err != nil {
			t.Fatal(err)
		}
		mark := m.Mark()
		f.Mark = mark[:]
	}
}
