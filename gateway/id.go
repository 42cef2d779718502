package gateway

import (
	"crypto/tls"
	"encoding/base64"
	"math/rand/v2"
	"net"
	"strings"
)

// newHostID returns a value for x-amz-id-2, by which S3's support finds a request. Ours only
// has its form.
func newHostID() string {
	var raw [24]byte
	for i := 0; i < len(raw); i += 8 {
		v := rand.Uint64()
		for j := range 8 {
			raw[i+j] = byte(v >> (8 * j))
		}
	}
	return base64.StdEncoding.EncodeToString(raw[:])
}

// hostOf returns the address of a host and port, without the port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// trimHost returns a Host header without its port and in lower case.
func trimHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// cipherNames are the names of cipher suites as audit records have them. crypto/tls builds its
// whole table anew for each name it is asked.
var cipherNames = func() map[uint16]string {
	names := make(map[uint16]string)
	for _, suite := range tls.CipherSuites() {
		names[suite.ID] = suite.Name
	}
	return names
}()
