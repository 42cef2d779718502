package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/secret"
)

// askPerson is the --passphrase, and the pin-file, that asks the person at the terminal.
const askPerson = "ask"

// errNoTerminal says that a passphrase was to be asked for and nobody is there.
var errNoTerminal = errors.New("there is no terminal to ask a person at")

// readPassphrase reads a passphrase file, less the newline that editors put at its end.
func readPassphrase(path string) (secret.Bytes, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return secret.Bytes{}, err
	}
	return secret.New(bytes.TrimRight(text, "\r\n")), nil
}

// checkPassphraseFile refuses a passphrase file that is not fit for a new house.
func (w way) checkPassphraseFile() error {
	if w.passphrase == "" || w.passphrase == askPerson {
		return nil
	}
	given, err := readPassphrase(w.passphrase)
	if err != nil {
		return err
	}
	defer given.Wipe()
	if err := cli.CheckPassphrase(given); err != nil {
		return fmt.Errorf("passphrase file %s: %w", w.passphrase, err)
	}
	return nil
}

// openRoot opens the root key of an existing house.
func openRoot(cfg *config) (*rootkey.Key, error) { return openWith(cfg, cfg.way()) }

// openWith opens the root key of an existing house in one of several ways.
func openWith(cfg *config, ways ...way) (*rootkey.Key, error) {
	ask, forget := askToOpen()
	defer forget()
	var providers []rootkey.Provider
	for _, w := range ways {
		p, err := w.provider(ask)
		if err != nil {
			return nil, err
		}
		providers = append(providers, p)
	}
	key, err := rootkey.Open(cfg.path(sealName), providers...)
	return key, cfg.noted(byConfiguration, err)
}

// openRecovery opens the root key of an existing house with its recovery code.
func openRecovery(cfg *config) (*rootkey.Key, error) {
	ask, forget := once(prompt("Recovery code: "))
	defer forget()
	key, err := rootkey.Open(cfg.path(sealName), rootkey.RecoveryProvider(ask))
	return key, cfg.noted(byRecovery, err)
}

// makeRoot makes the root key of a new house and says what must be kept. There is no seal file before its recovery code has been
// printed: a first start that is cut short can be made again, and prints another one.
func makeRoot(cmd *cobra.Command, cfg *config) (*rootkey.Key, error) {
	w := cfg.way()
	if err := errors.Join(emptyHouse(cfg), w.ready()); err != nil {
		return nil, err
	}
	p, err := w.toMake()
	if err != nil {
		return nil, err
	}
	show := func(code secret.Bytes) error {
		defer code.Wipe()
		return told(cmd, func() {
			cmd.Printf("\nThis is a new house. Its recovery code is shown only now; it opens the house when the root key is lost:\n\n    %s\n\n", code.Reveal())
		})
	}
	key, err := rootkey.InitShown(cfg.path(sealName), show, p)
	if err != nil {
		return nil, err
	}
	warn(cmd, w)
	return key, nil
}

// warn says what a way to open the root key depends on.
func warn(cmd *cobra.Command, w way) {
	switch {
	case w.file != "":
		cmd.Printf("WARNING: the root key is the file %s.\nWhoever takes it together with the data directory has everything; whoever loses it and the\nrecovery code has nothing. Keep a copy elsewhere, or start with --passphrase ask.\n", w.file)
	case w.tpm != "":
		cmd.Printf("NOTE: this machine's TPM opens the house, and no other. When the TPM is cleared or the machine is lost,\nor other software boots where PCRs are named, only the recovery code opens it.\n")
	case w.pkcs11 != "":
		cmd.Printf("NOTE: a key in the token opens the house. When the token or that key is lost, only the recovery code opens it.\n")
	}
}

// makeKeyFolder makes the folder of a key file.
func makeKeyFolder(dir string) error { return durable.MkdirAll(dir, 0o700) }

// emptyHouse refuses to make a new root key over data of an older one.
func emptyHouse(cfg *config) error {
	for _, name := range []string{storeName, auditName, blobsName} {
		if _, err := os.Stat(cfg.path(name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is missing, but %s is there: this directory holds a house whose seal file was lost", cfg.path(sealName), cfg.path(name))
		}
	}
	return nil
}
