package rootkey

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ProtectProcess keeps the keys in this process's memory from other processes of the
// same user and from core files: the process can no longer be attached to or dumped
// (prctl(2), PR_SET_DUMPABLE), and core files have length zero. Call it before a key
// is opened. root is not kept out.
func ProtectProcess() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("protect process: %w", err)
	}
	return noCoreFiles()
}
