package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/strongroom/strongroom/pkcs11/frame"
)

// HelperName is the name of the helper program.
const HelperName = "strongroom-pkcs11"

// findHelper returns the path of the helper: the one that was asked for, the one beside this
// program, or the one in PATH.
func findHelper(asked string) (string, error) {
	if asked != "" {
		if _, err := exec.LookPath(asked); err != nil {
			return "", fmt.Errorf("%w: %w: %w", ErrUnavailable, ErrHelper, err)
		}
		return filepath.Abs(asked)
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), HelperName)
		if _, err := exec.LookPath(beside); err == nil {
			return beside, nil
		}
	}
	if found, err := exec.LookPath(HelperName); err == nil {
		return found, nil
	}
	return "", fmt.Errorf("%w: %w: %s is neither beside this program nor in PATH; build it with: go build ./cmd/%s (it needs a C compiler)",
		ErrUnavailable, ErrHelper, HelperName, HelperName)
}

// helper is one helper process that runs.
type helper struct {
	process *os.Process
	timeout time.Duration
	out     io.Closer     // closing it ends the reading, whoever else holds the pipe
	ended   chan struct{} // closed once the process is gone

	writing sync.Mutex // held while a frame is written
	in      io.WriteCloser

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]*waiter // nil once the helper has ended
	cause   error              // why it was ended, if this side did it
}

// waiter waits for one reply.
type waiter struct {
	reply chan *frame.Reply // closed without a value when the helper ends
	timer *time.Timer
}

// errCrashed says that the helper ended by itself before it answered.
var errCrashed = errors.New("the PKCS#11 helper ended before it answered")

// startHelper starts the program at path. Its standard error goes nowhere: modules write
// what they like there.
func startHelper(path string, timeout time.Duration) (*helper, error) {
	cmd := exec.Command(path)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrUnavailable, ErrHelper, err)
	}
	h := &helper{process: cmd.Process, timeout: timeout, out: out, ended: make(chan struct{}), in: in, waiting: make(map[uint64]*waiter)}
	go func() {
		h.read(out)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		close(h.ended)
	}()
	return h, nil
}

// read hands out replies until the helper ends or sends what is none.
func (h *helper) read(out io.Reader) {
	for {
		reply := new(frame.Reply)
		err := frame.Read(out, reply)
		if errors.Is(err, frame.ErrMalformed) {
			h.blame(fmt.Errorf("%w: %w", ErrHelper, err))
		}
		if err != nil {
			break
		}
		h.mu.Lock()
		w := h.waiting[reply.ID]
		delete(h.waiting, reply.ID)
		h.mu.Unlock()
		if w == nil {
			h.blame(fmt.Errorf("%w: it answered what was not asked", ErrHelper))
			break
		}
		w.timer.Stop()
		w.reply <- reply
	}
	h.mu.Lock()
	left := h.waiting
	h.waiting = nil
	h.mu.Unlock()
	for _, w := range left {
		w.timer.Stop()
		close(w.reply)
	}
}

// blame remembers the first reason why the helper had to be ended.
func (h *helper) blame(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause == nil {
		h.cause = err
	}
}

// end kills the helper; what waits for it fails with err.
func (h *helper) end(err error) {
	h.blame(err)
	_ = h.process.Kill()
	_ = h.out.Close()
}

// call asks and waits for the reply, for as long as ctx allows. A helper that does not answer
// within its time is ended, as a module that hangs holds up everything. An error that is
// errCrashed says that the helper ended by itself.
func (h *helper) call(ctx context.Context, r frame.Request) (*frame.Reply, error) {
	w := &waiter{reply: make(chan *frame.Reply, 1)}
	w.timer = time.AfterFunc(h.timeout, func() {
		h.end(fmt.Errorf("%w: it did not answer within %v", ErrUnavailable, h.timeout))
	})
	h.mu.Lock()
	if h.waiting == nil {
		h.mu.Unlock()
		w.timer.Stop()
		return nil, h.why()
	}
	h.next++
	r.ID = h.next
	h.waiting[r.ID] = w
	h.mu.Unlock()

	h.writing.Lock()
	err := frame.Write(h.in, r)
	h.writing.Unlock()
	if err != nil {
		h.end(fmt.Errorf("%w: it takes no request", ErrUnavailable))
	}
	select {
	case reply, ok := <-w.reply:
		if !ok {
			return nil, h.why()
		}
		return reply, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// why says why the helper has ended.
func (h *helper) why() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause != nil {
		return h.cause
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, errCrashed)
}

// close lets the helper end by itself and kills it when it takes too long.
func (h *helper) close() {
	h.blame(ErrClosed)
	h.writing.Lock()
	_ = h.in.Close()
	h.writing.Unlock()
	select {
	case <-h.ended:
	case <-time.After(closeTime):
		h.end(ErrClosed)
		<-h.ended
	}
}

// closeTime is how long a helper may take to log out.
const closeTime = 3 * time.Second
