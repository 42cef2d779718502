package kms

import (
	"context"
	"net/netip"
	"strings"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service/kms/xks"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

const (
	publicEndpoint = api.XksProxyConnectivityTypePublicEndpoint
	vpcEndpoint    = api.XksProxyConnectivityTypeVpcEndpointService
	xksPath        = "/kms/xks/v1" // which every path ends in
)

// given reports which of two groups of parameters a request has: those of external key stores and
// those of CloudHSM key stores.
type given struct{ external, cluster string }

// named joins the names of the parameters that are there.
func named(params map[string]bool) string {
	for name, there := range params {
		if there {
			return name
		}
	}
	return ""
}

// newStore makes a record of what a request asks for, and the secret of its credential.
func (s *Service) newStore(h home, in *api.CreateCustomKeyStoreInput) (*storeRecord, secret.Bytes, error) {
	r := &storeRecord{Name: wire.Val(in.CustomKeyStoreName), Created: now(), Type: in.CustomKeyStoreType, State: api.ConnectionStateTypeDisconnected}
	if r.Type == "" {
		r.Type = api.CustomKeyStoreTypeAwsCloudhsm
	}
	got := given{
		external: named(map[string]bool{
			"XksProxyUriEndpoint": in.XksProxyUriEndpoint != nil, "XksProxyUriPath": in.XksProxyUriPath != nil,
			"XksProxyVpcEndpointServiceName": in.XksProxyVpcEndpointServiceName != nil, "XksProxyConnectivity": in.XksProxyConnectivity != "",
			"XksProxyAuthenticationCredential": in.XksProxyAuthenticationCredential != nil,
			"XksProxyVpcEndpointServiceOwner":  in.XksProxyVpcEndpointServiceOwner != nil,
		}),
		cluster: named(map[string]bool{
			"CloudHsmClusterId": in.CloudHsmClusterId != nil, "TrustAnchorCertificate": in.TrustAnchorCertificate != nil,
			"KeyStorePassword": in.KeyStorePassword != nil,
		}),
	}
	if err := got.fit(r); err != nil {
		return nil, secret.Bytes{}, err
	}
	if r.external() {
		return s.newExternalStore(r, in)
	}
	if in.CloudHsmClusterId == nil || in.TrustAnchorCertificate == nil || in.KeyStorePassword == nil {
		return nil, secret.Bytes{}, invalid("CloudHsmClusterId, KeyStorePassword, and TrustAnchorCertificate are required for a custom key store with CustomKeyStoreType AWS_CLOUDHSM.")
	}
	r.Cluster, r.Anchor = *in.CloudHsmClusterId, *in.TrustAnchorCertificate
	return r, secret.FromString(*in.KeyStorePassword), s.checkCluster(h, r)
}

// fit refuses parameters of the other type of store.
func (g given) fit(r *storeRecord) error {
	switch {
	case r.external() && g.cluster != "":
		return invalid("%s is not valid for a custom key store with CustomKeyStoreType EXTERNAL_KEY_STORE.", g.cluster)
	case !r.external() && g.external != "":
		return invalid("%s is not valid for a custom key store with CustomKeyStoreType AWS_CLOUDHSM.", g.external)
	}
	return nil
}

func (s *Service) newExternalStore(r *storeRecord, in *api.CreateCustomKeyStoreInput) (*storeRecord, secret.Bytes, error) {
	credential := in.XksProxyAuthenticationCredential
	if in.XksProxyConnectivity == "" || in.XksProxyUriEndpoint == nil || in.XksProxyUriPath == nil || credential == nil {
		return nil, secret.Bytes{}, invalid("XksProxyConnectivity, XksProxyAuthenticationCredential, XksProxyUriEndpoint, and XksProxyUriPath are required for a custom key store with CustomKeyStoreType EXTERNAL_KEY_STORE.")
	}
	r.Connectivity, r.Endpoint, r.Path = in.XksProxyConnectivity, *in.XksProxyUriEndpoint, *in.XksProxyUriPath
	r.Service, r.Owner = wire.Val(in.XksProxyVpcEndpointServiceName), wire.Val(in.XksProxyVpcEndpointServiceOwner)
	r.AccessKeyID = wire.Val(credential.AccessKeyId)
	return r, secret.FromString(wire.Val(credential.RawSecretAccessKey)), s.checkProxy(r)
}

// checkProxy refuses an external key store that can never be reached.
func (s *Service) checkProxy(r *storeRecord) error {
	switch {
	case !validEndpoint(r.Endpoint):
		return invalid("XksProxyUriEndpoint must be https:// followed by a fully qualified domain name.")
	case !strings.HasSuffix(r.Path, xksPath) || strings.Contains(r.Path, "//"):
		return invalid("XksProxyUriPath must begin with / and end with %s.", xksPath)
	case r.Connectivity == publicEndpoint && (r.Service != "" || r.Owner != ""):
		return invalid("XksProxyVpcEndpointServiceName is not valid when XksProxyConnectivity is PUBLIC_ENDPOINT.")
	case r.Connectivity == vpcEndpoint && r.Service == "":
		return invalid("XksProxyVpcEndpointServiceName is required when XksProxyConnectivity is VPC_ENDPOINT_SERVICE.")
	case r.Connectivity == vpcEndpoint && !s.proxies.Reaches(r.Service):
		return api.XksProxyVpcEndpointServiceNotFoundException("The VPC endpoint service %s was not found.", r.Service)
	}
	return nil
}

// validEndpoint reports whether an endpoint is a domain name of at least two labels, and no
// address (specification, "API operations").
func validEndpoint(endpoint string) bool {
	host, ok := strings.CutPrefix(endpoint, "https://")
	if _, err := netip.ParseAddr(host); !ok || err == nil || len(host) > 253 {
		return false
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
	}
	top := labels[len(labels)-1]
	return len(labels) > 1 && strings.Trim(top, "0123456789") != ""
}

// updatedStore returns the record as a request wants it, and the new secret, or nil when it stays.
func (s *Service) updatedStore(k *keyStore, in *api.UpdateCustomKeyStoreInput) (*storeRecord, *secret.Bytes, error) {
	r := k.storeRecord
	got := given{
		external: named(map[string]bool{
			"XksProxyUriEndpoint": in.XksProxyUriEndpoint != nil, "XksProxyUriPath": in.XksProxyUriPath != nil,
			"XksProxyVpcEndpointServiceName": in.XksProxyVpcEndpointServiceName != nil, "XksProxyConnectivity": in.XksProxyConnectivity != "",
			"XksProxyAuthenticationCredential": in.XksProxyAuthenticationCredential != nil,
			"XksProxyVpcEndpointServiceOwner":  in.XksProxyVpcEndpointServiceOwner != nil,
		}),
		cluster: named(map[string]bool{"CloudHsmClusterId": in.CloudHsmClusterId != nil, "KeyStorePassword": in.KeyStorePassword != nil}),
	}
	if err := got.fit(&r); err != nil {
		return nil, nil, err
	}
	if err := mayUpdate(k, in); err != nil {
		return nil, nil, err
	}
	r.Attempt++ // so that of two updates at a time one is refused
	if in.NewCustomKeyStoreName != nil {
		r.Name = *in.NewCustomKeyStoreName
	}
	if !r.external() {
		return s.updatedCluster(k, &r, in)
	}
	set := func(to *string, v *string) {
		if v != nil {
			*to = *v
		}
	}
	set(&r.Endpoint, in.XksProxyUriEndpoint)
	set(&r.Path, in.XksProxyUriPath)
	if in.XksProxyConnectivity == publicEndpoint {
		r.Service, r.Owner = "", ""
	}
	if in.XksProxyConnectivity != "" {
		r.Connectivity = in.XksProxyConnectivity
	}
	set(&r.Service, in.XksProxyVpcEndpointServiceName)
	set(&r.Owner, in.XksProxyVpcEndpointServiceOwner)
	var credential *secret.Bytes
	if c := in.XksProxyAuthenticationCredential; c != nil {
		r.AccessKeyID = wire.Val(c.AccessKeyId)
		credential = wire.Ptr(secret.FromString(wire.Val(c.RawSecretAccessKey)))
	}
	return &r, credential, s.checkProxy(&r)
}

// mayUpdate refuses a change that the connection state does not allow. Of an external key store the name,
// the credential and the path may change while it is connected.
func mayUpdate(k *keyStore, in *api.UpdateCustomKeyStoreInput) error {
	light := k.external() && in.XksProxyUriEndpoint == nil && in.XksProxyVpcEndpointServiceName == nil &&
		in.XksProxyConnectivity == "" && in.XksProxyVpcEndpointServiceOwner == nil
	if k.State == api.ConnectionStateTypeDisconnected || light && k.connected() {
		return nil
	}
	return wrongState(k.home, &k.storeRecord, "DISCONNECTED")
}

// tryUpdated asks what stands behind a store whether it can be reached as the updated record
// says, when that differs and there is somebody to ask.
func (s *Service) tryUpdated(ctx context.Context, k *keyStore, updated *storeRecord, credential *secret.Bytes) error {
	reached := func(r *storeRecord) [5]string {
		return [5]string{r.Endpoint, r.Path, r.Service, r.AccessKeyID, string(r.Connectivity)}
	}
	if !updated.external() || reached(&k.storeRecord) == reached(updated) && credential == nil {
		return nil
	}
	if updated.Connectivity != publicEndpoint && !updated.connected() {
		return nil // asked when it is connected
	}
	if credential == nil {
		var kept secret.Bytes
		err := s.room.Store.View(ctx, func(r store.Reader) (err error) {
			kept, err = s.credential(r, k.home)
			return err
		})
		if err != nil {
			return err
		}
		credential = &kept
	}
	b, err := s.backend(k.home, updated, *credential)
	if err != nil {
		return err
	}
	c := call.From(ctx)
	return storeFailure(b.connect(ctx, xks.Request{Operation: c.Op.Name, ID: c.ID}))
}
