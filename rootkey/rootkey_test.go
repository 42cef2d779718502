package rootkey

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/secret"
)

// say returns a function that answers a question for a secret.
func say(text string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) { return secret.FromString(text), nil }
}

// paths returns the path of a seal file in a folder of its own and one of a key file
// outside that folder.
func paths(t *testing.T) (sealPath, keyPath string) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(data, "seal.json"), filepath.Join(dir, "keys", "root.key")
}

// version1 returns the Key of a house that was made before there were rings.
func version1(raw []byte) *Key {
	k := &Key{root: secret.New(raw)}
	if err := (&seal{Version: sealVersion1}).openRing(k); err != nil {
		panic(err)
	}
	return k
}

func TestInitAndOpen(t *testing.T) {
	sealPath, keyPath := paths(t)
	key, code, err := Init(sealPath, FileProvider(keyPath), PassphraseProvider(say("open sesame")))
	if err != nil {
		t.Fatal(err)
	}
	want := key.Derive("test/one")
	typed := strings.ToLower(strings.ReplaceAll(string(code.Reveal()), "-", " "))
	for name, providers := range map[string][]Provider{
		"file":            {FileProvider(keyPath)},
		"passphrase":      {PassphraseProvider(say("open sesame"))},
		"recovery":        {RecoveryProvider(say(typed))},
		"second provider": {RecoveryProvider(say("nonsense")), FileProvider(keyPath)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Open(sealPath, providers...)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Derive("test/one").Equal(want) {
				t.Error("it is another root key")
			}
		})
	}
	if info, err := os.Stat(keyPath); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	if _, _, err := Init(sealPath, FileProvider(keyPath)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Init: got %v, want exist", err)
	}
}

func TestOpenRefusals(t *testing.T) {
	sealPath, keyPath := paths(t)
	if _, err := Open(sealPath, FileProvider(keyPath)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no seal file: got %v, want not exist", err)
	}
	_, code, err := Init(sealPath, FileProvider(keyPath), PassphraseProvider(say("open sesame")))
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(filepath.Dir(keyPath), "other.key")
	if err := makeKeyFile(other); err != nil {
		t.Fatal(err)
	}
	otherCode := newRecoveryCode()
	for name, test := range map[string]struct {
		provider Provider
		want     []error
	}{
		"other key file":        {FileProvider(other), []error{ErrSealed, ErrWrongKey}},
		"wrong passphrase":      {PassphraseProvider(say("open says me")), []error{ErrSealed, ErrWrongKey}},
		"another house's code":  {RecoveryProvider(otherCode.ask2(otherCode.text)), []error{ErrSealed, ErrWrongKey}},
		"empty passphrase":      {PassphraseProvider(say("")), []error{ErrSealed, ErrMistyped}},
		"mistyped code":         {RecoveryProvider(say("7" + string(code.Reveal()[1:len(code.Reveal())-1]) + "?")), []error{ErrSealed, ErrMistyped}},
		"no key file":           {FileProvider(other + ".absent"), []error{ErrSealed, fs.ErrNotExist}},
		"key file beside seal":  {FileProvider(filepath.Join(filepath.Dir(sealPath), "k")), []error{ErrExposed}},
		"kind without any slot": {strange{}, []error{ErrSealed}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(sealPath, test.provider)
			for _, want := range test.want {
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("error has more than a line: %q", err)
			}
		})
	}
	if _, err := Open(sealPath); !errors.Is(err, ErrSealed) {
		t.Errorf("no provider: got %v, want ErrSealed", err)
	}
}

// ask2 answers with a copy of a secret, as the provider wipes what it gets.
func (recoveryCode) ask2(s secret.Bytes) func() (secret.Bytes, error) {
	text := string(s.Reveal())
	return say(text)
}

type strange struct{ Provider }

func (strange) Kind() string { return "strange" }

func TestSlots(t *testing.T) {
	sealPath, keyPath := paths(t)
	key, old, err := Init(sealPath, FileProvider(keyPath))
	if err != nil {
		t.Fatal(err)
	}
	id, err := AddSlot(sealPath, key, PassphraseProvider(say("later")))
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := AddRecovery(sealPath, key)
	if err != nil {
		t.Fatal(err)
	}
	slots, err := Slots(sealPath)
	if err != nil || len(slots) != 4 || slots[2].ID != id || slots[2].Kind != "passphrase" {
		t.Fatalf("slots are %v, %v", slots, err)
	}
	for _, sl := range []int{slots[0].ID, slots[1].ID, id} {
		if err := RemoveSlot(sealPath, key, sl); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveSlot(sealPath, key, id); err == nil {
		t.Error("a slot was removed twice")
	}
	if err := RemoveSlot(sealPath, key, slots[3].ID); err == nil {
		t.Error("the last slot was removed")
	}
	if _, err := Open(sealPath, RecoveryProvider(say(string(old.Reveal()))), FileProvider(keyPath)); !errors.Is(err, ErrSealed) {
		t.Errorf("removed slots: got %v, want ErrSealed", err)
	}
	if _, err := Open(sealPath, RecoveryProvider(say(string(fresh.Reveal())))); err != nil {
		t.Error(err)
	}
	if next, err := AddSlot(sealPath, key, FileProvider(keyPath)); err != nil || next != 5 {
		t.Errorf("next slot is %d, %v; numbers must not come back", next, err)
	}
	stranger := version1(random(keySize))
	if _, err := AddSlot(sealPath, stranger, FileProvider(keyPath)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another house's key: got %v, want ErrCorrupt", err)
	}
}

// TestEveryByteOfSealFile flips bits of, and cuts, the seal file at every byte.
func TestEveryByteOfSealFile(t *testing.T) {
	sealPath, keyPath := paths(t)
	if _, _, err := Init(sealPath, FileProvider(keyPath)); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(sealPath)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, i int, data []byte) {
		if err := os.WriteFile(sealPath, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(sealPath, FileProvider(keyPath))
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), sealPath) {
			t.Errorf("%s at byte %d (%q): got %v, want ErrCorrupt with the file's name", what, i, good[i:i+1], err)
		}
	}
	for i := range good {
		for _, mask := range []byte{0x01, 0x20, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= mask
			try("flip", i, bad)
		}
		try("cut", i, good[:i])
	}
}

// TestTamperedSealFile changes the file and mends its checksum, as only somebody who
// means to can.
func TestTamperedSealFile(t *testing.T) {
	sealPath, keyPath := paths(t)
	if _, _, err := Init(sealPath, FileProvider(keyPath), PassphraseProvider(say("p"))); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(s *seal)
		want   error
	}{
		"slot dropped":       {func(s *seal) { s.Slots = s.Slots[:1] }, ErrCorrupt},
		"slots swapped":      {func(s *seal) { s.Slots[0], s.Slots[2] = s.Slots[2], s.Slots[0] }, ErrCorrupt},
		"number reused":      {func(s *seal) { s.Next = 1 }, ErrCorrupt},
		"other house":        {func(s *seal) { s.House = strings.Repeat("0", 32) }, ErrWrongKey},
		"salt changed":       {func(s *seal) { s.Slots[0].Params["salt"] = "00" }, ErrWrongKey},
		"root key cut short": {func(s *seal) { s.Slots[0].Wrapped = "00" }, ErrWrongKey},
		"root key not hex":   {func(s *seal) { s.Slots[0].Wrapped = "x" }, ErrCorrupt},
		"other format":       {func(s *seal) { s.Format = "x" }, ErrCorrupt},
		"later version":      {func(s *seal) { s.Version = 3 }, nil},
		"earlier version":    {func(s *seal) { s.Version = 1 }, ErrCorrupt},
		"no ring":            {func(s *seal) { s.Ring, s.Rewrapped, s.Version = "", 0, 1 }, ErrCorrupt},
		"ring changed":       {func(s *seal) { s.Ring = s.Ring[2:] }, ErrCorrupt},
		"rotation hidden":    {func(s *seal) { s.Rewrapped = 2 }, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := readSeal(sealPath)
			if err != nil {
				t.Fatal(err)
			}
			test.change(s)
			s.Sum = s.sum()
			path := filepath.Join(t.TempDir(), "seal.json")
			if err := os.WriteFile(path, s.bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			k, err := Open(path, FileProvider(keyPath))
			if k != nil || err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestKeyFile(t *testing.T) {
	_, keyPath := paths(t)
	if err := makeKeyFile(keyPath); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(keyPath)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good[:len(good)-1] {
		for _, mask := range []byte{0x01, 0x20} {
			bad := bytes.Clone(good)
			bad[i] ^= mask
			if _, err := parseKeyFile(bad); !errors.Is(err, ErrCorrupt) {
				t.Errorf("flip at byte %d: got %v, want ErrCorrupt", i, err)
			}
		}
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o644} {
		if err := os.Chmod(keyPath, mode); err != nil {
			t.Fatal(err)
		}
		_, err := readKeyFile(keyPath)
		if !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), keyPath) {
			t.Errorf("mode %04o: got %v, want ErrExposed with the file's name", mode, err)
		}
	}
	if _, err := readKeyFile(filepath.Dir(keyPath)); err == nil {
		t.Error("a folder was taken for a key file")
	}
}

func TestWrap(t *testing.T) {
	k := version1(random(keySize))
	for _, text := range []string{"", "a", strings.Repeat("long ", 1000)} {
		wrapped, err := k.Wrap("test/a", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Unwrap("test/a", wrapped)
		if err != nil || string(got) != text {
			t.Fatalf("got %q, %v", got, err)
		}
		if _, err := k.Unwrap("test/b", wrapped); !errors.Is(err, ErrCorrupt) {
			t.Errorf("other purpose: got %v, want ErrCorrupt", err)
		}
		for i := range min(len(wrapped), 64) {
			bad := bytes.Clone(wrapped)
			bad[i] ^= 1
			if _, err := k.Unwrap("test/a", bad); !errors.Is(err, ErrCorrupt) {
				t.Errorf("flip at byte %d: got %v, want ErrCorrupt", i, err)
			}
			if _, err := k.Unwrap("test/a", wrapped[:i]); !errors.Is(err, ErrCorrupt) {
				t.Errorf("cut at byte %d: got %v, want ErrCorrupt", i, err)
			}
		}
	}
}

// TestGolden pins what is on disks: derived keys and the layout of wrapped bytes.
func TestGolden(t *testing.T) {
	raw := make([]byte, keySize)
	for i := range raw {
		raw[i] = byte(i)
	}
	k := version1(raw)
	if got, want := hex.EncodeToString(k.Derive("test/golden").Reveal()), goldenDerived; got != want {
		t.Errorf("derived key is %s, want %s", got, want)
	}
	wrapped, err := hex.DecodeString(goldenWrapped)
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Unwrap("test/golden", wrapped)
	if err != nil || string(got) != "strongroom" {
		t.Errorf("got %q, %v", got, err)
	}
	k.Close()
	if !bytes.Equal(k.root.Reveal(), make([]byte, keySize)) {
		t.Error("Close left the key in memory")
	}
}

func TestRecoveryCode(t *testing.T) {
	raw := bytes.Repeat([]byte{0xa5}, recoveryBytes)
	text := formatRecovery(raw)
	if len(text) != 44 || strings.Count(text, "-") != 8 {
		t.Errorf("code is %q", text)
	}
	for i := range text {
		if text[i] == '-' {
			continue
		}
		bad := []byte(text)
		bad[i] = "0123"[strings.IndexByte("0123", bad[i])+1&3]
		if bad[i] == text[i] {
			bad[i] = 'Z'
		}
		if got, err := parseRecovery(bad); err == nil && bytes.Equal(got, raw) {
			t.Errorf("the change of character %d went unseen", i)
		}
	}
	if got, err := parseRecovery([]byte("  " + strings.ToLower(text) + "\n")); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("got %x, %v", got, err)
	}
}

func FuzzParseSeal(f *testing.F) {
	s := newSeal()
	k := version1(random(keySize))
	if err := errors.Join(s.add(k, newRecoveryCode()), s.putRing(k)); err != nil {
		f.Fatal(err)
	}
	s.Rewrapped = 1
	s.MAC = s.mac(k)
	s.Sum = s.sum()
	f.Add(s.bytes())
	f.Add([]byte(`{"format":"strongroom seal","version":1}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseSeal(data); err == nil && !bytes.Equal(s.bytes(), data) {
			t.Errorf("accepted a form that is not the true one: %q", data)
		}
	})
}

func FuzzParseText(f *testing.F) {
	f.Add(formatKeyFile(make([]byte, keySize)))
	f.Add([]byte(formatRecovery(make([]byte, recoveryBytes))))
	f.Add([]byte(keyFilePrefix))
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := parseKeyFile(data); err == nil && key.Len() != keySize {
			t.Errorf("key of %d bytes", key.Len())
		}
		if raw, err := parseRecovery(data); err == nil && len(raw) != recoveryBytes {
			t.Errorf("code of %d bytes", len(raw))
		}
	})
}
