package proton

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/git"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// Limits of deliveries to Git repositories.
const (
	gitRetry  = 15 * time.Second // after a remote that did not answer
	gitGiveUp = time.Hour        // after the deployment began, when the remote still does not
)

// byGit delivers the rendered files to a repository, and waits for what becomes of them there.
type byGit struct {
	s           *Service
	connections map[string]*git.Connection // by ARN
}

var _ Deliverer = (*byGit)(nil)

// proposed is the state of a delivery by Git.
type proposed struct {
	Proposal *git.Proposal
	Merged   bool
}

// Deliver proposes the files, and from then on asks what became of them.
func (g *byGit) Deliver(ctx context.Context, d *Delivery) (Progress, error) {
	remote, poll, err := g.remote(ctx, place{d.Region, d.Account}, d.Repository)
	var bad *failure
	switch {
	case errors.As(err, &bad):
		return ends(d, bad.Error()), nil
	case err != nil:
		return Progress{}, err
	case remote == nil:
		pr, err := byHand{}.Deliver(ctx, d)
		pr.Message = "This house has no way to the repository's connection. The rendered files wait for NotifyResourceDeploymentStatusChange."
		return pr, err
	}
	var st proposed
	if d.State != nil {
		if err := json.Unmarshal(d.State, &st); err != nil {
			return Progress{}, err
		}
	}
	switch {
	case d.Cancel:
		return g.withdraw(ctx, remote, d, &st)
	case st.Merged:
		return st.progress("", 0)
	case st.Proposal == nil:
		return g.propose(ctx, remote, d, poll)
	}
	return g.watch(ctx, remote, d, &st, poll)
}

// ends is a failure, or where the deployment is cancelled that.
func ends(d *Delivery, message string) Progress {
	if d.Cancel {
		return Progress{Status: api.DeploymentStatusCancelled, Message: message}
	}
	return Progress{Status: api.DeploymentStatusFailed, Message: message}
}

// progress goes on with the state.
func (st *proposed) progress(message string, again time.Duration) (Progress, error) {
	text, err := json.Marshal(st)
	return Progress{Status: api.DeploymentStatusInProgress, Message: message, State: text, Again: again}, err
}

// remote is a repository and how often it may be asked; nil where its connection is none of this house's.
func (g *byGit) remote(ctx context.Context, p place, b *api.RepositoryBranch) (*git.Remote, time.Duration, error) {
	arn, err := g.s.connection(ctx, p, b)
	if err != nil {
		return nil, 0, err
	}
	c := g.connections[arn]
	if c == nil || c.Account != p.account {
		return nil, 0, nil
	}
	r, err := c.Remote(wire.Val(b.Name))
	if err != nil {
		return nil, 0, failed("%v.", err)
	}
	return r, c.Poll, nil
}

// propose makes the files stand on the remote.
func (g *byGit) propose(ctx context.Context, r *git.Remote, d *Delivery, poll time.Duration) (Progress, error) {
	c := &git.Change{
		ID: d.ID, Branch: "proton-" + d.ID, Target: wire.Val(d.Repository.Branch), Folder: d.Folder, Nested: d.NestedFolder,
		Files: filesOf(d.Files), Created: d.Begun, Title: d.title(), Body: "Resource: " + d.TargetARN,
	}
	if d.TemplateARN != "" {
		c.Body += fmt.Sprintf("\nTemplate: %s, version %s.%s", d.TemplateARN, d.TemplateMajor, d.TemplateMinor)
	}
	var err error
	if c.Remove, err = g.outdated(ctx, d, c.Files); err != nil {
		return Progress{}, err
	}
	p, err := r.Propose(ctx, c)
	if err != nil {
		return unanswered(d, err)
	}
	st := &proposed{Proposal: p}
	return st.progress("The rendered files wait in the branch "+p.Branch+where(p)+".", poll)
}

func where(p *git.Proposal) string {
	if p.Number == 0 {
		return ""
	}
	return fmt.Sprintf(", pull request %d", p.Number)
}

func filesOf(list []bundle.File) map[string][]byte {
	files := make(map[string][]byte, len(list))
	for _, f := range list {
		files[f.Name] = f.Data
	}
	return files
}

// title is the first line of a delivery's commit.
func (d *Delivery) title() string {
	name := path.Join(d.Environment, d.Service, d.Instance, d.Component)
	if d.Delete {
		return "AWS Proton: " + name + " is deleted"
	}
	return "AWS Proton: deploy " + name
}

// outdated are the files that the last deployment that succeeded wrote, and this one does not have.
func (g *byGit) outdated(ctx context.Context, d *Delivery, files map[string][]byte) ([]string, error) {
	p := place{d.Region, d.Account}
	rec, err := plain[deployment](ctx, g.s, key("de", p, d.ID))
	if err != nil || rec.V.LastSucceededDeploymentId == nil || d.Delete {
		return nil, known(err, nil)
	}
	last, err := get[deployment](ctx, g.s, key("de", p, *rec.V.LastSucceededDeploymentId))
	if errors.Is(err, store.ErrNotFound) || err == nil && last.V.Rendered == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	old, err := g.s.renderedFiles(ctx, last)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range old {
		if _, ok := files[f.Name]; !ok {
			names = append(names, f.Name)
		}
	}
	return names, nil
}

// unanswered tells a remote that refuses, which ends the deployment, from one that is asked again.
func unanswered(d *Delivery, err error) (Progress, error) {
	var e *git.Error
	if !errors.As(err, &e) {
		return Progress{}, err
	}
	if e.Lasting || time.Since(d.Begun) > gitGiveUp {
		return ends(d, e.Sentence), nil
	}
	return Progress{Status: api.DeploymentStatusInProgress, Message: e.Sentence + " It is asked again.", State: d.State, Again: gitRetry}, nil
}

// watch asks what became of a proposal.
func (g *byGit) watch(ctx context.Context, r *git.Remote, d *Delivery, st *proposed, poll time.Duration) (Progress, error) {
	standing, err := r.State(ctx, st.Proposal, filesOf(d.Files))
	var e *git.Error
	switch {
	case errors.As(err, &e): // which says nothing about the proposal: people may take days over it
		return Progress{Status: api.DeploymentStatusInProgress, Message: e.Sentence + " It is asked again.", State: d.State, Again: max(poll, gitRetry)}, nil
	case err != nil:
		return Progress{}, err
	}
	switch standing {
	case git.Closed:
		return Progress{Status: api.DeploymentStatusCancelled, Message: "The branch " + st.Proposal.Branch + where(st.Proposal) + " was closed without being merged."}, nil
	case git.Merged:
		st.Merged = true
		return st.progress("The branch "+st.Proposal.Branch+where(st.Proposal)+" was merged. The deployment waits for NotifyResourceDeploymentStatusChange.", 0)
	}
	return st.progress("", poll)
}

// withdraw takes back what was proposed.
func (g *byGit) withdraw(ctx context.Context, r *git.Remote, d *Delivery, st *proposed) (Progress, error) {
	if st.Proposal != nil && !st.Merged {
		if err := r.Withdraw(ctx, st.Proposal); err != nil {
			return unanswered(d, err)
		}
	}
	return Progress{Status: api.DeploymentStatusCancelled}, nil
}
