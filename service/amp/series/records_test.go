package series

import (
	"bytes"
	"errors"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	promdata "github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/tsdb/record"

	"github.com/strongroom/strongroom/seal"
)

// FuzzRecords gives the reader of the log frames that nobody wrote. They are authenticated, so only a fault of
// our own can bring one about: it is found as damage, too.
func FuzzRecords(f *testing.F) {
	db := &DB{times: map[uint64]int64{}, metadata: newMetadata()}
	f.Add(db.encode(&batch{
		samples:  []record.RefSample{{Ref: 1, T: 1000, V: 2}},
		metadata: []entry{{"m", promdata.Metadata{Type: "counter", Unit: "bytes", Help: "help"}}},
	}, 1, nil))
	f.Add(framed(nil, deletion{-5, 1 << 40, []*labels.Matcher{labels.MustNewMatcher(labels.MatchNotRegexp, "a", "b.*")}}.encode))
	f.Add([]byte{0, 0, 0, 5, deletionType, 1, 2, 9, 1})
	f.Add([]byte{0, 0, 0, 1, metadataType})
	f.Add([]byte{0, 0, 0, 9, metadataType, 1, 'a', 0, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, frame []byte) {
		err := split(frame, func(rec []byte) error {
			switch rec[0] {
			case deletionType:
				return sameDeletion(t, rec)
			case metadataType:
			default:
				return nil
			}
			e, err := decodeEntry(rec)
			if err != nil {
				return err
			}
			again, err := decodeEntry(e.encode(nil))
			if err != nil || again != e {
				t.Errorf("%v became %v, %v", e, again, err)
			}
			return nil
		})
		if err != nil && !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("got %v", err)
		}
	})
}

func sameDeletion(t *testing.T, rec []byte) error {
	d, err := decodeDeletion(rec)
	if err != nil {
		return err
	}
	again, err := decodeDeletion(d.encode(nil))
	if err != nil || !bytes.Equal(again.encode(nil), d.encode(nil)) {
		t.Errorf("%v became %v, %v", d, again, err)
	}
	return nil
}
