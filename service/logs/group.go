package logs

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// group is the record of a log group.
type group struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Created   int64         `json:"created"`             // milliseconds
	Retention int32         `json:"retention,omitempty"` // days; 0 for ever
	Key       string        `json:"key,omitempty"`       // ARN of the customer's KMS key; "" for the service's
	Class     string        `json:"class,omitempty"`
	Tags      resource.Tags `json:"tags,omitempty"`

	at place
}

// groupAt reads a group.
func groupAt(r store.Reader, p place, name string) (*group, error) {
	g, err := get[group](r, p.groupKey(name))
	if err != nil {
		return nil, known(err, noGroup())
	}
	g.at = p
	return &g, nil
}

func (g *group) arn() string { return g.at.groupARN(g.Name) }

func (g *group) put(tx store.Tx) error { return put(tx, g.at.groupKey(g.Name), g) }

// groupNamed reads the group of a call's name or identifier, one of which must be given.
func (s *Service) groupNamed(ctx context.Context, name, identifier *string) (g *group, err error) {
	p := here(ctx)
	found, err := p.identified(name, identifier)
	if err != nil {
		return nil, err
	}
	err = s.db.View(ctx, func(r store.Reader) error {
		g, err = groupAt(r, p, found)
		return err
	})
	return g, err
}

// identified is the name of the group that a name, or an identifier that is a name or an ARN, stands for.
func (p place) identified(name, identifier *string) (string, error) {
	switch {
	case (name == nil) == (identifier == nil):
		return "", invalid("Exactly one of logGroupName and logGroupIdentifier must be specified.")
	case name != nil:
		return *name, nil
	case !strings.HasPrefix(*identifier, "arn:"):
		return *identifier, nil
	}
	group, ok := p.groupOfARN(*identifier)
	if !ok {
		return "", noGroup()
	}
	return group, nil
}

// changeGroup changes the record of a group.
func (s *Service) changeGroup(ctx context.Context, name string, change func(store.Tx, *group) error) error {
	p := here(ctx)
	return s.update(ctx, func(tx store.Tx) error {
		g, err := groupAt(tx, p, name)
		if err != nil {
			return err
		}
		if err := change(tx, g); err != nil {
			return err
		}
		return g.put(tx)
	})
}

// createGroup makes a group, whose key has been found usable.
func (s *Service) createGroup(ctx context.Context, g *group, first *dataKey) error {
	return s.update(ctx, func(tx store.Tx) error {
		there, err := store.Exists(tx, g.at.groupKey(g.Name))
		if err != nil {
			return err
		}
		if there {
			return api.ResourceAlreadyExistsException("The specified log group already exists")
		}
		if first != nil {
			if err := first.put(tx); err != nil {
				return err
			}
		}
		return g.put(tx)
	})
}

// deleteGroup deletes a group; what it has kept goes in the background.
func (s *Service) deleteGroup(ctx context.Context, name string) error {
	p := here(ctx)
	return s.update(ctx, func(tx store.Tx) error {
		g, err := groupAt(tx, p, name)
		if err != nil {
			return err
		}
		if err := errors.Join(s.jobs.Cancel(tx, jobExpire, g.ID), s.schedule(tx, jobRemove, g.ID, 0, nil)); err != nil {
			return err
		}
		return tx.Delete(p.groupKey(name))
	})
}

// retentions are the days for which events may be kept (PutRetentionPolicy, API reference).
var retentions = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// setRetention says how long the events of a group are kept; 0 days are for ever.
func (s *Service) setRetention(ctx context.Context, name string, days int32) error {
	if days != 0 && !slices.Contains(retentions, days) {
		return invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", days, retentions)
	}
	return s.changeGroup(ctx, name, func(tx store.Tx, g *group) error {
		g.Retention = days
		if days == 0 {
			return s.jobs.Cancel(tx, jobExpire, g.ID)
		}
		return s.scheduleExpire(tx, g, 0)
	})
}

// chooseKey makes sure that the service may use a customer's key for a group, and returns a data key under it.
func (s *Service) chooseKey(ctx context.Context, g *group) (*dataKey, error) {
	a, err := arn.Parse(g.Key)
	if err != nil || a.Service != "kms" || a.Region != g.at.region || len(a.Resource) < 5 || !strings.HasPrefix(a.Resource, "key/") {
		return nil, invalid("The specified KMS key '%s' is not the ARN of a key of this region.", g.Key)
	}
	k, err := s.newDataKey(ctx, g)
	if err != nil {
		return nil, chosenKeyError(g.arn(), g.Key, err)
	}
	return k, nil
}

// setKey gives a group another key; "" is the service's. What is sealed already stays as it is.
func (s *Service) setKey(ctx context.Context, name, keyARN string) error {
	g, err := s.groupNamed(ctx, &name, nil)
	if err != nil {
		return err
	}
	id := g.ID
	g.Key = keyARN
	var first *dataKey
	if keyARN != "" {
		if first, err = s.chooseKey(ctx, g); err != nil {
			return err
		}
	}
	return s.changeGroup(ctx, name, func(tx store.Tx, g *group) error {
		if g.ID != id {
			return errChanged
		}
		g.Key = keyARN
		if first == nil {
			return nil
		}
		return first.put(tx)
	})
}

// described is a group as the API shows it. storedBytes are those of its segments.
func (g *group) described(r store.Reader) (*api.LogGroup, error) {
	bytes, err := storedBytes(r, g.ID)
	if err != nil {
		return nil, err
	}
	d := &api.LogGroup{
		LogGroupName: &g.Name, CreationTime: &g.Created, Arn: wire.Ptr(g.arn() + ":*"), LogGroupArn: wire.Ptr(g.arn()),
		MetricFilterCount: wire.Ptr(int32(0)), StoredBytes: &bytes, LogGroupClass: api.LogGroupClass(g.Class),
	}
	if g.Retention != 0 {
		d.RetentionInDays = &g.Retention
	}
	if g.Key != "" {
		d.KmsKeyId = &g.Key
	}
	return d, nil
}
