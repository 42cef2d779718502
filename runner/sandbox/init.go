//go:build linux

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// initName is by what name the program is started as the process above the commands.
const initName = "strongroom-sandbox-init"

// Descriptors of that process.
const (
	orderFD  = 4
	reportFD = 5
)

// Init does nothing in an ordinary start of the program. In a start by Run it is the process above
// the commands, and does not return.
func Init() {
	if len(os.Args) != 1 || os.Args[0] != initName {
		return
	}
	runtime.LockOSThread() // what is taken from this thread, the commands it starts do not have
	answer := os.NewFile(reportFD, "report")
	r, err := obey()
	if err != nil {
		r.Error = err.Error()
	}
	text, err := json.Marshal(r)
	if err == nil {
		_, err = answer.Write(text)
	}
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// obey reads the order and runs the script.
func obey() (r report, err error) {
	for _, fd := range []int{3, orderFD, reportFD} { // not for the commands
		unix.CloseOnExec(fd)
	}
	text, err := io.ReadAll(os.NewFile(orderFD, "order"))
	if err != nil {
		return r, err
	}
	var o order
	if err := json.Unmarshal(text, &o); err != nil {
		return r, err
	}
	scratch := o.Dir
	if o.Namespaces {
		if err := confine(o.Dir); err != nil {
			return r, err
		}
		scratch = inner
	} else if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return r, err
	}
	if err := limit(o.Limits); err != nil {
		return r, err
	}
	if err := drop(); err != nil {
		return r, err
	}
	if o.Probe {
		r.Done = true
		return r, nil
	}
	return launch(&o, scratch)
}

// limit sets what the commands inherit. Their address space is for the shell to limit: this
// process, which is no small one in that, must live.
func limit(l Limits) error {
	for what, n := range map[int]int64{
		unix.RLIMIT_CPU: int64(l.CPU / time.Second), unix.RLIMIT_FSIZE: l.FileSize, unix.RLIMIT_NPROC: l.Processes, unix.RLIMIT_NOFILE: l.OpenFiles, unix.RLIMIT_CORE: 0,
	} {
		var now unix.Rlimit
		if err := unix.Getrlimit(what, &now); err != nil {
			return err
		}
		want := min(uint64(n), now.Max)
		if err := unix.Setrlimit(what, &unix.Rlimit{Cur: want, Max: want}); err != nil {
			return fmt.Errorf("limit %d: %w", what, err)
		}
	}
	return nil
}

// drop gives up every capability of this thread, and every way to gain one.
func drop() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	for c := range uintptr(64) {
		if unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) == unix.EINVAL {
			break
		}
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&head, &none[0])
}

// launch starts the script and waits for it, and for whatever is left to it by others.
func launch(o *order, scratch string) (r report, err error) {
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		<-terms
		for range 100 { // what it starts meanwhile is ended in the next round
			endBelow(os.Getpid())
			time.Sleep(10 * time.Millisecond)
		}
	}()
	script := filepath.Join(scratch, ".commands")
	if err := os.WriteFile(script, []byte(o.Script), 0o600); err != nil {
		return r, err
	}
	memory := strconv.FormatInt(o.Limits.Memory>>10, 10)
	cmd := exec.Command("/bin/sh", "-c", `ulimit -v `+memory+` && exec /bin/sh "$1"`, "sh", script)
	cmd.Env, cmd.Dir = place(o.Env, scratch), filepath.Join(scratch, o.Within)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	status, err := reap(cmd.Process.Pid)
	if err != nil {
		return r, err
	}
	for range 200 { // in a namespace the kernel does the rest
		if o.Namespaces || !endBelow(os.Getpid()) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.Done = true
	switch {
	case status.Signaled():
		r.Signal = status.Signal().String()
	default:
		r.Code = status.ExitStatus()
	}
	return r, nil
}

// reap waits for one process, and meanwhile for all others that end.
func reap(pid int) (syscall.WaitStatus, error) {
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return status, err
		case got == pid && !status.Stopped() && !status.Continued():
			return status, nil
		}
	}
}

// endBelow ends every process below one, and reports whether there was any.
func endBelow(pid int) (any bool) {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		for _, word := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				continue
			}
			any = true
			endBelow(child)
			_ = syscall.Kill(child, syscall.SIGKILL)
			var status syscall.WaitStatus
			_, _ = syscall.Wait4(child, &status, syscall.WNOHANG, nil)
		}
	}
	return any
}
