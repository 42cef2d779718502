package rootkey

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/secret"
)

// maxGeneration is the last generation that the first byte of wrapped bytes can name.
const maxGeneration = 255

// ErrUnfinished says that a rotation has begun and is not finished.
var ErrUnfinished = errors.New("a rotation of the root key is unfinished")

// Generation is the number of the wrapping key that Wrap uses, from 1.
func (k *Key) Generation() int { return len(k.wraps) }

// Rewrap returns wrapped as Wrap would seal it today. changed is false where it was wrapped
// under the newest generation already; wrapped is returned as it is then, unread. The length
// never changes. Errors are Unwrap's.
func (k *Key) Rewrap(purpose string, wrapped []byte) (out []byte, changed bool, err error) {
	if len(wrapped) > 0 && int(wrapped[0]) == k.Generation() {
		return wrapped, false, nil
	}
	plain, err := k.Unwrap(purpose, wrapped)
	if err != nil {
		return nil, false, err
	}
	defer clear(plain)
	out, err = k.Wrap(purpose, plain)
	return out, err == nil, err
}

// Rotate makes a new root key and a new generation of wrapping key, durably, and returns the
// new Key and a new recovery code. The slots of the old root key are gone: those of the
// providers, of which there is at least one, and of the code take their place. What was wrapped
// before still opens; rewrap it, then call FinishRotation. Whether Rotate took effect when it
// fails shows in which provider opens the house. k stays the caller's and cannot change the
// seal file any more.
//
// A rotation that is not finished is ErrUnfinished.
func Rotate(sealPath string, k *Key, providers ...Provider) (key *Key, recovery secret.Bytes, err error) {
	s, err := readSeal(sealPath)
	if err != nil {
		return nil, secret.Bytes{}, err
	}
	if err := s.verify(k); err != nil {
		return nil, secret.Bytes{}, fmt.Errorf("seal file %s: %w", sealPath, err)
	}
	switch {
	case s.rewrapped() < k.Generation():
		return nil, secret.Bytes{}, fmt.Errorf("seal file %s: %w", sealPath, ErrUnfinished)
	case k.Generation() == maxGeneration:
		return nil, secret.Bytes{}, fmt.Errorf("seal file %s: a root key can be rotated %d times, and this one has been", sealPath, maxGeneration-1)
	case len(providers) == 0:
		return nil, secret.Bytes{}, fmt.Errorf("seal file %s: no provider was given for the new root key", sealPath)
	}
	// Copies, so that each Key can be closed without the other.
	next := &Key{root: secret.New(random(keySize)), derive: clone(k.derive)}
	for _, w := range k.wraps {
		next.wraps = append(next.wraps, clone(w))
	}
	next.wraps = append(next.wraps, secret.New(random(keySize)))
	s.Version, s.Rewrapped, s.Slots = sealVersion, s.rewrapped(), nil
	keep := func(code secret.Bytes) error {
		recovery = code
		return nil
	}
	if err := s.fill(sealPath, next, providers, keep); err != nil {
		next.Close()
		return nil, secret.Bytes{}, err
	}
	return next, recovery, nil
}

// FinishRotation writes down, durably, that nothing is wrapped under an older generation any more.
// The older wrapping keys stay in the ring.
func FinishRotation(sealPath string, k *Key) error {
	return change(sealPath, k, func(s *seal) error {
		if s.Version == sealVersion {
			s.Rewrapped = k.Generation()
		}
		return nil
	})
}

// Unfinished reports whether a rotation of k's house has begun and is not finished.
func Unfinished(sealPath string, k *Key) (bool, error) {
	s, err := readSeal(sealPath)
	if err != nil {
		return false, err
	}
	if err := s.verify(k); err != nil {
		return false, fmt.Errorf("seal file %s: %w", sealPath, err)
	}
	return s.rewrapped() < k.Generation(), nil
}

// rewrapped is the generation under which, or a newer one, everything is wrapped.
func (s *seal) rewrapped() int {
	if s.Version == sealVersion1 {
		return 1
	}
	return s.Rewrapped
}

func clone(b secret.Bytes) secret.Bytes { return secret.New(append([]byte(nil), b.Reveal()...)) }

// putRing seals k's ring under its root key.
func (s *seal) putRing(k *Key) error {
	aead, err := newAEAD(s.ringKey(k))
	if err != nil {
		return err
	}
	plain := append([]byte(nil), k.derive.Reveal()...)
	for _, w := range k.wraps {
		plain = append(plain, w.Reveal()...)
	}
	defer clear(plain)
	s.Ring = hex.EncodeToString(aead.Seal(nil, nil, plain, s.ringData()))
	return nil
}

// openRing gives k, whose root key a slot gave, its ring.
func (s *seal) openRing(k *Key) error {
	if s.Version == sealVersion1 {
		k.derive, k.wraps = clone(k.root), []secret.Bytes{clone(k.root)}
		return nil
	}
	sealed, err := hex.DecodeString(s.Ring)
	if err != nil {
		return fmt.Errorf("%w: the ring is not hex", ErrCorrupt)
	}
	aead, err := newAEAD(s.ringKey(k))
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, nil, sealed, s.ringData())
	if err != nil {
		return fmt.Errorf("%w: the ring does not open", ErrCorrupt)
	}
	defer clear(plain)
	n := len(plain) / keySize
	if len(plain)%keySize != 0 || n < 2 || n > 1+maxGeneration || s.Rewrapped >= n {
		return fmt.Errorf("%w: the ring has a wrong length", ErrCorrupt)
	}
	k.derive = secret.New(append([]byte(nil), plain[:keySize]...))
	for at := keySize; at < len(plain); at += keySize {
		k.wraps = append(k.wraps, secret.New(append([]byte(nil), plain[at:at+keySize]...)))
	}
	return nil
}

func (s *seal) ringKey(k *Key) secret.Bytes { return expand(k.root, []byte(s.House), "ring") }

// ringData is the associated data of the ring.
func (s *seal) ringData() []byte { return append([]byte(s.House), 0, 'r', 'i', 'n', 'g') }
