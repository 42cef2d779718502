package kms

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/pkcs11"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/kms/xks/xkstest"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/test/softhsm"
	"github.com/strongroom/strongroom/wire"
)

const (
	clusterA = "cluster-aaaaaaaaaaa"
	clusterB = "cluster-bbbbbbbbbbb" // related to clusterA
	clusterC = "cluster-ccccccccccc" // of another account
	clusterD = "cluster-ddddddddddd" // without a trust anchor
)

// anchors returns the trust anchor of the clusters, and another certificate.
func anchors(t *testing.T) (right *x509.Certificate, rightPEM, wrongPEM string) {
	t.Helper()
	read := func() (*x509.Certificate, string) {
		text := xkstest.Start(t).CA
		block, _ := pem.Decode(text)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return cert, string(text)
	}
	right, rightPEM = read()
	_, wrongPEM = read()
	return right, rightPEM, wrongPEM
}

// withToken is a house with a SoftHSM token that stands for some clusters.
func withToken(t *testing.T, token pkcs11.Config) (h *testHouse, anchor string) {
	t.Helper()
	right, anchor, _ := anchors(t)
	of := func(account string, anchor *x509.Certificate) service.Cluster {
		return service.Cluster{Module: token.Module, Token: token.Token, Account: account, Anchor: anchor}
	}
	h = openIn(t, t.TempDir(), func(r *service.Room) {
		r.KeyStores.Clusters = map[string]service.Cluster{
			clusterA: of(account, right), clusterB: of(account, right), clusterC: of(other, right), clusterD: of(account, nil),
		}
	})
	return h, anchor
}

func clusterStore(anchor string, change ...func(*api.CreateCustomKeyStoreInput)) *api.CreateCustomKeyStoreInput {
	in := &api.CreateCustomKeyStoreInput{
		CustomKeyStoreName: wire.Ptr("hsm"), CloudHsmClusterId: wire.Ptr(clusterA), TrustAnchorCertificate: &anchor, KeyStorePassword: wire.Ptr(softhsm.PIN),
	}
	for _, fn := range change {
		fn(in)
	}
	return in
}

// labels returns the labels of the keys in the token.
func labels(t testing.TB, token pkcs11.Config) []string {
	t.Helper()
	s, err := pkcs11.Open(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all, err := s.Labels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCreateClusterStore(t *testing.T) {
	right, anchor, wrong := anchors(t)
	h := openIn(t, t.TempDir(), func(r *service.Room) { // nothing of this needs the token
		r.KeyStores.Clusters = map[string]service.Cluster{
			clusterA: {Module: "/m.so", Token: "t", Account: account, Anchor: right}, clusterB: {Module: "/m.so", Token: "t", Account: account, Anchor: right},
			clusterC: {Module: "/m.so", Token: "t", Account: other, Anchor: right}, clusterD: {Module: "/m.so", Token: "t", Account: account},
		}
	})
	who := admin(t)
	for name, c := range map[string]struct {
		change func(*api.CreateCustomKeyStoreInput)
		code   string
	}{
		"no cluster":           {func(in *api.CreateCustomKeyStoreInput) { in.CloudHsmClusterId = nil }, "ValidationException"},
		"no password":          {func(in *api.CreateCustomKeyStoreInput) { in.KeyStorePassword = nil }, "ValidationException"},
		"no anchor":            {func(in *api.CreateCustomKeyStoreInput) { in.TrustAnchorCertificate = nil }, "ValidationException"},
		"a path of a proxy":    {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyUriPath = wire.Ptr(xksPath) }, "ValidationException"},
		"unknown cluster":      {func(in *api.CreateCustomKeyStoreInput) { in.CloudHsmClusterId = wire.Ptr("cluster-22222222222") }, "CloudHsmClusterNotFoundException"},
		"another's cluster":    {func(in *api.CreateCustomKeyStoreInput) { in.CloudHsmClusterId = wire.Ptr(clusterC) }, "CloudHsmClusterNotFoundException"},
		"another anchor":       {func(in *api.CreateCustomKeyStoreInput) { in.TrustAnchorCertificate = &wrong }, "IncorrectTrustAnchorException"},
		"no certificate":       {func(in *api.CreateCustomKeyStoreInput) { in.TrustAnchorCertificate = wire.Ptr("PEM") }, "IncorrectTrustAnchorException"},
		"a certificate and so": {func(in *api.CreateCustomKeyStoreInput) { in.TrustAnchorCertificate = wire.Ptr(anchor + "more") }, "IncorrectTrustAnchorException"},
	} {
		got := h.do(who, "CreateCustomKeyStore", clusterStore(anchor, c.change))
		var e *wire.Error
		if !errors.As(got.Err, &e) || e.Code != c.code {
			t.Errorf("%s: got %v, want %s", name, got.Err, c.code)
		}
	}
	id := must[api.CreateCustomKeyStoreOutput](h, who, clusterStore(anchor)).CustomKeyStoreId
	if e := h.describeStore(id); *e.CloudHsmClusterId != clusterA || *e.TrustAnchorCertificate != anchor || e.CustomKeyStoreType != "AWS_CLOUDHSM" || e.XksProxyConfiguration != nil {
		t.Errorf("described as %+v", e)
	}
	fails[api.CreateCustomKeyStoreOutput](h, who, clusterStore(anchor, func(in *api.CreateCustomKeyStoreInput) { in.CustomKeyStoreName = wire.Ptr("2") }), "CloudHsmClusterInUseException", "")
	must[api.CreateCustomKeyStoreOutput](h, who, clusterStore(wrong, func(in *api.CreateCustomKeyStoreInput) { // one without an anchor
		in.CustomKeyStoreName, in.CloudHsmClusterId = wire.Ptr("2"), wire.Ptr(clusterD)
	}))
	for cluster, code := range map[string]string{clusterD: "CloudHsmClusterNotRelatedException", clusterC: "CloudHsmClusterNotFoundException"} {
		fails[api.UpdateCustomKeyStoreOutput](h, who, &api.UpdateCustomKeyStoreInput{CustomKeyStoreId: id, CloudHsmClusterId: &cluster}, code, "")
	}
	must[api.UpdateCustomKeyStoreOutput](h, who, &api.UpdateCustomKeyStoreInput{CustomKeyStoreId: id, CloudHsmClusterId: wire.Ptr(clusterB)})
	for k, v := range h.everything() {
		if bytes.Contains(v, []byte(softhsm.PIN)) {
			t.Errorf("record %q has the PIN in the clear", k[:1])
		}
	}
}

// TestToken uses a SoftHSM token.
func TestToken(t *testing.T) {
	token := softhsm.New(t)
	t.Setenv("PATH", filepath.Dir(token.Helper)+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Run("use", func(t *testing.T) { useThroughToken(t, token) })
	t.Run("not there", func(t *testing.T) { tokenIsNotThere(t, token) })
}

// useThroughToken goes through the life of a key in a token.
func useThroughToken(t *testing.T, token pkcs11.Config) {
	h, anchor := withToken(t, token)
	who := admin(t)
	id := must[api.CreateCustomKeyStoreOutput](h, who, clusterStore(anchor)).CustomKeyStoreId
	in := &api.CreateKeyInput{Origin: api.OriginTypeAwsCloudhsm, CustomKeyStoreId: id}
	fails[api.CreateKeyOutput](h, who, in, "CustomKeyStoreInvalidStateException", "")
	fails[api.GenerateRandomOutput](h, who, &api.GenerateRandomInput{NumberOfBytes: wire.Ptr[int32](9), CustomKeyStoreId: id}, "CustomKeyStoreInvalidStateException", "")
	h.connect(id)
	m := must[api.CreateKeyOutput](h, who, in).KeyMetadata
	if m.Origin != "AWS_CLOUDHSM" || *m.CustomKeyStoreId != *id || *m.CloudHsmClusterId != clusterA || m.XksKeyConfiguration != nil || m.KeyState != "Enabled" {
		t.Errorf("metadata %+v", m)
	}
	if got := labels(t, token); len(got) != 1 || got[0] != *m.KeyId {
		t.Errorf("the token holds %q, want one key called %s", got, *m.KeyId)
	}
	if _, found := h.tokenKeyJob(home{region, account, *m.KeyId}); found {
		t.Error("the key in the token is to be destroyed")
	}
	pairs := map[string]string{"a": "b"}
	blob := h.encrypt(who, m.KeyId, pairs)
	if got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs}).Plaintext; string(got) != "hello" {
		t.Errorf("got %q", got)
	}
	dk := must[api.GenerateDataKeyOutput](h, who, &api.GenerateDataKeyInput{KeyId: m.KeyId, KeySpec: api.DataKeySpecAes256})
	plain := h.newKey()
	moved := must[api.ReEncryptOutput](h, who, &api.ReEncryptInput{CiphertextBlob: dk.CiphertextBlob, DestinationKeyId: plain.KeyId})
	if got := must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: moved.CiphertextBlob}).Plaintext; !bytes.Equal(got, dk.Plaintext) {
		t.Error("the data key does not open")
	}
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "InvalidCiphertextException", "")
	random := must[api.GenerateRandomOutput](h, who, &api.GenerateRandomInput{NumberOfBytes: wire.Ptr[int32](32), CustomKeyStoreId: id}).Plaintext
	if len(random) != 32 || bytes.Equal(random, make([]byte, 32)) {
		t.Errorf("random bytes %x", random)
	}

	h.disconnect(id)
	k, err := h.keyStore(t.Context(), region, account, *id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.backend.(hsm).use(t.Context()); !errors.Is(err, pkcs11.ErrClosed) {
		t.Errorf("a call that comes late opens the token: %v", err)
	}
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs}, "KMSInvalidStateException", "")
	if m := must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: m.KeyId}).KeyMetadata; m.KeyState != "Unavailable" {
		t.Errorf("the key is %s", m.KeyState)
	}
	must[api.UpdateCustomKeyStoreOutput](h, who, &api.UpdateCustomKeyStoreInput{CustomKeyStoreId: id, CloudHsmClusterId: wire.Ptr(clusterB)})
	h.connect(id)
	must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs})

	// The key's half in the token goes with the key.
	at := home{region, account, *m.KeyId}
	must[api.ScheduleKeyDeletionOutput](h, who, &api.ScheduleKeyDeletionInput{KeyId: m.KeyId})
	if err := h.due(deletionJob, at, func(r *record) { r.Deletion = now() }); err != nil {
		t.Fatal(err)
	}
	j, _ := h.tokenKeyJob(at)
	for range 2 { // and may run again
		if err := h.runTokenKey(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	if got := labels(t, token); len(got) != 0 {
		t.Errorf("the token still holds %q", got)
	}
	h.halfIsNotFollowed(token, in)
}

// halfIsNotFollowed is a CreateKey that ends, as by a crash, between the half that it makes in a token and the key.
func (h *testHouse) halfIsNotFollowed(token pkcs11.Config, in *api.CreateKeyInput) {
	h.Helper()
	at, r := home{region, account, newKeyID()}, newRecord()
	ctx := call.With(h.Context(), &call.Call{Principal: admin(h).Principal, Region: region, Op: api.API.Operation("CreateKey"), Time: now()})
	if err := h.placeInStore(ctx, at, in, &r); err != nil {
		h.Fatal(err)
	}
	j, found := h.tokenKeyJob(at)
	if left := time.Until(j.Due); !found || left < tokenGrace/2 || left > tokenGrace {
		h.Errorf("job found: %v, due in %v", found, left)
	}
	if got := labels(h, token); len(got) != 1 {
		h.Errorf("the token holds %q, want one key", got)
	}
	if err := h.runTokenKey(h.Context(), j); err != nil {
		h.Fatal(err)
	}
	if got := labels(h, token); len(got) != 0 {
		h.Errorf("the token still holds %q", got)
	}
	if err := h.room.Store.Update(h.Context(), store.TxID{}, func(tx store.Tx) error { return h.room.Jobs.Cancel(tx, tokenKeyJob, jobID(at)) }); err != nil {
		h.Fatal(err)
	}
	// A key that comes after the half is gone is refused.
	if err := h.update(h.Context(), func(tx store.Tx) error { return h.addKey(tx, at, &r, nil) }); err == nil {
		h.Error("a key was made whose half is gone")
	}
}

// tokenKeyJob returns the job that destroys the half of a key in its token.
func (h *testHouse) tokenKeyJob(at home) (j job.Job, found bool) {
	h.Helper()
	if err := h.db.View(h.Context(), func(r store.Reader) (err error) {
		j, found, err = h.room.Jobs.Get(r, tokenKeyJob, jobID(at))
		return err
	}); err != nil {
		h.Fatal(err)
	}
	return j, found
}

// tokenIsNotThere is about tokens that do not open, and keys that are gone from them.
func tokenIsNotThere(t *testing.T, token pkcs11.Config) {
	h, anchor := withToken(t, token)
	who := admin(t)
	id := must[api.CreateCustomKeyStoreOutput](h, who, clusterStore(anchor, func(in *api.CreateCustomKeyStoreInput) { in.KeyStorePassword = wire.Ptr("wrong-pin") })).CustomKeyStoreId
	try := func(state api.ConnectionStateType, code api.ConnectionErrorCodeType) {
		t.Helper()
		must[api.ConnectCustomKeyStoreOutput](h, who, &api.ConnectCustomKeyStoreInput{CustomKeyStoreId: id})
		if err := h.connects(*id); err != nil {
			t.Fatal(err)
		}
		h.wantState(id, state, code)
	}
	try("FAILED", "INVALID_CREDENTIALS")
	h.disconnect(id)
	must[api.UpdateCustomKeyStoreOutput](h, who, &api.UpdateCustomKeyStoreInput{CustomKeyStoreId: id, KeyStorePassword: wire.Ptr(softhsm.PIN)})
	try("CONNECTED", "")
	m := must[api.CreateKeyOutput](h, who, &api.CreateKeyInput{Origin: api.OriginTypeAwsCloudhsm, CustomKeyStoreId: id}).KeyMetadata
	blob := h.encrypt(who, m.KeyId, nil)

	s, err := pkcs11.Open(t.Context(), pkcs11.Config{Helper: token.Helper, Module: token.Module, Token: token.Token, PIN: secret.FromString(softhsm.PIN)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.DeleteKey(t.Context(), *m.KeyId), s.Close()); err != nil {
		t.Fatal(err)
	}
	// A token may keep what a session of its has found; a new connection looks again.
	h.disconnect(id)
	try("CONNECTED", "")
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", "")
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x")}, "KMSInvalidStateException", "")

	h.room.KeyStores.Clusters[clusterA] = service.Cluster{Module: token.Module, Token: "elsewhere", Account: account}
	h.disconnect(id)
	try("FAILED", "INSUFFICIENT_CLOUDHSM_HSMS")
	delete(h.room.KeyStores.Clusters, clusterA)
	h.disconnect(id)
	try("FAILED", "CLUSTER_NOT_FOUND")
}
