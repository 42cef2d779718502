package cli

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// serveControl answers on the control socket of a new directory with a path of the given length.
func serveControl(t *testing.T, length int, handler http.Handler) (data string) {
	t.Helper()
	data = t.TempDir()
	for len(data) < length {
		data = filepath.Join(data, strings.Repeat("d", min(50, length-len(data))))
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(data)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return data
}

func TestControlSocket(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/env", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"region":"eu-west-1"}`)) })
	mux.HandleFunc("POST /v1/accounts", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "there is one already", http.StatusBadRequest)
	})
	for _, length := range []int{0, 200, 600} {
		data := serveControl(t, length, mux)
		info, err := os.Stat(filepath.Join(data, SocketName))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("socket: %v %v", info, err)
		}
		var e Environment
		if err := NewClient(data).Call(context.Background(), "GET", "/v1/env", nil, &e); err != nil || e.Region != "eu-west-1" {
			t.Errorf("path of %d characters: %+v %v", length, e, err)
		}
		err = NewClient(data).Call(context.Background(), "POST", "/v1/accounts", Account{Name: "x"}, nil)
		if err == nil || err.Error() != "there is one already" {
			t.Errorf("refusal: %v", err)
		}
	}
}

func TestNotRunning(t *testing.T) {
	err := NewClient(t.TempDir()).Call(context.Background(), "GET", "/v1/env", nil, nil)
	if !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v", err)
	}
	data := t.TempDir()
	l, err := Listen(data)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // what a killed house leaves
	err = NewClient(data).Call(context.Background(), "GET", "/v1/env", nil, nil)
	if !errors.Is(err, ErrNotRunning) {
		t.Errorf("after a crash: %v", err)
	}
	if l, err = Listen(data); err != nil {
		t.Fatalf("a socket that a crash left cannot be replaced: %v", err)
	}
	_ = l.Close()
}

// TestExportIsSafeForAShell has a real shell read values that try to break out.
func TestExportIsSafeForAShell(t *testing.T) {
	evil := `a'b"c$(touch pwned)` + "`id`" + `\ d;e` + "\n#f"
	var text bytes.Buffer
	e := Environment{Endpoint: evil, AccessKeyID: "AKIA", SecretAccessKey: "s+/=", Region: "eu-west-1"}
	if err := e.Export(&text); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", text.String()+"\n"+`printf %s "$AWS_ENDPOINT_URL"`)
	cmd.Dir = t.TempDir()
	got, err := cmd.CombinedOutput()
	if err != nil || string(got) != evil {
		t.Errorf("the shell reads %q (%v), want %q", got, err, evil)
	}
	if _, err := os.Stat(filepath.Join(cmd.Dir, "pwned")); err == nil {
		t.Error("the shell ran what was quoted")
	}
	if strings.Contains(text.String(), "AWS_CA_BUNDLE") {
		t.Error("an empty value is exported")
	}
}
