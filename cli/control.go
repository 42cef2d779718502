// Package cli holds the operator's commands that speak to a running house, and the
// socket through which they do.
//
// The control socket is a Unix socket in the data directory. Only the user that runs
// the house, and root, can reach it; the house asks the kernel who is at the other end.
// Over it goes plain HTTP with JSON: Control names what can be asked.
package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// SocketName is the control socket's name in a data directory.
const SocketName = "control.sock"

// Environment is what a client of the house needs to know.
type Environment struct {
	Endpoint        string `json:"endpoint"`
	CABundle        string `json:"caBundle"` // "" where the operator gave a certificate
	Region          string `json:"region"`
	Account         string `json:"account"`
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// Account is a new account and its administrator's credentials.
type Account struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	UserARN         string `json:"userArn"`
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// Client asks a running house through its control socket.
type Client struct {
	http *http.Client
	data string
}

// NewClient returns a client for the house in the data directory.
func NewClient(data string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, data) }
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, data: data}
}

// ErrNotRunning says that no house runs over the data directory.
var ErrNotRunning = errors.New("no Strongroom is running")

// Call sends in as JSON to the path of the control socket and reads the answer into out;
// either may be nil.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	body, err := c.Stream(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, body)
		return err
	}
	return json.NewDecoder(body).Decode(out)
}

// Stream is Call for an answer that is not JSON. The caller closes it.
func (c *Client) Stream(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://house"+path, body)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w in %s", ErrNotRunning, c.data)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%s is not a directory", c.data)
	}
	var asked *url.Error
	if errors.As(err, &asked) { // its address is ours, and says nothing to anybody
		err = asked.Err
	}
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
		return nil, errors.New(string(bytes.TrimSpace(text)))
	}
	return answer.Body, nil
}

// maxSocketPath is the longest path that fits a Unix socket address on Linux.
const maxSocketPath = 107

// withSocketPath calls fn with a path to the control socket that fits an address, however
// long the data directory's own path is.
func withSocketPath(data string, fn func(path string) error) error {
	path := filepath.Join(data, SocketName)
	if len(path) <= maxSocketPath {
		return fn(path)
	}
	dir, err := os.Open(data)
	if err != nil {
		return err
	}
	defer dir.Close()
	return fn(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), SocketName))
}

func dialSocket(ctx context.Context, data string) (conn net.Conn, err error) {
	err = withSocketPath(data, func(path string) error {
		conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", path)
		return err
	})
	return conn, err
}

// Listen opens the control socket of a data directory whose lock the caller holds.
// Connections of other users than the caller's own, and root, are closed at once.
func Listen(data string) (net.Listener, error) {
	if err := os.Remove(filepath.Join(data, SocketName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var l *net.UnixListener
	err := withSocketPath(data, func(path string) (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // the path may be one of this process's only; see Remove above
	if err := os.Chmod(filepath.Join(data, SocketName), 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &ownListener{l}, nil
}

// ownListener lets only the own user and root in.
type ownListener struct{ *net.UnixListener }

func (l *ownListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, err := peerUID(conn); err == nil && (uid == 0 || uid == os.Getuid()) {
			return conn, nil
		}
		_ = conn.Close()
	}
}
