package xks

// Kind is what went wrong. The first group are the errors that a proxy may name
// (specification, "Error codes"), the second what KMS finds out by itself.
type Kind uint8

// The kinds of errors.
const (
	_                    Kind = iota
	Validation                // the proxy finds the request malformed
	InvalidState              // the key or the store is disabled, deactivated or blocked
	InvalidCiphertext         // ciphertext, IV, tag or associated data do not fit
	InvalidKeyUsage           // the key does not do that
	AuthenticationFailed      // the signature is not good
	AccessDenied              // the proxy's own authorization refuses
	KeyNotFound               // no such external key
	InvalidURIPath            // no such path
	Throttling                // too many requests
	UnsupportedOperation      // not implemented, or too large for the proxy
	DependencyTimeout         // the key manager did not answer the proxy in time
	Internal                  // anything else that is the proxy's fault

	Unreachable // no TCP connection
	BadTLS      // no TLS connection, or the certificate is not to be trusted
	TimedOut    // connected, and no answer in time
	Malformed   // an answer that is not one of the specification
	Unavailable // every external key manager behind the proxy is unavailable
)

var kindNames = map[Kind]string{
	Validation: "ValidationException", InvalidState: "InvalidStateException", InvalidCiphertext: "InvalidCiphertextException",
	InvalidKeyUsage: "InvalidKeyUsageException", AuthenticationFailed: "AuthenticationFailedException",
	AccessDenied: "AccessDeniedException", KeyNotFound: "KeyNotFoundException", InvalidURIPath: "InvalidUriPathException",
	Throttling: "ThrottlingException", UnsupportedOperation: "UnsupportedOperationException",
	DependencyTimeout: "DependencyTimeoutException", Internal: "InternalException",

	Unreachable: "cannot be reached", BadTLS: "has no trustworthy TLS", TimedOut: "did not answer in time",
	Malformed: "answered what cannot be understood", Unavailable: "has no available key manager",
}

// named are the kinds that a proxy may name, by the name.
var named = func() map[string]Kind {
	m := make(map[string]Kind)
	for k := Validation; k <= Internal; k++ {
		m[kindNames[k]] = k
	}
	return m
}()

// String returns the name of the proxy's error, or a few words.
func (k Kind) String() string { return kindNames[k] }

// Error is why a call to a proxy failed. Its text holds nothing that the proxy said, other than
// one of the names that the specification has.
type Error struct{ Kind Kind }

// Error says it in one sentence.
func (e *Error) Error() string { return "external key store proxy: " + e.Kind.String() }

func failed(k Kind) error { return &Error{k} }
