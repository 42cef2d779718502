package tpm

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/secret"
)

// Kind names the slots of this package.
const Kind = "tpm"

const keySize = 32

// ErrLocked says that the TPM refuses PINs for a time, after too many wrong ones.
var ErrLocked = errors.New("the TPM is locked after too many wrong PINs")

// errParameter says that a slot's parameters are not those of a sealed object.
var errParameter = fmt.Errorf("%w: the TPM slot's parameters are malformed", rootkey.ErrCorrupt)

// Config says which TPM, and what a new slot is bound to.
type Config struct {
	Device string // a device, "unix:PATH" or "tcp:HOST:PORT" of an emulator; "" for DefaultDevice
	PCRs   string // PCRs of the SHA-256 bank that bind a new slot, as "7+11"; "" for none
	// PIN returns the PIN, and is nil for none. It is called once for each slot with a PIN that is tried
	// or made, and what it returns is wiped.
	PIN func() (secret.Bytes, error)
}

// Provider opens slots with a TPM 2.0. NewSlot binds to the PCRs' values of the moment. Another
// TPM, one that has been cleared, changed PCRs and a wrong PIN are rootkey.ErrWrongKey.
func Provider(cfg Config) rootkey.Provider {
	if cfg.Device == "" {
		cfg.Device = DefaultDevice
	}
	return provider{cfg}
}

// ParsePCRs reports whether text names PCRs as Config does.
func ParsePCRs(text string) error {
	_, err := parsePCRs(text)
	return err
}

type provider struct{ cfg Config }

func (provider) Kind() string { return Kind }

func (p provider) NewSlot() (params map[string]string, key secret.Bytes, err error) {
	pcrs, err := parsePCRs(p.cfg.PCRs)
	if err != nil {
		return nil, secret.Bytes{}, err
	}
	pin, err := p.ask(p.cfg.PIN != nil)
	if err != nil {
		return nil, secret.Bytes{}, err
	}
	defer wipe(pin)
	raw := make([]byte, keySize)
	_, _ = rand.Read(raw)
	key = secret.New(raw)
	params = map[string]string{"pcrs": p.cfg.PCRs, "pin": map[bool]string{true: "yes", false: "no"}[pin != nil]}
	err = p.with(func(t *conn, srk *primary) error {
		public, private, err := sealObject(t, srk, key, pin, pcrs)
		if err != nil {
			return err
		}
		params["srk"], params["public"], params["private"] = hex.EncodeToString(srk.name.Buffer), hex.EncodeToString(public), hex.EncodeToString(private)
		// A TPM that does not open what it has just sealed must be found out now.
		again, err := unsealObject(t, srk, public, private, pin, pcrs)
		defer again.Wipe()
		if err == nil && !again.Equal(key) {
			err = errors.New("it does not unseal what it sealed")
		}
		return err
	})
	if err != nil {
		key.Wipe()
		return nil, secret.Bytes{}, err
	}
	return params, key, nil
}

func (p provider) SlotKey(params map[string]string) (key secret.Bytes, err error) {
	name, err1 := hex.DecodeString(params["srk"])
	public, err2 := hex.DecodeString(params["public"])
	private, err3 := hex.DecodeString(params["private"])
	pcrs, err4 := parsePCRs(params["pcrs"])
	if errors.Join(err1, err2, err3, err4) != nil || params["pin"] != "yes" && params["pin"] != "no" {
		return secret.Bytes{}, errParameter
	}
	pin, err := p.ask(params["pin"] == "yes")
	if err != nil {
		return secret.Bytes{}, err
	}
	defer wipe(pin)
	err = p.with(func(t *conn, srk *primary) error {
		if string(srk.name.Buffer) != string(name) {
			return fmt.Errorf("%w: it is another TPM than the slot was made with, or it has been cleared since", rootkey.ErrWrongKey)
		}
		key, err = unsealObject(t, srk, public, private, pin, pcrs)
		return err
	})
	if err == nil && key.Len() != keySize {
		err = errParameter
	}
	if err != nil {
		key.Wipe()
		return secret.Bytes{}, err
	}
	return key, nil
}

// ask returns the PIN if one is needed, and nil if not.
func (p provider) ask(needed bool) (*secret.Bytes, error) {
	if !needed {
		return nil, nil
	}
	if p.cfg.PIN == nil {
		return nil, errors.New("the TPM slot has a PIN, and none was given")
	}
	pin, err := p.cfg.PIN()
	if err != nil {
		return nil, fmt.Errorf("PIN of the TPM slot: %w", err)
	}
	if pin.Len() == 0 {
		return nil, fmt.Errorf("PIN of the TPM slot: %w: it is empty", rootkey.ErrMistyped)
	}
	return &pin, nil
}

func wipe(pin *secret.Bytes) {
	if pin != nil {
		pin.Wipe()
	}
}

// with lends fn the TPM and its storage root key.
func (p provider) with(fn func(t *conn, srk *primary) error) error {
	t, err := dial(p.cfg.Device)
	if err != nil {
		return fmt.Errorf("TPM: %w", err)
	}
	defer t.close()
	srk, err := openPrimary(t)
	if err != nil {
		return fmt.Errorf("TPM %s: %w", p.cfg.Device, explain(err))
	}
	defer flush(t, srk.handle)
	if err := fn(t, srk); err != nil {
		return fmt.Errorf("TPM %s: %w", p.cfg.Device, explain(err))
	}
	return nil
}

// explain puts a TPM's refusal into words.
func explain(err error) error {
	switch {
	case errors.Is(err, tpm2.TPMRCLockout):
		return fmt.Errorf("%w; it forgets one after some time, or at once with tpm2_dictionarylockout --clear-lockout", ErrLocked)
	case errors.Is(err, tpm2.TPMRCAuthFail):
		return fmt.Errorf("%w: the PIN is not the slot's", rootkey.ErrWrongKey)
	case errors.Is(err, tpm2.TPMRCPolicyFail), errors.Is(err, tpm2.TPMRCPCRChanged):
		return fmt.Errorf("%w: the PCRs are not what they were when the slot was made; the machine has booted something else", rootkey.ErrWrongKey)
	case errors.Is(err, tpm2.TPMRCIntegrity):
		return fmt.Errorf("%w: the slot was not made by this TPM", rootkey.ErrWrongKey)
	case errors.Is(err, tpm2.TPMRCBadAuth):
		return fmt.Errorf("its owner hierarchy has a password, which must be empty: %w", err)
	case errors.Is(err, tpm2.TPMRCInitialize):
		return fmt.Errorf("it has not been started (TPM2_Startup): %w", err)
	}
	return err
}
