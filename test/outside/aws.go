package outside

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// AWSCLIs returns the AWS CLIs of the machine, the first of them Debian's where it is there.
var AWSCLIs = sync.OnceValue(awsCLIs)

func awsCLIs() (found []string) {
	seen := map[string]bool{}
	for _, dir := range append([]string{"/usr/bin"}, filepath.SplitList(os.Getenv("PATH"))...) {
		name := filepath.Join(dir, "aws")
		if _, err := exec.LookPath(name); err != nil {
			continue
		}
		version, err := exec.Command(name, "--version").CombinedOutput()
		if err != nil || seen[string(version)] {
			continue
		}
		seen[string(version)] = true
		found = append(found, name)
	}
	return found
}
