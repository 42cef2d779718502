package kms

import (
	"fmt"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/kms/xks/xkstest"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

const (
	patient    = 20 * time.Second // for proxies in tests that do not wait for it
	vpcService = "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0"
)

// reaching lets a house reach test proxies, at their own name, at further names and through an
// endpoint service.
func reaching(p *xkstest.Proxy, timeout time.Duration) func(*service.Room) {
	return func(r *service.Room) {
		r.KeyStores = service.KeyStores{Roots: p.Roots, Timeout: timeout, Addresses: map[string]string{
			xkstest.Host: p.Addr, vpcService: p.Addr,
		}}
	}
}

// beside is a house with an external key store proxy.
func beside(t *testing.T) (*testHouse, *xkstest.Proxy) {
	t.Helper()
	p := xkstest.Start(t)
	return openIn(t, t.TempDir(), reaching(p, patient)), p
}

func credential() *api.XksProxyAuthenticationCredentialType {
	return &api.XksProxyAuthenticationCredentialType{AccessKeyId: wire.Ptr(xkstest.AccessKeyID), RawSecretAccessKey: wire.Ptr(xkstest.Secret)}
}

// externalStore is a good request for an external key store.
func externalStore(change ...func(*api.CreateCustomKeyStoreInput)) *api.CreateCustomKeyStoreInput {
	in := &api.CreateCustomKeyStoreInput{
		CustomKeyStoreName: wire.Ptr("plant"), CustomKeyStoreType: api.CustomKeyStoreTypeExternalKeyStore,
		XksProxyConnectivity: publicEndpoint, XksProxyUriEndpoint: wire.Ptr(xkstest.Endpoint), XksProxyUriPath: wire.Ptr(xkstest.Path),
		XksProxyAuthenticationCredential: credential(),
	}
	for _, fn := range change {
		fn(in)
	}
	return in
}

// runConnect runs the job that connects a store, if there is one.
func (h *testHouse) connects(id string) error {
	h.Helper()
	var j job.Job
	var found bool
	err := h.db.View(h.Context(), func(r store.Reader) (err error) {
		j, found, err = h.room.Jobs.Get(r, connectJob, jobID(home{region, account, id}))
		return err
	})
	if err != nil || !found {
		h.Fatalf("no job to connect %s: %v", id, err)
	}
	return h.runConnect(h.Context(), j)
}

// connected makes an external key store and connects it.
func (h *testHouse) connected(change ...func(*api.CreateCustomKeyStoreInput)) *string {
	h.Helper()
	who := admin(h)
	id := must[api.CreateCustomKeyStoreOutput](h, who, externalStore(change...)).CustomKeyStoreId
	h.connect(id)
	return id
}

func (h *testHouse) connect(id *string) {
	h.Helper()
	must[api.ConnectCustomKeyStoreOutput](h, admin(h), &api.ConnectCustomKeyStoreInput{CustomKeyStoreId: id})
	if err := h.connects(*id); err != nil {
		h.Fatal(err)
	}
	h.wantState(id, "CONNECTED", "")
}

func (h *testHouse) disconnect(id *string) {
	h.Helper()
	must[api.DisconnectCustomKeyStoreOutput](h, admin(h), &api.DisconnectCustomKeyStoreInput{CustomKeyStoreId: id})
	h.wantState(id, "DISCONNECTED", "")
}

func (h *testHouse) describeStore(id *string) api.CustomKeyStoresListEntry {
	h.Helper()
	all := must[api.DescribeCustomKeyStoresOutput](h, admin(h), &api.DescribeCustomKeyStoresInput{CustomKeyStoreId: id}).CustomKeyStores
	if len(all) != 1 {
		h.Fatalf("%d stores have the id %s", len(all), *id)
	}
	return all[0]
}

func (h *testHouse) wantState(id *string, state api.ConnectionStateType, code api.ConnectionErrorCodeType) {
	h.Helper()
	if e := h.describeStore(id); e.ConnectionState != state || e.ConnectionErrorCode != code {
		h.Errorf("the store is %s %s, want %s %s", e.ConnectionState, e.ConnectionErrorCode, state, code)
	}
}

func (h *testHouse) externalKey(storeID *string, id string) *api.KeyMetadata {
	h.Helper()
	return must[api.CreateKeyOutput](h, admin(h), &api.CreateKeyInput{
		Origin: api.OriginTypeExternalKeyStore, CustomKeyStoreId: storeID, XksKeyId: &id,
	}).KeyMetadata
}

func TestCreateCustomKeyStore(t *testing.T) {
	h, p := beside(t)
	who := admin(t)
	id := must[api.CreateCustomKeyStoreOutput](h, who, externalStore()).CustomKeyStoreId
	if !strings.HasPrefix(*id, "cks-") || len(*id) != 21 {
		t.Errorf("id %q", *id)
	}
	if got := p.Last("health"); got.Metadata("kmsOperation") != "CreateCustomKeyStore" || got.Metadata("kmsRequestId") != "test" {
		t.Errorf("the proxy was asked with %v", got.Body)
	}
	e := h.describeStore(id)
	x := e.XksProxyConfiguration
	if *e.CustomKeyStoreName != "plant" || e.CustomKeyStoreType != "EXTERNAL_KEY_STORE" || e.ConnectionState != "DISCONNECTED" || e.ConnectionErrorCode != "" ||
		e.CreationDate == nil || e.CloudHsmClusterId != nil || x == nil || *x.AccessKeyId != xkstest.AccessKeyID || *x.UriEndpoint != xkstest.Endpoint ||
		*x.UriPath != xkstest.Path || x.Connectivity != publicEndpoint || x.VpcEndpointServiceName != nil {
		t.Errorf("described as %+v %+v", e, x)
	}
	for k, v := range h.everything() {
		if strings.Contains(string(v), xkstest.Secret) {
			t.Errorf("record %q has the secret in the clear", k[:1])
		}
	}
	vpc := func(in *api.CreateCustomKeyStoreInput) {
		in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName = vpcEndpoint, wire.Ptr(vpcService)
	}
	for name, c := range map[string]struct {
		change  func(*api.CreateCustomKeyStoreInput)
		code    string
		message string
	}{
		"same name": {func(in *api.CreateCustomKeyStoreInput) {
			in.XksProxyUriPath = wire.Ptr("/line-2" + xksPath)
		}, "CustomKeyStoreNameInUseException", ""},
		"same URI": {func(in *api.CreateCustomKeyStoreInput) { in.CustomKeyStoreName = wire.Ptr("2") }, "XksProxyUriInUseException", ""},
		"same endpoint, other connectivity": {func(in *api.CreateCustomKeyStoreInput) {
			vpc(in)
			in.CustomKeyStoreName, in.XksProxyUriPath = wire.Ptr("2"), wire.Ptr("/line-2"+xksPath)
		}, "XksProxyUriEndpointInUseException", ""},
		"no name":         {func(in *api.CreateCustomKeyStoreInput) { in.CustomKeyStoreName = nil }, "ValidationException", ""},
		"no endpoint":     {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyUriEndpoint = nil }, "ValidationException", ""},
		"no path":         {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyUriPath = nil }, "ValidationException", ""},
		"no connectivity": {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyConnectivity = "" }, "ValidationException", ""},
		"no credential":   {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyAuthenticationCredential = nil }, "ValidationException", ""},
		"a cluster too":   {func(in *api.CreateCustomKeyStoreInput) { in.CloudHsmClusterId = wire.Ptr("cluster-abcdefghijk") }, "ValidationException", "CloudHsmClusterId is not valid for a custom key store with CustomKeyStoreType EXTERNAL_KEY_STORE."},
		"default type":    {func(in *api.CreateCustomKeyStoreInput) { in.CustomKeyStoreType = "" }, "ValidationException", ""},
		"http":            {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyUriEndpoint = wire.Ptr("http://" + xkstest.Host) }, "ValidationException", ""},
		"credential in the URI": {func(in *api.CreateCustomKeyStoreInput) {
			in.XksProxyUriEndpoint = wire.Ptr("https://user:secret@" + xkstest.Host)
		}, "ValidationException", ""},
		"token in the URI": {func(in *api.CreateCustomKeyStoreInput) {
			in.XksProxyUriPath = wire.Ptr(xkstest.Path + "?token=secret")
		}, "ValidationException", ""},
		"port":         {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyUriEndpoint = wire.Ptr(xkstest.Endpoint + ":8443") }, "ValidationException", ""},
		"address":      {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyUriEndpoint = wire.Ptr("https://127.0.0.1") }, "ValidationException", ""},
		"short name":   {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyUriEndpoint = wire.Ptr("https://localhost") }, "ValidationException", ""},
		"empty label":  {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyUriEndpoint = wire.Ptr("https://xks..example") }, "ValidationException", ""},
		"version 2":    {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyUriPath = wire.Ptr("/line-2/kms/xks/v2") }, "ValidationException", ""},
		"double slash": {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyUriPath = wire.Ptr("/line-2//kms/xks/v1") }, "ValidationException", ""},
		"service of a public endpoint": {func(in *api.CreateCustomKeyStoreInput) {
			in.XksProxyVpcEndpointServiceName = wire.Ptr(vpcService)
		}, "ValidationException", ""},
		"no service": {func(in *api.CreateCustomKeyStoreInput) { in.XksProxyConnectivity = vpcEndpoint }, "ValidationException", ""},
		"service that the operator does not list": {func(in *api.CreateCustomKeyStoreInput) {
			vpc(in)
			in.XksProxyVpcEndpointServiceName = wire.Ptr("com.amazonaws.vpce.eu-west-1.vpce-svc-fffffffffffffffff")
		}, "XksProxyVpcEndpointServiceNotFoundException", ""},
		"somewhere else": {func(in *api.CreateCustomKeyStoreInput) {
			in.CustomKeyStoreName, in.XksProxyUriEndpoint = wire.Ptr("2"), wire.Ptr("https://nowhere.invalid")
		}, "XksProxyUriUnreachableException", notReachable},
		"wrong path": {func(in *api.CreateCustomKeyStoreInput) {
			in.CustomKeyStoreName, in.XksProxyUriPath = wire.Ptr("2"), wire.Ptr("/line-2"+xksPath)
		}, "XksProxyInvalidConfigurationException", ""},
		"wrong secret": {func(in *api.CreateCustomKeyStoreInput) {
			in.CustomKeyStoreName, in.XksProxyUriPath = wire.Ptr("2"), wire.Ptr("/line-2"+xksPath)
			in.XksProxyAuthenticationCredential.RawSecretAccessKey = wire.Ptr(strings.Repeat("x", 43))
		}, "XksProxyInvalidConfigurationException", ""},
	} {
		in := externalStore(c.change)
		got := h.do(who, "CreateCustomKeyStore", in)
		if e, ok := got.Err.(*wire.Error); !ok || e.Code != c.code || c.message != "" && e.Message != c.message {
			t.Errorf("%s: got %v, want %s", name, got.Err, c.code)
		}
	}
	if all := must[api.DescribeCustomKeyStoresOutput](h, who, &api.DescribeCustomKeyStoresInput{}).CustomKeyStores; len(all) != 1 {
		t.Errorf("%d stores were made", len(all))
	}
	// Another account may use the same proxy under the same name.
	second := user(t, other, "admin", fullAccess)
	must[api.CreateCustomKeyStoreOutput](h, second, externalStore())
	fails[api.ConnectCustomKeyStoreOutput](h, second, &api.ConnectCustomKeyStoreInput{CustomKeyStoreId: id}, "CustomKeyStoreNotFoundException", "")
}

func TestCustomKeyStoresNeedPermission(t *testing.T) {
	h, _ := beside(t)
	id := h.connected()
	nobody := user(t, account, "nobody")
	fails[api.CreateCustomKeyStoreOutput](h, nobody, externalStore(), "AccessDeniedException", "")
	fails[api.DescribeCustomKeyStoresOutput](h, nobody, &api.DescribeCustomKeyStoresInput{}, "AccessDeniedException", "")
	fails[api.UpdateCustomKeyStoreOutput](h, nobody, &api.UpdateCustomKeyStoreInput{CustomKeyStoreId: id}, "AccessDeniedException", "")
	fails[api.DisconnectCustomKeyStoreOutput](h, nobody, &api.DisconnectCustomKeyStoreInput{CustomKeyStoreId: id}, "AccessDeniedException", "")
	fails[api.ConnectCustomKeyStoreOutput](h, nobody, &api.ConnectCustomKeyStoreInput{CustomKeyStoreId: id}, "AccessDeniedException", "")
	fails[api.DeleteCustomKeyStoreOutput](h, nobody, &api.DeleteCustomKeyStoreInput{CustomKeyStoreId: id}, "AccessDeniedException", "")
	one := user(t, account, "one", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:DescribeCustomKeyStores","Resource":"*"}}`)
	must[api.DescribeCustomKeyStoresOutput](h, one, &api.DescribeCustomKeyStoresInput{})
}

func TestDescribeCustomKeyStores(t *testing.T) {
	h, _ := beside(t)
	who := admin(t)
	for i := range maxStores {
		in := externalStore(func(in *api.CreateCustomKeyStoreInput) { // behind an endpoint service nobody is asked
			in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName = vpcEndpoint, wire.Ptr(vpcService)
			in.CustomKeyStoreName, in.XksProxyUriEndpoint = wire.Ptr(fmt.Sprint("store ", i)), wire.Ptr(fmt.Sprintf("https://xks-%d.example", i))
		})
		if i > 0 {
			fails[api.CreateCustomKeyStoreOutput](h, who, in, "XksProxyVpcEndpointServiceInUseException", "")
			in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName = publicEndpoint, nil
			in.XksProxyUriEndpoint = wire.Ptr(xkstest.Endpoint)
			if i > 1 {
				continue
			}
		}
		must[api.CreateCustomKeyStoreOutput](h, who, in)
	}
	// The rest of the ten, without asking anybody.
	for i := 2; i < maxStores; i++ {
		at := home{region, account, newStoreID()}
		rec := storeRecord{Name: fmt.Sprint("store ", i), Created: now(), Type: api.CustomKeyStoreTypeExternalKeyStore, State: "DISCONNECTED", Connectivity: publicEndpoint, Endpoint: fmt.Sprint("https://e", i, ".example"), Path: xksPath}
		if err := h.update(t.Context(), func(tx store.Tx) error { return write(tx, at.path(storeTag), &rec) }); err != nil {
			t.Fatal(err)
		}
	}
	fails[api.CreateCustomKeyStoreOutput](h, who, externalStore(func(in *api.CreateCustomKeyStoreInput) {
		in.XksProxyUriPath = wire.Ptr("/line-9" + xksPath)
	}), "LimitExceededException", "")
	seen := map[string]bool{}
	in := &api.DescribeCustomKeyStoresInput{Limit: wire.Ptr[int32](3)}
	for pages := 1; ; pages++ {
		out := must[api.DescribeCustomKeyStoresOutput](h, who, in)
		for _, e := range out.CustomKeyStores {
			seen[*e.CustomKeyStoreName] = true
		}
		if !*out.Truncated {
			if pages != 4 || len(seen) != maxStores {
				t.Errorf("%d stores on %d pages", len(seen), pages)
			}
			break
		}
		in.Marker = out.NextMarker
	}
	if out := must[api.DescribeCustomKeyStoresOutput](h, who, &api.DescribeCustomKeyStoresInput{CustomKeyStoreName: wire.Ptr("store 7")}); len(out.CustomKeyStores) != 1 || *out.CustomKeyStores[0].CustomKeyStoreName != "store 7" {
		t.Errorf("by name: %+v", out.CustomKeyStores)
	}
	fails[api.DescribeCustomKeyStoresOutput](h, who, &api.DescribeCustomKeyStoresInput{CustomKeyStoreName: wire.Ptr("x")}, "CustomKeyStoreNotFoundException", "")
	fails[api.DescribeCustomKeyStoresOutput](h, who, &api.DescribeCustomKeyStoresInput{CustomKeyStoreId: wire.Ptr("cks-x")}, "CustomKeyStoreNotFoundException", "")
	fails[api.DescribeCustomKeyStoresOutput](h, who, &api.DescribeCustomKeyStoresInput{CustomKeyStoreName: wire.Ptr("x"), CustomKeyStoreId: wire.Ptr("x")}, "ValidationException", "")
	fails[api.DescribeCustomKeyStoresOutput](h, who, &api.DescribeCustomKeyStoresInput{Marker: wire.Ptr("bm9uc2Vuc2U")}, "InvalidMarkerException", "")
}

func TestConnectionStates(t *testing.T) {
	h, p := beside(t)
	who := admin(t)
	id := must[api.CreateCustomKeyStoreOutput](h, who, externalStore()).CustomKeyStoreId
	connect := &api.ConnectCustomKeyStoreInput{CustomKeyStoreId: id}
	disconnect := &api.DisconnectCustomKeyStoreInput{CustomKeyStoreId: id}
	remove := &api.DeleteCustomKeyStoreInput{CustomKeyStoreId: id}
	const wrong = "CustomKeyStoreInvalidStateException"

	fails[api.DisconnectCustomKeyStoreOutput](h, who, disconnect, wrong, "")
	c := h.do(who, "ConnectCustomKeyStore", connect)
	if c.Err != nil || c.Additional["customKeyStoreName"] != "plant" {
		t.Fatalf("%v, noted %v", c.Err, c.Additional)
	}
	h.wantState(id, "CONNECTING", "")
	must[api.ConnectCustomKeyStoreOutput](h, who, connect) // again: nothing
	fails[api.DeleteCustomKeyStoreOutput](h, who, remove, wrong, "")
	if err := h.connects(*id); err != nil {
		t.Fatal(err)
	}
	h.wantState(id, "CONNECTED", "")
	if got := p.Last("health"); got.Metadata("kmsOperation") != "ConnectCustomKeyStore" || got.Metadata("kmsRequestId") != "test" {
		t.Errorf("the proxy was asked with %v", got.Body)
	}
	must[api.ConnectCustomKeyStoreOutput](h, who, connect)
	h.wantState(id, "CONNECTED", "")
	fails[api.DeleteCustomKeyStoreOutput](h, who, remove, wrong, "")
	h.disconnect(id)

	// FAILED: only disconnecting leads out of it.
	p.Lies("health", xkstest.Fails(500, "InternalException"))
	must[api.ConnectCustomKeyStoreOutput](h, who, connect)
	if err := h.connects(*id); err != nil {
		t.Fatal(err)
	}
	h.wantState(id, "FAILED", "XKS_PROXY_INVALID_RESPONSE")
	fails[api.ConnectCustomKeyStoreOutput](h, who, connect, wrong, "")
	fails[api.DeleteCustomKeyStoreOutput](h, who, remove, wrong, "")
	fails[api.UpdateCustomKeyStoreOutput](h, who, &api.UpdateCustomKeyStoreInput{CustomKeyStoreId: id, NewCustomKeyStoreName: wire.Ptr("x")}, wrong, "")
	h.disconnect(id)
	p.Lies("health", nil)

	// Disconnected while it connects: what comes of the attempt counts no more.
	must[api.ConnectCustomKeyStoreOutput](h, who, connect)
	j := job.Job{Kind: connectJob, ID: jobID(home{region, account, *id}), Payload: []byte(`{"attempt":5,"request":"r"}`)}
	h.disconnect(id)
	if err := h.runConnect(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	h.wantState(id, "DISCONNECTED", "")
	must[api.ConnectCustomKeyStoreOutput](h, who, connect)
	if err := h.runConnect(t.Context(), j); err != nil { // of an attempt before
		t.Fatal(err)
	}
	h.wantState(id, "CONNECTING", "")
	h.disconnect(id)
	must[api.DeleteCustomKeyStoreOutput](h, who, remove)
	fails[api.DeleteCustomKeyStoreOutput](h, who, remove, "CustomKeyStoreNotFoundException", "")
	if err := h.runConnect(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	for k := range h.everything() {
		if tagged([]byte(k), storeTag) || tagged([]byte(k), credentialTag) || tagged([]byte(k), claimTag) {
			t.Errorf("%q is left", k)
		}
	}
}

// TestConnectSurvives stops a house that connects a store, and lets the next one do it.
func TestConnectSurvives(t *testing.T) {
	p := xkstest.Start(t)
	dir := t.TempDir()
	h := openIn(t, dir, reaching(p, patient))
	id := must[api.CreateCustomKeyStoreOutput](h, admin(t), externalStore()).CustomKeyStoreId
	must[api.ConnectCustomKeyStoreOutput](h, admin(t), &api.ConnectCustomKeyStoreInput{CustomKeyStoreId: id})
	h.shut()
	h = openIn(t, dir, reaching(p, patient))
	h.wantState(id, "CONNECTING", "")
	if err := h.connects(*id); err != nil {
		t.Fatal(err)
	}
	h.wantState(id, "CONNECTED", "")
	h.shut()
	h = openIn(t, dir, reaching(p, patient))
	h.wantState(id, "CONNECTED", "")
	k := h.externalKey(id, "key-1")
	h.encrypt(admin(t), k.KeyId, nil)
}

func TestUpdateCustomKeyStore(t *testing.T) {
	h, p := beside(t)
	who := admin(t)
	id := h.connected()
	k := h.externalKey(id, "key-1")
	blob := h.encrypt(who, k.KeyId, nil)
	update := func(change func(in *api.UpdateCustomKeyStoreInput)) error {
		in := &api.UpdateCustomKeyStoreInput{CustomKeyStoreId: id}
		change(in)
		_, err := run[api.UpdateCustomKeyStoreOutput](h, who, in)
		return err
	}
	want := func(what string, err error, code string) {
		t.Helper()
		if e, ok := err.(*wire.Error); code == "" && err != nil || code != "" && (!ok || e.Code != code) {
			t.Errorf("%s: got %v, want %s", what, err, code)
		}
	}
	// While it is connected, the name, the credential and the path may change.
	want("name", update(func(in *api.UpdateCustomKeyStoreInput) { in.NewCustomKeyStoreName = wire.Ptr("new") }), "")
	want("endpoint", update(func(in *api.UpdateCustomKeyStoreInput) { in.XksProxyUriEndpoint = wire.Ptr("https://a.example") }), "CustomKeyStoreInvalidStateException")
	want("connectivity", update(func(in *api.UpdateCustomKeyStoreInput) { in.XksProxyConnectivity = vpcEndpoint }), "CustomKeyStoreInvalidStateException")
	want("path", update(func(in *api.UpdateCustomKeyStoreInput) { in.XksProxyUriPath = wire.Ptr("/line-2" + xksPath) }), "XksProxyInvalidConfigurationException")
	want("cluster", update(func(in *api.UpdateCustomKeyStoreInput) { in.CloudHsmClusterId = wire.Ptr("cluster-abcdefghijk") }), "ValidationException")

	next := strings.Repeat("n", 43)
	rotate := func(in *api.UpdateCustomKeyStoreInput) {
		in.XksProxyAuthenticationCredential = credential()
		in.XksProxyAuthenticationCredential.RawSecretAccessKey = &next
	}
	want("credential that the proxy does not have", update(rotate), "XksProxyIncorrectAuthenticationCredentialException")
	h.decrypt(who, blob, "the old credential after a failed change")
	p.SetSecret(next)
	fails[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", "")
	want("credential", update(rotate), "")
	h.decrypt(who, blob, "the new credential")
	if e := h.describeStore(id); *e.CustomKeyStoreName != "new" || e.ConnectionState != "CONNECTED" {
		t.Errorf("described as %+v", e)
	}

	h.disconnect(id)
	want("to an endpoint service", update(func(in *api.UpdateCustomKeyStoreInput) {
		in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName = vpcEndpoint, wire.Ptr(vpcService)
	}), "")
	h.connect(id)
	h.decrypt(who, blob, "through an endpoint service")
	h.disconnect(id)
	want("back", update(func(in *api.UpdateCustomKeyStoreInput) { in.XksProxyConnectivity = publicEndpoint }), "")
	want("nothing", update(func(*api.UpdateCustomKeyStoreInput) {}), "")
	if e := h.describeStore(id); e.XksProxyConfiguration.VpcEndpointServiceName != nil {
		t.Errorf("described as %+v", e.XksProxyConfiguration)
	}
	in := &api.UpdateCustomKeyStoreInput{CustomKeyStoreId: wire.Ptr("cks-0"), NewCustomKeyStoreName: wire.Ptr("x")}
	fails[api.UpdateCustomKeyStoreOutput](h, who, in, "CustomKeyStoreNotFoundException", "")
}

func (h *testHouse) decrypt(who *person, blob []byte, what string) {
	h.Helper()
	out, err := run[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blob})
	if err != nil || string(out.Plaintext) != "hello" {
		h.Errorf("%s: %v, %v", what, out, err)
	}
}
