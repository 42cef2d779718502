//go:build linux

package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// inner is where the commands find their scratch folder.
const inner = "/tmp"

// hidden are folders of the machine that the commands find empty: where people and services keep
// what is theirs, and where sockets lie that would lead out.
var hidden = []string{"/home", "/root", "/run", "/var/run", "/var/tmp", "/srv", "/mnt", "/media"}

// confine changes what this process and all below it see of the machine. It needs the namespaces.
func confine(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	scratch, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("scratch folder: %w", err)
	}
	resolver := readResolver()
	if err := processes(); err != nil {
		return err
	}
	for _, name := range hidden {
		if info, err := os.Lstat(name); err != nil || !info.IsDir() {
			continue
		}
		if err := unix.Mount("none", name, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=64k,mode=755"); err != nil {
			return fmt.Errorf("hide %s: %w", name, err)
		}
	}
	if err := resolver.write(); err != nil {
		return err
	}
	// Everything read-only, as it is now; then the scratch folder over it, which is not.
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}); err != nil {
		return fmt.Errorf("read-only mounts: %w", err)
	}
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", scratch), inner, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("scratch folder: %w", err)
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, inner, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY, Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}); err != nil {
		return fmt.Errorf("scratch folder: %w", err)
	}
	return unix.Sethostname([]byte("strongroom"))
}

// processes shows the commands their own processes alone, and takes from them the way to make
// namespaces of their own.
func processes() error {
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("processes of their own: %w", err) // as where a container runtime has masked parts of /proc
	}
	return os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0)
}

// resolver is the file that says where names are looked up, where it lies in a hidden folder.
type resolver struct {
	path string
	text []byte
}

func readResolver() (r resolver) {
	path, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return r
	}
	for _, name := range hidden {
		if strings.HasPrefix(path, name+"/") {
			text, err := os.ReadFile(path)
			if err != nil {
				return r
			}
			return resolver{path, text}
		}
	}
	return r
}

func (r resolver) write() error {
	if r.path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(r.path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(r.path, r.text, 0o644)
}
