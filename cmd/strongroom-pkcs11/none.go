//go:build !cgo

package main

import "github.com/strongroom/strongroom/pkcs11/frame"

// openToken says that this program cannot load a module.
func openToken(_, _, _ string) (token, error) {
	return nil, &failure{frame.Unusable, "it was built without a C compiler; build it with CGO_ENABLED=1 go build ./cmd/strongroom-pkcs11"}
}
