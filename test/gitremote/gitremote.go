// Package gitremote gives the tests of Proton a Git repository in a folder, as those who review and merge what was
// delivered see it, by the program git.
package gitremote

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// Name is how CreateRepository names the repository, and Branch the one that is delivered to.
const (
	Name   = "platform/live"
	Branch = "main"
)

// wait bounds how long a delivery may take.
const wait = time.Minute

// Remote is a repository. Its methods are for one goroutine.
type Remote struct {
	Connection string // ARN

	bare, work string
	t          testing.TB
}

// New makes the repository, with one empty commit, and starts a house that delivers to it.
func New(t testing.TB) (*house.House, *Remote) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		outside.Missing(t, "there is no git: %v", err)
	}
	root, file := t.TempDir(), filepath.Join(t.TempDir(), "connections.yaml")
	r := &Remote{
		Connection: "arn:aws:codestar-connections:" + house.Region + ":111122223333:connection/one",
		bare:       filepath.Join(root, Name+".git"), work: t.TempDir(), t: t,
	}
	outside.Git(r.t, "", "init", "-q", "--bare", "-b", Branch, r.bare)
	outside.Git(r.t, "", "clone", "-q", r.bare, r.work)
	outside.Git(r.t, r.work, "commit", "-q", "--allow-empty", "-m", "first")
	outside.Git(r.t, r.work, "push", "-q", "origin", "HEAD:"+Branch)
	h := house.Start(t)
	h.Stop()
	text := fmt.Sprintf("connections:\n- arn: %s\n  account: %q\n  url: file://%s\n  poll: 1s\n", r.Connection, h.Account, root)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Opens = []string{"--root-key", h.RootKey, "--git-connections", file}
	h.Restart()
	return h, r
}

// Await waits for the branch of a deployment and returns its name.
func (r *Remote) Await(deployment string) string {
	r.t.Helper()
	branch := "proton-" + deployment
	for until := time.Now().Add(wait); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if outside.Git(r.t, r.bare, "for-each-ref", "--format=x", "refs/heads/"+branch) != "" {
			return branch
		}
	}
	r.t.Fatalf("no branch comes for the deployment %s", deployment)
	return ""
}

// Branches returns the branches that wait to be merged or closed.
func (r *Remote) Branches() []string {
	r.t.Helper()
	return strings.Fields(outside.Git(r.t, r.bare, "for-each-ref", "--format=%(refname:short)", "refs/heads/proton-*"))
}

// Merge merges a branch and deletes it.
func (r *Remote) Merge(branch string) {
	r.t.Helper()
	outside.Git(r.t, r.work, "fetch", "-q", "origin")
	outside.Git(r.t, r.work, "reset", "-q", "--hard", "origin/"+Branch)
	outside.Git(r.t, r.work, "merge", "-q", "--no-ff", "-m", "merge", "origin/"+branch)
	outside.Git(r.t, r.work, "push", "-q", "origin", "HEAD:"+Branch)
	r.Close(branch)
}

// Close deletes a branch.
func (r *Remote) Close(branch string) {
	r.t.Helper()
	outside.Git(r.t, r.bare, "update-ref", "-d", "refs/heads/"+branch)
}

// Files returns the names of the files of a branch, one a line.
func (r *Remote) Files(branch string) string {
	r.t.Helper()
	return outside.Git(r.t, r.bare, "ls-tree", "-r", "--name-only", branch)
}

// File returns a file of a branch, without the white space around it.
func (r *Remote) File(branch, name string) string {
	r.t.Helper()
	return outside.Git(r.t, r.bare, "show", branch+":"+name)
}
