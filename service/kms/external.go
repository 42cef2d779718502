package kms

import (
	"context"
	"errors"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/service/kms/xks"
	"github.com/strongroom/strongroom/wire"
)

// proxied is the backend of an external key store.
type proxied struct{ *xks.Proxy }

func (p proxied) connect(ctx context.Context, why xks.Request) error { return p.Health(ctx, why) }

func (p proxied) half(id string, why xks.Request) half { return external{p.Proxy, id, why} }

// half is the half of a key that a custom key store holds.
type half interface {
	key.Holder
	// check proves that there is such a half and that it fits a KMS key.
	check(ctx context.Context) error
}

// external is the half of a key that an external key manager holds.
type external struct {
	proxy *xks.Proxy
	id    string
	why   xks.Request
}

// Seal implements key.Holder.
func (e external) Seal(ctx context.Context, inner, aad []byte) (key.Outer, error) {
	s, err := e.proxy.Encrypt(ctx, e.id, inner, aad, e.why)
	if err != nil {
		return key.Outer{}, err
	}
	return key.Outer{Metadata: s.Metadata, IV: s.IV, Tag: s.Tag, Body: s.Ciphertext}, nil
}

// Open implements key.Holder.
func (e external) Open(ctx context.Context, o key.Outer, aad []byte) ([]byte, error) {
	s := &xks.Sealed{Metadata: o.Metadata, IV: o.IV, Tag: o.Tag, Ciphertext: o.Body}
	return e.proxy.Decrypt(ctx, e.id, s, aad, e.why)
}

func (e external) check(ctx context.Context) error {
	m, err := e.proxy.Metadata(ctx, e.id, e.why)
	if err != nil {
		return keyFailure(err)
	}
	if !m.Usable() {
		return api.XksKeyInvalidConfigurationException("The external key does not meet the configuration requirements: it must be an AES-256 symmetric key that is enabled and performs encryption and decryption.")
	}
	return nil
}

// why says for whom and for which key a store is asked (XKS proxy specification, Appendix B).
func why(c *call.Call, keyARN string) xks.Request {
	r := xks.Request{Principal: c.Principal.ARN, Key: keyARN, Operation: c.Op.Name, ID: c.ID}
	switch p := c.Principal; {
	case p.Kind == identity.Service:
		r.Principal = p.Name
	case p.Kind == identity.Role && p.Session != nil:
		r.Principal = p.Session.RoleARN // as aws:PrincipalArn has it
	}
	if name, ok := serviceOf(c.Via); ok {
		r.Via = name
	}
	return r
}

// otherHalf returns the half of a key that its custom key store holds. That must be connected.
func (s *Service) otherHalf(ctx context.Context, e *entry) (key.Holder, error) {
	k, err := s.keyStores.Get(ctx, home{e.region, e.account, e.Store}.path(storeTag))
	if err != nil {
		return nil, internal("custom key store of %s: %w", e.arn, hideNotFound(err))
	}
	if !k.connected() {
		return nil, unconnected(&k.storeRecord, api.KMSInvalidStateException)
	}
	return k.half(e.External, why(call.From(ctx), e.arn)), nil
}

// sealOuter encrypts under both halves of a key.
func (s *Service) sealOuter(ctx context.Context, e *entry, kind key.Kind, plaintext, bound []byte) ([]byte, error) {
	h, err := s.otherHalf(ctx, e)
	if err != nil {
		return nil, err
	}
	blob, err := e.material.EncryptOuter(ctx, h, kind, plaintext, bound)
	return blob, useFailure(err)
}

// openOuter decrypts under both halves of a key.
func (s *Service) openOuter(ctx context.Context, e *entry, m *key.Material, c key.Ciphertext, bound []byte) ([]byte, error) {
	h, err := s.otherHalf(ctx, e)
	if err != nil {
		return nil, err
	}
	plaintext, err := m.DecryptOuter(ctx, h, c, bound)
	return plaintext, useFailure(err)
}

// maker makes an error of the API.
type maker func(format string, args ...any) *wire.Error

// scenario is what becomes of something that a proxy does, or that happens on the way to it.
type scenario struct {
	message string
	store   maker // for CreateCustomKeyStore and UpdateCustomKeyStore
	key     maker // for CreateKey
	code    api.ConnectionErrorCodeType
}

const (
	cannotInterpret = "AWS KMS cannot interpret the response from the external key store proxy. If you see this error repeatedly, report it to your external key store proxy administrator."
	notInTime       = "AWS KMS rejected the request because the external key store proxy did not respond in time. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator."
	notReachable    = "AWS KMS cannot communicate with the external key store proxy. This might be a transient network issue. If you see this error repeatedly, verify that your external key store proxy is active and is connected to the network, and that its endpoint URI is correct in your external key store."
	wrongOutside    = "The ciphertext that the external key store proxy submitted for decryption, or the encryption context, is corrupted, missing, or otherwise invalid."
)

// scenarios is the specification's table of exceptions ("Error codes", "KMS Considerations"). A
// cryptographic operation always fails with KMSInvalidStateException, so that no caller of
// KMS has to know of more; the message tells which. Where the table has no exception for an operation, the one
// for an answer that makes no sense is taken.
var scenarios = map[xks.Kind]scenario{
	xks.Validation: {cannotInterpret, api.XksProxyInvalidResponseException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeXksProxyInvalidResponse},
	xks.InvalidState: {"The external key associated with this KMS key in an external key store is not enabled in the external key manager. Enable the external key in the external key manager and retry the request.",
		api.XksProxyInvalidConfigurationException, api.XksKeyInvalidConfigurationException, api.ConnectionErrorCodeTypeXksProxyInvalidConfiguration},
	xks.InvalidCiphertext: {"The external key store proxy rejected the request because the specified ciphertext or encryption context is corrupted, missing, or otherwise invalid.",
		api.XksProxyInvalidResponseException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeXksProxyInvalidResponse},
	xks.InvalidKeyUsage: {"The external key associated with this KMS key in an external key store does not support the requested operation. Enable the operation on the key in your external key manager, and try the request again.",
		api.XksProxyInvalidResponseException, api.XksKeyInvalidConfigurationException, api.ConnectionErrorCodeTypeXksProxyInvalidResponse},
	xks.AuthenticationFailed: {"The external key store proxy rejected the request because it could not authenticate AWS KMS. Verify the XKS proxy authentication credentials for your external key store and update if necessary.",
		api.XksProxyIncorrectAuthenticationCredentialException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeInvalidCredentials},
	xks.AccessDenied: {"The external key store proxy denied access to the operation. Verify that the user and the external key are both authorized for this operation, and try the request again.",
		api.XksProxyInvalidConfigurationException, api.KMSInvalidStateException, api.ConnectionErrorCodeTypeXksProxyAccessDenied},
	xks.KeyNotFound: {"The external key associated with this KMS key in an external key store was not found in its external key manager. If the external key ID associated with this KMS key is incorrect, create a new KMS key with the correct external key ID.",
		api.XksProxyInvalidResponseException, api.XksKeyNotFoundException, api.ConnectionErrorCodeTypeXksProxyInvalidResponse},
	xks.InvalidURIPath: {"The external key store proxy rejected the request because of an invalid URI path. Verify the URI path for your external key store and update if necessary.",
		api.XksProxyInvalidConfigurationException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeXksProxyInvalidConfiguration},
	xks.UnsupportedOperation: {"The external key store proxy rejected the request because it does not support the requested operation. If you see this error repeatedly, report it to your external key store proxy administrator.",
		api.XksProxyInvalidResponseException, api.XksKeyInvalidConfigurationException, api.ConnectionErrorCodeTypeXksProxyInvalidResponse},
	xks.DependencyTimeout: {"The external key store proxy did not respond to the request in the time allotted. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator.",
		api.XksProxyUriUnreachableException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeXksProxyTimedOut},
	xks.Throttling: {"The external key store proxy rejected the request due to a very high request rate. Reduce the frequency of your calls using KMS keys in this external key store.",
		api.XksProxyUriUnreachableException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeXksProxyNotReachable},
	xks.Internal: {"The external key store proxy rejected the request because it cannot communicate with the external key manager. Verify that the external key store proxy configuration is correct and that the external key manager is available.",
		api.XksProxyInvalidResponseException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeXksProxyInvalidResponse},
	xks.Unreachable: {notReachable, api.XksProxyUriUnreachableException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeXksProxyNotReachable},
	xks.BadTLS: {"AWS KMS cannot establish a TLS connection to the external key store proxy. Verify the TLS configuration, including its certificate.",
		api.XksProxyUriUnreachableException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeXksProxyInvalidTlsConfiguration},
	xks.TimedOut:  {notInTime, api.XksProxyUriUnreachableException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeXksProxyTimedOut},
	xks.Malformed: {cannotInterpret, api.XksProxyInvalidResponseException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeXksProxyInvalidResponse},
	xks.Unavailable: {"The external key store proxy reports that every external key manager is unavailable. Verify that your external key manager is active, and try the request again.",
		api.XksProxyUriUnreachableException, api.CustomKeyStoreInvalidStateException, api.ConnectionErrorCodeTypeXksProxyNotReachable},
}

// failure turns an error of a proxy into the API's by one column of the table. Other errors stay
// as they are.
func failure(err error, column func(scenario) maker) error {
	var e *xks.Error
	if !errors.As(err, &e) {
		return err
	}
	s, ok := scenarios[e.Kind]
	if !ok {
		s = scenarios[xks.Malformed]
	}
	return column(s)("%s", s.message)
}

// storeFailure is the error of CreateCustomKeyStore and UpdateCustomKeyStore.
func storeFailure(err error) error { return failure(err, func(s scenario) maker { return s.store }) }

// keyFailure is the error of CreateKey.
func keyFailure(err error) error { return failure(err, func(s scenario) maker { return s.key }) }

// useFailure is the error of a cryptographic operation.
func useFailure(err error) error {
	switch {
	case errors.Is(err, key.ErrCiphertext):
		return badCiphertext()
	case errors.Is(err, key.ErrOuter):
		return api.KMSInvalidStateException(wrongOutside)
	}
	return tokenFailure(failure(err, func(scenario) maker { return api.KMSInvalidStateException }), api.KMSInvalidStateException)
}

// connectionError is what DescribeCustomKeyStores says of a connection that failed; "" for nil.
func connectionError(err error) api.ConnectionErrorCodeType {
	var e *xks.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e) && scenarios[e.Kind].code != "":
		return scenarios[e.Kind].code
	}
	return tokenCode(err)
}

// unconnected is the error for the use of a store that is not connected.
func unconnected(r *storeRecord, fail maker) *wire.Error {
	if r.external() {
		return fail("This KMS key is in a custom key store that is not connected to its external key store proxy. Connect the external key store and try the request again.")
	}
	return fail("This KMS key is in a custom key store that is not connected to its AWS CloudHSM cluster. Connect the AWS CloudHSM key store and try the request again.")
}
