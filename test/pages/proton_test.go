package pages

import (
	"testing"

	"github.com/strongroom/strongroom/test/house"
)

// TestProtonPage runs the session of docs/proton.md, word for word, with the AWS CLI: from a bundle packed with tar to a
// running service, through export and import, and away again.
func TestProtonPage(t *testing.T) {
	t.Parallel()
	runPage(t, house.Start(t), "docs/proton.md", blocksOf(t, "docs/proton.md", "<!-- the session begins -->", "<!-- the session ends -->"))
}
