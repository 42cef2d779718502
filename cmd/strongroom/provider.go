package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/rootkey/token"
	"github.com/strongroom/strongroom/rootkey/tpm"
	"github.com/strongroom/strongroom/secret"
)

// way is one way to open a root key, as an operator writes it. At most one field is not "".
type way struct {
	file       string // path of a key file
	passphrase string // "ask", or a file that holds it
	pkcs11     string // module=...,token=...,pin-file=...
	tpm        string // device=...,pcrs=...,pin-file=...
}

// asking is how a person is asked for what is in no file.
type asking struct {
	passphrase func() (secret.Bytes, error)
	pin        func() (secret.Bytes, error)
}

// way is how the root key of the house opens.
func (c *config) way() way {
	return way{file: c.RootKey, passphrase: c.Passphrase, pkcs11: c.RootKeyPKCS11, tpm: c.RootKeyTPM}
}

// none reports whether nothing was said.
func (w way) none() bool { return w == way{} }

// check refuses what cannot be meant.
func (w way) check() error {
	given := slices.DeleteFunc([]string{w.file, w.passphrase, w.pkcs11, w.tpm}, func(s string) bool { return s == "" })
	if len(given) > 1 {
		return errors.New("give a root key file, a passphrase, a token (PKCS#11) or a TPM, not two of them")
	}
	_, err := w.provider(asking{})
	return err
}

// provider opens the root key in this way.
func (w way) provider(ask asking) (rootkey.Provider, error) {
	switch {
	case w.pkcs11 != "":
		return tokenProvider(w.pkcs11, ask.pin)
	case w.tpm != "":
		return tpmProvider(w.tpm, ask.pin)
	case w.passphrase == askPerson:
		return rootkey.PassphraseProvider(ask.passphrase), nil
	case w.passphrase != "":
		return rootkey.PassphraseProvider(fromFile(w.passphrase)), nil
	}
	return rootkey.FileProvider(w.file), nil
}

// kind names the way without its particulars.
func (w way) kind() string {
	switch {
	case w.pkcs11 != "":
		return "PKCS#11 token"
	case w.tpm != "":
		return "TPM"
	case w.passphrase != "":
		return byPassphrase
	}
	return "key file"
}

// String describes the way to a person.
func (w way) String() string {
	switch {
	case w.pkcs11 != "":
		return "in a PKCS#11 token: " + w.pkcs11
	case w.tpm != "":
		return "in the TPM: " + w.tpm
	case w.passphrase != "":
		return "under a passphrase"
	}
	return w.file
}

// option is a key=value of a provider's text.
func options(flag, text string, known ...string) (map[string]string, error) {
	out := make(map[string]string)
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		if _, twice := out[key]; !ok || value == "" || twice || !slices.Contains(known, key) {
			return nil, fmt.Errorf("--%s is %s=..., with commas between them, not %q", flag, strings.Join(known, "=...,"), text)
		}
		out[key] = value
	}
	return out, nil
}

// tokenProvider reads what --root-key-pkcs11 says.
func tokenProvider(text string, ask func() (secret.Bytes, error)) (rootkey.Provider, error) {
	o, err := options("root-key-pkcs11", text, "module", "token", "pin-file", "key", "helper")
	if err != nil {
		return nil, err
	}
	if o["module"] == "" || o["token"] == "" {
		return nil, errors.New("--root-key-pkcs11 needs module= and token=")
	}
	pin := ask
	if file := o["pin-file"]; file != "" && file != askPerson {
		pin = fromFile(file)
	}
	return token.Provider(token.Config{Helper: o["helper"], Module: o["module"], Token: o["token"], Key: o["key"], PIN: pin}), nil
}

// tpmProvider reads what --root-key-tpm says.
func tpmProvider(text string, ask func() (secret.Bytes, error)) (rootkey.Provider, error) {
	o, err := options("root-key-tpm", text, "device", "pcrs", "pin-file")
	if err != nil {
		return nil, err
	}
	if err := tpm.ParsePCRs(o["pcrs"]); err != nil {
		return nil, fmt.Errorf("--root-key-tpm: %w", err)
	}
	cfg := tpm.Config{Device: o["device"], PCRs: o["pcrs"]}
	switch file := o["pin-file"]; file {
	case "":
	case askPerson:
		cfg.PIN = ask
	default:
		cfg.PIN = fromFile(file)
	}
	return tpm.Provider(cfg), nil
}

// withPIN returns the way with the PIN asked for, whatever file it was to come from.
func (w way) withPIN() way {
	for _, text := range []*string{&w.pkcs11, &w.tpm} {
		if *text == "" {
			continue
		}
		parts := slices.DeleteFunc(strings.Split(*text, ","), func(part string) bool { return strings.HasPrefix(part, "pin-file=") })
		*text = strings.Join(append(parts, "pin-file="+askPerson), ",")
	}
	return w
}

func fromFile(path string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) { return readPassphrase(path) }
}

// atTerminal asks the person at the terminal. Where there is none, a house that is there stays sealed.
func atTerminal(ask func() (secret.Bytes, error)) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) {
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return secret.Bytes{}, errNoTerminal
		}
		return ask()
	}
}

// prompt asks for one secret.
func prompt(text string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) { return cli.AskPassphrase(text) }
}

// once asks once and remembers the answer until it is forgotten: there may be more than one slot that it is tried on.
func once(ask func() (secret.Bytes, error)) (remember func() (secret.Bytes, error), forget func()) {
	var answer secret.Bytes
	asked := false
	remember = func() (secret.Bytes, error) {
		if !asked {
			given, err := ask()
			if err != nil {
				return secret.Bytes{}, err
			}
			answer, asked = given, true
		}
		return secret.New(bytes.Clone(answer.Reveal())), nil // whoever asks wipes what he is given
	}
	return remember, func() { answer.Wipe() }
}

// askToOpen asks for what opens a house. The caller calls forget when it is open.
func askToOpen() (ask asking, forget func()) {
	passphrase, forgetPassphrase := once(atTerminal(prompt("Passphrase of the house: ")))
	pin, forgetPIN := once(atTerminal(prompt("PIN: ")))
	return asking{passphrase, pin}, func() { forgetPassphrase(); forgetPIN() }
}

// toMake is the provider of a new slot. The PIN of a token is there already; that of a TPM slot is new, and a slip of
// the finger would show only when it is too late.
func (w way) toMake() (rootkey.Provider, error) {
	ask := asking{passphrase: atTerminal(cli.NewPassphrase), pin: atTerminal(newPIN)}
	if w.pkcs11 != "" {
		ask.pin = atTerminal(prompt("PIN: "))
	}
	return w.provider(ask)
}

func newPIN() (secret.Bytes, error) {
	first, err := cli.AskPassphrase("PIN: ")
	if err != nil {
		return secret.Bytes{}, err
	}
	again, err := cli.AskPassphrase("The same again: ")
	if err != nil {
		return secret.Bytes{}, err
	}
	defer again.Wipe()
	if !first.Equal(again) {
		return secret.Bytes{}, errors.New("the two differ")
	}
	return first, nil
}

// ready makes the folder of a new key file, and refuses a passphrase file that is not fit for a new slot.
func (w way) ready() error {
	if w.file != "" {
		if err := makeKeyFolder(filepath.Dir(w.file)); err != nil {
			return fmt.Errorf("root key: %w", err)
		}
	}
	return w.checkPassphraseFile()
}
