package alerts

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/notify/sns"
	"github.com/prometheus/alertmanager/template"
	promconfig "github.com/prometheus/common/config"
)

// Bounds of SNS ("Publish" in its API Reference).
const (
	maxSubject = 100
	maxMessage = 256 << 10
)

// topic posts notifications as SNS posts them to an HTTPS subscription, without a signature: whoever takes them
// knows the house by the connection.
type topic struct {
	c      *sns.SNSConfig
	to     string
	tmpl   *template.Template
	client *http.Client
}

func newTopic(c *sns.SNSConfig, out Outgoing, tmpl *template.Template) (*topic, error) {
	client, err := promconfig.NewClientFromConfig(promconfig.HTTPClientConfig{}, "sns", out.options()...)
	if err != nil {
		return nil, err
	}
	client.Timeout = out.timeout()
	return &topic{c: c, to: out.Topics[c.TopicARN], tmpl: tmpl, client: client}, nil
}

// notification is the body of a delivery (Amazon SNS Developer Guide, "HTTP/HTTPS notification JSON format").
type notification struct {
	Type              string
	MessageID         string `json:"MessageId"`
	TopicARN          string `json:"TopicArn"`
	Subject           string `json:",omitempty"`
	Message           string
	Timestamp         string
	MessageAttributes map[string]attribute `json:",omitempty"`
}

type attribute struct{ Type, Value string }

// Notify posts one notification.
func (t *topic) Notify(ctx context.Context, alerts ...*alert.Alert) notify.NotifyVerdict {
	if t.to == "" {
		return notify.Unrecoverable(errors.New("the operator has not said where the topic is reached"), notify.DefaultReason)
	}
	var failed error
	text := notify.TmplText(t.tmpl, notify.GetTemplateData(ctx, t.tmpl, alerts, quiet), &failed)
	n := notification{
		Type: "Notification", MessageID: messageID(), TopicARN: t.c.TopicARN,
		Subject: subject(text(t.c.Subject)), Message: cut(text(t.c.Message), maxMessage), Timestamp: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	for name, value := range t.c.Attributes {
		if n.MessageAttributes == nil {
			n.MessageAttributes = make(map[string]attribute)
		}
		n.MessageAttributes[text(name)] = attribute{"String", text(value)}
	}
	if failed != nil {
		return notify.Unrecoverable(fmt.Errorf("template: %w", failed), notify.DefaultReason)
	}
	return t.post(ctx, n)
}

func (t *topic) post(ctx context.Context, n notification) notify.NotifyVerdict {
	body, err := json.Marshal(n)
	if err != nil {
		return notify.Unrecoverable(err, notify.DefaultReason)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.to, bytes.NewReader(body))
	if err != nil {
		return notify.Unrecoverable(errors.New("address of the topic"), notify.DefaultReason)
	}
	req.Header.Set("Content-Type", "text/plain; charset=UTF-8")
	req.Header.Set("x-amz-sns-message-type", n.Type)
	req.Header.Set("x-amz-sns-message-id", n.MessageID)
	req.Header.Set("x-amz-sns-topic-arn", n.TopicARN)
	res, err := t.client.Do(req)
	if err != nil {
		return notify.Retry(0, notify.RedactURL(err), notify.DefaultReason)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	switch err := fmt.Errorf("status %d", res.StatusCode); {
	case res.StatusCode/100 == 2:
		return notify.Success()
	case res.StatusCode/100 == 5 || res.StatusCode == http.StatusTooManyRequests:
		return notify.Retry(0, err, notify.DefaultReason)
	default:
		return notify.Unrecoverable(err, notify.DefaultReason)
	}
}

// messageID makes an id in the form of a UUID of version 4.
func messageID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// subject is one line of so many characters.
func subject(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxSubject {
		s = string(r[:maxSubject])
	}
	return s
}

// cut shortens a text to so many bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
