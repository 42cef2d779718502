package kms

import (
	"bytes"
	"errors"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// due makes a job of a key due, as if its time had come.
func (h *testHouse) due(kind string, at home, change func(r *record)) error {
	err := h.change(h.Context(), at, func(_ store.Tx, r *record) error {
		change(r)
		return nil
	})
	if err != nil {
		return err
	}
	return h.runJob(kind, jobID(at))
}

func (h *testHouse) runJob(kind, id string) error {
	j := job.Job{Kind: kind, ID: id, Due: time.Now()}
	return h.handlers()[kind](h.Context(), j)
}

// everything returns all records of the store but those of jobs.
func (h *testHouse) everything() map[string][]byte {
	all := map[string][]byte{}
	err := h.db.View(h.Context(), func(r store.Reader) error {
		for rec, err := range r.Scan(store.Range{From: []byte{1}}) {
			if err != nil {
				return err
			}
			all[string(rec.Key)] = bytes.Clone(rec.Value)
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
	return all
}

// TestDeletionDestroys says that nothing of a key is left when its waiting period is over, and
// nothing happens before.
func TestDeletionDestroys(t *testing.T) {
	h := open(t)
	who := admin(t)
	h.newKey()
	before := h.everything()
	k := h.newKey()
	at := home{region, account, *k.KeyId}
	blob := h.encrypt(who, k.KeyId, nil)
	must[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: wire.Ptr("alias/gone"), TargetKeyId: k.KeyId})
	must[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId})
	if err := h.due(rotationJob, at, func(r *record) { r.Rotation.Next = now().Add(-time.Hour) }); err != nil {
		t.Fatal(err)
	}
	for range batch + 3 {
		must[api.CreateGrantOutput](h, who, &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other)), RetiringPrincipal: wire.Ptr(rootARN(account)), Operations: ops{"Encrypt"}})
	}
	must[api.CreateGrantOutput](h, who, &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other)), Operations: ops{"Encrypt"}, Name: wire.Ptr("n")})
	must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId, PendingWindowInDays: wire.Ptr[int32](7)})
	if err := h.runJob(deletionJob, jobID(at)); err != nil { // too early
		t.Fatal(err)
	}
	must[api.CancelKeyDeletionOutput](h, who, &api.CancelKeyDeletionInput{KeyId: k.KeyId})
	if err := h.runJob(deletionJob, jobID(at)); err != nil { // called off
		t.Fatal(err)
	}
	must[api.EnableKeyOutput](h, who, &api.EnableKeyInput{KeyId: k.KeyId})
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob})
	must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId, PendingWindowInDays: wire.Ptr[int32](7)})
	for range 2 { // it may be run again
		if err := h.due(deletionJob, at, func(r *record) { r.Deletion = now().Add(-time.Hour) }); err != nil && !wire.IsCode(err, "NotFoundException") {
			t.Fatal(err)
		}
	}
	if err := h.runJob(deletionJob, jobID(at)); err != nil {
		t.Fatal(err)
	}
	after := h.everything()
	for k := range after {
		if _, ok := before[k]; !ok {
			t.Errorf("left: %q", k)
		}
	}
	for k, v := range before {
		if !bytes.Equal(after[k], v) {
			t.Errorf("changed: %q", k)
		}
	}
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "AccessDeniedException", "")
	fails[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: k.KeyId}, "NotFoundException", "")
	fails[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: wire.Ptr("alias/gone")}, "NotFoundException", "")
}

// TestDeletionIsScheduled says that the queue has the job, and loses it when deletion is called off.
func TestDeletionIsScheduled(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	at := home{region, account, *k.KeyId}
	scheduled := func() (due time.Time, found bool) {
		err := h.db.View(t.Context(), func(r store.Reader) error {
			j, ok, err := h.room.Jobs.Get(r, deletionJob, jobID(at))
			due, found = j.Due, ok
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return due, found
	}
	out := must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
	if due, found := scheduled(); !found || !due.Equal(*out.DeletionDate) {
		t.Errorf("job at %v, %v; told %v", due, found, out.DeletionDate)
	}
	must[api.CancelKeyDeletionOutput](h, who, &api.CancelKeyDeletionInput{KeyId: k.KeyId})
	if _, found := scheduled(); found {
		t.Error("the job outlives the cancellation")
	}
}

// TestRotation says that a key gets new material, and that what the old made opens for ever.
func TestRotation(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	at := home{region, account, *k.KeyId}
	blobs := [][]byte{h.encrypt(who, k.KeyId, nil)}
	must[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId, RotationPeriodInDays: wire.Ptr[int32](90)})
	status := must[api.GetKeyRotationStatusOutput](h, who, &api.GetKeyRotationStatusInput{KeyId: k.KeyId})
	if !*status.KeyRotationEnabled || *status.RotationPeriodInDays != 90 || status.NextRotationDate == nil || *status.KeyId != *k.KeyId {
		t.Errorf("%+v", status)
	}
	if err := h.runJob(rotationJob, jobID(at)); err != nil { // too early
		t.Fatal(err)
	}
	blobs = append(blobs, h.encrypt(who, k.KeyId, nil))
	for range 3 {
		if err := h.due(rotationJob, at, func(r *record) { r.Rotation.Next = now().Add(-time.Hour) }); err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, h.encrypt(who, k.KeyId, nil))
	}
	ids := map[key.ID]bool{}
	for i, b := range blobs {
		c, err := key.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		ids[c.ID] = true
		if got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: b, KeyId: k.KeyId}); string(got.Plaintext) != "hello" {
			t.Errorf("blob %d: %+v", i, got)
		}
	}
	if len(ids) != 4 {
		t.Errorf("%d versions of material in use, want 4", len(ids))
	}
	must[api.DisableKeyOutput](h, who, &api.DisableKeyInput{KeyId: k.KeyId})
	if err := h.due(rotationJob, at, func(r *record) { r.Rotation.Next = now().Add(-time.Hour) }); err != nil {
		t.Fatal(err)
	}
	must[api.EnableKeyOutput](h, who, &api.EnableKeyInput{KeyId: k.KeyId})
	if c, _ := key.Parse(h.encrypt(who, k.KeyId, nil)); !ids[c.ID] {
		t.Error("a disabled key was rotated")
	}
	must[api.DisableKeyRotationOutput](h, who, &api.DisableKeyRotationInput{KeyId: k.KeyId})
	if status := must[api.GetKeyRotationStatusOutput](h, who, &api.GetKeyRotationStatusInput{KeyId: k.KeyId}); *status.KeyRotationEnabled || status.NextRotationDate != nil {
		t.Errorf("%+v", status)
	}
	for _, days := range []int32{89, 2561} {
		fails[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId, RotationPeriodInDays: &days}, "ValidationException", "")
	}
}

// TestDomainRotation says that after it all material is under the new domain key, the old one is gone,
// and everything still opens; and that it can stop anywhere and be run again.
func TestDomainRotation(t *testing.T) {
	h := open(t)
	who := admin(t)
	var blobs [][]byte
	for range 5 {
		blobs = append(blobs, h.encrypt(who, h.newKey().KeyId, nil))
	}
	must[api.CreateKeyOutput](h, who.in("us-east-1"), &api.CreateKeyInput{})
	for want := uint32(2); want < 5; want++ {
		if err := h.runJob(domainJob, region); err != nil {
			t.Fatal(err)
		}
		domains := 0
		for k, v := range h.everything() {
			if tagged([]byte(k), domainTag) && bytes.HasPrefix([]byte(k), []byte(path(domainTag, region, ""))) {
				domains++
			}
			if at, _, ok := homeOf([]byte(k)); ok && tagged([]byte(k), backingTag) && at.region == region {
				if n, err := key.WrappedUnder(v); err != nil || n != want {
					t.Errorf("under domain key %d, %v; want %d", n, err, want)
				}
			}
		}
		if domains != 1 {
			t.Errorf("%d domain keys", domains)
		}
		blobs = append(blobs, h.encrypt(who, h.newKey().KeyId, nil))
		for _, b := range blobs {
			must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: b})
		}
	}
	dir := h.dir
	h.shut()
	h = openIn(t, dir)
	for _, b := range blobs {
		must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: b})
	}
}

// TestMovedMaterial says that wrapped material put in another key's place does not work there.
func TestMovedMaterial(t *testing.T) {
	h := open(t)
	a, b, who := h.newKey(), h.newKey(), admin(t)
	from, to := home{region, account, *a.KeyId}, home{region, account, *b.KeyId}
	err := h.db.Update(t.Context(), store.TxID{}, func(tx store.Tx) error {
		wrapped, err := tx.Get([]byte(from.under(backingTag, digits(1))))
		return errors.Join(err, tx.Put([]byte(to.under(backingTag, digits(1))), wrapped))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: b.KeyId, Plaintext: []byte("x")}); !errors.Is(err, key.ErrWrapped) {
		t.Errorf("moved: %v", err)
	}
	if err := h.update(t.Context(), func(tx store.Tx) error { return tx.Delete([]byte(from.under(backingTag, digits(1)))) }); err != nil {
		t.Fatal(err)
	}
	if _, err := run[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: a.KeyId, Plaintext: []byte("x")}); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("missing: %v", err)
	}
}
