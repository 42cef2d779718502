package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/iam/totp"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateVirtualMFADevice makes a device. Its seed is shown only here. There is no QR code in the
// answer: whoever shows one to a person draws it.
func (s *Service) CreateVirtualMFADevice(ctx context.Context, in *api.CreateVirtualMFADeviceInput) (*api.CreateVirtualMFADeviceOutput, error) {
	account := call.From(ctx).Principal.Account
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	d := &device{Name: *in.VirtualMFADeviceName, Path: pathOr(in.Path), Seed: make([]byte, totp.SeedSize), Created: now(), Tags: tags}
	rand.Read(d.Seed) // never fails: crypto/rand ends the program first
	err = s.update(ctx, func(tx store.Tx) error {
		switch _, err := tx.Get([]byte(path(deviceTag, account, fold(d.Name)))); {
		case err == nil:
			return api.EntityAlreadyExistsException("MFADevice entity at the same path and name already exists.")
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		return d.save(tx, account)
	})
	if err != nil {
		return nil, err
	}
	seed := make([]byte, base32.StdEncoding.EncodedLen(len(d.Seed)))
	base32.StdEncoding.Encode(seed, d.Seed)
	return &api.CreateVirtualMFADeviceOutput{VirtualMFADevice: &api.VirtualMFADevice{
		SerialNumber: wire.Ptr(d.arn(account)), Base32StringSeed: seed, Tags: tagList(d.Tags),
	}}, nil
}

// changeDevice runs fn on a device in a transaction.
func (s *Service) changeDevice(ctx context.Context, serial *string, fn func(tx store.Tx, account string, d *device) error) error {
	account := call.From(ctx).Principal.Account
	return s.update(ctx, func(tx store.Tx) error {
		d, err := deviceAt(tx, account, wire.Val(serial))
		if err != nil {
			return err
		}
		return fn(tx, account, d)
	})
}

// changeDeviceOf runs fn on a device that a user has, in a transaction.
func (s *Service) changeDeviceOf(ctx context.Context, name, serial *string, fn func(tx store.Tx, account string, d *device) error) error {
	c := call.From(ctx)
	return s.changeDevice(ctx, serial, func(tx store.Tx, account string, d *device) error {
		h, err := user(tx, c, name)
		if err != nil {
			return err
		}
		if d.Owner != h.ID {
			return api.NoSuchEntityException("MFA Device with serial number %s does not exist.", wire.Val(serial))
		}
		return fn(tx, account, d)
	})
}

// EnableMFADevice gives a user a device, which shows by two codes that it is at hand.
func (s *Service) EnableMFADevice(ctx context.Context, in *api.EnableMFADeviceInput) (*api.EnableMFADeviceOutput, error) {
	return nil, s.changeDevice(ctx, in.SerialNumber, func(tx store.Tx, account string, d *device) error {
		h, err := user(tx, call.From(ctx), in.UserName)
		if err != nil {
			return err
		}
		return d.enable(tx, account, h, *in.AuthenticationCode1, *in.AuthenticationCode2)
	})
}

// ResyncMFADevice takes two codes of a device.
func (s *Service) ResyncMFADevice(ctx context.Context, in *api.ResyncMFADeviceInput) (*api.ResyncMFADeviceOutput, error) {
	return nil, s.changeDeviceOf(ctx, in.UserName, in.SerialNumber, func(tx store.Tx, account string, d *device) error {
		if err := d.synchronize(*in.AuthenticationCode1, *in.AuthenticationCode2); err != nil {
			return err
		}
		return d.save(tx, account)
	})
}

// DeactivateMFADevice takes a device from a user.
func (s *Service) DeactivateMFADevice(ctx context.Context, in *api.DeactivateMFADeviceInput) (*api.DeactivateMFADeviceOutput, error) {
	return nil, s.changeDeviceOf(ctx, in.UserName, in.SerialNumber, func(tx store.Tx, account string, d *device) error {
		return d.disable(tx, account)
	})
}

// DeleteVirtualMFADevice deletes a device that nobody has.
func (s *Service) DeleteVirtualMFADevice(ctx context.Context, in *api.DeleteVirtualMFADeviceInput) (*api.DeleteVirtualMFADeviceOutput, error) {
	return nil, s.changeDevice(ctx, in.SerialNumber, func(tx store.Tx, account string, d *device) error {
		if d.Owner != "" {
			return api.DeleteConflictException("MFA VirtualDevice in use. Must deactivate first.")
		}
		return tx.Delete([]byte(path(deviceTag, account, fold(d.Name))))
	})
}

// ListMFADevices lists the devices of a user.
func (s *Service) ListMFADevices(ctx context.Context, in *api.ListMFADevicesInput) (*api.ListMFADevicesOutput, error) {
	out := &api.ListMFADevicesOutput{MFADevices: []api.MFADevice{}, IsTruncated: wire.Ptr(false)}
	return out, s.lookUser(ctx, in.UserName, func(r store.Reader, account string, h *holder) error {
		for _, name := range h.Devices { // eight at most: one page
			d, err := read[device](r, path(deviceTag, account, name))
			if err != nil {
				return err
			}
			out.MFADevices = append(out.MFADevices, api.MFADevice{
				UserName: h.nameOf(), SerialNumber: wire.Ptr(d.arn(account)), EnableDate: wire.Ptr(d.Enabled),
			})
		}
		return nil
	})
}

// GetMFADevice returns a device of a user.
func (s *Service) GetMFADevice(ctx context.Context, in *api.GetMFADeviceInput) (*api.GetMFADeviceOutput, error) {
	var out api.GetMFADeviceOutput
	return &out, s.lookUser(ctx, in.UserName, func(r store.Reader, account string, h *holder) error {
		d, err := deviceAt(r, account, *in.SerialNumber)
		if err != nil {
			return err
		}
		if d.Owner != h.ID {
			return api.NoSuchEntityException("MFA Device with serial number %s does not exist.", *in.SerialNumber)
		}
		out = api.GetMFADeviceOutput{UserName: h.nameOf(), SerialNumber: in.SerialNumber, EnableDate: wire.Ptr(d.Enabled)}
		return nil
	})
}

// ListVirtualMFADevices lists the devices of the account.
func (s *Service) ListVirtualMFADevices(ctx context.Context, in *api.ListVirtualMFADevicesInput) (*api.ListVirtualMFADevicesOutput, error) {
	account := call.From(ctx).Principal.Account
	l, err := s.list(call.From(ctx), in.Marker, in.MaxItems, string(in.AssignmentStatus))
	if err != nil {
		return nil, err
	}
	out := &api.ListVirtualMFADevicesOutput{VirtualMFADevices: []api.VirtualMFADevice{}}
	err = s.view(ctx, func(r store.Reader) error {
		names := under(deviceTag, account)
		for rec, err := range r.Scan(store.Prefix(names)) {
			if err != nil {
				return err
			}
			d, err := read[device](r, string(rec.Key))
			if err != nil {
				return err
			}
			if d.Owner == "" && in.AssignmentStatus == api.AssignmentStatusTypeAssigned || d.Owner != "" && in.AssignmentStatus == api.AssignmentStatusTypeUnassigned {
				continue
			}
			taken, goOn := l.take(string(rec.Key[len(names):]))
			if !goOn {
				return nil
			}
			if !taken {
				continue
			}
			shown, err := d.shown(r, account)
			if err != nil {
				return err
			}
			out.VirtualMFADevices = append(out.VirtualMFADevices, *shown)
		}
		return nil
	})
	out.IsTruncated, out.Marker = l.answer()
	return out, err
}

// shown returns d as lists show it.
func (d *device) shown(r store.Reader, account string) (*api.VirtualMFADevice, error) {
	v := &api.VirtualMFADevice{SerialNumber: wire.Ptr(d.arn(account))}
	if d.Owner == "" {
		return v, nil
	}
	h, err := read[holder](r, path(holderTag, account, d.Owner))
	if err != nil {
		return nil, err
	}
	v.EnableDate, v.User = wire.Ptr(d.Enabled), h.user(account, false)
	return v, nil
}
