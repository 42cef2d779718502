//go:build !linux

package apart

import "time"

// Lowers reports whether threads can have a lower priority here.
const Lowers = false

func own() int { return 0 }

func lower(int) bool { return false }

func computed(int) time.Duration { return 0 }
