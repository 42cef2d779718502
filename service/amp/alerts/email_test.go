package alerts

import (
	"bufio"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"
)

// mailServer speaks as much SMTP as a client needs, with STARTTLS unless plain is set.
type mailServer struct {
	l     net.Listener
	conf  *tls.Config
	plain bool
	mu    sync.Mutex
	said  []string
}

func newMailServer(t *testing.T, r *receiver, plain bool) *mailServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &mailServer{l: l, conf: &tls.Config{Certificates: r.TLS.Certificates}, plain: plain}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *mailServer) serve(c net.Conn) {
	defer func() { c.Close() }()
	in := bufio.NewScanner(c)
	say := func(line string) { _, _ = c.Write([]byte(line + "\r\n")) }
	say("220 mail")
	data, secure := false, false
	for in.Scan() {
		line := in.Text()
		s.mu.Lock()
		s.said = append(s.said, line)
		s.mu.Unlock()
		switch word, _, _ := strings.Cut(line, " "); {
		case data:
			if line == "." {
				data = false
				say("250 taken")
			}
		case word == "EHLO":
			say("250-mail")
			if !secure && !s.plain {
				say("250-STARTTLS")
			}
			say("250 AUTH PLAIN")
		case word == "STARTTLS":
			say("220 go on")
			c, secure = tls.Server(c, s.conf), true
			in = bufio.NewScanner(c)
		case word == "AUTH":
			say("235 yes")
		case word == "DATA":
			data = true
			say("354 go on")
		case word == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *mailServer) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.said, "\n")
}

func TestEmail(t *testing.T) {
	r := newReceiver(t)
	s := newMailServer(t, r, false)
	o := r.outgoing()
	o.Addresses["example.com"] = s.l.Addr().String()
	d := definition(t, o, "email_configs:", "  - {to: 'ops@example.org, two@example.org', from: house@example.org, smarthost: 'example.com:587', auth_username: u, auth_password: topsecret,",
		`     text: '{{ len .Alerts }} alerts', headers: {Subject: "line one\nBcc: everybody@example.org"}}`)
	m := openManager(t, d, Options{Outgoing: o})
	fire(m, "Hot")
	until(t, "mail", func() bool { return strings.Contains(s.all(), "\n.\n") })
	for _, want := range []string{"STARTTLS", "AUTH PLAIN", "MAIL FROM:<house@example.org>", "RCPT TO:<ops@example.org>", "RCPT TO:<two@example.org>", "1 alerts", "text/html", "Subject: line one Bcc: everybody@example.org"} {
		if !strings.Contains(s.all(), want) {
			t.Errorf("%q is missing in\n%s", want, s.all())
		}
	}
}

func TestEmail_needsEncryption(t *testing.T) {
	r := newReceiver(t)
	s := newMailServer(t, r, true)
	o := r.outgoing()
	o.Addresses["example.com"] = s.l.Addr().String()
	m := openManager(t, definition(t, o, "email_configs:", "  - {to: ops@example.org, from: house@example.org, smarthost: 'example.com:587', auth_username: u, auth_password: topsecret, require_tls: false}"), Options{Outgoing: o})
	fire(m, "Hot")
	until(t, "failure", func() bool { return m.Failures() > 0 })
	if strings.Contains(s.all(), "AUTH") || strings.Contains(s.all(), "DATA") {
		t.Errorf("a password was sent in the clear:\n%s", s.all())
	}
}
