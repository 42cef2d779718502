package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/gateway"
	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
)

// rotate rotates the root key of a house that is stopped, or finishes a rotation that has begun.
func (s *slots) rotate(cmd *cobra.Command) error {
	if err := s.prepare(); err != nil {
		return err
	}
	next := s.next
	if next.none() {
		next = s.cfg.way()
	}
	return s.locked(func() error {
		key, err := s.openEither()
		if err != nil {
			return err
		}
		defer func() { key.Close() }()
		unfinished, err := rootkey.Unfinished(s.seal(), key)
		if err != nil {
			return err
		}
		if err := s.record(cmd.Context(), key, "RotateRootKey", map[string]string{"to": next.kind(), "goesOn": strconv.FormatBool(unfinished)}); err != nil {
			return err
		}
		if unfinished {
			cmd.Printf("going on with the rotation that has begun; if its recovery code was not seen, add one with rootkey add --new-recovery\n")
		} else {
			fresh, err := s.begin(cmd, key, next)
			if err != nil {
				return err
			}
			key.Close()
			key = fresh
		}
		if _, err := rewrap(cmd.Context(), s.cfg, key, key, func(line string) { cmd.Println(line) }); err != nil {
			return fmt.Errorf("%w; the house opens and works, and the same command goes on", err)
		}
		if err := rootkey.FinishRotation(s.seal(), key); err != nil {
			return err
		}
		cmd.Println("the root key has been rotated; nothing lies under the old one any more")
		return nil
	})
}

// openEither opens the root key with what opens the house now or, where an interrupted rotation has
// put it there, with what it was to be opened with.
func (s *slots) openEither() (*rootkey.Key, error) {
	if s.recovery {
		return openRecovery(s.cfg)
	}
	if s.next.none() {
		return openRoot(s.cfg)
	}
	return openWith(s.cfg, s.cfg.way(), s.next)
}

// begin makes the new root key.
func (s *slots) begin(cmd *cobra.Command, key *rootkey.Key, next way) (*rootkey.Key, error) {
	if err := next.ready(); err != nil {
		return nil, err
	}
	p, err := next.toMake()
	if err != nil {
		return nil, err
	}
	fresh, code, err := rootkey.Rotate(s.seal(), key, p)
	if err != nil {
		return nil, err
	}
	defer code.Wipe()
	cmd.Printf("\nThere is a new root key. Its recovery code is shown only now; the old one is void:\n\n    %s\n\n", code.Reveal())
	warn(cmd, next)
	if !s.next.none() {
		cmd.Printf("The house opens differently from now on: change the flags or the configuration that it is started with.\n\n")
	}
	return fresh, nil
}

// errUnderOld says that something still lies under an older wrapping key.
var errUnderOld = errors.New("not everything could be wrapped again")

// rewrapper is a root key that wraps again; *rootkey.Key is one.
type rewrapper interface {
	audit.Rewrapper
	store.Rewrapper
	gateway.Rewrapper
	service.Rewrapper
}

// rewrap wraps everything again that lies directly under an older wrapping key, and then looks whether all of it is.
// key opens the house, and to, which is the same but in tests, wraps. It can be interrupted and called again at any
// point. It returns how much there was to do.
func rewrap(ctx context.Context, cfg *config, key *rootkey.Key, to rewrapper, tell func(string)) (total int, err error) {
	if _, err := os.Stat(cfg.path(storeName)); errors.Is(err, os.ErrNotExist) {
		return 0, nil // it was never started
	}
	files, err := rewrapFiles(cfg, to, tell)
	if err != nil {
		return files, err
	}
	records, err := rewrapServices(ctx, cfg, key, to, tell)
	if err != nil {
		return files + records, err
	}
	left, err := rewrapFiles(cfg, to, func(string) {})
	if err == nil && left > 0 {
		err = fmt.Errorf("%w: %d files", errUnderOld, left)
	}
	return files + records, err
}

// rewrapFiles wraps again what lies under the root key in files of its own.
func rewrapFiles(cfg *config, to rewrapper, tell func(string)) (total int, err error) {
	n, err := store.Rewrap(cfg.path(storeName), to)
	if total += n; err != nil {
		return total, err
	}
	tell(fmt.Sprintf("keys of the store: %d wrapped again", n))
	changed, err := gateway.RewrapAuthority(cfg.path(tlsName), to)
	if err != nil {
		return total, err
	}
	if changed {
		total++
		tell("local certificate authority: wrapped again")
	}
	n, err = audit.Rewrap(cfg.path(auditName), to, func(done, of int) { tell(fmt.Sprintf("audit log: segment %d of %d", done, of)) })
	if total += n; err != nil {
		return total, err
	}
	tell(fmt.Sprintf("keys of the audit log: %d wrapped again", n))
	return total, nil
}

// rewrapServices opens the house and has each service wrap again what it keeps under the root key, until there is
// nothing left.
func rewrapServices(ctx context.Context, cfg *config, key *rootkey.Key, to rewrapper, tell func(string)) (total int, err error) {
	h, err := openHouse(ctx, cfg, key, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	for _, s := range h.services {
		if s.Rewrap == nil {
			continue
		}
		n, err := s.Rewrap(ctx, to)
		if total += n; err != nil {
			return total, fmt.Errorf("%s: %w", s.API.Name, err)
		}
		tell(fmt.Sprintf("keys of %s: %d wrapped again", s.API.Name, n))
		if n, err = s.Rewrap(ctx, to); err == nil && n > 0 {
			err = fmt.Errorf("%w: %d records", errUnderOld, n)
		}
		if err != nil {
			return total, fmt.Errorf("%s: %w", s.API.Name, err)
		}
	}
	return total, nil
}
