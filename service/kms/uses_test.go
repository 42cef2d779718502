package kms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

func (h *testHouse) lastUsage(who *person, id *string) *api.GetKeyLastUsageOutput {
	h.Helper()
	return must[api.GetKeyLastUsageOutput](h, who, &api.GetKeyLastUsageInput{KeyId: id})
}

// lastOperation returns the last operation that a key was used for, or "".
func (h *testHouse) lastOperation(who *person, id *string) string {
	h.Helper()
	if last := h.lastUsage(who, id).KeyLastUsage; last != nil {
		return string(last.Operation)
	}
	return ""
}

func TestLastUsage(t *testing.T) {
	h := open(t)
	who := admin(t)
	k, other := h.newKey(), h.newKey()
	got := h.lastUsage(who, k.KeyId)
	if got.KeyLastUsage != nil || *got.KeyId != *k.KeyId || !got.KeyCreationDate.Equal(*k.CreationDate) || !got.TrackingStartDate.Equal(*k.CreationDate) {
		t.Errorf("%+v", got)
	}
	before := time.Now()
	blob := h.encrypt(who, k.KeyId, nil)
	last := h.lastUsage(who, k.KeyId).KeyLastUsage
	if last == nil || last.Operation != "Encrypt" || last.Timestamp.Before(before.Truncate(time.Millisecond)) || last.Timestamp.After(time.Now()) || *last.KmsRequestId != "test" {
		t.Fatalf("%+v", last)
	}
	for _, c := range []struct {
		operation string
		in        any
		counts    bool
	}{
		{"Decrypt", &api.DecryptInput{CiphertextBlob: blob}, true},
		{"GenerateDataKey", &api.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: "AES_256"}, true},
		{"DescribeKey", &api.DescribeKeyInput{KeyId: k.KeyId}, false},
		{"GenerateDataKeyWithoutPlaintext", &api.GenerateDataKeyWithoutPlaintextInput{KeyId: k.KeyId, KeySpec: "AES_256"}, true},
		{"Encrypt", &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), DryRun: wire.Ptr(true)}, false},
		{"Decrypt", &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs{"a": "b"}}, false},
		{"GenerateDataKeyPair", &api.GenerateDataKeyPairInput{KeyId: k.KeyId, KeyPairSpec: "ECC_NIST_P256"}, true},
		{"ReEncrypt", &api.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: other.KeyId}, true},
	} {
		want := h.lastOperation(who, k.KeyId)
		if c.counts {
			want = c.operation
		}
		h.do(who, c.operation, c.in)
		if got := h.lastOperation(who, k.KeyId); got != want {
			t.Errorf("after %s: %q, want %q", c.operation, got, want)
		}
	}
	if got := h.lastOperation(who, other.KeyId); got != "ReEncrypt" {
		t.Errorf("destination of ReEncrypt: %q", got)
	}
	signer := must[api.CreateKeyOutput](h, who, &api.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY"}).KeyMetadata
	must[api.SignOutput](h, who, &api.SignInput{KeyId: signer.KeyId, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})
	if got := h.lastOperation(who, signer.KeyId); got != "Sign" {
		t.Errorf("after Sign: %q", got)
	}

	// A clean stop writes all of it down.
	h.shut()
	h = openIn(t, h.dir)
	for id, want := range map[*string]string{k.KeyId: "ReEncrypt", other.KeyId: "ReEncrypt", signer.KeyId: "Sign"} {
		if got := h.lastOperation(who, id); got != want {
			t.Errorf("after a restart: %q, want %q", got, want)
		}
	}
}

// TestUsesAreBatched says that the use of a key writes nothing but, once a period, the job that will.
func TestUsesAreBatched(t *testing.T) {
	h := open(t)
	who := admin(t)
	var keys []*api.KeyMetadata
	for range 3 {
		keys = append(keys, h.newKey())
	}
	writes := 0
	stop := h.db.Observe(func([]store.Change) { writes++ })
	defer stop()
	for range 20 {
		for _, k := range keys {
			h.encrypt(who, k.KeyId, nil)
		}
	}
	if writes != 1 {
		t.Errorf("60 uses of 3 keys wrote %d times", writes)
	}
	j, found := h.job(usesJob, "")
	if left := time.Until(j.Due); !found || left > usesPeriod || left < usesPeriod-time.Minute {
		t.Errorf("%v, in %s", found, left)
	}
	writes = 0
	if err := h.runJob(usesJob, ""); err != nil {
		t.Fatal(err)
	}
	if writes != 1 {
		t.Errorf("the uses of 3 keys took %d writes", writes)
	}
	if err := h.runJob(usesJob, ""); err != nil || writes != 1 {
		t.Errorf("with nothing new, %d writes, %v", writes, err)
	}
	h.encrypt(who, keys[0].KeyId, nil)
	if writes != 2 {
		t.Errorf("the next period began with %d writes", writes-1)
	}
}

// TestUsesAreNotLost says that what cannot be written is told all the same and is written later, and
// that an older use never hides a later one.
func TestUsesAreNotLost(t *testing.T) {
	h := open(t)
	who := admin(t)
	k := h.newKey()
	h.room.Store = &failing{DB: h.db, left: 1}
	blob := h.encrypt(who, k.KeyId, nil) // the job cannot be scheduled
	h.room.Store = &failing{DB: h.db, left: 1}
	if err := h.runJob(usesJob, ""); !errors.Is(err, errPower) {
		t.Fatal(err)
	}
	h.room.Store = h.db
	if got := h.lastOperation(who, k.KeyId); got != "Encrypt" {
		t.Errorf("%q", got)
	}
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob})
	for range 2 {
		if err := h.runJob(usesJob, ""); err != nil {
			t.Fatal(err)
		}
		if got := h.lastOperation(who, k.KeyId); got != "Decrypt" {
			t.Errorf("%q", got)
		}
	}
	err := h.update(t.Context(), func(tx store.Tx) error {
		return writeUse(tx, homeOfKey(k), lastUse{Operation: "Sign", At: time.Now().Add(-time.Hour)})
	})
	if got := h.lastOperation(who, k.KeyId); err != nil || got != "Decrypt" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestUsesOfDeletedKeys says that a use that comes to be written after its key is gone leaves nothing.
func TestUsesOfDeletedKeys(t *testing.T) {
	h := open(t)
	who := admin(t)
	k, kept := h.newKey(), h.newKey()
	for _, id := range []*string{k.KeyId, kept.KeyId} {
		h.encrypt(who, id, nil)
	}
	if err := h.runJob(usesJob, ""); err != nil {
		t.Fatal(err)
	}
	h.encrypt(who, k.KeyId, nil)
	must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
	if got := h.lastOperation(who, k.KeyId); got != "Encrypt" {
		t.Errorf("pending deletion: %q", got)
	}
	if err := h.due(deletionJob, homeOfKey(k), func(r *record) { r.Deletion = now().Add(-time.Hour) }); err != nil {
		t.Fatal(err)
	}
	if err := h.runJob(usesJob, ""); err != nil {
		t.Fatal(err)
	}
	var left []string
	for name := range h.everything() {
		if tagged([]byte(name), usesTag) {
			left = append(left, name)
		}
	}
	if want := []string{homeOfKey(kept).path(usesTag)}; !slices.Equal(left, want) {
		t.Errorf("got %q, want %q", left, want)
	}
}

// TestUsesTogether uses keys from many goroutines while the uses are written again and again.
func TestUsesTogether(t *testing.T) {
	h := open(t)
	who := admin(t)
	a, b := h.newKey(), h.newKey()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 30 {
				h.encrypt(who, a.KeyId, nil)
				h.encrypt(who, b.KeyId, nil)
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			if err := h.runJob(usesJob, ""); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	blob := h.encrypt(who, a.KeyId, nil)
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob})
	if err := h.runJob(usesJob, ""); err != nil {
		t.Fatal(err)
	}
	if x, y := h.lastOperation(who, a.KeyId), h.lastOperation(who, b.KeyId); x != "Decrypt" || y != "Encrypt" {
		t.Errorf("%q, %q", x, y)
	}
}

// trail is an audit log of made-up events.
type trail struct {
	asked []audit.Query
	found []audit.Found
}

func (l *trail) Lookup(_ context.Context, q audit.Query) (found []audit.Found, _ error) {
	l.asked = append(l.asked, q)
	for _, f := range l.found {
		if (q.Before == 0 || f.Position < q.Before) && len(found) < q.Limit {
			found = append(found, f)
		}
	}
	return found, nil
}

// TestLastUsageNamesTheEvent says that the event is found by the id of its request, however many calls
// used the key in that second.
func TestLastUsageNamesTheEvent(t *testing.T) {
	h := open(t)
	who := admin(t)
	k := h.newKey()
	log := new(trail)
	h.room.Audit = log
	h.encrypt(who, k.KeyId, nil)
	if got := h.lastUsage(who, k.KeyId).KeyLastUsage; got.CloudTrailEventId != nil {
		t.Errorf("without an event: %+v", got)
	}
	for i := range 250 {
		request := fmt.Sprint("other", i)
		if i == 200 {
			request = "test"
		}
		log.found = append(log.found, audit.Found{Position: audit.Position(1000 - i), Entry: audit.Entry{
			EventID: fmt.Sprint("event", i), JSON: []byte(`{"eventName":"Encrypt","requestID":"` + request + `"}`),
		}})
	}
	got := h.lastUsage(who, k.KeyId).KeyLastUsage
	if got.CloudTrailEventId == nil || *got.CloudTrailEventId != "event200" {
		t.Errorf("%+v", got)
	}
	q := log.asked[0]
	if q.Account != account || q.Region != region || q.Attribute != "ResourceName" || q.Value != *k.Arn || q.From.After(*got.Timestamp) || q.To.Before(*got.Timestamp) {
		t.Errorf("asked %+v", q)
	}
}
