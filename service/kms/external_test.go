package kms

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/service/kms/xks/xkstest"
	"github.com/strongroom/strongroom/wire"
)

func TestCreateKeyInExternalStore(t *testing.T) {
	h, p := beside(t)
	who := admin(t)
	id := h.connected()
	m := h.externalKey(id, "key-1")
	if m.Origin != "EXTERNAL_KEY_STORE" || *m.CustomKeyStoreId != *id || m.CloudHsmClusterId != nil || *m.XksKeyConfiguration.Id != "key-1" || m.KeyState != "Enabled" ||
		!*m.Enabled || m.KeySpec != "SYMMETRIC_DEFAULT" || m.CurrentKeyMaterialId != nil || *m.MultiRegion {
		t.Errorf("metadata %+v", m)
	}
	asked := p.Last("metadata")
	if asked.Key != "key-1" || asked.Metadata("kmsOperation") != "CreateKey" || asked.Metadata("awsPrincipalArn") != who.ARN || asked.Metadata("kmsKeyArn") != "" {
		t.Errorf("the proxy was asked with %v", asked.Body)
	}
	if d := must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: m.KeyId}).KeyMetadata; *d.XksKeyConfiguration.Id != "key-1" || *d.CustomKeyStoreId != *id || d.CurrentKeyMaterialId != nil {
		t.Errorf("described as %+v", d)
	}
	p.AddKey("short").Spec = "AES_128"
	p.AddKey("off").Status = "DISABLED"
	p.AddKey("one-way").Usage = []string{"ENCRYPT"}
	good := func(xksID string) *api.CreateKeyInput {
		return &api.CreateKeyInput{Origin: api.OriginTypeExternalKeyStore, CustomKeyStoreId: id, XksKeyId: &xksID}
	}
	change := func(fn func(in *api.CreateKeyInput)) *api.CreateKeyInput {
		in := good("key-2")
		fn(in)
		return in
	}
	p.AddKey("key-2")
	for name, c := range map[string]struct {
		in   *api.CreateKeyInput
		code string
	}{
		"taken":           {good("key-1"), "XksKeyAlreadyInUseException"},
		"missing":         {good("key-3"), "XksKeyNotFoundException"},
		"AES_128":         {good("short"), "XksKeyInvalidConfigurationException"},
		"disabled":        {good("off"), "XksKeyInvalidConfigurationException"},
		"encrypt only":    {good("one-way"), "XksKeyInvalidConfigurationException"},
		"dot segment":     {good(".."), "ValidationException"},
		"slash":           {good("a/b"), "ValidationException"},
		"no external key": {change(func(in *api.CreateKeyInput) { in.XksKeyId = nil }), "ValidationException"},
		"no store":        {change(func(in *api.CreateKeyInput) { in.CustomKeyStoreId = nil }), "ValidationException"},
		"another store":   {change(func(in *api.CreateKeyInput) { in.CustomKeyStoreId = wire.Ptr("cks-0") }), "CustomKeyStoreNotFoundException"},
		"no origin":       {change(func(in *api.CreateKeyInput) { in.Origin = "" }), "ValidationException"},
		"wrong origin":    {change(func(in *api.CreateKeyInput) { in.Origin, in.XksKeyId = api.OriginTypeAwsCloudhsm, nil }), "ValidationException"},
		"RSA":             {change(func(in *api.CreateKeyInput) { in.KeySpec, in.KeyUsage = "RSA_2048", "SIGN_VERIFY" }), "UnsupportedOperationException"},
		"HMAC":            {change(func(in *api.CreateKeyInput) { in.KeySpec, in.KeyUsage = "HMAC_256", "GENERATE_VERIFY_MAC" }), "UnsupportedOperationException"},
		"multi-Region":    {change(func(in *api.CreateKeyInput) { in.MultiRegion = wire.Ptr(true) }), "UnsupportedOperationException"},
	} {
		_, err := run[api.CreateKeyOutput](h, who, c.in)
		var e *wire.Error
		if !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
	}
	h.externalKey(id, "key-2") // nothing of all that has taken it
	// What is in a store of another account is not there, and may be used there.
	fails[api.CreateKeyOutput](h, user(t, other, "admin", fullAccess), good("key-1"), "CustomKeyStoreNotFoundException", "")
	h.disconnect(id)
	p.AddKey("key-4")
	fails[api.CreateKeyOutput](h, who, good("key-4"), "CustomKeyStoreInvalidStateException", "")
	if keys := must[api.ListKeysOutput](h, who, &api.ListKeysInput{}).Keys; len(keys) != 2 {
		t.Errorf("%d keys were made, want 2", len(keys))
	}
}

// TestUseThroughProxy goes through every operation that uses a key in an external key store.
func TestUseThroughProxy(t *testing.T) {
	h, p := beside(t)
	p.AddKey("key-2")
	who := admin(t)
	id := h.connected()
	k, second, plain := h.externalKey(id, "key-1"), h.externalKey(id, "key-2"), h.newKey()
	pairs := map[string]string{"purpose": "test"}

	blob := must[api.EncryptOutput](h, who.through("s3.amazonaws.com"), &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("hello"), EncryptionContext: pairs}).CiphertextBlob
	asked := p.Last("encrypt")
	for name, want := range map[string]string{
		"awsPrincipalArn": who.ARN, "kmsKeyArn": *k.Arn, "kmsOperation": "Encrypt", "kmsRequestId": "test", "kmsViaService": "s3",
	} {
		if got := asked.Metadata(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if text := asked.Body["plaintext"].(string); strings.Contains(text, "aGVsbG8") {
		t.Error("the proxy sees the plaintext")
	}
	out := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs})
	asked = p.Last("decrypt")
	if string(out.Plaintext) != "hello" || *out.KeyId != *k.Arn || asked.Metadata("kmsViaService") != "" {
		t.Errorf("decrypted %+v", out)
	}
	big := must[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: make([]byte, 4096)}).CiphertextBlob
	if got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: big, KeyId: k.KeyId}).Plaintext; len(got) != 4096 {
		t.Errorf("%d bytes of 4096", len(got))
	}
	dk := must[api.GenerateDataKeyOutput](h, who, &api.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: api.DataKeySpecAes256, EncryptionContext: pairs})
	if got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: dk.CiphertextBlob, EncryptionContext: pairs}).Plaintext; !bytes.Equal(got, dk.Plaintext) {
		t.Error("the data key does not open")
	}
	without := must[api.GenerateDataKeyWithoutPlaintextOutput](h, who, &api.GenerateDataKeyWithoutPlaintextInput{KeyId: k.KeyId, NumberOfBytes: wire.Ptr[int32](17)})
	if got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: without.CiphertextBlob}).Plaintext; len(got) != 17 {
		t.Error("the data key without plaintext does not open")
	}
	for name, to := range map[string]*api.KeyMetadata{"to another external key": second, "to a key of the house": plain, "to itself": k} {
		re := must[api.ReEncryptOutput](h, who, &api.ReEncryptInput{CiphertextBlob: blob, SourceEncryptionContext: pairs, DestinationKeyId: to.KeyId})
		h.decrypt(who, re.CiphertextBlob, name)
		back := must[api.ReEncryptOutput](h, who, &api.ReEncryptInput{CiphertextBlob: re.CiphertextBlob, DestinationKeyId: k.KeyId})
		h.decrypt(who, back.CiphertextBlob, "back from "+name)
	}
	if asked = p.Last("encrypt"); asked.Metadata("kmsOperation") != "ReEncrypt" {
		t.Errorf("the proxy was asked with %v", asked.Body)
	}
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs, KeyId: second.KeyId}, "IncorrectKeyException", "")
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), DryRun: wire.Ptr(true)}, "DryRunOperationException", "")
	fails[api.GenerateRandomOutput](h, who, &api.GenerateRandomInput{NumberOfBytes: wire.Ptr[int32](8), CustomKeyStoreId: id}, "UnsupportedOperationException", "")
	fails[api.EnableKeyRotationOutput](h, who, &api.EnableKeyRotationInput{KeyId: k.KeyId}, "UnsupportedOperationException", "")
	fails[api.RotateKeyOnDemandOutput](h, who, &api.RotateKeyOnDemandInput{KeyId: k.KeyId}, "UnsupportedOperationException", "")
	fails[api.GetParametersForImportOutput](h, who, &api.GetParametersForImportInput{KeyId: k.KeyId, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048"}, "UnsupportedOperationException", "")
	fails[api.ReplicateKeyOutput](h, who, &api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: wire.Ptr("us-east-1")}, "UnsupportedOperationException", "")
	fails[api.GenerateDataKeyPairOutput](h, who, &api.GenerateDataKeyPairInput{KeyId: k.KeyId, KeyPairSpec: "ECC_NIST_P256"}, "UnsupportedOperationException", "")
	session := roleSession(account, "loader")
	must[api.CreateGrantOutput](h, who, &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: &session.Session.RoleARN, Operations: []api.GrantOperation{"Encrypt"}})
	h.encrypt(session, k.KeyId, nil)
	if asked = p.Last("encrypt"); asked.Metadata("awsPrincipalArn") != session.Session.RoleARN {
		t.Errorf("for a session the proxy was asked with %v", asked.Body)
	}
}

// TestChangedExternalCiphertext changes a ciphertext and looks that the proxy never hears of it.
func TestChangedExternalCiphertext(t *testing.T) {
	h, p := beside(t)
	who := admin(t)
	k := h.externalKey(h.connected(), "key-1")
	pairs := map[string]string{"a": "b", "c": "d"}
	blob := h.encrypt(who, k.KeyId, pairs)
	before := len(p.Seen())
	refuse := func(what string, blob []byte, pairs map[string]string) {
		t.Helper()
		_, err := run[api.DecryptOutput](h, who, &api.DecryptInput{KeyId: k.KeyId, CiphertextBlob: blob, EncryptionContext: pairs})
		var e *wire.Error
		if !errors.As(err, &e) || e.Code != "InvalidCiphertextException" && e.Code != "IncorrectKeyException" || e.Code == "InvalidCiphertextException" && e.Message != "" {
			t.Errorf("%s: got %v", what, err)
		}
	}
	for i := range blob {
		bad := bytes.Clone(blob)
		bad[i] ^= 0x10
		refuse("flipped", bad, pairs)
		refuse("cut", blob[:max(i, 1)], pairs)
	}
	refuse("missing pair", blob, map[string]string{"a": "b"})
	refuse("no context", blob, nil)
	refuse("changed pair", blob, map[string]string{"a": "b", "c": "D"})
	refuse("extra pair", blob, map[string]string{"a": "b", "c": "d", "e": "f"})
	if n := len(p.Seen()) - before; n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
	house := h.newKey()
	inner := h.encrypt(who, house.KeyId, nil)
	fails[api.DecryptOutput](h, who, &api.DecryptInput{KeyId: k.KeyId, CiphertextBlob: inner}, "IncorrectKeyException", "")
}

// everyCall is all that a proxy can lie about; "" is what it has no path for.
var everyCall = []string{"health", "metadata", "encrypt", "decrypt", ""}

// TestProxyFailures holds what a proxy does against what callers of each operation are told.
func TestProxyFailures(t *testing.T) {
	h, p := beside(t)
	who := admin(t)
	id := h.connected()
	k := h.externalKey(id, "key-1")
	p.AddKey("key-2")
	blob := h.encrypt(who, k.KeyId, nil)
	for name, c := range map[string]struct {
		lie        xkstest.Lie
		store, key string // "" for what is not tried
		code       api.ConnectionErrorCodeType
		message    string
	}{
		"ValidationException":           {xkstest.Fails(400, "ValidationException"), "XksProxyInvalidResponseException", "CustomKeyStoreInvalidStateException", "XKS_PROXY_INVALID_RESPONSE", cannotInterpret},
		"InvalidStateException":         {xkstest.Fails(400, "InvalidStateException"), "XksProxyInvalidConfigurationException", "XksKeyInvalidConfigurationException", "XKS_PROXY_INVALID_CONFIGURATION", "The external key associated with this KMS key in an external key store is not enabled"},
		"InvalidKeyUsageException":      {xkstest.Fails(400, "InvalidKeyUsageException"), "XksProxyInvalidResponseException", "XksKeyInvalidConfigurationException", "XKS_PROXY_INVALID_RESPONSE", "The external key associated with this KMS key in an external key store does not support"},
		"InvalidCiphertextException":    {xkstest.Fails(400, "InvalidCiphertextException"), "XksProxyInvalidResponseException", "CustomKeyStoreInvalidStateException", "XKS_PROXY_INVALID_RESPONSE", "The external key store proxy rejected the request because the specified ciphertext"},
		"AuthenticationFailedException": {xkstest.Fails(401, "AuthenticationFailedException"), "XksProxyIncorrectAuthenticationCredentialException", "CustomKeyStoreInvalidStateException", "INVALID_CREDENTIALS", "The external key store proxy rejected the request because it could not authenticate"},
		"AccessDeniedException":         {xkstest.Fails(403, "AccessDeniedException"), "XksProxyInvalidConfigurationException", "KMSInvalidStateException", "XKS_PROXY_ACCESS_DENIED", "The external key store proxy denied access"},
		"KeyNotFoundException":          {xkstest.Fails(404, "KeyNotFoundException"), "XksProxyInvalidResponseException", "XksKeyNotFoundException", "XKS_PROXY_INVALID_RESPONSE", "The external key associated with this KMS key in an external key store was not found"},
		"InvalidUriPathException":       {xkstest.Fails(404, "InvalidUriPathException"), "XksProxyInvalidConfigurationException", "CustomKeyStoreInvalidStateException", "XKS_PROXY_INVALID_CONFIGURATION", "The external key store proxy rejected the request because of an invalid URI path"},
		"ThrottlingException":           {xkstest.Fails(429, "ThrottlingException"), "XksProxyUriUnreachableException", "CustomKeyStoreInvalidStateException", "XKS_PROXY_NOT_REACHABLE", "The external key store proxy rejected the request due to a very high request rate"},
		"UnsupportedOperationException": {xkstest.Fails(501, "UnsupportedOperationException"), "XksProxyInvalidResponseException", "XksKeyInvalidConfigurationException", "XKS_PROXY_INVALID_RESPONSE", "The external key store proxy rejected the request because it does not support"},
		"DependencyTimeoutException":    {xkstest.Fails(503, "DependencyTimeoutException"), "XksProxyUriUnreachableException", "CustomKeyStoreInvalidStateException", "XKS_PROXY_TIMED_OUT", "The external key store proxy did not respond to the request in the time allotted"},
		"InternalException":             {xkstest.Fails(500, "InternalException"), "XksProxyInvalidResponseException", "CustomKeyStoreInvalidStateException", "XKS_PROXY_INVALID_RESPONSE", "The external key store proxy rejected the request because it cannot communicate"},
		"rubbish":                       {xkstest.Says(200, "rubbish"), "XksProxyInvalidResponseException", "CustomKeyStoreInvalidStateException", "XKS_PROXY_INVALID_RESPONSE", cannotInterpret},
		"a flood":                       {xkstest.Floods, "XksProxyInvalidResponseException", "CustomKeyStoreInvalidStateException", "XKS_PROXY_INVALID_RESPONSE", cannotInterpret},
		"a broken connection":           {xkstest.Breaks, "XksProxyInvalidResponseException", "CustomKeyStoreInvalidStateException", "XKS_PROXY_INVALID_RESPONSE", cannotInterpret},
	} {
		for _, what := range everyCall {
			p.Lies(what, c.lie)
		}
		told := func(operation string, err error, code string) {
			t.Helper()
			var e *wire.Error
			if !errors.As(err, &e) || e.Code != code || !strings.HasPrefix(e.Message, c.message) || strings.Contains(e.Message, "said by the proxy") {
				t.Errorf("%s, %s: got %v, want %s: %s", name, operation, err, code, c.message)
			}
		}
		told("CreateCustomKeyStore", h.do(who, "CreateCustomKeyStore", externalStore(func(in *api.CreateCustomKeyStoreInput) {
			in.CustomKeyStoreName, in.XksProxyUriPath = wire.Ptr("2"), wire.Ptr("/line-1/2"+xksPath)
		})).Err, c.store)
		told("CreateKey", h.do(who, "CreateKey", &api.CreateKeyInput{Origin: api.OriginTypeExternalKeyStore, CustomKeyStoreId: id, XksKeyId: wire.Ptr("key-2")}).Err, c.key)
		const used = "KMSInvalidStateException"
		told("Encrypt", h.do(who, "Encrypt", &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}).Err, used)
		told("Decrypt", h.do(who, "Decrypt", &api.DecryptInput{CiphertextBlob: blob}).Err, used)
		told("GenerateDataKey", h.do(who, "GenerateDataKey", &api.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: "AES_256"}).Err, used)
		told("GenerateDataKeyWithoutPlaintext", h.do(who, "GenerateDataKeyWithoutPlaintext", &api.GenerateDataKeyWithoutPlaintextInput{KeyId: k.KeyId, KeySpec: "AES_256"}).Err, used)
		told("ReEncrypt", h.do(who, "ReEncrypt", &api.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: k.KeyId}).Err, used)
		h.disconnect(id)
		must[api.ConnectCustomKeyStoreOutput](h, who, &api.ConnectCustomKeyStoreInput{CustomKeyStoreId: id})
		if err := h.connects(*id); err != nil {
			t.Fatal(err)
		}
		h.wantState(id, "FAILED", c.code)
		for _, what := range everyCall {
			p.Lies(what, nil)
		}
		h.disconnect(id)
		h.connect(id)
	}
	h.decrypt(who, blob, "after all that")
}

// TestSilentProxy is about a proxy that does not answer, or is not there.
func TestSilentProxy(t *testing.T) {
	p := xkstest.Start(t)
	h := openIn(t, t.TempDir(), reaching(p, patient))
	who := admin(t)
	id := h.connected()
	k := h.externalKey(id, "key-1")
	blob := h.encrypt(who, k.KeyId, nil)
	dir := h.dir
	h.shut()
	h = openIn(t, dir, reaching(p, 100*time.Millisecond)) // little time, now that nothing needs much
	for name, lie := range map[string]xkstest.Lie{"no answer": p.Stalls(), "half an answer": p.Dribbles()} {
		for _, what := range []string{"health", "encrypt", "decrypt"} {
			p.Lies(what, lie)
		}
		fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}, "KMSInvalidStateException", notInTime)
		fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", notInTime)
		h.disconnect(id)
		must[api.ConnectCustomKeyStoreOutput](h, who, &api.ConnectCustomKeyStoreInput{CustomKeyStoreId: id})
		if err := h.connects(*id); err != nil {
			t.Fatal(name, err)
		}
		h.wantState(id, "FAILED", "XKS_PROXY_TIMED_OUT")
		h.disconnect(id)
		for _, what := range []string{"health", "encrypt", "decrypt"} {
			p.Lies(what, nil)
		}
		h.shut()
		h = openIn(t, dir, reaching(p, patient))
		h.connect(id)
		h.shut()
		h = openIn(t, dir, reaching(p, 100*time.Millisecond))
	}
	p.Stop()
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", notReachable)
}

// TestLyingProxy has a proxy decrypt to something else.
func TestLyingProxy(t *testing.T) {
	h, p := beside(t)
	who := admin(t)
	k := h.externalKey(h.connected(), "key-1")
	blob := h.encrypt(who, k.KeyId, nil)
	p.Lies("decrypt", xkstest.Flips("plaintext"))
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", wrongOutside)
	p.Lies("decrypt", xkstest.Sets("plaintext", "AAAA"))
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", cannotInterpret)
	p.Lies("encrypt", xkstest.Flips("ciphertext"))
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}, "KMSInvalidStateException", cannotInterpret)
	// One that vouches for what it has spoiled cannot be found out before the ciphertext is needed.
	p.Lies("encrypt", p.Vouches(func(m map[string]any) { m["authenticationTag"] = xkstest.Base64(16) }))
	spoiled := h.encrypt(who, k.KeyId, nil)
	p.Lies("encrypt", nil)
	p.Lies("decrypt", nil)
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: spoiled}, "KMSInvalidStateException", scenarios[3].message)
	p.Lies("decrypt", func(w http.ResponseWriter, r *http.Request, a xkstest.Answer) {
		http.Redirect(w, r, "https://elsewhere.example/", http.StatusTemporaryRedirect)
	})
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", cannotInterpret)
	p.Lies("decrypt", nil)
	h.decrypt(who, blob, "honest again")
}

// TestStoreTakesEffectAtOnce disables, disconnects and deletes.
func TestStoreTakesEffectAtOnce(t *testing.T) {
	h, p := beside(t)
	who := admin(t)
	id := h.connected()
	k := h.externalKey(id, "key-1")
	blob := h.encrypt(who, k.KeyId, nil)
	use := func(code string) {
		t.Helper()
		before := len(p.Seen())
		fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}, code, "")
		fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, code, "")
		if len(p.Seen()) != before {
			t.Error("the proxy was asked")
		}
	}
	state := func(want api.KeyState) {
		t.Helper()
		m := must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: k.KeyId}).KeyMetadata
		if m.KeyState != want || *m.Enabled != (want == "Enabled") {
			t.Errorf("the key is %s, %v; want %s", m.KeyState, *m.Enabled, want)
		}
	}
	must[api.DisableKeyOutput](h, who, &api.DisableKeyInput{KeyId: k.KeyId})
	use("DisabledException")
	state("Disabled")
	must[api.EnableKeyOutput](h, who, &api.EnableKeyInput{KeyId: k.KeyId})
	h.decrypt(who, blob, "enabled again")

	h.disconnect(id)
	use("KMSInvalidStateException")
	state("Unavailable")
	fails[api.DeleteCustomKeyStoreOutput](h, who, &api.DeleteCustomKeyStoreInput{CustomKeyStoreId: id}, "CustomKeyStoreHasCMKsException", "")
	must[api.UpdateKeyDescriptionOutput](h, who, &api.UpdateKeyDescriptionInput{KeyId: k.KeyId, Description: wire.Ptr("still managed")})
	h.connect(id)
	state("Enabled")
	h.decrypt(who, blob, "connected again")

	must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
	use("KMSInvalidStateException")
	h.disconnect(id)
	state("PendingDeletion")
	fails[api.DeleteCustomKeyStoreOutput](h, who, &api.DeleteCustomKeyStoreInput{CustomKeyStoreId: id}, "CustomKeyStoreHasCMKsException", "")
	if err := h.due(deletionJob, home{region, account, *k.KeyId}, func(r *record) { r.Deletion = now().Add(-time.Second) }); err != nil {
		t.Fatal(err)
	}
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "AccessDeniedException", "")
	h.connect(id)
	again := h.externalKey(id, "key-1") // the external key was left alone, and is free
	h.encrypt(who, again.KeyId, nil)
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "AccessDeniedException", "")
}

// TestOtherHalfIsNeeded says that our own half opens nothing.
func TestOtherHalfIsNeeded(t *testing.T) {
	h, p := beside(t)
	who := admin(t)
	k := h.externalKey(h.connected(), "key-1")
	blob := h.encrypt(who, k.KeyId, nil)
	p.AddKey("key-1") // another one, under the same name
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", "")
	e, err := h.keys.Get(t.Context(), home{region, account, *k.KeyId}.path(keyTag))
	if err != nil {
		t.Fatal(err)
	}
	c, err := key.Parse(blob)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.material.Decrypt(c, nil); err == nil {
		t.Errorf("our half opens %q", got)
	}
}
