package kms

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// sound checks what must hold of every key and its material at all times.
func (h *testHouse) sound() {
	h.Helper()
	err := h.db.View(h.Context(), func(r store.Reader) error {
		known := map[string]bool{} // records of material that belong to a key
		for rec, err := range r.Scan(store.Prefix([]byte(keyTag + sep))) {
			if err != nil {
				return err
			}
			at, _, _ := homeOf(rec.Key)
			k, err := read[record](r, string(rec.Key))
			if err != nil {
				return err
			}
			h.soundKey(r, at, &k, known)
		}
		for _, tag := range []string{backingTag, materialTag, usesTag} {
			for rec, err := range r.Scan(store.Prefix([]byte(tag + sep))) {
				if err != nil {
					return err
				}
				if at, _, _ := homeOf(rec.Key); tag == usesTag && known[at.path(keyTag)] {
					continue
				}
				if !known[string(rec.Key)] {
					h.Errorf("%q belongs to no key", rec.Key)
				}
			}
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
}

// soundKey checks one key.
func (h *testHouse) soundKey(r store.Reader, at home, k *record, known map[string]bool) {
	h.Helper()
	known[at.path(keyTag)] = true
	for i := range k.Materials {
		m := &k.Materials[i]
		id, err := key.ParseID(m.ID)
		if err != nil || m.Version != uint32(i+1) || m.Pending != (m.Version > k.Version) {
			h.Errorf("%s: material %d of %d: %+v, %v", at.arn(), i, k.Version, m, err)
		}
		known[materialPath(at.region, id)] = true
		backing := at.under(backingTag, digits(m.Version))
		known[backing] = true
		got, err := h.backing(r, at, m.Version)
		if m.Missing != errors.Is(err, store.ErrCorrupt) || err == nil && (m.Missing || got.ID() != id) {
			h.Errorf("%s: material %+v: %v, %v", at.arn(), m, got, err)
		}
		if p, err := loadPlace(r, []byte(materialPath(at.region, id))); err == nil && (p.home != at || p.version != m.Version) || err != nil && !m.Missing {
			h.Errorf("%s: material %d is at %v, %v", at.arn(), m.Version, p, err)
		}
	}
	if k.State == api.KeyStateEnabled && !k.complete(time.Time{}) {
		h.Errorf("%s is enabled without all of its material", at.arn())
	}
	_, due, err := h.room.Jobs.Get(r, deletionJob, jobID(at))
	if due != (k.State == api.KeyStatePendingDeletion) || due == k.Deletion.IsZero() || err != nil {
		h.Errorf("%s is %s, and is to be deleted: %v, %v", at.arn(), k.State, due, err)
	}
	_, turns, err := h.room.Jobs.Get(r, rotationJob, jobID(at))
	if turns != (k.Rotation.Days > 0 && !k.replica(at)) || err != nil {
		h.Errorf("%s has rotation %+v and a job for it: %v, %v", at.arn(), k.Rotation, turns, err)
	}
	if k.Multi == nil {
		return
	}
	for _, region := range k.Multi.regions() {
		other, err := read[record](r, home{region, at.account, at.id}.path(keyTag))
		if err != nil {
			h.Errorf("%s: its relative in %s: %v", at.arn(), region, err)
			continue
		}
		if !reflect.DeepEqual(other.Multi, k.Multi) || other.Version != k.Version || len(other.Materials) != len(k.Materials) || other.Rotation != k.Rotation ||
			other.OnDemand != k.OnDemand || !slices.Equal(other.Salt, k.Salt) || other.Spec != k.Spec || other.Origin != k.Origin {
			h.Errorf("%s and its relative in %s differ", at.arn(), region)
		}
	}
}

// changesOfMaterial are the operations and jobs that change material, each with what it needs.
var changesOfMaterial = map[string]func(h *testHouse, who *person) (again func() error){
	"RotateKeyOnDemand": func(h *testHouse, who *person) func() error {
		k := h.primary(who)
		h.replica(who, k.KeyId)
		return func() error { return h.do(who, "RotateKeyOnDemand", &api.RotateKeyOnDemandInput{KeyId: k.KeyId}).Err }
	},
	"automatic rotation": func(h *testHouse, who *person) func() error {
		k := h.primary(who)
		h.replica(who, k.KeyId)
		must[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId})
		due := now().Add(-time.Hour)
		h.edit(homeOfKey(k), func(r *record) { r.Rotation.Next = due })
		h.edit(home{elsewhere, account, *k.KeyId}, func(r *record) { r.Rotation.Next = due })
		return func() error { return h.runJob(rotationJob, jobID(homeOfKey(k))) }
	},
	"ReplicateKey": func(h *testHouse, who *person) func() error {
		k := h.primary(who)
		must[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId})
		return func() error {
			err := h.do(who, "ReplicateKey", &api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr(elsewhere)}).Err
			if wire.IsCode(err, "AlreadyExistsException") {
				return nil // the first time has made it
			}
			return err
		}
	},
	"UpdatePrimaryRegion": func(h *testHouse, who *person) func() error {
		k := h.primary(who)
		must[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId})
		h.replica(who, k.KeyId)
		return func() error {
			err := h.do(who, "UpdatePrimaryRegion", &api.UpdatePrimaryRegionInput{KeyId: k.KeyId, PrimaryRegion: wire.Ptr(elsewhere)}).Err
			if wire.IsCode(err, "UnsupportedOperationException") {
				return nil // it is a replica by now
			}
			return err
		}
	},
	"first import": func(h *testHouse, who *person) func() error {
		k := h.external(who)
		in := h.parameters(who, k.KeyId, "RSAES_OAEP_SHA_256").imports(h, some(1))
		return func() error { return h.do(who, "ImportKeyMaterial", in).Err }
	},
	"import to rotate to": func(h *testHouse, who *person) func() error {
		k := must[api.CreateKeyOutput](h, who, &api.CreateKeyInput{Origin: "EXTERNAL", MultiRegion: wire.Ptr(true)}).KeyMetadata
		h.mustImport(who, k.KeyId, some(1), nil)
		h.replica(who, k.KeyId)
		in := h.parameters(who, k.KeyId, "RSAES_OAEP_SHA_256").imports(h, some(2))
		asNew(in)
		return func() error {
			err := h.do(who, "ImportKeyMaterial", in).Err
			if wire.IsCode(err, "IncorrectKeyMaterialException") {
				return nil // it is not new any more
			}
			return err
		}
	},
	"DeleteImportedKeyMaterial": func(h *testHouse, who *person) func() error {
		k := h.external(who)
		h.mustImport(who, k.KeyId, some(1), nil)
		return func() error {
			return h.do(who, "DeleteImportedKeyMaterial", &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId}).Err
		}
	},
	"deletion of what is pending": func(h *testHouse, who *person) func() error {
		k := must[api.CreateKeyOutput](h, who, &api.CreateKeyInput{Origin: "EXTERNAL", MultiRegion: wire.Ptr(true)}).KeyMetadata
		h.mustImport(who, k.KeyId, some(1), nil)
		h.replica(who, k.KeyId)
		id := h.mustImport(who, k.KeyId, some(2), asNew)
		h.mustImport(who.in(elsewhere), k.KeyId, some(2), nil)
		return func() error {
			err := h.do(who, "DeleteImportedKeyMaterial", &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId, KeyMaterialId: &id}).Err
			if wire.IsCode(err, "NotFoundException") {
				return nil // it is gone by now
			}
			return err
		}
	},
	"expiry": func(h *testHouse, who *person) func() error {
		k := h.external(who)
		validTo := now().Add(time.Hour)
		h.mustImport(who, k.KeyId, some(1), func(in *api.ImportKeyMaterialInput) { in.ExpirationModel, in.ValidTo = "", &validTo })
		h.edit(homeOfKey(k), func(r *record) { r.Materials[0].Expires, r.State = now().Add(-time.Hour), api.KeyStatePendingImport })
		return func() error { return h.runJob(expiryJob, jobID(homeOfKey(k))) }
	},
	"deletion of a replica": func(h *testHouse, who *person) func() error {
		k := h.primary(who)
		h.replica(who, k.KeyId)
		must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
		there := home{elsewhere, account, *k.KeyId}
		must[api.ScheduleKeyDeletionOutput](h, who.in(elsewhere), &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
		h.edit(there, func(r *record) { r.Deletion = now().Add(-time.Hour) })
		return func() error {
			if err := h.runJob(deletionJob, jobID(there)); err != nil {
				return err
			}
			// The queue takes the job away when it is done.
			return h.db.Update(h.Context(), store.TxID{}, func(tx store.Tx) error { return h.room.Jobs.Cancel(tx, deletionJob, jobID(there)) })
		}
	},
	"end of a wrapping key": func(h *testHouse, who *person) func() error {
		k := h.external(who)
		h.parameters(who, k.KeyId, "RSAES_OAEP_SHA_256")
		id := ""
		for name := range h.everything() {
			if strings.HasPrefix(name, paramsTag+sep) {
				id = name[strings.LastIndex(name, sep)+1:]
			}
		}
		return func() error { return h.runJob(paramsJob, jobID(homeOfKey(k))+"/"+id) }
	},
}

// TestMaterialChangesStopAnywhere fails the n-th write of everything that changes material, before and after
// it happens, opens the store again, and says that all keys are whole and that doing it again succeeds.
func TestMaterialChangesStopAnywhere(t *testing.T) {
	for name, prepare := range changesOfMaterial {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after %v", name, after), func(t *testing.T) {
				for n, failed := 1, true; failed; n++ {
					h := open(t)
					again := prepare(h, admin(t))
					before := h.everything()
					h.room.Store = &failing{DB: h.db, left: n, after: after}
					err := again()
					if failed = errors.Is(err, errPower); err != nil && !failed {
						t.Fatalf("update %d: %v", n, err)
					}
					if n == 1 && !failed {
						t.Fatal("it writes nothing")
					}
					if failed && !after && n == 1 && !reflect.DeepEqual(h.everything(), before) {
						t.Error("what failed has changed something")
					}
					h.reopen()
					h.sound()
					if err := again(); err != nil {
						t.Fatalf("update %d, again: %v", n, err)
					}
					h.sound()
					if n > 20 {
						t.Fatal("it never ends")
					}
					h.shut()
				}
			})
		}
	}
}

// reopen closes the store, and opens it with the service over it, as after a crash.
func (h *testHouse) reopen() {
	h.Helper()
	dir := h.dir
	h.shut()
	opened := openIn(h.TB, dir)
	h.Service, h.db = opened.Service, opened.db
	opened.db = nil // it is closed with h
}
