package crash

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/test/house"
)

// keyWorker makes keys, each with a tag, an alias, a grant and ciphertexts.
type keyWorker struct {
	*journal
	keys  map[string]*madeKey // by description
	doubt unknown
}

// madeKey is a key and what belongs to it. A name is "" until it was answered.
type madeKey struct {
	arn, alias, grant string
	sealed            []sealedText
}

type sealedText struct {
	context          map[string]string
	plaintext, bytes []byte
}

func newKeyWorker(name string, seed uint64) *keyWorker {
	return &keyWorker{journal: newJournal(name, seed), keys: map[string]*madeKey{}}
}

func (w *keyWorker) step(a house.Account) error {
	client, name := a.KMS(), w.next()
	w.doubt = unknown{"key", name}
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{Description: &name, Tags: []types.Tag{{TagKey: aws.String("worker"), TagValue: &name}}})
	if err := w.note("CreateKey", made, err); err != nil {
		return err
	}
	k := &madeKey{arn: *made.KeyMetadata.Arn}
	w.keys[name] = k

	w.doubt = unknown{"alias", name}
	alias, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/" + name), TargetKeyId: &k.arn})
	if err := w.note("CreateAlias", alias, err); err != nil {
		return err
	}
	k.alias = "alias/" + name

	w.doubt = unknown{"grant", name}
	grant, err := client.CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: &k.arn, Name: &name, GranteePrincipal: aws.String("arn:aws:iam::" + accountOf(k.arn) + ":root"),
		Operations:  []types.GrantOperation{types.GrantOperationDecrypt, types.GrantOperationEncrypt},
		Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"n": name}},
	})
	if err := w.note("CreateGrant", grant, err); err != nil {
		return err
	}
	k.grant = *grant.GrantId

	w.doubt = unknown{}
	for range 1 + w.rand.IntN(4) {
		s := sealedText{context: map[string]string{"n": name, "of": w.next()}, plaintext: w.bytes(1 + w.rand.IntN(4096))}
		out, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.alias, Plaintext: s.plaintext, EncryptionContext: s.context})
		if err := w.note("Encrypt", out, err); err != nil {
			return err
		}
		s.bytes = out.CiphertextBlob
		k.sealed = append(k.sealed, s)
	}
	return nil
}

func (w *keyWorker) verify(t *testing.T, a house.Account) {
	w.adopt(t, a)
	for name, k := range w.keys {
		w.verifyKey(t, a.KMS(), name, k)
	}
	w.doubt = unknown{}
}

// adopt takes in a key that was made though its answer never came.
func (w *keyWorker) adopt(t *testing.T, a house.Account) {
	client := a.KMS()
	known := map[string]bool{}
	for _, k := range w.keys {
		known[k.arn] = true
	}
	for pages := kms.NewListKeysPaginator(client, &kms.ListKeysInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		for _, listed := range page.Keys {
			if known[*listed.KeyArn] {
				delete(known, *listed.KeyArn)
				continue
			}
			out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: listed.KeyArn})
			if err != nil {
				t.Errorf("a listed key cannot be described: %v", err)
				continue
			}
			if name := *out.KeyMetadata.Description; w.doubt == (unknown{"key", name}) {
				w.keys[name] = &madeKey{arn: *listed.KeyArn}
			}
		}
	}
	for arn := range known {
		t.Errorf("%s is not listed", arn)
	}
}

func (w *keyWorker) verifyKey(t *testing.T, client *kms.Client, name string, k *madeKey) {
	out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.arn})
	if err != nil || *out.KeyMetadata.Description != name || out.KeyMetadata.KeyState != types.KeyStateEnabled {
		t.Errorf("key %s: %+v, %v", name, out, err)
		return
	}
	tags, err := client.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &k.arn})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].TagValue != name {
		t.Errorf("key %s has the tags %+v, %v", name, tags, err)
	}
	if _, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.arn}); err != nil {
		t.Errorf("key %s: %v", name, err)
	}
	w.verifyAlias(t, client, name, k)
	w.verifyGrant(t, client, name, k)
	for _, s := range k.sealed {
		out, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: s.bytes, EncryptionContext: s.context})
		if err != nil || !bytes.Equal(out.Plaintext, s.plaintext) || *out.KeyId != k.arn {
			t.Errorf("a ciphertext under key %s does not open: %v", name, err)
		}
	}
	fresh, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.arn, Plaintext: []byte(name)})
	if err != nil {
		t.Errorf("key %s does not encrypt: %v", name, err)
		return
	}
	again, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: fresh.CiphertextBlob})
	if err != nil || string(again.Plaintext) != name {
		t.Errorf("key %s does not decrypt: %v", name, err)
	}
}

func (w *keyWorker) verifyAlias(t *testing.T, client *kms.Client, name string, k *madeKey) {
	aliases, err := client.ListAliases(ctx, &kms.ListAliasesInput{KeyId: &k.arn})
	if err != nil {
		t.Errorf("aliases of key %s: %v", name, err)
		return
	}
	out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/" + name)})
	switch {
	case err == nil && *out.KeyMetadata.Arn == k.arn && len(aliases.Aliases) == 1 && (k.alias != "" || w.doubt == unknown{"alias", name}):
		k.alias = "alias/" + name
	case house.ErrorCode(err) == "NotFoundException" && len(aliases.Aliases) == 0 && k.alias == "":
	default:
		t.Errorf("alias %s (%q was answered) has %d entries, %v", name, k.alias, len(aliases.Aliases), err)
	}
}

func (w *keyWorker) verifyGrant(t *testing.T, client *kms.Client, name string, k *madeKey) {
	grants, err := client.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &k.arn})
	if err != nil {
		t.Errorf("grants of key %s: %v", name, err)
		return
	}
	switch len(grants.Grants) {
	case 0:
		if k.grant != "" {
			t.Errorf("the grant of key %s is gone", name)
		}
	case 1:
		g := grants.Grants[0]
		if k.grant == "" && w.doubt == (unknown{"grant", name}) {
			k.grant = *g.GrantId
		}
		if *g.GrantId != k.grant || *g.Name != name || len(g.Operations) != 2 || g.Constraints == nil || g.Constraints.EncryptionContextSubset["n"] != name {
			t.Errorf("the grant of key %s is %+v", name, g)
		}
	default:
		t.Errorf("key %s has %d grants", name, len(grants.Grants))
	}
}

// stateWorker disables and enables a key over and over: what a refusal rests on must last as
// well as what a success does.
type stateWorker struct {
	*journal
	key      string
	disabled bool
	doubt    bool // whether the last change may not have happened
}

func newStateWorker(name string, seed uint64, key string) *stateWorker {
	return &stateWorker{journal: newJournal(name, seed), key: key}
}

func (w *stateWorker) step(a house.Account) error {
	client := a.KMS()
	w.doubt = true
	if w.disabled {
		out, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &w.key})
		if err := w.note("EnableKey", out, err); err != nil {
			return err
		}
	} else {
		out, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &w.key})
		if err := w.note("DisableKey", out, err); err != nil {
			return err
		}
	}
	w.disabled, w.doubt = !w.disabled, false
	return nil
}

func (w *stateWorker) verify(t *testing.T, a house.Account) {
	_, err := a.KMS().Encrypt(ctx, &kms.EncryptInput{KeyId: &w.key, Plaintext: []byte("x")})
	code := house.ErrorCode(err)
	if err != nil && code != "DisabledException" {
		t.Errorf("the key that was disabled and enabled: %v", err)
		return
	}
	if got := code != ""; got != w.disabled && !w.doubt {
		t.Errorf("the key was left disabled: %v; Encrypt answers %v", w.disabled, err)
	}
	w.disabled, w.doubt = code != "", false
}
