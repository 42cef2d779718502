package kms

import (
	"context"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// The waiting period before deletion, in days.
const (
	minWindow = 7
	maxWindow = 30 // also when none is given
)

// CreateKey makes a key.
func (s *Service) CreateKey(ctx context.Context, in *api.CreateKeyInput) (*api.CreateKeyOutput, error) {
	if err := checkCreate(in); err != nil {
		return nil, err
	}
	c := call.From(ctx)
	h := home{c.Region, c.Principal.Account, newKeyID()}
	r := newRecord()
	if wire.Val(in.MultiRegion) {
		h.id, r.Multi = newMultiRegionID(), &multi{Primary: h.region}
	}
	if in.Origin == api.OriginTypeExternal {
		r.awaitImport()
	}
	r.Spec = keySpec(in)
	var err error
	if r.Usage, err = usageFor(in); err != nil {
		return nil, err
	}
	r.Description = wire.Val(in.Description)
	if err := s.setPolicy(ctx, &r, h, in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	if r.Tags, err = mergeTags(nil, in.Tags); err != nil {
		return nil, err
	}
	var m *key.Material
	if r.Origin == api.OriginTypeAwsKms {
		m, err = s.newMaterial(ctx, r.spec())
	}
	if err != nil {
		return nil, err
	}
	if err := s.placeInStore(ctx, h, in, &r); err != nil {
		return nil, err
	}
	if err := s.update(ctx, func(tx store.Tx) error { return s.addKey(tx, h, &r, m) }); err != nil {
		return nil, err
	}
	c.Resources = append(c.Resources, call.Resource{Account: h.account, Type: keyType, ARN: h.arn()})
	out := &api.CreateKeyOutput{KeyMetadata: metadata(h, &r)}
	return out, s.describeInStore(ctx, out.KeyMetadata, h, &r)
}

// newMaterial makes material for a key, before the transaction that writes it: an RSA key takes long
// to find.
func (s *Service) newMaterial(ctx context.Context, spec key.Spec) (m *key.Material, err error) {
	if err := notApproved(spec.Approved("")); err != nil {
		return nil, err
	}
	if spec == key.Symmetric {
		return key.New(), nil
	}
	err = s.make(ctx, func() (err error) {
		m, err = key.Generate(spec)
		return err
	})
	if err != nil {
		return nil, internal("material: %w", err)
	}
	return m, nil
}

// newRecord returns the record of a fresh symmetric customer key.
func newRecord() record {
	return record{
		Created: now(), State: api.KeyStateEnabled, Manager: api.KeyManagerTypeCustomer, Spec: api.KeySpecSymmetricDefault,
		Usage: api.KeyUsageTypeEncryptDecrypt, Origin: api.OriginTypeAwsKms,
	}
}

// addKey writes a key that is new, with its first material, which has the spec of the record, or
// none yet when m is nil.
func (s *Service) addKey(tx store.Tx, h home, r *record, m *key.Material) error {
	if err := add(tx, path(countTag, h.region, h.account), 1, maxKeys); err != nil {
		return err
	}
	if m != nil {
		if err := s.addMaterial(tx, h, r, m); err != nil {
			return err
		}
	}
	if err := claim(tx, h, r); err != nil {
		return err
	}
	if r.Origin == api.OriginTypeAwsCloudhsm {
		if err := s.keepTokenKey(tx, h); err != nil {
			return err
		}
	}
	if r.Rotation.Days > 0 {
		if err := s.scheduleRotation(tx, h, r); err != nil {
			return err
		}
	}
	return write(tx, h.path(keyTag), r)
}

// keySpec returns the spec that is asked for, under either of its two names.
func keySpec(in *api.CreateKeyInput) api.KeySpec {
	switch {
	case in.KeySpec != "":
		return in.KeySpec
	case in.CustomerMasterKeySpec != "":
		return api.KeySpec(in.CustomerMasterKeySpec)
	}
	return api.KeySpecSymmetricDefault
}

// checkCreate refuses what no key can be, and the kinds of keys that there are not here.
func checkCreate(in *api.CreateKeyInput) error {
	switch {
	case in.KeySpec != "" && in.CustomerMasterKeySpec != "":
		return invalid("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
	case in.XksKeyId != nil && in.Origin != api.OriginTypeExternalKeyStore:
		return invalid("XksKeyId can only be specified for a key with Origin EXTERNAL_KEY_STORE.")
	case inStore(in):
		return checkInStore(in)
	case in.Origin != "" && in.Origin != api.OriginTypeAwsKms && in.Origin != api.OriginTypeExternal:
		return api.UnsupportedOperationException("Origin %s is not supported.", in.Origin)
	}
	return nil
}

// metadata is what DescribeKey and CreateKey tell of a key.
func metadata(h home, r *record) *api.KeyMetadata {
	arn := h.arn()
	m := &api.KeyMetadata{
		AWSAccountId: &h.account, KeyId: &h.id, Arn: &arn, CreationDate: &r.Created,
		Enabled: wire.Ptr(r.keyState() == api.KeyStateEnabled), Description: &r.Description, KeyUsage: r.Usage, KeyState: r.keyState(),
		Origin: r.Origin, KeyManager: r.Manager, KeySpec: r.Spec, CustomerMasterKeySpec: api.CustomerMasterKeySpec(r.Spec),
		EncryptionAlgorithms:    algorithmsOf[api.EncryptionAlgorithmSpec](r, key.Ciphers),
		SigningAlgorithms:       algorithmsOf[api.SigningAlgorithmSpec](r, key.Signs),
		MacAlgorithms:           algorithmsOf[api.MacAlgorithmSpec](r, key.Authenticate),
		KeyAgreementAlgorithms:  algorithmsOf[api.KeyAgreementAlgorithmSpec](r, key.Agrees),
		EncapsulationAlgorithms: algorithmsOf[api.EncapsulationAlgorithmSpec](r, key.Encapsulates),
		MultiRegion:             wire.Ptr(r.Multi != nil), MultiRegionConfiguration: r.configuration(h),
	}
	if !r.Deletion.IsZero() {
		m.DeletionDate = &r.Deletion
	}
	if r.State == api.KeyStatePendingReplicaDeletion {
		m.PendingDeletionWindowInDays = &r.Window
	}
	describeMaterial(m, r)
	return m
}

// DescribeKey tells what a key is.
func (s *Service) DescribeKey(ctx context.Context, _ *api.DescribeKeyInput) (*api.DescribeKeyOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	m := metadata(e.home, &e.record)
	return &api.DescribeKeyOutput{KeyMetadata: m}, s.describeInStore(ctx, m, e.home, &e.record)
}

// ListKeys lists the keys of the caller's account in the region of the call.
func (s *Service) ListKeys(ctx context.Context, in *api.ListKeysInput) (*api.ListKeysOutput, error) {
	c := call.From(ctx)
	in0 := home{region: c.Region, account: c.Principal.Account}
	p, err := s.page("ListKeys", in0, in.Marker, in.Limit, 100, 1000)
	if err != nil {
		return nil, err
	}
	out := &api.ListKeysOutput{Keys: []api.KeyListEntry{}}
	err = p.scan(ctx, s, path(keyTag, in0.region, in0.account, ""), func(_ store.Reader, id string, _ []byte) error {
		out.Keys = append(out.Keys, api.KeyListEntry{KeyId: &id, KeyArn: wire.Ptr(home{in0.region, in0.account, id}.arn())})
		return nil
	})
	out.NextMarker, out.Truncated = p.marker()
	return out, err
}

// EnableKey makes a key usable.
func (s *Service) EnableKey(ctx context.Context, _ *api.EnableKeyInput) (*api.EnableKeyOutput, error) {
	return nil, s.setState(ctx, api.KeyStateEnabled)
}

// DisableKey makes a key unusable until it is enabled. It takes effect on the next call.
func (s *Service) DisableKey(ctx context.Context, _ *api.DisableKeyInput) (*api.DisableKeyOutput, error) {
	return nil, s.setState(ctx, api.KeyStateDisabled)
}

func (s *Service) setState(ctx context.Context, state api.KeyState) error {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return err
	}
	return s.changeAuthorized(ctx, func(tx store.Tx, r *record) error {
		if r.keyState() == api.KeyStatePendingImport {
			return api.KMSInvalidStateException("%s is pending import.", e.arn)
		}
		r.State = state
		if state == api.KeyStateEnabled && r.Rotation.Days > 0 && !r.replica(e.home) {
			// A rotation that fell due while the key was disabled is made now, not when the job looks again.
			return s.scheduleRotation(tx, e.home, r)
		}
		return nil
	})
}

// changeAuthorized changes the authorized key, which must not be pending deletion.
func (s *Service) changeAuthorized(ctx context.Context, fn func(tx store.Tx, r *record) error) error {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return err
	}
	return s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if err := r.mutable(e.arn); err != nil {
			return err
		}
		return fn(tx, r)
	})
}

// UpdateKeyDescription changes a key's description.
func (s *Service) UpdateKeyDescription(ctx context.Context, in *api.UpdateKeyDescriptionInput) (*api.UpdateKeyDescriptionOutput, error) {
	return nil, s.changeAuthorized(ctx, func(_ store.Tx, r *record) error {
		r.Description = wire.Val(in.Description)
		return nil
	})
}

// ScheduleKeyDeletion makes a key unusable at once, and has its material destroyed for ever
// when the waiting period is over.
func (s *Service) ScheduleKeyDeletion(ctx context.Context, in *api.ScheduleKeyDeletionInput) (*api.ScheduleKeyDeletionOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	window := int32(maxWindow)
	if in.PendingWindowInDays != nil {
		window = *in.PendingWindowInDays
	}
	if window < minWindow || window > maxWindow {
		return nil, invalid("PendingWindowInDays must be between %d and %d, inclusive.", minWindow, maxWindow)
	}
	out := &api.ScheduleKeyDeletionOutput{KeyId: &e.arn, PendingWindowInDays: &window}
	err = s.changeAuthorized(ctx, func(tx store.Tx, r *record) error {
		out.KeyState, out.DeletionDate = api.KeyStatePendingReplicaDeletion, nil
		if r.primary(e.home) && len(r.Multi.Replicas) > 0 {
			// The waiting period begins when the last replica is gone: see leaveSet.
			r.State, r.Window = api.KeyStatePendingReplicaDeletion, window
			return nil
		}
		err := s.scheduleDeletion(tx, e.home, r, window)
		out.KeyState, out.DeletionDate = r.State, wire.Ptr(r.Deletion)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// scheduleDeletion begins the waiting period of a key.
func (s *Service) scheduleDeletion(tx store.Tx, h home, r *record, days int32) error {
	r.State, r.Deletion, r.Window = api.KeyStatePendingDeletion, now().AddDate(0, 0, int(days)), 0
	return s.room.Jobs.Schedule(tx, job.Job{Kind: deletionJob, ID: jobID(h), Due: r.Deletion})
}

// CancelKeyDeletion keeps a key that was to be deleted. The key is disabled afterwards, or pending
// import when material of it is missing.
func (s *Service) CancelKeyDeletion(ctx context.Context, _ *api.CancelKeyDeletionInput) (*api.CancelKeyDeletionOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if r.mutable(e.arn) == nil {
			return api.KMSInvalidStateException("%s is not pending deletion.", e.arn)
		}
		r.State, r.Deletion, r.Window = api.KeyStateDisabled, time.Time{}, 0
		if r.Origin == api.OriginTypeExternal && !r.complete(now()) {
			r.State = api.KeyStatePendingImport
		}
		return s.room.Jobs.Cancel(tx, deletionJob, jobID(e.home))
	})
	if err != nil {
		return nil, err
	}
	return &api.CancelKeyDeletionOutput{KeyId: &e.arn}, nil
}

// mergeTags lays the tags of a request over those that a key has.
func mergeTags(have resource.Tags, request []api.Tag) (resource.Tags, error) {
	changes := make(resource.Tags, len(request))
	for _, t := range request {
		k := wire.Val(t.TagKey)
		if _, twice := changes[k]; twice {
			return nil, api.TagException("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		changes[k] = wire.Val(t.TagValue)
	}
	merged, err := have.Merge(changes)
	return merged, tagError(err)
}
