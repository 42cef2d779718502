//go:build linux

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/test/capture"
	"github.com/strongroom/strongroom/test/outside"
)

func TestMain(m *testing.M) {
	Init()
	os.Exit(m.Run())
}

const nobody = 65534

// modes runs a test in both ways that commands are confined.
func modes(t *testing.T, test func(t *testing.T, try func(c Command) (string, error), namespaces bool)) {
	for _, namespaces := range []bool{true, false} {
		t.Run(fmt.Sprintf("namespaces=%v", namespaces), func(t *testing.T) {
			t.Parallel()
			if err := Probe(t.Context(), nobody); err != nil && namespaces {
				outside.Missing(t, "%v", err)
			}
			test(t, func(c Command) (string, error) {
				var out capture.Text
				c.Dir, c.User, c.Output = scratch(t), nobody, &out
				c.Env = append(c.Env, "PATH=/usr/local/bin:/usr/bin:/bin")
				err := run(t.Context(), &c, namespaces)
				return out.String(), err
			}, namespaces)
		})
	}
}

// scratch makes a folder that another user reaches, unlike t.TempDir.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "strongroom-scratch-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestCommandsRun(t *testing.T) {
	modes(t, func(t *testing.T, try func(Command) (string, error), namespaces bool) {
		text, err := try(Command{Script: "echo hello; echo \"$HOME\" >&2; echo x > $HOME/file && cat file; env | sort", Env: []string{"HOME=" + Scratch}})
		if err != nil || !strings.Contains(text, "hello\n") || !strings.Contains(text, "x\n") {
			t.Fatalf("%v\n%s", err, text)
		}
		if namespaces != strings.Contains(text, "HOME=/tmp\n") || strings.Contains(text, "GODEBUG") || strings.Contains(text, "GOMAXPROCS") {
			t.Errorf("environment: %s", text)
		}
		_, err = try(Command{Script: "exit 7"})
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Code != 7 {
			t.Errorf("got %v, want status 7", err)
		}
		_, err = try(Command{Script: "kill -9 $$"})
		if !errors.As(err, &exit) || exit.Signal != "killed" {
			t.Errorf("got %v, want a signal", err)
		}
	})
}

// TestWhatCommandsSee: nothing of the machine that is not for them.
func TestWhatCommandsSee(t *testing.T) {
	t.Setenv("SECRET_OF_THE_RUNNER", "seen")
	outsideFile := filepath.Join(scratch(t), "mine")
	if err := os.WriteFile(outsideFile, []byte("seen"), 0o600); err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, namespaces := range []bool{true, false} {
		if err := Probe(t.Context(), nobody); err != nil && namespaces {
			outside.Missing(t, "%v", err)
		}
		var out capture.Text
		script := fmt.Sprintf(`
env; cat %s /proc/%d/environ %s/* 2>/dev/null
grep -i -e CapEff -e CapBnd -e NoNewPrivs /proc/self/status; ulimit -a
echo x > /etc/strongroom-test && echo WROTE; echo x > /usr/strongroom-test && echo WROTE
ls -A %s /home 2>/dev/null; ls /proc | grep -c '^[0-9]*$'; unshare -Ur true && echo NESTED
mount -t tmpfs none /tmp && echo MOUNTED; true`, outsideFile, os.Getpid(), home, home)
		c := Command{Dir: scratch(t), User: nobody, Output: &out, Env: []string{"PATH=/usr/bin:/bin"}, Script: script}
		if err := run(t.Context(), &c, namespaces); err != nil {
			t.Fatal(err, out.String())
		}
		text := out.String()
		if !namespaces && os.Geteuid() != 0 {
			continue // the same user, who sees what is the user's: why this mode must be asked for
		}
		for _, bad := range []string{"seen", "WROTE", "MOUNTED"} {
			if strings.Contains(text, bad) {
				t.Errorf("namespaces %v: %s\n%s", namespaces, bad, text)
			}
		}
		if !strings.Contains(text, "NoNewPrivs:\t1") || !strings.Contains(text, "CapEff:\t0000000000000000") {
			t.Errorf("namespaces %v: %s", namespaces, text)
		}
		if namespaces && (strings.Contains(text, "NESTED") || !strings.Contains(text, "CapBnd:\t0000000000000000")) {
			t.Errorf("namespaces %v: %s", namespaces, text)
		}
	}
}

// TestBadCommands: what forks, loops, prints or hides ends, and all that it started with it.
func TestBadCommands(t *testing.T) {
	modes(t, func(t *testing.T, try func(Command) (string, error), namespaces bool) {
		short := Limits{Time: 700 * time.Millisecond}
		mark := fmt.Sprintf("31%d", time.Now().UnixNano()%1_000_000_000)
		tests := map[string]struct {
			script string
			limits Limits
			want   error // nil for an *ExitError
		}{
			"loop":          {"while :; do :; done", short, ErrTime},
			"sleep":         {"sleep " + mark, short, ErrTime},
			"daemon":        {"(setsid sleep " + mark + " >/dev/null 2>&1 &) ; (trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; sleep " + mark + "; sleep 1' &) ; sleep " + mark, short, ErrTime},
			"left behind":   {"setsid sleep " + mark + " & exit 3", Limits{}, nil},
			"forks":         {"f() { f | f & }; f; sleep 100", Limits{Time: 1500 * time.Millisecond, Processes: 60}, ErrTime},
			"prints":        {"yes", Limits{Output: 1 << 20}, ErrOutput},
			"memory":        {"x=$(yes | head -c 400000000); echo got it", Limits{Memory: 100 << 20}, nil},
			"file":          {"head -c 20000000 /dev/zero > big", Limits{FileSize: 1 << 20}, nil},
			"processor":     {"exec sh -c 'while :; do :; done'", Limits{CPU: time.Second, Time: 20 * time.Second}, nil},
			"descriptors":   {`[ "$(ulimit -n)" = 20 ] && exit 4`, Limits{OpenFiles: 20}, nil},
			"kills its own": {"kill -9 -1; kill -9 1; exit 5", Limits{}, nil},
		}
		for name, test := range tests {
			if name == "kills its own" && !namespaces {
				continue // would end what else the user runs
			}
			if name == "forks" && !namespaces {
				continue // the same user's other processes count here
			}
			text, err := try(Command{Script: test.script, Limits: test.limits})
			var exit *ExitError
			if test.want != nil && !errors.Is(err, test.want) || test.want == nil && !errors.As(err, &exit) {
				t.Errorf("%s: got %v, want %v\n%.500s", name, err, test.want, text)
			}
			if left := running(mark); left != "" {
				t.Errorf("%s: still running: %s", name, left)
			}
		}
	})
}

// running finds a process by a word of its command line.
func running(mark string) string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		if text, _ := os.ReadFile(file); strings.Contains(string(text), mark) && !strings.Contains(string(text), "test") {
			return string(text)
		}
	}
	return ""
}

// TestProbeIsCertain: an answer that depends on how busy the machine is would be none.
func TestProbeIsCertain(t *testing.T) {
	first := Probe(t.Context(), nobody)
	for range 30 {
		if err := Probe(t.Context(), nobody); (err == nil) != (first == nil) {
			t.Fatalf("%v, then %v", first, err)
		}
	}
}

func TestCommandsEndWithTheContext(t *testing.T) {
	modes(t, func(t *testing.T, _ func(Command) (string, error), namespaces bool) {
		ctx, cancel := context.WithCancel(t.Context())
		c := Command{Dir: scratch(t), User: nobody, Script: "echo began; sleep 1000", Env: []string{"PATH=/bin:/usr/bin"}}
		c.Output = writer(func() { cancel() })
		if err := run(ctx, &c, namespaces); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want a cancelled context", err)
		}
	})
}

// writer calls a function when something is written.
type writer func()

func (w writer) Write(p []byte) (int, error) {
	w()
	return len(p), nil
}
