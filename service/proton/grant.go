package proton

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// A grant stands in KMS and the record of its template here, and the house may stop between the
// two writings. So before a grant is made, a job is there to retire it; the transaction that writes the record
// takes the job away, and the one that deletes the record brings it back.

const (
	jobUngrant   = "ungrant"
	ungrantAfter = time.Hour   // of a grant that no record came to name
	ungrantLater = time.Minute // of one whose record is gone, if it is not retired at once
)

// pledge is a grant that may have to be retired: by its id, or where that is not known by its name.
type pledge struct {
	Head      head
	ID, Name  string
	GrantedBy string // service principal that it was made for
}

func grantee(p place) string { return "proton." + p.region + ".amazonaws.com" }

// pledge has the grants of a name retired, unless a record comes to keep them.
func (s *Service) pledge(ctx context.Context, p place, h *head) (name string, err error) {
	name = "proton-" + rand.Text()
	return name, s.update(ctx, func(tx store.Tx) error {
		return s.scheduleUngrant(tx, pledge{Head: *h, Name: name, GrantedBy: grantee(p)}, name, ungrantAfter)
	})
}

func (s *Service) scheduleUngrant(tx store.Tx, of pledge, id string, after time.Duration) error {
	text, err := compact(of)
	if err != nil {
		return err
	}
	return s.jobs.Schedule(tx, job.Job{Kind: jobUngrant, ID: id, Due: s.now().Add(after), Payload: text})
}

// keepGrant says that the record which tx writes keeps the grants of the name.
func (s *Service) keepGrant(tx store.Tx, name string) error {
	if name == "" {
		return nil
	}
	return s.jobs.Cancel(tx, jobUngrant, name)
}

// dropGrant says that the record which tx deletes keeps its grant no more.
func (s *Service) dropGrant(tx store.Tx, h *head, grant string) error {
	if grant == "" {
		return nil
	}
	return s.scheduleUngrant(tx, pledge{Head: *h, ID: grant}, grant, ungrantLater)
}

// grant makes the grant by which the service uses a customer's key for one template and nothing
// else. It is made with the caller's own permission, over the road, so that a caller who may not
// make grants on the key cannot name it. Without a customer's key there is none.
func (s *Service) grant(ctx context.Context, p place, h *head) (id, name string, err error) {
	if h.Key == "" {
		return "", "", nil
	}
	if name, err = s.pledge(ctx, p, h); err != nil {
		return "", "", err
	}
	who := grantee(p)
	out, err := s.kms.CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: &h.Key, GranteePrincipal: &who, RetiringPrincipal: &who, Name: &name,
		Operations: []kms.GrantOperation{
			kms.GrantOperationDecrypt, kms.GrantOperationDescribeKey, kms.GrantOperationGenerateDataKey,
		},
		Constraints: &kms.GrantConstraints{EncryptionContextSubset: map[string]string{"aws:proton:template": h.Template}},
	})
	var e *wire.Error
	switch {
	case err == nil:
		return wire.Val(out.GrantId), name, nil
	case !errors.As(err, &e) || e.Fault:
		return "", "", err
	case e.Code == "AccessDeniedException" || e.Code == "ThrottlingException":
		return "", "", e
	}
	return "", "", invalid("AWS Proton can't use the KMS key %s: %s: %s", h.Key, e.Code, e.Message).WithCause(err)
}

// tryKey makes sure that the key of a resource can be used.
func (s *Service) tryKey(ctx context.Context, h *head) error {
	if _, err := s.keys.Make(h.context(ctx), h.keyID(), h.pairs()); err != nil {
		return keyError(h.Resource, err)
	}
	return nil
}

// releaseGrant gives a grant back. One that cannot be retired, because its key is gone or it was
// retired before, needs no more than a note: the resource is gone, and nothing is left to open.
func (s *Service) releaseGrant(ctx context.Context, h *head, grant string) {
	if grant == "" {
		return
	}
	ctx = h.context(context.WithoutCancel(ctx))
	if _, err := s.kms.RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &h.Key, GrantId: &grant}); err != nil {
		s.log.Info("grant of a deleted template was not retired", "template", h.Template, "error", err)
	}
}

// ungrant retires the grants of a creation that was cut off, or of a deletion that was.
func (s *Service) ungrant(ctx context.Context, j job.Job) error {
	var of pledge
	if err := json.Unmarshal(j.Payload, &of); err != nil {
		return err
	}
	if of.ID != "" {
		s.releaseGrant(ctx, &of.Head, of.ID)
		return nil
	}
	in := &kms.ListRetirableGrantsInput{RetiringServicePrincipal: &of.GrantedBy, Limit: wire.Ptr(int32(100))}
	for {
		out, err := s.kms.ListRetirableGrants(of.Head.context(ctx), in)
		if err != nil {
			return err
		}
		for _, g := range out.Grants {
			if wire.Val(g.Name) == of.Name {
				s.releaseGrant(ctx, &of.Head, wire.Val(g.GrantId))
			}
		}
		if !wire.Val(out.Truncated) {
			return nil
		}
		in.Marker = out.NextMarker
	}
}
