package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/service/iam"
	"github.com/strongroom/strongroom/store"
)

// unshownKey is a record that is there from before the first account is made until its credentials have been printed. A start
// that finds it prints them again: they are shown at least once, wherever the first one was cut short.
var unshownKey = []byte("house/unshown")

// told calls fn, which prints with cmd, and returns an error where what it printed has not been handed to the operating system as
// a whole.
func told(cmd *cobra.Command, fn func()) error {
	out := cmd.OutOrStdout()
	var text bytes.Buffer
	cmd.SetOut(&text)
	fn()
	cmd.SetOut(out)
	_, err := out.Write(text.Bytes())
	clear(text.Bytes())
	if f, ok := out.(*os.File); ok && err == nil {
		_ = f.Sync() // which a file needs, and neither a terminal nor a pipe can
	}
	return err
}

// firstAccount makes the first account of a new house, with credentials that are to be shown. It returns nil for a house that
// has one whose credentials have been.
func (h *house) firstAccount(ctx context.Context) (*cli.Account, error) {
	accounts, err := h.iam.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	if len(accounts) == 0 {
		if err := h.setUnshown(ctx, true); err != nil {
			return nil, err
		}
		return h.createAccount(ctx, "main")
	}
	if unshown, err := h.unshown(ctx); err != nil || !unshown {
		return nil, err
	}
	first := accounts[0]
	key, err := h.iam.AdministratorKey(ctx, first.ID)
	if errors.Is(err, iam.ErrNoAdministrator) { // who took it away has seen it
		return nil, h.setUnshown(ctx, false)
	}
	if err != nil {
		return nil, err
	}
	// The start before may have ended ahead of the account's record as well.
	if err := h.record(ctx, "CreateAccount", first.ID, map[string]string{"accountId": first.ID, "shownAgain": "true"}); err != nil {
		return nil, err
	}
	return &cli.Account{
		ID: first.ID, Name: first.Name, UserARN: key.Principal.ARN, AccessKeyID: key.AccessKeyID, SecretAccessKey: string(key.Secret.Reveal()),
	}, nil
}

// announce prints what a person needs to go on. What cannot be printed is printed by the next start.
func (h *house) announce(cmd *cobra.Command, address net.Addr, made *cli.Account) {
	err := told(cmd, func() { welcome(cmd, h.cfg, h, address, made) })
	if made == nil {
		return
	}
	if err == nil {
		err = h.setUnshown(context.WithoutCancel(cmd.Context()), false)
	}
	if err != nil {
		h.log.Warn("the credentials of the first account are printed again at the next start", "error", err)
	}
}

// unshown reports whether nobody has seen the credentials of the first account.
func (h *house) unshown(ctx context.Context) (found bool, err error) {
	err = h.db.View(ctx, func(r store.Reader) (err error) {
		found, err = store.Exists(r, unshownKey)
		return err
	})
	return found, err
}

func (h *house) setUnshown(ctx context.Context, is bool) error {
	return h.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		if is {
			return tx.Put(unshownKey, nil)
		}
		return tx.Delete(unshownKey)
	})
}
