//go:build !linux

package apart

// Yield does nothing.
func Yield() {}
