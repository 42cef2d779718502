package kms

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

var errPower = errors.New("power cut")

// failing is a store whose n-th update fails: before it happens, or after, when nobody can
// tell that it did.
type failing struct {
	store.DB
	left  int
	after bool
}

func (f *failing) Update(ctx context.Context, id store.TxID, fn func(store.Tx) error) error {
	f.left--
	if f.left != 0 {
		return f.DB.Update(ctx, id, fn)
	}
	if f.after {
		return errors.Join(errPower, f.DB.Update(ctx, id, fn))
	}
	return errPower
}

// stopAnywhere runs a job with a failure at its n-th update, for every n, and then again as the
// queue does, until it succeeds; check looks at what it left.
func stopAnywhere(t *testing.T, prepare func(h *testHouse) (kind, id string), check func(h *testHouse)) {
	for _, after := range []bool{false, true} {
		for n, failed := 1, true; failed; n++ {
			h := open(t)
			kind, id := prepare(h)
			h.room.Store = &failing{DB: h.db, left: n, after: after}
			err := h.runJob(kind, id)
			if failed = errors.Is(err, errPower); failed {
				err = h.handlers()[kind](t.Context(), job.Job{Kind: kind, ID: id, Attempt: 1})
			}
			if err != nil {
				t.Fatalf("update %d: %v", n, err)
			}
			h.room.Store = h.db
			check(h)
			if n > 50 {
				t.Fatal("the job never ends")
			}
			h.shut()
		}
	}
}

func TestDeletionStopsAnywhere(t *testing.T) {
	stopAnywhere(t, func(h *testHouse) (string, string) {
		k := h.newKey()
		must[api.CreateAliasOutput](h, admin(t), &api.CreateAliasInput{AliasName: wire.Ptr("alias/x"), TargetKeyId: k.KeyId})
		must[api.CreateGrantOutput](h, admin(t), grantInput(k, "Encrypt"))
		must[api.ScheduleKeyDeletionOutput](h, admin(t), &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
		at := home{region, account, *k.KeyId}
		err := h.change(t.Context(), at, func(_ store.Tx, r *record) error {
			r.Deletion = now().Add(-time.Minute)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return deletionJob, jobID(at)
	}, func(h *testHouse) {
		for k := range h.everything() {
			if k[0] != domainTag[0] {
				t.Errorf("left: %q", k)
			}
		}
	})
}

func TestDomainRotationStopsAnywhere(t *testing.T) {
	var blob []byte
	stopAnywhere(t, func(h *testHouse) (string, string) {
		blob = h.encrypt(admin(t), h.newKey().KeyId, nil)
		return domainJob, region
	}, func(h *testHouse) {
		must[api.DecryptOutput](h, admin(t), &api.DecryptInput{CiphertextBlob: blob})
		domains := 0
		for k := range h.everything() {
			if strings.HasPrefix(k, path(domainTag, region, "")) {
				domains++
			}
		}
		if domains != 1 {
			t.Errorf("%d domain keys are left", domains)
		}
	})
}

// TestChangesAreWhole fails the one transaction of each operation that writes, and says that nothing of it happened.
func TestChangesAreWhole(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	must[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: wire.Ptr("alias/a"), TargetKeyId: k.KeyId})
	before := h.everything()
	for _, in := range []any{
		&api.CreateKeyInput{}, &api.DisableKeyInput{KeyId: k.KeyId}, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId}, grantInput(k, "Encrypt"),
		&api.CreateAliasInput{AliasName: wire.Ptr("alias/b"), TargetKeyId: k.KeyId}, &api.DeleteAliasInput{AliasName: wire.Ptr("alias/a")},
		&api.EnableKeyRotationInput{KeyId: k.KeyId}, &api.PutKeyPolicyInput{KeyId: k.KeyId, Policy: wire.Ptr(statement(`{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*"}`))},
	} {
		h.room.Store = &failing{DB: h.db, left: 1}
		if err := h.do(who, inputName(in), in).Err; !errors.Is(err, errPower) {
			t.Errorf("%s: %v", inputName(in), err)
		}
		h.room.Store = h.db
		after := h.everything()
		for k, v := range after {
			if !bytes.Equal(before[k], v) {
				t.Errorf("%s changed %q", inputName(in), k)
			}
		}
		if len(after) != len(before) {
			t.Errorf("%s: %d records, had %d", inputName(in), len(after), len(before))
		}
	}
}

// closed is a store that must not be touched.
type closed struct{ store.DB }

func (closed) View(context.Context, func(store.Reader) error) error {
	return errors.New("read")
}

func (closed) Update(context.Context, store.TxID, func(store.Tx) error) error {
	return errors.New("written")
}

// TestOpenReadsNothing is what makes a start independent of the number of keys.
func TestOpenReadsNothing(t *testing.T) {
	h := open(t)
	room := *h.room
	room.Store, room.Jobs = closed{h.db}, job.Open(closed{h.db}, slog.New(slog.DiscardHandler))
	s, err := Open(t.Context(), &room)
	if err != nil {
		t.Fatal(err)
	}
	var opened *service.Service = s.Service()
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzNames says that no name of a key leads out of its place in the store.
func FuzzNames(f *testing.F) {
	for _, s := range []string{
		"alias/x", "1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		"arn:aws:kms:eu-west-1:111122223333:alias/x", "mrk-d3b95762d3b95762d3b95762d3b95762", "alias/\x00", "arn:aws:kms:eu-west-1::key/x",
	} {
		f.Add(s)
	}
	h := open(f)
	who := user(f, account, "x", fullAccess)
	f.Fuzz(func(t *testing.T, name string) {
		c := &call.Call{Principal: who.Principal, Region: region, Op: api.API.Operation("Encrypt")}
		at, owner, local, err := split(c, name)
		if err == nil && (at != region || !arn.ValidAccount(owner) || !strings.HasPrefix(local, "key/") && !strings.HasPrefix(local, aliasPrefix)) {
			t.Fatalf("%q leads to %q %q %q", name, at, owner, local)
		}
		if _, err := h.resolve(t.Context(), c, name, anyNamed); err != nil && !wire.IsCode(err, "NotFoundException") {
			t.Fatalf("%q: %v", name, err)
		}
		if isPrincipal(name) && strings.ContainsAny(name, "\x00*") {
			t.Fatalf("%q is no principal", name)
		}
		if _, _, err := h.openToken(name); err == nil {
			t.Fatalf("%q opens as a grant token", name)
		}
	})
}
