package cryptfs

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/strongroom/strongroom/secret"
)

// Purpose is the name under which the root key wraps the keyring.
const Purpose = "store/data-keys"

const (
	keyringMagic = "SRKEYS\x00\x01"
	dataKeySize  = 32
	entrySize    = 8 + 8 + dataKeySize
)

// Wrapper seals the keyring under the root key.
type Wrapper interface {
	Wrap(purpose string, plaintext []byte) ([]byte, error)
	Unwrap(purpose string, wrapped []byte) ([]byte, error)
}

// Limits say when a data key is replaced for new files.
type Limits struct {
	KeyAge   time.Duration // 0 for 30 days
	KeyBytes int64         // bytes written under it; 0 for 64 GiB
}

// Keyring holds the data keys. Its methods may be called together.
type Keyring struct {
	base   vfs.FS
	path   string
	root   Wrapper
	limits Limits

	mu   sync.Mutex
	keys []dataKey // ascending numbers; the last one is for new files
	used int64     // bytes written under the last one by this process
}

type dataKey struct {
	number uint64
	made   time.Time
	key    secret.Bytes
}

// OpenKeyring reads the keyring file at path of base, or makes it, durably, if there is
// none. That root cannot open it is an error that wraps root's.
func OpenKeyring(base vfs.FS, path string, root Wrapper, limits Limits) (*Keyring, error) {
	if limits.KeyAge <= 0 {
		limits.KeyAge = 30 * 24 * time.Hour
	}
	if limits.KeyBytes <= 0 {
		limits.KeyBytes = 64 << 30
	}
	r := &Keyring{base: base, path: path, root: root, limits: limits}
	data, err := readFile(base, path)
	if errors.Is(err, errNotExist) {
		if err := r.rotate(time.Now()); err != nil {
			return nil, err
		}
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keyring %s: %w", path, err)
	}
	if err := r.parse(data); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Keyring) parse(data []byte) error {
	if len(data) < len(keyringMagic) || string(data[:len(keyringMagic)]) != keyringMagic {
		return corrupt(r.path, "it is not a keyring of a version that is known")
	}
	plain, err := r.root.Unwrap(Purpose, data[len(keyringMagic):])
	if err != nil {
		// Damage and another root key look the same from here.
		return fmt.Errorf("%w: %w", corrupt(r.path, "it does not open with this root key"), err)
	}
	defer clear(plain)
	if len(plain) == 0 || len(plain)%entrySize != 0 {
		return corrupt(r.path, "its length is wrong")
	}
	for ; len(plain) > 0; plain = plain[entrySize:] {
		k := dataKey{
			number: binary.BigEndian.Uint64(plain),
			made:   time.Unix(int64(binary.BigEndian.Uint64(plain[8:])), 0),
			key:    secret.New(append([]byte(nil), plain[16:entrySize]...)),
		}
		if n := len(r.keys); n > 0 && k.number <= r.keys[n-1].number {
			return corrupt(r.path, "its keys are out of order")
		}
		r.keys = append(r.keys, k)
	}
	return nil
}

// current returns the data key for a new file, making a new one when the last has
// served its time.
func (r *Keyring) current() (dataKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.keys[len(r.keys)-1]
	now := time.Now()
	if now.Sub(last.made) < r.limits.KeyAge && r.used < r.limits.KeyBytes {
		return last, nil
	}
	if err := r.rotate(now); err != nil {
		return dataKey{}, err
	}
	return r.keys[len(r.keys)-1], nil
}

func (r *Keyring) find(number uint64) (dataKey, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.keys) - 1; i >= 0; i-- {
		if r.keys[i].number == number {
			return r.keys[i], true
		}
	}
	return dataKey{}, false
}

// count adds to the bytes written under the data key in use.
func (r *Keyring) count(n int) {
	r.mu.Lock()
	r.used += int64(n)
	r.mu.Unlock()
}

// rotate adds a data key and writes the keyring. The caller holds mu or is alone.
func (r *Keyring) rotate(now time.Time) error {
	raw := make([]byte, dataKeySize)
	_, _ = rand.Read(raw)
	k := dataKey{number: 1, made: now, key: secret.New(raw)}
	if n := len(r.keys); n > 0 {
		k.number = r.keys[n-1].number + 1
	}
	keys := append(r.keys[:len(r.keys):len(r.keys)], k)
	if err := r.write(keys); err != nil {
		return err
	}
	r.keys, r.used = keys, 0
	return nil
}

// Keep drops the data keys that neither keep nor the next new file needs. It must not
// run while files are made.
func (r *Keyring) Keep(keep map[uint64]bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var keys []dataKey
	for i, k := range r.keys {
		if keep[k.number] || i == len(r.keys)-1 {
			keys = append(keys, k)
		}
	}
	if len(keys) == len(r.keys) {
		return nil
	}
	if err := r.write(keys); err != nil {
		return err
	}
	r.keys = keys
	return nil
}

// write replaces the keyring file durably: new file, sync, rename, sync of the folder.
func (r *Keyring) write(keys []dataKey) error {
	plain := make([]byte, 0, len(keys)*entrySize)
	defer func() { clear(plain[:cap(plain)]) }()
	for _, k := range keys {
		plain = binary.BigEndian.AppendUint64(plain, k.number)
		plain = binary.BigEndian.AppendUint64(plain, uint64(k.made.Unix()))
		plain = append(plain, k.key.Reveal()...)
	}
	wrapped, err := r.root.Wrap(Purpose, plain)
	if err != nil {
		return fmt.Errorf("keyring %s: %w", r.path, err)
	}
	if err := WriteFile(r.base, r.path, append([]byte(keyringMagic), wrapped...)); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return nil
}

// Rewrapper wraps again what was wrapped before a rotation of the root key; *rootkey.Key is one.
type Rewrapper interface {
	Rewrap(purpose string, wrapped []byte) (out []byte, changed bool, err error)
}

// RewrapKeyring wraps the keyring at path of base under the newest root key, durably, and
// reports whether it had to. Nobody may have it open.
func RewrapKeyring(base vfs.FS, path string, root Rewrapper) (bool, error) {
	data, err := readFile(base, path)
	if err != nil {
		return false, fmt.Errorf("keyring %s: %w", path, err)
	}
	if len(data) < len(keyringMagic) || string(data[:len(keyringMagic)]) != keyringMagic {
		return false, corrupt(path, "it is not a keyring of a version that is known")
	}
	wrapped, changed, err := root.Rewrap(Purpose, data[len(keyringMagic):])
	if err != nil {
		return false, fmt.Errorf("%w: %w", corrupt(path, "it does not open with this root key"), err)
	}
	if !changed {
		return false, nil
	}
	return true, WriteFile(base, path, append([]byte(keyringMagic), wrapped...))
}

// WriteFile replaces the file at path of base by data: all or nothing, and durable
// when it returns nil. What it writes is not encrypted.
func WriteFile(base vfs.FS, path string, data []byte) error {
	tmp := path + ".new"
	f, err := base.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(append([]byte(nil), data...))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = base.Rename(tmp, path)
	}
	if err == nil {
		err = SyncDir(base, base.PathDir(path))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// SyncDir makes the names in folder dir of base durable.
func SyncDir(base vfs.FS, dir string) error {
	d, err := base.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// readFile returns all the bytes of the file at path of base.
func readFile(base vfs.FS, path string) ([]byte, error) {
	f, err := base.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

// readAll returns all the bytes of a file of base, which nobody has read from.
func readAll(f vfs.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	n, err := io.ReadFull(f, data)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil // it is being cut or removed
	}
	return data[:n], err
}
