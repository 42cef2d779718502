//go:build !linux

package sandbox

import "context"

// Init does nothing: commands run on Linux only.
func Init() {}

// Probe says that commands cannot be confined here.
func Probe(context.Context, int) error { return ErrConfined }

// Run refuses: commands run on Linux only.
func Run(context.Context, *Command) error { return ErrConfined }
