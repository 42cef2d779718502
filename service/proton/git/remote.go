package git

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"
)

// Limits of time.
const (
	dialTime     = 15 * time.Second
	exchangeTime = 2 * time.Minute // of one fetch, push or call of the API
)

// Remote is one repository behind a connection. Its methods may be called together.
type Remote struct {
	c    *Connection
	name string // owner/name
}

var repositoryPart = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)

// Remote returns the repository with a name, such as "platform/environments", behind a connection.
// Nothing is asked of it yet.
func (c *Connection) Remote(name string) (*Remote, error) {
	parts := strings.Split(name, "/")
	if len(parts) > 8 {
		return nil, fmt.Errorf("repository %s: the name has too many parts", sentence(name))
	}
	for _, part := range parts {
		if !repositoryPart.MatchString(part) || strings.HasSuffix(part, ".git") || strings.Contains(part, "..") {
			return nil, fmt.Errorf("repository %s: the name is not such as owner/name", sentence(name))
		}
	}
	if c.API != None && len(parts) != 2 {
		return nil, fmt.Errorf("repository %s: the name is not such as owner/name", sentence(name))
	}
	return &Remote{c: c, name: name}, nil
}

// location is where Git finds the repository.
func (r *Remote) location() string { return r.c.URL + "/" + r.name + ".git" }

// session is one conversation with upload-pack or receive-pack.
type session interface {
	advertisement() *advertisement
	exchange(ctx context.Context, request []byte) (reader, error)
	Close() error
}

type reader interface{ Read(p []byte) (int, error) }

// open begins a conversation, over whatever the connection's URL says.
func (r *Remote) open(ctx context.Context, service string) (session, error) {
	switch scheme, _, _ := strings.Cut(r.c.URL, ":"); scheme {
	case "https", "http":
		return r.openHTTP(ctx, service)
	case "ssh":
		return r.openSSH(ctx, service)
	}
	return r.openFolder(ctx, service)
}

// failed words an error for a status message: one sentence that names the repository.
func (r *Remote) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	var network *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		text = "it did not answer in time"
	case errors.As(err, &network) && network.Op == "dial":
		text = "it cannot be reached"
	}
	return &Error{Sentence: fmt.Sprintf("The repository %s %s: %s.", r.name, what, strings.TrimSuffix(r.redact(sentence(text)), ".")), Lasting: lasting(err), cause: err}
}

// redact takes the token out of a text, should a remote have said it back.
func (r *Remote) redact(text string) string {
	if r.c.token.Len() < 4 {
		return text
	}
	return strings.ReplaceAll(text, string(r.c.token.Reveal()), "[secret]")
}

// Error is why something with a repository did not work.
type Error struct {
	Sentence string // fit for a status message
	// Lasting says that the remote has refused, and trying again is of no use until somebody
	// changes something; what did not answer may answer the next time.
	Lasting bool
	cause   error
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Sentence }

// Unwrap returns the cause, whose text is for nobody.
func (e *Error) Unwrap() error { return e.cause }

// lasting tells a refusal from what may pass.
func lasting(err error) bool {
	var network net.Error
	var passing *passingError
	return !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) && !errors.As(err, &network) && !errors.As(err, &passing)
}

// passingError is an answer such as 503, after which trying again may help.
type passingError struct{ error }
