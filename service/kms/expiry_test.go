package kms

import (
	"slices"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
)

// TestExpiry says that material is of no use from its last moment on, whenever the job comes, and is gone
// when the job has come.
func TestExpiry(t *testing.T) {
	h := open(t)
	who := admin(t)
	k := h.external(who)
	at := homeOfKey(k)
	validTo := now().Add(time.Hour)
	h.mustImport(who, k.KeyId, some(1), func(in *api.ImportKeyMaterialInput) { in.ExpirationModel, in.ValidTo = "", &validTo })
	got := must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: k.KeyId}).KeyMetadata
	if got.ExpirationModel != "KEY_MATERIAL_EXPIRES" || !got.ValidTo.Equal(validTo) {
		t.Errorf("%+v", got)
	}
	blob := h.encrypt(who, k.KeyId, nil)
	j, found := h.job(expiryJob, jobID(at))
	if !found || !j.Due.Equal(validTo) {
		t.Errorf("job %v at %v, want %v", found, j.Due, validTo)
	}
	if err := h.runJob(expiryJob, jobID(at)); err != nil { // too early
		t.Fatal(err)
	}
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob})

	h.edit(at, func(r *record) { r.Materials[0].Expires = now().Add(-time.Second) })
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", *k.Arn+" is pending import.")
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}, "KMSInvalidStateException", *k.Arn+" is pending import.")
	fails[api.EnableKeyOutput](h, who, &api.EnableKeyInput{KeyId: k.KeyId}, "KMSInvalidStateException", *k.Arn+" is pending import.")
	if got := must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: k.KeyId}).KeyMetadata; got.KeyState != "PendingImport" || got.ValidTo != nil || got.ExpirationModel != "" {
		t.Errorf("before the job has run: %+v", got)
	}
	if got := h.states(who, k.KeyId); !slices.Equal(got, []string{"CURRENT missing"}) {
		t.Errorf("%q", got)
	}
	for range 2 {
		if err := h.runJob(expiryJob, jobID(at)); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := h.everything()[at.under(backingTag, digits(1))]; ok {
		t.Error("expired material is still there")
	}
	h.mustImport(who, k.KeyId, some(1), nil)
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob})
	if _, found := h.job(expiryJob, jobID(at)); found {
		t.Error("material that never expires has a job")
	}
}

// job returns a scheduled job.
func (h *testHouse) job(kind, id string) (j job.Job, found bool) {
	h.Helper()
	err := h.db.View(h.Context(), func(r store.Reader) (err error) {
		j, found, err = h.room.Jobs.Get(r, kind, id)
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return j, found
}
