package rootkey

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"golang.org/x/crypto/argon2"

	"github.com/strongroom/strongroom/secret"
)

// Argon2id with RFC 9106's second recommended parameters (section 4): 3 passes, 64 MiB,
// 4 lanes, 128 bits of salt, 256 bits of tag.
const (
	argonTime   = 3
	argonMemory = 64 << 10 // KiB
	argonLanes  = 4
	argonSalt   = 16
)

// PassphraseProvider opens slots with a passphrase. ask is called once for each slot
// that is tried or made; the provider wipes what it returns. An empty passphrase is
// ErrMistyped. The bytes count as they are: the same letters composed differently in
// Unicode are another passphrase.
func PassphraseProvider(ask func() (secret.Bytes, error)) Provider { return passphraseProvider{ask} }

type passphraseProvider struct {
	ask func() (secret.Bytes, error)
}

func (passphraseProvider) Kind() string { return "passphrase" }

func (p passphraseProvider) NewSlot() (map[string]string, secret.Bytes, error) {
	params := map[string]string{
		"algorithm": "argon2id",
		"time":      strconv.Itoa(argonTime),
		"memory":    strconv.Itoa(argonMemory),
		"lanes":     strconv.Itoa(argonLanes),
		"salt":      hex.EncodeToString(random(argonSalt)),
	}
	key, err := p.SlotKey(params)
	return params, key, err
}

func (p passphraseProvider) SlotKey(params map[string]string) (secret.Bytes, error) {
	a, err := parseArgon(params)
	if err != nil {
		return secret.Bytes{}, err
	}
	pass, err := p.ask()
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("ask for passphrase: %w", err)
	}
	defer pass.Wipe()
	if pass.Len() == 0 {
		return secret.Bytes{}, fmt.Errorf("passphrase: %w: it is empty", ErrMistyped)
	}
	return secret.New(argon2.IDKey(pass.Reveal(), a.salt, a.time, a.memory, a.lanes, keySize)), nil
}

type argonParams struct {
	time, memory uint32
	lanes        uint8
	salt         []byte
}

// parseArgon bounds the parameters before they cost anything: above, so that a changed
// file cannot use up the machine; below, so that it cannot make guessing cheap.
func parseArgon(params map[string]string) (argonParams, error) {
	bad := func(what string) (argonParams, error) {
		return argonParams{}, fmt.Errorf("%w: passphrase parameter %q is %q", ErrCorrupt, what, params[what])
	}
	if params["algorithm"] != "argon2id" {
		return bad("algorithm")
	}
	time, err := strconv.ParseUint(params["time"], 10, 32)
	if err != nil || time < argonTime || time > 64 {
		return bad("time")
	}
	memory, err := strconv.ParseUint(params["memory"], 10, 32)
	if err != nil || memory < argonMemory || memory > 4<<20 {
		return bad("memory")
	}
	lanes, err := strconv.ParseUint(params["lanes"], 10, 8)
	if err != nil || lanes < 1 || lanes > 64 {
		return bad("lanes")
	}
	salt, err := hex.DecodeString(params["salt"])
	if err != nil || len(salt) < argonSalt {
		return bad("salt")
	}
	return argonParams{uint32(time), uint32(memory), uint8(lanes), salt}, nil
}
