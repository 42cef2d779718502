// Package swtpm starts TPM 2.0 emulators for tests (on Debian: apt-get install swtpm). They listen on
// a Unix socket in a folder of the test.
//
// Where swtpm is not installed, a test says so and is skipped; with STRONGROOM_REQUIRE_CLIENTS=1
// it fails. CI sets that.
package swtpm

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/strongroom/strongroom/test/outside"
)

// TPM is an emulator. Its state is kept while it is stopped.
type TPM struct {
	Device string // as the configuration of a house has it: unix:PATH

	t    testing.TB
	dir  string
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan struct{}
}

// Start makes a new TPM and starts it. It is stopped when the test ends.
func Start(t testing.TB) *TPM {
	t.Helper()
	if _, err := exec.LookPath("swtpm"); err != nil {
		outside.Missing(t, "swtpm is not installed")
	}
	// Not t.TempDir: a socket's path must be short.
	dir, err := os.MkdirTemp("", "swtpm-")
	if err != nil {
		t.Fatal(err)
	}
	x := &TPM{Device: "unix:" + filepath.Join(dir, "tpm.sock"), t: t, dir: dir}
	t.Cleanup(func() {
		x.Stop()
		_ = os.RemoveAll(dir)
	})
	x.Restart()
	return x
}

// Restart powers the TPM up again, after Stop: its PCRs are what they are after a reset.
func (x *TPM) Restart() {
	x.t.Helper()
	socket := filepath.Join(x.dir, "tpm.sock")
	_ = os.Remove(socket)
	x.cmd = exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+x.dir, "--server", "type=unixio,path="+socket,
		"--ctrl", "type=unixio,path="+filepath.Join(x.dir, "ctrl.sock"), "--flags", "not-need-init,startup-clear")
	x.cmd.Stdout, x.cmd.Stderr = &x.out, &x.out
	if err := x.cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	x.done = make(chan struct{})
	go func() {
		_ = x.cmd.Wait()
		close(x.done)
	}()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-x.done:
			x.t.Fatalf("swtpm ended: %s", &x.out)
		default:
		}
		if time.Now().After(deadline) {
			x.t.Fatal("swtpm does not start")
		}
	}
}

// Stop powers the TPM down.
func (x *TPM) Stop() {
	_ = x.cmd.Process.Kill()
	<-x.done
}
