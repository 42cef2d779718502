package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/rootkey"
)

// rootkeyCommand looks after the seal file. Its commands work on a house that is stopped.
func rootkeyCommand(cfg *config, load func() error) *cobra.Command {
	s := &slots{cfg: cfg, load: load}
	cmd := &cobra.Command{
		Use:   "rootkey",
		Short: "List, add, remove and rotate what opens the house",
		Long: `The root key lies in the seal file once per slot, and any one slot opens the house. What opens it for these
commands is said as for serve (--root-key, --passphrase, --root-key-pkcs11, --root-key-tpm), or is the recovery
code with --recovery.

All but list need the house to be stopped: they take the lock of the data directory.`,
	}
	list := &cobra.Command{Use: "list", Short: "List the slots; needs no key", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return s.list(cmd) }}
	add := &cobra.Command{
		Use:   "add",
		Short: "Add a slot: something more that opens the house",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.opened(func(k *rootkey.Key) error { return s.add(cmd, k) })
		},
	}
	remove := &cobra.Command{
		Use:   "remove SLOT",
		Short: "Remove a slot by its number; the last one stays",
		Long: `Remove a slot by its number, which list shows. The last slot stays. Whoever has an older copy of the seal
file, such as in a backup, and what opened the slot can still open that copy and learns the root key: rotate, if that matters.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.opened(func(k *rootkey.Key) error { return s.remove(cmd, k, args[0]) })
		},
	}
	rotate := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new root key, move it where you say, and wrap everything again",
		Long: `Make a new root key and wrap everything again that lies directly under the old one. All slots go; there is one new slot,
for what --new-root-key and its kin say or else what opens the house now, and a new recovery code. The old key
file, passphrase, token slot or recovery code opens nothing of the house any more.

The house must be stopped. What is stored is not read: only wrapped keys are. When the rotation is interrupted, whatever
the reason, the house still opens and works; run the same command again and it goes on.

Backups that were made before open with what opened the house then. Keep that, or make a new backup.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.rotate(cmd) },
	}
	s.bindNew(add.Flags())
	s.bindNew(rotate.Flags())
	add.Flags().BoolVar(&s.newRecovery, "new-recovery", false, "add a slot for a new recovery code, and print the code")
	for _, c := range []*cobra.Command{add, remove, rotate} {
		c.Flags().BoolVar(&s.recovery, "recovery", false, "open the house with the recovery code")
	}
	cmd.AddCommand(list, add, remove, rotate)
	return cmd
}

// slots is what the commands of rootkey were told.
type slots struct {
	cfg         *config
	load        func() error
	recovery    bool
	next        way
	newRecovery bool
}

// bindNew adds the flags that say what a new slot opens with.
func (s *slots) bindNew(f *pflag.FlagSet) {
	f.StringVar(&s.next.file, "new-root-key", "", "new slot: key file, made if it is not there")
	f.StringVar(&s.next.passphrase, "new-passphrase", "", `new slot: passphrase, "ask" or a file that holds it`)
	f.StringVar(&s.next.pkcs11, "new-root-key-pkcs11", "", "new slot: PKCS#11 token, written as for --root-key-pkcs11")
	f.StringVar(&s.next.tpm, "new-root-key-tpm", "", "new slot: TPM 2.0, written as for --root-key-tpm")
}

// prepare reads the configuration and the flags for the new slot.
func (s *slots) prepare() (err error) {
	if err := s.load(); err != nil {
		return err
	}
	if err := s.next.check(); err != nil {
		return fmt.Errorf("new slot: %w", err)
	}
	if s.next.file != "" {
		s.next.file, err = filepath.Abs(s.next.file)
	}
	return err
}

func (s *slots) seal() string { return s.cfg.path(sealName) }

// locked calls fn while nobody else, such as a running house, uses the data directory.
func (s *slots) locked(fn func() error) (err error) {
	if _, err := rootkey.Slots(s.seal()); err != nil {
		return err
	}
	lock, err := durable.LockDir(s.cfg.Data)
	if errors.Is(err, durable.ErrLocked) {
		return fmt.Errorf("stop the house first, this works on one that is stopped: %w", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	return fn()
}

// opened calls fn with the root key of a house that is stopped.
func (s *slots) opened(fn func(*rootkey.Key) error) error {
	if err := s.prepare(); err != nil {
		return err
	}
	return s.locked(func() error {
		open := openRoot
		if s.recovery {
			open = openRecovery
		}
		key, err := open(s.cfg)
		if err != nil {
			return err
		}
		defer key.Close()
		return fn(key)
	})
}

func (s *slots) list(cmd *cobra.Command) error {
	if err := s.load(); err != nil {
		return err
	}
	list, err := rootkey.Slots(s.seal())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SLOT\tKIND\tMADE\tABOUT")
	for _, sl := range list {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", sl.ID, sl.Kind, sl.Created, sl.About)
	}
	return w.Flush()
}

// record records what is about to be done to the seal file, with what has opened it.
func (s *slots) record(ctx context.Context, key *rootkey.Key, event string, parameters map[string]string) error {
	parameters["openedBy"] = byConfiguration
	if s.recovery {
		parameters["openedBy"] = byRecovery
	}
	return recordAlone(ctx, s.cfg, key, event, parameters)
}

func (s *slots) add(cmd *cobra.Command, key *rootkey.Key) error {
	if s.newRecovery != s.next.none() {
		return errors.New("say one thing that is to open the house too: --new-root-key, --new-passphrase, --new-root-key-pkcs11, --new-root-key-tpm or --new-recovery")
	}
	kind := s.next.kind()
	if s.newRecovery {
		kind = byRecovery
	}
	if err := s.record(cmd.Context(), key, "AddRootKeySlot", map[string]string{"kind": kind}); err != nil {
		return err
	}
	if s.newRecovery {
		code, err := rootkey.AddRecovery(s.seal(), key)
		if err != nil {
			return err
		}
		defer code.Wipe()
		cmd.Printf("A further recovery code, shown only now:\n\n    %s\n\nOlder ones still open the house; see rootkey list and rootkey remove.\n", code.Reveal())
		return nil
	}
	if err := s.next.ready(); err != nil {
		return err
	}
	p, err := s.next.toMake()
	if err != nil {
		return err
	}
	id, err := rootkey.AddSlot(s.seal(), key, p)
	if err != nil {
		return err
	}
	cmd.Printf("added slot %d, %s\n", id, p.Kind())
	warn(cmd, s.next)
	return nil
}

func (s *slots) remove(cmd *cobra.Command, key *rootkey.Key, text string) error {
	id, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("a slot is named by its number, not by %q; see rootkey list", text)
	}
	if err := s.record(cmd.Context(), key, "RemoveRootKeySlot", map[string]string{"slot": strconv.Itoa(id)}); err != nil {
		return err
	}
	if err := rootkey.RemoveSlot(s.seal(), key, id); err != nil {
		return err
	}
	cmd.Printf("removed slot %d\n", id)
	return nil
}
