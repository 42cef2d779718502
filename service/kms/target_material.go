package kms

import (
	"errors"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

func (a *ask) getParametersForImport() (call.Target, error) {
	in := a.c.In.(*api.GetParametersForImportInput)
	return a.own(in.KeyId, &conditions{more: policy.Map{
		"wrappingalgorithm": policy.One(string(in.WrappingAlgorithm)), "wrappingkeyspec": policy.One(string(in.WrappingKeySpec)),
	}})
}

func (a *ask) importKeyMaterial() (call.Target, error) {
	in := a.c.In.(*api.ImportKeyMaterialInput)
	model := in.ExpirationModel
	if model == "" {
		model = api.ExpirationModelTypeKeyMaterialExpires
	}
	more := policy.Map{"expirationmodel": policy.One(string(model))}
	if in.ValidTo != nil {
		more["validto"] = policy.One(in.ValidTo.UTC().Format(time.RFC3339))
	}
	return a.own(in.KeyId, &conditions{more: more})
}

// replicateKey needs kms:ReplicateKey on the primary key, and in the region of the replica what
// making a key there needs.
func (a *ask) replicateKey() (call.Target, error) {
	in := a.c.In.(*api.ReplicateKeyInput)
	replica := wire.Val(in.ReplicaRegion)
	bypass := policy.Bool(wire.Val(in.BypassPolicyLockoutSafetyCheck))
	target, err := a.own(in.KeyId, &conditions{more: policy.Map{"replicaregion": policy.One(replica), "bypasspolicylockoutsafetycheck": bypass}})
	if err != nil {
		return target, err
	}
	cond := &conditions{call: a.c, tags: in.Tags, more: policy.Map{
		"multiregion": policy.Bool(true), "multiregionkeytype": policy.One(string(api.MultiRegionKeyTypeReplica)), "bypasspolicylockoutsafetycheck": bypass,
	}}
	if e := target.Checks[0].Conditions.(*conditions).key; e != nil {
		cond.more["keyspec"], cond.more["keyusage"] = policy.One(string(e.Spec)), policy.One(string(e.Usage))
		cond.more["keyorigin"] = policy.One(string(e.Origin))
		if e.Multi != nil {
			cond.more["primaryregion"] = policy.One(e.Multi.Primary)
		}
	}
	target.Checks = append(target.Checks, call.Check{Action: "kms:CreateKey", Resource: "*", Region: replica, Conditions: cond})
	if len(in.Tags) > 0 {
		keys := "arn:" + identity.Partition + ":kms:" + replica + ":" + a.c.Principal.Account + ":key/*"
		target.Checks = append(target.Checks, call.Check{Action: "kms:TagResource", Resource: keys, Region: replica, Conditions: cond})
	}
	return target, nil
}

// updatePrimaryRegion needs the permission on the primary key and on the replica that takes its
// place.
func (a *ask) updatePrimaryRegion() (call.Target, error) {
	in := a.c.In.(*api.UpdatePrimaryRegionInput)
	region := wire.Val(in.PrimaryRegion)
	more := policy.Map{"primaryregion": policy.One(region)}
	target, err := a.own(in.KeyId, &conditions{more: more})
	if err != nil {
		return target, err
	}
	e := target.Checks[0].Conditions.(*conditions).key
	if e == nil || e.Multi == nil {
		return target, nil // refused, by the policy or by the handler
	}
	to := home{region, e.account, e.id}
	f := found{where: region, owner: e.account, local: "key/" + e.id}
	f.entry, err = a.s.keys.Get(a.ctx, to.path(keyTag))
	if errors.Is(err, store.ErrNotFound) {
		return target, noSuchKey(to.arn())
	}
	if err != nil {
		return target, err
	}
	check := a.check(a.action(), &f, &conditions{more: more})
	check.Region = region
	target.Checks = append(target.Checks, check)
	return target, nil
}
