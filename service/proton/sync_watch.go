package proton

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/proton/git"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// A branch that something follows is watched by one job: it asks for the tips of the branches as
// often as the operator's file says of the connection, and reads the files only when one of them
// has changed. What it finds out is written with what follows from it, so that after a crash it finds
// the same again and does nothing twice.

const jobWatch = "watch"

// maxWatching bounds the branches that are looked at together: a repository that does not answer
// must not keep registrations and deployments waiting, nor a large one be in memory many times.
const maxWatching = 2

// Times of a watch.
const (
	watchSoon  = time.Second      // while a registration or a deployment that it began goes on
	watchLater = 10 * time.Second // the same, when that takes longer
	watchAlone = time.Minute      // for a repository whose connection this house does not have
)

// watch says what a job watches: a branch of a repository, for templates or for services.
type watch struct {
	Type         api.SyncType
	Provider     api.RepositoryProvider
	Name, Branch string
}

func (w *watch) key(p place) []byte {
	return key("rs", p, string(w.Type), string(w.Provider), w.Name, w.Branch)
}

// watched is the record of what a watch has seen. It is sealed as the link to the repository is.
type watched struct {
	Status    api.RepositorySyncStatus
	StartedAt *time.Time
	Events    []api.RepositorySyncEvent `sealed:"yes"`
	Seen      map[string]string         // the tips of the branches when they were last read through; nil to read them again
	Failed    string                    // hash of the last failure, so that the same one is not written again and again
}

// maxEvents bounds the events of an attempt.
const maxEvents = 50

func (w *watched) event(s *Service, typ, text string) {
	if len(w.Events) < maxEvents {
		w.Events = append(w.Events, api.RepositorySyncEvent{Type: &typ, Event: wire.Ptr(cut(text, maxMessage)), Time: s.at()})
	}
}

// scheduleWatch has a branch read now, whether or not it has changed.
func (s *Service) scheduleWatch(tx store.Tx, p place, w watch) error {
	rec, err := peek[watched](tx, w.key(p))
	if err == nil && rec.V.Seen != nil {
		rec.V.Seen = nil
		err = rec.putPlain(tx)
	}
	if err = known(err, nil); err != nil {
		return err
	}
	return s.putWatch(tx, p, w, s.now())
}

func (s *Service) putWatch(tx store.Tx, p place, w watch, due time.Time) error {
	text, err := compact(w)
	if err != nil {
		return err
	}
	return s.jobs.Schedule(tx, job.Job{Kind: jobWatch, ID: p.region + "/" + p.account + "/" + hashName(w.key(p)), Due: due, Payload: text})
}

// watch looks at a branch, and says when the next look is due. It ends when nothing follows the branch.
func (s *Service) watch(ctx context.Context, j job.Job) error {
	parts := strings.Split(j.ID, "/")
	var w watch
	if err := json.Unmarshal(j.Payload, &w); err != nil || len(parts) != 3 {
		return fmt.Errorf("watch: malformed job %q: %w", j.ID, err)
	}
	p := place{parts[0], parts[1]}
	l := &look{s: s, p: p, w: w, snapshots: make(map[string]*git.Snapshot)}
	again := watchSoon
	select {
	case s.watching <- struct{}{}:
		var err error
		again, err = l.run(ctx)
		<-s.watching
		if err != nil || again == 0 {
			return err
		}
	default: // its turn comes later
	}
	return s.update(ctx, func(tx store.Tx) error {
		now, found, err := s.jobs.Get(tx, j.Kind, j.ID)
		if err != nil || found && !now.Due.Equal(j.Due) { // somebody wants the next look sooner
			return err
		}
		return s.putWatch(tx, p, w, s.now().Add(again))
	})
}

// look is one look at a branch.
type look struct {
	s         *Service
	p         place
	w         watch
	remote    *git.Remote
	snapshots map[string]*git.Snapshot // by branch, as far as they were needed

	events  []string
	broken  bool // something could not be read: the attempt has failed
	waiting bool // something that was begun goes on
	unread  bool // something must be read again with the next look
}

// run returns after how long the next look is due; 0 for never.
func (l *look) run(ctx context.Context) (time.Duration, error) {
	followers, err := l.followers(ctx)
	if err != nil || len(followers) == 0 {
		return 0, err
	}
	remote, poll, why, err := l.s.connected(ctx, l.p, &api.RepositoryBranch{Name: &l.w.Name, Provider: l.w.Provider})
	switch {
	case err != nil:
		return 0, err
	case remote == nil:
		return watchAlone, l.failed(ctx, why)
	}
	l.remote = remote
	tips, err := remote.Branches(ctx)
	var e *git.Error
	switch {
	case errors.As(err, &e):
		return max(poll, watchSoon), l.failed(ctx, e.Sentence)
	case err != nil:
		return 0, err
	}
	return l.follow(ctx, followers, tips, poll)
}

// follow goes on with what was begun, and reads the branch where it has changed.
func (l *look) follow(ctx context.Context, followers []follower, tips map[string]string, poll time.Duration) (time.Duration, error) {
	for _, f := range followers {
		if err := f.settle(ctx, l); err != nil {
			return 0, err
		}
	}
	changed, err := l.changed(ctx, tips)
	if err == nil && changed {
		err = l.read(ctx, followers, tips)
	}
	switch {
	case err != nil:
		return 0, err
	case l.waiting && changed:
		return min(poll, watchSoon), nil
	case l.waiting:
		return min(poll, watchLater), nil
	}
	return poll, nil
}

// changed reports whether a branch has another tip than it had when it was last read through.
func (l *look) changed(ctx context.Context, tips map[string]string) (bool, error) {
	rec, err := plain[watched](ctx, l.s, l.w.key(l.p))
	if errors.Is(err, store.ErrNotFound) || err == nil && rec.V.Seen == nil {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for branch, tip := range rec.V.Seen {
		if tips[branch] != tip {
			return true, nil
		}
	}
	return false, nil
}

// read reads the branch for all that follow it, and notes how that went.
func (l *look) read(ctx context.Context, followers []follower, tips map[string]string) error {
	if tips[l.w.Branch] == "" {
		return l.failed(ctx, fmt.Sprintf("The repository %s has no branch %s.", l.w.Name, l.w.Branch))
	}
	started := l.s.at()
	seen := map[string]string{l.w.Branch: tips[l.w.Branch]}
	for _, f := range followers {
		branches, err := f.read(ctx, l)
		var e *git.Error
		switch {
		case errors.As(err, &e):
			l.fault("%s", e.Sentence)
			l.unread = l.unread || !e.Lasting
		case err != nil:
			return err
		}
		for _, branch := range branches {
			seen[branch] = tips[branch]
		}
	}
	for branch, snap := range l.snapshots { // a commit may have come since the tips were told
		seen[branch] = snap.Commit
	}
	if l.unread {
		seen = nil
	}
	err := l.note(ctx, func(v *watched) {
		*v = watched{Status: api.RepositorySyncStatusSucceeded, StartedAt: started, Seen: seen}
		v.event(l.s, "COMMIT_FOUND", "The branch "+l.w.Branch+" is at the commit "+tips[l.w.Branch]+".")
		for _, text := range l.events {
			v.event(l.s, "SYNC", text)
		}
		if l.broken {
			v.Status = api.RepositorySyncStatusFailed
		}
	})
	return err
}

// snapshot reads a branch, once in a look.
func (l *look) snapshot(ctx context.Context, branch string) (*git.Snapshot, error) {
	if snap := l.snapshots[branch]; snap != nil {
		return snap, nil
	}
	snap, err := l.remote.Snapshot(ctx, branch)
	if err == nil {
		l.snapshots[branch] = snap
	}
	return snap, err
}

// tell notes what was found; fault notes what is wrong.
func (l *look) tell(format string, args ...any) {
	l.events = append(l.events, fmt.Sprintf(format, args...))
}

func (l *look) fault(format string, args ...any) {
	l.broken = true
	l.tell(format, args...)
}

// failed notes that the repository could not be read. The branch is read as soon as it can.
func (l *look) failed(ctx context.Context, why string) error {
	mark := hashName([]byte(why))
	rec, err := plain[watched](ctx, l.s, l.w.key(l.p))
	if err == nil && rec.V.Failed == mark {
		return nil
	}
	if err = known(err, nil); err != nil {
		return err
	}
	return l.note(ctx, func(v *watched) {
		*v = watched{Status: api.RepositorySyncStatusFailed, StartedAt: l.s.at(), Failed: mark}
		v.event(l.s, "SYNC_FAILED", why)
	})
}

// note writes what the watch has seen, sealed for the repository. Where its key can't be used, or the repository is no
// longer linked, there is nowhere to write it to.
func (l *look) note(ctx context.Context, change func(*watched)) error {
	link, err := plain[repository](ctx, l.s, key("re", l.p, string(l.w.Provider), l.w.Name))
	if err != nil {
		return known(err, nil)
	}
	err = upsert(ctx, l.s, l.w.key(l.p), link.head, change)
	if unusable(err) {
		return nil
	}
	return err
}

// follower is what follows a branch: the configuration of a template or of a service.
type follower interface {
	// settle goes on with what an earlier look began.
	settle(ctx context.Context, l *look) error
	// read brings the target in step with the repository, and returns the branches that it has
	// read besides. A *git.Error is the repository's; what is wrong with its files is noted.
	read(ctx context.Context, l *look) (branches []string, err error)
}

// followers are the configurations that name the branch; environment templates come first, since
// service templates of the same commit may name them.
func (l *look) followers(ctx context.Context) (list []follower, err error) {
	mine := func(provider api.RepositoryProvider, name, branch *string) bool {
		return provider == l.w.Provider && wire.Val(name) == l.w.Name && wire.Val(branch) == l.w.Branch
	}
	err = l.s.db.View(ctx, func(r store.Reader) error {
		list = nil
		if l.w.Type == api.SyncTypeServiceSync {
			for c, err := range each[api.ServiceSyncConfig](r, within("sy", l.p)) {
				if err != nil {
					return err
				}
				if mine(c.V.RepositoryProvider, c.V.RepositoryName, c.V.Branch) {
					list = append(list, &serviceFollower{c.V})
				}
			}
			return nil
		}
		for c, err := range each[api.TemplateSyncConfig](r, within("ty", l.p)) {
			if err != nil {
				return err
			}
			if mine(c.V.RepositoryProvider, c.V.RepositoryName, c.V.Branch) {
				list = append(list, &templateFollower{c.V, familyOf(c.V.TemplateType)})
			}
		}
		return nil
	})
	return list, err
}

// connected opens the way to a repository. Where there is none, remote is nil and why says it.
func (s *Service) connected(ctx context.Context, p place, b *api.RepositoryBranch) (remote *git.Remote, poll time.Duration, why string, err error) {
	remote, poll, err = s.git.remote(ctx, p, b)
	var bad *failure
	switch {
	case errors.As(err, &bad):
		return nil, 0, bad.Error(), nil
	case unusable(err):
		return nil, 0, messageOf(err), nil
	case err == nil && remote == nil:
		return nil, 0, "This house has no way to the repository's connection.", nil
	}
	return remote, poll, "", err
}
