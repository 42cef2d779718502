package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/durable"
)

// checkPassed is the last line of a check that found nothing wrong.
const checkPassed = "everything was read and authenticated"

// errCheck says that a check found damage; what it is has been printed.
var errCheck = errors.New("the data directory is damaged")

func checkCommand(cfg *config, load func() error) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Read and authenticate everything in a data directory",
		Long: `Read and authenticate everything in a data directory: every record, the whole audit log with
its chain and trees, and the stored bytes of every object and every block of metrics, by marks that take no
key of a customer and open nothing. The logs of metrics are opened: with each workspace's key, as the service itself; where a key
cannot be used, that is said and the log is left out. A running house checks itself; one that is not running is opened for it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := load(); err != nil {
				return err
			}
			err := checkRunning(cmd, cfg)
			if !errors.Is(err, cli.ErrNotRunning) {
				return err
			}
			return withHouse(cmd, cfg, "Check", func(h *house) error {
				if err := h.Check(cmd.Context(), func(line string) { cmd.Println(line) }); err != nil {
					return fmt.Errorf("%w: %w", errCheck, err)
				}
				cmd.Println(checkPassed)
				return nil
			})
		},
	}
}

// checkRunning has a running house check itself, and prints what it says.
func checkRunning(cmd *cobra.Command, cfg *config) error {
	lines, err := cli.NewClient(cfg.Data).Stream(cmd.Context(), "POST", "/v1/check", nil)
	if err != nil {
		return err
	}
	defer lines.Close()
	last := ""
	for scan := bufio.NewScanner(lines); scan.Scan(); {
		last = scan.Text()
		cmd.Println(last)
	}
	if last != checkPassed {
		return errCheck
	}
	return nil
}

// unrecorded is said where a command goes on without its record.
const unrecorded = "WARNING: no record of this could be kept in the audit log"

// withHouse opens a house that is not running, records the event, calls fn and closes it. What only reads is done also where the
// log cannot be written: who looks for damage, or saves what can be saved, must not be stopped by it.
func withHouse(cmd *cobra.Command, cfg *config, event string, fn func(*house) error) (err error) {
	if _, err := os.Stat(cfg.path(sealName)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds no house: it has no %s", cfg.Data, sealName)
	}
	lock, err := durable.LockDir(cfg.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	root, err := openRoot(cfg)
	if err != nil {
		return err
	}
	defer root.Close()
	h, err := openHouse(cmd.Context(), cfg, root, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		cmd.PrintErrln(unrecorded)
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if err := h.recordReading(cmd.Context(), event); err != nil {
		cmd.PrintErrf("%s: %v\n", unrecorded, err)
	}
	return fn(h)
}

// recordReading records a command that only reads, and what was refused before.
func (h *house) recordReading(ctx context.Context, event string) error {
	return errors.Join(h.recordRefusals(ctx), h.record(ctx, event, "", nil))
}

// Check reads and authenticates everything, and tells as it goes. It may run while the house serves.
func (h *house) Check(ctx context.Context, tell func(string)) error {
	tell("records: reading")
	if err := h.db.Check(ctx); err != nil {
		return fmt.Errorf("records: %w", err)
	}
	if err := h.audit.Check(ctx, func(done, of int) { tell(fmt.Sprintf("audit log: segment %d of %d", done, of)) }); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	for _, s := range h.services {
		if s.Check == nil {
			continue
		}
		tell(s.API.Name + ": reading")
		if err := s.Check(ctx, tell); err != nil {
			return fmt.Errorf("%s: %w", s.API.Name, err)
		}
	}
	return nil
}
