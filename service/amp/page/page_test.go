package page

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
)

func testKey() secret.Bytes { return secret.New(bytes.Repeat([]byte{7}, seal.KeySize)) }

func text(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Size is that of a page of version 1, and the unit of the sizes of tests.
const Size = firstSize

const sealed = Size + Overhead

func sealed8(t testing.TB, plain []byte, name string) []byte { return sealedAs(t, plain, name, 0) }

func sealedAs(t testing.TB, plain []byte, name string, l Layout) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, testKey(), name, l)
	if err != nil {
		t.Fatal(err)
	}
	for rest := plain; len(rest) > 0; {
		n := min(len(rest), 5000)
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if got := w.Size(); got != int64(len(plain)) {
		t.Errorf("size of %d bytes: got %d", len(plain), got)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var sizes = []int{0, 1, Size - 1, Size, Size + 1, 3 * Size, 3*Size + 77}

func TestRoundTrip(t *testing.T) {
	for _, l := range layouts {
		for _, size := range sizes {
			plain := text(size)
			raw := sealedAs(t, plain, "a", l)
			if int64(len(raw)) != l.SealedSize(int64(size)) {
				t.Errorf("%d bytes are sealed in %d, want %d", size, len(raw), l.SealedSize(int64(size)))
			}
			f, err := Open(bytes.NewReader(raw), int64(size), testKey(), "a", l)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for i := range l.Count(int64(size)) {
				p, err := f.Page(make([]byte, l.Size()), i)
				if err != nil {
					t.Fatalf("%d bytes, page %d: %v", size, i, err)
				}
				got = append(got, p...)
			}
			all, err := f.Pages(make([]byte, l.Count(int64(size))*l.Size()), 0, l.Count(int64(size)))
			if !bytes.Equal(got, plain) || !bytes.Equal(all, plain) || err != nil {
				t.Errorf("%d bytes came back changed, %v", size, err)
			}
		}
	}
}

// layouts are that of version 1 and some of version 2.
var layouts = []Layout{0, 1 << 10, 2 << 10, 4 << 10, 16 << 10, 64 << 10}

// TestLayout opens a file as if its pages were of another size than they are.
func TestLayout(t *testing.T) {
	plain := text(100)
	for _, l := range layouts {
		raw := sealedAs(t, plain, "a", l)
		for _, as := range append(layouts, 3<<10, 1, 1<<31) {
			f, err := Open(bytes.NewReader(raw), int64(len(plain)), testKey(), "a", as)
			if err == nil {
				err = f.Check()
			}
			if (err == nil) != (as == l) || err != nil && !errors.Is(err, seal.ErrCorrupt) {
				t.Errorf("pages of %d as of %d: got %v", l, as, err)
			}
		}
	}
}

func TestDamage(t *testing.T) {
	plain := text(2*Size + 100)
	raw := sealed8(t, plain, "a")
	check := func(name string, raw []byte, size int64, as string) {
		t.Helper()
		f, err := Open(bytes.NewReader(raw), size, testKey(), as, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Check(); !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
	for at := 0; at < len(raw); at += 97 {
		bad := bytes.Clone(raw)
		bad[at] ^= 1 << (at % 8)
		check("a flipped bit", bad, int64(len(plain)), "a")
	}
	check("cut", raw[:len(raw)-1], int64(len(plain)), "a")
	check("cut at a page", raw[:2*sealed], 2*Size, "a")
	check("longer than it is", raw, int64(len(plain))+1, "a")
	check("shorter than it is", raw, int64(len(plain))-1, "a")
	check("another file", raw, int64(len(plain)), "b")
	check("pages swapped", append(append(bytes.Clone(raw[sealed:2*sealed]), raw[:sealed]...), raw[2*sealed:]...), int64(len(plain)), "a")
}

func TestArena(t *testing.T) {
	for _, l := range layouts {
		testArena(t, l)
	}
}

func testArena(t *testing.T, l Layout) {
	plain := text(40*Size + 5)
	f, err := Open(bytes.NewReader(sealedAs(t, plain, "a", l)), int64(len(plain)), testKey(), "a", l)
	if err != nil {
		t.Fatal(err)
	}
	a := NewArena(10 * Size)
	r := rand.New(rand.NewPCG(2, 3))
	for range 2000 {
		off := r.Int64N(int64(len(plain)))
		n := r.IntN(3 * Size)
		got, err := a.Append(nil, f, off, n)
		if err != nil {
			t.Fatal(err)
		}
		if want := plain[off:min(off+int64(n), int64(len(plain)))]; !bytes.Equal(got, want) {
			t.Fatalf("%d bytes from %d are others", n, off)
		}
	}
	if got := a.Size(); got > 10*Size {
		t.Errorf("the arena holds %d bytes", got)
	}
	a.Forget(f)
	if len(a.where) != 0 {
		t.Errorf("%d pages of a forgotten file", len(a.where))
	}
	if _, err := a.Append(nil, f, 0, 10); err != nil {
		t.Fatal(err)
	}
	if err := a.Wipe(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Append(nil, f, 0, 10); !errors.Is(err, ErrWiped) {
		t.Errorf("after Wipe: got %v", err)
	}
}

func TestRegion(t *testing.T) {
	plain := text(10*Size + 5)
	raw := sealed8(t, plain, "a")
	raw[7*sealed+100] ^= 1
	f, err := Open(bytes.NewReader(raw), int64(len(plain)), testKey(), "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRegion(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Range(Size-5, Size+5); !bytes.Equal(got, plain[Size-5:Size+5]) {
		t.Error("a range over two pages is another")
	}
	if got := r.Size(); got != 2*Size {
		t.Errorf("two pages were looked at, %d bytes are held", got)
	}
	if all := r.Range(0, r.Len()); r.Size() != 2*Size || !bytes.Equal(all[:2*Size], plain[:2*Size]) {
		t.Error("the whole region is not what was filled of it")
	}
	fails := func(from, to int) (err error) {
		defer Recover(&err)
		r.Range(from, to)
		return nil
	}
	if err := fails(7*Size, 7*Size+1); !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("a page that was changed: got %v", err)
	}
	if err := fails(5, r.Len()+1); !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("beyond the end: got %v", err)
	}
	r.Whole(3 * Size)
	if err := r.Drop(); err != nil || r.Size() != 0 {
		t.Errorf("after Drop %d bytes are held, %v", r.Size(), err)
	}
	if got := r.Range(4*Size, 4*Size+9); !bytes.Equal(got, plain[4*Size:4*Size+9]) || r.Size() != Size {
		t.Errorf("a range after Drop is another, or %d bytes are held", r.Size())
	}
	if all := r.Range(0, r.Len()); !bytes.Equal(all[:3*Size], plain[:3*Size]) || r.Size() != 4*Size {
		t.Error("the whole region does not show what it must")
	}
	if err := r.Wipe(); err != nil {
		t.Fatal(err)
	}
}

// TestRegionOfSmallPages looks at ranges of pages of which some are there, and checks that no more is opened than what is
// looked at.
func TestRegionOfSmallPages(t *testing.T) {
	const l = Layout(minSize)
	plain := text(300*minSize + 5)
	raw := sealedAs(t, plain, "a", l)
	raw[250*(minSize+Overhead)+100] ^= 1
	f, err := Open(bytes.NewReader(raw), int64(len(plain)), testKey(), "a", l)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRegion(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Wipe()
	for _, tc := range []struct{ from, to, held int }{
		{3 * minSize, 3*minSize + 1, 1}, {70*minSize - 1, 70*minSize + 1, 3}, {0, 200 * minSize, 200},
		{210 * minSize, 210*minSize + 1, 201}, {211 * minSize, 211*minSize + 1, 202}, {212 * minSize, 212*minSize + 1, 203},
		{249 * minSize, 249*minSize + 1, 204}, {251 * minSize, len(plain), 254},
	} {
		if got := r.Range(tc.from, tc.to); !bytes.Equal(got, plain[tc.from:tc.to]) {
			t.Errorf("range %d to %d is another", tc.from, tc.to)
		}
		if got := int(r.Size()) / minSize; got != tc.held {
			t.Errorf("after range %d to %d: %d pages are held, want %d", tc.from, tc.to, got, tc.held)
		}
	}
	err = func() (err error) {
		defer Recover(&err)
		r.Range(199*minSize, 252*minSize)
		return nil
	}()
	if !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("a page that was changed: got %v", err)
	}
}

func FuzzPage(f *testing.F) {
	plain := text(Size + 100)
	f.Add(sealed8(f, plain, "a"), int64(len(plain)))
	f.Add([]byte{}, int64(0))
	f.Fuzz(func(t *testing.T, raw []byte, size int64) {
		file, err := Open(bytes.NewReader(raw), size%(4*Size), testKey(), "a", 0)
		if err != nil {
			return
		}
		for i := range file.Layout().Count(file.Size()) {
			var got []byte
			if got, err = file.Page(make([]byte, Size), i); err != nil {
				break
			}
			if want := plain[i*Size : min((i+1)*Size, int64(len(plain)))]; !bytes.Equal(got, want) {
				t.Errorf("page %d opened as another", i)
			}
		}
		if err != nil && !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("got %v", err)
		}
	})
}
