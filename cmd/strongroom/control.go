package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/secret"
)

// control answers the operator's commands on the control socket: first for a house that
// is still sealed, then for one that is open.
type control struct {
	cfg    *config
	log    *slog.Logger
	server *http.Server
	keys   chan unsealed // one, from a successful unseal

	mu      sync.Mutex
	house   *house // nil while sealed or starting
	address net.Addr
	waits   bool // for a key
}

// unsealed is a root key that somebody has opened, and with what.
type unsealed struct {
	key *rootkey.Key
	by  string
}

// What a house that is not open answers to everything but unseal.
var (
	errSealed   = errors.New("the house is sealed; run unseal first")
	errStarting = errors.New("the house is starting; try again in a moment")
)

func startControl(cfg *config, log *slog.Logger) (*control, error) {
	listener, err := cli.Listen(cfg.Data)
	if err != nil {
		return nil, err
	}
	c := &control{cfg: cfg, log: log, keys: make(chan unsealed, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/unseal", c.unseal)
	mux.HandleFunc("GET /v1/env", c.opened(c.env))
	mux.HandleFunc("GET /v1/accounts", c.opened(c.accounts))
	mux.HandleFunc("POST /v1/accounts", c.opened(c.createAccount))
	mux.HandleFunc("POST /v1/backup", c.opened(c.backup))
	mux.HandleFunc("POST /v1/check", c.opened(c.check))
	mux.HandleFunc("GET /v1/audit/key", c.opened(c.auditKey))
	mux.HandleFunc("POST /v1/audit/checkpoint", c.opened(c.auditCheckpoint))
	mux.HandleFunc("POST /v1/audit/verify", c.opened(c.auditVerify))
	mux.HandleFunc("POST /v1/audit/prove", c.opened(c.auditProve))
	c.server = &http.Server{Handler: http.MaxBytesHandler(mux, 64<<10), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	go func() {
		if err := c.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("control socket", "error", err)
		}
	}()
	return c, nil
}

func (c *control) close() { _ = c.server.Close() }

// open says that the house is open, and where it serves.
func (c *control) open(h *house, address net.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.house, c.address = h, address
}

// opened gives a handler the house, once it is open.
func (c *control) opened(fn func(h *house, w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		h, err := c.house, errStarting
		if c.waits {
			err = errSealed
		}
		c.mu.Unlock()
		if h != nil {
			err = fn(h, w, r)
		}
		if err != nil {
			c.log.Error("operator command failed", "command", r.URL.Path, "error", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}

func answer(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// waitForKey waits until unseal brings the root key, and says what has opened it.
func (c *control) waitForKey(ctx context.Context) (key *rootkey.Key, by string, err error) {
	c.setWaits(true)
	defer c.setWaits(false)
	select {
	case u := <-c.keys:
		return u.key, u.by, nil
	case <-ctx.Done():
		return nil, "", fmt.Errorf("%w: stopped before it was opened", rootkey.ErrSealed)
	}
}

func (c *control) setWaits(waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = waits
}

func (c *control) unseal(w http.ResponseWriter, r *http.Request) {
	var u cli.Unsealing
	if err := json.NewDecoder(r.Body).Decode(&u); err != nil {
		http.Error(w, "malformed request", http.StatusBadRequest)
		return
	}
	given := func(s string) func() (secret.Bytes, error) {
		return func() (secret.Bytes, error) { return secret.FromString(s), nil }
	}
	by, p, err := byPassphrase, rootkey.PassphraseProvider(given(u.Passphrase)), error(nil)
	switch {
	case u.Recovery != "":
		by, p = byRecovery, rootkey.RecoveryProvider(given(u.Recovery))
	case u.PIN != "":
		by = byPIN
		p, err = c.cfg.way().withPIN().provider(asking{passphrase: nobody, pin: given(u.PIN)})
	case u.Retry:
		by = byConfiguration
		p, err = c.cfg.way().provider(asking{passphrase: nobody, pin: nobody})
	}
	var key *rootkey.Key
	if err == nil {
		key, err = rootkey.Open(c.cfg.path(sealName), p)
	}
	if err != nil {
		c.log.Warn("unsealing was refused", "error", err)
		if !u.Retry || errors.Is(err, rootkey.ErrWrongKey) { // else nothing was tried: the token is still not there
			c.refused(r.Context(), by)
		}
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	select {
	case c.keys <- unsealed{key, by}:
	default:
		key.Close() // open already, or opening
	}
}

// refused has the audit log know, at once or when it can be written, that an attempt to open the house failed.
func (c *control) refused(ctx context.Context, by string) {
	ctx = context.WithoutCancel(ctx) // who asks and hangs up is recorded too
	err := c.cfg.noteRefusal(by)
	c.mu.Lock()
	h := c.house
	c.mu.Unlock()
	if err == nil && h != nil {
		err = h.recordRefusals(ctx)
	}
	if err != nil {
		c.log.Error("the audit log does not know that unsealing was refused", "error", err)
	}
}

// nobody is who can be asked for what a request did not bring.
func nobody() (secret.Bytes, error) {
	return secret.Bytes{}, errors.New("it was not given")
}

func (c *control) env(h *house, w http.ResponseWriter, r *http.Request) error {
	accounts, err := h.iam.Accounts(r.Context())
	if err != nil {
		return err
	}
	if len(accounts) == 0 {
		return errors.New("the house has no account yet")
	}
	key, err := h.iam.AdministratorKey(r.Context(), accounts[0].ID)
	if err != nil {
		return err
	}
	c.mu.Lock()
	address := c.address
	c.mu.Unlock()
	if err := h.record(r.Context(), "GetAdministratorCredentials", accounts[0].ID, map[string]string{"accessKeyId": key.AccessKeyID}); err != nil {
		return err
	}
	return answer(w, cli.Environment{
		Endpoint: endpoint(address), CABundle: c.cfg.caBundle(), Region: h.settings.Regions[0], Account: accounts[0].ID,
		AccessKeyID: key.AccessKeyID, SecretAccessKey: string(key.Secret.Reveal()),
	})
}

func (c *control) accounts(h *house, w http.ResponseWriter, r *http.Request) error {
	accounts, err := h.iam.Accounts(r.Context())
	if err != nil {
		return err
	}
	list := make([]cli.Account, 0, len(accounts))
	for _, a := range accounts {
		list = append(list, cli.Account{ID: a.ID, Name: a.Name})
	}
	return answer(w, list)
}

func (c *control) createAccount(h *house, w http.ResponseWriter, r *http.Request) error {
	var in cli.Account
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return errors.New("malformed request")
	}
	made, err := h.createAccount(r.Context(), in.Name)
	if err != nil {
		return err
	}
	return answer(w, made)
}

// createAccount makes an account with an administrator.
func (h *house) createAccount(ctx context.Context, name string) (*cli.Account, error) {
	account, admin, err := h.iam.CreateAccount(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := h.record(ctx, "CreateAccount", account.ID, map[string]string{"accountId": account.ID}); err != nil {
		return nil, err
	}
	return &cli.Account{
		ID: account.ID, Name: account.Name, UserARN: admin.Principal.ARN,
		AccessKeyID: admin.AccessKeyID, SecretAccessKey: string(admin.Secret.Reveal()),
	}, nil
}

// backup streams a backup. A failure after the first byte breaks the connection, so that
// what was received is not taken for a whole backup; its missing end says the same.
func (c *control) backup(h *house, w http.ResponseWriter, r *http.Request) error {
	if err := h.record(r.Context(), "Backup", "", nil); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := h.Backup(r.Context(), w); err != nil {
		c.log.Error("backup failed", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// check streams a line for each step of a check; the last one is "ok" or what is wrong.
func (c *control) check(h *house, w http.ResponseWriter, r *http.Request) error {
	if err := h.record(r.Context(), "Check", "", nil); err != nil {
		return err
	}
	err := h.Check(r.Context(), func(line string) {
		fmt.Fprintln(w, line)
		_ = http.NewResponseController(w).Flush()
	})
	if err != nil {
		fmt.Fprintf(w, "FAILED: %v\n", err)
		return nil
	}
	fmt.Fprintln(w, checkPassed)
	return nil
}
