package series

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// inMemory returns nil when dir lies in memory and its pages never reach a disk in the clear.
func inMemory(dir string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return err
	}
	switch int64(fs.Type) {
	case unix.RAMFS_MAGIC: // is never swapped out
		return nil
	case unix.TMPFS_MAGIC:
	default:
		return fmt.Errorf("is on a disk (file system type %#x), not a tmpfs or ramfs", fs.Type)
	}
	if neverSwapped(dir) {
		return nil
	}
	swaps, err := os.Open("/proc/swaps")
	if err != nil {
		return fmt.Errorf("whether it is swapped out cannot be told: %w", err)
	}
	defer swaps.Close()
	return checkSwaps(swaps, encryptedDevice)
}

// neverSwapped reports whether the mount that dir lies on has the option noswap.
func neverSwapped(dir string) bool {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	defer mounts.Close()
	longest, never := -1, false
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		// 36 35 98:0 /root /mount options ... - type source super-options: proc_pid_mountinfo(5)
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || len(fields[4]) < longest {
			continue
		}
		if at := fields[4]; dir == at || at == "/" || strings.HasPrefix(dir, at+"/") {
			longest, never = len(at), slices.Contains(strings.Split(fields[len(fields)-1], ","), "noswap")
		}
	}
	return never
}

// encryptedDevice reports whether a block device is one that dm-crypt makes.
func encryptedDevice(device string) bool {
	path, err := filepath.EvalSymlinks(device)
	if err != nil {
		return false
	}
	id, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(path), "dm/uuid"))
	return err == nil && strings.HasPrefix(string(id), "CRYPT-")
}
