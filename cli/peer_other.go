//go:build !linux

package cli

import (
	"net"
	"os"
)

// peerUID trusts the socket's mode where the kernel has no word for the question.
func peerUID(*net.UnixConn) (int, error) { return os.Getuid(), nil }
