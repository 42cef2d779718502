package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/secret"
)

// passphraseAsk is the --passphrase that asks the person at the terminal.
const passphraseAsk = "ask"

// errNoTerminal says that a passphrase was to be asked for and nobody is there.
var errNoTerminal = errors.New("there is no terminal to ask for the passphrase at")

// provider is what opens the root key without anybody's help, as the operator configured it.
func (c *config) provider(ask func() (secret.Bytes, error)) rootkey.Provider {
	switch c.Passphrase {
	case "":
		return rootkey.FileProvider(c.RootKey)
	case passphraseAsk:
		return rootkey.PassphraseProvider(ask)
	}
	return rootkey.PassphraseProvider(func() (secret.Bytes, error) { return readPassphrase(c.Passphrase) })
}

// readPassphrase reads a passphrase file, less the newline that editors put at its end.
func readPassphrase(path string) (secret.Bytes, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return secret.Bytes{}, err
	}
	return secret.New(bytes.TrimRight(text, "\r\n")), nil
}

// checkPassphraseFile refuses a passphrase file that is not fit for a new house.
func (c *config) checkPassphraseFile() error {
	if c.Passphrase == "" || c.Passphrase == passphraseAsk {
		return nil
	}
	given, err := readPassphrase(c.Passphrase)
	if err != nil {
		return err
	}
	defer given.Wipe()
	if err := cli.CheckPassphrase(given); err != nil {
		return fmt.Errorf("passphrase file %s: %w", c.Passphrase, err)
	}
	return nil
}

// openRoot opens the root key of an existing house.
func openRoot(cfg *config) (*rootkey.Key, error) {
	return rootkey.Open(cfg.path(sealName), cfg.provider(func() (secret.Bytes, error) {
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return secret.Bytes{}, fmt.Errorf("%w: %w", rootkey.ErrSealed, errNoTerminal)
		}
		return cli.AskPassphrase("Passphrase of the house: ")
	}))
}

// openRecovery opens the root key of an existing house with its recovery code.
func openRecovery(cfg *config) (*rootkey.Key, error) {
	return rootkey.Open(cfg.path(sealName), rootkey.RecoveryProvider(func() (secret.Bytes, error) {
		return cli.AskPassphrase("Recovery code: ")
	}))
}

// makeRoot makes the root key of a new house and says what must be kept.
func makeRoot(cmd *cobra.Command, cfg *config) (*rootkey.Key, error) {
	if err := errors.Join(emptyHouse(cfg), cfg.checkPassphraseFile()); err != nil {
		return nil, err
	}
	if cfg.RootKey != "" {
		if err := durable.MkdirAll(filepath.Dir(cfg.RootKey), 0o700); err != nil {
			return nil, fmt.Errorf("root key: %w", err)
		}
	}
	key, code, err := rootkey.Init(cfg.path(sealName), cfg.provider(func() (secret.Bytes, error) {
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return secret.Bytes{}, errNoTerminal
		}
		return cli.NewPassphrase()
	}))
	if err != nil {
		return nil, err
	}
	cmd.Printf("\nThis is a new house. Its recovery code is shown only now; it opens the house when the root key is lost:\n\n    %s\n\n", code.Reveal())
	if cfg.RootKey != "" {
		cmd.Printf("WARNING: the root key is the file %s.\nWhoever takes it together with the data directory has everything; whoever loses it and the\nrecovery code has nothing. Keep a copy elsewhere, or start with --passphrase ask.\n", cfg.RootKey)
	}
	code.Wipe()
	return key, nil
}

// emptyHouse refuses to make a new root key over data of an older one.
func emptyHouse(cfg *config) error {
	for _, name := range []string{storeName, auditName, blobsName} {
		if _, err := os.Stat(cfg.path(name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is missing, but %s is there: this directory holds a house whose seal file was lost", cfg.path(sealName), cfg.path(name))
		}
	}
	return nil
}
