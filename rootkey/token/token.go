// Package token keeps the root key's slot in a PKCS#11 token, such as a hardware security module.
//
// The slot's key is 32 random bytes. The slot has them encrypted by an AES-256 key that was made in the
// token and cannot leave it (CKM_AES_GCM); without the token and its PIN they cannot be had. The
// token's key may serve many slots and houses.
//
//	parameter  is
//	key        label of the token's key
//	token      label of the token, and
//	serial     its serial number, for people: a backup token with the same key opens too
//	sealed     the slot's key, encrypted, hex: nonce (12) | ciphertext (32) | tag (16)
//
// Associated data of the encryption is "strongroom/v1/slot-key".
package token

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/pkcs11"
	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/secret"
)

// Kind names the slots of this package.
const Kind = "pkcs11"

// DefaultKey is the label of the token's key where none is said.
const DefaultKey = "strongroom-root-key"

const (
	keySize = 32
	slotUse = "strongroom/v1/slot-key"
	// openTime bounds all that opening or making a slot takes.
	openTime = 60 * time.Second
)

// Config says which token and which of its keys.
type Config struct {
	Helper, Module, Token string // as in pkcs11.Config
	Key                   string // label of the key for new slots; "" for DefaultKey
	// PIN returns the PIN of the token's user. It is called once for each slot that is tried
	// or made, and what it returns is wiped.
	PIN func() (secret.Bytes, error)
}

// Provider opens slots with a token. NewSlot makes the token's key if it is not there. Errors are
// those of pkcs11.Open; a wrong PIN, or a token with another key of that name, is
// rootkey.ErrWrongKey too.
func Provider(cfg Config) rootkey.Provider {
	if cfg.Key == "" {
		cfg.Key = DefaultKey
	}
	return &provider{cfg: cfg}
}

type provider struct {
	cfg     Config
	refused error // by the token, of the PIN: a second slot must not use up a second try
}

func (*provider) Kind() string { return Kind }

func (p *provider) NewSlot() (params map[string]string, key secret.Bytes, err error) {
	err = p.with(func(ctx context.Context, s *pkcs11.Session) error {
		k, err := s.Key(ctx, p.cfg.Key)
		if errors.Is(err, pkcs11.ErrNotFound) {
			k, err = s.GenerateKey(ctx, p.cfg.Key)
		}
		if err != nil {
			return err
		}
		raw := make([]byte, keySize)
		_, _ = rand.Read(raw)
		key = secret.New(raw)
		sealed, err := k.Encrypt(ctx, []byte(slotUse), raw)
		if err != nil {
			return err
		}
		params = map[string]string{
			"key": p.cfg.Key, "token": s.Token().Label, "serial": s.Token().Serial, "sealed": hex.EncodeToString(sealed),
		}
		// A token that does not open again what it has just sealed must be found out now.
		again, err := k.Decrypt(ctx, []byte(slotUse), sealed)
		if err == nil && !secret.New(again).Equal(key) {
			err = fmt.Errorf("%w: it does not decrypt what it encrypted", pkcs11.ErrUnsupported)
		}
		return err
	})
	if err != nil {
		key.Wipe()
		return nil, secret.Bytes{}, err
	}
	return params, key, nil
}

func (p *provider) SlotKey(params map[string]string) (key secret.Bytes, err error) {
	sealed, err := hex.DecodeString(params["sealed"])
	if err != nil || len(sealed) != keySize+pkcs11.Overhead {
		return secret.Bytes{}, fmt.Errorf("%w: token parameter %q is malformed", rootkey.ErrCorrupt, "sealed")
	}
	err = p.with(func(ctx context.Context, s *pkcs11.Session) error {
		k, err := s.Key(ctx, params["key"])
		if err != nil {
			return err
		}
		raw, err := k.Decrypt(ctx, []byte(slotUse), sealed)
		if errors.Is(err, pkcs11.ErrCorrupt) {
			return fmt.Errorf("token %q: %w: its key %q is not the one that the slot was made with", p.cfg.Token, rootkey.ErrWrongKey, k.Label())
		}
		key = secret.New(raw)
		return err
	})
	if err != nil {
		return secret.Bytes{}, err
	}
	return key, nil
}

// with lends fn an open token.
func (p *provider) with(fn func(ctx context.Context, s *pkcs11.Session) error) (err error) {
	if p.refused != nil {
		return p.refused
	}
	pin, err := p.cfg.PIN()
	if err != nil {
		return fmt.Errorf("PIN of token %q: %w", p.cfg.Token, err)
	}
	defer pin.Wipe()
	ctx, cancel := context.WithTimeout(context.Background(), openTime)
	defer cancel()
	s, err := pkcs11.Open(ctx, pkcs11.Config{Helper: p.cfg.Helper, Module: p.cfg.Module, Token: p.cfg.Token, PIN: pin})
	if errors.Is(err, pkcs11.ErrPIN) {
		p.refused = fmt.Errorf("%w: %w", rootkey.ErrWrongKey, err)
		return p.refused
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return fn(ctx, s)
}
