//go:build linux

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// grace is how long the small process has to end what it has below it.
const grace = 2 * time.Second

// order is what the small process is told.
type order struct {
	Namespaces bool   `json:"namespaces"`
	Dir        string `json:"dir"`
	Within     string `json:"within"`
	Script     string `json:"script"`
	Env        []string
	Limits     Limits `json:"limits"`
	Probe      bool   `json:"probe"`
}

// report is how it ended.
type report struct {
	Done   bool   `json:"done"`
	Code   int    `json:"code"`
	Signal string `json:"signal,omitempty"`
	Error  string `json:"error,omitempty"` // of ours, before the script began
}

// Probe reports whether commands can be confined in namespaces here; the error says why not.
func Probe(ctx context.Context, user int) error {
	dir, err := os.MkdirTemp("", "strongroom-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := give(dir, user); err != nil {
		return err
	}
	limits := Limits{Time: 20 * time.Second}.complete()
	r, err := start(ctx, &Command{Dir: dir, User: user, Output: io.Discard, Limits: limits}, order{Namespaces: true, Dir: dir, Limits: limits, Probe: true})
	if err == nil && !r.Done {
		err = errors.New(r.Error)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfined, err)
	}
	return nil
}

// give makes a folder the commands' own.
func give(dir string, user int) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, user, user)
	})
}

// Run runs a script and waits until it and all that it started have ended. What went wrong with
// the script is an *ExitError, ErrTime or ErrOutput, or the end of ctx; other errors are of the machine.
func Run(ctx context.Context, c *Command) error {
	return run(ctx, c, !c.Weak || Probe(ctx, c.User) == nil)
}

func run(ctx context.Context, c *Command, namespaces bool) error {
	limits := c.Limits.complete()
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Time, ErrTime)
	defer cancel()
	if err := give(c.Dir, c.User); err != nil {
		return err
	}
	copied := *c
	copied.Limits = limits
	r, err := start(ctx, &copied, order{Namespaces: namespaces, Dir: c.Dir, Within: c.Within, Script: c.Script, Env: c.Env, Limits: limits})
	switch {
	case err != nil:
		return err
	case r.Error != "":
		return fmt.Errorf("the sandbox cannot be set up: %s", r.Error)
	case r.Signal != "" || r.Code != 0:
		return &ExitError{r.Code, r.Signal}
	}
	return nil
}

// limited passes output on until there is too much of it.
type limited struct {
	mu   sync.Mutex
	to   io.Writer
	left int64
	full func()
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if int64(len(p)) > l.left {
		l.full()
		return 0, ErrOutput
	}
	l.left -= int64(len(p))
	return l.to.Write(p)
}

// start runs the small process and reads its report.
func start(ctx context.Context, c *Command, o order) (r report, err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return r, err
	}
	defer self.Close()
	text, err := json.Marshal(o)
	if err != nil {
		return r, err
	}
	told, tell, err := os.Pipe()
	if err != nil {
		return r, err
	}
	defer told.Close()
	defer tell.Close()
	answer, answers, err := os.Pipe()
	if err != nil {
		return r, err
	}
	defer answer.Close()
	defer answers.Close()
	out := &limited{to: c.Output, left: c.Limits.Output, full: func() { end(ErrOutput) }}
	// The program by its descriptor, since its folder may be closed to the commands' user.
	cmd := &exec.Cmd{Path: "/proc/self/fd/3", Args: []string{initName}, Env: []string{"GODEBUG=madvdontneed=1", "GOMAXPROCS=2"}, Dir: "/",
		ExtraFiles: []*os.File{self, told, answers}, Stdout: out, Stderr: out, WaitDelay: grace, SysProcAttr: attributes(o.Namespaces, c.User)}
	// The process ends with the thread that started it, so that thread must not end before.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		if o.Namespaces {
			err = fmt.Errorf("%w: %w", ErrConfined, err)
		}
		return r, err
	}
	_ = told.Close()
	_ = answers.Close()
	stopped := endWith(ctx, cmd.Process, o.Namespaces)
	go func() {
		_, _ = tell.Write(text) // a process that has ended does not read it
		_ = tell.Close()
	}()
	line, _ := io.ReadAll(io.LimitReader(answer, 64<<10))
	waited := cmd.Wait()
	stopped()
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if json.Unmarshal(line, &r) != nil || !r.Done && r.Error == "" {
		return r, fmt.Errorf("the process above the commands was ended: %w", errors.Join(waited, errors.New("no report")))
	}
	return r, nil
}

// endWith ends the small process, and with it everything below, when ctx does.
func endWith(ctx context.Context, p *os.Process, namespaces bool) (stop func()) {
	unhook := context.AfterFunc(ctx, func() {
		if !namespaces {
			_ = p.Signal(syscall.SIGTERM) // upon which it ends all that it has below it
			time.Sleep(grace)
		}
		_ = p.Kill()
	})
	return func() { unhook() }
}

// attributes are those of the small process.
func attributes(namespaces bool, user int) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	root := os.Geteuid() == 0
	if !namespaces {
		if root {
			a.Credential = &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}
		}
		return a
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if root {
		uid, gid = user, user
		a.GidMappingsEnableSetgroups = true
		a.Credential = &syscall.Credential{}
	}
	a.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	return a
}

// place says where the scratch folder is in the environment.
func place(env []string, scratch string) []string {
	out := make([]string, len(env))
	for i, v := range env {
		out[i] = strings.ReplaceAll(v, Scratch, scratch)
	}
	return out
}
