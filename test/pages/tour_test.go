package pages

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// block is some commands of a page, and what a person who types them sees.
type block struct {
	line     int // of the page
	commands string
	shows    []string // lines that come in this order, others may stand between; … stands for anything
}

// fences are the blocks of a text in Markdown.
var fences = regexp.MustCompile("(?ms)^```(sh|text)\n(.*?)^```$")

// blocksOf reads the blocks between two marks of a page. A block of text belongs to the commands before it.
func blocksOf(t *testing.T, page, begin, end string) (blocks []block) {
	t.Helper()
	all, err := os.ReadFile(filepath.Join(root(t), page))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(all), begin)
	text, _, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no %s and %s", page, begin, end)
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
		t.Fatalf("%s has only %d blocks", page, len(blocks))
	}
	return blocks
}

// pageTime bounds a session. Waiters of the AWS CLI wait for an hour.
const pageTime = 8 * time.Minute

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
	env := []string{}
	if testing.Short() {
		env = append(env, "SIZE=33554432") // else 1 GiB, as README.md says
	}
	runPage(t, house.Start(t), "README.md", blocksOf(t, "README.md", "<!-- the tour begins -->", "<!-- the tour ends -->"), env...)
}

// runPage runs the blocks of a page as one shell session of the user who runs the house, with the AWS CLI and
// the program itself, and compares what is printed with what the page shows.
func runPage(t *testing.T, h *house.House, page string, blocks []block, env ...string) {
	t.Helper()
	found := outside.AWSCLIs()
	if len(found) == 0 {
		outside.Missing(t, "there is no AWS CLI (Debian: apt-get install awscli)")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		outside.Missing(t, "there is no bash: %v", err)
	}
	bin := t.TempDir()
	for name, program := range map[string]string{"aws": found[0], "strongroom": house.Binary(t)} {
		if err := os.Symlink(program, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), pageTime)
	defer stop()
	session := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", "-c", script(blocks))
	session.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	session.Cancel = func() error { return syscall.Kill(-session.Process.Pid, syscall.SIGKILL) } // with what it waits for
	session.Dir = root(t)
	session.Env = append(append(first(bare(t, h), bin), "TMPDIR="+t.TempDir()), env...)
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
			t.Errorf("%s:%d: %v\nThe commands:\n%s\nThe output:\n%s", page, block.line, err, block.commands, parts[i+1])
		}
	}
	if output, err := h.Run("check"); err != nil {
		t.Errorf("afterwards: check: %v\n%s", err, output)
	}
}

// check compares what a block printed with what the page says it shows.
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
