package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/fileutil"
)

// dumpBlock is how much time of a dump is brought into one block, for which the dump is read once.
const dumpBlock = 12 * time.Hour

// OpenDump opens a dump in the OpenMetrics format, such as promtool tsdb dump-openmetrics writes: every sample has a time,
// and those of a series stand in the order of time. It is brought into blocks in the folder scratch first.
func OpenDump(ctx context.Context, file, scratch string) (_ *Source, err error) {
	f, err := fileutil.OpenMmapFile(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	mint, maxt := int64(math.MaxInt64), int64(math.MinInt64)
	err = readDump(f.Bytes(), func(_ textparse.Parser, at int64, _ float64) error {
		mint, maxt = min(mint, at), max(maxt, at)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if mint > maxt {
		return nil, fmt.Errorf("%s: %w", file, errNothing)
	}
	blocks := filepath.Join(scratch, "blocks")
	span := dumpBlock.Milliseconds()
	for from := mint - mod(mint, span); from <= maxt; from += span {
		if err := writeDump(ctx, f.Bytes(), blocks, from, span); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return OpenDirectory(blocks, scratch)
}

// readDump calls fn for every sample.
func readDump(text []byte, fn func(p textparse.Parser, at int64, v float64) error) error {
	p := textparse.NewOpenMetricsParser(text, labels.NewSymbolTable())
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		series, at, v := p.Series()
		if at == nil {
			return fmt.Errorf("a sample of %.40q has no time", series)
		}
		if err := fn(p, *at, v); err != nil {
			return err
		}
	}
}

// writeDump brings the samples of some time into a block.
func writeDump(ctx context.Context, text []byte, dir string, from, span int64) (err error) {
	w, err := tsdb.NewBlockWriter(quiet, dir, 2*span) // half of it is how far a series may be behind another
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	app, pending, total := w.Appender(ctx), 0, 0
	err = readDump(text, func(p textparse.Parser, at int64, v float64) error {
		if at < from || at >= from+span {
			return nil
		}
		var ls labels.Labels
		p.Labels(&ls)
		if _, err := app.Append(0, ls, at, v); err != nil {
			return fmt.Errorf("series %s: %w", name(ls), err)
		}
		total++
		if pending++; pending < fullRequest {
			return ctx.Err()
		}
		pending = 0
		err := app.Commit()
		app = w.Appender(ctx)
		return err
	})
	if err != nil {
		return errors.Join(err, app.Rollback())
	}
	if err := app.Commit(); err != nil || total == 0 {
		return err
	}
	_, err = w.Flush(ctx)
	return err
}
