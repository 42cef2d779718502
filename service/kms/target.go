package kms

import (
	"context"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/wire"
)

// Target says what a call acts on. It finds the keys, so its errors are those for keys that
// are not there; it decides nothing.
func (s *Service) Target(ctx context.Context, c *call.Call) (call.Target, error) {
	fn := targets[c.Op.Name]
	if fn == nil {
		return call.Target{}, api.API.Unknown(c.Op.Name)
	}
	t, err := fn(&ask{s, ctx, c})
	if tokens := tokensOf(c.In); err == nil && len(tokens) > 0 {
		err = s.checkTokens(tokens, t.Checks)
	}
	if s.quotas != nil {
		// Before anything is decided, and whether or not anything was found.
		if err := s.quotas.take(c, t.Checks); err != nil {
			return call.Target{}, err
		}
	}
	if err != nil {
		return call.Target{}, err
	}
	return t, nil
}

// ask is one question for a target.
type ask struct {
	s   *Service
	ctx context.Context
	c   *call.Call
}

// targets has every operation that is implemented.
var targets = map[string]func(*ask) (call.Target, error){
	// Use of a key.
	"Encrypt":                         (*ask).encrypt,
	"Decrypt":                         (*ask).decrypt,
	"ReEncrypt":                       (*ask).reEncrypt,
	"GenerateDataKey":                 (*ask).generateDataKey,
	"GenerateDataKeyWithoutPlaintext": (*ask).generateDataKeyWithoutPlaintext,
	"GenerateRandom":                  (*ask).nothing,

	// Use of key pairs, MAC keys and data key pairs: target_use.go.
	"Sign":                                (*ask).sign,
	"Verify":                              (*ask).verify,
	"GenerateMac":                         (*ask).generateMac,
	"VerifyMac":                           (*ask).verifyMac,
	"GetPublicKey":                        (*ask).getPublicKey,
	"DeriveSharedSecret":                  (*ask).deriveSharedSecret,
	"Encapsulate":                         (*ask).encapsulate,
	"Decapsulate":                         (*ask).decapsulate,
	"GenerateDataKeyPair":                 (*ask).generateDataKeyPair,
	"GenerateDataKeyPairWithoutPlaintext": (*ask).generateDataKeyPairWithoutPlaintext,

	// Keys.
	"CreateKey":            (*ask).createKey,
	"DescribeKey":          (*ask).describeKey,
	"ListKeys":             (*ask).nothing,
	"EnableKey":            func(a *ask) (call.Target, error) { return a.own(a.c.In.(*api.EnableKeyInput).KeyId, nil) },
	"DisableKey":           func(a *ask) (call.Target, error) { return a.own(a.c.In.(*api.DisableKeyInput).KeyId, nil) },
	"UpdateKeyDescription": func(a *ask) (call.Target, error) { return a.own(a.c.In.(*api.UpdateKeyDescriptionInput).KeyId, nil) },
	"ScheduleKeyDeletion":  (*ask).scheduleKeyDeletion,
	"CancelKeyDeletion":    func(a *ask) (call.Target, error) { return a.own(a.c.In.(*api.CancelKeyDeletionInput).KeyId, nil) },
	"EnableKeyRotation":    (*ask).enableKeyRotation,
	"DisableKeyRotation":   func(a *ask) (call.Target, error) { return a.own(a.c.In.(*api.DisableKeyRotationInput).KeyId, nil) },
	"RotateKeyOnDemand":    func(a *ask) (call.Target, error) { return a.own(a.c.In.(*api.RotateKeyOnDemandInput).KeyId, nil) },
	"GetKeyLastUsage":      func(a *ask) (call.Target, error) { return a.own(a.c.In.(*api.GetKeyLastUsageInput).KeyId, nil) },
	"ListKeyRotations":     func(a *ask) (call.Target, error) { return a.own(a.c.In.(*api.ListKeyRotationsInput).KeyId, nil) },
	"GetKeyRotationStatus": func(a *ask) (call.Target, error) {
		return a.one(a.c.In.(*api.GetKeyRotationStatusInput).KeyId, anyKey, nil)
	},

	// Imported material and multi-Region keys: target_material.go.
	"GetParametersForImport": (*ask).getParametersForImport,
	"ImportKeyMaterial":      (*ask).importKeyMaterial,
	"DeleteImportedKeyMaterial": func(a *ask) (call.Target, error) {
		return a.own(a.c.In.(*api.DeleteImportedKeyMaterialInput).KeyId, nil)
	},
	"ReplicateKey":        (*ask).replicateKey,
	"UpdatePrimaryRegion": (*ask).updatePrimaryRegion,
	// Custom key stores: identity-based policies of the account alone decide.
	"CreateCustomKeyStore":     (*ask).nothing,
	"DescribeCustomKeyStores":  (*ask).nothing,
	"UpdateCustomKeyStore":     (*ask).nothing,
	"DeleteCustomKeyStore":     (*ask).nothing,
	"ConnectCustomKeyStore":    (*ask).nothing,
	"DisconnectCustomKeyStore": (*ask).nothing,

	// Policies and tags.
	"GetKeyPolicy":     func(a *ask) (call.Target, error) { return a.own(a.c.In.(*api.GetKeyPolicyInput).KeyId, nil) },
	"PutKeyPolicy":     (*ask).putKeyPolicy,
	"ListKeyPolicies":  func(a *ask) (call.Target, error) { return a.own(a.c.In.(*api.ListKeyPoliciesInput).KeyId, nil) },
	"ListResourceTags": func(a *ask) (call.Target, error) { return a.own(a.c.In.(*api.ListResourceTagsInput).KeyId, nil) },
	"TagResource": func(a *ask) (call.Target, error) {
		in := a.c.In.(*api.TagResourceInput)
		return a.own(in.KeyId, &conditions{tags: in.Tags})
	},
	"UntagResource": func(a *ask) (call.Target, error) {
		in := a.c.In.(*api.UntagResourceInput)
		return a.own(in.KeyId, &conditions{tagKeys: in.TagKeys})
	},

	// Aliases: target_alias.go.
	"CreateAlias": (*ask).createAlias,
	"UpdateAlias": (*ask).updateAlias,
	"DeleteAlias": (*ask).deleteAlias,
	"ListAliases": (*ask).nothing,

	// Grants: target_grant.go.
	"CreateGrant":         (*ask).createGrant,
	"ListGrants":          (*ask).listGrants,
	"RevokeGrant":         (*ask).revokeGrant,
	"RetireGrant":         (*ask).retireGrant,
	"ListRetirableGrants": (*ask).listRetirableGrants,
}

// check is the permission to do the operation's action, or another one, on a found key.
func (a *ask) check(action string, f *found, cond *conditions) call.Check {
	cond.call, cond.key, cond.alias = a.c, f.entry, f.alias()
	check := call.Check{
		Action: action, Resource: f.target(), Type: keyType, Account: f.owner, RootOfTrust: true, Conditions: cond,
	}
	if f.entry != nil {
		check.Policy = f.entry.policy
	}
	if f.owner != a.c.Principal.Account {
		check.Hide = foreign(a.c, action, f.typed())
	}
	return check
}

func (a *ask) action() string { return "kms:" + a.c.Op.Name }

// one is the target of an operation on one key.
func (a *ask) one(name *string, kind naming, cond *conditions) (call.Target, error) {
	f, err := a.s.resolve(a.ctx, a.c, wire.Val(name), kind)
	if err != nil {
		return call.Target{}, err
	}
	if cond == nil {
		cond = new(conditions)
	}
	return call.Target{Checks: []call.Check{a.check(a.action(), &f, cond)}}, nil
}

// own is the target of an operation on one key of the caller's account.
func (a *ask) own(name *string, cond *conditions) (call.Target, error) {
	return a.one(name, ownKey, cond)
}

// nothing is the target of an operation on no key: identity-based policies decide.
func (a *ask) nothing() (call.Target, error) {
	return call.Target{Checks: []call.Check{{Action: a.action(), Resource: "*", Conditions: &conditions{call: a.c}}}}, nil
}

// use is the check for an operation that grants can allow.
func (a *ask) use(action, operation string, f *found, cond *conditions) (call.Check, error) {
	check := a.check(action, f, cond)
	var err error
	check.GrantID, err = a.s.granted(a.ctx, a.c, f.entry, operation, cond.context)
	return check, err
}

// useNamed is use for the key that the caller names.
func (a *ask) useNamed(name *string, cond *conditions) (call.Target, error) {
	f, err := a.s.resolve(a.ctx, a.c, wire.Val(name), anyNamed)
	if err != nil {
		return call.Target{}, err
	}
	check, err := a.use(a.action(), a.c.Op.Name, &f, cond)
	return call.Target{Checks: []call.Check{check}}, err
}

func (a *ask) encrypt() (call.Target, error) {
	in := a.c.In.(*api.EncryptInput)
	return a.useNamed(in.KeyId, &conditions{context: in.EncryptionContext, cryptor: algorithm(in.EncryptionAlgorithm)})
}

func (a *ask) generateDataKey() (call.Target, error) {
	in := a.c.In.(*api.GenerateDataKeyInput)
	return a.useNamed(in.KeyId, &conditions{context: in.EncryptionContext, cryptor: algorithm("")})
}

func (a *ask) generateDataKeyWithoutPlaintext() (call.Target, error) {
	in := a.c.In.(*api.GenerateDataKeyWithoutPlaintextInput)
	return a.useNamed(in.KeyId, &conditions{context: in.EncryptionContext, cryptor: algorithm("")})
}

func (a *ask) describeKey() (call.Target, error) {
	in := a.c.In.(*api.DescribeKeyInput)
	return a.useNamed(in.KeyId, new(conditions))
}

func (a *ask) decrypt() (call.Target, error) {
	in := a.c.In.(*api.DecryptInput)
	check, err := a.source("kms:Decrypt", "Decrypt", in.KeyId, &conditions{
		context: in.EncryptionContext, cryptor: algorithm(in.EncryptionAlgorithm),
		source: source{in.CiphertextBlob, cryptor(in.EncryptionAlgorithm), ignores(in.DryRun, in.DryRunModifiers)},
	})
	return call.Target{Checks: []call.Check{check}}, err
}

// source is the check for opening a ciphertext: on the key that the caller names, else on
// the one that the ciphertext names.
func (a *ask) source(action, operation string, name *string, cond *conditions) (check call.Check, err error) {
	if err := cond.source.check(name); err != nil {
		return check, err
	}
	cond.cipher, err = key.Parse(cond.source.blob) // what an RSA key made, or rubbish, is told later, with the key
	if err != nil && name == nil {
		return check, cond.source.unknown()
	}
	if name != nil {
		f, err := a.s.resolve(a.ctx, a.c, *name, anyNamed)
		if err != nil {
			return check, err
		}
		return a.use(action, operation, &f, cond)
	}
	cond.unnamed = true
	f, err := a.s.under(a.ctx, a.c.Region, cond.cipher.ID)
	if err != nil {
		return check, err
	}
	if f.entry == nil || f.owner == identity.HouseAccount && a.c.Principal.Account != f.owner {
		// Nothing is there to be allowed, and so nothing is; the refusal takes the same road
		// as one for a key of another account. A service owned key is not named even in the
		// record of the refusal.
		cond.call = a.c
		return call.Check{Action: action, Resource: "*", RootOfTrust: true, Conditions: cond, Hide: undecryptable()}, nil
	}
	if check, err = a.use(action, operation, &f, cond); check.Hide != nil {
		check.Hide = undecryptable()
	}
	return check, err
}

func (a *ask) reEncrypt() (call.Target, error) {
	in := a.c.In.(*api.ReEncryptInput)
	from := &conditions{
		context: in.SourceEncryptionContext, cryptor: algorithm(in.SourceEncryptionAlgorithm),
		source: source{in.CiphertextBlob, cryptor(in.SourceEncryptionAlgorithm), ignores(in.DryRun, in.DryRunModifiers)},
	}
	to := &conditions{context: in.DestinationEncryptionContext, cryptor: algorithm(in.DestinationEncryptionAlgorithm)}
	source, err := a.source("kms:ReEncryptFrom", "ReEncryptFrom", in.SourceKeyId, from)
	if err != nil {
		return call.Target{}, err
	}
	f, err := a.s.resolve(a.ctx, a.c, wire.Val(in.DestinationKeyId), anyNamed)
	if err != nil {
		return call.Target{}, err
	}
	destination, err := a.use("kms:ReEncryptTo", "ReEncryptTo", &f, to)
	same := policy.Bool(from.key != nil && from.key == to.key)
	from.more = policy.Map{"reencryptonsamekey": same}
	to.more = from.more
	return call.Target{Checks: []call.Check{source, destination}}, err
}

func (a *ask) createKey() (call.Target, error) {
	in := a.c.In.(*api.CreateKeyInput)
	for member, value := range map[string]string{"KeySpec": string(in.KeySpec), "CustomerMasterKeySpec": string(in.CustomerMasterKeySpec)} {
		if err := onlyInChina(a.c, member, value); err != nil {
			return call.Target{}, err
		}
	}
	spec, usage, origin := keySpec(in), in.KeyUsage, in.Origin
	if usage == "" {
		usage = api.KeyUsageTypeEncryptDecrypt
	}
	if origin == "" {
		origin = api.OriginTypeAwsKms
	}
	cond := &conditions{call: a.c, tags: in.Tags, more: policy.Map{
		"keyspec": policy.One(string(spec)), "keyusage": policy.One(string(usage)), "keyorigin": policy.One(string(origin)),
		"multiregion":                    policy.Bool(wire.Val(in.MultiRegion)),
		"multiregionkeytype":             policy.Values{},
		"bypasspolicylockoutsafetycheck": policy.Bool(wire.Val(in.BypassPolicyLockoutSafetyCheck)),
	}}
	if wire.Val(in.MultiRegion) {
		cond.more["multiregionkeytype"] = policy.One(string(api.MultiRegionKeyTypePrimary))
	}
	checks := []call.Check{{Action: "kms:CreateKey", Resource: "*", Conditions: cond}}
	if len(in.Tags) > 0 {
		// "To use this parameter, you must have kms:TagResource permission in an IAM policy." The key
		// has no id yet.
		keys := "arn:" + identity.Partition + ":kms:" + a.c.Region + ":" + a.c.Principal.Account + ":key/*"
		checks = append(checks, call.Check{Action: "kms:TagResource", Resource: keys, Conditions: cond})
	}
	return call.Target{Checks: checks}, nil
}

func (a *ask) scheduleKeyDeletion() (call.Target, error) {
	in := a.c.In.(*api.ScheduleKeyDeletionInput)
	window := int32(maxWindow)
	if in.PendingWindowInDays != nil {
		window = *in.PendingWindowInDays
	}
	return a.own(in.KeyId, &conditions{more: policy.Map{"schedulekeydeletionpendingwindowindays": number(window)}})
}

func (a *ask) enableKeyRotation() (call.Target, error) {
	in := a.c.In.(*api.EnableKeyRotationInput)
	days := int32(defaultRotation)
	if in.RotationPeriodInDays != nil {
		days = *in.RotationPeriodInDays
	}
	return a.own(in.KeyId, &conditions{more: policy.Map{"rotationperiodindays": number(days)}})
}

func (a *ask) putKeyPolicy() (call.Target, error) {
	in := a.c.In.(*api.PutKeyPolicyInput)
	bypass := policy.Bool(wire.Val(in.BypassPolicyLockoutSafetyCheck))
	return a.own(in.KeyId, &conditions{more: policy.Map{"bypasspolicylockoutsafetycheck": bypass}})
}

// authorized returns the conditions of the i-th check of the call in ctx, which carry the
// key that was authorized.
func authorized(ctx context.Context, i int) (*conditions, error) {
	c := call.From(ctx)
	if c == nil || i >= len(c.Target.Checks) {
		return nil, errTarget
	}
	cond, ok := c.Target.Checks[i].Conditions.(*conditions)
	if !ok {
		return nil, errTarget
	}
	return cond, nil
}

// authorizedKey returns the key of the i-th check.
func authorizedKey(ctx context.Context, i int) (*entry, error) {
	cond, err := authorized(ctx, i)
	if err != nil {
		return nil, err
	}
	if cond.key == nil {
		return nil, errTarget
	}
	return cond.key, nil
}
