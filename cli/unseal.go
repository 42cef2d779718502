package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/strongroom/strongroom/secret"
)

// minPassphrase is the fewest bytes of a new passphrase.
const minPassphrase = 12

// Unsealing is what opens a sealed house: one of them.
type Unsealing struct {
	Passphrase string `json:"passphrase,omitempty"`
	Recovery   string `json:"recovery,omitempty"`
	PIN        string `json:"pin,omitempty"`   // of the token or TPM that the house is configured with
	Retry      bool   `json:"retry,omitempty"` // what the house is configured with, once more
}

// Unseal is the command that gives a sealed house its passphrase.
func Unseal(data func() (string, error)) *cobra.Command {
	recovery, pin, retry := false, false, false
	cmd := &cobra.Command{
		Use:   "unseal",
		Short: "Open a house that started sealed",
		Long: `Ask for the passphrase, the recovery code or a PIN, and give it to the house that waits for it. With --retry
nothing is asked: the house tries again what it is configured with, such as a token that is back.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := data()
			if err != nil {
				return err
			}
			u := Unsealing{Retry: retry}
			for _, ask := range []struct {
				wanted bool
				prompt string
				answer *string
			}{
				{recovery, "Recovery code: ", &u.Recovery}, {pin, "PIN: ", &u.PIN},
				{!recovery && !pin && !retry, "Passphrase of the house: ", &u.Passphrase},
			} {
				if !ask.wanted {
					continue
				}
				given, err := AskPassphrase(ask.prompt)
				if err != nil {
					return err
				}
				*ask.answer = string(given.Reveal())
				given.Wipe()
			}
			if err := NewClient(dir).Call(cmd.Context(), "POST", "/v1/unseal", u, nil); err != nil {
				return err
			}
			cmd.PrintErrln("accepted; the house opens")
			return nil
		},
	}
	cmd.Flags().BoolVar(&recovery, "recovery", false, "use the recovery code instead of the passphrase")
	cmd.Flags().BoolVar(&pin, "pin", false, "use the PIN of the token or TPM that the house is configured with")
	cmd.Flags().BoolVar(&retry, "retry", false, "try again what the house is configured with")
	cmd.MarkFlagsMutuallyExclusive("recovery", "pin", "retry")
	return cmd
}

// AskPassphrase reads a line without echo from the terminal, or as it comes from a pipe.
func AskPassphrase(prompt string) (secret.Bytes, error) {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		line, err := bufio.NewReader(os.Stdin).ReadBytes('\n')
		if err != nil && len(line) == 0 {
			return secret.Bytes{}, fmt.Errorf("no passphrase was given: %w", err)
		}
		return secret.New(bytes.TrimRight(line, "\r\n")), nil
	}
	fmt.Fprint(os.Stderr, prompt)
	given, err := term.ReadPassword(fd)
	fmt.Fprintln(os.Stderr)
	return secret.New(given), err
}

// CheckPassphrase refuses a new passphrase that is too short, wherever it comes from.
func CheckPassphrase(given secret.Bytes) error {
	if given.Len() < minPassphrase {
		return fmt.Errorf("a passphrase needs at least %d characters", minPassphrase)
	}
	return nil
}

// NewPassphrase asks for a new passphrase twice.
func NewPassphrase() (secret.Bytes, error) {
	first, err := AskPassphrase("New passphrase for the house: ")
	if err != nil {
		return secret.Bytes{}, err
	}
	if err := CheckPassphrase(first); err != nil {
		return secret.Bytes{}, err
	}
	again, err := AskPassphrase("The same again: ")
	if err != nil {
		return secret.Bytes{}, err
	}
	defer again.Wipe()
	if !first.Equal(again) {
		return secret.Bytes{}, errors.New("the two passphrases differ")
	}
	return first, nil
}
