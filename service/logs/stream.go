package logs

import (
	"context"
	"strconv"
	"strings"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// stream is the record of a log stream. Times are milliseconds.
type stream struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Created  int64  `json:"created"`
	First    int64  `json:"first,omitempty"`    // of its events
	Last     int64  `json:"last,omitempty"`     // of its events
	Ingested int64  `json:"ingested,omitempty"` // when events last came; 0 for never
}

// streamOf reads a stream of a group.
func streamOf(r store.Reader, g *group, name string) (*stream, error) {
	st, err := get[stream](r, key("s", g.ID, name))
	if err != nil {
		return nil, known(err, noStream())
	}
	return &st, nil
}

// orderKey is where a stream stands in the order of last events.
func (st *stream) orderKey(g *group) []byte { return key("o", g.ID, stamp(st.Last), st.Name) }

func (st *stream) put(tx store.Tx, g *group) error {
	if err := tx.Put(st.orderKey(g), nil); err != nil {
		return err
	}
	return put(tx, key("s", g.ID, st.Name), st)
}

// received notes that events of some times came at another.
func (st *stream) received(tx store.Tx, g *group, first, last, at int64) error {
	if err := tx.Delete(st.orderKey(g)); err != nil {
		return err
	}
	if st.Ingested == 0 || first < st.First {
		st.First = first
	}
	st.Last, st.Ingested = max(st.Last, last), at
	return st.put(tx, g)
}

// createStream makes a stream without events.
func (s *Service) createStream(ctx context.Context, groupName, name string) error {
	if strings.Contains(name, sep) {
		return invalid("1 validation error detected: Value at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*")
	}
	p := here(ctx)
	return s.update(ctx, func(tx store.Tx) error {
		g, err := groupAt(tx, p, groupName)
		if err != nil {
			return err
		}
		there, err := store.Exists(tx, key("s", g.ID, name))
		if err != nil {
			return err
		}
		if there {
			return api.ResourceAlreadyExistsException("The specified log stream already exists")
		}
		st := &stream{ID: newID(s.now()), Name: name, Created: s.milliseconds()}
		return st.put(tx, g)
	})
}

// deleteStream deletes a stream; its segments go in the background.
func (s *Service) deleteStream(ctx context.Context, groupName, name string) error {
	p := here(ctx)
	return s.update(ctx, func(tx store.Tx) error {
		g, err := groupAt(tx, p, groupName)
		if err != nil {
			return err
		}
		st, err := streamOf(tx, g, name)
		if err != nil {
			return err
		}
		if err := s.schedule(tx, jobRemove, g.ID+"/"+st.ID, 0, nil); err != nil {
			return err
		}
		if err := tx.Delete(st.orderKey(g)); err != nil {
			return err
		}
		return tx.Delete(key("s", g.ID, name))
	})
}

// described is a stream as the API shows it.
func (st *stream) described(g *group) *api.LogStream {
	d := &api.LogStream{
		LogStreamName: &st.Name, CreationTime: &st.Created, Arn: wire.Ptr(g.arn() + ":log-stream:" + st.Name), StoredBytes: wire.Ptr(int64(0)),
	}
	if st.Ingested != 0 {
		d.FirstEventTimestamp, d.LastEventTimestamp, d.LastIngestionTime = &st.First, &st.Last, &st.Ingested
		d.UploadSequenceToken = wire.Ptr(sequenceToken(st.Ingested))
	}
	return d
}

// sequenceToken is what PutLogEvents answers with. It is not asked for any more (PutLogEvents, API reference).
func sequenceToken(ingested int64) string {
	return "4" + strings.Repeat("0", 40) + strconv.FormatInt(ingested, 10)
}
