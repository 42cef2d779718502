package transfer

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// LeftOutError says that an import came to its end, and that the workspace has not taken all of it: it had newer samples of the
// same series by then, or others at the same times.
type LeftOutError struct {
	// Samples are those that are not in the workspace.
	Samples int64
	// Unclear are samples that were refused where the workspace could not be read: they may be there from before.
	Unclear int64
}

func (e *LeftOutError) Error() string {
	const why = "by then the workspace had newer samples of the same series, or others at the same times"
	switch {
	case e.Unclear == 0:
		return fmt.Sprintf("%d samples were left out: %s", e.Samples, why)
	case e.Samples == 0:
		return fmt.Sprintf("up to %d samples were left out: %s; the workspace cannot be read, which would tell how many", e.Unclear, why)
	}
	return fmt.Sprintf("%d samples were left out, and up to %d more where the workspace could not be read: %s", e.Samples, e.Unclear, why)
}

// value is a sample as far as it takes to know it again.
type value struct {
	histogram  bool
	count, sum uint64 // bits; sum is the value of a float
}

// values calls fn with each sample of a series from mint to maxt.
func values(s storage.Series, mint, maxt int64, fn func(at int64, v value)) error {
	it := s.Iterator(nil)
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		at, v := it.AtT(), value{}
		if at < mint || at > maxt {
			continue
		}
		if kind == chunkenc.ValFloat {
			_, f := it.At()
			v.sum = math.Float64bits(f)
		} else {
			_, h := it.AtFloatHistogram(nil)
			v = value{true, math.Float64bits(h.Count), math.Float64bits(h.Sum)}
		}
		fn(at, v)
	}
	return it.Err()
}

// held reads the series of a workspace in their order, along with those of a source.
type held struct {
	set  storage.SeriesSet
	at   storage.Series // not looked at yet; nil at the end
	last labels.Labels
}

// errOrder says that the two cannot be read side by side.
var errOrder = errors.New("the workspace does not answer in the order of series")

func (h *held) next() error {
	h.at = nil
	if !h.set.Next() {
		return h.set.Err()
	}
	if h.at = h.set.At(); labels.Compare(h.at.Labels(), h.last) < 0 {
		return errOrder
	}
	h.last = h.at.Labels().Copy()
	return nil
}

// of returns the samples of a series. The next series that is asked for comes after it.
func (h *held) of(ls labels.Labels, mint, maxt int64) (map[int64]value, error) {
	found := map[int64]value{}
	for h.at != nil {
		order := labels.Compare(h.at.Labels(), ls)
		if order > 0 {
			break
		}
		if order == 0 { // perhaps in several parts
			if err := values(h.at, mint, maxt, func(at int64, v value) { found[at] = v }); err != nil {
				return nil, err
			}
		}
		if err := h.next(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// missing counts the samples of a source from mint to maxt that a workspace does not hold.
func missing(ctx context.Context, from *Source, to *Workspace, mint, maxt int64) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reader, err := to.reader()
	if err != nil {
		return 0, err
	}
	query, err := remote.ToQuery(mint, maxt, []*labels.Matcher{everything}, nil)
	if err != nil {
		return 0, err
	}
	set, err := reader.Read(ctx, query, true)
	if err != nil {
		return 0, err
	}
	h := &held{set: set}
	if err := h.next(); err != nil {
		return 0, err
	}
	err = from.between(ctx, mint, maxt, func(s storage.Series) error {
		found, err := h.of(s.Labels(), mint, maxt)
		if err != nil {
			return err
		}
		return values(s, mint, maxt, func(at int64, v value) {
			if there, ok := found[at]; !ok || there != v {
				n++
			}
		})
	})
	for err == nil && h.at != nil { // to its end, which lets the connection go
		err = h.next()
	}
	return n, err
}
