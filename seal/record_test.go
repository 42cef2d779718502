package seal

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"testing"

	"github.com/strongroom/strongroom/secret"
)

func TestRecord(t *testing.T) {
	for _, n := range []int{0, 1, 1000, MaxRecord} {
		plain := pattern(n)
		sealed, err := Bytes(testKey, plain, testAAD)
		if err != nil || len(sealed) != n+RecordOverhead {
			t.Fatal(n, len(sealed), err)
		}
		if got, err := OpenBytes(testKey, sealed, testAAD); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d: %v", n, err)
		}
	}
	if _, err := Bytes(testKey, make([]byte, MaxRecord+1), nil); !errors.Is(err, ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
}

func TestRecordTampering(t *testing.T) {
	sealed, err := Bytes(testKey, []byte("a small secret"), testAAD)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 4
		if _, err := OpenBytes(testKey, bad, testAAD); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		if _, err := OpenBytes(testKey, sealed[:i], testAAD); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d: %v", i, err)
		}
	}
	other := secret.New(bytes.Repeat([]byte{8}, KeySize))
	for name, err := range map[string]error{
		"wrong key":    second(OpenBytes(other, sealed, testAAD)),
		"wrong aad":    second(OpenBytes(testKey, sealed, []byte("bucket/objecu"))),
		"byte added":   second(OpenBytes(testKey, append(bytes.Clone(sealed), 0), testAAD)),
		"far too long": second(OpenBytes(testKey, make([]byte, MaxRecord+1+RecordOverhead), testAAD)),
	} {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestEncodeContext(t *testing.T) {
	for _, c := range []struct {
		name string
		in   map[string]string
		want string
	}{
		{"none", nil, ""},
		{"empty", map[string]string{}, ""},
		{"one", map[string]string{"a": "bc"}, "\x00\x01\x00\x01a\x00\x02bc"},
		{"moved boundary", map[string]string{"ab": "c"}, "\x00\x01\x00\x02ab\x00\x01c"},
		{"empty value", map[string]string{"a": ""}, "\x00\x01\x00\x01a\x00\x00"},
		{"sorted by bytes", map[string]string{"é": "1", "b": "2", "B": "3"}, "\x00\x03\x00\x01B\x00\x013\x00\x01b\x00\x012\x00\x02é\x00\x011"},
	} {
		got, err := EncodeContext(c.in)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	for name, in := range map[string]map[string]string{
		"long value": {"a": string(make([]byte, 70000))}, "long key": {string(make([]byte, 70000)): ""},
		"long sum": {"a": string(make([]byte, 5000)), "b": string(make([]byte, 5000))},
	} {
		if _, err := EncodeContext(in); !errors.Is(err, ErrContext) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFIPSOnly runs the round trips again in a process that refuses everything the FIPS
// 140-3 module does not approve.
func TestFIPSOnly(t *testing.T) {
	if os.Getenv("GODEBUG") == "fips140=only" {
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^(TestRoundTrip|TestRecord)$")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(mustSeal(f, nil))
	f.Add(mustSeal(f, pattern(100)))
	f.Add([]byte("SRSS\x01\x10\x00\x00"))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plain, err := openAll(sealed, testKey, testAAD)
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrSize) {
			t.Fatalf("%v", err)
		}
		if err == nil && len(plain) > 0 && !bytes.Equal(plain, pattern(100)) {
			t.Fatalf("forged %d bytes", len(plain))
		}
		if _, err := OpenBytes(testKey, sealed, testAAD); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
}

// FuzzContext looks for two contexts with one canonical form.
func FuzzContext(f *testing.F) {
	f.Add("a", "bc", "", "", "ab", "c", "", "")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2, l1, w1, l2, w2 string) {
		a, b := map[string]string{k1: v1, k2: v2}, map[string]string{l1: w1, l2: w2}
		ea, err1 := EncodeContext(a)
		eb, err2 := EncodeContext(b)
		if err1 == nil && err2 == nil && bytes.Equal(ea, eb) != maps.Equal(a, b) {
			t.Fatalf("%v and %v: %x, %x", a, b, ea, eb)
		}
	})
}
