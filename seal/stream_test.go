package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/strongroom/strongroom/secret"
)

var (
	testKey = secret.New(bytes.Repeat([]byte{7}, KeySize))
	testAAD = []byte("bucket/object")
	// sizes are the plaintext lengths around every boundary of the format.
	sizes = []int{0, 1, 31, FrameSize - 1, FrameSize, FrameSize + 1, 2*FrameSize - 1, 2 * FrameSize, 3*FrameSize + 17}
)

// pattern returns n bytes in which no two frames are alike.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func mustSeal(t testing.TB, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, testKey, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// openAll opens a stream sequentially and, where the length fits one, by range; both
// must agree.
func openAll(sealed []byte, key secret.Bytes, aad []byte) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(sealed), key, aad)
	var plain []byte
	if err == nil {
		plain, err = io.ReadAll(r)
	}
	ra, err2 := NewReaderAt(bytes.NewReader(sealed), int64(len(sealed)), key, aad)
	var plain2 []byte
	if err2 == nil {
		var s *Reader
		if s, err2 = ra.Range(0, -1); err2 == nil {
			plain2, err2 = io.ReadAll(s)
		}
	}
	if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(plain, plain2) {
		return nil, fmt.Errorf("sequential and range reading differ: %v, %v", err, err2)
	}
	return plain, err
}

func TestRoundTrip(t *testing.T) {
	for _, n := range sizes {
		plain := pattern(n)
		sealed := mustSeal(t, plain)
		if got, want := int64(len(sealed)), SealedSize(int64(n)); got != want {
			t.Errorf("%d: sealed length %d, SealedSize %d", n, got, want)
		}
		if got, err := PlainSize(int64(len(sealed))); err != nil || got != int64(n) {
			t.Errorf("%d: PlainSize %d, %v", n, got, err)
		}
		got, err := openAll(sealed, testKey, testAAD)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d: got %d bytes, %v", n, len(got), err)
		}
	}
}

// TestEveryPath seals and opens in every way the package has, with readers and writers
// that give and take little, much and nothing at a time.
func TestEveryPath(t *testing.T) {
	sources := map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader,
		"data with EOF": iotest.DataErrReader, "no WriteTo": func(r io.Reader) io.Reader { return struct{ io.Reader }{r} },
	}
	for _, n := range sizes {
		plain := pattern(n)
		for name, src := range sources {
			s, err := NewSealer(src(bytes.NewReader(plain)), testKey, testAAD)
			if err != nil {
				t.Fatal(err)
			}
			var sealed bytes.Buffer
			if _, err := io.Copy(&sealed, src(s)); err != nil {
				t.Fatal(err)
			}
			r, err := NewReader(src(&sealed), testKey, testAAD)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := io.Copy(&got, src(r)); err != nil || !bytes.Equal(got.Bytes(), plain) {
				t.Errorf("%d %s: got %d bytes, %v", n, name, got.Len(), err)
			}
		}
		if err := iotest.TestReader(mustReader(t, mustSeal(t, plain)), plain); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func mustReader(t *testing.T, sealed []byte) *Reader {
	t.Helper()
	r, err := NewReader(bytes.NewReader(sealed), testKey, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWriterInPieces(t *testing.T) {
	plain := pattern(2*FrameSize + 5)
	for _, piece := range []int{1000, FrameSize - 1, FrameSize, FrameSize + 1, 3 * FrameSize} {
		var out bytes.Buffer
		w, _ := NewWriter(&out, testKey, testAAD)
		for part := range slices.Chunk(plain, piece) {
			if n, err := w.Write(part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := errors.Join(w.Close(), w.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("wrote after Close")
		}
		if got, err := openAll(out.Bytes(), testKey, testAAD); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("pieces of %d: %v", piece, err)
		}
	}
}

func TestRanges(t *testing.T) {
	for _, n := range sizes {
		plain, sealed := pattern(n), mustSeal(t, pattern(n))
		ra, err := NewReaderAt(bytes.NewReader(sealed), int64(len(sealed)), testKey, testAAD)
		if err != nil || ra.Size() != int64(n) {
			t.Fatal(ra.Size(), err)
		}
		for _, off := range sizes {
			for _, m := range append(sizes, -1) {
				testRange(t, plain, sealed, ra, off, m)
			}
		}
	}
}

func testRange(t *testing.T, plain, sealed []byte, ra *ReaderAt, off, m int) {
	t.Helper()
	var asked int64
	r, err := OpenRange(func(o, n int64) (io.ReadCloser, error) {
		asked += n
		if o < 0 || n < 0 || o+n > int64(len(sealed)) {
			t.Fatalf("asked for %d from %d of %d", n, o, len(sealed))
		}
		return io.NopCloser(bytes.NewReader(sealed[o : o+n])), nil
	}, int64(len(sealed)), int64(off), int64(m), testKey, testAAD)
	if off > len(plain) {
		if !errors.Is(err, ErrSize) {
			t.Errorf("range beyond the end: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	end := len(plain)
	if m >= 0 {
		end = min(off+m, end)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close(), r.Close()); err != nil || !bytes.Equal(got, plain[off:end]) {
		t.Errorf("%d from %d of %d: got %d bytes, %v", m, off, len(plain), len(got), err)
	}
	if most := int64(headerSize + (end-off)/FrameSize*sealedFrame + 2*sealedFrame); asked > most {
		t.Errorf("%d from %d: read %d sealed bytes, at most %d are needed", m, off, asked, most)
	}
	if m > 0 {
		p := make([]byte, m)
		if n, err := ra.ReadAt(p, int64(off)); !bytes.Equal(p[:n], plain[off:end]) || err != nil && !errors.Is(err, io.EOF) || n < m && err == nil {
			t.Errorf("ReadAt %d from %d: %d, %v", m, off, n, err)
		}
	}
}

// TestAgainstDrawing opens a stream with nothing but the drawing of the format.
func TestAgainstDrawing(t *testing.T) {
	plain := pattern(FrameSize + 100)
	sealed := mustSeal(t, plain)
	sum := sha256.Sum256(testAAD)
	info := "strongroom sealed stream" + string(sealed[:8]) + string(sum[:])
	okm, err := hkdf.Key(sha256.New, testKey.Reveal(), sealed[8:40], info, 64)
	if err != nil {
		t.Fatal(err)
	}
	if string(sealed[:8]) != "SRSS\x01\x10\x00\x00" || !bytes.Equal(okm[32:], sealed[40:72]) {
		t.Fatal("header is not as drawn")
	}
	block, _ := aes.NewCipher(okm[:32])
	gcm, _ := cipher.NewGCM(block)
	var got []byte
	rest := sealed[72:]
	for i := uint64(0); len(rest) > 0; i++ {
		f := rest[:min(len(rest), 12+65536+16)]
		rest = rest[len(f):]
		ad := append(binary.BigEndian.AppendUint64(nil, i), 0)
		if len(rest) == 0 {
			ad[8] = 1
		}
		if got, err = gcm.Open(got, f[:12], f[12:], ad); err != nil {
			t.Fatal(i, err)
		}
	}
	if !bytes.Equal(got, plain) {
		t.Error("plaintext differs")
	}
}

// TestVectors opens what version 1 once wrote. These never change.
func TestVectors(t *testing.T) {
	for _, v := range []struct{ name, plain, sealed string }{
		{"empty", "", goldenEmpty},
		{"hello", "hello, vault", goldenHello},
	} {
		sealed, err := hex.DecodeString(v.sealed)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := openAll(sealed, testKey, testAAD); err != nil || string(got) != v.plain {
			t.Errorf("%s: %q, %v", v.name, got, err)
		}
	}
	record, _ := hex.DecodeString(goldenRecord)
	if got, err := OpenBytes(testKey, record, testAAD); err != nil || string(got) != "hello, record" {
		t.Errorf("record: %q, %v", got, err)
	}
}

func TestFlipAnyByte(t *testing.T) {
	for _, n := range []int{0, 40} {
		sealed := mustSeal(t, pattern(n))
		for i := range sealed {
			for _, bit := range []byte{1, 0x80} {
				bad := bytes.Clone(sealed)
				bad[i] ^= bit
				if _, err := openAll(bad, testKey, testAAD); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%d: byte %d flipped: %v", n, i, err)
				}
			}
		}
	}
}

func TestTampering(t *testing.T) {
	frame := func(s []byte, i int) []byte {
		return s[headerSize+i*sealedFrame : min(len(s), headerSize+(i+1)*sealedFrame)]
	}
	a, b := mustSeal(t, pattern(2*FrameSize+9)), mustSeal(t, pattern(2*FrameSize+9))
	full := mustSeal(t, pattern(2*FrameSize))
	head := a[:headerSize]
	other := secret.New(bytes.Repeat([]byte{8}, KeySize))
	for _, c := range []struct {
		name   string
		sealed []byte
		key    secret.Bytes
		aad    []byte
	}{
		{"nothing", nil, testKey, testAAD},
		{"half a header", a[:30], testKey, testAAD},
		{"only a header", head, testKey, testAAD},
		{"cut at a frame", a[:headerSize+2*sealedFrame], testKey, testAAD},
		{"cut at a frame of a full last one", full[:headerSize+sealedFrame], testKey, testAAD},
		{"cut by a byte", a[:len(a)-1], testKey, testAAD},
		{"byte added", append(bytes.Clone(a), 0), testKey, testAAD},
		{"tag of nothing added", append(bytes.Clone(full), make([]byte, overhead)...), testKey, testAAD},
		{"stream after stream", append(bytes.Clone(a), b...), testKey, testAAD},
		{"frames swapped", slices.Concat(head, frame(a, 1), frame(a, 0), frame(a, 2)), testKey, testAAD},
		{"frame twice", slices.Concat(head, frame(a, 0), frame(a, 0), frame(a, 2)), testKey, testAAD},
		{"frame left out", slices.Concat(head, frame(a, 0), frame(a, 2)), testKey, testAAD},
		{"last frame alone", slices.Concat(head, frame(a, 2)), testKey, testAAD},
		{"frame of another stream", slices.Concat(head, frame(a, 0), frame(b, 1), frame(a, 2)), testKey, testAAD},
		{"header of another stream", slices.Concat(b[:headerSize], a[headerSize:]), testKey, testAAD},
		{"wrong key", a, other, testAAD},
		{"wrong associated data", a, testKey, []byte("bucket/other")},
		{"no associated data", a, testKey, nil},
	} {
		if _, err := openAll(c.sealed, c.key, c.aad); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrSize) {
			t.Errorf("%s: %v", c.name, err)
		}
		// What came before the damage may be given; what was changed may not.
		if r, err := NewReader(bytes.NewReader(c.sealed), c.key, c.aad); err == nil {
			got, _ := io.ReadAll(r)
			if want := pattern(2*FrameSize + 9); !bytes.HasPrefix(want, got) {
				t.Errorf("%s: gave bytes that were never sealed there", c.name)
			}
		}
	}
}

func TestErrorsOfOthers(t *testing.T) {
	broken := errors.New("disk on fire")
	src := io.MultiReader(bytes.NewReader(pattern(FrameSize+1)), iotest.ErrReader(broken))
	s, _ := NewSealer(src, testKey, testAAD)
	sealed, err := io.ReadAll(s)
	if !errors.Is(err, broken) {
		t.Errorf("sealer: %v", err)
	}
	if _, err := openAll(sealed, testKey, testAAD); err == nil {
		t.Error("a stream whose source failed opens")
	}
	whole := mustSeal(t, pattern(FrameSize+1))
	r, _ := NewReader(io.MultiReader(bytes.NewReader(whole[:headerSize+9]), iotest.ErrReader(broken)), testKey, testAAD)
	if _, err := io.ReadAll(r); !errors.Is(err, broken) {
		t.Errorf("reader: %v", err)
	}
	w, _ := NewWriter(&failing{broken}, testKey, testAAD)
	_, err1 := w.Write(pattern(2 * FrameSize))
	if err2 := w.Close(); !errors.Is(err1, broken) || !errors.Is(err2, broken) {
		t.Errorf("writer: %v, %v", err1, err2)
	}
	for _, size := range []int{0, 16, 31, 33} {
		if _, _, err := newStream(secret.New(make([]byte, size)), nil); err == nil {
			t.Errorf("took a key of %d bytes", size)
		}
	}
}

type failing struct{ err error }

func (f *failing) Write([]byte) (int, error) { return 0, f.err }

func TestTwoLayers(t *testing.T) {
	plain := pattern(FrameSize + 3)
	outerKey := secret.New(bytes.Repeat([]byte{9}, KeySize))
	inner, _ := NewSealer(bytes.NewReader(plain), testKey, testAAD)
	outer, _ := NewSealer(inner, outerKey, testAAD)
	sealed, err := io.ReadAll(outer)
	if err != nil || int64(len(sealed)) != SealedSize(SealedSize(int64(len(plain)))) {
		t.Fatal(len(sealed), err)
	}
	o, err := NewReader(bytes.NewReader(sealed), outerKey, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	i, err := NewReader(o, testKey, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(i); err != nil || !bytes.Equal(got, plain) {
		t.Error(len(got), err)
	}
}

func TestSizes(t *testing.T) {
	for _, n := range []int64{-1, 0, headerSize, Overhead - 1, headerSize + sealedFrame + overhead, headerSize + sealedFrame + 1} {
		if _, err := PlainSize(n); !errors.Is(err, ErrSize) {
			t.Errorf("PlainSize(%d) = %v", n, err)
		}
	}
	for _, n := range []int64{0, 1, FrameSize, 5 << 40} {
		if got, err := PlainSize(SealedSize(n)); got != n || err != nil {
			t.Errorf("%d: %d, %v", n, got, err)
		}
	}
}
