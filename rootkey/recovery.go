package rootkey

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/strongroom/strongroom/secret"
)

// A recovery code is 160 random bits and 20 bits of their SHA-256, in Crockford's base
// 32 (no I, L, O, U), nine groups of four characters:
//
//	7K2M-0Q4V-9T3B-XD8A-...
const (
	recoveryBytes  = 20
	recoveryChars  = recoveryBytes * 8 / 5
	recoveryChecks = 4
	crockford      = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

var recoveryEncoding = base32.NewEncoding(crockford).WithPadding(base32.NoPadding)

// RecoveryProvider opens slots with a recovery code that Init or AddRecovery returned.
// ask is called once for each slot that is tried; the provider wipes what it returns. Case,
// spaces, dashes, and O for 0 or I and L for 1 do not matter; a code whose check group
// is wrong is ErrMistyped. It makes no slots: Init and AddRecovery do.
func RecoveryProvider(ask func() (secret.Bytes, error)) Provider { return recoveryProvider{ask} }

type recoveryProvider struct {
	ask func() (secret.Bytes, error)
}

func (recoveryProvider) Kind() string { return "recovery" }

func (recoveryProvider) NewSlot() (map[string]string, secret.Bytes, error) {
	return nil, secret.Bytes{}, fmt.Errorf("a recovery code is not chosen: use AddRecovery")
}

func (p recoveryProvider) SlotKey(params map[string]string) (secret.Bytes, error) {
	text, err := p.ask()
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("ask for recovery code: %w", err)
	}
	defer text.Wipe()
	return recoveryKey(text, params)
}

// recoveryCode is the provider of a slot with a new code.
type recoveryCode struct {
	recoveryProvider
	text secret.Bytes
}

func newRecoveryCode() recoveryCode {
	raw := random(recoveryBytes)
	defer clear(raw)
	return recoveryCode{text: secret.FromString(formatRecovery(raw))}
}

func (c recoveryCode) NewSlot() (map[string]string, secret.Bytes, error) {
	params := map[string]string{"salt": hex.EncodeToString(random(16))}
	key, err := recoveryKey(c.text, params)
	return params, key, err
}

func recoveryKey(text secret.Bytes, params map[string]string) (secret.Bytes, error) {
	raw, err := parseRecovery(text.Reveal())
	if err != nil {
		return secret.Bytes{}, err
	}
	defer clear(raw)
	return expand(secret.New(raw), []byte(params["salt"]), "recovery-code"), nil
}

func formatRecovery(raw []byte) string {
	sum := sha256.Sum256(raw)
	chars := recoveryEncoding.EncodeToString(raw) + recoveryEncoding.EncodeToString(sum[:])[:recoveryChecks]
	var b strings.Builder
	for i := 0; i < len(chars); i += 4 {
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(chars[i : i+4])
	}
	return b.String()
}

func parseRecovery(text []byte) ([]byte, error) {
	var chars []byte
	defer func() { clear(chars) }()
	for _, c := range text {
		switch {
		case c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		case c == 'o' || c == 'O':
			c = '0'
		case c == 'i' || c == 'I' || c == 'l' || c == 'L':
			c = '1'
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		if chars = append(chars, c); len(chars) > recoveryChars+recoveryChecks {
			return nil, fmt.Errorf("recovery code: %w: it is too long", ErrMistyped)
		}
	}
	if len(chars) < recoveryChars+recoveryChecks {
		return nil, fmt.Errorf("recovery code: %w: it is too short", ErrMistyped)
	}
	raw := make([]byte, recoveryBytes)
	if _, err := recoveryEncoding.Decode(raw, chars[:recoveryChars]); err != nil {
		return nil, fmt.Errorf("recovery code: %w: it holds a character that no code has", ErrMistyped)
	}
	sum := sha256.Sum256(raw)
	if recoveryEncoding.EncodeToString(sum[:])[:recoveryChecks] != string(chars[recoveryChars:]) {
		return nil, fmt.Errorf("recovery code: %w: its last group does not fit the others", ErrMistyped)
	}
	return raw, nil
}
