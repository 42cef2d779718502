package kms

import (
	"slices"
	"strings"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/wire"
)

// statement writes a key policy that leaves administration to the account, and adds a statement.
func statement(s string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + rootARN(account) + `"},
		"Action":["kms:Put*","kms:Create*","kms:Disable*","kms:Enable*","kms:Describe*"],"Resource":"*"},` + s + `]}`
}

// TestKeyPolicyIsTheRootOfTrust says that an IAM policy counts only where the key policy delegates.
func TestKeyPolicyIsTheRootOfTrust(t *testing.T) {
	h := open(t)
	k := h.newKey(statement(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:user/bob"},"Action":["kms:Encrypt","kms:Decrypt"],"Resource":"*"}`))
	in := &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}
	must[api.EncryptOutput](h, user(t, account, "bob"), in)
	fails[api.EncryptOutput](h, admin(t), in, "AccessDeniedException", "")
	fails[api.EncryptOutput](h, root(account), in, "AccessDeniedException", "")
	fails[api.DescribeKeyOutput](h, user(t, account, "bob"), &api.DescribeKeyInput{KeyId: k.KeyId}, "AccessDeniedException", "")
	must[api.DescribeKeyOutput](h, admin(t), &api.DescribeKeyInput{KeyId: k.KeyId})
}

// TestPolicyTakesEffectOnTheNextCall goes through every change that bears on a decision.
func TestPolicyTakesEffectOnTheNextCall(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	in := &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}
	allowed := func(want bool) {
		t.Helper()
		if _, err := run[api.EncryptOutput](h, who, in); (err == nil) != want {
			t.Errorf("allowed: %v", err)
		}
	}
	put := func(text string) {
		t.Helper()
		must[api.PutKeyPolicyOutput](h, who, &api.PutKeyPolicyInput{KeyId: k.KeyId, Policy: &text})
	}
	for range 3 {
		allowed(true)
		put(statement(`{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*"}`))
		allowed(false)
		put(defaultPolicy(account))
		allowed(true)
		must[api.DisableKeyOutput](h, who, &api.DisableKeyInput{KeyId: k.KeyId})
		allowed(false)
		must[api.EnableKeyOutput](h, who, &api.EnableKeyInput{KeyId: k.KeyId})
	}
	g := must[api.CreateGrantOutput](h, who, &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr("arn:aws:iam::" + account + ":user/gil"), Operations: []api.GrantOperation{"Encrypt"}})
	who = user(t, account, "gil")
	allowed(true)
	must[api.RevokeGrantOutput](h, admin(t), &api.RevokeGrantInput{KeyId: k.KeyId, GrantId: g.GrantId})
	allowed(false)
}

func TestPolicyTexts(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	got := must[api.GetKeyPolicyOutput](h, who, &api.GetKeyPolicyInput{KeyId: k.KeyId})
	if *got.Policy != defaultPolicy(account) || *got.PolicyName != "default" || !strings.Contains(*got.Policy, `"Id" : "key-default-1"`) {
		t.Errorf("%s", *got.Policy)
	}
	if got := must[api.ListKeyPoliciesOutput](h, who, &api.ListKeyPoliciesInput{KeyId: k.KeyId}); !slices.Equal(got.PolicyNames, []string{"default"}) {
		t.Errorf("%+v", got)
	}
	fails[api.GetKeyPolicyOutput](h, who, &api.GetKeyPolicyInput{KeyId: k.KeyId, PolicyName: wire.Ptr("other")}, "NotFoundException", "No such policy exists")
	fails[api.PutKeyPolicyOutput](h, who, &api.PutKeyPolicyInput{KeyId: k.KeyId, PolicyName: wire.Ptr("other"), Policy: wire.Ptr("{}")}, "NotFoundException", "No such policy exists")
	for name, text := range map[string]string{
		"no JSON": "{", "no statement": `{"Version":"2012-10-17"}`, "no principal": fullAccess, "unknown member": `{"Version":"2012-10-17","Statements":[]}`,
		"too long": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"` + strings.Repeat("x", 32768) + `"}]}`,
	} {
		if _, err := run[api.PutKeyPolicyOutput](h, who, &api.PutKeyPolicyInput{KeyId: k.KeyId, Policy: &text}); !wire.IsCode(err, "MalformedPolicyDocumentException") && !wire.IsCode(err, "ValidationException") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again := must[api.GetKeyPolicyOutput](h, who, &api.GetKeyPolicyInput{KeyId: k.KeyId}); *again.Policy != *got.Policy {
		t.Error("a refused policy was stored")
	}
}

func TestLockOut(t *testing.T) {
	h := open(t)
	k := h.newKey()
	const lockout = "The new key policy will not allow you to update the key policy in the future."
	allow := func(principal, condition string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"kms:*","Resource":"*"` + condition + `}}`
	}
	admin := admin(t)
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"the account":           {allow(rootARN(account), ""), true},
		"the account's number":  {allow(account, ""), true},
		"the caller":            {allow(admin.ARN, ""), true},
		"another user":          {allow("arn:aws:iam::"+account+":user/eve", ""), false},
		"another account":       {allow(rootARN(other), ""), false},
		"caller, by condition":  {allow("*", `,"Condition":{"StringEquals":{"kms:CallerAccount":"`+account+`"}}`), true},
		"others, by condition":  {allow("*", `,"Condition":{"StringEquals":{"kms:CallerAccount":"`+other+`"}}`), false},
		"denied":                {statement(`{"Effect":"Deny","Principal":"*","Action":"kms:PutKeyPolicy","Resource":"*"}`), false},
		"another action":        {strings.ReplaceAll(allow(rootARN(account), ""), "kms:*", "kms:Encrypt"), false},
		"only through services": {allow(rootARN(account), `,"Condition":{"StringLike":{"kms:ViaService":"*"}}`), false},
	} {
		in := &api.PutKeyPolicyInput{KeyId: k.KeyId, Policy: &c.text}
		if c.want {
			must[api.PutKeyPolicyOutput](h, admin, in)
			continue
		}
		t.Run(name, func(t *testing.T) {
			fails[api.PutKeyPolicyOutput](h, admin, in, "MalformedPolicyDocumentException", lockout)
		})
	}
	must[api.PutKeyPolicyOutput](h, admin, &api.PutKeyPolicyInput{
		KeyId: k.KeyId, Policy: wire.Ptr(allow("arn:aws:iam::"+account+":user/eve", "")), BypassPolicyLockoutSafetyCheck: wire.Ptr(true),
	})
	fails[api.GetKeyPolicyOutput](h, admin, &api.GetKeyPolicyInput{KeyId: k.KeyId}, "AccessDeniedException", "")
	must[api.GetKeyPolicyOutput](h, user(t, account, "eve"), &api.GetKeyPolicyInput{KeyId: k.KeyId})
}

// TestCrossAccount says that both accounts must allow, and which operations cross at all.
func TestCrossAccount(t *testing.T) {
	h := open(t)
	k := h.newKey(statement(`{"Effect":"Allow","Principal":{"AWS":"` + rootARN(other) + `"},"Action":"kms:*","Resource":"*"}`))
	in := &api.EncryptInput{KeyId: k.Arn, Plaintext: []byte("x")}
	friend, poor := user(t, other, "friend", fullAccess), user(t, other, "poor")
	blob := must[api.EncryptOutput](h, friend, in).CiphertextBlob
	must[api.DecryptOutput](h, friend, &api.DecryptInput{CiphertextBlob: blob})
	must[api.DescribeKeyOutput](h, friend, &api.DescribeKeyInput{KeyId: k.Arn})
	must[api.ListGrantsOutput](h, friend, &api.ListGrantsInput{KeyId: k.Arn})
	must[api.GetKeyRotationStatusOutput](h, friend, &api.GetKeyRotationStatusInput{KeyId: k.Arn})
	fails[api.EncryptOutput](h, poor, in, "AccessDeniedException", "")
	fails[api.EncryptOutput](h, user(t, "777788889999", "third", fullAccess), in, "AccessDeniedException", "")
	fails[api.EncryptOutput](h, friend, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}, "NotFoundException", "")
	for name, c := range map[string]*call.Call{
		"DisableKey":          h.do(friend, "DisableKey", &api.DisableKeyInput{KeyId: k.Arn}),
		"PutKeyPolicy":        h.do(friend, "PutKeyPolicy", &api.PutKeyPolicyInput{KeyId: k.Arn, Policy: wire.Ptr(defaultPolicy(other))}),
		"GetKeyPolicy":        h.do(friend, "GetKeyPolicy", &api.GetKeyPolicyInput{KeyId: k.Arn}),
		"ScheduleKeyDeletion": h.do(friend, "ScheduleKeyDeletion", &api.ScheduleKeyDeletionInput{KeyId: k.Arn}),
		"TagResource":         h.do(friend, "TagResource", &api.TagResourceInput{KeyId: k.Arn, Tags: []api.Tag{}}),
		"CreateAlias":         h.do(friend, "CreateAlias", &api.CreateAliasInput{AliasName: wire.Ptr("alias/mine"), TargetKeyId: k.Arn}),
	} {
		if !wire.IsCode(c.Err, "AccessDeniedException") {
			t.Errorf("%s of another account's key: %v", name, c.Err)
		}
	}
}

// TestConditions asks policies with each condition key; the key's owner is the admin, and everything else is denied.
func TestConditions(t *testing.T) {
	h := open(t)
	owner := admin(t)
	for name, c := range map[string]struct {
		condition string
		yes, no   func(k *api.KeyMetadata) error
	}{
		"kms:ViaService": {`"StringEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}`,
			h.encrypts(owner.through("s3.amazonaws.com"), nil), h.encrypts(owner, nil)},
		"kms:ViaService, another": {`"StringEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}`,
			h.encrypts(owner.through("s3.amazonaws.com"), nil), h.encrypts(owner.through("logs.amazonaws.com"), nil)},
		"kms:ViaService, not": {`"StringNotEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}`,
			h.encrypts(owner, nil), h.encrypts(owner.through("s3.amazonaws.com"), nil)},
		"kms:CallerAccount": {`"StringEquals":{"kms:CallerAccount":"` + account + `"}`,
			h.encrypts(owner, nil), h.encrypts(user(t, other, "x", fullAccess), nil)},
		"kms:EncryptionContext": {`"StringEquals":{"kms:EncryptionContext:AppName":"ledger"}`,
			h.encrypts(owner, pairs{"appname": "ledger", "x": "y"}), h.encrypts(owner, pairs{"AppName": "Ledger"})},
		"kms:EncryptionContext, absent": {`"StringEquals":{"kms:EncryptionContext:AppName":"ledger"}`,
			h.encrypts(owner, pairs{"APPNAME": "ledger"}), h.encrypts(owner, nil)},
		"kms:EncryptionContextKeys": {`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["a","b"]},"Null":{"kms:EncryptionContextKeys":"false"}`,
			h.encrypts(owner, pairs{"a": "1", "b": "2"}), h.encrypts(owner, pairs{"a": "1", "c": "2"})},
		"kms:EncryptionContextKeys, missing": {`"Null":{"kms:EncryptionContextKeys":"false"}`,
			h.encrypts(owner, pairs{"a": "1"}), h.encrypts(owner, nil)},
		"kms:RequestAlias": {`"StringEquals":{"kms:RequestAlias":"alias/typed"}`,
			h.encryptsAs(owner, "alias/typed"), h.encryptsAs(owner, "alias/second")},
		"kms:RequestAlias, by id": {`"StringEquals":{"kms:RequestAlias":"alias/typed"}`,
			h.encryptsAs(owner, "alias/typed"), h.encrypts(owner, nil)},
		"kms:ResourceAliases": {`"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/typed"}`,
			h.encrypts(owner, nil), nil},
		"kms:ResourceAliases, another": {`"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/else"}`,
			nil, h.encrypts(owner, nil)},
		"kms:KeySpec and others": {`"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT","kms:KeyUsage":"ENCRYPT_DECRYPT","kms:KeyOrigin":"AWS_KMS"},"Bool":{"kms:MultiRegion":"false"}`,
			h.encrypts(owner, nil), nil},
		"kms:EncryptionAlgorithm": {`"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, h.encrypts(owner, nil), nil},
		"aws:ResourceTag":         {`"StringEquals":{"aws:ResourceTag/Team":"blue"}`, h.encrypts(owner, nil), nil},
		"aws:ResourceTag, other":  {`"StringEquals":{"aws:ResourceTag/Team":"red"}`, nil, h.encrypts(owner, nil)},
	} {
		k := h.newKey(statement(`{"Effect":"Allow","Principal":"*","Action":"kms:Encrypt","Resource":"*","Condition":{` + c.condition + `}}`))
		for _, alias := range []string{"alias/typed", "alias/second"} {
			h.do(owner, "DeleteAlias", &api.DeleteAliasInput{AliasName: &alias})
			if err := h.alias(k, alias); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.tag(k); err != nil {
			t.Fatal(err)
		}
		if c.yes != nil {
			if err := c.yes(k); err != nil {
				t.Errorf("%s: refused: %v", name, err)
			}
		}
		if c.no != nil {
			if err := c.no(k); !wire.IsCode(err, "AccessDeniedException") {
				t.Errorf("%s: allowed: %v", name, err)
			}
		}
	}
}

func (h *testHouse) encrypts(who *person, context pairs) func(*api.KeyMetadata) error {
	return func(k *api.KeyMetadata) error {
		return h.do(who, "Encrypt", &api.EncryptInput{KeyId: k.Arn, Plaintext: []byte("x"), EncryptionContext: context}).Err
	}
}

func (h *testHouse) encryptsAs(who *person, alias string) func(*api.KeyMetadata) error {
	return func(*api.KeyMetadata) error {
		return h.do(who, "Encrypt", &api.EncryptInput{KeyId: &alias, Plaintext: []byte("x")}).Err
	}
}

// alias points an alias to a key past all permissions, and takes it from the key that had it.
func (h *testHouse) alias(k *api.KeyMetadata, alias string) error {
	return h.change(h.Context(), home{region, account, *k.KeyId}, func(tx storeTx, _ *record) error {
		if a, err := read[aliasRecord](tx, aliasPath(region, account, alias)); err == nil {
			if _, err := takeAlias(tx, home{region, account, a.Key}, alias); err != nil {
				return err
			}
		}
		return putAlias(tx, home{region, account, *k.KeyId}, alias, now(), now())
	})
}

// tag gives a key the tag Team=blue past all permissions.
func (h *testHouse) tag(k *api.KeyMetadata) error {
	return h.change(h.Context(), home{region, account, *k.KeyId}, func(_ storeTx, r *record) error {
		r.Tags = map[string]string{"Team": "blue"}
		return nil
	})
}

// TestConditionsOfRequests asks the condition keys that only some operations have.
func TestConditionsOfRequests(t *testing.T) {
	h := open(t)
	k := h.newKey()
	conditional := func(action, condition string) *person {
		return user(t, account, "c", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"`+action+`","Resource":"*","Condition":{`+condition+`}}}`)
	}
	tags := []api.Tag{{TagKey: wire.Ptr("Team"), TagValue: wire.Ptr("blue")}}
	for name, c := range map[string]struct {
		who     *person
		yes, no any
	}{
		"CreateKey, tags": {conditional("kms:*", `"StringEquals":{"aws:RequestTag/team":"blue"},"ForAllValues:StringEquals":{"aws:TagKeys":["Team"]}`),
			&api.CreateKeyInput{Tags: tags}, &api.CreateKeyInput{}},
		"CreateKey, spec": {conditional("kms:*", `"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT","kms:KeyUsage":"ENCRYPT_DECRYPT","kms:KeyOrigin":"AWS_KMS"}`),
			&api.CreateKeyInput{}, &api.CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY"}},
		"CreateKey, bypass": {conditional("kms:*", `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"false"}`),
			&api.CreateKeyInput{}, &api.CreateKeyInput{BypassPolicyLockoutSafetyCheck: wire.Ptr(true)}},
		"TagResource": {conditional("kms:*", `"StringEquals":{"aws:RequestTag/Team":"blue"}`),
			&api.TagResourceInput{KeyId: k.KeyId, Tags: tags}, &api.TagResourceInput{KeyId: k.KeyId, Tags: []api.Tag{{TagKey: wire.Ptr("Team"), TagValue: wire.Ptr("red")}}}},
		"UntagResource": {conditional("kms:*", `"ForAllValues:StringEquals":{"aws:TagKeys":["Team"]}`),
			&api.UntagResourceInput{KeyId: k.KeyId, TagKeys: []string{"Team"}}, &api.UntagResourceInput{KeyId: k.KeyId, TagKeys: []string{"Team", "Cost"}}},
		"CreateGrant, for a service": {conditional("kms:*", `"Bool":{"kms:GrantIsForAWSResource":"true"}`).through("monitron.amazonaws.com"),
			grantInput(k, "Decrypt"), nil},
		"CreateGrant, directly": {conditional("kms:*", `"Bool":{"kms:GrantIsForAWSResource":"true"}`), nil, grantInput(k, "Decrypt")},
		"CreateGrant, operations": {conditional("kms:*", `"ForAllValues:StringEquals":{"kms:GrantOperations":["Decrypt","Encrypt"]}`),
			grantInput(k, "Decrypt"), grantInput(k, "Decrypt", "CreateGrant")},
		"CreateGrant, grantee": {conditional("kms:*", `"StringLike":{"kms:GranteePrincipal":"arn:aws:iam::`+other+`:*"}`),
			grantInput(k, "Decrypt"), &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(account)), Operations: []api.GrantOperation{"Decrypt"}}},
		"CreateGrant, retiring": {conditional("kms:*", `"StringEquals":{"kms:RetiringPrincipal":"`+rootARN(account)+`"}`),
			&api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other)), RetiringPrincipal: wire.Ptr(rootARN(account)), Operations: []api.GrantOperation{"Decrypt"}}, grantInput(k, "Decrypt")},
		"CreateGrant, constraint": {conditional("kms:*", `"StringEquals":{"kms:GrantConstraintType":"EncryptionContextSubset","kms:EncryptionContext:tenant":"7"}`),
			&api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other)), Operations: []api.GrantOperation{"Decrypt"}, Constraints: &api.GrantConstraints{EncryptionContextSubset: pairs{"tenant": "7"}}}, grantInput(k, "Decrypt")},
		"EnableKeyRotation": {conditional("kms:*", `"NumericLessThanEquals":{"kms:RotationPeriodInDays":"365"}`),
			&api.EnableKeyRotationInput{KeyId: k.KeyId}, &api.EnableKeyRotationInput{KeyId: k.KeyId, RotationPeriodInDays: wire.Ptr[int32](400)}},
		"ScheduleKeyDeletion": {conditional("kms:*", `"NumericGreaterThanEquals":{"kms:ScheduleKeyDeletionPendingWindowInDays":"20"}`),
			nil, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId, PendingWindowInDays: wire.Ptr[int32](7)}},
		"PutKeyPolicy": {conditional("kms:*", `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"false"}`),
			&api.PutKeyPolicyInput{KeyId: k.KeyId, Policy: wire.Ptr(defaultPolicy(account))}, &api.PutKeyPolicyInput{KeyId: k.KeyId, Policy: wire.Ptr(defaultPolicy(account)), BypassPolicyLockoutSafetyCheck: wire.Ptr(true)}},
	} {
		for _, in := range []any{c.yes, c.no} {
			if in == nil {
				continue
			}
			err := h.do(c.who, inputName(in), in).Err
			if want := in == c.yes; want && err != nil || !want && !wire.IsCode(err, "AccessDeniedException") {
				t.Errorf("%s: %+v: %v", name, in, err)
			}
		}
	}
}

func grantInput(k *api.KeyMetadata, operations ...api.GrantOperation) *api.CreateGrantInput {
	return &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other)), Operations: operations}
}

func TestAmbiguousContextKey(t *testing.T) {
	c := &conditions{context: pairs{"Tenant": "2", "tenant": "1"}}
	if v := c.Value("kms:encryptioncontext:tenant"); v.Len() != 2 || v.At(0) != "1" || v.At(1) != "2" {
		t.Errorf("%+v", v)
	}
	if v := (&conditions{context: pairs{"x": "1"}}).Value("kms:encryptioncontext:y"); v.Present() {
		t.Errorf("%+v", v)
	}
}

// TestDocumentsAreShared says that keys with the same policy text share one compiled document.
func TestDocumentsAreShared(t *testing.T) {
	h := open(t)
	var docs []*policy.Document
	for range 2 {
		k := h.newKey()
		e, err := h.keys.Get(t.Context(), home{region, account, *k.KeyId}.path(keyTag))
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, e.policy)
	}
	if docs[0] != docs[1] {
		t.Error("two documents for one text")
	}
}
