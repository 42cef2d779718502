package kms

import (
	"bytes"
	"context"
	"encoding/base64"
	"strings"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

type pairs = map[string]string

func TestEncryptDecrypt(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	for _, name := range []string{*k.KeyId, *k.Arn} {
		out := must[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: &name, Plaintext: []byte("hello"), EncryptionContext: pairs{"a": "bc"}})
		if *out.KeyId != *k.Arn || out.EncryptionAlgorithm != "SYMMETRIC_DEFAULT" || bytes.Contains(out.CiphertextBlob, []byte("hello")) {
			t.Errorf("encrypt with %s: %+v", name, out)
		}
		if text := base64.StdEncoding.EncodeToString(out.CiphertextBlob); !strings.HasPrefix(text, "AQICA") {
			t.Errorf("tools do not know %s", text)
		}
		for _, id := range []*string{nil, k.KeyId, k.Arn} {
			got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob, KeyId: id, EncryptionContext: pairs{"a": "bc"}})
			if string(got.Plaintext) != "hello" || *got.KeyId != *k.Arn {
				t.Errorf("decrypt: %+v", got)
			}
		}
	}
}

// TestContextIsBound is K4, and the commonest fault of others: pairs joined without lengths.
func TestContextIsBound(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	blob := h.encrypt(who, k.KeyId, pairs{"a": "bc", "d": "e"})
	for name, ctx := range map[string]pairs{
		"none": nil, "moved boundary": {"ab": "c", "d": "e"}, "missing pair": {"a": "bc"}, "extra pair": {"a": "bc", "d": "e", "f": ""},
		"other value": {"a": "bd", "d": "e"}, "other case of a key": {"A": "bc", "d": "e"}, "other case of a value": {"a": "BC", "d": "e"},
		"swapped": {"a": "e", "d": "bc"},
	} {
		t.Run(name, func(t *testing.T) {
			fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: ctx}, "InvalidCiphertextException", "")
		})
	}
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs{"d": "e", "a": "bc"}})
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: pairs{"a": strings.Repeat("x", 9000)}},
		"ValidationException", "")
}

// TestFlipAnyByte says that every change of a ciphertext is refused, and that nothing in the
// answer tells which.
func TestFlipAnyByte(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	blob := h.encrypt(who, k.KeyId, nil)
	hidden := "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."
	for i := range blob {
		bad := bytes.Clone(blob)
		bad[i] ^= 1
		code, message := "InvalidCiphertextException", ""
		if i >= 5 && i < 37 { // the id of the material: it names no key
			code, message = "AccessDeniedException", hidden
		}
		fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: bad}, code, message)
		if i >= 5 && i < 37 {
			code = "IncorrectKeyException"
		}
		fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: bad, KeyId: k.KeyId}, code, "")
	}
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: []byte("x")}, "InvalidCiphertextException", "")
}

// TestForeignKeyIsNoOracle says that a key of another account, one that is not there, and a
// ciphertext under either, are refused in the same words.
func TestForeignKeyIsNoOracle(t *testing.T) {
	h := open(t)
	k := h.newKey()
	blob := h.encrypt(admin(t), k.KeyId, nil)
	must[api.CreateAliasOutput](h, admin(t), &api.CreateAliasInput{AliasName: wire.Ptr("alias/there"), TargetKeyId: k.KeyId})
	stranger := user(t, other, "mallory", fullAccess)
	names := func(there, missing string) {
		t.Helper()
		var said []string
		for _, name := range []string{there, missing} {
			_, err := run[api.EncryptOutput](h, stranger, &api.EncryptInput{KeyId: &name, Plaintext: []byte("x")})
			if !wire.IsCode(err, "AccessDeniedException") {
				t.Fatalf("%s: %v", name, err)
			}
			said = append(said, strings.ReplaceAll(err.Error(), name, "NAME"))
		}
		if said[0] != said[1] {
			t.Errorf("differs: %q and %q", said[0], said[1])
		}
	}
	arn := "arn:aws:kms:" + region + ":" + account + ":"
	names(*k.Arn, arn+"key/1234abcd-12ab-34cd-56ef-1234567890ab")
	names(arn+"alias/there", arn+"alias/missing")

	unknown := bytes.Clone(blob)
	unknown[10] ^= 1
	_, err1 := run[api.DecryptOutput](h, stranger, &api.DecryptInput{CiphertextBlob: blob})
	_, err2 := run[api.DecryptOutput](h, stranger, &api.DecryptInput{CiphertextBlob: unknown})
	if err1 == nil || err2 == nil || err1.Error() != err2.Error() {
		t.Errorf("ciphertexts: %v and %v", err1, err2)
	}
	mine := must[api.CreateKeyOutput](h, stranger, &api.CreateKeyInput{}).KeyMetadata
	for _, b := range [][]byte{blob, unknown} {
		fails[api.DecryptOutput](h, stranger, &api.DecryptInput{CiphertextBlob: b, KeyId: mine.KeyId}, "IncorrectKeyException",
			"The key ID in the request does not identify a CMK that can perform this operation.")
	}
	fails[api.DecryptOutput](h, admin(t).in("us-east-1"), &api.DecryptInput{CiphertextBlob: blob}, "AccessDeniedException", "")
}

// TestDecryptAsksTheKeyOfTheCiphertext says that without a KeyId the permission is on the key that the
// ciphertext names, and on no other.
func TestDecryptAsksTheKeyOfTheCiphertext(t *testing.T) {
	h := open(t)
	a, b := h.newKey(), h.newKey()
	blobA, blobB := h.encrypt(admin(t), a.KeyId, nil), h.encrypt(admin(t), b.KeyId, nil)
	onlyA := user(t, account, "ann", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"`+*a.Arn+`"}}`)
	must[api.DecryptOutput](h, onlyA, &api.DecryptInput{CiphertextBlob: blobA})
	fails[api.DecryptOutput](h, onlyA, &api.DecryptInput{CiphertextBlob: blobB}, "AccessDeniedException", "")
	c := h.do(onlyA, "Decrypt", &api.DecryptInput{CiphertextBlob: blobA})
	if got := c.Target.Checks[0]; got.Resource != *a.Arn || got.Type != "AWS::KMS::Key" || got.Account != account {
		t.Errorf("check %+v", got)
	}
}

func TestReEncrypt(t *testing.T) {
	h := open(t)
	a, b, who := h.newKey(), h.newKey(), admin(t)
	blob := h.encrypt(who, a.KeyId, pairs{"v": "1"})
	in := &api.ReEncryptInput{
		CiphertextBlob: blob, SourceEncryptionContext: pairs{"v": "1"}, DestinationKeyId: b.KeyId, DestinationEncryptionContext: pairs{"v": "2"},
	}
	out := must[api.ReEncryptOutput](h, who, in)
	if *out.SourceKeyId != *a.Arn || *out.KeyId != *b.Arn {
		t.Errorf("%+v", out)
	}
	got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: pairs{"v": "2"}})
	if string(got.Plaintext) != "hello" || *got.KeyId != *b.Arn {
		t.Errorf("%+v", got)
	}
	policyText := func(from, to *api.KeyMetadata) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ReEncryptFrom","Resource":"` + *from.Arn +
			`"},{"Effect":"Allow","Action":"kms:ReEncryptTo","Resource":"` + *to.Arn + `"}]}`
	}
	must[api.ReEncryptOutput](h, user(t, account, "right", policyText(a, b)), in)
	fails[api.ReEncryptOutput](h, user(t, account, "wrong", policyText(b, a)), in, "AccessDeniedException", "")
	in.SourceEncryptionContext = nil
	fails[api.ReEncryptOutput](h, who, in, "InvalidCiphertextException", "")
	same := user(t, account, "same", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:ReEncrypt*","Resource":"*",
		"Condition":{"Bool":{"kms:ReEncryptOnSameKey":"true"}}}}`)
	in.SourceEncryptionContext = pairs{"v": "1"}
	fails[api.ReEncryptOutput](h, same, in, "AccessDeniedException", "")
	in.DestinationKeyId = a.Arn
	must[api.ReEncryptOutput](h, same, in)
}

func TestGenerateDataKey(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	for _, c := range []struct {
		spec api.DataKeySpec
		n    *int32
		want int
	}{{"AES_256", nil, 32}, {"AES_128", nil, 16}, {"", wire.Ptr[int32](1), 1}, {"", wire.Ptr[int32](1024), 1024}} {
		out := must[api.GenerateDataKeyOutput](h, who, &api.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: c.spec, NumberOfBytes: c.n, EncryptionContext: pairs{"a": "b"}})
		got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: pairs{"a": "b"}})
		if len(out.Plaintext) != c.want || !bytes.Equal(got.Plaintext, out.Plaintext) || *out.KeyId != *k.Arn {
			t.Errorf("%+v: %+v", c, out)
		}
		if text := base64.StdEncoding.EncodeToString(out.CiphertextBlob); !strings.HasPrefix(text, "AQIDA") {
			t.Errorf("tools do not know %s", text)
		}
	}
	const either = "Please specify either number of bytes or key spec."
	fails[api.GenerateDataKeyOutput](h, who, &api.GenerateDataKeyInput{KeyId: k.KeyId}, "ValidationException", either)
	fails[api.GenerateDataKeyOutput](h, who, &api.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: "AES_256", NumberOfBytes: wire.Ptr[int32](9)}, "ValidationException", either)
	without := must[api.GenerateDataKeyWithoutPlaintextOutput](h, who, &api.GenerateDataKeyWithoutPlaintextInput{KeyId: k.KeyId, KeySpec: "AES_256"})
	if got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: without.CiphertextBlob}); len(got.Plaintext) != 32 {
		t.Errorf("%+v", got)
	}
}

func TestGenerateRandom(t *testing.T) {
	h := open(t)
	who := admin(t)
	if out := must[api.GenerateRandomOutput](h, who, &api.GenerateRandomInput{NumberOfBytes: wire.Ptr[int32](44)}); len(out.Plaintext) != 44 {
		t.Errorf("%d bytes", len(out.Plaintext))
	}
	fails[api.GenerateRandomOutput](h, who, &api.GenerateRandomInput{}, "ValidationException", "NumberOfBytes is required.")
	fails[api.GenerateRandomOutput](h, who, &api.GenerateRandomInput{NumberOfBytes: wire.Ptr[int32](1025)}, "ValidationException",
		"1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024")
	fails[api.GenerateRandomOutput](h, who, &api.GenerateRandomInput{NumberOfBytes: wire.Ptr[int32](8), CustomKeyStoreId: wire.Ptr("cks-1")}, "CustomKeyStoreNotFoundException", "")
	fails[api.GenerateRandomOutput](h, user(t, account, "nobody"), &api.GenerateRandomInput{NumberOfBytes: wire.Ptr[int32](8)}, "AccessDeniedException", "")
}

func TestInputsOfUse(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: make([]byte, 4097)}, "ValidationException",
		"1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096")
	must[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: make([]byte, 4096)})
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionAlgorithm: "RSAES_OAEP_SHA_1"},
		"InvalidKeyUsageException", "Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT.")
	blob := h.encrypt(who, k.KeyId, nil)
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, EncryptionAlgorithm: "RSAES_OAEP_SHA_1"}, "InvalidKeyUsageException", "")
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, Recipient: &api.RecipientInfo{}}, "UnsupportedOperationException", "")
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), GrantTokens: []string{"not-one"}}, "InvalidGrantTokenException", "")
}

// TestDryRun says that DryRun answers only after everything else would have succeeded.
func TestDryRun(t *testing.T) {
	h := open(t)
	k, who, yes := h.newKey(), admin(t), wire.Ptr(true)
	blob := h.encrypt(who, k.KeyId, nil)
	const code, message = "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), DryRun: yes}, code, message)
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, DryRun: yes}, code, message)
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, DryRun: yes, EncryptionContext: pairs{"a": "b"}}, "InvalidCiphertextException", "")
	fails[api.ReEncryptOutput](h, who, &api.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: k.KeyId, DryRun: yes}, code, message)
	fails[api.GenerateDataKeyOutput](h, who, &api.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: "AES_256", DryRun: yes}, code, message)
	fails[api.GenerateDataKeyWithoutPlaintextOutput](h, who, &api.GenerateDataKeyWithoutPlaintextInput{KeyId: k.KeyId, KeySpec: "AES_256", DryRun: yes}, code, message)
	fails[api.CreateGrantOutput](h, who, &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other)), Operations: []api.GrantOperation{"Encrypt"}, DryRun: yes}, code, message)
	fails[api.EncryptOutput](h, user(t, account, "nobody"), &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), DryRun: yes}, "AccessDeniedException", "")
	must[api.DisableKeyOutput](h, who, &api.DisableKeyInput{KeyId: k.KeyId})
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), DryRun: yes}, "DisabledException", "")
	if got := must[api.ListGrantsOutput](h, who, &api.ListGrantsInput{KeyId: k.KeyId}); len(got.Grants) != 0 {
		t.Errorf("a dry run made %d grants", len(got.Grants))
	}
}

// TestHandlersNeedATarget says that a handler reached without an authorized key does nothing.
func TestHandlersNeedATarget(t *testing.T) {
	h := open(t)
	k := h.newKey()
	c := &call.Call{Principal: admin(t).Principal, Region: region}
	for name, ctx := range map[string]context.Context{"no call": context.Background(), "no target": call.With(context.Background(), c)} {
		if _, err := h.Encrypt(ctx, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}); err == nil {
			t.Errorf("%s: encrypted", name)
		}
		if _, err := h.DisableKey(ctx, &api.DisableKeyInput{KeyId: k.KeyId}); err == nil {
			t.Errorf("%s: disabled", name)
		}
	}
}
