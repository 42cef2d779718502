package kms

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// TestOlderGranteeRecords has the grants of a grantee as they were kept before, with the grant itself in each, beside new ones: both
// count, are listed and are revoked.
func TestOlderGranteeRecords(t *testing.T) {
	h := open(t)
	k, app := h.newKey(), user(t, account, "app")
	at := home{region, account, *k.KeyId}
	var ids []string
	for range maxRules + 2 { // with fewer they are kept with the key
		out := must[api.CreateGrantOutput](h, admin(t), &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: &app.ARN, Operations: ops{"Encrypt"}})
		ids = append(ids, *out.GrantId)
	}
	if err := h.update(t.Context(), func(tx store.Tx) error {
		g, err := loadGrant(tx, at, ids[0])
		if err != nil {
			return err
		}
		text, err := json.Marshal(g)
		return errors.Join(err, tx.Put([]byte(at.under(granteeTag, g.Grantee.Key(), g.ID)), text))
	}); err != nil {
		t.Fatal(err)
	}
	use := func() error {
		return h.do(app, "Encrypt", &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}).Err
	}
	list := func() (all []string) {
		in := &api.ListGrantsInput{KeyId: k.KeyId, GranteePrincipal: &app.ARN, Limit: wire.Ptr(int32(40))}
		for {
			out := must[api.ListGrantsOutput](h, admin(t), in)
			for _, g := range out.Grants {
				all = append(all, *g.GrantId)
			}
			if in.Marker = out.NextMarker; in.Marker == nil {
				return all
			}
		}
	}
	if got := list(); len(got) != len(ids) {
		t.Errorf("%d grants are listed, want %d", len(got), len(ids))
	}
	if err := use(); err != nil {
		t.Error(err)
	}
	for _, id := range ids {
		must[api.RevokeGrantOutput](h, admin(t), &api.RevokeGrantInput{KeyId: k.KeyId, GrantId: &id})
	}
	if got := list(); len(got) != 0 {
		t.Errorf("%d grants are listed, want none", len(got))
	}
	if err := use(); !wire.IsCode(err, "AccessDeniedException") {
		t.Errorf("got %v, want AccessDeniedException", err)
	}
}

// TestOlderAliasRecords has an alias whose record below its key is empty, as it was before: it is listed with its times.
func TestOlderAliasRecords(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	at := home{region, account, *k.KeyId}
	for _, name := range []string{"alias/older", "alias/newer"} {
		must[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: &name, TargetKeyId: k.KeyId})
	}
	list := func() []api.AliasListEntry {
		return must[api.ListAliasesOutput](h, who, &api.ListAliasesInput{KeyId: k.KeyId}).Aliases
	}
	before := list()
	if err := h.update(t.Context(), func(tx store.Tx) error {
		return tx.Put([]byte(at.under(namesTag, "alias/older")), nil)
	}); err != nil {
		t.Fatal(err)
	}
	if after := list(); len(before) != 2 || before[0].CreationDate.IsZero() || !reflect.DeepEqual(after, before) {
		t.Errorf("listed %+v, before %+v", after, before)
	}
	if all := must[api.ListAliasesOutput](h, who, &api.ListAliasesInput{}).Aliases; !reflect.DeepEqual(all, before) {
		t.Errorf("all are %+v, of the key %+v", all, before)
	}
}
