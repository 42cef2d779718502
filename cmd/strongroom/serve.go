package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/machine"
	"github.com/strongroom/strongroom/rootkey"
)

// drainTime is how long calls under way may take to end when the house is stopped.
const drainTime = 20 * time.Second

func serveCommand(cfg *config, load func() error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Start the house; at the first start, make it",
		Long: `Start the house and serve it over HTTPS until it is interrupted.

The first start makes everything: the data directory, the root key (a file outside the data
directory, a passphrase with --passphrase, a PKCS#11 token or a TPM with --root-key-pkcs11 or --root-key-tpm), a certificate authority for this house, an
account and its administrator. What a person needs to go on is printed once.

A house whose root key does not open by itself starts sealed, and waits for
"strongroom unseal".`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runtime.LockOSThread() // nothing else runs on the first thread, which can have no lower priority: it would keep it
			if err := load(); err != nil {
				return err
			}
			log, err := newLogger(cfg.Log)
			if err != nil {
				return err
			}
			return serve(cmd, cfg, log)
		},
	}
	cfg.bindServe(cmd.Flags())
	return cmd
}

// newLogger makes the operator's log on standard error.
func newLogger(level string) (*slog.Logger, error) {
	var l slog.Level
	if level != "" {
		if err := l.UnmarshalText([]byte(level)); err != nil {
			return nil, fmt.Errorf("--log is error, warn, info or debug, not %q", level)
		}
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
}

// serve runs a house from lock to lock.
func serve(cmd *cobra.Command, cfg *config, log *slog.Logger) (err error) {
	ctx := cmd.Context()
	if err := rootkey.ProtectProcess(); err != nil {
		log.Warn("core files of this process may hold keys", "error", err)
	}
	lock, err := lockData(cfg.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	control, err := startControl(cfg, log)
	if err != nil {
		return err
	}
	defer control.close()
	root, by, err := openOrMakeRoot(cmd, cfg, control)
	if err != nil {
		return err
	}
	defer root.Close()
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}
	h, err := openHouse(ctx, cfg, root, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	made, err := h.firstAccount(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if unfinished, err := rootkey.Unfinished(cfg.path(sealName), root); err == nil && unfinished {
		log.Warn("a rotation of the root key is unfinished: stop the house and run rootkey rotate again")
	}
	if err := h.recordRefusals(ctx); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := h.record(ctx, "Start", "", map[string]string{"version": version, "openedBy": by}); err != nil {
		return errors.Join(err, listener.Close())
	}
	control.open(h, listener.Addr())
	h.announce(cmd, listener.Addr(), made)
	return errors.Join(h.serve(ctx, listener), h.record(context.WithoutCancel(ctx), "Stop", "", nil))
}

// lockData makes the data directory if it is not there, takes its lock, and removes what a crash in the middle of
// a write has left in it.
func lockData(dir string) (*durable.Lock, error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := durable.LockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := durable.Sweep(dir); err != nil {
		return nil, fmt.Errorf("data directory: %w", errors.Join(err, lock.Release()))
	}
	return lock, nil
}

// serve serves the house until ctx ends or the listener fails, then lets calls and jobs end.
func (h *house) serve(ctx context.Context, listener net.Listener) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	jobs := make(chan struct{})
	go func() {
		defer close(jobs)
		h.run(running)
	}()
	failed := make(chan error, 2)
	go func() { failed <- h.gateway.Serve(listener) }()
	go machine.TuneCollector(running)
	machine.ShortenTurns()
	if h.cfg.Metrics != "off" {
		metrics, err := net.Listen("tcp", h.cfg.Metrics)
		if err != nil {
			// A second house on one machine is common; it must not fail for its metrics.
			h.log.Warn("metrics are not served", "error", err)
		} else {
			go func() { failed <- h.gateway.ServeOperator(metrics) }()
		}
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if shut := h.gateway.Shutdown(drain); err == nil {
		err = shut
	}
	stop()
	<-jobs
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// welcome prints what a person needs to go on: after the first start with the credentials.
func welcome(cmd *cobra.Command, cfg *config, h *house, address net.Addr, made *cli.Account) {
	cmd.Printf("\nStrongroom is ready at %s (%s)\n\n", endpoint(address), strings.Join(h.settings.Regions, ", "))
	if made != nil {
		cmd.Printf("The first account; its credentials are shown only now:\n")
		made.Print(cmd)
		cmd.Printf("\n")
	}
	cmd.Printf("  data                %s\n", cfg.Data)
	if w := cfg.way(); w.passphrase == "" {
		cmd.Printf("  root key            %s\n", w)
	}
	if cfg.Certificate == "" {
		cmd.Printf("  certificates        %s\n", cfg.caBundle())
	}
	command := self() + " env"
	if standard := (&config{}); standard.paths() != nil || standard.Data != cfg.Data {
		command += " --data " + cfg.Data
	}
	cmd.Printf("\nTo use it from a shell of this machine:\n\n    eval \"$(%s)\"\n    aws sts get-caller-identity\n\n", command)
}

// endpoint is the address as a client on this machine writes it.
func endpoint(address net.Addr) string {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return "https://" + address.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "https://" + net.JoinHostPort(host, port)
}

// caBundle is the certificate that clients are to trust, or "" where the operator gave one.
func (c *config) caBundle() string {
	if c.Certificate != "" {
		return ""
	}
	return c.path(tlsName + "/ca.pem")
}

// waits reports whether a house whose root key did not open is to start sealed. A key file or a passphrase file that is
// the wrong one is the operator's slip, which waiting does not cure. A person may mistype; and a token or a TPM may be another
// one, be locked, or not be there, while the house must still come up and take the recovery code.
func (c *config) waits(err error) bool {
	w := c.way()
	if errors.Is(err, rootkey.ErrWrongKey) && (w.file != "" || w.passphrase != "" && w.passphrase != askPerson) {
		return false
	}
	return errors.Is(err, rootkey.ErrSealed)
}

// What opens a house, as records have it. The last says that nobody was asked for it through the control socket.
const (
	byPassphrase    = "passphrase"
	byRecovery      = "recovery code"
	byPIN           = "PIN"
	byConfiguration = "configuration"
)

// openOrMakeRoot opens the root key of the house, or makes it at the first start, and says what has opened it.
func openOrMakeRoot(cmd *cobra.Command, cfg *config, control *control) (key *rootkey.Key, by string, err error) {
	_, err = os.Stat(cfg.path(sealName))
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeRoot(cmd, cfg)
		return key, byConfiguration, err
	}
	if err != nil {
		return nil, "", err
	}
	key, err = openRoot(cfg)
	if !cfg.waits(err) {
		return key, byConfiguration, err
	}
	cmd.Printf("\nStrongroom is sealed: %v\n\nIt waits for:  %s unseal --data %s\n\n", err, self(), cfg.Data)
	return control.waitForKey(cmd.Context())
}
