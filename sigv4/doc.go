// Package sigv4 verifies and makes AWS Signature Version 4 signatures.
//
// # Words
//
// A signature covers a canonical request: method, path, query, the headers that
// the client listed (SignedHeaders) and the hash of the payload. Its SHA-256 goes
// into the string to sign, and the HMAC of that under a signing key is the
// signature. The signing key is derived from the secret access key and the
// credential scope: date, region, service.
//
//	canonical request = method "\n" path "\n" query "\n" *( name ":" value "\n" ) "\n" names "\n" payload-hash
//	string to sign    = "AWS4-HMAC-SHA256" "\n" time "\n" scope "\n" hex(SHA-256(canonical request))
//	signing key       = HMAC(HMAC(HMAC(HMAC("AWS4" secret, date), region), service), "aws4_request")
//
// A request carries its signature in the Authorization header or, presigned, in
// the query. Parse reads either form and proves nothing; what it says is a claim,
// good enough to route by. Verifier.Verify proves the claim together with a body
// that was already read; Verifier.VerifyStream proves it and hands back a Body that
// checks the bytes as they are read, which S3 needs.
//
// # Two canonical forms
//
// S3 (signing name "s3") decodes the path and encodes it once, byte for byte as it
// was sent: no dot segment is removed and no slash is merged, because keys may hold
// both. Every other service removes dot segments and empty segments and then
// encodes the path as it was sent, so that an escape is escaped once more.
//
// # Payloads of S3
//
//	<64 hex digits>                             the body's SHA-256; the reader fails at its end
//	UNSIGNED-PAYLOAD                            the body is not covered (TLS still covers it)
//	STREAMING-AWS4-HMAC-SHA256-PAYLOAD          aws-chunked, each chunk signed
//	STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER  the same, and signed trailing headers
//	STREAMING-UNSIGNED-PAYLOAD-TRAILER          aws-chunked with trailing headers, nothing in it signed
//
// The aws-chunked format, where each signature's string to sign holds the one before
// (the first holds the signature of the request itself):
//
//	chunk   = hex-size [ ";chunk-signature=" 64hex ] CRLF data CRLF
//	last    = "0" [ ";chunk-signature=" 64hex ] CRLF
//	trailer = *( name ":" value CRLF ) [ "x-amz-trailer-signature:" 64hex CRLF ] CRLF
//	string to sign of a chunk   = "AWS4-HMAC-SHA256-PAYLOAD" time scope previous hex(SHA-256("")) hex(SHA-256(data))
//	string to sign of a trailer = "AWS4-HMAC-SHA256-TRAILER" time scope previous hex(SHA-256(name ":" value "\n" ...))
//
// Bytes of a Body are handed on while they are read, so that memory stays constant,
// and the last of them only after everything has been proven: a reader that has
// received all bytes, or io.EOF, has received what was signed. A consumer must make
// nothing visible before that.
//
// # Invariants
//
//   - Keys is asked for every request. Derived keys are cached, but an entry serves only
//     while the secret that Keys returns is the one it was derived from: deleting or
//     rotating an access key works at once.
//   - host and every x-amz-* header of the request are signed (but for x-amz-date and
//     x-amz-content-sha256, whose values are in the signed text anyway, and the
//     session token outside of S3, which selects the secret).
//   - A signature is good for 15 minutes around its time, or, presigned, for the 1 to
//     604,800 seconds it names.
//   - An unknown access key costs the same work as a wrong secret. Signatures are compared in
//     constant time.
//   - Outside of S3, paths that differ only in dot segments and empty segments share one signature: route
//     by the path without them, or refuse such a path.
//   - A query that net/url would read otherwise than it was signed (a broken escape, a bare
//     semicolon) is refused.
//
// The asymmetric form (SigV4A, AWS4-ECDSA-P256-SHA256) and the retired Signature Version 2
// are refused by name.
//
// Sources: the AWS pages "Create a signed AWS API request", "Authenticating Requests (AWS
// Signature Version 4)" of the S3 API reference with its subpages on chunked upload and trailing
// headers, and RFC 3986 for escapes and dot segments.
package sigv4
