package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/strongroom/strongroom/durable"
)

const (
	exportBlock = int64(2 * time.Hour / time.Millisecond)
	maxFrame    = 50 << 20 // of chunks, in an answer
)

// Selection says what is exported.
type Selection struct {
	From, To time.Time // both included
	Matchers []*labels.Matcher
}

// Export reads samples of a workspace and writes them as Prometheus's blocks of two hours into a folder, in plaintext. A block is
// there when it is whole. An empty log stands beside the blocks, so that Prometheus and promtool take the folder for a data directory. It
// returns how many samples and blocks it has written.
func Export(ctx context.Context, from *Workspace, dir string, what Selection, say func(format string, args ...any)) (samples int64, blocks int, err error) {
	reader, err := from.reader()
	if err != nil {
		return 0, 0, err
	}
	if err := durable.MkdirAll(filepath.Join(dir, "wal"), 0o700); err != nil {
		return 0, 0, err
	}
	if len(what.Matchers) == 0 {
		what.Matchers = []*labels.Matcher{everything}
	}
	mint, maxt := what.From.UnixMilli(), what.To.UnixMilli()
	for start := mint; start <= maxt; {
		end := min(start-mod(start, exportBlock)+exportBlock-1, maxt)
		n, err := exportOne(ctx, reader, dir, start, end, what.Matchers)
		if err != nil {
			return samples, blocks, fmt.Errorf("samples from %s on: %w", when(start), err)
		}
		if samples += n; n > 0 {
			blocks++
			say("%s, %d samples, %d blocks", when(end), samples, blocks)
		}
		start = end + 1
	}
	return samples, blocks, nil
}

// reader is Prometheus's own client of remote read, with our signatures.
func (w *Workspace) reader() (*remote.Client, error) {
	u, err := url.Parse(w.Address + "/api/v1/read")
	if err != nil {
		return nil, err
	}
	c, err := remote.NewReadClient("export", &remote.ClientConfig{
		URL: &config.URL{URL: u}, Timeout: model.Duration(patience), ChunkedReadLimit: maxFrame, HTTPClientConfig: config.DefaultHTTPClientConfig,
	})
	if err != nil {
		return nil, err
	}
	reader, ok := c.(*remote.Client)
	if !ok {
		return nil, fmt.Errorf("client of remote read is a %T", c)
	}
	reader.Client = w.Client
	return reader, nil
}

// exportOne writes one block of the samples from mint to maxt, if there are any.
func exportOne(ctx context.Context, reader *remote.Client, dir string, mint, maxt int64, ms []*labels.Matcher) (n int64, err error) {
	query, err := remote.ToQuery(mint, maxt, ms, nil)
	if err != nil {
		return 0, err
	}
	part, err := os.MkdirTemp(dir, ".part-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(part)) }()
	w, err := tsdb.NewBlockWriter(quiet, part, 2*exportBlock) // half of it is how far a series may be behind another
	if err != nil {
		return 0, err
	}
	if n, err = fetch(ctx, reader, query, w); err != nil || n == 0 {
		return 0, errors.Join(err, w.Close())
	}
	id, err := w.Flush(ctx)
	if err = errors.Join(err, w.Close()); err != nil {
		return 0, err
	}
	if err := durable.Rename(filepath.Join(part, id.String()), filepath.Join(dir, id.String())); err != nil {
		return 0, err
	}
	return n, nil
}

// fetch reads what a query asks for into a block.
func fetch(ctx context.Context, reader *remote.Client, query *prompb.Query, w *tsdb.BlockWriter) (n int64, err error) {
	set, err := reader.Read(ctx, query, false)
	if err != nil {
		return 0, err
	}
	app := w.Appender(ctx)
	var it chunkenc.Iterator
	for set.Next() {
		s := set.At()
		it = s.Iterator(it)
		m, err := copySeries(app, s.Labels(), it, query.StartTimestampMs, query.EndTimestampMs)
		if err != nil {
			return 0, errors.Join(fmt.Errorf("series %s: %w", name(s.Labels()), err), app.Rollback())
		}
		n += m
		if err := app.Commit(); err != nil {
			return 0, err
		}
		app = w.Appender(ctx)
	}
	return n, errors.Join(set.Err(), app.Rollback())
}

// copySeries appends what an iterator has from mint to maxt.
func copySeries(app storage.Appender, ls labels.Labels, it chunkenc.Iterator, mint, maxt int64) (n int64, err error) {
	var ref storage.SeriesRef
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		at := it.AtT()
		if at < mint || at > maxt {
			continue // chunks are sent whole
		}
		switch kind {
		case chunkenc.ValFloat:
			_, v := it.At()
			ref, err = app.Append(ref, ls, at, v)
		case chunkenc.ValHistogram:
			_, h := it.AtHistogram(nil)
			ref, err = app.AppendHistogram(ref, ls, at, h, nil)
		case chunkenc.ValFloatHistogram:
			_, h := it.AtFloatHistogram(nil)
			ref, err = app.AppendHistogram(ref, ls, at, nil, h)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, it.Err()
}

// Match adds what a series selector such as {job="node"} asks for.
func (s *Selection) Match(selector string) error {
	ms, err := parser.NewParser(parser.Options{}).ParseMetricSelector(selector)
	s.Matchers = append(s.Matchers, ms...)
	return err
}
