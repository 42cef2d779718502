package durable

import "os"

// linkNew renames by a hard link, which never replaces. A crash between its two steps
// leaves the file under both names.
func linkNew(oldPath, newPath string) error {
	if err := os.Link(oldPath, newPath); err != nil {
		return err
	}
	return os.Remove(oldPath)
}
