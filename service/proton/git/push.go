package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// push creates a branch with a commit whose objects are given, or deletes it where commit is the
// zero hash. old is what the branch has; the remote refuses when that has changed.
func push(ctx context.Context, r *Remote, branch string, old, commit hash, objects []object) error {
	s, err := r.open(ctx, receivePack)
	if err != nil {
		return err
	}
	defer s.Close()
	adv := s.advertisement()
	if !adv.able("report-status") {
		return errors.New("the remote is too old: it has no report-status")
	}
	if commit == (hash{}) && !adv.able("delete-refs") {
		return errors.New("the remote does not delete branches")
	}
	options := " report-status agent=strongroom"
	if adv.able("side-band-64k") {
		options += " side-band-64k"
	}
	b := appendLine(nil, "%s %s refs/heads/%s\x00%s", old, commit, branch, options)
	b = append(b, flush...)
	if commit != (hash{}) {
		b = writePack(b, objects)
	}
	answer, err := s.exchange(ctx, b)
	if err != nil {
		return err
	}
	if adv.able("side-band-64k") {
		answer = &bands{r: answer, buf: make([]byte, maxLine)}
	}
	return readReport(answer)
}

// readReport reads what became of a push (gitprotocol-pack, "Report Status").
func readReport(r io.Reader) error {
	buf := make([]byte, maxLine)
	unpacked, done := false, false
	for {
		line, err := readLine(r, buf)
		if err != nil {
			if done && unpacked && errors.Is(err, io.EOF) {
				return nil
			}
			return ended(err)
		}
		if line == nil {
			break
		}
		text := string(bytes.TrimSuffix(line, []byte("\n")))
		switch {
		case text == "unpack ok":
			unpacked = true
		case strings.HasPrefix(text, "unpack "):
			return fmt.Errorf("the remote refuses what was pushed: %s", sentence(text[len("unpack "):]))
		case strings.HasPrefix(text, "ok "):
			done = true
		case strings.HasPrefix(text, "ng "):
			_, why, _ := strings.Cut(text[len("ng "):], " ")
			return fmt.Errorf("the remote refuses the branch: %s", sentence(why))
		}
	}
	if !unpacked || !done {
		return errors.New("the remote does not say what became of the branch")
	}
	return nil
}
