package kms

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/wire"
)

// TestServiceOwnedKeys is M7's and A8's rule: one key for each customer, made on demand, for the service alone,
// never listed and never in the customer's sight.
func TestServiceOwnedKeys(t *testing.T) {
	h := open(t)
	s3 := asService("s3.amazonaws.com")
	name := func(customer string) *string { return wire.Ptr("alias/owned/s3/" + customer) }
	make := func(customer string) *api.GenerateDataKeyOutput {
		return must[api.GenerateDataKeyOutput](h, s3, &api.GenerateDataKeyInput{KeyId: name(customer), KeySpec: "AES_256", EncryptionContext: pairs{"a": "b"}})
	}
	a, again, b := make(account), make(account), make(other)
	if *a.KeyId != *again.KeyId || *a.KeyId == *b.KeyId || !strings.Contains(*a.KeyId, ":"+identity.HouseAccount+":key/") {
		t.Errorf("keys %s, %s, %s", *a.KeyId, *again.KeyId, *b.KeyId)
	}
	in := &api.DecryptInput{CiphertextBlob: a.CiphertextBlob, EncryptionContext: pairs{"a": "b"}}
	if got := must[api.DecryptOutput](h, s3, in); !slices.Equal(got.Plaintext, a.Plaintext) {
		t.Error("s3 does not get its data key back")
	}
	if c := h.do(s3, "Decrypt", in); c.Target.Checks[0].Account != identity.HouseAccount {
		t.Errorf("the record goes to %q", c.Target.Checks[0].Account)
	}
	// Nobody else: neither another service, nor a customer, nor s3 on a customer's behalf.
	fails[api.GenerateDataKeyOutput](h, asService("logs.amazonaws.com"), &api.GenerateDataKeyInput{KeyId: name(account), KeySpec: "AES_256"}, "AccessDeniedException", "")
	fails[api.GenerateDataKeyOutput](h, asService("logs.amazonaws.com"), &api.GenerateDataKeyInput{KeyId: name("777788889999"), KeySpec: "AES_256"}, "NotFoundException", "")
	fails[api.GenerateDataKeyOutput](h, s3, &api.GenerateDataKeyInput{KeyId: wire.Ptr("alias/owned/s3/nobody"), KeySpec: "AES_256"}, "NotFoundException", "")
	for _, who := range []*person{admin(t), root(account), admin(t).through("s3.amazonaws.com")} {
		fails[api.GenerateDataKeyOutput](h, who, &api.GenerateDataKeyInput{KeyId: name(account), KeySpec: "AES_256"}, "NotFoundException", "")
		fails[api.DecryptOutput](h, who, in, "AccessDeniedException", "")
		fails[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: a.KeyId}, "AccessDeniedException", "")
		fails[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: a.KeyId}, "AccessDeniedException", "")
		fails[api.PutKeyPolicyOutput](h, who, &api.PutKeyPolicyInput{KeyId: a.KeyId, Policy: wire.Ptr(defaultPolicy(account))}, "AccessDeniedException", "")
		if got := must[api.ListKeysOutput](h, who, &api.ListKeysInput{}); len(got.Keys) != 0 {
			t.Errorf("listed: %+v", got)
		}
		if got := must[api.ListAliasesOutput](h, who, &api.ListAliasesInput{}); len(got.Aliases) != 0 {
			t.Errorf("listed: %+v", got)
		}
	}
	for op, in := range map[string]any{"ListKeys": &api.ListKeysInput{}, "ListAliases": &api.ListAliasesInput{}, "DisableKey": &api.DisableKeyInput{KeyId: a.KeyId},
		"ScheduleKeyDeletion": &api.ScheduleKeyDeletionInput{KeyId: a.KeyId}, "CreateKey": &api.CreateKeyInput{}} {
		if err := h.do(s3, op, in).Err; !wire.IsCode(err, "AccessDeniedException") {
			t.Errorf("%s by the service: %v", op, err)
		}
	}
	// For a customer the name is like any other.
	k := h.newKey()
	must[api.CreateAliasOutput](h, admin(t), &api.CreateAliasInput{AliasName: name(account), TargetKeyId: k.KeyId})
	if got := must[api.GenerateDataKeyOutput](h, admin(t), &api.GenerateDataKeyInput{KeyId: name(account), KeySpec: "AES_256"}); *got.KeyId != *k.Arn {
		t.Errorf("the customer's alias leads to %s", *got.KeyId)
	}
	if got := make(account); *got.KeyId != *a.KeyId {
		t.Errorf("the service's alias leads to %s", *got.KeyId)
	}
}

// TestOwnedKeyIsMadeOnce lets many first uses happen together.
func TestOwnedKeyIsMadeOnce(t *testing.T) {
	h := open(t)
	var mu sync.Mutex
	keys := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c := h.do(asService("s3.amazonaws.com"), "GenerateDataKey", &api.GenerateDataKeyInput{KeyId: wire.Ptr("alias/owned/s3/" + account), KeySpec: "AES_256"})
			mu.Lock()
			defer mu.Unlock()
			if c.Err != nil {
				t.Error(c.Err)
				return
			}
			keys[*c.Out.(*api.GenerateDataKeyOutput).KeyId] = true
		})
	}
	wg.Wait()
	if len(keys) != 1 {
		t.Errorf("%d keys were made", len(keys))
	}
}

// TestServiceManagedKeys is K5: made on first use through the service, visible, fixed, and usable only through it.
func TestServiceManagedKeys(t *testing.T) {
	h := open(t)
	who, alias := admin(t), wire.Ptr("alias/aws/s3")
	in := &api.GenerateDataKeyInput{KeyId: alias, KeySpec: "AES_256"}
	fails[api.GenerateDataKeyOutput](h, who, in, "NotFoundException", "")
	fails[api.GenerateDataKeyOutput](h, who.through("logs.amazonaws.com"), in, "NotFoundException", "")
	poor := user(t, account, "poor") // needs no KMS permission of their own
	out := must[api.GenerateDataKeyOutput](h, poor.through("s3.amazonaws.com"), in)
	must[api.DecryptOutput](h, poor.through("s3.amazonaws.com"), &api.DecryptInput{CiphertextBlob: out.CiphertextBlob})
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob}, "AccessDeniedException", "")
	fails[api.DecryptOutput](h, who.through("secretsmanager.amazonaws.com"), &api.DecryptInput{CiphertextBlob: out.CiphertextBlob}, "AccessDeniedException", "")
	fails[api.GenerateDataKeyOutput](h, root(account), in, "AccessDeniedException", "")
	fails[api.GenerateDataKeyOutput](h, user(t, other, "x", fullAccess).through("s3.amazonaws.com"), &api.GenerateDataKeyInput{KeyId: out.KeyId, KeySpec: "AES_256"}, "AccessDeniedException", "")

	m := must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: alias}).KeyMetadata
	if m.KeyManager != "AWS" || *m.Arn != *out.KeyId || *m.AWSAccountId != account {
		t.Errorf("%+v", m)
	}
	if got := must[api.ListKeysOutput](h, who, &api.ListKeysInput{}); len(got.Keys) != 1 {
		t.Errorf("listed %d keys", len(got.Keys))
	}
	if got := must[api.ListAliasesOutput](h, who, &api.ListAliasesInput{}).Aliases; len(got) != 1 || *got[0].AliasName != *alias {
		t.Errorf("listed %+v", got)
	}
	if got := must[api.GetKeyRotationStatusOutput](h, who, &api.GetKeyRotationStatusInput{KeyId: m.KeyId}); !*got.KeyRotationEnabled || *got.RotationPeriodInDays != 365 {
		t.Errorf("%+v", got)
	}
	must[api.GetKeyPolicyOutput](h, who, &api.GetKeyPolicyInput{KeyId: m.KeyId})
	id := m.KeyId
	for op, in := range map[string]any{
		"DisableKey": &api.DisableKeyInput{KeyId: id}, "ScheduleKeyDeletion": &api.ScheduleKeyDeletionInput{KeyId: id}, "EnableKey": &api.EnableKeyInput{KeyId: id},
		"PutKeyPolicy": &api.PutKeyPolicyInput{KeyId: id, Policy: wire.Ptr(defaultPolicy(account))}, "DisableKeyRotation": &api.DisableKeyRotationInput{KeyId: id},
		"TagResource": &api.TagResourceInput{KeyId: id, Tags: []api.Tag{}}, "UpdateKeyDescription": &api.UpdateKeyDescriptionInput{KeyId: id, Description: wire.Ptr("")},
		"CreateAlias": &api.CreateAliasInput{AliasName: wire.Ptr("alias/mine"), TargetKeyId: id}, "Encrypt": &api.EncryptInput{KeyId: id, Plaintext: []byte("x")},
	} {
		for _, p := range []*person{who, root(account)} {
			if err := h.do(p, op, in).Err; !wire.IsCode(err, "AccessDeniedException") {
				t.Errorf("%s of a managed key: %v", op, err)
			}
		}
	}
	// A year later the key has new material, and what the old made opens.
	at := home{region, account, *m.KeyId}
	if err := h.due(rotationJob, at, func(r *record) { r.Rotation.Next = now().Add(-time.Hour) }); err != nil {
		t.Fatal(err)
	}
	next := must[api.GenerateDataKeyOutput](h, poor.through("s3.amazonaws.com"), in)
	if *next.KeyMaterialId == *out.KeyMaterialId {
		t.Error("the managed key was not rotated")
	}
	must[api.DecryptOutput](h, poor.through("s3.amazonaws.com"), &api.DecryptInput{CiphertextBlob: out.CiphertextBlob})
	if got := must[api.GetKeyRotationStatusOutput](h, who, &api.GetKeyRotationStatusInput{KeyId: m.KeyId}); time.Until(*got.NextRotationDate) < 364*24*time.Hour {
		t.Errorf("the next rotation is at %v", got.NextRotationDate)
	}
	// DescribeKey makes the keys of the aliases that are set aside.
	if m := must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: wire.Ptr("alias/aws/secretsmanager")}).KeyMetadata; m.KeyManager != "AWS" {
		t.Errorf("%+v", m)
	}
	fails[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: wire.Ptr("alias/aws/nothing")}, "NotFoundException", "")
}

// TestOwnedKeyIsNotNamed says that the record of a customer who tries a ciphertext of the
// house's does not name the key.
func TestOwnedKeyIsNotNamed(t *testing.T) {
	h := open(t)
	out := must[api.GenerateDataKeyOutput](h, asService("s3.amazonaws.com"), &api.GenerateDataKeyInput{KeyId: wire.Ptr("alias/owned/s3/" + account), KeySpec: "AES_256"})
	c := h.do(admin(t), "Decrypt", &api.DecryptInput{CiphertextBlob: out.CiphertextBlob})
	if !wire.IsCode(c.Err, "AccessDeniedException") || c.Target.Checks[0].Resource != "*" || c.Target.Checks[0].Account != "" {
		t.Errorf("%v, %+v", c.Err, c.Target.Checks[0])
	}
}
