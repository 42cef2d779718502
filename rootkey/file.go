package rootkey

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/secret"
)

// A key file is one line of text, so that it can be printed, copied and kept in a
// secret manager:
//
//	strongroom-key-1:<32 random bytes, hex>:<first 4 bytes of their SHA-256, hex>
const keyFilePrefix = "strongroom-key-1:"

// maxKeyFile is well beyond the length of a key file.
const maxKeyFile = 256

// FileProvider opens slots with the key in the file at path. NewSlot makes the file,
// with mode 0600, if there is none. A file that anybody but its owner can read or
// change is refused with ErrExposed; so is one whose owner is neither this process's
// user nor root.
func FileProvider(path string) Provider { return fileProvider{path} }

type fileProvider struct{ path string }

func (fileProvider) Kind() string { return "file" }

func (p fileProvider) location() string { return p.path }

func (p fileProvider) NewSlot() (map[string]string, secret.Bytes, error) {
	if _, err := os.Stat(p.path); errors.Is(err, fs.ErrNotExist) {
		if err := makeKeyFile(p.path); err != nil {
			return nil, secret.Bytes{}, fmt.Errorf("make key file: %w", err)
		}
	}
	params := map[string]string{"salt": hex.EncodeToString(random(16))}
	key, err := p.SlotKey(params)
	return params, key, err
}

func (p fileProvider) SlotKey(params map[string]string) (secret.Bytes, error) {
	raw, err := readKeyFile(p.path)
	if err != nil {
		return secret.Bytes{}, err
	}
	defer raw.Wipe()
	// A salt of its own for each slot, so that one key file may serve many houses.
	return expand(raw, []byte(params["salt"]), "key-file"), nil
}

func makeKeyFile(path string) error {
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text := formatKeyFile(random(keySize))
	defer clear(text)
	return durable.WriteFile(path, text, 0o600)
}

func readKeyFile(path string) (secret.Bytes, error) {
	f, err := os.Open(path)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return secret.Bytes{}, fmt.Errorf("key file %s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return secret.Bytes{}, fmt.Errorf("key file %s: %w: its mode is %04o and must be 0600", path, ErrExposed, mode)
	}
	if !ownedByUs(info) {
		return secret.Bytes{}, fmt.Errorf("key file %s: %w: it belongs to another user", path, ErrExposed)
	}
	buf := make([]byte, maxKeyFile)
	defer clear(buf)
	n, err := readFull(f, buf)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("key file %s: %w", path, err)
	}
	key, err := parseKeyFile(buf[:n])
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return key, nil
}

func formatKeyFile(key []byte) []byte {
	sum := sha256.Sum256(key)
	return fmt.Appendf(nil, "%s%x:%x\n", keyFilePrefix, key, sum[:4])
}

// parseKeyFile accepts exactly what formatKeyFile writes, with or without its line end.
func parseKeyFile(text []byte) (secret.Bytes, error) {
	line := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	rest, ok := bytes.CutPrefix(line, []byte(keyFilePrefix))
	if !ok || len(rest) != 2*keySize+1+8 {
		return secret.Bytes{}, fmt.Errorf("%w: it is not a key file", ErrCorrupt)
	}
	key := make([]byte, keySize)
	if _, err := hex.Decode(key, rest[:2*keySize]); err != nil {
		return secret.Bytes{}, fmt.Errorf("%w: it is not a key file", ErrCorrupt)
	}
	canonical := formatKeyFile(key)
	defer clear(canonical)
	if !bytes.Equal(bytes.TrimSuffix(canonical, []byte("\n")), line) {
		clear(key)
		return secret.Bytes{}, fmt.Errorf("%w: its checksum does not match", ErrCorrupt)
	}
	return secret.New(key), nil
}
