package rootkey

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/secret"
)

// Provider gives the key of one kind of slot. A provider is used by one goroutine.
type Provider interface {
	// Kind names the slots that this provider makes and opens: "file", "passphrase".
	Kind() string
	// NewSlot returns a key for a new slot and the parameters, not secret, from which
	// SlotKey will find it again. The key has 32 bytes or more of full entropy or has
	// been through a password hash. The caller wipes it.
	NewSlot() (params map[string]string, key secret.Bytes, err error)
	// SlotKey returns the key of the slot with these parameters, which NewSlot
	// returned and nobody changed. The caller wipes it.
	SlotKey(params map[string]string) (key secret.Bytes, err error)
}

// located is a provider whose secret lies in a file, which must not lie beside what
// it protects.
type located interface{ location() string }

// Slot describes a slot of a seal file.
type Slot struct {
	ID      int
	Kind    string
	Created string // time, RFC 3339, UTC
	About   string // what a person can tell the slot by, such as its token's label; may be ""
}

// Init makes a root key and the seal file at sealPath, with a slot for each provider
// and one for the recovery code that it returns, and makes them durable. The folder of
// the seal file must be there; a seal file that is there already is an error that is
// fs.ErrExist. A key file in the folder of the seal file or below it is ErrExposed.
func Init(sealPath string, providers ...Provider) (key *Key, recovery secret.Bytes, err error) {
	keep := func(code secret.Bytes) error {
		recovery = code
		return nil
	}
	key, err = InitShown(sealPath, keep, providers...)
	return key, recovery, err
}

// InitShown is Init for a recovery code that somebody must have seen: it calls show with the code before the seal file is
// written, so that nothing opens with a code that nobody knows, wherever a crash comes. An error of show leaves no seal file; where the
// seal file cannot be written, what was shown opens nothing. show owns the code.
func InitShown(sealPath string, show func(code secret.Bytes) error, providers ...Provider) (*Key, error) {
	if _, err := os.Lstat(sealPath); err == nil {
		return nil, fmt.Errorf("seal file %s: %w", sealPath, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("seal file: %w", err)
	}
	s, k := newSeal(), &Key{root: secret.New(random(keySize)), derive: secret.New(random(keySize))}
	k.wraps = []secret.Bytes{secret.New(random(keySize))}
	s.Rewrapped = k.Generation()
	if err := s.fill(sealPath, k, providers, show); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// fill gives a seal file without slots those of the providers and one for a new recovery code, shows
// that, and writes the file.
func (s *seal) fill(sealPath string, k *Key, providers []Provider, show func(code secret.Bytes) error) error {
	code := newRecoveryCode()
	for _, p := range append(slices.Clone(providers), Provider(code)) {
		if err := apart(sealPath, p); err != nil {
			return err
		}
		if err := s.add(k, p); err != nil {
			return fmt.Errorf("seal file %s: %w", sealPath, err)
		}
	}
	if err := s.putRing(k); err != nil {
		return fmt.Errorf("seal file %s: %w", sealPath, err)
	}
	if err := show(code.text); err != nil {
		return fmt.Errorf("recovery code: %w", err)
	}
	return s.write(sealPath, k)
}

// Open opens the root key with the first provider that fits a slot, in the order
// given. Errors name the file. One that is fs.ErrNotExist says that there is no seal
// file, ErrCorrupt that it is damaged, ErrSealed that no slot opens; ErrWrongKey as
// well says that a key was there and was not the right one.
func Open(sealPath string, providers ...Provider) (*Key, error) {
	s, err := readSeal(sealPath)
	if err != nil {
		return nil, err
	}
	var causes []error
	for _, p := range providers {
		if err := apart(sealPath, p); err != nil {
			return nil, err
		}
		k, err := s.try(p)
		if k == nil {
			causes = append(causes, err)
			continue
		}
		if err := errors.Join(s.verify(k), s.openRing(k)); err != nil {
			k.Close()
			return nil, fmt.Errorf("seal file %s: %w", sealPath, err)
		}
		return k, nil
	}
	if len(causes) == 0 {
		return nil, fmt.Errorf("seal file %s: %w: no provider was given", sealPath, ErrSealed)
	}
	return nil, fmt.Errorf("seal file %s: %w: %w", sealPath, ErrSealed, oneLine(causes))
}

// try opens the slots of a provider's kind, one by one.
func (s *seal) try(p Provider) (*Key, error) {
	var causes []error
	for _, sl := range s.Slots {
		if sl.Kind != p.Kind() {
			continue
		}
		key, err := p.SlotKey(sl.Params)
		if err != nil {
			causes = append(causes, fmt.Errorf("%s slot %d: %w", sl.Kind, sl.ID, err))
			continue
		}
		k, err := s.open(sl, key)
		key.Wipe()
		if err == nil {
			return k, nil
		}
		causes = append(causes, fmt.Errorf("%s slot %d: %w", sl.Kind, sl.ID, err))
	}
	if len(causes) == 0 {
		return nil, fmt.Errorf("there is no %s slot", p.Kind())
	}
	return nil, oneLine(causes)
}

// oneLine joins errors like errors.Join, on one line.
func oneLine(errs []error) error {
	joined := errs[0]
	for _, err := range errs[1:] {
		joined = fmt.Errorf("%w; %w", joined, err)
	}
	return joined
}

// Slots lists the slots of a seal file. It needs no key and trusts the file no
// further than its checksum.
func Slots(sealPath string) ([]Slot, error) {
	s, err := readSeal(sealPath)
	if err != nil {
		return nil, err
	}
	var out []Slot
	for _, sl := range s.Slots {
		out = append(out, Slot{ID: sl.ID, Kind: sl.Kind, Created: sl.Created, About: sl.about()})
	}
	return out, nil
}

// about says what of a slot's parameters means something to people.
func (sl slot) about() string {
	var parts []string
	for _, name := range []string{"token", "serial", "key", "pcrs", "pin"} {
		if value := sl.Params[name]; value != "" {
			parts = append(parts, name+" "+strconv.Quote(value))
		}
	}
	return strings.Join(parts, ", ")
}

// AddSlot adds a slot for a provider, durably, and returns its number.
func AddSlot(sealPath string, k *Key, p Provider) (id int, err error) {
	if err := apart(sealPath, p); err != nil {
		return 0, err
	}
	err = change(sealPath, k, func(s *seal) error {
		id = s.Next
		return s.add(k, p)
	})
	return id, err
}

// AddRecovery adds a slot for a new recovery code, durably, and returns the code.
// Older codes keep opening until RemoveSlot.
func AddRecovery(sealPath string, k *Key) (code secret.Bytes, err error) {
	p := newRecoveryCode()
	err = change(sealPath, k, func(s *seal) error { return s.add(k, p) })
	if err != nil {
		return secret.Bytes{}, err
	}
	return p.text, nil
}

// RemoveSlot removes the slot with this number, durably. The last slot stays: without
// it nobody could open the house again. Whoever has an old copy of the seal file and
// the removed slot's key can still open that copy.
func RemoveSlot(sealPath string, k *Key, id int) error {
	return change(sealPath, k, func(s *seal) error {
		i := slices.IndexFunc(s.Slots, func(sl slot) bool { return sl.ID == id })
		if i < 0 {
			return fmt.Errorf("there is no slot %d", id)
		}
		if len(s.Slots) == 1 {
			return errors.New("the last slot cannot be removed")
		}
		s.Slots = slices.Delete(s.Slots, i, i+1)
		return nil
	})
}

// change reads, verifies, changes and writes the seal file of k's house.
func change(sealPath string, k *Key, fn func(*seal) error) error {
	s, err := readSeal(sealPath)
	if err != nil {
		return err
	}
	if err := s.verify(k); err != nil {
		return fmt.Errorf("seal file %s: %w", sealPath, err)
	}
	if err := fn(s); err != nil {
		return fmt.Errorf("seal file %s: %w", sealPath, err)
	}
	return s.write(sealPath, k)
}

// apart refuses a key file in the folder of the seal file or below it: whoever copies
// that folder would have the data and the key.
func apart(sealPath string, p Provider) error {
	l, ok := p.(located)
	if !ok {
		return nil
	}
	data, err := realDir(filepath.Dir(sealPath))
	if err != nil {
		return fmt.Errorf("seal file: %w", err)
	}
	keys, err := realDir(filepath.Dir(l.location()))
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	if keys == data || strings.HasPrefix(keys, strings.TrimSuffix(data, "/")+"/") {
		return fmt.Errorf("key file %s: %w: it lies in %s, which it protects", l.location(), ErrExposed, data)
	}
	return nil
}

// realDir returns the absolute path of a folder with links followed as far as the
// path is there.
func realDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(abs) != abs {
		parent, err := realDir(filepath.Dir(abs))
		return filepath.Join(parent, filepath.Base(abs)), err
	}
	return real, err
}

// readFull reads as much of r as fits into buf and is there.
func readFull(r io.Reader, buf []byte) (int, error) {
	n, err := io.ReadFull(r, buf)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}
