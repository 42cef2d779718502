// Package xks is the client side of the external key store proxy API, version 1: how the key
// service talks to the proxy that stands before an external key manager ("External Key Store
// Proxy API Specification", aws/aws-kms-xksproxy-api-spec).
//
// # Words
//
// An external key manager holds keys that never leave it. A proxy gives them one face: four
// calls as JSON over HTTPS, each signed with Signature Version 4 (service kms-xks-proxy) under
// a credential that the owner of the proxy made.
//
//	POST {path}/health                 is the manager there, and healthy
//	POST {path}/keys/{id}/metadata     what sort of key is it
//	POST {path}/keys/{id}/encrypt      AES-256-GCM under the key
//	POST {path}/keys/{id}/decrypt
//
// # What holds
//
//   - A proxy is trusted with availability and with nothing else. Whatever it answers is of bounded
//     size, is parsed strictly, and either is exactly what the specification allows or is Malformed.
//   - Everything that can go wrong has one Kind. What a proxy says besides the name of an error is
//     dropped: a text that we did not write must not reach our callers or our log.
//   - HTTPS always, with the certificate verified against the name in the URI, TLS 1.2 or later,
//     HTTP/1.1, no redirects, no compression, no HTTP proxies, one try.
//   - A call ends within Options.Timeout, whatever the proxy does.
//   - A name leads to a public address, or to where the operator says. So a store that
//     a tenant describes cannot be used to knock at doors inside the operator's network.
//
// # Map
//
//	proxy.go      Proxy and its four calls
//	message.go    what is sent, and how answers are read
//	transport.go  connections
//	errors.go     what can go wrong
//
//	xkstest/      a proxy for tests: honest, or lying as told
package xks
