package logs

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/store"
)

// A segment is one record:
//
//	uvarint   length of the header
//	header    JSON
//	rest      the sealed events (seal.Bytes), unless the header names a blob, which then is them as a stream (seal.NewSealer)
//
// The events, in order:
//
//	uvarint   time, in milliseconds after the first event's
//	uvarint   length of the message, and the message
//
// Associated data: "logs segment" 0 group id 0 stream id 0 name of the segment.

const (
	maxInline  = 128 << 10 // bytes of events that stand in the record
	blobPrefix = "logs/"
)

// segmentName tells a segment from every other of its group, and says when its events were.
type segmentName struct {
	min, max int64
	serial   string // an id
}

func (n segmentName) String() string { return stamp(n.min) + stamp(n.max) + n.serial }

func parseSegmentName(text string) (n segmentName, err error) {
	if len(text) != 2*stampLength+idLength {
		return n, fmt.Errorf("name of a segment %q", text)
	}
	min, err := strconv.ParseInt(text[:stampLength], 16, 64)
	max, err2 := strconv.ParseInt(text[stampLength:2*stampLength], 16, 64)
	return segmentName{min, max, text[2*stampLength:]}, errors.Join(err, err2)
}

// header is what is known of a segment without opening it.
type header struct {
	Stream   string `json:"stream"` // id
	Name     string `json:"name"`   // of the stream
	Key      string `json:"key"`    // id of the data key
	Ingested int64  `json:"ingested"`
	Bytes    int64  `json:"bytes"` // of the messages
	Blob     string `json:"blob,omitempty"`
}

// event is a message and its time.
type event struct {
	time    int64
	message string
}

func encodeEvents(events []event) []byte {
	var b []byte
	for _, e := range events {
		b = binary.AppendUvarint(b, uint64(e.time-events[0].time))
		b = binary.AppendUvarint(b, uint64(len(e.message)))
		b = append(b, e.message...)
	}
	return b
}

var errSegment = errors.New("segment of a log is malformed")

func decodeEvents(b []byte, first int64) (events []event, err error) {
	for len(b) > 0 {
		after, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errSegment
		}
		b = b[n:]
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return nil, errSegment
		}
		events = append(events, event{first + int64(after), string(b[n : n+int(length)])})
		b = b[n+int(length):]
	}
	return events, nil
}

func segmentKey(group string, n segmentName) []byte { return key("e", group, n.String()) }

func indexKey(group, stream string, n segmentName) []byte {
	return key("i", group, stream, n.String())
}

func associated(group, stream string, n segmentName) []byte {
	return key("logs segment", group, stream, n.String())
}

// sealed is a segment that is to be written.
type sealed struct {
	name   segmentName
	header header
	bytes  []byte // nil for a blob
}

// sealSegment seals events under a data key. What does not fit into a record is a blob, durable when this returns and swept away again unless
// the record comes to name it.
func (s *Service) sealSegment(ctx context.Context, g *group, st *stream, k *dataKey, events []event, at int64) (*sealed, error) {
	seg := &sealed{
		name:   segmentName{events[0].time, events[len(events)-1].time, newID(s.now())},
		header: header{Stream: st.ID, Name: st.Name, Key: k.ID, Ingested: at},
	}
	for _, e := range events {
		seg.header.Bytes += int64(len(e.message)) + eventOverhead
	}
	plain, aad := encodeEvents(events), associated(g.ID, st.ID, seg.name)
	if len(plain) <= maxInline {
		var err error
		seg.bytes, err = seal.Bytes(k.plain, plain, aad)
		return seg, err
	}
	id := seg.name.serial
	seg.header.Blob = blobPrefix + id[len(id)-2:] + "/" + id
	err := s.update(ctx, func(tx store.Tx) error {
		return s.schedule(tx, jobSweep, seg.header.Blob, sweepAfter, nil)
	})
	if err != nil {
		return nil, err
	}
	r, err := seal.NewSealer(bytes.NewReader(plain), k.plain, aad)
	if err != nil {
		return nil, err
	}
	_, err = s.blobs.Put(ctx, seg.header.Blob, r)
	return seg, err
}

// write writes the record of a segment, and counts it.
func (s *Service) write(tx store.Tx, g *group, k *dataKey, seg *sealed) error {
	if seg.header.Blob != "" {
		if _, found, err := s.jobs.Get(tx, jobSweep, seg.header.Blob); err != nil || !found {
			return errors.Join(err, fmt.Errorf("blob %s was swept away before a record named it", seg.header.Blob))
		}
		if err := s.jobs.Cancel(tx, jobSweep, seg.header.Blob); err != nil {
			return err
		}
	}
	text, err := json.Marshal(seg.header)
	if err != nil {
		return err
	}
	value := binary.AppendUvarint(nil, uint64(len(text)))
	value = append(append(value, text...), seg.bytes...)
	k.Segments++
	k.Bytes += seg.header.Bytes
	return errors.Join(tx.Put(segmentKey(g.ID, seg.name), value), tx.Put(indexKey(g.ID, seg.header.Stream, seg.name), nil), k.put(tx))
}

// readSegment takes the record of a segment apart.
func readSegment(r store.Reader, group string, n segmentName) (h header, rest []byte, err error) {
	value, err := r.Get(segmentKey(group, n))
	if err != nil {
		return h, nil, err
	}
	length, m := binary.Uvarint(value)
	if m <= 0 || length > uint64(len(value)-m) {
		return h, nil, errSegment
	}
	return h, value[m+int(length):], json.Unmarshal(value[m:m+int(length)], &h)
}

// openSegment opens the events of a segment whose record has been read.
func (x *ring) openSegment(ctx context.Context, n segmentName, h header, rest []byte) ([]event, error) {
	k, err := x.key(ctx, h.Key)
	if err != nil {
		return nil, err
	}
	aad := associated(x.g.ID, h.Stream, n)
	if h.Blob == "" {
		plain, err := seal.OpenBytes(k.plain, rest, aad)
		if err != nil {
			return nil, fmt.Errorf("segment %s: %w", n, err)
		}
		return decodeEvents(plain, n.min)
	}
	src, err := x.s.blobs.Get(ctx, h.Blob, 0, -1)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	r, err := seal.NewReader(src, k.plain, aad)
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", n, err)
	}
	defer r.Close()
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", n, err)
	}
	return decodeEvents(plain, n.min)
}

// removeSegment removes the record of a segment in tx, and with it its blob, later.
func (s *Service) removeSegment(tx store.Tx, group string, n segmentName) error {
	h, _, err := readSegment(tx, group, n)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	k, err := dataKeyOf(tx, group, h.Key)
	if err != nil {
		return err
	}
	k.Segments--
	k.Bytes -= h.Bytes
	err = errors.Join(tx.Delete(segmentKey(group, n)), tx.Delete(indexKey(group, h.Stream, n)), k.put(tx))
	if err != nil || h.Blob == "" {
		return err
	}
	return s.schedule(tx, jobSweep, h.Blob, sweepLater, nil)
}
