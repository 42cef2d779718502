package checksum

import (
	"encoding/hex"
	"os"
	"os/exec"
	"testing"
)

// TestUnderOnly runs TestOld in a process that allows FIPS 140-3 cryptography only.
func TestUnderOnly(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestOld$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestOld(t *testing.T) {
	h := NewMD5()
	h.Write([]byte("abc"))
	if got := hex.EncodeToString(h.Sum(nil)); got != "900150983cd24fb0d6963f7d28e17f72" { // RFC 1321, A.5
		t.Errorf("MD5: got %s", got)
	}
	h = SHA1.New()
	h.Write([]byte("abc"))
	if got := hex.EncodeToString(h.Sum(nil)); got != "a9993e364706816aba3e25717850c26c9cd0d89d" { // FIPS 180-4's example
		t.Errorf("SHA-1: got %s", got)
	}
}
