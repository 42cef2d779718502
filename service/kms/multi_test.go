package kms

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// primary makes a multi-Region primary key.
func (h *testHouse) primary(who *person) *api.KeyMetadata {
	h.Helper()
	return must[api.CreateKeyOutput](h, who, &api.CreateKeyInput{MultiRegion: wire.Ptr(true)}).KeyMetadata
}

// replica replicates a key into the other region.
func (h *testHouse) replica(who *person, id *string) *api.KeyMetadata {
	h.Helper()
	return must[api.ReplicateKeyOutput](h, who, &api.ReplicateKeyInput{KeyId: id, ReplicaRegion: wire.Ptr(elsewhere)}).ReplicaKeyMetadata
}

func (h *testHouse) describe(who *person, id *string) *api.KeyMetadata {
	h.Helper()
	return must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: id}).KeyMetadata
}

// set writes down what a key says of its set: "PRIMARY of a: b c".
func set(m *api.KeyMetadata) string {
	c := m.MultiRegionConfiguration
	if c == nil {
		return ""
	}
	s := fmt.Sprintf("%s of %s:", c.MultiRegionKeyType, *c.PrimaryKey.Region)
	for _, r := range c.ReplicaKeys {
		s += " " + *r.Region
	}
	return s
}

func TestReplicate(t *testing.T) {
	h := open(t)
	who := admin(t)
	there := who.in(elsewhere)
	single := h.newKey()
	if *single.MultiRegion || single.MultiRegionConfiguration != nil {
		t.Errorf("%+v", single)
	}
	k := h.primary(who)
	if !strings.HasPrefix(*k.KeyId, "mrk-") || len(*k.KeyId) != 36 || !isKeyID(*k.KeyId) || !*k.MultiRegion || set(k) != "PRIMARY of "+region+":" {
		t.Errorf("%s %s", *k.KeyId, set(k))
	}
	must[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId, RotationPeriodInDays: wire.Ptr[int32](100)})
	blobs := [][]byte{h.encrypt(who, k.KeyId, pairs{"a": "b"})}
	must[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId})
	blobs = append(blobs, h.encrypt(who, k.KeyId, pairs{"a": "b"}))
	fails[api.DecryptOutput](h, there, &api.DecryptInput{CiphertextBlob: blobs[0], EncryptionContext: pairs{"a": "b"}}, "AccessDeniedException", "")

	c := h.do(who, "ReplicateKey", &api.ReplicateKeyInput{
		KeyId: k.KeyId, ReplicaRegion: wire.Ptr(elsewhere), Description: wire.Ptr("there"), Tags: []api.Tag{{TagKey: wire.Ptr("a"), TagValue: wire.Ptr("b")}},
	})
	if c.Err != nil {
		t.Fatal(c.Err)
	}
	out := c.Out.(*api.ReplicateKeyOutput)
	arn := "arn:aws:kms:" + elsewhere + ":" + account + ":key/" + *k.KeyId
	if m := out.ReplicaKeyMetadata; m.KeyState != "Creating" || *m.Arn != arn || *m.KeyId != *k.KeyId || *m.Description != "there" ||
		*out.ReplicaPolicy != defaultPolicy(account) || len(out.ReplicaTags) != 1 || set(m) != "REPLICA of "+region+": "+elsewhere {
		t.Errorf("%+v %s", m, set(m))
	}
	if want := (call.Event{Name: "CreateKey", Region: elsewhere, Resources: []call.Resource{{Account: account, Type: keyType, ARN: arn}}}); len(c.Also) != 1 || fmt.Sprint(c.Also[0]) != fmt.Sprint(want) {
		t.Errorf("the record of the other region is %+v", c.Also)
	}
	here, far := h.describe(who, k.KeyId), h.describe(there, k.KeyId)
	if set(here) != "PRIMARY of "+region+": "+elsewhere || set(far) != "REPLICA of "+region+": "+elsewhere || far.KeyState != "Enabled" || *far.CurrentKeyMaterialId != *here.CurrentKeyMaterialId {
		t.Errorf("%s; %s %s", set(here), far.KeyState, set(far))
	}
	for i, b := range blobs { // what was made before
		if got := must[api.DecryptOutput](h, there, &api.DecryptInput{CiphertextBlob: b, EncryptionContext: pairs{"a": "b"}}); string(got.Plaintext) != "hello" || *got.KeyId != arn {
			t.Errorf("blob %d: %+v", i, got)
		}
	}
	back := h.encrypt(there, k.KeyId, nil)
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: back})

	// Rotation is shared, and ruled by the primary.
	if got := must[api.GetKeyRotationStatusOutput](h, there, &api.GetKeyRotationStatusInput{KeyId: k.KeyId}); *got.RotationPeriodInDays != 100 {
		t.Errorf("%+v", got)
	}
	for name, in := range map[string]any{
		"EnableKeyRotation": &api.EnableKeyRotationInput{KeyId: k.KeyId}, "DisableKeyRotation": &api.DisableKeyRotationInput{KeyId: k.KeyId},
		"RotateKeyOnDemand": &api.RotateKeyOnDemandInput{KeyId: k.KeyId}, "ReplicateKey": &api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr(region)},
		"UpdatePrimaryRegion": &api.UpdatePrimaryRegionInput{KeyId: k.KeyId, PrimaryRegion: wire.Ptr(region)},
	} {
		if err := h.do(there, name, in).Err; !wire.IsCode(err, "UnsupportedOperationException") {
			t.Errorf("%s at a replica: %v", name, err)
		}
	}
	must[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId})
	if err := h.due(rotationJob, homeOfKey(k), func(r *record) { r.Rotation.Next = now().Add(-time.Hour) }); err != nil {
		t.Fatal(err)
	}
	must[api.DecryptOutput](h, there, &api.DecryptInput{CiphertextBlob: h.encrypt(who, k.KeyId, nil)})
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: h.encrypt(there, k.KeyId, nil)})
	if a, b := h.rotations(who, k.KeyId, "ALL_KEY_MATERIAL"), h.rotations(there, k.KeyId, "ALL_KEY_MATERIAL"); len(a) != 4 || len(b) != 4 || *a[3].KeyMaterialId != *b[3].KeyMaterialId || b[3].RotationType != "AUTOMATIC" {
		t.Errorf("%+v\n%+v", a, b)
	}
	must[api.DisableKeyRotationOutput](h, who, &api.DisableKeyRotationInput{KeyId: k.KeyId})
	if got := must[api.GetKeyRotationStatusOutput](h, there, &api.GetKeyRotationStatusInput{KeyId: k.KeyId}); *got.KeyRotationEnabled {
		t.Errorf("%+v", got)
	}

	// All else is each key's own.
	must[api.DisableKeyOutput](h, who, &api.DisableKeyInput{KeyId: k.KeyId})
	must[api.CreateAliasOutput](h, there, &api.CreateAliasInput{AliasName: wire.Ptr("alias/x"), TargetKeyId: k.KeyId})
	must[api.EncryptOutput](h, there, &api.EncryptInput{KeyId: wire.Ptr("alias/x"), Plaintext: []byte("x")})
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}, "DisabledException", "")
	fails[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: wire.Ptr("alias/x")}, "NotFoundException", "")
	if d := h.describe(who, k.KeyId).Description; *d != "" {
		t.Errorf("description %q", *d)
	}
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: &arn, Plaintext: []byte("x")}, "NotFoundException", "Invalid arn "+elsewhere)

	h.shut()
	h = openIn(t, h.dir)
	must[api.DecryptOutput](h, there, &api.DecryptInput{CiphertextBlob: blobs[0], EncryptionContext: pairs{"a": "b"}})
}

func TestReplicateRefuses(t *testing.T) {
	h := open(t)
	who := admin(t)
	k, single := h.primary(who), h.newKey()
	for name, c := range map[string]struct {
		in   api.ReplicateKeyInput
		code string
	}{
		"single-Region":    {api.ReplicateKeyInput{KeyId: single.KeyId, ReplicaRegion: wire.Ptr(elsewhere)}, "UnsupportedOperationException"},
		"its own region":   {api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr(region)}, "ValidationException"},
		"not served":       {api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr("ap-south-1")}, "ValidationException"},
		"no region":        {api.ReplicateKeyInput{KeyId: k.KeyId}, "ValidationException"},
		"malformed policy": {api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr(elsewhere), Policy: wire.Ptr("{")}, "MalformedPolicyDocumentException"},
		"lock-out": {api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr(elsewhere), Policy: wire.Ptr(strings.ReplaceAll(defaultPolicy(other), "kms:*", "kms:Encrypt"))},
			"MalformedPolicyDocumentException"},
		"reserved tag": {api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr(elsewhere), Tags: []api.Tag{{TagKey: wire.Ptr("aws:x"), TagValue: wire.Ptr("")}}}, "TagException"},
	} {
		t.Run(name, func(t *testing.T) { fails[api.ReplicateKeyOutput](h, who, &c.in, c.code, "") })
	}
	if got := set(h.describe(who, k.KeyId)); got != "PRIMARY of "+region+":" {
		t.Errorf("refusals left %s", got)
	}
	h.replica(who, k.KeyId)
	fails[api.ReplicateKeyOutput](h, who, &api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr(elsewhere)}, "AlreadyExistsException", "")
}

// TestReplicatePermissions says what ReplicateKey and UpdatePrimaryRegion need, and on which keys.
func TestReplicatePermissions(t *testing.T) {
	h := open(t)
	k := h.primary(admin(t))
	in := &api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr(elsewhere)}
	allow := func(action, resource, condition string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":%q,"Resource":%q%s}}`, action, resource, condition)
	}
	replicates := allow("kms:ReplicateKey", *k.Arn, "")
	creates := allow("kms:CreateKey", "*", `,"Condition":{"StringEquals":{"kms:MultiRegionKeyType":"REPLICA","kms:PrimaryRegion":"`+region+`","kms:KeySpec":"SYMMETRIC_DEFAULT"},"Bool":{"kms:MultiRegion":"true"}}`)
	for name, who := range map[string]*person{
		"neither": user(t, account, "u"), "no CreateKey": user(t, account, "u", replicates), "no ReplicateKey": user(t, account, "u", creates),
		"other replica region": user(t, account, "u", creates, allow("kms:ReplicateKey", *k.Arn, `,"Condition":{"StringEquals":{"kms:ReplicaRegion":"eu-north-1"}}`)),
		"single-Region only":   user(t, account, "u", creates, allow("kms:ReplicateKey", *k.Arn, `,"Condition":{"Bool":{"kms:MultiRegion":"false"}}`)),
		"another account":      user(t, other, "u", fullAccess),
	} {
		if err := h.do(who, "ReplicateKey", in).Err; err == nil || wire.IsCode(err, "AlreadyExistsException") {
			t.Errorf("%s: %v", name, err)
		}
	}
	who := user(t, account, "u", creates, allow("kms:ReplicateKey", *k.Arn, `,"Condition":{"StringEquals":{"kms:ReplicaRegion":"`+elsewhere+`","kms:MultiRegionKeyType":"PRIMARY"},"Bool":{"kms:MultiRegion":"true"}}`))
	tagged := *in
	tagged.Tags = []api.Tag{{TagKey: wire.Ptr("a"), TagValue: wire.Ptr("b")}}
	fails[api.ReplicateKeyOutput](h, who, &tagged, "AccessDeniedException", "")
	c := h.do(who, "ReplicateKey", in)
	if c.Err != nil || c.Target.Checks[1].Region != elsewhere {
		t.Fatal(c.Err)
	}

	there := "arn:aws:kms:" + elsewhere + ":" + account + ":key/" + *k.KeyId
	to := &api.UpdatePrimaryRegionInput{KeyId: k.KeyId, PrimaryRegion: wire.Ptr(elsewhere)}
	only := func(region string) string {
		return `,"Condition":{"StringEquals":{"kms:PrimaryRegion":"` + region + `"}}`
	}
	for name, who := range map[string]*person{
		"only here": user(t, account, "u", allow("kms:UpdatePrimaryRegion", *k.Arn, "")), "only there": user(t, account, "u", allow("kms:UpdatePrimaryRegion", there, "")),
		"other region": user(t, account, "u", allow("kms:UpdatePrimaryRegion", "*", only("eu-north-1"))),
	} {
		if err := h.do(who, "UpdatePrimaryRegion", to).Err; !wire.IsCode(err, "AccessDeniedException") {
			t.Errorf("%s: %v", name, err)
		}
	}
	must[api.UpdatePrimaryRegionOutput](h, user(t, account, "u", allow("kms:UpdatePrimaryRegion", "*", only(elsewhere))), to)
}

func TestUpdatePrimaryRegion(t *testing.T) {
	h := open(t)
	who := admin(t)
	there := who.in(elsewhere)
	k := h.primary(who)
	to := &api.UpdatePrimaryRegionInput{KeyId: k.KeyId, PrimaryRegion: wire.Ptr(elsewhere)}
	fails[api.UpdatePrimaryRegionOutput](h, who, to, "NotFoundException", "")
	fails[api.UpdatePrimaryRegionOutput](h, who, &api.UpdatePrimaryRegionInput{KeyId: h.newKey().KeyId, PrimaryRegion: wire.Ptr(elsewhere)}, "UnsupportedOperationException", "")
	h.replica(who, k.KeyId)
	must[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId})
	fails[api.UpdatePrimaryRegionOutput](h, who, &api.UpdatePrimaryRegionInput{KeyId: k.KeyId, PrimaryRegion: wire.Ptr(region)}, "NotFoundException", "")
	blob := h.encrypt(who, k.KeyId, nil)
	must[api.UpdatePrimaryRegionOutput](h, who, to)
	here, far := h.describe(who, k.KeyId), h.describe(there, k.KeyId)
	if set(here) != "REPLICA of "+elsewhere+": "+region || set(far) != "PRIMARY of "+elsewhere+": "+region || here.KeyState != "Enabled" || far.KeyState != "Enabled" {
		t.Errorf("%s %s; %s %s", set(here), here.KeyState, set(far), far.KeyState)
	}
	must[api.DecryptOutput](h, there, &api.DecryptInput{CiphertextBlob: blob})
	fails[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId}, "UnsupportedOperationException", "")

	// The rotation goes with the primary.
	if _, found := h.job(rotationJob, jobID(homeOfKey(k))); found {
		t.Error("a replica has a rotation job")
	}
	far2 := home{elsewhere, account, *k.KeyId}
	if _, found := h.job(rotationJob, jobID(far2)); !found {
		t.Error("the new primary has no rotation job")
	}
	if err := h.due(rotationJob, far2, func(r *record) { r.Rotation.Next = now().Add(-time.Hour) }); err != nil {
		t.Fatal(err)
	}
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: h.encrypt(there, k.KeyId, nil)})
	if got := h.rotations(who, k.KeyId, ""); len(got) != 1 {
		t.Errorf("%d rotations", len(got))
	}

	must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
	fails[api.UpdatePrimaryRegionOutput](h, there, &api.UpdatePrimaryRegionInput{KeyId: k.KeyId, PrimaryRegion: wire.Ptr(region)}, "KMSInvalidStateException", *k.Arn+" is pending deletion.")
	if got := set(h.describe(there, k.KeyId)); got != "PRIMARY of "+elsewhere+": "+region {
		t.Errorf("after a refusal: %s", got)
	}
}

// TestDeletingPrimaryAndReplica is the order in which a set is deleted.
func TestDeletingPrimaryAndReplica(t *testing.T) {
	h := open(t)
	who := admin(t)
	there := who.in(elsewhere)
	k := h.primary(who)
	before := h.everything()
	h.replica(who, k.KeyId)
	blob := h.encrypt(there, k.KeyId, nil)
	out := must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId, PendingWindowInDays: wire.Ptr[int32](8)})
	if out.KeyState != "PendingReplicaDeletion" || out.DeletionDate != nil || *out.PendingWindowInDays != 8 {
		t.Errorf("%+v", out)
	}
	got := h.describe(who, k.KeyId)
	if got.KeyState != "PendingReplicaDeletion" || *got.PendingDeletionWindowInDays != 8 || got.DeletionDate != nil || *got.Enabled {
		t.Errorf("%+v", got)
	}
	says := *k.Arn + " is pending replica deletion."
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}, "KMSInvalidStateException", says)
	fails[api.ReplicateKeyOutput](h, who, &api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr(elsewhere)}, "KMSInvalidStateException", says)
	fails[api.UpdatePrimaryRegionOutput](h, who, &api.UpdatePrimaryRegionInput{KeyId: k.KeyId, PrimaryRegion: wire.Ptr(elsewhere)}, "KMSInvalidStateException", says)
	fails[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId}, "KMSInvalidStateException", says)
	if _, found := h.job(deletionJob, jobID(homeOfKey(k))); found {
		t.Error("a primary that waits for its replicas is about to be deleted")
	}
	must[api.DecryptOutput](h, there, &api.DecryptInput{CiphertextBlob: blob}) // a replica lives on

	must[api.CancelKeyDeletionOutput](h, who, &api.CancelKeyDeletionInput{KeyId: k.KeyId})
	if got := h.describe(who, k.KeyId); got.KeyState != "Disabled" || got.PendingDeletionWindowInDays != nil {
		t.Errorf("called off: %+v", got)
	}
	must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId, PendingWindowInDays: wire.Ptr[int32](9)})
	must[api.ScheduleKeyDeletionOutput](h, there, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
	if got := h.state(who, k.KeyId); got != "PendingReplicaDeletion" {
		t.Errorf("with a replica pending deletion the primary is %s", got)
	}
	fails[api.DecryptOutput](h, there, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", "")
	if err := h.due(deletionJob, home{elsewhere, account, *k.KeyId}, func(r *record) { r.Deletion = now().Add(-time.Hour) }); err != nil {
		t.Fatal(err)
	}
	fails[api.DescribeKeyOutput](h, there, &api.DescribeKeyInput{KeyId: k.KeyId}, "NotFoundException", "")
	got = h.describe(who, k.KeyId)
	if got.KeyState != "PendingDeletion" || got.PendingDeletionWindowInDays != nil || got.DeletionDate == nil || set(got) != "PRIMARY of "+region+":" {
		t.Fatalf("the last replica is gone: %+v", got)
	}
	if left := time.Until(*got.DeletionDate); left < 8*24*time.Hour || left > 9*24*time.Hour {
		t.Errorf("waits for %s", left)
	}
	j, found := h.job(deletionJob, jobID(homeOfKey(k)))
	if !found || !j.Due.Equal(*got.DeletionDate) {
		t.Errorf("job at %v, told %v", j.Due, got.DeletionDate)
	}
	must[api.CancelKeyDeletionOutput](h, who, &api.CancelKeyDeletionInput{KeyId: k.KeyId})
	must[api.EnableKeyOutput](h, who, &api.EnableKeyInput{KeyId: k.KeyId})
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}) // the material of the set is still here
	for name := range h.everything() {
		if _, ok := before[name]; !ok && !tagged([]byte(name), domainTag) {
			t.Errorf("left of the replica: %q", name)
		}
	}
	h.replica(who, k.KeyId) // the region is free again
	must[api.DecryptOutput](h, there, &api.DecryptInput{CiphertextBlob: blob})
}

// TestImportMultiRegion follows imported material through a set: every region gets it from its
// owner, and none makes it up.
func TestImportMultiRegion(t *testing.T) {
	h := open(t)
	who := admin(t)
	there := who.in(elsewhere)
	k := must[api.CreateKeyOutput](h, who, &api.CreateKeyInput{MultiRegion: wire.Ptr(true), Origin: "EXTERNAL"}).KeyMetadata
	fails[api.ReplicateKeyOutput](h, who, &api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr(elsewhere)}, "KMSInvalidStateException", *k.Arn+" is pending import.")
	first := h.mustImport(who, k.KeyId, some(1), nil)
	h.replica(who, k.KeyId)
	if got := h.state(there, k.KeyId); got != "PendingImport" {
		t.Errorf("a replica without material is %s", got)
	}
	if a, b := h.states(who, k.KeyId), h.states(there, k.KeyId); !slices.Equal(a, []string{"CURRENT"}) || !slices.Equal(b, []string{"CURRENT missing"}) {
		t.Errorf("%q, %q", a, b)
	}
	h.failImport(there, k.KeyId, some(2), nil, "IncorrectKeyMaterialException")
	h.failImport(there, k.KeyId, some(1), asNew, "IncorrectKeyMaterialException")
	if got := h.mustImport(there, k.KeyId, some(1), asExisting); got != first {
		t.Errorf("material %s there, %s here", got, first)
	}
	blob := h.encrypt(who, k.KeyId, nil)
	must[api.DecryptOutput](h, there, &api.DecryptInput{CiphertextBlob: blob})

	// New material comes to the primary first, and the rotation waits for all.
	second := h.mustImport(who, k.KeyId, some(2), asNew)
	if a, b := h.states(who, k.KeyId), h.states(there, k.KeyId); !slices.Equal(a, []string{"CURRENT", "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"}) ||
		!slices.Equal(b, []string{"CURRENT", "PENDING_MULTI_REGION_IMPORT_AND_ROTATION missing"}) {
		t.Errorf("%q, %q", a, b)
	}
	if a, b := h.state(who, k.KeyId), h.state(there, k.KeyId); a != "Enabled" || b != "Enabled" {
		t.Errorf("while material is pending the keys are %s and %s", a, b)
	}
	fails[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId}, "KMSInvalidStateException", "")
	h.mustImport(there, k.KeyId, some(2), nil)
	if a := h.states(who, k.KeyId); !slices.Equal(a, []string{"CURRENT", "PENDING_ROTATION"}) {
		t.Errorf("%q", a)
	}
	must[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId})
	got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: h.encrypt(there, k.KeyId, nil)})
	if *got.KeyMaterialId != second {
		t.Errorf("opened by %s", *got.KeyMaterialId)
	}
	must[api.DecryptOutput](h, there, &api.DecryptInput{CiphertextBlob: blob})

	// What is deleted in a region is missing there only; what is pending goes everywhere.
	must[api.DeleteImportedKeyMaterialOutput](h, there, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId, KeyMaterialId: &first})
	if a, b := h.state(who, k.KeyId), h.state(there, k.KeyId); a != "Enabled" || b != "PendingImport" {
		t.Errorf("%s, %s", a, b)
	}
	third := h.mustImport(who, k.KeyId, some(3), asNew)
	h.mustImport(there, k.KeyId, some(3), nil)
	must[api.DeleteImportedKeyMaterialOutput](h, there, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId, KeyMaterialId: &third})
	if a := h.states(who, k.KeyId); !slices.Equal(a, []string{"NON_CURRENT", "CURRENT", "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"}) {
		t.Errorf("%q", a)
	}
	must[api.DeleteImportedKeyMaterialOutput](h, who, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId, KeyMaterialId: &third})
	if a, b := h.states(who, k.KeyId), h.states(there, k.KeyId); len(a) != 2 || !slices.Equal(b, []string{"NON_CURRENT missing", "CURRENT"}) {
		t.Errorf("%q, %q", a, b)
	}
}
