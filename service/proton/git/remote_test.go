package git

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/strongroom/strongroom/test/outside"
)

const (
	testARN   = "arn:aws:codestar-connections:eu-central-1:111122223333:connection/one"
	testToken = "token-that-must-not-be-seen"
)

// bench is a folder of repositories with a working copy of one of them.
type bench struct {
	t    *testing.T
	root string // the bare repository is root/platform/environments.git
	work string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		outside.Missing(t, "there is no git: %v", err)
	}
	b := &bench{t: t, root: t.TempDir(), work: t.TempDir()}
	outside.Git(b.t, "", "init", "-q", "--bare", "-b", "main", b.bare())
	outside.Git(b.t, "", "clone", "-q", b.bare(), b.work)
	b.write("README.md", "ours\n")
	b.write("shop/main.tf", "old\n")
	b.write("shop/kept.txt", strings.Repeat("kept\n", 500))
	b.commit("first")
	return b
}

func (b *bench) bare() string { return filepath.Join(b.root, "platform", "environments.git") }

func (b *bench) write(name, text string) {
	b.t.Helper()
	file := filepath.Join(b.work, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// commit pushes what was written to main.
func (b *bench) commit(text string) {
	outside.Git(b.t, b.work, "add", "-A")
	outside.Git(b.t, b.work, "commit", "-q", "-m", text)
	outside.Git(b.t, b.work, "push", "-q", "origin", "HEAD:main")
}

// hook makes the repository run a script before it takes a push.
func (b *bench) hook(script string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.bare(), "hooks", "pre-receive"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

// secretFile writes a file that only we can read.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// connect reads one connection from the text of a file.
func connect(t *testing.T, format string, args ...any) *Connection {
	t.Helper()
	text := "connections:\n- arn: " + testARN + "\n" + fmt.Sprintf(format, args...)
	list, err := parse([]byte(text), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func remote(t *testing.T, c *Connection) *Remote {
	t.Helper()
	r, err := c.Remote("platform/environments")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// overFolder, overHTTP and overSSH are the three ways to the repository.
func (b *bench) overFolder() *Connection { return connect(b.t, "  url: file://%s", b.root) }

func (b *bench) overHTTP() *Connection {
	b.t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		b.t.Fatal(err)
	}
	outside.Git(b.t, b.bare(), "config", "http.receivepack", "true")
	back := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + b.root, "GIT_HTTP_EXPORT_ALL=1"}, Stderr: io.Discard}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, token, _ := r.BasicAuth(); token != testToken {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		back.ServeHTTP(w, r)
	}))
	b.t.Cleanup(server.Close)
	return connect(b.t, "  url: %s\n  token-file: %s", server.URL, secretFile(b.t, testToken+"\n"))
}

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(pem.EncodeToMemory(block))
}

// sshServer runs git for whoever has the key, and returns its address and host key.
func (b *bench) sshServer(allowed ssh.PublicKey) (address string, host ssh.PublicKey) {
	b.t.Helper()
	hostKey, _ := newKey(b.t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), allowed.Marshal()) {
			return nil, io.EOF
		}
		return nil, nil
	}}
	config.AddHostKey(hostKey)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	var wg sync.WaitGroup
	b.t.Cleanup(func() { _ = listener.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { b.serveSSH(conn, config) })
		}
	})
	return listener.Addr().String(), hostKey.PublicKey()
}

func (b *bench) serveSSH(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		for req := range requests {
			_ = req.Reply(true, nil)
			var command struct{ Line string }
			if req.Type != "exec" || ssh.Unmarshal(req.Payload, &command) != nil {
				continue
			}
			service, path, _ := strings.Cut(command.Line, " ")
			cmd := exec.Command("git", strings.TrimPrefix(service, "git-"), b.root+strings.Trim(path, "'"))
			cmd.Stdin, cmd.Stdout, cmd.Stderr = channel, channel, io.Discard
			_ = cmd.Run()
			_ = channel.Close()
		}
	}
}

func (b *bench) overSSH() *Connection {
	b.t.Helper()
	signer, private := newKey(b.t)
	address, host := b.sshServer(signer.PublicKey())
	return connect(b.t, "  url: ssh://git@%s\n  key-file: %s\n  known-hosts: %s", address, secretFile(b.t, private), secretFile(b.t, knownhosts.Line([]string{address}, host)))
}

func testChange(id string) *Change {
	return &Change{
		ID: id, Branch: "proton-" + id, Target: "main", Title: "Deploy shop", Body: "Version 1.2", Created: time.Unix(1_700_000_000, 0),
		Files:  map[string][]byte{"shop/new/main.tf": []byte("new\n"), ".proton/deployment-metadata.json": []byte("{}"), "empty": {}},
		Remove: []string{"shop/main.tf", "never/was.tf"},
	}
}

func propose(t *testing.T, r *Remote, c *Change) *Proposal {
	t.Helper()
	p, err := r.Propose(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantState(t *testing.T, r *Remote, p *Proposal, c *Change, want Standing) {
	t.Helper()
	got, err := r.State(context.Background(), p, c.Files)
	if err != nil || got != want {
		t.Fatalf("the proposal is %q (%v), want %q", got, err, want)
	}
}

// TestEveryWay delivers, sees that nothing happens, merges and sees it, over each way to a remote.
func TestEveryWay(t *testing.T) {
	for name, way := range map[string]func(*bench) *Connection{"folder": (*bench).overFolder, "http": (*bench).overHTTP, "ssh": (*bench).overSSH} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			r, c := remote(t, way(b)), testChange("one")
			p := propose(t, r, c)
			if got, want := outside.Git(b.t, b.bare(), "ls-tree", "-r", "--name-only", p.Branch), ".proton/deployment-metadata.json\nREADME.md\nempty\nshop/kept.txt\nshop/new/main.tf"; got != want {
				t.Errorf("the branch has\n%s\nwant\n%s", got, want)
			}
			if got := outside.Git(b.t, b.bare(), "show", p.Branch+":shop/new/main.tf"); got != "new" {
				t.Errorf("the file reads %q", got)
			}
			outside.Git(b.t, b.bare(), "fsck", "--strict", "--no-dangling")
			if again := propose(t, r, c); again.Commit != p.Commit || again.Base != p.Base {
				t.Errorf("proposed again: %+v, was %+v", again, p)
			}
			wantState(t, r, p, c, Open)
			b.write("other.txt", "meanwhile")
			b.commit("meanwhile")
			wantState(t, r, p, c, Open)
			outside.Git(b.t, b.work, "fetch", "-q", "origin")
			outside.Git(b.t, b.work, "merge", "-q", "--no-ff", "-m", "merge", "origin/"+p.Branch)
			outside.Git(b.t, b.work, "push", "-q", "origin", "HEAD:main")
			wantState(t, r, p, c, Merged)
			outside.Git(b.t, b.bare(), "update-ref", "-d", "refs/heads/"+p.Branch)
			wantState(t, r, p, c, Merged)
		})
	}
}

// TestFolder: in a repository with a folder environments, environments stand there.
func TestFolder(t *testing.T) {
	b := newBench(t)
	r := remote(t, b.overFolder())
	for _, want := range []string{"shop/a.tf", "environments/shop/a.tf"} {
		c := &Change{ID: want, Branch: "proton-" + strings.ReplaceAll(want, "/", "-"), Target: "main", Folder: "shop", Nested: "environments/shop", Files: map[string][]byte{"a.tf": []byte(want)}, Title: "x", Created: time.Now()}
		p := propose(t, r, c)
		if got := outside.Git(b.t, b.bare(), "show", p.Branch+":"+want); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if again := propose(t, r, c); again.Commit != p.Commit || again.Folder != p.Folder {
			t.Errorf("again: %+v, was %+v", again, p)
		}
		b.write("environments/README", want)
		b.commit("a folder")
	}
}

func TestBranchIsRefusedSquashedOrWithdrawn(t *testing.T) {
	b := newBench(t)
	r := remote(t, b.overFolder())
	refused := testChange("refused")
	p := propose(t, r, refused)
	outside.Git(b.t, b.bare(), "update-ref", "-d", "refs/heads/"+p.Branch)
	wantState(t, r, p, refused, Closed)
	b.write("elsewhere", "x")
	b.commit("elsewhere")
	wantState(t, r, p, refused, Closed)

	taken := testChange("taken back")
	taken.Branch = "proton-taken"
	p = propose(t, r, taken)
	for range 2 {
		if err := r.Withdraw(context.Background(), p); err != nil {
			t.Fatal(err)
		}
	}
	if list := outside.Git(b.t, b.bare(), "branch", "--list"); strings.Contains(list, "proton") {
		t.Errorf("branches are left: %s", list)
	}

	squash := testChange("squash")
	p = propose(t, r, squash)
	outside.Git(b.t, b.work, "fetch", "-q", "origin")
	outside.Git(b.t, b.work, "merge", "-q", "--squash", "origin/"+p.Branch)
	b.commit("squashed")
	wantState(t, r, p, squash, Open)
	outside.Git(b.t, b.bare(), "update-ref", "-d", "refs/heads/"+p.Branch)
	wantState(t, r, p, squash, Merged)

	forward := testChange("forward")
	forward.Files["more"] = []byte("more")
	p = propose(t, r, forward)
	outside.Git(b.t, b.bare(), "update-ref", "refs/heads/main", p.Commit)
	wantState(t, r, p, forward, Merged)
}

// TestRemoteRefuses: one clear sentence, and nothing half made.
func TestRemoteRefuses(t *testing.T) {
	tests := map[string]struct {
		prepare func(t *testing.T, b *bench) *Connection
		branch  string
		want    string
		lasting bool
	}{
		"hook": {func(_ *testing.T, b *bench) *Connection {
			b.hook("echo not today >&2; exit 1")
			return b.overFolder()
		}, "main", "did not take the branch: the remote refuses the branch: pre-receive hook declined", true},
		"no branch": {func(_ *testing.T, b *bench) *Connection { return b.overFolder() }, "live", "it has no branch live", true},
		"no repository": {func(t *testing.T, b *bench) *Connection {
			return connect(t, "  url: file://%s/not/there", b.root)
		}, "main", "there is no such repository", true},
		"wrong token": {func(t *testing.T, b *bench) *Connection {
			c := b.overHTTP()
			return connect(t, "  url: %s\n  token-file: %s", c.URL, secretFile(t, "wrong-token"))
		}, "main", "refuses the credentials of the connection", true},
		"nobody there": {func(t *testing.T, b *bench) *Connection {
			return connect(t, "  url: http://127.0.0.1:1")
		}, "main", "it cannot be reached", false},
		"not git": {func(t *testing.T, _ *bench) *Connection {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>welcome</html>") }))
			t.Cleanup(server.Close)
			return connect(t, "  url: %s", server.URL)
		}, "main", "does not speak Git's protocol", true},
		"redirect": {func(t *testing.T, _ *bench) *Connection {
			server := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound))
			t.Cleanup(server.Close)
			return connect(t, "  url: %s", server.URL)
		}, "main", "points to another address", true},
		"out of order": {func(t *testing.T, _ *bench) *Connection {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
			t.Cleanup(server.Close)
			return connect(t, "  url: %s", server.URL)
		}, "main", "status 503", false},
		"another host key": {func(t *testing.T, b *bench) *Connection {
			signer, private := newKey(t)
			other, _ := newKey(t)
			address, _ := b.sshServer(signer.PublicKey())
			return connect(t, "  url: ssh://git@%s\n  key-file: %s\n  known-hosts: %s", address, secretFile(t, private), secretFile(t, knownhosts.Line([]string{address}, other.PublicKey())))
		}, "main", "the host's key is not the one", true},
		"another key": {func(t *testing.T, b *bench) *Connection {
			_, private := newKey(t)
			other, _ := newKey(t)
			address, host := b.sshServer(other.PublicKey())
			return connect(t, "  url: ssh://git@%s\n  key-file: %s\n  known-hosts: %s", address, secretFile(t, private), secretFile(t, knownhosts.Line([]string{address}, host)))
		}, "main", "refuses the key of the connection", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			c := testChange("no")
			c.Target = test.branch
			_, err := remote(t, test.prepare(t, b)).Propose(context.Background(), c)
			e, ok := err.(*Error)
			if !ok || !strings.Contains(e.Sentence, test.want) || e.Lasting != test.lasting || strings.Contains(e.Sentence, "\n") || strings.Contains(e.Sentence, "token") && name == "wrong token" && strings.Contains(e.Sentence, "wrong-token") {
				t.Errorf("got %v, want a sentence with %q, lasting %v", err, test.want, test.lasting)
			}
			if list := outside.Git(b.t, b.bare(), "branch", "--list"); strings.Contains(list, "proton") {
				t.Errorf("branches are left: %s", list)
			}
		})
	}
}

// host is a double of the pull requests of GitHub and Gitea.
type host struct {
	mu     sync.Mutex
	kind   string
	pulls  []map[string]any
	refuse string
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	answer := func(status int, v any) {
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			log.Print(err)
		}
	}
	want := map[string]string{GitHub: "Bearer ", Gitea: "token "}[h.kind] + testToken
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/repos/platform/environments/pulls")
	if r.Header.Get("Authorization") != want || !ok {
		answer(404, map[string]string{"message": "Not Found"})
		return
	}
	switch number, _ := strconv.Atoi(strings.TrimPrefix(rest, "/")); {
	case r.Method == "POST" && h.refuse != "":
		answer(422, map[string]any{"message": "Validation Failed", "errors": []any{map[string]string{"message": h.refuse}}})
	case r.Method == "POST":
		var in map[string]any
		_ = json.NewDecoder(r.Body).Decode(&in)
		p := map[string]any{"number": len(h.pulls) + 1, "html_url": "https://git.example.org/pull/1", "state": "open", "merged": false, "head": map[string]any{"ref": in["head"]}, "title": in["title"], "base": in["base"]}
		h.pulls = append(h.pulls, p)
		answer(201, p)
	case r.Method == "PATCH":
		h.pulls[number-1]["state"] = "closed"
		answer(200, h.pulls[number-1])
	case number > 0:
		answer(200, h.pulls[number-1])
	case h.kind == Gitea:
		for _, p := range h.pulls {
			if rest == fmt.Sprintf("/%s/%s", p["base"], p["head"].(map[string]any)["ref"]) {
				answer(200, p)
				return
			}
		}
		answer(404, map[string]string{"message": "Not Found"})
	default:
		var list []any
		for _, p := range h.pulls {
			if r.URL.Query().Get("head") == fmt.Sprint("platform:", p["head"].(map[string]any)["ref"]) {
				list = append(list, p)
			}
		}
		answer(200, list)
	}
}

func (h *host) set(number int, state string, merged bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pulls[number-1]["state"], h.pulls[number-1]["merged"] = state, merged
}

func TestPullRequests(t *testing.T) {
	for _, kind := range []string{GitHub, Gitea} {
		t.Run(kind, func(t *testing.T) {
			b, double := newBench(t), &host{kind: kind}
			server := httptest.NewServer(double)
			t.Cleanup(server.Close)
			r := remote(t, connect(t, "  url: file://%s\n  api: %s\n  api-url: %s/api\n  token-file: %s", b.root, kind, server.URL, secretFile(t, testToken)))
			c := testChange("one")
			p := propose(t, r, c)
			if again := propose(t, r, c); again.Number != 1 || again.Commit != p.Commit || len(double.pulls) != 1 {
				t.Errorf("proposed again: %+v of %d", again, len(double.pulls))
			}
			if double.pulls[0]["title"] != "Deploy shop" || p.URL == "" {
				t.Errorf("pull request %v, proposal %+v", double.pulls[0], p)
			}
			wantState(t, r, p, c, Open)
			double.set(1, "closed", true)
			wantState(t, r, p, c, Merged)
			double.set(1, "closed", false)
			wantState(t, r, p, c, Closed)
			double.set(1, "open", false)
			for range 2 {
				if err := r.Withdraw(context.Background(), p); err != nil {
					t.Fatal(err)
				}
			}
			wantState(t, r, p, c, Closed)

			double.refuse = "No commits between, says " + testToken
			_, err := r.Propose(context.Background(), testChange("two"))
			if err == nil || !strings.Contains(err.Error(), "No commits between") || strings.Contains(err.Error(), testToken) {
				t.Errorf("got %v, want what the host said, without the token", err)
			}
			if list := outside.Git(b.t, b.bare(), "branch", "--list"); strings.Contains(list, "proton") {
				t.Errorf("branches are left: %s", list)
			}
		})
	}
}

func TestSilentRemoteEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	signer, private := newKey(t)
	c := connect(t, "  url: ssh://git@%s\n  key-file: %s\n  known-hosts: %s", listener.Addr(), secretFile(t, private), secretFile(t, knownhosts.Line([]string{listener.Addr().String()}, signer.PublicKey())))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = remote(t, c).Propose(ctx, testChange("x"))
	if err == nil || !strings.Contains(err.Error(), "it did not answer in time") {
		t.Errorf("got %v", err)
	}
}
