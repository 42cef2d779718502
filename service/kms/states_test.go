package kms

import (
	"fmt"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/wire"
)

// The table "Key states of AWS KMS keys" of the KMS developer guide, with its notes:
//
//   - the operation succeeds
//     1  DisabledException: ARN is disabled.
//     3  KMSInvalidStateException: ARN is pending deletion.
//     r  the same of a primary key: ARN is pending replica deletion.
//     4  KMSInvalidStateException: ARN is not pending deletion.
//     5  KMSInvalidStateException: ARN is pending import.
//     u  UnsupportedOperationException: not for keys of this origin, spec or kind (notes 6, 7 and 9)
//     n  KMSInvalidStateException for what is imported: no key material is pending rotation
//
// A row has the states of a symmetric key with material of ours, then those of one with imported
// material. "Creating" and "Updating" are not in the table: no key is ever seen in them.
var stateColumns = []string{
	"Enabled", "Disabled", "PendingDeletion", "PendingReplicaDeletion",
	"EXTERNAL Enabled", "EXTERNAL Disabled", "EXTERNAL PendingImport", "EXTERNAL PendingDeletion",
}

var stateTable = map[string]string{
	//                                     E  D  PD PRD   E  D  PI PD
	"CancelKeyDeletion":                   "4  4  -  -     4  4  4  -",
	"CreateAlias":                         "-  -  3  r     -  -  -  3",
	"CreateGrant":                         "-  1  3  r     -  1  5  3",
	"Decrypt":                             "-  1  3  r     -  1  5  3",
	"DeleteAlias":                         "-  -  -  -     -  -  -  -",
	"DeleteImportedKeyMaterial":           "u  u  u  u     -  -  -  -",
	"DescribeKey":                         "-  -  -  -     -  -  -  -",
	"DisableKey":                          "-  -  3  r     -  -  5  3",
	"DisableKeyRotation":                  "-  1  3  r     u  u  u  u",
	"EnableKey":                           "-  -  3  r     -  -  5  3",
	"EnableKeyRotation":                   "-  1  3  r     u  u  u  u",
	"Encrypt":                             "-  1  3  r     -  1  5  3",
	"GenerateDataKey":                     "-  1  3  r     -  1  5  3",
	"GenerateDataKeyPair":                 "-  1  3  r     -  1  5  3",
	"GenerateDataKeyPairWithoutPlaintext": "-  1  3  r     -  1  5  3",
	"GenerateDataKeyWithoutPlaintext":     "-  1  3  r     -  1  5  3",
	"GetKeyLastUsage":                     "-  -  -  -     -  -  -  -",
	"GetKeyPolicy":                        "-  -  -  -     -  -  -  -",
	"GetKeyRotationStatus":                "-  -  -  -     -  -  -  -",
	"GetParametersForImport":              "u  u  u  u     -  -  -  3",
	"GetPublicKey":                        "u  1  3  r     u  1  5  3",
	"ImportKeyMaterial":                   "u  u  u  u     -  -  -  3",
	"ListAliases":                         "-  -  -  -     -  -  -  -",
	"ListGrants":                          "-  -  -  -     -  -  -  -",
	"ListKeyPolicies":                     "-  -  -  -     -  -  -  -",
	"ListKeyRotations":                    "-  -  -  -     -  -  -  -",
	"ListResourceTags":                    "-  -  -  -     -  -  -  -",
	"PutKeyPolicy":                        "-  -  -  -     -  -  -  -",
	"ReEncrypt from":                      "-  1  3  r     -  1  5  3",
	"ReEncrypt to":                        "-  1  3  r     -  1  5  3",
	"ReplicateKey":                        "-  1  3  r     -  1  5  3",
	"RetireGrant":                         "-  -  -  -     -  -  -  -",
	"RevokeGrant":                         "-  -  -  -     -  -  -  -",
	"RotateKeyOnDemand":                   "-  1  3  r     n  1  5  3",
	"ScheduleKeyDeletion":                 "-  -  3  r     -  -  -  3",
	"TagResource":                         "-  -  3  r     -  -  -  3",
	"UntagResource":                       "-  -  3  r     -  -  -  3",
	"UpdateAlias away":                    "-  -  -  -     -  -  -  -",
	"UpdateAlias to":                      "-  -  3  r     -  -  -  3",
	"UpdateKeyDescription":                "-  -  3  r     -  -  -  3",
	"UpdatePrimaryRegion":                 "-  1  3  r     -  1  5  3",
}

// stated is a multi-Region primary key with a replica, an alias and a grant, in a state.
type stated struct {
	*testHouse
	who    *person
	id     *string
	arn    string
	spare  *string
	blob   []byte // under the key
	other  []byte // under the spare key
	grant  *api.CreateGrantOutput
	params parameters
}

// inState makes a key and brings it into the state of a column.
func inState(t *testing.T, h *testHouse, column string) *stated {
	t.Helper()
	k := &stated{testHouse: h, who: admin(t), spare: h.newKey().KeyId}
	state := column
	create := &api.CreateKeyInput{MultiRegion: wire.Ptr(true)}
	if len(column) > 9 && column[:9] == "EXTERNAL " {
		state, create.Origin = column[9:], "EXTERNAL"
	}
	m := must[api.CreateKeyOutput](h, k.who, create).KeyMetadata
	k.id, k.arn = m.KeyId, *m.Arn
	if create.Origin != "" {
		k.params = h.parameters(k.who, k.id, "RSAES_OAEP_SHA_256")
		must[api.ImportKeyMaterialOutput](h, k.who, k.params.imports(t, some(1)))
	}
	k.belongings()
	switch state {
	case "Disabled":
		must[api.DisableKeyOutput](h, k.who, &api.DisableKeyInput{KeyId: k.id})
	case "PendingDeletion":
		must[api.ScheduleKeyDeletionOutput](h, k.who, &api.ScheduleKeyDeletionInput{KeyId: k.id})
	case "PendingReplicaDeletion":
		h.replica(k.who, k.id)
		must[api.ScheduleKeyDeletionOutput](h, k.who, &api.ScheduleKeyDeletionInput{KeyId: k.id})
	case "PendingImport":
		must[api.DeleteImportedKeyMaterialOutput](h, k.who, &api.DeleteImportedKeyMaterialInput{KeyId: k.id})
	}
	if got := h.state(k.who, k.id); got != state {
		t.Fatalf("the key is %s, not %s", got, state)
	}
	return k
}

// call returns the input of an operation of the table.
func (k *stated) call(t *testing.T, operation string) (name string, in any) {
	tag := []api.Tag{{TagKey: wire.Ptr("a"), TagValue: wire.Ptr("b")}}
	switch operation {
	case "ReEncrypt from":
		return "ReEncrypt", &api.ReEncryptInput{CiphertextBlob: k.blob, DestinationKeyId: k.spare}
	case "ReEncrypt to":
		return "ReEncrypt", &api.ReEncryptInput{CiphertextBlob: k.other, DestinationKeyId: k.id}
	case "UpdateAlias away":
		return "UpdateAlias", &api.UpdateAliasInput{AliasName: wire.Ptr("alias/of-key"), TargetKeyId: k.spare}
	case "UpdateAlias to":
		return "UpdateAlias", &api.UpdateAliasInput{AliasName: wire.Ptr("alias/of-spare"), TargetKeyId: k.id}
	case "ImportKeyMaterial":
		p := k.params
		if p.GetParametersForImportOutput == nil { // a key of ours has none
			return operation, &api.ImportKeyMaterialInput{KeyId: k.id, ImportToken: []byte("x"), EncryptedKeyMaterial: []byte("x"), ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE"}
		}
		return operation, p.imports(t, some(1))
	case "UpdatePrimaryRegion":
		if k.state(k.who, k.id) != "PendingReplicaDeletion" {
			k.addReplica()
		}
		return operation, &api.UpdatePrimaryRegionInput{KeyId: k.id, PrimaryRegion: wire.Ptr(elsewhere)}
	}
	return operation, map[string]any{
		"CancelKeyDeletion":                   &api.CancelKeyDeletionInput{KeyId: k.id},
		"CreateAlias":                         &api.CreateAliasInput{AliasName: wire.Ptr("alias/new"), TargetKeyId: k.id},
		"CreateGrant":                         &api.CreateGrantInput{KeyId: k.id, GranteePrincipal: wire.Ptr(rootARN(account)), Operations: ops{"Encrypt"}},
		"Decrypt":                             &api.DecryptInput{CiphertextBlob: k.blob},
		"DeleteAlias":                         &api.DeleteAliasInput{AliasName: wire.Ptr("alias/of-key")},
		"DeleteImportedKeyMaterial":           &api.DeleteImportedKeyMaterialInput{KeyId: k.id},
		"DescribeKey":                         &api.DescribeKeyInput{KeyId: k.id},
		"DisableKey":                          &api.DisableKeyInput{KeyId: k.id},
		"DisableKeyRotation":                  &api.DisableKeyRotationInput{KeyId: k.id},
		"EnableKey":                           &api.EnableKeyInput{KeyId: k.id},
		"EnableKeyRotation":                   &api.EnableKeyRotationInput{KeyId: k.id},
		"Encrypt":                             &api.EncryptInput{KeyId: k.id, Plaintext: []byte("x")},
		"GenerateDataKey":                     &api.GenerateDataKeyInput{KeyId: k.id, KeySpec: "AES_256"},
		"GenerateDataKeyPair":                 &api.GenerateDataKeyPairInput{KeyId: k.id, KeyPairSpec: "ECC_NIST_P256"},
		"GenerateDataKeyPairWithoutPlaintext": &api.GenerateDataKeyPairWithoutPlaintextInput{KeyId: k.id, KeyPairSpec: "ECC_NIST_P256"},
		"GenerateDataKeyWithoutPlaintext":     &api.GenerateDataKeyWithoutPlaintextInput{KeyId: k.id, KeySpec: "AES_256"},
		"GetKeyLastUsage":                     &api.GetKeyLastUsageInput{KeyId: k.id},
		"GetKeyPolicy":                        &api.GetKeyPolicyInput{KeyId: k.id},
		"GetKeyRotationStatus":                &api.GetKeyRotationStatusInput{KeyId: k.id},
		"GetParametersForImport":              &api.GetParametersForImportInput{KeyId: k.id, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048"},
		"GetPublicKey":                        &api.GetPublicKeyInput{KeyId: k.id},
		"ListAliases":                         &api.ListAliasesInput{KeyId: k.id},
		"ListGrants":                          &api.ListGrantsInput{KeyId: k.id},
		"ListKeyPolicies":                     &api.ListKeyPoliciesInput{KeyId: k.id},
		"ListKeyRotations":                    &api.ListKeyRotationsInput{KeyId: k.id},
		"ListResourceTags":                    &api.ListResourceTagsInput{KeyId: k.id},
		"PutKeyPolicy":                        &api.PutKeyPolicyInput{KeyId: k.id, Policy: wire.Ptr(defaultPolicy(account))},
		"ReplicateKey":                        &api.ReplicateKeyInput{KeyId: k.id, ReplicaRegion: wire.Ptr(elsewhere)},
		"RetireGrant":                         &api.RetireGrantInput{KeyId: &k.arn, GrantId: k.grant.GrantId},
		"RevokeGrant":                         &api.RevokeGrantInput{KeyId: k.id, GrantId: k.grant.GrantId},
		"RotateKeyOnDemand":                   &api.RotateKeyOnDemandInput{KeyId: k.id},
		"ScheduleKeyDeletion":                 &api.ScheduleKeyDeletionInput{KeyId: k.id},
		"TagResource":                         &api.TagResourceInput{KeyId: k.id, Tags: tag},
		"UntagResource":                       &api.UntagResourceInput{KeyId: k.id, TagKeys: []string{"a"}},
		"UpdateKeyDescription":                &api.UpdateKeyDescriptionInput{KeyId: k.id, Description: wire.Ptr("d")},
	}[operation]
}

// addReplica gives the key a replica, whatever state it is in.
func (k *stated) addReplica() {
	k.Helper()
	at := home{region, account, *k.id}
	err := k.change(k.Context(), at, func(tx storeTx, r *record) error {
		copied := record{Created: now(), State: api.KeyStateEnabled, Policy: defaultPolicy(account)}
		return k.replicate(tx, at, r, home{elsewhere, account, *k.id}, &copied)
	})
	if err != nil {
		k.Fatal(err)
	}
	if k.params.GetParametersForImportOutput != nil {
		k.mustImport(k.who.in(elsewhere), k.id, some(1), nil)
	}
}

// want turns a mark of the table into an error code and message.
func (k *stated) want(mark byte) (code, message string) {
	switch mark {
	case '1':
		return "DisabledException", k.arn + " is disabled."
	case '3':
		return "KMSInvalidStateException", k.arn + " is pending deletion."
	case 'r':
		return "KMSInvalidStateException", k.arn + " is pending replica deletion."
	case '4':
		return "KMSInvalidStateException", k.arn + " is not pending deletion."
	case '5':
		return "KMSInvalidStateException", k.arn + " is pending import."
	case 'n':
		return "KMSInvalidStateException", k.arn + " has no imported key material that is pending rotation."
	case 'u':
		return "UnsupportedOperationException", ""
	}
	return "", ""
}

// TestStateTable runs every operation on a key in every state.
func TestStateTable(t *testing.T) {
	for i, column := range stateColumns {
		h := open(t)
		k := inState(t, h, column)
		saved := h.everything()
		for operation, row := range stateTable {
			var marks []byte
			for j := range len(row) {
				if row[j] != ' ' {
					marks = append(marks, row[j])
				}
			}
			code, message := k.want(marks[i])
			name, in := k.call(t, operation)
			err := h.do(k.who, name, in).Err
			if code == "" && err != nil || code != "" && !wire.IsCode(err, code) || message != "" && fmt.Sprint(err) != code+": "+message {
				t.Errorf("%s, %s: got %v, want %s %s", operation, column, err, code, message)
			}
			h.restore(saved)
		}
		h.shut()
	}
}

// unavailable is the column of a key in a custom key store that is not connected. i stands for
// KMSInvalidStateException, whose words are those of the store, and for the rest see stateTable.
var unavailable = map[string]string{
	"CancelKeyDeletion": "4", "CreateAlias": "-", "CreateGrant": "-", "Decrypt": "i", "DeleteAlias": "-", "DeleteImportedKeyMaterial": "u", "DescribeKey": "-",
	"DisableKey": "-", "DisableKeyRotation": "u", "EnableKey": "-", "EnableKeyRotation": "u", "Encrypt": "i", "GenerateDataKey": "i",
	"GenerateDataKeyPair": "u", "GenerateDataKeyPairWithoutPlaintext": "u", "GenerateDataKeyWithoutPlaintext": "i", "GetKeyLastUsage": "-", "GetKeyPolicy": "-",
	"GetKeyRotationStatus": "u", "GetParametersForImport": "u", "GetPublicKey": "u", "ImportKeyMaterial": "u", "ListAliases": "-", "ListGrants": "-",
	"ListKeyPolicies": "-", "ListKeyRotations": "u", "ListResourceTags": "-", "PutKeyPolicy": "-", "ReEncrypt from": "i", "ReEncrypt to": "i",
	"ReplicateKey": "u", "RetireGrant": "-", "RevokeGrant": "-", "RotateKeyOnDemand": "u", "ScheduleKeyDeletion": "-", "TagResource": "-",
	"UntagResource": "-", "UpdateAlias away": "-", "UpdateAlias to": "-", "UpdateKeyDescription": "-", "UpdatePrimaryRegion": "u",
}

// TestUnavailableKey runs every operation on a key whose custom key store is not connected.
func TestUnavailableKey(t *testing.T) {
	h, _ := beside(t)
	id := h.connected()
	m := h.externalKey(id, "key-1")
	k := &stated{testHouse: h, who: admin(t), id: m.KeyId, arn: *m.Arn, spare: h.newKey().KeyId}
	k.belongings()
	h.disconnect(id)
	if got := h.state(k.who, k.id); got != "Unavailable" {
		t.Fatalf("the key is %s", got)
	}
	saved := h.everything()
	for operation := range stateTable {
		mark := unavailable[operation]
		if mark == "" {
			t.Errorf("%s is not in the column", operation)
			continue
		}
		var name string
		var in any
		if name, in = operation, any(&api.UpdatePrimaryRegionInput{KeyId: k.id, PrimaryRegion: wire.Ptr(elsewhere)}); name != "UpdatePrimaryRegion" {
			name, in = k.call(t, operation)
		}
		code, message := k.want(mark[0])
		if mark == "i" {
			code = "KMSInvalidStateException"
		}
		err := h.do(k.who, name, in).Err
		if code == "" && err != nil || code != "" && !wire.IsCode(err, code) || message != "" && fmt.Sprint(err) != code+": "+message {
			t.Errorf("%s: got %v, want %s %s", operation, err, code, message)
		}
		h.restore(saved)
	}
}

// belongings gives the key a ciphertext, aliases and a grant.
func (k *stated) belongings() {
	k.Helper()
	k.blob, k.other = k.encrypt(k.who, k.id, nil), k.encrypt(k.who, k.spare, nil)
	must[api.CreateAliasOutput](k.testHouse, k.who, &api.CreateAliasInput{AliasName: wire.Ptr("alias/of-key"), TargetKeyId: k.id})
	must[api.CreateAliasOutput](k.testHouse, k.who, &api.CreateAliasInput{AliasName: wire.Ptr("alias/of-spare"), TargetKeyId: k.spare})
	k.grant = must[api.CreateGrantOutput](k.testHouse, k.who, &api.CreateGrantInput{
		KeyId: k.id, GranteePrincipal: wire.Ptr(rootARN(account)), RetiringPrincipal: &k.who.ARN, Operations: ops{"Encrypt", "RetireGrant"},
	})
}

// restore brings all records back to what they were.
func (h *testHouse) restore(saved map[string][]byte) {
	h.Helper()
	err := h.update(h.Context(), func(tx storeTx) error {
		for name := range h.everything() {
			if _, ok := saved[name]; !ok {
				if err := tx.Delete([]byte(name)); err != nil {
					return err
				}
			}
		}
		for name, value := range saved {
			if err := tx.Put([]byte(name), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
}

// TestStateTableIsWhole says that no operation on a key is missing from the table.
func TestStateTableIsWhole(t *testing.T) {
	listed := map[string]bool{}
	for operation := range stateTable {
		var name string
		fmt.Sscan(operation, &name)
		listed[name] = true
	}
	// What acts on no key, or on keys that are not symmetric, whose states are tested with their operations.
	for _, name := range []string{
		"CreateKey", "GenerateRandom", "ListKeys", "ListRetirableGrants", "Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "Encapsulate", "Decapsulate",
		"ConnectCustomKeyStore", "CreateCustomKeyStore", "DeleteCustomKeyStore", "DescribeCustomKeyStores", "DisconnectCustomKeyStore", "UpdateCustomKeyStore",
	} {
		listed[name] = true
	}
	for name := range targets {
		if !listed[name] {
			t.Errorf("%s is not in the table of states", name)
		}
	}
}
