package kms

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// TestPatchedEntries changes a key in all the ways that its entry knows of, at random, and compares what is patched with what
// is read as a whole.
func TestPatchedEntries(t *testing.T) {
	h := open(t)
	k := h.newKey().KeyId
	at := home{region, account, *k}
	rng := rand.New(rand.NewPCG(1, 2))
	var grants, aliases []string
	rotations := 0
	steps := []func(){
		func() {
			g := must[api.CreateGrantOutput](h, admin(h), &api.CreateGrantInput{KeyId: k, GranteePrincipal: wire.Ptr(rootARN(other)), Operations: []api.GrantOperation{api.GrantOperationEncrypt}})
			grants = append(grants, *g.GrantId)
		},
		func() {
			if n := len(grants); n > 0 {
				i := rng.IntN(n)
				must[api.RevokeGrantOutput](h, admin(h), &api.RevokeGrantInput{KeyId: k, GrantId: &grants[i]})
				grants = slices.Delete(grants, i, i+1)
			}
		},
		func() {
			if len(aliases) == maxAliases {
				return
			}
			aliases = append(aliases, fmt.Sprint("alias/", len(aliases)))
			must[api.CreateAliasOutput](h, admin(h), &api.CreateAliasInput{AliasName: &aliases[len(aliases)-1], TargetKeyId: k})
		},
		func() {
			if n := len(aliases); n > 0 {
				must[api.DeleteAliasOutput](h, admin(h), &api.DeleteAliasInput{AliasName: &aliases[n-1]})
				aliases = aliases[:n-1]
			}
		},
		func() {
			must[api.TagResourceOutput](h, admin(h), &api.TagResourceInput{KeyId: k, Tags: []api.Tag{{TagKey: wire.Ptr("t"), TagValue: wire.Ptr(fmt.Sprint(rng.IntN(9)))}}})
		},
		func() {
			must[api.PutKeyPolicyOutput](h, admin(h), &api.PutKeyPolicyInput{KeyId: k, Policy: wire.Ptr(defaultPolicy(account))})
		},
		func() {
			if rotations++; rotations <= maxOnDemand {
				must[api.RotateKeyOnDemandOutput](h, admin(h), &api.RotateKeyOnDemandInput{KeyId: k})
			}
		},
	}
	for range 300 {
		for range 1 + rng.IntN(3) {
			steps[rng.IntN(len(steps))]()
		}
		h.sameEntry(at)
	}
	for len(grants) <= maxRules { // beyond what an entry keeps, and back
		steps[0]()
	}
	h.sameEntry(at)
	for len(grants) > maxRules-2 {
		steps[1]()
		h.sameEntry(at)
	}
}

// sameEntry compares the entry that is kept of a key with one that is read as a whole.
func (h *testHouse) sameEntry(at home) {
	h.Helper()
	got, err := h.keys.Get(h.Context(), at.path(keyTag))
	if err != nil {
		h.Fatal(err)
	}
	var want *entry
	if err := h.room.Store.View(h.Context(), func(r store.Reader) (err error) {
		want, err = h.loadKey(r, []byte(at.path(keyTag)))
		return err
	}); err != nil {
		h.Fatal(err)
	}
	if !reflect.DeepEqual(got.record, want.record) || got.policy != want.policy || !slices.Equal(got.aliases, want.aliases) || got.grants != want.grants ||
		!reflect.DeepEqual(got.rules.Grants(), want.rules.Grants()) || got.material.ID() != want.material.ID() {
		h.Fatalf("patched %+v with %d grants, %d rules, %v\nwhole %+v with %d grants, %d rules, %v", got.record, got.grants, len(got.rules), got.aliases, want.record, want.grants, len(want.rules), want.aliases)
	}
}
