//go:build !linux

package machine

// ShortenTurns does nothing: no other system lets a program choose.
func ShortenTurns() {}
