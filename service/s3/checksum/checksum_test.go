package checksum

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"
)

// The check values of the CRC catalogue and of FIPS 180-4 over the digits 1 to 9.
func TestKnownValues(t *testing.T) {
	cases := map[Algorithm]string{
		CRC32:     "cbf43926",
		CRC32C:    "e3069283",
		CRC64NVME: "ae8b14860a799888",
		SHA1:      "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
		SHA256:    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
	}
	for a, want := range cases {
		h := a.New()
		h.Write([]byte("123456789"))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s: got %s, want %s", a, got, want)
		}
		if h.Size() != a.Size() {
			t.Errorf("%s: size %d, want %d", a, a.Size(), h.Size())
		}
	}
}

func TestNamesAndHeadersRoundTrip(t *testing.T) {
	for _, a := range Algorithms {
		if got, err := Parse(a.String()); err != nil || got != a {
			t.Errorf("Parse(%q) = %v, %v", a, got, err)
		}
		if got := ForHeader(a.Header()); got != a {
			t.Errorf("ForHeader(%q) = %v", a.Header(), got)
		}
	}
	if _, err := Parse("MD4"); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("Parse(MD4): %v", err)
	}
	if got := ForHeader("x-amz-checksum-type"); got != None {
		t.Errorf("ForHeader of a header without a value: %v", got)
	}
}

func TestParseType(t *testing.T) {
	cases := []struct {
		name string
		a    Algorithm
		want Type
		err  error
	}{
		{"", CRC64NVME, FullObject, nil},
		{"", CRC32, Composite, nil},
		{"FULL_OBJECT", CRC32C, FullObject, nil},
		{"FULL_OBJECT", SHA256, Default, ErrType},
		{"COMPOSITE", SHA1, Composite, nil},
		{"COMPOSITE", CRC64NVME, Default, ErrType},
		{"COMPOSITE", None, Default, ErrType},
		{"HALF", CRC32, Default, ErrType},
	}
	for _, c := range cases {
		got, err := ParseType(c.name, c.a)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("ParseType(%q, %s) = %v, %v; want %v, %v", c.name, c.a, got, err, c.want, c.err)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, a := range Algorithms {
		raw := a.New().Sum(nil)
		if got, err := a.Decode(Encode(raw)); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%s: %x, %v", a, got, err)
		}
		for _, bad := range []string{"", "!", Encode(raw[1:]), Encode(raw) + "=", Encode(append([]byte{0}, raw...))} {
			if _, err := a.Decode(bad); !errors.Is(err, ErrValue) {
				t.Errorf("%s: Decode(%q): %v", a, bad, err)
			}
		}
	}
}

// Any cut of any bytes combines to the checksum of the whole.
func TestFullObjectEqualsWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, a := range []Algorithm{CRC32, CRC32C, CRC64NVME} {
		for range 50 {
			var parts []Part
			whole := a.New()
			for range random.IntN(6) {
				piece := make([]byte, random.IntN(5000))
				for i := range piece {
					piece[i] = byte(random.Uint32())
				}
				h := a.New()
				h.Write(piece)
				whole.Write(piece)
				parts = append(parts, Part{h.Sum(nil), int64(len(piece))})
			}
			got, err := OfParts(a, FullObject, parts)
			if want := whole.Sum(nil); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s of %d parts: got %x, %v; want %x", a, len(parts), got, err, want)
			}
		}
	}
	if _, err := OfParts(SHA256, FullObject, nil); !errors.Is(err, ErrType) {
		t.Errorf("SHA256 as FULL_OBJECT: %v", err)
	}
}

func TestCompositeIsOfTheSums(t *testing.T) {
	h := SHA256.New()
	h.Write([]byte("part"))
	sum := h.Sum(nil)
	want := SHA256.New()
	want.Write(sum)
	want.Write(sum)
	got, err := OfParts(SHA256, Composite, []Part{{sum, 4}, {sum, 4}})
	if err != nil || !bytes.Equal(got, want.Sum(nil)) {
		t.Errorf("got %x, %v", got, err)
	}
}
