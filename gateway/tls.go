package gateway

import (
	"crypto/tls"
)

// CertificateSource returns the certificate to show a client. It is asked at every full
// handshake, so that a certificate can be renewed or exchanged without a restart.
type CertificateSource func(hello *tls.ClientHelloInfo) (*tls.Certificate, error)

// tlsConfig returns the one TLS configuration of the house: 1.2 or later, and of 1.2 only
// suites with forward secrecy and authenticated encryption (RFC 9325, section 4.2). The hybrid
// post-quantum exchange X25519MLKEM768 comes first, so that what is recorded today does not
// open tomorrow.
func tlsConfig(certificate CertificateSource) *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS12,
		GetCertificate:   certificate,
		CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384},
		CipherSuites: []uint16{ // of 1.2; those of 1.3 are all good and not configurable
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: []string{"h2", "http/1.1"},
	}
}

// tlsVersionName returns the version as audit records spell it.
func tlsVersionName(version uint16) string {
	switch version {
	case tls.VersionTLS13:
		return "TLSv1.3"
	case tls.VersionTLS12:
		return "TLSv1.2"
	}
	return ""
}
