//go:build cgo

package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/miekg/pkcs11"

	"github.com/strongroom/strongroom/pkcs11/frame"
)

// maxOpen is how many sessions with the token there are; each does one thing at a time.
const maxOpen = 4

// p11Token is a token behind a module.
type p11Token struct {
	ctx      *pkcs11.Ctx
	slot     uint
	about    *frame.Info
	idle     chan pkcs11.SessionHandle // sessions to take
	mu       sync.Mutex
	sessions int                            // that there are
	handles  map[string]pkcs11.ObjectHandle // of the keys that have been found
}

var _ token = (*p11Token)(nil)

// openToken loads a module and logs in to the token with this label.
func openToken(module, label, pin string) (_ token, err error) {
	ctx := pkcs11.New(module)
	if ctx == nil {
		return nil, &failure{frame.Unavailable, "module " + module + " cannot be loaded"}
	}
	if err := ctx.Initialize(); err != nil && !is(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return nil, told("initialize module "+module, err)
	}
	t := &p11Token{ctx: ctx, idle: make(chan pkcs11.SessionHandle, maxOpen), handles: make(map[string]pkcs11.ObjectHandle)}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if err := t.choose(label); err != nil {
		return nil, err
	}
	if err := t.login(pin); err != nil {
		return nil, err
	}
	return t, nil
}

// choose finds the one token with this label and checks that it can do what is needed.
func (t *p11Token) choose(label string) error {
	slots, err := t.ctx.GetSlotList(true)
	if err != nil {
		return told("list the slots", err)
	}
	found := 0
	var flags uint
	for _, slot := range slots {
		info, err := t.ctx.GetTokenInfo(slot)
		if err != nil || strings.TrimRight(info.Label, " \x00") != label {
			continue
		}
		found++
		t.slot, flags = slot, info.Flags
		t.about = &frame.Info{
			Label: label, Serial: strings.TrimRight(info.SerialNumber, " \x00"),
			Manufacturer: strings.TrimRight(info.ManufacturerID, " \x00"), Model: strings.TrimRight(info.Model, " \x00"),
		}
	}
	switch {
	case found == 0:
		return &failure{frame.Unavailable, "the module has no token with this label"}
	case found > 1:
		return &failure{frame.Ambiguous, fmt.Sprintf("the module has %d tokens with this label", found)}
	}
	return errors.Join(usable(flags), t.hasGCM())
}

// usable refuses a token whose user PIN must not be tried.
func usable(flags uint) error {
	switch {
	case flags&pkcs11.CKF_USER_PIN_LOCKED != 0:
		return &failure{frame.Locked, "too many wrong PINs were given to it"}
	case flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0:
		return &failure{frame.Locked, "one more wrong PIN would lock it: log in with the token's own tool first"}
	}
	return nil
}

func (t *p11Token) hasGCM() error {
	info, err := t.ctx.GetMechanismInfo(t.slot, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, nil)})
	const both = pkcs11.CKF_ENCRYPT | pkcs11.CKF_DECRYPT
	if is(err, pkcs11.CKR_MECHANISM_INVALID) || err == nil && info.Flags&both != both {
		return &failure{frame.Unsupported, "it cannot encrypt with AES-GCM (CKM_AES_GCM)"}
	}
	return told("ask for AES-GCM", err)
}

// login opens the first session and logs in, which holds for all sessions of this process.
func (t *p11Token) login(pin string) error {
	s, err := t.ctx.OpenSession(t.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return told("open a session", err)
	}
	t.sessions = 1
	t.idle <- s
	err = t.ctx.Login(s, pkcs11.CKU_USER, pin)
	if is(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN) {
		err = nil
	}
	return told("log in", err)
}

func (t *p11Token) info() *frame.Info { return t.about }

// close logs out by ending all that the module has open for this process.
func (t *p11Token) close() {
	_ = t.ctx.CloseAllSessions(t.slot)
	_ = t.ctx.Finalize()
	t.ctx.Destroy()
}

// with lends fn a session.
func (t *p11Token) with(fn func(s pkcs11.SessionHandle) error) error {
	s, err := t.take()
	if err != nil {
		return err
	}
	defer func() { t.idle <- s }()
	return fn(s)
}

// take returns an idle session, a new one while there are few, or waits.
func (t *p11Token) take() (pkcs11.SessionHandle, error) {
	select {
	case s := <-t.idle:
		return s, nil
	default:
	}
	t.mu.Lock()
	more := t.sessions < maxOpen
	if more {
		t.sessions++
	}
	t.mu.Unlock()
	if more {
		s, err := t.ctx.OpenSession(t.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err == nil {
			return s, nil
		}
		if !is(err, pkcs11.CKR_SESSION_COUNT, pkcs11.CKR_DEVICE_MEMORY) {
			t.mu.Lock()
			t.sessions--
			t.mu.Unlock()
			return 0, told("open a session", err)
		}
		// The token has no more: those that there are go round.
	}
	return <-t.idle, nil
}

// ping asks the token whether the login still holds.
func (t *p11Token) ping() error {
	return t.with(func(s pkcs11.SessionHandle) error {
		info, err := t.ctx.GetSessionInfo(s)
		if err == nil && info.State != pkcs11.CKS_RW_USER_FUNCTIONS {
			return &failure{frame.Unavailable, "the token has logged us out"}
		}
		return told("ask the token", err)
	})
}

func (t *p11Token) random(n int) (out []byte, err error) {
	if n == 0 {
		return nil, nil
	}
	err = t.with(func(s pkcs11.SessionHandle) (err error) {
		out, err = t.ctx.GenerateRandom(s, n)
		return told("make random bytes", err)
	})
	return out, err
}
