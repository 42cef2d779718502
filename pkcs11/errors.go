package pkcs11

import (
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/pkcs11/frame"
)

// Sentinels that callers branch on with errors.Is.
var (
	// ErrHelper says that there is no helper program, or one that cannot be used. It is
	// ErrUnavailable too.
	ErrHelper = errors.New("the PKCS#11 helper cannot be used")
	// ErrUnavailable says that the module or the token is not there or does not answer. A
	// later call may succeed.
	ErrUnavailable = errors.New("the token is not available")
	// ErrPIN says that the token refused the PIN.
	ErrPIN = errors.New("wrong PIN")
	// ErrLocked says that the token is locked after too many wrong PINs, or has one try left,
	// which this package does not use up.
	ErrLocked = errors.New("the token is locked")
	// ErrNotFound says that the token has no AES key with this label.
	ErrNotFound = errors.New("no such key in the token")
	// ErrExists says that a key with this label is there already.
	ErrExists = errors.New("a key with this label is in the token already")
	// ErrAmbiguous says that two tokens or two keys have the same label.
	ErrAmbiguous = errors.New("the label is not unique")
	// ErrUnsupported says that the token cannot do AES-GCM or has no 256-bit AES keys.
	ErrUnsupported = errors.New("the token does not support what is needed")
	// ErrUnfit says that a key must not be used: it can leave the token, or is not a 256-bit
	// AES key for encryption and decryption.
	ErrUnfit = errors.New("the key must not be used")
	// ErrCorrupt says that a ciphertext is damaged, or was made with another key or other
	// associated data.
	ErrCorrupt = errors.New("the ciphertext does not authenticate")
	// ErrLimit says that an argument is longer than allowed or malformed.
	ErrLimit = errors.New("beyond the limits of a token")
	// ErrClosed says that the session has been closed.
	ErrClosed = errors.New("the token's session is closed")
)

var sentinels = map[string]error{
	frame.Unusable: ErrHelper, frame.Unavailable: ErrUnavailable, frame.WrongPIN: ErrPIN, frame.Locked: ErrLocked,
	frame.NotFound: ErrNotFound, frame.Exists: ErrExists, frame.Ambiguous: ErrAmbiguous,
	frame.Unsupported: ErrUnsupported, frame.Unfit: ErrUnfit, frame.Corrupt: ErrCorrupt,
}

// maxErrorText bounds what is believed of a helper's error.
const maxErrorText = 512

// replyError is the error that a reply carries, or nil.
func replyError(r *frame.Reply) error {
	if r.Kind == "" {
		return nil
	}
	sentinel, ok := sentinels[r.Kind]
	if !ok {
		sentinel = ErrHelper
	}
	text := r.Error
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
	}
	if sentinel == ErrHelper {
		return fmt.Errorf("%w: %w: %s", ErrUnavailable, ErrHelper, text)
	}
	if text == "" {
		return sentinel
	}
	return fmt.Errorf("%w: %s", sentinel, text)
}
