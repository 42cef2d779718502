package kms

import (
	"fmt"
	"slices"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// edit changes the record of a key as nothing else does.
func (h *testHouse) edit(at home, fn func(r *record)) {
	h.Helper()
	err := h.change(h.Context(), at, func(_ store.Tx, r *record) error {
		fn(r)
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
}

func homeOfKey(k *api.KeyMetadata) home { return home{region, account, *k.KeyId} }

// rotations lists all rotations of a key.
func (h *testHouse) rotations(who *person, id *string, include api.IncludeKeyMaterial) []api.RotationsListEntry {
	h.Helper()
	return must[api.ListKeyRotationsOutput](h, who, &api.ListKeyRotationsInput{KeyId: id, IncludeKeyMaterial: include}).Rotations
}

// states tells of each material of a key its state, and whether it is imported.
func (h *testHouse) states(who *person, id *string) (states []string) {
	h.Helper()
	for _, r := range h.rotations(who, id, api.IncludeKeyMaterialAllKeyMaterial) {
		s := string(r.KeyMaterialState)
		if r.ImportState == api.ImportStatePendingImport {
			s += " missing"
		}
		states = append(states, s)
	}
	return states
}

func TestRotateOnDemand(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	first := *must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: k.KeyId}).KeyMetadata.CurrentKeyMaterialId
	blobs := [][]byte{h.encrypt(who, k.KeyId, nil)}
	must[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId, RotationPeriodInDays: wire.Ptr[int32](90)})
	next := must[api.GetKeyRotationStatusOutput](h, who, &api.GetKeyRotationStatusInput{KeyId: k.KeyId}).NextRotationDate
	if got := h.rotations(who, k.KeyId, ""); len(got) != 0 {
		t.Errorf("rotations of a new key: %+v", got)
	}
	if got := must[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.Arn}); *got.KeyId != *k.KeyId {
		t.Errorf("answer %s", *got.KeyId)
	}
	blobs = append(blobs, h.encrypt(who, k.KeyId, nil))
	if err := h.due(rotationJob, homeOfKey(k), func(r *record) { r.Rotation.Next = now().Add(-time.Hour) }); err != nil {
		t.Fatal(err)
	}
	must[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId})
	blobs = append(blobs, h.encrypt(who, k.KeyId, nil))
	if got := must[api.GetKeyRotationStatusOutput](h, who, &api.GetKeyRotationStatusInput{KeyId: k.KeyId}); got.OnDemandRotationStartDate != nil || got.NextRotationDate.Before(*next) {
		t.Errorf("%+v", got)
	}

	all := h.rotations(who, k.KeyId, api.IncludeKeyMaterialAllKeyMaterial)
	var kinds, ids []string
	for _, r := range all {
		kinds = append(kinds, string(r.KeyMaterialState)+" "+string(r.RotationType))
		ids = append(ids, *r.KeyMaterialId)
		if (r.RotationDate == nil) != (r.RotationType == "") || *r.KeyId != *k.KeyId || r.ImportState != "" || r.ExpirationModel != "" {
			t.Errorf("%+v", r)
		}
	}
	if want := []string{"NON_CURRENT ", "NON_CURRENT ON_DEMAND", "NON_CURRENT AUTOMATIC", "CURRENT ON_DEMAND"}; !slices.Equal(kinds, want) {
		t.Errorf("got %q, want %q", kinds, want)
	}
	if got := h.rotations(who, k.KeyId, ""); len(got) != 3 || ids[0] != first {
		t.Errorf("%d rotations; first material %s, was %s", len(got), ids[0], first)
	}
	for i, made := range []int{0, 1, 3} {
		got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blobs[i]})
		if string(got.Plaintext) != "hello" || *got.KeyMaterialId != ids[made] {
			t.Errorf("blob %d opened by %s", i, *got.KeyMaterialId)
		}
	}
	page := must[api.ListKeyRotationsOutput](h, who, &api.ListKeyRotationsInput{KeyId: k.KeyId, Limit: wire.Ptr[int32](2)})
	rest := must[api.ListKeyRotationsOutput](h, who, &api.ListKeyRotationsInput{KeyId: k.KeyId, Marker: page.NextMarker})
	if len(page.Rotations) != 2 || !*page.Truncated || len(rest.Rotations) != 1 || *rest.Truncated {
		t.Errorf("pages %+v, %+v", page, rest)
	}
	fails[api.ListKeyRotationsOutput](h, who, &api.ListKeyRotationsInput{KeyId: h.newKey().KeyId, Marker: page.NextMarker}, "InvalidMarkerException", "")
	fails[api.ListKeyRotationsOutput](h, who, &api.ListKeyRotationsInput{KeyId: k.KeyId, Marker: page.NextMarker, IncludeKeyMaterial: "ALL_KEY_MATERIAL"}, "InvalidMarkerException", "")
}

// TestOnDemandLimit says that 25 rotations on demand are all that a key has; automatic ones do
// not count.
func TestOnDemandLimit(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	blob := h.encrypt(who, k.KeyId, nil)
	must[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId})
	for range maxOnDemand {
		must[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId})
	}
	fails[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId}, "LimitExceededException",
		"The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: "+*k.Arn)
	if err := h.due(rotationJob, homeOfKey(k), func(r *record) { r.Rotation.Next = now().Add(-time.Hour) }); err != nil {
		t.Fatal(err)
	}
	if got := h.rotations(who, k.KeyId, ""); len(got) != maxOnDemand+1 {
		t.Errorf("%d rotations", len(got))
	}
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob})
}

// TestOnDemandBesideAutomatic says that no rotation is made on demand when one is about to happen by itself.
func TestOnDemandBesideAutomatic(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	must[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId})
	for left, conflict := range map[time.Duration]bool{19 * time.Minute: true, -time.Hour: true, 22 * time.Minute: false} {
		h.edit(homeOfKey(k), func(r *record) { r.Rotation.Next = now().Add(left) })
		err := h.do(who, "RotateKeyOnDemand", &api.RotateKeyOnDemandInput{KeyId: k.KeyId}).Err
		if conflict && !wire.IsCode(err, "ConflictException") || !conflict && err != nil {
			t.Errorf("%s before: %v", left, err)
		}
	}
}

// TestRotationAfterDisabled says that a rotation that fell due while a key was disabled is made when the key
// is enabled, and that a key which is pending deletion shows none.
func TestRotationAfterDisabled(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	at := homeOfKey(k)
	must[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId})
	must[api.DisableKeyOutput](h, who, &api.DisableKeyInput{KeyId: k.KeyId})
	if err := h.due(rotationJob, at, func(r *record) { r.Rotation.Next = now().Add(-time.Hour) }); err != nil {
		t.Fatal(err)
	}
	due := func() (due time.Time) {
		err := h.db.View(t.Context(), func(r store.Reader) error {
			j, _, err := h.room.Jobs.Get(r, rotationJob, jobID(at))
			due = j.Due
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return due
	}
	if !due().After(time.Now()) {
		t.Error("the job of a disabled key comes back at once")
	}
	must[api.EnableKeyOutput](h, who, &api.EnableKeyInput{KeyId: k.KeyId})
	if due().After(time.Now()) {
		t.Error("the rotation waits, though the key is enabled")
	}
	if err := h.runJob(rotationJob, jobID(at)); err != nil {
		t.Fatal(err)
	}
	if got := h.rotations(who, k.KeyId, ""); len(got) != 1 {
		t.Errorf("%d rotations", len(got))
	}
	must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
	if got := must[api.GetKeyRotationStatusOutput](h, who, &api.GetKeyRotationStatusInput{KeyId: k.KeyId}); *got.KeyRotationEnabled || got.NextRotationDate != nil {
		t.Errorf("pending deletion: %+v", got)
	}
	must[api.CancelKeyDeletionOutput](h, who, &api.CancelKeyDeletionInput{KeyId: k.KeyId})
	if got := must[api.GetKeyRotationStatusOutput](h, who, &api.GetKeyRotationStatusInput{KeyId: k.KeyId}); !*got.KeyRotationEnabled {
		t.Errorf("deletion called off: %+v", got)
	}
}

// TestRotationIsForSymmetricKeys says which keys have no rotation.
func TestRotationIsForSymmetricKeys(t *testing.T) {
	h := open(t)
	who := admin(t)
	k := h.newKey()
	for _, c := range []struct {
		spec   api.KeySpec
		origin api.OriginType
		says   string
	}{
		{"RSA_2048", "AWS_KMS", "%s key spec is RSA_2048 which is not valid for this operation."},
		{"HMAC_256", "AWS_KMS", "%s key spec is HMAC_256 which is not valid for this operation."},
		{"HMAC_256", "EXTERNAL", "%s key spec is HMAC_256 which is not valid for this operation."},
		{"SYMMETRIC_DEFAULT", "EXTERNAL_KEY_STORE", "%s origin is EXTERNAL_KEY_STORE which is not valid for this operation."},
		{"SYMMETRIC_DEFAULT", "AWS_CLOUDHSM", "%s origin is AWS_CLOUDHSM which is not valid for this operation."},
		{"SYMMETRIC_DEFAULT", "EXTERNAL", "%s origin is EXTERNAL which is not valid for this operation."},
	} {
		h.edit(homeOfKey(k), func(r *record) { r.Spec, r.Origin = c.spec, c.origin })
		says := fmt.Sprintf(c.says, *k.Arn)
		fails[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId}, "UnsupportedOperationException", says)
		fails[api.DisableKeyRotationOutput](h, who, &api.DisableKeyRotationInput{KeyId: k.KeyId}, "UnsupportedOperationException", says)
		if c.spec == "SYMMETRIC_DEFAULT" && c.origin == "EXTERNAL" {
			continue // has rotation on demand
		}
		fails[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId}, "UnsupportedOperationException", says)
		if status := (&api.GetKeyRotationStatusInput{KeyId: k.KeyId}); c.origin != "AWS_KMS" {
			fails[api.GetKeyRotationStatusOutput](h, who, status, "UnsupportedOperationException", says)
		} else if got := must[api.GetKeyRotationStatusOutput](h, who, status); *got.KeyRotationEnabled {
			t.Errorf("a %s key has rotation", c.spec)
		}
		fails[api.ListKeyRotationsOutput](h, who, &api.ListKeyRotationsInput{KeyId: k.KeyId}, "UnsupportedOperationException", says)
	}
}
