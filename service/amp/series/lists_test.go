package series

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/amp/page"
)

// sealedList returns a file in which a list of numbers stands at a place, its pages, and the numbers as Prometheus goes through them.
func sealedList(t *testing.T, at, n int, layout page.Layout, damage func(raw []byte)) (*postings, func() index.Postings) {
	t.Helper()
	plain := make([]byte, at)
	plain = binary.BigEndian.AppendUint32(plain, uint32(4+4*n))
	body := len(plain)
	plain = binary.BigEndian.AppendUint32(plain, uint32(n))
	r := rand.New(rand.NewPCG(uint64(n), uint64(at)))
	for i, last := 0, uint32(0); i < n; i++ {
		last += 1 + uint32(r.IntN(5))
		plain = binary.BigEndian.AppendUint32(plain, last)
	}
	list := plain[body+4:]
	plain = binary.BigEndian.AppendUint32(plain, crc32.Checksum(plain[body:], castagnoli))
	plain = append(plain, make([]byte, 100)...)
	var sealed bytes.Buffer
	w, err := page.NewWriter(&sealed, wrapping, "a", layout)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	raw := sealed.Bytes()
	if damage != nil {
		damage(raw)
	}
	f, err := page.Open(bytes.NewReader(raw), int64(len(plain)), wrapping, "a", layout)
	if err != nil {
		t.Fatal(err)
	}
	region, err := page.NewRegion(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { region.Wipe() })
	own := func() index.Postings {
		var refs []storage.SeriesRef
		for i := 0; i < len(list); i += 4 {
			refs = append(refs, storage.SeriesRef(binary.BigEndian.Uint32(list[i:])))
		}
		return index.NewListPostings(refs)
	}
	return &postings{region: region}, own
}

// TestLongList goes through lists of many lengths and places by steps and leaps, as Prometheus does through its own: when
// nothing is known of them, when some is and when all is.
func TestLongList(t *testing.T) {
	for _, layout := range []page.Layout{0, 2 << 10} {
		for _, n := range []int{1, 500, 513, 1000, 5000, 20_000} {
			for _, at := range []int{4, 2040, 4096, 3, 16_376} {
				p, own := sealedList(t, at, n, layout, nil)
				random := rand.New(rand.NewPCG(7, uint64(n)))
				for round := range 30 {
					got, err := p.list(at)
					if err != nil {
						t.Fatal(err)
					}
					if _, long := got.(*walk); long != (at%4 == 0 && 4*n > int(p.region.PageSize())) {
						t.Errorf("%d numbers at %d in pages of %d: long is %v", n, at, p.region.PageSize(), long)
					}
					sameWalk(t, fmt.Sprint(n, " at ", at, ", round ", round), random, got, own())
					if round == 20 {
						if err := p.region.Drop(); err != nil {
							t.Fatal(err)
						}
					}
				}
				got, err := p.list(at)
				if err != nil {
					t.Fatal(err)
				}
				g, _ := index.ExpandPostings(got)
				if w, _ := index.ExpandPostings(own()); fmt.Sprint(g) != fmt.Sprint(w) {
					t.Errorf("%d numbers at %d are others", n, at)
				}
			}
		}
	}
}

// sameWalk takes two lists through the same steps.
func sameWalk(t *testing.T, what string, random *rand.Rand, got, want index.Postings) {
	t.Helper()
	far := []int{1, 10, 300, 3000, 60_000}[random.IntN(5)]
	for range 300 {
		g, w, how := false, false, "next"
		if random.IntN(3) == 0 {
			x := want.At() + storage.SeriesRef(random.IntN(far))
			g, w, how = got.Seek(x), want.Seek(x), fmt.Sprint("seek ", x)
		} else {
			g, w = got.Next(), want.Next()
		}
		if g != w || g && got.At() != want.At() || got.Err() != nil {
			t.Fatalf("%s, %s: got %v %d, %v; want %v %d", what, how, g, got.At(), got.Err(), w, want.At())
		}
		if !g {
			break
		}
	}
	if got.Seek(math.MaxUint64) || got.Next() || got.Err() != nil {
		t.Fatalf("%s: there is something behind the end, %v", what, got.Err())
	}
}

// TestLongListOpens looks for one number, and counts the pages that are opened for it: one when the list is known.
func TestLongListOpens(t *testing.T) {
	const at, n = 2048, 50_000
	p, own := sealedList(t, at, n, 2<<10, nil)
	numbers, _ := index.ExpandPostings(own())
	seek := func(what string, x storage.SeriesRef, most int64) {
		t.Helper()
		if err := p.region.Drop(); err != nil {
			t.Fatal(err)
		}
		list, err := p.list(at)
		if err != nil {
			t.Fatal(err)
		}
		found := list.Next() && list.Seek(x)
		if found != (x <= numbers[n-1]) || found && list.At() != x || list.Err() != nil {
			t.Errorf("%s: got %v %d, %v", what, found, list.At(), list.Err())
		}
		if held := p.region.Size() / p.region.PageSize(); held > most {
			t.Errorf("%s: %d pages were opened, want %d at most", what, held, most)
		}
	}
	seek("at first", numbers[40_000], 20)
	list, err := p.list(at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := index.ExpandPostings(list); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{3, 700, 25_001, 40_000, n - 1} {
		seek(fmt.Sprint("number ", i), numbers[i], 1)
	}
	seek("the first", numbers[0], 0)
	seek("none", numbers[n-1]+1, 0)
}

// TestLongListDamaged meets a page that was changed, and lists that are not as long as they say.
func TestLongListDamaged(t *testing.T) {
	const sealed = 2<<10 + page.Overhead
	p, own := sealedList(t, 2048, 5000, 2<<10, func(raw []byte) { raw[5*sealed+70] ^= 1 })
	numbers, _ := index.ExpandPostings(own())
	for _, steps := range []func(l index.Postings) bool{
		func(l index.Postings) bool {
			for l.Next() {
			}
			return false
		},
		func(l index.Postings) bool { return l.Seek(numbers[2200]) },
		func(l index.Postings) bool { return l.Next() && l.Seek(numbers[2200]) },
	} {
		l, err := p.list(2048)
		if err != nil {
			t.Fatal(err)
		}
		if steps(l) || !errors.Is(l.Err(), seal.ErrCorrupt) {
			t.Errorf("a page that was changed: got %d, %v", l.At(), l.Err())
		}
		if l.Next() || l.Seek(math.MaxUint32) {
			t.Error("it goes on after an error")
		}
	}
	if l, err := p.list(2048); err != nil || !l.Seek(numbers[100]) || l.At() != numbers[100] {
		t.Errorf("before the page that was changed: %v", err)
	}
	for _, at := range []int{-4, 0, 2052, 20_000, p.region.Len() - 4, p.region.Len()} {
		_, err := func() (_ index.Postings, err error) {
			defer page.Recover(&err)
			return p.list(at)
		}()
		if !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("no list at %d: got %v", at, err)
		}
	}
}

// TestLongListTogether goes through one list from several goroutines, while nothing is known of it.
func TestLongListTogether(t *testing.T) {
	p, own := sealedList(t, 2048, 20_000, 2<<10, nil)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			list, err := p.list(2048)
			if err != nil {
				t.Error(err)
				return
			}
			for want := own(); want.Next(); {
				if !list.Seek(want.At()) || list.At() != want.At() {
					t.Errorf("got %d, %v, want %d", list.At(), list.Err(), want.At())
					return
				}
				want.Seek(want.At() + storage.SeriesRef(i*500))
				list.Seek(want.At())
			}
		})
	}
	wg.Wait()
}

// TestPlaces notes places of lists and finds them again, and none that were not noted.
func TestPlaces(t *testing.T) {
	const n = 5000
	if newPlaces(n, placeSize*n) != nil {
		t.Error("places take more memory than they may")
	}
	p := newPlaces(n, 2*placeSize*n)
	text := func(i int) (string, string) { return fmt.Sprint("name", i%7), fmt.Sprint("value", i) }
	for i := range n {
		name, value := text(i)
		if !p.add([]byte(name), []byte(value), uint64(4*i+4), uint32(i)) {
			t.Fatalf("place %d is not noted", i)
		}
	}
	for i := range 2 * n {
		name, value := text(i)
		if at, number, ok := p.find(name, value); ok != (i < n) || ok && (at != 4*i+4 || number != uint32(i)) {
			t.Errorf("place %d: got %d, %d, %v", i, at, number, ok)
		}
	}
	for _, pair := range [][2]string{{"name1value", "1"}, {"name", "1value1"}, {"", "name1value1"}, {"name1value1", ""}, {"name1", "value2"}, {"", ""}} {
		if at, _, ok := p.find(pair[0], pair[1]); ok {
			t.Errorf("%q: got %d", pair, at)
		}
	}
	for _, at := range []uint64{0, 3, 4 << 32} {
		if p.add([]byte("x"), []byte("y"), at, 1) {
			t.Errorf("a list at %d is noted", at)
		}
	}
	for i := n; p.add([]byte("more"), fmt.Append(nil, i), 4, 0); i++ {
		if i > 2*n {
			t.Fatal("it is never full")
		}
	}
	if _, _, ok := p.find("x", "y"); ok {
		t.Error("found what is not there in what is full")
	}
	p.wipe()
	if _, _, ok := p.find(text(1)); ok {
		t.Error("found after wipe")
	}
}
