package git

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Change is the files of one delivery.
type Change struct {
	ID     string // names the delivery: the same id is the same change
	Branch string // of ours, made for this delivery alone
	Target string // the branch that the change is to become part of
	// Folder is where the files stand, and Nested where they stand instead in a repository whose
	// target branch has a folder environments; "" for the top.
	Folder, Nested string
	Files          map[string][]byte // by path below the folder
	Remove         []string          // paths that an earlier delivery wrote and this one does not have
	Title          string            // first line of the commit, and title of the pull request
	Body           string
	Author         string    // name and address; "" for Strongroom's own
	Created        time.Time // of the delivery: the commit's time, so that making it again makes the same
}

// Proposal is a change that stands on the remote. It is kept by whoever asks about it later.
type Proposal struct {
	Branch string `json:"branch"`
	Target string `json:"target"`
	Commit string `json:"commit"`
	Base   string `json:"base"`             // what the commit stands on
	Folder string `json:"folder,omitempty"` // where its files stand
	Number int    `json:"number,omitempty"` // of the pull request
	URL    string `json:"url,omitempty"`    // where people see it
	Seen   string `json:"seen,omitempty"`   // tip of the target branch when it was last looked at
}

// Standing is what became of a proposal.
type Standing string

// What may become of a proposal.
const (
	Open   Standing = "open"
	Merged Standing = "merged"
	Closed Standing = "closed" // without having been merged
)

var branchName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}$`)

// validBranch refuses names that Git does, and some more (git-check-ref-format).
func validBranch(name string) bool {
	return branchName.MatchString(name) && !strings.Contains(name, "..") && !strings.Contains(name, "//") && !strings.Contains(name, "/.") &&
		!strings.HasSuffix(name, "/") && !strings.HasSuffix(name, ".") && !strings.HasSuffix(name, ".lock")
}

// check refuses a change that cannot be delivered.
func (c *Change) check() error {
	if !validBranch(c.Branch) || !validBranch(c.Target) || c.Branch == c.Target {
		return fmt.Errorf("%s is not the name of a branch that can be used", sentence(c.Target))
	}
	for _, path := range []string{c.Folder, c.Nested} {
		if path != "" && !validPath(path) {
			return fmt.Errorf("%s is not a path for a folder", sentence(path))
		}
	}
	for path := range c.Files {
		if !validPath(path) {
			return fmt.Errorf("%s is not a path for a file", sentence(path))
		}
	}
	for _, path := range c.Remove {
		if !validPath(path) {
			return fmt.Errorf("%s is not a path for a file", sentence(path))
		}
	}
	if len(c.Files)+len(c.Remove) == 0 {
		return errors.New("there is nothing to deliver")
	}
	return nil
}

// validPath refuses paths that leave the repository, or reach into Git's own folder.
func validPath(path string) bool {
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") || strings.ContainsAny(part, "\x00\\:\n") || len(part) > 255 {
			return false
		}
	}
	return len(path) <= 1024
}

// trailer is the line of a commit that says which delivery it is.
func (c *Change) trailer() string { return "Proton-Deployment: " + c.ID }

// Propose makes the change stand on the remote: a branch with one commit, and a pull request where
// the host has them. Errors are *Error. After an error nothing of it is left there, as far as the
// remote lets us; it may be called again.
func (r *Remote) Propose(ctx context.Context, c *Change) (*Proposal, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*exchangeTime)
	defer cancel()
	if err := c.check(); err != nil {
		return nil, r.failed("cannot take the change", err)
	}
	p, err := r.branch(ctx, c)
	if err != nil {
		return nil, r.failed("did not take the branch", err)
	}
	if r.c.API == None {
		return p, nil
	}
	if err := r.request(ctx, c, p); err != nil {
		err = r.failed("did not take the pull request", err)
		var e *Error
		if errors.As(err, &e) && e.Lasting {
			_ = r.deleteBranch(ctx, p) // the branch alone would wait for nobody
		}
		return nil, err
	}
	return p, nil
}

// branch pushes the change's branch, or finds it there from an earlier try.
func (r *Remote) branch(ctx context.Context, c *Change) (*Proposal, error) {
	var ours *hash
	base, objects, err := fetch(ctx, r, func(a *advertisement) (hash, error) {
		if h, ok := a.branch(c.Branch); ok {
			ours = &h
			return h, nil
		}
		h, ok := a.branch(c.Target)
		if !ok {
			return h, fmt.Errorf("it has no branch %s", c.Target)
		}
		return h, nil
	})
	if err != nil {
		return nil, err
	}
	tip, err := readCommit(objects, base)
	if err != nil {
		return nil, err
	}
	b := &builder{old: objects, written: make(map[hash]bool)}
	folder, err := b.folder(tip.tree, c)
	if err != nil {
		return nil, err
	}
	planted := plant(folder, c.Files, c.Remove)
	if ours != nil {
		same, err := b.holds(tip.tree, planted)
		if err != nil {
			return nil, err
		}
		if !same || len(tip.parents) != 1 || !strings.Contains(tip.message, c.trailer()) {
			return nil, fmt.Errorf("it has a branch %s already, with something else", c.Branch)
		}
		return &Proposal{Branch: c.Branch, Target: c.Target, Commit: base.String(), Base: tip.parents[0].String(), Folder: folder}, nil
	}
	tree, _, err := b.tree(&tip.tree, planted)
	if err != nil {
		return nil, err
	}
	commit := b.add(commitKind, c.commit(tree, base))
	if err := push(ctx, r, c.Branch, hash{}, commit, b.made); err != nil {
		return nil, err
	}
	return &Proposal{Branch: c.Branch, Target: c.Target, Commit: commit.String(), Base: base.String(), Folder: folder, Seen: base.String()}, nil
}

// commit writes the commit object.
func (c *Change) commit(tree, parent hash) []byte {
	author := c.Author
	if author == "" {
		author = "Strongroom <strongroom@localhost>"
	}
	who := signature(author, c.Created)
	text := sentence(c.Title) + "\n\n"
	if c.Body != "" {
		text += c.Body + "\n\n"
	}
	return fmt.Appendf(nil, "tree %s\nparent %s\nauthor %s\ncommitter %s\n\n%s%s\n", tree, parent, who, who, text, c.trailer())
}

func readCommit(objects map[hash]object, h hash) (commit, error) {
	o, ok := objects[h]
	if !ok || o.kind != commitKind {
		return commit{}, errPack
	}
	return parseCommit(o.data)
}

// State says what became of a proposal, and may note in it what was seen. files are those of its change, or nil: where the host has
// no pull requests and the branch is gone, they tell a squashed merge from a refusal. Errors are
// *Error, and say nothing about the proposal.
func (r *Remote) State(ctx context.Context, p *Proposal, files map[string][]byte) (Standing, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	if r.c.API != None {
		s, err := r.pullState(ctx, p)
		return s, r.failed("did not say what became of the pull request", err)
	}
	s, err := r.branchState(ctx, p, files)
	return s, r.failed("did not say what became of the branch", err)
}

// branchState tells a merge from the commits of the target branch.
func (r *Remote) branchState(ctx context.Context, p *Proposal, files map[string][]byte) (Standing, error) {
	ours, ok := parseHash(p.Commit)
	base, good := parseHash(p.Base)
	if !ok || !good {
		return "", errors.New("the record of it cannot be read")
	}
	standing, gone := Open, false
	var unchanged = errors.New("nothing has changed")
	tip, objects, err := fetch(ctx, r, func(a *advertisement) (hash, error) {
		at, there := a.branch(p.Branch)
		gone = !there || at != ours
		h, ok := a.branch(p.Target)
		switch {
		case !ok:
			return h, fmt.Errorf("it has no branch %s any more", p.Target)
		case h == ours:
			standing = Merged
			return h, unchanged
		case h.String() == p.Seen && there || h == base:
			return h, unchanged
		}
		return h, nil
	}, base, ours)
	if errors.Is(err, unchanged) {
		if standing == Open && gone {
			standing = Closed
		}
		return standing, nil
	}
	if err != nil {
		return "", err
	}
	if reaches(objects, tip, ours) {
		return Merged, nil
	}
	if gone {
		return r.squashed(ctx, p, files)
	}
	p.Seen = tip.String()
	return Open, nil
}

// reaches reports whether a commit is among the ancestors of tip.
func reaches(objects map[hash]object, tip, ancestor hash) bool {
	seen, next := map[hash]bool{tip: true}, []hash{tip}
	for len(next) > 0 {
		h := next[len(next)-1]
		next = next[:len(next)-1]
		if h == ancestor {
			return true
		}
		c, err := readCommit(objects, h)
		if err != nil {
			continue // beyond what was fetched
		}
		for _, p := range c.parents {
			if !seen[p] {
				seen[p] = true
				next = append(next, p)
			}
		}
	}
	return false
}

// squashed tells a proposal that was merged as another commit, and whose branch was deleted, from
// one that was refused: by the files that the target branch has.
func (r *Remote) squashed(ctx context.Context, p *Proposal, files map[string][]byte) (Standing, error) {
	if len(files) == 0 {
		return Closed, nil
	}
	tip, objects, err := fetch(ctx, r, func(a *advertisement) (hash, error) {
		h, ok := a.branch(p.Target)
		if !ok {
			return h, fmt.Errorf("it has no branch %s any more", p.Target)
		}
		return h, nil
	})
	if err != nil {
		return "", err
	}
	c, err := readCommit(objects, tip)
	if err != nil {
		return "", err
	}
	same, err := (&builder{old: objects}).holds(c.tree, plant(p.Folder, files, nil))
	if err != nil {
		return "", err
	}
	if same {
		return Merged, nil
	}
	return Closed, nil
}

// Withdraw takes a proposal back: its pull request is closed, and its branch deleted if it is
// still as we made it. What is gone already is no error. Errors are *Error.
func (r *Remote) Withdraw(ctx context.Context, p *Proposal) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	if r.c.API != None && p.Number != 0 {
		if err := r.closePull(ctx, p); err != nil {
			return r.failed("did not close the pull request", err)
		}
	}
	return r.failed("did not delete the branch", r.deleteBranch(ctx, p))
}

// deleteBranch deletes the branch of a proposal where it is still as it was made.
func (r *Remote) deleteBranch(ctx context.Context, p *Proposal) error {
	s, err := r.open(ctx, uploadPack)
	if err != nil {
		return err
	}
	at, there := s.advertisement().branch(p.Branch)
	_ = s.Close()
	if !there || at.String() != p.Commit {
		return nil
	}
	return push(ctx, r, p.Branch, at, hash{}, nil)
}
