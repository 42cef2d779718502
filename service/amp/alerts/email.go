package alerts

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/notify/email"
	"github.com/prometheus/alertmanager/template"
)

// mailer sends email through the server that a definition names. Alertmanager's own would connect to any address.
type mailer struct {
	c    *email.EmailConfig
	out  Outgoing
	tmpl *template.Template
}

// Notify sends one mail.
func (m *mailer) Notify(ctx context.Context, alerts ...*alert.Alert) notify.NotifyVerdict {
	l, err := m.compose(ctx, alerts)
	if err != nil {
		return notify.Unrecoverable(err, notify.DefaultReason)
	}
	ctx, cancel := context.WithTimeout(ctx, m.out.timeout())
	defer cancel()
	if err := m.send(ctx, l); err != nil {
		var refused *textproto.Error
		if errors.As(err, &refused) && refused.Code/100 == 5 {
			return notify.Unrecoverable(fmt.Errorf("the mail server refuses with code %d", refused.Code), notify.DefaultReason)
		}
		return notify.Retry(0, err, notify.DefaultReason)
	}
	return notify.Success()
}

// letter is a mail that can be sent.
type letter struct {
	from string
	to   []string
	body []byte
}

// compose makes a mail of alerts.
func (m *mailer) compose(ctx context.Context, alerts []*alert.Alert) (*letter, error) {
	data := notify.GetTemplateData(ctx, m.tmpl, alerts, quiet)
	var failed error
	text := notify.TmplText(m.tmpl, data, &failed)
	from, to := text(m.c.From), text(m.c.To)
	headers := make(map[string]string)
	for name, value := range m.c.Headers {
		headers[textproto.CanonicalMIMEHeaderKey(name)] = text(value)
	}
	set := func(name, value string) {
		if _, there := headers[name]; !there {
			headers[name] = value
		}
	}
	set("Subject", text(email.DefaultEmailSubject))
	set("From", from)
	set("To", to)
	plain, html := text(m.c.Text), ""
	if failed == nil && m.c.HTML != "" {
		html, failed = m.tmpl.ExecuteHTMLString(m.c.HTML, data)
	}
	if failed != nil {
		return nil, fmt.Errorf("template of an email: %w", failed)
	}
	l := new(letter)
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return nil, errors.New("from is not an address")
	}
	l.from = sender.Address
	receivers, err := mail.ParseAddressList(to)
	if err != nil {
		return nil, errors.New("to is not a list of addresses")
	}
	for _, r := range receivers {
		l.to = append(l.to, r.Address)
	}
	_, host, _ := strings.Cut(l.from, "@")
	set("Message-Id", "<"+messageID()+"@"+host+">")
	set("Date", time.Now().Format(time.RFC1123Z))
	l.body, err = write(headers, plain, html)
	return l, err
}

// write lays a mail out (RFC 5322, RFC 2046). The last of the alternatives is the one that is preferred.
func write(headers map[string]string, plain, html string) ([]byte, error) {
	var body, out bytes.Buffer
	parts := multipart.NewWriter(&body)
	for _, p := range []struct{ kind, text string }{{"text/plain", plain}, {"text/html", html}} {
		if p.text == "" {
			continue
		}
		w, err := parts.CreatePart(textproto.MIMEHeader{
			"Content-Type": {p.kind + "; charset=UTF-8"}, "Content-Transfer-Encoding": {"quoted-printable"},
		})
		if err != nil {
			return nil, err
		}
		qp := quotedprintable.NewWriter(w)
		if _, err := io.WriteString(qp, p.text); err != nil {
			return nil, err
		}
		if err := qp.Close(); err != nil {
			return nil, err
		}
	}
	if err := parts.Close(); err != nil {
		return nil, err
	}
	headers["Mime-Version"] = "1.0"
	headers["Content-Type"] = "multipart/alternative; boundary=" + parts.Boundary()
	for _, name := range sorted(headers) {
		// A line break in a value would begin another header.
		value := strings.Join(strings.FieldsFunc(headers[name], func(r rune) bool { return r == '\r' || r == '\n' }), " ")
		fmt.Fprintf(&out, "%s: %s\r\n", strings.Map(token, name), mime.QEncoding.Encode("utf-8", value))
	}
	out.WriteString("\r\n")
	out.Write(body.Bytes())
	return out.Bytes(), nil
}

// token drops what cannot stand in the name of a header.
func token(r rune) rune {
	if r <= ' ' || r >= 0x7f || r == ':' {
		return -1
	}
	return r
}

func sorted(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// send speaks to the mail server. Without encryption nothing is sent unless the definition says require_tls: false,
// and then without a password.
func (m *mailer) send(ctx context.Context, l *letter) error {
	c, secure, err := m.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if m.c.AuthUsername != "" {
		if !secure {
			return errors.New("no password is sent without encryption")
		}
		if err := c.Auth(m.auth(c)); err != nil {
			return fmt.Errorf("the mail server does not take the credentials: %w", refusalOnly(err))
		}
	}
	if err := c.Mail(l.from); err != nil {
		return refusalOnly(err)
	}
	for _, to := range l.to {
		if err := c.Rcpt(to); err != nil {
			return refusalOnly(err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return refusalOnly(err)
	}
	if _, err := w.Write(l.body); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return refusalOnly(err)
	}
	_ = c.Quit() // it has been taken
	return nil
}

// refusalOnly keeps the code of a refusal, not its words, which may repeat what was sent.
func refusalOnly(err error) error {
	var e *textproto.Error
	if errors.As(err, &e) {
		return &textproto.Error{Code: e.Code, Msg: "refused"}
	}
	return err
}

// connect opens a connection, encrypted from the beginning or after STARTTLS, and says whether it is.
func (m *mailer) connect(ctx context.Context) (c *smtp.Client, secure bool, err error) {
	host := m.c.Smarthost.Host
	conf, err := m.out.tls(ctx, m.c.TLSConfig)
	if err != nil {
		return nil, false, errors.New("TLS configuration of an email receiver")
	}
	if conf.ServerName == "" {
		conf.ServerName = host
	}
	conn, err := m.out.dial(ctx, "tcp", m.c.Smarthost.String())
	if err != nil {
		return nil, false, err
	}
	unhook := context.AfterFunc(ctx, func() { _ = conn.Close() })
	stop := func(err error) (*smtp.Client, bool, error) {
		unhook()
		return nil, false, errors.Join(err, conn.Close())
	}
	implicit := m.c.Smarthost.Port == "465"
	if m.c.ForceImplicitTLS != nil {
		implicit = *m.c.ForceImplicitTLS
	}
	var on net.Conn = conn
	if implicit {
		on, secure = tls.Client(conn, conf), true
	}
	if c, err = smtp.NewClient(on, host); err != nil {
		return stop(err)
	}
	if m.c.Hello != "" {
		if err := c.Hello(m.c.Hello); err != nil {
			return stop(refusalOnly(err))
		}
	}
	if offered, _ := c.Extension("STARTTLS"); offered && !secure {
		if err := c.StartTLS(conf); err != nil {
			return stop(err)
		}
		secure = true
	}
	if !secure && (m.c.RequireTLS == nil || *m.c.RequireTLS) {
		return stop(errors.New("the mail server does not encrypt"))
	}
	return c, secure, nil
}

// auth chooses how to prove who sends.
func (m *mailer) auth(c *smtp.Client) smtp.Auth {
	_, offered := c.Extension("AUTH")
	if mechanisms := strings.Fields(offered); slices.Contains(mechanisms, "LOGIN") && !slices.Contains(mechanisms, "PLAIN") {
		return email.LoginAuth(m.c.AuthUsername, string(m.c.AuthPassword))
	}
	return smtp.PlainAuth(m.c.AuthIdentity, m.c.AuthUsername, string(m.c.AuthPassword), m.c.Smarthost.Host)
}
