package proton

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// deploy carries a deployment one step on. The job's id is region/account/id.
func (s *Service) deploy(ctx context.Context, j job.Job) (err error) {
	for range tries { // somebody may notify or cancel meanwhile
		if err = s.deployStep(ctx, j); !errors.Is(err, errChanged) {
			break
		}
	}
	return err
}

func (s *Service) deployStep(ctx context.Context, j job.Job) error {
	parts := strings.Split(j.ID, "/")
	if len(parts) != 3 {
		return fmt.Errorf("deploy: malformed name %q", j.ID)
	}
	p := place{parts[0], parts[1]}
	rec, err := get[deployment](ctx, s, key("de", p, parts[2]))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case unusable(err):
		return s.breakOff(ctx, p, key("de", p, parts[2]), err)
	case err != nil:
		return err
	case rec.V.Phase == done:
		return nil
	}
	progress, err := s.step(ctx, p, rec)
	if unusable(err) {
		progress, err = Progress{Status: api.DeploymentStatusFailed, Message: messageOf(err)}, nil
	}
	if err != nil {
		return err
	}
	err = s.advance(ctx, p, rec.key, progress, false)
	switch {
	case errors.Is(err, errEnded):
		return nil
	case unusable(err):
		return s.breakOff(ctx, p, rec.key, err)
	}
	return err
}

// step renders a deployment's files the first time, and asks the deliverer for progress.
func (s *Service) step(ctx context.Context, p place, rec *record[deployment]) (Progress, error) {
	d, pr, err := s.rendered(ctx, p, rec)
	if err != nil || d == nil {
		return pr, err
	}
	return s.deliverer.Deliver(ctx, d)
}

// rendered returns what a deployment brings into being, with its files: the first time they are rendered and
// kept, which takes it to the phase provisioning. Where there is nothing to deliver, it says how the deployment stands instead.
func (s *Service) rendered(ctx context.Context, p place, rec *record[deployment]) (*Delivery, Progress, error) {
	cancel := rec.V.DeploymentStatus == api.DeploymentStatusCancelling
	if rec.V.Phase == queued && cancel {
		return nil, Progress{Status: api.DeploymentStatusCancelled}, nil
	}
	if rec.V.Phase == queued {
		if waits, err := s.pipelineWaits(ctx, p, rec); err != nil || waits {
			return nil, Progress{Status: api.DeploymentStatusInProgress}, err
		}
	}
	d, err := s.delivery(ctx, p, rec)
	var bad *failure
	if errors.As(err, &bad) {
		return nil, Progress{Status: api.DeploymentStatusFailed, Message: bad.Error()}, nil
	}
	if err != nil {
		return nil, Progress{}, err
	}
	if d == nil { // nothing to bring into being
		return nil, Progress{Status: api.DeploymentStatusSucceeded}, nil
	}
	if rec.V.Phase == queued {
		if err := s.keepRendered(ctx, rec, d.Files); err != nil {
			return nil, Progress{}, err
		}
	}
	return d, Progress{}, nil
}

// failure is what makes a deployment fail for good, in words for the customer.
type failure struct{ reason string }

func (f *failure) Error() string { return f.reason }

func failed(format string, args ...any) error { return &failure{fmt.Sprintf(format, args...)} }

// keepRendered keeps the rendered files of a deployment. From now on they are not rendered again.
func (s *Service) keepRendered(ctx context.Context, rec *record[deployment], files []bundle.File) error {
	text, err := json.Marshal(files)
	if err != nil {
		return err
	}
	b, err := s.keepBytes(ctx, &rec.head, text)
	if err != nil {
		return err
	}
	changed, err := edit[deployment]{
		key: rec.key,
		change: func(now *record[deployment]) error {
			if now.V.Phase != queued {
				return errChanged
			}
			now.V.Phase, now.V.Rendered = provisioning, b
			return nil
		},
		also: func(tx store.Tx, _, _ *record[deployment]) error { return s.claim(tx, b) },
	}.apply(ctx, s)
	if err == nil {
		*rec = *changed
	}
	return err
}

// renderedFiles opens the rendered files of a deployment.
func (s *Service) renderedFiles(ctx context.Context, rec *record[deployment]) (files []bundle.File, err error) {
	text, err := s.bytesOf(ctx, &rec.head, rec.V.Rendered)
	if err != nil {
		return nil, err
	}
	return files, json.Unmarshal(text, &files)
}

// advance writes down how far a deployment is. notified says that it comes from outside, and not
// from the deliverer: its state stays. A deployment that has ended stays as it is, and errEnded says so.
func (s *Service) advance(ctx context.Context, p place, k []byte, pr Progress, notified bool) error {
	if pr.Status != api.DeploymentStatusInProgress {
		return s.finish(ctx, p, k, pr)
	}
	_, err := edit[deployment]{
		key: k,
		change: func(rec *record[deployment]) error {
			if rec.V.Phase == done {
				return errEnded
			}
			rec.V.LastModifiedAt = s.at()
			if pr.Message != "" {
				rec.V.DeploymentStatusMessage = &pr.Message
			}
			if !notified {
				rec.V.State = pr.State
			}
			if pr.Outputs != nil {
				rec.V.Outputs = pr.Outputs
			}
			return nil
		},
		also: func(tx store.Tx, _, rec *record[deployment]) error {
			if pr.Again == 0 || notified {
				return nil
			}
			return s.jobs.Schedule(tx, job.Job{Kind: jobDeploy, ID: p.region + "/" + p.account + "/" + *rec.V.Id, Due: s.now().Add(pr.Again)})
		},
	}.apply(ctx, s)
	return known(err, errEnded)
}

var errEnded = errors.New("deployment has ended")

// finish ends a deployment: the subject becomes what it was to be, or stays what it was. Both
// are written in one transaction. It says errEnded when somebody else has ended it.
func (s *Service) finish(ctx context.Context, p place, k []byte, pr Progress) error {
	for range tries {
		rec, err := get[deployment](ctx, s, k)
		if errors.Is(err, store.ErrNotFound) || err == nil && rec.V.Phase == done {
			return errEnded
		}
		if err != nil {
			return err
		}
		if err := s.finishOnce(ctx, p, rec, pr); !errors.Is(err, errChanged) {
			return storeError(err)
		}
	}
	return storeError(errChanged)
}

func (s *Service) finishOnce(ctx context.Context, p place, rec *record[deployment], pr Progress) error {
	before := *rec
	x, err := get[subject](ctx, s, rec.V.Subject)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if pr.Outputs == nil && rec.V.Outputs == nil && x != nil && pr.Status == api.DeploymentStatusSucceeded {
		pr.Outputs = x.V.Outputs // nothing was said of them, so they are what they were; an empty list takes them away
	}
	rec.V.end(s, pr)
	w, err2 := prepare(ctx, s, rec)
	if err2 != nil {
		return err2
	}
	var xw *writing
	var xBefore record[subject]
	if x != nil && err == nil {
		xBefore = *x
		x.V.end(s, &rec.V, pr)
		if xw, err = prepare(ctx, s, x); err != nil {
			return err
		}
	}
	return s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		if err := unchanged[deployment](tx, &before); err != nil {
			return err
		}
		if err := w.put(tx); err != nil {
			return err
		}
		if xw == nil {
			return nil
		}
		if err := unchanged[subject](tx, &xBefore); err != nil {
			return err
		}
		return s.putEnded(tx, p, &xBefore, x, rec, xw)
	})
}

// end makes a deployment ended.
func (d *deployment) end(s *Service, pr Progress) {
	now := s.at()
	d.Phase, d.LastModifiedAt, d.CompletedAt = done, now, now
	d.DeploymentStatus, d.State = d.word(pr.Status), nil
	d.DeploymentStatusMessage = nil
	if pr.Message != "" {
		d.DeploymentStatusMessage = wire.Ptr(cut(pr.Message, maxMessage))
	}
	d.Made = pr.Resources
	if pr.Outputs != nil { // else those stay that were told on the way
		d.Outputs = pr.Outputs
	}
	if pr.Status == api.DeploymentStatusSucceeded {
		d.LastSucceededDeploymentId = d.Id
	}
}

// maxMessage is the longest status message in bytes.
const maxMessage = 5000

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// word is how the end of a deployment is called: a deletion has words of its own.
func (d *deployment) word(st api.DeploymentStatus) api.DeploymentStatus {
	if !d.Delete {
		return st
	}
	switch st {
	case api.DeploymentStatusSucceeded:
		return api.DeploymentStatusDeleteComplete
	case api.DeploymentStatusFailed, api.DeploymentStatusCancelled:
		return api.DeploymentStatusDeleteFailed
	}
	return st
}

// end makes the subject what a deployment that has ended made of it.
func (x *subject) end(s *Service, d *deployment, pr Progress) {
	if x.Open != *d.Id {
		return
	}
	x.Open, x.DeploymentStatus, x.DeploymentStatusMessage = "", d.DeploymentStatus, d.DeploymentStatusMessage
	if pr.Status != api.DeploymentStatusSucceeded {
		return
	}
	x.become(d.TargetState)
	if d.Attach != nil {
		x.ServiceName, x.ServiceInstanceName = d.Attach.Service, d.Attach.Instance
	}
	x.Succeeded, x.LastSucceededDeploymentId, x.LastDeploymentSucceededAt = true, d.Id, s.at()
	x.Outputs, x.ProvisionedResources = d.Outputs, pr.Resources
}

// putEnded writes the subject of a deployment that has ended, or deletes it, and what follows.
func (s *Service) putEnded(tx store.Tx, p place, before, x *record[subject], d *record[deployment], w *writing) error {
	if err := s.unlinkVersions(tx, p, before, x, d); err != nil {
		return err
	}
	if x.V.ServiceName != nil && x.V.Kind != api.DeploymentTargetResourceTypeComponent {
		if err := s.scheduleSettle(tx, p, *x.V.ServiceName); err != nil {
			return err
		}
	}
	if a := d.V.Attach; a != nil {
		for _, from := range []attachment{*a, {before.V.ServiceName, before.V.ServiceInstanceName}} {
			k := key("si", p, wire.Val(from.Service), wire.Val(from.Instance))
			if err := tx.Delete(link(usesInstance, k, x.key)); err != nil {
				return err
			}
		}
		if err := setLinks(tx, p, x, true); err != nil {
			return err
		}
	}
	if d.V.DeploymentStatus == api.DeploymentStatusDeleteComplete {
		return s.removeSubject(tx, p, x)
	}
	if x.V.Kind == api.DeploymentTargetResourceTypeComponent && d.V.DeploymentStatus == api.DeploymentStatusSucceeded {
		if err := s.redeployAttached(tx, p, &before.V, &x.V); err != nil {
			return err
		}
	}
	if x.V.Stale {
		if err := s.scheduleRedeploy(tx, p, *x.V.ServiceName, *x.V.Name, 0); err != nil {
			return err
		}
	}
	return w.put(tx)
}

// unlinkVersions forgets that the subject uses versions that it does not have any more, or never came to have.
func (s *Service) unlinkVersions(tx store.Tx, p place, before, x *record[subject], d *record[deployment]) error {
	if d.V.TargetState == nil || x.V.family() == nil {
		return nil
	}
	target := x.V
	target.become(d.V.TargetState)
	keep := x.V.versionKey(p)
	for _, k := range [][]byte{before.V.versionKey(p), target.versionKey(p)} {
		if !bytes.Equal(k, keep) {
			if err := tx.Delete(link(usesVersion, k, x.key)); err != nil {
				return err
			}
		}
	}
	return nil
}

// breakOff fails a deployment whose key cannot be used. Nothing sealed is read or written.
func (s *Service) breakOff(ctx context.Context, p place, k []byte, why error) error {
	note := wire.Ptr(messageOf(why))
	rec, err := plain[deployment](ctx, s, k)
	if err != nil || rec.V.Phase == done {
		return known(err, nil)
	}
	return s.update(ctx, func(tx store.Tx) error {
		rec, err := peek[deployment](tx, k)
		if err != nil || rec.V.Phase == done {
			return known(err, nil)
		}
		now := s.at()
		rec.V.Phase, rec.V.Note, rec.V.CompletedAt, rec.V.LastModifiedAt = done, note, now, now
		rec.V.DeploymentStatus = rec.V.word(api.DeploymentStatusFailed)
		if err := rec.putPlain(tx); err != nil {
			return err
		}
		x, err := peek[subject](tx, rec.V.Subject)
		if err != nil || x.V.Open != *rec.V.Id {
			return known(err, nil)
		}
		x.V.Open, x.V.DeploymentStatus, x.V.Note = "", rec.V.DeploymentStatus, note
		if x.V.Stale {
			if err := s.scheduleRedeploy(tx, p, *x.V.ServiceName, *x.V.Name, redeployRetry); err != nil {
				return err
			}
		}
		if x.V.ServiceName != nil && x.V.Kind != api.DeploymentTargetResourceTypeComponent {
			if err := s.scheduleSettle(tx, p, *x.V.ServiceName); err != nil {
				return err
			}
		}
		return x.putPlain(tx)
	})
}
