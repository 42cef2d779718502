package tenant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// ErrNoWorkspace says that there is no such workspace, or that it is being deleted.
var ErrNoWorkspace = errors.New("workspace not found")

// ErrClosed says that the house is shutting down.
var ErrClosed = errors.New("workspaces are closed")

// ID names a workspace.
type ID struct{ Region, Account, Workspace string }

// ARN returns the name of the workspace that others know.
func (id ID) ARN() string {
	return "arn:aws:aps:" + id.Region + ":" + id.Account + ":workspace/" + id.Workspace
}

// Workspace is what there is to know of a workspace to open it.
type Workspace struct {
	ARN    string
	Key    string   // ARN of the customer's KMS key; "" for the service owned key
	Grants []string // ids of the three grants on a customer's key
	Proof  []byte   // a data key that opens only where the key can be used; it is used for nothing else
	Lost   bool     // a grant is gone
	Limits Limits
	// Elsewhere is whether a cluster keeps the series: a Tenant of such a workspace has no DB.
	Elsewhere bool
}

// Directory knows the workspaces. Its methods may be called together.
type Directory interface {
	// Workspace returns a workspace that can be used, or ErrNoWorkspace. What it returns is not changed.
	Workspace(ctx context.Context, id ID) (*Workspace, error)
	// Lose notes, durably, that a grant of the workspace is gone.
	Lose(ctx context.Context, id ID) error
}

// Options of Tenants.
type Options struct {
	Directory Directory
	Store     store.DB // where the blocks of workspaces are noted
	Blobs     blob.Store
	Invoker   wire.Invoker // through which KMS is asked
	Log       *slog.Logger
	// Folder returns the folder below which the logs of workspaces lie, Memory that in memory for the chunk files of
	// heads. They are called when the first workspace is opened.
	Folder, Memory func() (string, error)
	// Budget is how many bytes open workspaces may take before those that are not in use are closed, the least recently
	// used first; 0 for 4 GiB. It is an estimate from the number of series.
	Budget int64
	// Idle is how long a workspace stays open that nobody uses; 0 for 15 minutes.
	Idle time.Duration
	// Arena is how many bytes of opened pages a workspace keeps; 0 for what package series takes.
	Arena int64
	// Marks is the key of the marks of blocks: see series.CheckBlock.
	Marks secret.Bytes
}

// Tenants opens and closes the stores of workspaces. Its methods may be called together.
type Tenants struct {
	opts Options
	dir  Directory
	seal seal.Keys
	kms  *kms.Client
	now  func() time.Time

	folder, memory func() (string, error)
	made           string       // the folder in memory, once there is one; guarded by mu
	hold           sync.RWMutex // see Hold

	mu      sync.Mutex
	entries map[ID]*entry
	closed  bool
	upkept  map[ID]time.Time // when a workspace was last maintained; guarded by mu
}

// New returns Tenants with no workspace open.
func New(opts Options) *Tenants {
	if opts.Budget <= 0 {
		opts.Budget = 4 << 30
	}
	if opts.Idle <= 0 {
		opts.Idle = 15 * time.Minute
	}
	ts := &Tenants{
		opts: opts, dir: opts.Directory, seal: seal.NewKeys(opts.Invoker), kms: kms.NewClient(opts.Invoker), now: time.Now,
		folder: again(opts.Folder), entries: make(map[ID]*entry), upkept: make(map[ID]time.Time),
	}
	ts.memory = again(func() (string, error) {
		dir, err := opts.Memory()
		ts.mu.Lock()
		defer ts.mu.Unlock()
		ts.made = dir
		return dir, err
	})
	return ts
}

// again calls fn until it has succeeded once.
func again(fn func() (string, error)) func() (string, error) {
	var mu sync.Mutex
	var dir string
	return func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if dir != "" {
			return dir, nil
		}
		d, err := fn()
		if err == nil {
			dir = d
		}
		return d, err
	}
}

// entry is a workspace that is open, or that somebody asks for.
type entry struct {
	id   ID
	gate gate
	turn chan struct{} // holds a token; whoever opens or closes the workspace has it

	mu     sync.Mutex
	tenant *Tenant   // nil when it is closed
	users  int       // who have it in use or ask for it
	used   time.Time // when it was last given back
	proof  time.Time // of the last successful check
}

func (e *entry) proven() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.proof
}

func (e *entry) prove(at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.proof = at
}

func (e *entry) touch(at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.used = at
}

func (e *entry) open() *Tenant {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tenant
}

// Use returns an open workspace for the service itself: for what a caller was allowed to append, and for work in the
// background. The returned function gives it back and must be called. The errors are ErrNoWorkspace, a *KeyError, ErrClosed, and those of
// opening; the context's when it ends.
func (ts *Tenants) Use(ctx context.Context, id ID) (*Tenant, func(), error) {
	return ts.use(ctx, id, false)
}

// Read is Use for a caller who reads: of a workspace under a customer's key, the caller of the call in ctx must be
// allowed to decrypt with the key himself. If not, the error is a *wire.Error with the code AccessDeniedException.
func (ts *Tenants) Read(ctx context.Context, id ID) (*Tenant, func(), error) {
	return ts.use(ctx, id, true)
}

func (ts *Tenants) use(ctx context.Context, id ID, reads bool) (*Tenant, func(), error) {
	w, err := ts.dir.Workspace(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	e, err := ts.enter(id)
	if err != nil {
		return nil, nil, err
	}
	t, err := ts.admit(ctx, e, w, reads)
	if err != nil {
		ts.leave(e)
		return nil, nil, err
	}
	e.touch(ts.now())
	var once sync.Once
	return t, func() {
		once.Do(func() {
			e.touch(ts.now())
			ts.leave(e)
		})
	}, nil
}

// admit checks the key, and opens the workspace unless it is.
func (ts *Tenants) admit(ctx context.Context, e *entry, w *Workspace, reads bool) (*Tenant, error) {
	if err := ts.check(ctx, e, w); err != nil {
		return nil, ts.lock(e, err)
	}
	if reads {
		if err := ts.mayRead(ctx, e.id, w); err != nil {
			return nil, err
		}
	}
	if t := e.open(); t != nil && !t.broken() {
		return t, t.apply(w)
	}
	select {
	case <-e.turn:
		defer func() { e.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if t := e.open(); t != nil {
		if !t.broken() {
			return t, t.apply(w)
		}
		ts.shut(e, errors.New("store of the workspace failed and is opened again"))
	}
	t, err := ts.openTenant(e.id, w)
	if err != nil {
		return nil, fmt.Errorf("workspace %s: %w", w.ARN, err)
	}
	e.mu.Lock()
	e.tenant = t
	e.mu.Unlock()
	return t, nil
}

// lock closes the workspace when err says that its key cannot be used, and returns err. A key that is asked too often
// is no such key.
func (ts *Tenants) lock(e *entry, err error) error {
	var k *KeyError
	if !errors.As(err, &k) || k.Code == "ThrottlingException" || e.open() == nil {
		return err
	}
	<-e.turn
	defer func() { e.turn <- struct{}{} }()
	ts.shut(e, err)
	return err
}

// shut closes the workspace for a reason. The caller has the turn.
func (ts *Tenants) shut(e *entry, reason error) {
	e.mu.Lock()
	t := e.tenant
	e.tenant, e.proof = nil, time.Time{}
	e.mu.Unlock()
	if t == nil {
		return
	}
	if err := t.close(reason); err != nil {
		ts.opts.Log.Warn("a workspace was not closed cleanly", "workspace", t.ARN, "error", err)
	}
}

// enter takes part in a workspace until leave.
func (ts *Tenants) enter(id ID) (*entry, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.closed {
		return nil, ErrClosed
	}
	e := ts.entries[id]
	if e == nil {
		e = &entry{id: id, turn: make(chan struct{}, 1)}
		e.turn <- struct{}{}
		ts.entries[id] = e
	}
	e.mu.Lock()
	e.users++
	e.mu.Unlock()
	return e, nil
}

func (ts *Tenants) leave(e *entry) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users--
	if e.users == 0 && e.tenant == nil && ts.entries[e.id] == e {
		delete(ts.entries, e.id)
	}
}

// Trim closes the workspaces that nobody has used for a while, and, while those that are open take more than they may, those
// that are not in use, the least recently used first. It is to be called now and then.
func (ts *Tenants) Trim() {
	type idle struct {
		entry *entry
		used  time.Time
		cost  int64
	}
	var list []idle
	var total int64
	ts.mu.Lock()
	for _, e := range ts.entries {
		e.mu.Lock()
		if e.tenant != nil {
			cost := e.tenant.cost()
			total += cost
			if e.users == 0 {
				list = append(list, idle{e, e.used, cost})
			}
		}
		e.mu.Unlock()
	}
	ts.mu.Unlock()
	slices.SortFunc(list, func(a, b idle) int { return a.used.Compare(b.used) })
	for _, x := range list {
		if total <= ts.opts.Budget && ts.now().Sub(x.used) < ts.opts.Idle {
			return
		}
		if ts.shutIdle(x.entry) {
			total -= x.cost
		}
	}
}

// shutIdle closes a workspace unless somebody has it in use by now.
func (ts *Tenants) shutIdle(e *entry) bool {
	<-e.turn
	defer func() { e.turn <- struct{}{} }()
	e.mu.Lock()
	busy := e.users > 0
	e.mu.Unlock()
	if busy {
		return false
	}
	ts.shut(e, errors.New("workspace was not in use"))
	ts.mu.Lock()
	defer ts.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.users == 0 && e.tenant == nil && ts.entries[e.id] == e {
		delete(ts.entries, e.id)
	}
	return true
}

// Shut closes a workspace whoever uses it, as before it is deleted.
func (ts *Tenants) Shut(id ID, reason error) {
	e, err := ts.enter(id)
	if err != nil {
		return
	}
	defer ts.leave(e)
	<-e.turn
	defer func() { e.turn <- struct{}{} }()
	ts.shut(e, reason)
}

// Open lists the workspaces that are open.
func (ts *Tenants) Open() (ids []ID) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for id, e := range ts.entries {
		if e.open() != nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// Close closes all workspaces, and takes their empty folder in memory away. Nothing can be used afterwards.
func (ts *Tenants) Close() error {
	ts.mu.Lock()
	ts.closed = true
	var all []*entry
	for _, e := range ts.entries {
		all = append(all, e)
	}
	ts.mu.Unlock()
	var errs []error
	for _, e := range all {
		<-e.turn
		e.mu.Lock()
		t := e.tenant
		e.tenant = nil
		e.mu.Unlock()
		if t != nil {
			errs = append(errs, t.close(ErrClosed))
		}
		e.turn <- struct{}{}
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.made != "" {
		_ = os.Remove(ts.made) // one that is not empty is found when the house begins again
	}
	return errors.Join(errs...)
}

// paths returns where a workspace keeps its log and the chunk files of its head.
func (ts *Tenants) paths(id ID) (log, memory string, err error) {
	folder, err := ts.folder()
	if err != nil {
		return "", "", err
	}
	if memory, err = ts.memory(); err != nil {
		return "", "", err
	}
	return filepath.Join(folder, id.Workspace, "log"), filepath.Join(memory, id.Workspace), nil
}
