package rootkey

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/secret"
)

const (
	sealFormat = "strongroom seal"
	// Version 1 has no ring: the root key is all of it. The first rotation makes it version 2.
	sealVersion1 = 1
	sealVersion  = 2
	// maxSealFile bounds what is read of a file that claims to be a seal file.
	maxSealFile = 1 << 20
)

// seal is the seal file; doc.go draws it.
type seal struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	House   string `json:"house"`
	Next    int    `json:"next"`
	Slots   []slot `json:"slots"`
	// Ring is the sealed ring, hex.
	Ring string `json:"ring,omitempty"`
	// Rewrapped is the generation that a whole rotation last reached: nothing is wrapped under
	// an older one.
	Rewrapped int    `json:"rewrapped,omitempty"`
	MAC       string `json:"mac"`
	Sum       string `json:"sum"`
}

type slot struct {
	ID      int               `json:"id"`
	Kind    string            `json:"kind"`
	Created string            `json:"created"`
	Params  map[string]string `json:"params"`
	Wrapped string            `json:"wrapped"`
}

func newSeal() *seal {
	return &seal{
		Format: sealFormat, Version: sealVersion, House: hex.EncodeToString(random(16)), Next: 1,
	}
}

// bytes returns the file's content: indented, map keys sorted, one line end.
func (s *seal) bytes() []byte {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("rootkey: seal file of strings and numbers does not encode: " + err.Error())
	}
	return append(b, '\n')
}

func (s *seal) sum() string {
	plain := *s
	plain.Sum = ""
	h := sha256.Sum256(plain.bytes())
	return hex.EncodeToString(h[:])
}

func (s *seal) mac(k *Key) string {
	plain := *s
	plain.MAC, plain.Sum = "", ""
	return hex.EncodeToString(k.mac(plain.bytes()))
}

// write replaces the seal file durably.
func (s *seal) write(path string, k *Key) error {
	s.MAC = s.mac(k)
	s.Sum = s.sum()
	if err := durable.WriteFile(path, s.bytes(), 0o600); err != nil {
		return fmt.Errorf("seal file: %w", err)
	}
	return nil
}

// readSeal reads the seal file and finds any damage to it; tampering is found by
// verify, once the root key is there.
func readSeal(path string) (*seal, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("seal file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSealFile+1))
	if err != nil {
		return nil, fmt.Errorf("seal file %s: %w", path, err)
	}
	s, err := parseSeal(data)
	if err != nil {
		return nil, fmt.Errorf("seal file %s: %w", path, err)
	}
	return s, nil
}

// parseSeal decodes the content of a seal file, accepting only what bytes writes.
func parseSeal(data []byte) (*seal, error) {
	if len(data) > maxSealFile {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrCorrupt, maxSealFile)
	}
	var s seal
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%w: not a seal file", ErrCorrupt)
	}
	// encoding/json takes names in any case and skips unknown ones: comparing with the
	// one true form leaves no byte of the file without a meaning.
	if s.Sum != s.sum() || !bytes.Equal(s.bytes(), data) {
		return nil, fmt.Errorf("%w: checksum does not match", ErrCorrupt)
	}
	if s.Format != sealFormat {
		return nil, fmt.Errorf("%w: not a seal file", ErrCorrupt)
	}
	if s.Version != sealVersion && s.Version != sealVersion1 {
		return nil, fmt.Errorf("version %d is not known to this program, which knows versions %d and %d", s.Version, sealVersion1, sealVersion)
	}
	if ringed := s.Version == sealVersion; ringed != (s.Ring != "") || ringed != (s.Rewrapped > 0) {
		return nil, fmt.Errorf("%w: version %d with the fields of another", ErrCorrupt, s.Version)
	}
	return &s, nil
}

// verify finds changes made by somebody who does not have the root key.
func (s *seal) verify(k *Key) error {
	if !hmac.Equal([]byte(s.MAC), []byte(s.mac(k))) {
		return fmt.Errorf("%w: it was changed without the root key", ErrCorrupt)
	}
	return nil
}

// add appends a slot that a provider opens.
func (s *seal) add(k *Key, p Provider) error {
	params, key, err := p.NewSlot()
	if err != nil {
		return fmt.Errorf("%s slot: %w", p.Kind(), err)
	}
	defer key.Wipe()
	if params == nil {
		params = map[string]string{}
	}
	sl := slot{ID: s.Next, Kind: p.Kind(), Created: time.Now().UTC().Format(time.RFC3339), Params: params}
	aead, err := newAEAD(s.slotKey(sl.Kind, key))
	if err != nil {
		return fmt.Errorf("%s slot: %w", p.Kind(), err)
	}
	sl.Wrapped = hex.EncodeToString(aead.Seal(nil, nil, k.root.Reveal(), s.slotData(sl)))
	s.Next++
	s.Slots = append(s.Slots, sl)
	return nil
}

// open returns the root key of a slot, without its ring, or an error that is ErrWrongKey.
func (s *seal) open(sl slot, key secret.Bytes) (*Key, error) {
	wrapped, err := hex.DecodeString(sl.Wrapped)
	if err != nil {
		return nil, fmt.Errorf("%w: slot %d is not hex", ErrCorrupt, sl.ID)
	}
	aead, err := newAEAD(s.slotKey(sl.Kind, key))
	if err != nil {
		return nil, err
	}
	root, err := aead.Open(nil, nil, wrapped, s.slotData(sl))
	if err != nil || len(root) != keySize {
		return nil, ErrWrongKey
	}
	return &Key{root: secret.New(root)}, nil
}

func (s *seal) slotKey(kind string, key secret.Bytes) secret.Bytes {
	return expand(key, []byte(s.House), "slot/"+kind)
}

// slotData is the associated data of a slot.
func (s *seal) slotData(sl slot) []byte {
	sl.Wrapped = ""
	b, err := json.Marshal(sl)
	if err != nil {
		panic("rootkey: slot of strings and numbers does not encode: " + err.Error())
	}
	return append(append([]byte(s.House), 0), b...)
}
