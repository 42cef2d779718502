//go:build !linux

package series

import "errors"

// inMemory knows of no folder on this system.
func inMemory(string) error { return errors.New("only Linux is known to have folders in memory") }
