package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/strongroom/strongroom/pkcs11/frame"
	"github.com/strongroom/strongroom/secret"
)

// Limits of arguments, in bytes.
const (
	MaxData  = frame.MaxData  // plaintext, associated data, random bytes
	MaxLabel = frame.MaxLabel // label of a key or a token
	Overhead = 12 + 16        // what a ciphertext is longer than its plaintext
)

// defaultTimeout is how long a token may take to answer.
const defaultTimeout = 15 * time.Second

// restartPause is how long a session waits after a failed start before it tries again.
const restartPause = time.Second

// Config says which token to open.
type Config struct {
	Helper  string        // path of the helper program; "" looks beside this program and in PATH
	Module  string        // path of the PKCS#11 module, a shared library
	Token   string        // label of the token
	PIN     secret.Bytes  // of the token's user; the session keeps a copy
	Timeout time.Duration // for each answer; 0 for 15 seconds
}

// Token describes a token that was opened.
type Token struct{ Label, Serial, Manufacturer, Model string }

// Session is an open token. Its methods may be called together. A helper that has crashed or
// been ended, because it did not answer in time or lost its token, is started and logged in
// again by the next call.
type Session struct {
	cfg   Config
	path  string
	token Token

	starting chan struct{} // holds one value while somebody looks for or starts a helper

	mu     sync.Mutex
	helper *helper   // nil while none runs
	failed error     // for ever: closed, or the PIN was refused
	again  time.Time // no start before
	last   error     // of the failed start
}

// Open starts a helper, loads the module, and logs in to the token. The caller closes the
// session. Errors are ErrHelper, ErrUnavailable, ErrPIN, ErrLocked, ErrAmbiguous,
// ErrUnsupported, ErrLimit, or the context's.
func Open(ctx context.Context, cfg Config) (*Session, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	for what, text := range map[string]string{"module": cfg.Module, "token": cfg.Token} {
		if text == "" || len(text) > 4096 || !utf8.ValidString(text) {
			return nil, fmt.Errorf("%w: the name of the %s is empty, too long or not UTF-8", ErrLimit, what)
		}
	}
	if n := cfg.PIN.Len(); n == 0 || n > 1024 {
		return nil, fmt.Errorf("token %q: %w: it is empty or too long", cfg.Token, ErrPIN)
	}
	path, err := findHelper(cfg.Helper)
	if err != nil {
		return nil, err
	}
	cfg.PIN = secret.New(append([]byte(nil), cfg.PIN.Reveal()...))
	s := &Session{cfg: cfg, path: path, starting: make(chan struct{}, 1)}
	if _, err := s.running(ctx); err != nil {
		s.cfg.PIN.Wipe()
		return nil, err
	}
	return s, nil
}

// Token describes the token.
func (s *Session) Token() Token { return s.token }

// Close logs out and ends the helper. Calls under way fail with ErrClosed.
func (s *Session) Close() error {
	s.mu.Lock()
	h := s.helper
	s.helper, s.failed = nil, ErrClosed
	s.mu.Unlock()
	if h != nil {
		h.close()
	}
	s.starting <- struct{}{} // nobody starts one any more, so the PIN is not in use
	s.cfg.PIN.Wipe()
	<-s.starting
	return nil
}

// Ping asks whether the token is there and logged in.
func (s *Session) Ping(ctx context.Context) error {
	_, err := s.call(ctx, frame.Request{Op: frame.Ping})
	return err
}

// Random returns n random bytes from the token's generator.
func (s *Session) Random(ctx context.Context, n int) ([]byte, error) {
	if n < 0 || n > MaxData {
		return nil, fmt.Errorf("%w: %d random bytes", ErrLimit, n)
	}
	reply, err := s.call(ctx, frame.Request{Op: frame.Random, Count: n})
	if err != nil {
		return nil, err
	}
	if len(reply.Data) != n {
		return nil, fmt.Errorf("%w: %w: it made %d random bytes of %d", ErrUnavailable, ErrHelper, len(reply.Data), n)
	}
	return reply.Data, nil
}

// Labels lists the labels of the token's AES keys, ascending.
func (s *Session) Labels(ctx context.Context) ([]string, error) {
	var all []string
	for {
		r := frame.Request{Op: frame.List}
		if len(all) > 0 {
			r.Label = all[len(all)-1]
		}
		reply, err := s.call(ctx, r)
		if err != nil {
			return nil, err
		}
		if len(reply.Labels) == 0 {
			return all, nil
		}
		for _, label := range reply.Labels {
			if len(all) > 0 && label <= all[len(all)-1] {
				return nil, fmt.Errorf("%w: %w: its list is out of order", ErrUnavailable, ErrHelper)
			}
			all = append(all, label)
		}
	}
}

// Key returns the key with this label. Errors are ErrNotFound, ErrAmbiguous, ErrUnfit and those of Open.
func (s *Session) Key(ctx context.Context, label string) (*Key, error) {
	return s.key(ctx, frame.Find, label)
}

// GenerateKey makes an AES-256 key in the token that never leaves it. A key with this
// label that is there already is ErrExists. When GenerateKey returns another error, the
// key may have been made.
func (s *Session) GenerateKey(ctx context.Context, label string) (*Key, error) {
	return s.key(ctx, frame.Generate, label)
}

// DeleteKey destroys the key with this label for ever. When it returns an error other
// than ErrNotFound and ErrAmbiguous, the key may be gone.
func (s *Session) DeleteKey(ctx context.Context, label string) error {
	_, err := s.key(ctx, frame.Delete, label)
	return err
}

func (s *Session) key(ctx context.Context, op, label string) (*Key, error) {
	if label == "" || len(label) > MaxLabel || !utf8.ValidString(label) {
		return nil, fmt.Errorf("%w: a label has 1 to %d bytes of UTF-8", ErrLimit, MaxLabel)
	}
	if _, err := s.call(ctx, frame.Request{Op: op, Label: label}); err != nil {
		return nil, fmt.Errorf("key %q: %w", label, err)
	}
	return &Key{session: s, label: label}, nil
}

// Key is a key in a token. Its methods may be called together. It stays good when the
// helper is started again, and fails with ErrNotFound once the key is gone.
type Key struct {
	session *Session
	label   string
}

// Label is the key's label in the token.
func (k *Key) Label() string { return k.label }

// Encrypt encrypts with AES-256-GCM under a fresh random nonce and returns nonce (12) |
// ciphertext | tag (16). aad must be given to Decrypt again. At most 2^32 encryptions under
// one key are safe (NIST SP 800-38D, 8.3).
func (k *Key) Encrypt(ctx context.Context, aad, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxData || len(aad) > MaxData {
		return nil, fmt.Errorf("%w: %d bytes with %d of associated data, %d are allowed of each", ErrLimit, len(plaintext), len(aad), MaxData)
	}
	reply, err := k.session.call(ctx, frame.Request{Op: frame.Encrypt, Label: k.label, AAD: aad, Data: plaintext})
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", k.label, err)
	}
	if len(reply.Data) != len(plaintext)+Overhead {
		return nil, fmt.Errorf("key %q: %w: %w: its ciphertext has %d bytes", k.label, ErrUnavailable, ErrHelper, len(reply.Data))
	}
	return reply.Data, nil
}

// Decrypt opens what Encrypt returned for the same key and aad; anything else is ErrCorrupt.
func (k *Key) Decrypt(ctx context.Context, aad, ciphertext []byte) ([]byte, error) {
	if len(ciphertext) < Overhead || len(ciphertext) > MaxData+Overhead || len(aad) > MaxData {
		return nil, fmt.Errorf("key %q: %w", k.label, ErrCorrupt)
	}
	reply, err := k.session.call(ctx, frame.Request{Op: frame.Decrypt, Label: k.label, AAD: aad, Data: ciphertext})
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", k.label, err)
	}
	if len(reply.Data) != len(ciphertext)-Overhead {
		return nil, fmt.Errorf("key %q: %w: %w: its plaintext has %d bytes", k.label, ErrUnavailable, ErrHelper, len(reply.Data))
	}
	return reply.Data, nil
}

// call asks a running helper. A helper that has crashed is replaced once, unless the request changes
// the token.
func (s *Session) call(ctx context.Context, r frame.Request) (*frame.Reply, error) {
	for try := 0; ; try++ {
		h, err := s.running(ctx)
		if err != nil {
			return nil, err
		}
		reply, err := h.call(ctx, r)
		if err == nil {
			err = replyError(reply)
		}
		if err == nil {
			return reply, nil
		}
		if reply != nil && !errors.Is(err, ErrUnavailable) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// The helper is gone, or it has lost its token: the next call starts over.
		s.forget(h, err)
		if try > 0 || !errors.Is(err, errCrashed) || r.Op == frame.Generate || r.Op == frame.Delete {
			return nil, err
		}
	}
}

// forget ends a helper that is of no more use.
func (s *Session) forget(h *helper, err error) {
	h.end(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.helper == h {
		s.helper = nil
	}
}

// state returns the helper that runs, or why none may be started.
func (s *Session) state() (*helper, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return nil, s.failed
	}
	if s.helper != nil {
		return s.helper, nil
	}
	if time.Now().Before(s.again) {
		return nil, s.last
	}
	return nil, nil
}

// running returns a helper that has the token open, and starts one if need be.
func (s *Session) running(ctx context.Context) (*helper, error) {
	if h, err := s.state(); h != nil || err != nil {
		return h, err
	}
	select {
	case s.starting <- struct{}{}:
		defer func() { <-s.starting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if h, err := s.state(); h != nil || err != nil {
		return h, err
	}
	h, info, err := s.start(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.again, s.last = time.Now().Add(restartPause), err
		if errors.Is(err, ErrPIN) || errors.Is(err, ErrLocked) {
			s.failed = err // each further try would bring the token nearer to its lock
		}
		if ctx.Err() != nil {
			s.again = time.Time{} // it was the caller who gave up
		}
		return nil, err
	}
	if s.failed != nil {
		h.end(s.failed)
		return nil, s.failed
	}
	found := Token{Label: info.Label, Serial: info.Serial, Manufacturer: info.Manufacturer, Model: info.Model}
	if s.token == (Token{}) {
		s.token = found
	}
	if s.token != found {
		err := fmt.Errorf("token %q: %w: another token with the same label is in its place", s.cfg.Token, ErrUnavailable)
		h.end(err)
		return nil, err
	}
	s.helper = h
	return h, nil
}

// start starts a helper and has it open the token.
func (s *Session) start(ctx context.Context) (*helper, *frame.Info, error) {
	h, err := startHelper(s.path, s.cfg.Timeout)
	if err != nil {
		return nil, nil, err
	}
	reply, err := h.call(ctx, frame.Request{
		Op: frame.Open, Version: frame.Version, Module: s.cfg.Module, Token: s.cfg.Token, PIN: s.cfg.PIN.Reveal(),
	})
	if err == nil {
		err = replyError(reply)
	}
	if err == nil && reply.Info == nil {
		err = fmt.Errorf("%w: %w: it did not say what it opened", ErrUnavailable, ErrHelper)
	}
	if err != nil {
		h.end(err)
		<-h.ended
		return nil, nil, fmt.Errorf("token %q: %w", s.cfg.Token, err)
	}
	return h, reply.Info, nil
}
