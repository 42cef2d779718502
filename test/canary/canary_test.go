package canary

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHuntFinds proves that a canary that is there is found, so that finding none says something.
func TestHuntFinds(t *testing.T) {
	const canary = "canary?ÿ>in the coal mine"
	var h Hunt
	h.Add("the canary", []byte(canary))
	for name, text := range map[string]string{
		"as it is":           canary,
		"hex":                hex.EncodeToString([]byte(canary)),
		"upper hex":          strings.ToUpper(hex.EncodeToString([]byte(canary))),
		"base64 alone":       base64.StdEncoding.EncodeToString([]byte(canary)),
		"base64 after one":   base64.StdEncoding.EncodeToString([]byte("x" + canary + "yz")),
		"base64 after two":   base64.StdEncoding.EncodeToString([]byte("xx" + canary + "y")),
		"base64 after three": base64.URLEncoding.EncodeToString([]byte("xxx" + canary)),
		"UTF-16LE":           "c\x00a\x00n\x00a\x00r\x00y\x00?\x00\xff\x00>\x00i\x00n\x00 \x00t\x00h\x00e\x00 \x00c\x00o\x00a\x00l\x00 \x00m\x00i\x00n\x00e\x00",
		"UTF-16BE":           "\x00c\x00a\x00n\x00a\x00r\x00y\x00?\x00\xff\x00>\x00i\x00n\x00 \x00t\x00h\x00e\x00 \x00c\x00o\x00a\x00l\x00 \x00m\x00i\x00n\x00e",
	} {
		if got := h.Bytes("here", []byte("before "+text+" after")); len(got) != 1 {
			t.Errorf("%s: found %v, want one finding", name, got)
		}
	}
	if got := h.Bytes("here", []byte(strings.Repeat("canary in another mine ", 100))); len(got) != 0 {
		t.Errorf("found %v where there is none", got)
	}
}

func TestHuntReadsNamesAndContents(t *testing.T) {
	var h Hunt
	h.Add("in a name", []byte("name-of-a-canary"))
	h.Add("in a file", []byte("song of a canary"))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "the-name-of-a-canary.txt"), []byte("the song of a canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	findings, read, err := h.Dir(dir)
	if err != nil || len(findings) != 2 || read != 20 {
		t.Errorf("got %v, %d bytes read, %v; want two findings in 20 bytes", findings, read, err)
	}
}

func TestHuntRefusesShortCanaries(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a canary of 3 bytes was taken")
		}
	}()
	new(Hunt).Add("tweety", []byte("tit"))
}
