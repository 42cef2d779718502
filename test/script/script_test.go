// Package script tests the command as an operator types it: the scripts in testdata run the
// program itself, one directory each, and say what it prints and how it refuses.
//
// Beside the commands of testscript, scripts have
//
//	serve NAME ARG...        start "strongroom serve ARG..." as NAME, and wait until it answers or is sealed
//	await NAME PATTERN       wait until NAME prints what fits
//	printed NAME PATTERN     NAME has printed what fits; negated, it has not
//	keep NAME PATTERN FILE   write what the pattern's first group caught of NAME's output to a file
//	stop NAME, kill NAME     end it in good order, and with SIGKILL
//	refused PATTERN ARG...   run the program; it must end with status 1 and one sentence that fits;
//	                         a file called stdin is its input, and is taken away
//	flip FILE                change one bit in the middle of a file
//	cut FILE                 take the second half of a file away
package script

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/strongroom/strongroom/test/capture"
	"github.com/strongroom/strongroom/test/house"
)

func TestMain(m *testing.M) { house.Main(m) }

// patience bounds every wait. Nothing here takes long unless something hangs.
const patience = 2 * time.Minute

func TestScripts(t *testing.T) {
	binary := house.Binary(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(binary)+":"+e.Getenv("PATH"))
			// Where a user's own folders would be; nothing of the machine's is touched.
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("XDG_STATE_HOME", "")
			e.Setenv("XDG_CONFIG_HOME", "")
			e.Values[running{}] = map[string]*server{}
			e.Defer(func() {
				for _, s := range e.Values[running{}].(map[string]*server) {
					s.end(syscall.SIGKILL)
				}
			})
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serve, "await": await, "printed": printed, "keep": keep, "refused": refused,
			"stop": stop, "kill": kill, "flip": damage(flip), "cut": damage(cut),
		},
	})
}

// running is where a script's servers are kept.
type running struct{}

// server is a "strongroom serve" that a script has started.
type server struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; set before done is closed
	text capture.Text
}

// end sends a signal and waits until the process has ended.
func (s *server) end(signal os.Signal) {
	_ = s.cmd.Process.Signal(signal)
	select {
	case <-s.done:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// started returns the server of a name.
func started(ts *testscript.TestScript, name string) *server {
	s := ts.Value(running{}).(map[string]*server)[name]
	if s == nil {
		ts.Fatalf("nothing called %s was started", name)
	}
	return s
}

// announced is the last line of what a house prints when it answers, or when it waits sealed.
var announced = regexp.MustCompile(`eval "\$\(|It waits for: `)

func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: serve NAME ARG...")
	}
	s := &server{done: make(chan struct{})}
	s.cmd = command(ts, context.Background(), append([]string{"serve", "--listen", "127.0.0.1:0", "--metrics", "off"}, args[1:]...)...)
	s.cmd.Stdout, s.cmd.Stderr = &s.text, &s.text
	ts.Check(s.cmd.Start())
	ts.Value(running{}).(map[string]*server)[args[0]] = s
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	s.until(ts, announced)
}

// until waits until the server has printed what fits.
func (s *server) until(ts *testscript.TestScript, pattern *regexp.Regexp) {
	for end := time.Now().Add(patience); !pattern.MatchString(s.text.String()); time.Sleep(10 * time.Millisecond) {
		select {
		case <-s.done:
			ts.Fatalf("it ended with %v and printed\n%s", s.err, s.text.String())
		default:
		}
		if time.Now().After(end) {
			ts.Fatalf("it does not print %s, but\n%s", pattern, s.text.String())
		}
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await NAME PATTERN")
	}
	started(ts, args[0]).until(ts, regexp.MustCompile("(?m)"+args[1]))
}

func printed(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: printed NAME PATTERN")
	}
	text := started(ts, args[0]).text.String()
	if regexp.MustCompile("(?m)"+args[1]).MatchString(text) == neg {
		ts.Fatalf("it has printed\n%s", text)
	}
}

func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: keep NAME PATTERN FILE")
	}
	text := started(ts, args[0]).text.String()
	caught := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(text)
	if len(caught) != 2 {
		ts.Fatalf("it has printed\n%s", text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(caught[1]+"\n"), 0o600))
}

func stop(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stop NAME")
	}
	s := started(ts, args[0])
	s.end(syscall.SIGTERM)
	if s.err != nil {
		ts.Fatalf("it ended with %v and printed\n%s", s.err, s.text.String())
	}
}

func kill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: kill NAME")
	}
	started(ts, args[0]).end(syscall.SIGKILL)
}

// sentence is a refusal: one line, after the program's name.
var sentence = regexp.MustCompile(`^strongroom: [^\n]+\n$`)

func refused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: refused PATTERN ARG...")
	}
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := command(ts, ctx, args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(given(ts)), &stdout, &stderr
	err := cmd.Run()
	text := stderr.String()
	ts.Logf("[stdout]\n%s[stderr]\n%s", stdout.String(), text)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		ts.Fatalf("it ended with %v, want status 1", err)
	}
	if !sentence.MatchString(text) || strings.Contains(text, "panic") || strings.Contains(text, "goroutine") {
		ts.Fatalf("that is not one sentence")
	}
	if !regexp.MustCompile(args[0]).MatchString(strings.TrimSuffix(text, "\n")) {
		ts.Fatalf("that does not say %s", args[0])
	}
}

// given is the file "stdin" in the script's directory, which the next refused reads; "" for none.
func given(ts *testscript.TestScript) string {
	text, err := os.ReadFile(ts.MkAbs("stdin"))
	if err != nil {
		return ""
	}
	ts.Check(os.Remove(ts.MkAbs("stdin")))
	return string(text)
}

// command is the program with arguments, in the script's directory and as its user.
func command(ts *testscript.TestScript, ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(strings.Split(ts.Getenv("PATH"), ":")[0], "strongroom"), args...)
	cmd.Args[0] = "strongroom"
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"HOME=" + ts.Getenv("HOME")}
	return cmd
}

// damage is a command that changes a file.
func damage(how func([]byte) []byte) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: flip FILE, cut FILE")
		}
		path := ts.MkAbs(args[0])
		b, err := os.ReadFile(path)
		ts.Check(err)
		ts.Check(os.WriteFile(path, how(b), 0o600))
	}
}

func flip(b []byte) []byte {
	b[len(b)/2] ^= 1
	return b
}

func cut(b []byte) []byte { return b[:len(b)/2] }
