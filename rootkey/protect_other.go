//go:build !linux

package rootkey

// ProtectProcess keeps the keys in this process's memory out of core files. Call it
// before a key is opened.
func ProtectProcess() error { return noCoreFiles() }
