package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/strongroom/strongroom/secret"
)

func markKey() secret.Bytes { return secret.New(bytes.Repeat([]byte{7}, 32)) }

func markOf(t *testing.T, kind byte, r io.Reader, name string) Mark {
	t.Helper()
	m, err := newMarker(r, markKey(), name, kind)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, m); err != nil {
		t.Fatal(err)
	}
	return m.Mark()
}

func TestMark(t *testing.T) {
	for _, kind := range []byte{markGMAC, markHMAC} {
		if kind == markGMAC && fips140.Enforced() {
			continue
		}
		seen := map[Mark]int{}
		for _, size := range []int{0, 1, markChunk - 1, markChunk, markChunk + 1, 3 * markChunk, 3*markChunk + 17} {
			text := bytes.Repeat([]byte{'x'}, size)
			mark := markOf(t, kind, bytes.NewReader(text), "a")
			if pieces := markOf(t, kind, iotest.HalfReader(bytes.NewReader(text)), "a"); pieces != mark {
				t.Errorf("%d bytes: the mark depends on how they are read", size)
			}
			if markOf(t, kind, bytes.NewReader(text), "b") == mark {
				t.Errorf("%d bytes: the mark does not depend on the name", size)
			}
			if other, ok := seen[mark]; ok {
				t.Errorf("%d and %d bytes have one mark", size, other)
			}
			seen[mark] = size
			if err := CheckMark(bytes.NewReader(text), markKey(), "a", mark); err != nil {
				t.Errorf("%d bytes: %v", size, err)
			}
			if err := CheckMark(bytes.NewReader(append(text, 'x')), markKey(), "a", mark); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d bytes and one more: got %v", size, err)
			}
			for _, at := range []int{0, size / 2, size - 1} {
				if at < 0 || at >= size {
					continue
				}
				text[at] ^= 1
				if err := CheckMark(bytes.NewReader(text), markKey(), "a", mark); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%d bytes, one flipped at %d: got %v", size, at, err)
				}
				text[at] ^= 1
			}
		}
	}
	swapped := append(bytes.Repeat([]byte{1}, markChunk), bytes.Repeat([]byte{2}, markChunk)...)
	mark := markOf(t, markGMAC, bytes.NewReader(swapped), "a")
	if err := CheckMark(bytes.NewReader(append(swapped[markChunk:], swapped[:markChunk]...)), markKey(), "a", mark); !errors.Is(err, ErrCorrupt) {
		t.Errorf("chunks in another order: got %v", err)
	}
	mark[0] = 9
	if err := CheckMark(bytes.NewReader(nil), markKey(), "a", mark); !errors.Is(err, ErrMark) {
		t.Errorf("unknown kind: got %v", err)
	}
}

// TestMarkAgainstDrawing makes a mark with nothing but the drawing.
func TestMarkAgainstDrawing(t *testing.T) {
	text := bytes.Repeat([]byte("sealed bytes "), 10_000)
	keys, err := hkdf.Key(sha256.New, bytes.Repeat([]byte{7}, 32), nil, "strongroom mark\x00a", 64)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := aes.NewCipher(keys[:32])
	gcm, _ := cipher.NewGCM(block)
	mac := hmac.New(sha256.New, keys[32:])
	mac.Write([]byte{1})
	for i := 0; i*65536 < len(text); i++ {
		nonce := binary.BigEndian.AppendUint64(make([]byte, 4), uint64(i))
		mac.Write(gcm.Seal(nil, nonce, nil, text[i*65536:min(len(text), (i+1)*65536)]))
	}
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
	want := append([]byte{1}, mac.Sum(nil)...)
	if got := markOf(t, markGMAC, bytes.NewReader(text), "a"); !bytes.Equal(got[:], want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func BenchmarkMark(b *testing.B) {
	text := make([]byte, 1<<20)
	buf := make([]byte, 256<<10)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		m, err := NewMarker(bytes.NewReader(text), markKey(), "a")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{m}, buf); err != nil {
			b.Fatal(err)
		}
		m.Mark()
	}
}
