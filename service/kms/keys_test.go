package kms

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/wire"
)

func TestCreateAndDescribe(t *testing.T) {
	h := open(t)
	out := must[api.CreateKeyOutput](h, admin(t), &api.CreateKeyInput{
		Description: wire.Ptr("for tests"), Tags: []api.Tag{{TagKey: wire.Ptr("team"), TagValue: wire.Ptr("blue")}},
	}).KeyMetadata
	got := must[api.DescribeKeyOutput](h, admin(t), &api.DescribeKeyInput{KeyId: out.KeyId}).KeyMetadata
	for _, m := range []*api.KeyMetadata{out, got} {
		if *m.AWSAccountId != account || !isKeyID(*m.KeyId) || *m.Arn != "arn:aws:kms:"+region+":"+account+":key/"+*m.KeyId || !*m.Enabled ||
			*m.Description != "for tests" || m.KeyUsage != "ENCRYPT_DECRYPT" || m.KeyState != "Enabled" || m.Origin != "AWS_KMS" || m.KeyManager != "CUSTOMER" ||
			m.KeySpec != "SYMMETRIC_DEFAULT" || m.CustomerMasterKeySpec != "SYMMETRIC_DEFAULT" || *m.MultiRegion || m.DeletionDate != nil ||
			!slices.Equal(m.EncryptionAlgorithms, []api.EncryptionAlgorithmSpec{"SYMMETRIC_DEFAULT"}) {
			t.Errorf("metadata %+v", m)
		}
	}
	c := h.do(admin(t), "CreateKey", &api.CreateKeyInput{})
	if len(c.Resources) != 1 || c.Resources[0].Type != "AWS::KMS::Key" || c.Resources[0].Account != account {
		t.Errorf("the record of CreateKey names %+v", c.Resources)
	}
}

func TestCreateKeyRefuses(t *testing.T) {
	h := open(t)
	for name, c := range map[string]struct {
		in            api.CreateKeyInput
		code, message string
	}{
		"two specs":       {api.CreateKeyInput{KeySpec: "SYMMETRIC_DEFAULT", CustomerMasterKeySpec: "SYMMETRIC_DEFAULT"}, "ValidationException", ""},
		"no usage":        {api.CreateKeyInput{KeySpec: "HMAC_256"}, "ValidationException", "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."},
		"usage":           {api.CreateKeyInput{KeyUsage: "SIGN_VERIFY"}, "ValidationException", "KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT"},
		"RSA that agrees": {api.CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: "KEY_AGREEMENT"}, "ValidationException", "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"},
		"old name":        {api.CreateKeyInput{CustomerMasterKeySpec: "HMAC_256", KeyUsage: "SIGN_VERIFY"}, "ValidationException", "KeyUsage SIGN_VERIFY is not compatible with KeySpec HMAC_256"},
		"SM2":             {api.CreateKeyInput{KeySpec: "SM2", KeyUsage: "SIGN_VERIFY"}, "ValidationException", ""},
		"custom store":    {api.CreateKeyInput{CustomKeyStoreId: wire.Ptr("cks-1234"), Origin: "AWS_CLOUDHSM"}, "CustomKeyStoreNotFoundException", ""},
		"xks key":         {api.CreateKeyInput{XksKeyId: wire.Ptr("x")}, "ValidationException", ""},
		"unknown spec":    {api.CreateKeyInput{KeySpec: "ROT13"}, "ValidationException", ""},
		"no policy":       {api.CreateKeyInput{Policy: wire.Ptr("{")}, "MalformedPolicyDocumentException", ""},
		"lock-out":        {api.CreateKeyInput{Policy: wire.Ptr(strings.ReplaceAll(defaultPolicy(other), "kms:*", "kms:Encrypt"))}, "MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future."},
		"reserved tag":    {api.CreateKeyInput{Tags: []api.Tag{{TagKey: wire.Ptr("aws:x"), TagValue: wire.Ptr("")}}}, "TagException", ""},
		"tag given twice": {api.CreateKeyInput{Tags: []api.Tag{{TagKey: wire.Ptr("x"), TagValue: wire.Ptr("1")}, {TagKey: wire.Ptr("x"), TagValue: wire.Ptr("2")}}}, "TagException", ""},
	} {
		t.Run(name, func(t *testing.T) { fails[api.CreateKeyOutput](h, admin(t), &c.in, c.code, c.message) })
	}
	if got := must[api.ListKeysOutput](h, admin(t), &api.ListKeysInput{}); len(got.Keys) != 0 {
		t.Errorf("refusals left %d keys", len(got.Keys))
	}
	untagged := user(t, account, "u", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}}`)
	must[api.CreateKeyOutput](h, untagged, &api.CreateKeyInput{})
	fails[api.CreateKeyOutput](h, untagged, &api.CreateKeyInput{Tags: []api.Tag{{TagKey: wire.Ptr("a"), TagValue: wire.Ptr("b")}}}, "AccessDeniedException", "")
}

// TestKeyNames is what callers may type for a key, and what they are told when it leads nowhere.
func TestKeyNames(t *testing.T) {
	h := open(t)
	who := admin(t)
	missing := "1234abcd-12ab-34cd-56ef-1234567890ab"
	arn := "arn:aws:kms:" + region + ":" + account + ":"
	for name, message := range map[string]string{
		missing:                                "Key '" + arn + "key/" + missing + "' does not exist",
		arn + "key/" + missing:                 "Key '" + arn + "key/" + missing + "' does not exist",
		"mrk-d3b95762d3b95762d3b95762d3b95762": "Key '" + arn + "key/mrk-d3b95762d3b95762d3b95762d3b95762' does not exist",
		"fake-key-id":                          "Invalid keyId 'fake-key-id'",
		"134f2428cec14b25a1ae9048164dba47":     "Invalid keyId '134f2428cec14b25a1ae9048164dba47'",
		"mrk-fake-key-id":                      "Invalid keyId 'mrk-fake-key-id'",
		"alias/none":                           "Alias " + arn + "alias/none is not found.",
		arn + "alias/none":                     "Alias " + arn + "alias/none is not found.",
		"arn:aws:kms:us-west-2:" + account + ":key/" + missing: "Invalid arn us-west-2",
		"arn:aws:s3:" + region + ":" + account + ":key/x":      "",
		"arn:nonsense":          "",
		arn + "grant/x":         "",
		arn + "key/../x":        "",
		"alias/a\x00b":          "",
		missing + "\x00":        "",
		strings.ToUpper("0A2B"): "",
	} {
		fails[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: &name}, "NotFoundException", message)
	}
	k := h.newKey()
	must[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: wire.Ptr("alias/x"), TargetKeyId: k.KeyId})
	fails[api.DisableKeyOutput](h, who, &api.DisableKeyInput{KeyId: wire.Ptr("alias/x")}, "NotFoundException", "Invalid keyId 'alias/x'")
	if got := must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: wire.Ptr(arn + "alias/x")}); *got.KeyMetadata.Arn != *k.Arn {
		t.Errorf("alias leads to %s", *got.KeyMetadata.Arn)
	}
}

// TestStates is K4: what each state of a key refuses, and with which error.
func TestStates(t *testing.T) {
	h := open(t)
	k, spare, who := h.newKey(), h.newKey(), admin(t)
	blob := h.encrypt(who, k.KeyId, nil)
	fromSpare := h.encrypt(who, spare.KeyId, nil)
	must[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: wire.Ptr("alias/spare"), TargetKeyId: spare.KeyId})
	id := k.KeyId
	operations := map[string]struct {
		run                     func() error
		disabled, pendingDelete string
	}{
		"Encrypt": {func() error { return h.do(who, "Encrypt", &api.EncryptInput{KeyId: id, Plaintext: []byte("x")}).Err }, "DisabledException", "KMSInvalidStateException"},
		"Decrypt": {func() error { return h.do(who, "Decrypt", &api.DecryptInput{CiphertextBlob: blob}).Err }, "DisabledException", "KMSInvalidStateException"},
		"Decrypt garbled": {func() error {
			return h.do(who, "Decrypt", &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs{"a": "b"}}).Err
		}, "DisabledException", "KMSInvalidStateException"},
		"ReEncrypt from": {func() error {
			return h.do(who, "ReEncrypt", &api.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: spare.KeyId}).Err
		}, "DisabledException", "KMSInvalidStateException"},
		"ReEncrypt to": {func() error {
			return h.do(who, "ReEncrypt", &api.ReEncryptInput{CiphertextBlob: fromSpare, DestinationKeyId: id}).Err
		}, "DisabledException", "KMSInvalidStateException"},
		"GenerateDataKey": {func() error {
			return h.do(who, "GenerateDataKey", &api.GenerateDataKeyInput{KeyId: id, KeySpec: "AES_256"}).Err
		}, "DisabledException", "KMSInvalidStateException"},
		"GenerateDataKeyWithoutPlaintext": {func() error {
			return h.do(who, "GenerateDataKeyWithoutPlaintext", &api.GenerateDataKeyWithoutPlaintextInput{KeyId: id, KeySpec: "AES_256"}).Err
		}, "DisabledException", "KMSInvalidStateException"},
		"CreateGrant": {func() error {
			return h.do(who, "CreateGrant", &api.CreateGrantInput{KeyId: id, GranteePrincipal: wire.Ptr(rootARN(other)), Operations: []api.GrantOperation{"Encrypt"}}).Err
		}, "DisabledException", "KMSInvalidStateException"},
		"EnableKeyRotation":  {func() error { return h.do(who, "EnableKeyRotation", &api.EnableKeyRotationInput{KeyId: id}).Err }, "DisabledException", "KMSInvalidStateException"},
		"DisableKeyRotation": {func() error { return h.do(who, "DisableKeyRotation", &api.DisableKeyRotationInput{KeyId: id}).Err }, "DisabledException", "KMSInvalidStateException"},
		"EnableKey":          {nil, "", "KMSInvalidStateException"},
		"DisableKey":         {func() error { return h.do(who, "DisableKey", &api.DisableKeyInput{KeyId: id}).Err }, "", "KMSInvalidStateException"},
		"CreateAlias": {func() error {
			return h.do(who, "CreateAlias", &api.CreateAliasInput{AliasName: wire.Ptr("alias/new" + newKeyID()), TargetKeyId: id}).Err
		}, "", "KMSInvalidStateException"},
		"UpdateAlias": {func() error {
			return h.do(who, "UpdateAlias", &api.UpdateAliasInput{AliasName: wire.Ptr("alias/spare"), TargetKeyId: id}).Err
		}, "", "KMSInvalidStateException"},
		"TagResource": {func() error {
			return h.do(who, "TagResource", &api.TagResourceInput{KeyId: id, Tags: []api.Tag{{TagKey: wire.Ptr("a"), TagValue: wire.Ptr("b")}}}).Err
		}, "", "KMSInvalidStateException"},
		"UntagResource": {func() error {
			return h.do(who, "UntagResource", &api.UntagResourceInput{KeyId: id, TagKeys: []string{"a"}}).Err
		}, "", "KMSInvalidStateException"},
		"UpdateKeyDescription": {func() error {
			return h.do(who, "UpdateKeyDescription", &api.UpdateKeyDescriptionInput{KeyId: id, Description: wire.Ptr("d")}).Err
		}, "", "KMSInvalidStateException"},
		"ScheduleKeyDeletion": {nil, "", "KMSInvalidStateException"},
		"CancelKeyDeletion":   {nil, "KMSInvalidStateException", ""},
		"DescribeKey":         {func() error { return h.do(who, "DescribeKey", &api.DescribeKeyInput{KeyId: id}).Err }, "", ""},
		"GetKeyPolicy":        {func() error { return h.do(who, "GetKeyPolicy", &api.GetKeyPolicyInput{KeyId: id}).Err }, "", ""},
		"PutKeyPolicy": {func() error {
			return h.do(who, "PutKeyPolicy", &api.PutKeyPolicyInput{KeyId: id, Policy: wire.Ptr(defaultPolicy(account))}).Err
		}, "", ""},
		"GetKeyRotationStatus": {func() error { return h.do(who, "GetKeyRotationStatus", &api.GetKeyRotationStatusInput{KeyId: id}).Err }, "", ""},
		"ListGrants":           {func() error { return h.do(who, "ListGrants", &api.ListGrantsInput{KeyId: id}).Err }, "", ""},
		"ListResourceTags":     {func() error { return h.do(who, "ListResourceTags", &api.ListResourceTagsInput{KeyId: id}).Err }, "", ""},
		"ListKeyPolicies":      {func() error { return h.do(who, "ListKeyPolicies", &api.ListKeyPoliciesInput{KeyId: id}).Err }, "", ""},
	}
	expect := func(state string, want func(name string) string) {
		for name, op := range operations {
			if op.run == nil {
				continue
			}
			err := op.run()
			if w := want(name); w == "" && err != nil || w != "" && !wire.IsCode(err, w) {
				t.Errorf("%s, %s: %v, want %q", state, name, err, w)
			}
		}
	}
	must[api.DisableKeyOutput](h, who, &api.DisableKeyInput{KeyId: id})
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: id, Plaintext: []byte("x")}, "DisabledException", *k.Arn+" is disabled.")
	expect("Disabled", func(name string) string { return operations[name].disabled })
	fails[api.CancelKeyDeletionOutput](h, who, &api.CancelKeyDeletionInput{KeyId: id}, "KMSInvalidStateException", *k.Arn+" is not pending deletion.")
	must[api.UpdateAliasOutput](h, who, &api.UpdateAliasInput{AliasName: wire.Ptr("alias/spare"), TargetKeyId: spare.KeyId})

	out := must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: wire.Ptr[int32](7)})
	if *out.KeyId != *k.Arn || out.KeyState != "PendingDeletion" || *out.PendingWindowInDays != 7 || out.DeletionDate == nil {
		t.Errorf("%+v", out)
	}
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: id, Plaintext: []byte("x")}, "KMSInvalidStateException", *k.Arn+" is pending deletion.")
	expect("PendingDeletion", func(name string) string { return operations[name].pendingDelete })
	fails[api.EnableKeyOutput](h, who, &api.EnableKeyInput{KeyId: id}, "KMSInvalidStateException", "")
	fails[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: id}, "KMSInvalidStateException", *k.Arn+" is pending deletion.")

	// CancelKeyDeletion leaves the key disabled, not enabled.
	must[api.CancelKeyDeletionOutput](h, who, &api.CancelKeyDeletionInput{KeyId: id})
	if got := must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: id}).KeyMetadata; got.KeyState != "Disabled" || *got.Enabled || got.DeletionDate != nil {
		t.Errorf("after CancelKeyDeletion: %+v", got)
	}
	must[api.EnableKeyOutput](h, who, &api.EnableKeyInput{KeyId: id})
	if got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}); string(got.Plaintext) != "hello" {
		t.Error("an enabled key opens what it made before")
	}
}

func TestDeletionWindow(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	for _, days := range []int32{1, 6, 31, 365} {
		fails[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId, PendingWindowInDays: &days}, "ValidationException", "")
	}
	out := must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
	if *out.PendingWindowInDays != 30 {
		t.Errorf("default is %d days", *out.PendingWindowInDays)
	}
}

func TestListKeysPages(t *testing.T) {
	h := open(t)
	var want []string
	for range 7 {
		want = append(want, *h.newKey().KeyId)
	}
	stranger := user(t, other, "x", fullAccess)
	must[api.CreateKeyOutput](h, stranger, &api.CreateKeyInput{})
	must[api.CreateKeyOutput](h, admin(t).in("us-east-1"), &api.CreateKeyInput{})
	slices.Sort(want)
	var got []string
	in := &api.ListKeysInput{Limit: wire.Ptr[int32](3)}
	for {
		out := must[api.ListKeysOutput](h, admin(t), in)
		for _, k := range out.Keys {
			got = append(got, *k.KeyId)
		}
		if !*out.Truncated {
			break
		}
		if len(out.Keys) != 3 || len(got) > 7 {
			t.Fatalf("page of %d", len(out.Keys))
		}
		in.Marker = out.NextMarker
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	fails[api.ListKeysOutput](h, stranger, in, "InvalidMarkerException", "")
	fails[api.ListAliasesOutput](h, admin(t), &api.ListAliasesInput{Marker: in.Marker}, "InvalidMarkerException", "")
}

func TestAliases(t *testing.T) {
	h := open(t)
	a, b, who := h.newKey(), h.newKey(), admin(t)
	name := wire.Ptr("alias/ExampleAlias/1")
	arn := "arn:aws:kms:" + region + ":" + account + ":" + *name
	must[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: name, TargetKeyId: a.KeyId})
	fails[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: name, TargetKeyId: b.KeyId}, "AlreadyExistsException", "An alias with the name "+arn+" already exists")
	blob := h.encrypt(who, name, nil)
	must[api.UpdateAliasOutput](h, who, &api.UpdateAliasInput{AliasName: name, TargetKeyId: b.Arn})
	if got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}); *got.KeyId != *a.Arn {
		t.Errorf("ciphertext followed the alias to %s", *got.KeyId)
	}
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, KeyId: name}, "IncorrectKeyException", "")
	list := must[api.ListAliasesOutput](h, who, &api.ListAliasesInput{}).Aliases
	if len(list) != 1 || *list[0].AliasArn != arn || *list[0].TargetKeyId != *b.KeyId || list[0].CreationDate == nil || list[0].LastUpdatedDate == nil {
		t.Errorf("%+v", list)
	}
	if got := must[api.ListAliasesOutput](h, who, &api.ListAliasesInput{KeyId: a.KeyId}).Aliases; len(got) != 0 {
		t.Errorf("aliases of the old key: %+v", got)
	}
	if got := must[api.ListAliasesOutput](h, who, &api.ListAliasesInput{KeyId: b.KeyId}).Aliases; len(got) != 1 {
		t.Errorf("aliases of the new key: %+v", got)
	}
	must[api.DeleteAliasOutput](h, who, &api.DeleteAliasInput{AliasName: name})
	fails[api.DeleteAliasOutput](h, who, &api.DeleteAliasInput{AliasName: name}, "NotFoundException", "Alias "+arn+" is not found.")
	fails[api.UpdateAliasOutput](h, who, &api.UpdateAliasInput{AliasName: name, TargetKeyId: a.KeyId}, "NotFoundException", "")
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: name, Plaintext: []byte("x")}, "NotFoundException", "")
}

// TestListAliasesPages lists the aliases of an account and those of one key by pages, which are not to be exchanged.
func TestListAliasesPages(t *testing.T) {
	h := open(t)
	a, b, who := h.newKey(), h.newKey(), admin(t)
	var all, ofA []string
	for i := range 9 {
		k, name := a, fmt.Sprint("alias/", i)
		if i%3 == 0 {
			k = b
		} else {
			ofA = append(ofA, name)
		}
		all = append(all, name)
		must[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: &name, TargetKeyId: k.KeyId})
	}
	list := func(in *api.ListAliasesInput) (names []string) {
		for in.Limit = wire.Ptr[int32](2); ; {
			out := must[api.ListAliasesOutput](h, who, in)
			for _, entry := range out.Aliases {
				names = append(names, *entry.AliasName)
			}
			if !*out.Truncated {
				return names
			}
			if len(out.Aliases) != 2 || len(names) > 9 {
				t.Fatalf("page of %d", len(out.Aliases))
			}
			in.Marker = out.NextMarker
		}
	}
	ofKey := &api.ListAliasesInput{KeyId: a.KeyId}
	if got := list(ofKey); !slices.Equal(got, ofA) {
		t.Errorf("of the key are %v, want %v", got, ofA)
	}
	if got := list(&api.ListAliasesInput{}); !slices.Equal(got, all) {
		t.Errorf("all are %v, want %v", got, all)
	}
	fails[api.ListAliasesOutput](h, who, &api.ListAliasesInput{Marker: ofKey.Marker}, "InvalidMarkerException", "")
	fails[api.ListAliasesOutput](h, who, &api.ListAliasesInput{Marker: ofKey.Marker, KeyId: b.KeyId}, "InvalidMarkerException", "")
}

func TestAliasRefusals(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	for name, code := range map[string]string{
		"noprefix": "ValidationException", "alias/": "InvalidAliasNameException", "alias/a:b": "InvalidAliasNameException", "alias/a b": "ValidationException",
		"alias/aws/s3": "NotAuthorizedException", "alias/aws/x": "NotAuthorizedException", "alias/aws": "NotAuthorizedException",
	} {
		fails[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: &name, TargetKeyId: k.KeyId}, code, "")
	}
	fails[api.DeleteAliasOutput](h, who, &api.DeleteAliasInput{AliasName: wire.Ptr("alias/aws/s3")}, "NotAuthorizedException", "")
	fails[api.UpdateAliasOutput](h, who, &api.UpdateAliasInput{AliasName: wire.Ptr("alias/aws/s3"), TargetKeyId: k.KeyId}, "NotAuthorizedException", "")
	fails[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: wire.Ptr("alias/a"), TargetKeyId: wire.Ptr("alias/b")}, "ValidationException", "Aliases must refer to keys. Not aliases")
	for i := range maxAliases {
		must[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: wire.Ptr(fmt.Sprint("alias/n", i)), TargetKeyId: k.KeyId})
	}
	fails[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: wire.Ptr("alias/more"), TargetKeyId: k.KeyId}, "LimitExceededException", "")
	// Both the alias and the key must allow it.
	onlyKey := user(t, account, "k", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:*:key/*"}}`)
	onlyAlias := user(t, account, "a", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:*:alias/*"}}`)
	for _, p := range []*person{onlyKey, onlyAlias} {
		fails[api.DeleteAliasOutput](h, p, &api.DeleteAliasInput{AliasName: wire.Ptr("alias/n1")}, "AccessDeniedException", "")
		fails[api.UpdateAliasOutput](h, p, &api.UpdateAliasInput{AliasName: wire.Ptr("alias/n1"), TargetKeyId: k.KeyId}, "AccessDeniedException", "")
	}
}

func TestTags(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	tag := func(k, v string) api.Tag { return api.Tag{TagKey: &k, TagValue: &v} }
	must[api.TagResourceOutput](h, who, &api.TagResourceInput{KeyId: k.KeyId, Tags: []api.Tag{tag("b", "2"), tag("a", "1"), tag("c", "3")}})
	must[api.TagResourceOutput](h, who, &api.TagResourceInput{KeyId: k.KeyId, Tags: []api.Tag{tag("b", "two")}})
	must[api.UntagResourceOutput](h, who, &api.UntagResourceInput{KeyId: k.KeyId, TagKeys: []string{"a", "none"}})
	page := must[api.ListResourceTagsOutput](h, who, &api.ListResourceTagsInput{KeyId: k.KeyId, Limit: wire.Ptr[int32](1)})
	if len(page.Tags) != 1 || *page.Tags[0].TagKey != "b" || *page.Tags[0].TagValue != "two" || !*page.Truncated {
		t.Errorf("%+v", page)
	}
	page = must[api.ListResourceTagsOutput](h, who, &api.ListResourceTagsInput{KeyId: k.KeyId, Marker: page.NextMarker})
	if len(page.Tags) != 1 || *page.Tags[0].TagKey != "c" || *page.Truncated {
		t.Errorf("%+v", page)
	}
	var many []api.Tag
	for i := range 51 {
		many = append(many, tag(fmt.Sprint("k", i), ""))
	}
	fails[api.TagResourceOutput](h, who, &api.TagResourceInput{KeyId: k.KeyId, Tags: many}, "LimitExceededException", "")
	fails[api.TagResourceOutput](h, who, &api.TagResourceInput{KeyId: k.KeyId, Tags: []api.Tag{tag("AWS:x", "")}}, "TagException", "")
}

// TestRestart says that everything is there after the service was opened again.
func TestRestart(t *testing.T) {
	h := open(t)
	who := admin(t)
	k := h.newKey()
	must[api.CreateAliasOutput](h, who, &api.CreateAliasInput{AliasName: wire.Ptr("alias/x"), TargetKeyId: k.KeyId})
	blob := h.encrypt(who, k.KeyId, pairs{"a": "b"})
	grant := must[api.CreateGrantOutput](h, who, &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other)), Operations: []api.GrantOperation{"Encrypt"}})
	h.shut()
	h = openIn(t, h.dir)
	if got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs{"a": "b"}, KeyId: wire.Ptr("alias/x")}); string(got.Plaintext) != "hello" {
		t.Errorf("%+v", got)
	}
	must[api.RetireGrantOutput](h, root(account), &api.RetireGrantInput{GrantToken: grant.GrantToken})
}
