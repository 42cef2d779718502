package iam

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/service/iam/totp"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// deviceAt reads the virtual MFA device with a serial number, which is its ARN.
func deviceAt(r store.Reader, account, serial string) (*device, error) {
	none := api.NoSuchEntityException("VirtualMFADevice with serial number %s does not exist.", serial)
	rest, ok := strings.CutPrefix(serial, arnOf(account, "mfa/"))
	if !ok || strings.Contains(rest, sep) {
		return nil, none
	}
	d, err := read[device](r, path(deviceTag, account, fold(rest[strings.LastIndexByte(rest, '/')+1:])))
	if err != nil {
		return nil, missing(err, none)
	}
	if d.arn(account) != serial {
		return nil, none
	}
	return d, nil
}

func (d *device) save(tx store.Tx, account string) error {
	return write(tx, path(deviceTag, account, fold(d.Name)), d)
}

// enable gives d to h, who shows two codes that follow each other.
func (d *device) enable(tx store.Tx, account string, h *holder, first, second string) error {
	switch {
	case d.Owner != "":
		return api.EntityAlreadyExistsException("MFA Device is already in use.")
	case len(h.Devices) >= maxDevices:
		return api.LimitExceededException("Cannot exceed quota for MFADevicesPerUser: %d", maxDevices)
	}
	if err := d.synchronize(first, second); err != nil {
		return err
	}
	d.Owner, d.Enabled = h.ID, now()
	h.Devices = append(h.Devices, fold(d.Name))
	if err := d.save(tx, account); err != nil {
		return err
	}
	return h.save(tx, account)
}

// synchronize takes two codes that follow each other.
func (d *device) synchronize(first, second string) error {
	t := time.Now()
	one, ok1 := totp.Verify(d.Seed, first, t, 0)
	two, ok2 := totp.Verify(d.Seed, second, t, one)
	if !ok1 || !ok2 || two != one+1 {
		return api.InvalidAuthenticationCodeException("Authentication code for device is not valid.")
	}
	d.Step = two
	return nil
}

// disable takes d from its owner.
func (d *device) disable(tx store.Tx, account string) error {
	h, err := read[holder](tx, path(holderTag, account, d.Owner))
	if err != nil {
		return err
	}
	h.Devices = slices.DeleteFunc(h.Devices, func(name string) bool { return name == fold(d.Name) })
	d.Owner, d.Enabled, d.Step = "", time.Time{}, 0
	if err := d.save(tx, account); err != nil {
		return err
	}
	return h.save(tx, account)
}

// attempts bounds how fast the codes of somebody's devices can be guessed: of a million codes three are
// right at any time. It is kept in memory; a restart of the house costs more than it gains.
type attempts struct {
	mu     sync.Mutex
	failed map[string][]time.Time // by unique id of the owner: when, the oldest first
}

const (
	maxFailures   = 10
	failureWindow = 5 * time.Minute
)

// open reports whether another code may be tried.
func (a *attempts) open(owner string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.recent(owner, now)) < maxFailures
}

// fail notes a wrong code.
func (a *attempts) fail(owner string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed == nil {
		a.failed = make(map[string][]time.Time)
	}
	a.failed[owner] = append(a.recent(owner, now), now)
}

// recent drops and returns the failures of an owner. The caller holds the lock.
func (a *attempts) recent(owner string, now time.Time) []time.Time {
	recent := slices.DeleteFunc(a.failed[owner], func(t time.Time) bool { return now.Sub(t) >= failureWindow })
	if len(recent) == 0 {
		delete(a.failed, owner)
		return nil
	}
	a.failed[owner] = recent
	return recent
}

// wrongCode is what sts answers to a code that is not right.
func wrongCode() *wire.Error {
	return wire.Errorf("AccessDenied", http.StatusForbidden, "MultiFactorAuthentication failed with invalid MFA one time pass code.")
}

// VerifyMFA checks a one-time code of the device with a serial number, which must be enabled for the
// user or root user with a unique id. A code that is right is taken: it serves once. The error is AWS's.
func (s *Service) VerifyMFA(ctx context.Context, ownerID, serial, code string) error {
	unable := wire.Errorf("AccessDenied", http.StatusForbidden, "MultiFactorAuthentication failed, unable to validate MFA code.")
	if !s.attempts.open(ownerID, time.Now()) {
		return unable.WithCause(errors.New("too many wrong codes"))
	}
	err := s.update(ctx, func(tx store.Tx) error {
		account, _, err := holderByID(tx, ownerID)
		if err != nil {
			return missing(err, unable)
		}
		d, err := deviceAt(tx, account, serial)
		if wire.IsCode(err, "NoSuchEntity") || err == nil && d.Owner != ownerID {
			return unable
		}
		if err != nil {
			return err
		}
		step, ok := totp.Verify(d.Seed, code, time.Now(), d.Step)
		if !ok {
			return wrongCode()
		}
		d.Step = step
		return d.save(tx, account)
	})
	if wire.IsCode(err, "AccessDenied") {
		s.attempts.fail(ownerID, time.Now())
	}
	return err
}

// KeyAccount returns the account of a long-term access key, or sigv4.ErrUnknownKey.
func (s *Service) KeyAccount(ctx context.Context, accessKeyID string) (string, error) {
	k, err := s.keys.Get(ctx, accessKeyID)
	if err != nil {
		return "", unknown(err)
	}
	owner, err := s.Owner(ctx, k.owner)
	if err != nil {
		return "", err
	}
	return owner.Account, nil
}
