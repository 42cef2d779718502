package apart

import "golang.org/x/sys/unix"

// Yield lets another thread have the processor that the calling one computes on, where one waits for it. runtime.Gosched does not: to the kernel, whatever
// Go runs on a thread one after the other is one long computation, and threads that the disk has woken wait until it ends, or for the kernel's next tick.
func Yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
