package machine

import (
	"bytes"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Memory returns the bytes of memory that this process may hope for: the machine's, or what its
// control group is given of them where that is less; 0 when neither is known.
func Memory() int64 {
	most := int64(math.MaxInt64)
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		most = int64(uint64(info.Totalram) * uint64(info.Unit))
	}
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil { // it may say max
			most = min(most, n)
		}
	}
	if most == math.MaxInt64 {
		return 0
	}
	return most
}
