package git

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// maxAdvertisement bounds the references a remote sends, and maxReport what it says to a push.
const (
	maxAdvertisement = 32 << 20
	maxAnswer        = maxPack + 1<<20
)

// client is for one exchange: no redirects, so that a credential goes where the operator said.
func (c *Connection) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12},
			DialContext: (&net.Dialer{Timeout: dialTime}).DialContext, TLSHandshakeTimeout: dialTime, DisableKeepAlives: true, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// webSession speaks Git's smart HTTP protocol (gitprotocol-http).
type webSession struct {
	r       *Remote
	client  *http.Client
	service string
	adv     *advertisement
	body    io.Closer
}

func (r *Remote) openHTTP(ctx context.Context, service string) (session, error) {
	s := &webSession{r: r, client: r.c.client(), service: service}
	body, err := s.call(ctx, http.MethodGet, "/info/refs?service="+service, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	s.adv, err = readAdvertisement(io.LimitReader(body, maxAdvertisement), true)
	return s, err
}

// call makes one request and checks how it ended.
func (s *webSession) call(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.r.location()+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "git/strongroom")
	if body != nil {
		req.Header.Set("Content-Type", "application/x-"+s.service+"-request")
	}
	if s.r.c.token.Len() > 0 {
		user := s.r.c.user
		if user == "" {
			user = "git"
		}
		req.SetBasicAuth(user, string(s.r.c.token.Reveal()))
	}
	res, err := s.client.Do(req)
	if err != nil {
		var outer *url.Error // holds the whole URL
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, ended(err)
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		return nil, refusal(res.StatusCode)
	}
	return res.Body, nil
}

// refusal words a status.
func refusal(status int) error {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("the remote refuses the credentials of the connection (status %d)", status)
	case status == http.StatusNotFound:
		return errors.New("the remote knows no such repository, or not for these credentials (status 404)")
	case status >= 300 && status < 400:
		return fmt.Errorf("the remote points to another address (status %d), which is not followed", status)
	case status >= 500, status == http.StatusTooManyRequests:
		return &passingError{fmt.Errorf("the remote answers with status %d", status)}
	}
	return fmt.Errorf("the remote answers with status %d", status)
}

func (s *webSession) advertisement() *advertisement { return s.adv }

func (s *webSession) exchange(ctx context.Context, request []byte) (reader, error) {
	body, err := s.call(ctx, http.MethodPost, "/"+s.service, request)
	if err != nil {
		return nil, err
	}
	s.body = body
	return io.LimitReader(body, maxAnswer), nil
}

func (s *webSession) Close() error {
	if s.body != nil {
		return s.body.Close()
	}
	return nil
}

// pipeSession speaks with a process, here or at the other end of SSH.
type pipeSession struct {
	adv  *advertisement
	in   io.WriteCloser
	out  io.Reader
	stop func()
}

// begin reads what the process says first.
func (p *pipeSession) begin() (session, error) {
	var err error
	if p.adv, err = readAdvertisement(io.LimitReader(p.out, maxAdvertisement), false); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *pipeSession) advertisement() *advertisement { return p.adv }

func (p *pipeSession) exchange(_ context.Context, request []byte) (reader, error) {
	if _, err := p.in.Write(request); err != nil {
		return nil, ended(io.ErrUnexpectedEOF)
	}
	if err := p.in.Close(); err != nil {
		return nil, ended(io.ErrUnexpectedEOF)
	}
	return io.LimitReader(p.out, maxAnswer), nil
}

func (p *pipeSession) Close() error {
	p.stop()
	return nil
}

// openFolder runs Git's own program over a repository of this machine.
func (r *Remote) openFolder(ctx context.Context, service string) (session, error) {
	u, err := url.Parse(r.location())
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(u.Path); err != nil || !info.IsDir() {
		return nil, errors.New("there is no such repository")
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, "git", strings.TrimPrefix(service, "git-"), filepath.Clean(u.Path))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LC_ALL=C"}
	cmd.WaitDelay = time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("git cannot be started: %w", err)
	}
	stop := func() {
		cancel()
		_ = cmd.Wait() // it was ended, or had ended
	}
	return (&pipeSession{in: in, out: out, stop: stop}).begin()
}

// openSSH runs Git's program at the other end of an SSH connection, whose host key the operator has pinned.
func (r *Remote) openSSH(ctx context.Context, service string) (session, error) {
	u, err := url.Parse(r.location())
	if err != nil {
		return nil, err
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "22")
	}
	conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// Whatever becomes of the conversation, it ends with its time.
	unhook := context.AfterFunc(ctx, func() { _ = conn.Close() })
	stop := func() { unhook(); _ = conn.Close() }
	config := &ssh.ClientConfig{
		User: r.c.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(r.c.signer)}, HostKeyCallback: r.c.hostKeys,
		HostKeyAlgorithms: r.c.algorithms(address, conn.RemoteAddr()),
	}
	transport, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if err != nil {
		stop()
		return nil, shook(ctx, err)
	}
	channel, err := ssh.NewClient(transport, channels, requests).NewSession()
	if err != nil {
		stop()
		return nil, err
	}
	in, inErr := channel.StdinPipe()
	out, outErr := channel.StdoutPipe()
	if err := errors.Join(inErr, outErr, channel.Start(service+" "+quote(u.Path))); err != nil {
		stop()
		return nil, errors.New("the remote does not run " + service)
	}
	return (&pipeSession{in: in, out: out, stop: stop}).begin()
}

// shook words why a handshake failed.
func shook(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var key *knownhosts.KeyError
	if errors.As(err, &key) {
		if len(key.Want) == 0 {
			return errors.New("the host is not in the file of known hosts")
		}
		return errors.New("the host's key is not the one in the file of known hosts")
	}
	if strings.Contains(err.Error(), "unable to authenticate") {
		return errors.New("the remote refuses the key of the connection")
	}
	return err
}

// algorithms returns the kinds of host key that are known of a host, so that it does not show another.
func (c *Connection) algorithms(address string, remote net.Addr) []string {
	var known *knownhosts.KeyError
	if err := c.hostKeys(address, remote, noKey{}); !errors.As(err, &known) {
		return nil
	}
	var list []string
	for _, k := range known.Want {
		if k.Key.Type() == ssh.KeyAlgoRSA {
			list = append(list, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			continue
		}
		list = append(list, k.Key.Type())
	}
	return list
}

// noKey is a host key that no host has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }

// quote makes one word of a path for the shell at the other end.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
