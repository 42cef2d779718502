package compat

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// block is some commands of the tour, and what a person who types them sees.
type block struct {
	line     int // of README.md
	commands string
	shows    []string // lines that come in this order, others may stand between; … stands for anything
}

// fences are the blocks of a text in Markdown.
var fences = regexp.MustCompile("(?ms)^```(sh|text)\n(.*?)^```$")

// tour reads the blocks between the marks of the tour in README.md. A block of text belongs to
// the commands before it.
func tour(t *testing.T) (blocks []block) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), "<!-- the tour begins -->")
	text, _, ended := strings.Cut(rest, "<!-- the tour ends -->")
	if !ok || !ended {
		t.Fatal("README.md has no tour between its marks")
	}
	for _, m := range fences.FindAllStringSubmatchIndex(text, -1) {
		kind, content := text[m[2]:m[3]], text[m[4]:m[5]]
		if kind == "sh" {
			blocks = append(blocks, block{line: strings.Count(before+text[:m[0]], "\n") + 1, commands: content})
		} else if len(blocks) > 0 {
			blocks[len(blocks)-1].shows = strings.Split(strings.TrimSpace(content), "\n")
		}
	}
	if len(blocks) < 5 {
		t.Fatalf("the tour has only %d blocks", len(blocks))
	}
	return blocks
}

// mark begins a line that the test's own parts of the script print.
const mark = "\x1e"

// script is the blocks as one shell session that tells where each begins and which commands fail.
func script(blocks []block) string {
	var b strings.Builder
	fmt.Fprintf(&b, "exec 2>&1\ntrap 'printf \"\\n%sfailed: %%s\\n\" \"$BASH_COMMAND\"' ERR\n", mark)
	for _, block := range blocks {
		fmt.Fprintf(&b, "printf '\\n%sblock\\n'\n%s", mark, block.commands)
	}
	fmt.Fprintf(&b, "printf '\\n%sblock\\n'\n", mark)
	return b.String()
}

// TestTour runs the README's tour, word for word, with the AWS CLI: Debian's where it is there.
func TestTour(t *testing.T) {
	t.Parallel()
	found := clients()
	if len(found) == 0 {
		outside.Missing(t, "there is no AWS CLI (Debian: apt-get install awscli)")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		outside.Missing(t, "there is no bash: %v", err)
	}
	client := found[0]
	h := house.Start(t)
	bin := t.TempDir()
	if err := os.Symlink(client, filepath.Join(bin, "aws")); err != nil {
		t.Fatal(err)
	}
	blocks := tour(t)
	session := exec.Command("bash", "--noprofile", "--norc", "-c", script(blocks))
	session.Dir = root(t)
	session.Env = append(first(bare(t, h), bin), "TMPDIR="+t.TempDir())
	if testing.Short() {
		session.Env = append(session.Env, "SIZE=33554432") // else 1 GiB, as README.md says
	}
	output, err := session.CombinedOutput()
	if err != nil {
		t.Errorf("the session ended with %v", err)
	}
	parts := strings.Split(string(output), "\n"+mark+"block\n")
	if len(parts) != len(blocks)+2 {
		t.Fatalf("the session ended early:\n%s", output)
	}
	for i, block := range blocks {
		if err := block.check(parts[i+1]); err != nil {
			t.Errorf("README.md:%d: %v\nThe commands:\n%s\nThe output:\n%s", block.line, err, block.commands, parts[i+1])
		}
	}
	if output, err := h.Run("check"); err != nil {
		t.Errorf("after the tour: check: %v\n%s", err, output)
	}
}

// check compares what a block printed with what the README says it shows.
func (b *block) check(output string) error {
	failures, errors := strings.Count(output, mark+"failed: "), 0
	lines := strings.Split(output, "\n")
	for _, wanted := range b.shows {
		if strings.Contains(wanted, "An error occurred") {
			errors++
		}
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(wanted)), "…", ".*") + "$")
		for len(lines) > 0 && !pattern.MatchString(strings.TrimSpace(lines[0])) {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return fmt.Errorf("it does not show %q", wanted)
		}
		lines = lines[1:]
	}
	if failures != errors {
		return fmt.Errorf("%d commands failed, want %d", failures, errors)
	}
	return nil
}
