package moving

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/strongroom/strongroom/test/canary"
	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

const (
	canaryMetric = "canary_metric_name_total"
	canaryLabel  = "canary_label_name"
	canaryValue  = "canary-label-value"
)

// openSeries opens a data directory as a Prometheus does.
func openSeries(t *testing.T, dir string) *tsdb.DB {
	t.Helper()
	o := tsdb.DefaultOptions()
	o.RetentionDuration = 0
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// prometheusData makes the data directory of a Prometheus that has scraped for some hours, and returns what is in it.
func prometheusData(t *testing.T, dir string, begin time.Time, hours int) []string {
	t.Helper()
	db := openSeries(t, dir)
	for at := begin; at.Before(begin.Add(time.Duration(hours) * time.Hour)); at = at.Add(time.Minute) {
		app := db.Appender(ctx)
		for i := range 10 {
			ls := labels.FromStrings("__name__", canaryMetric, canaryLabel, fmt.Sprint(canaryValue, i))
			if _, err := app.Append(0, ls, at.UnixMilli()+int64(i), float64(at.Minute()*i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(db.Compact(ctx), db.Close()); err != nil {
		t.Fatal(err)
	}
	return seriesIn(t, dir)
}

// seriesIn returns all samples in a data directory, in order.
func seriesIn(t *testing.T, dir string) (list []string) {
	t.Helper()
	db := openSeries(t, dir)
	defer db.Close()
	q, err := db.Querier(math.MinInt64/2, math.MaxInt64/2)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(ctx, true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".*"))
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() != chunkenc.ValNone {
			at, v := it.At()
			list = append(list, fmt.Sprint(set.At().Labels(), " ", at, " ", v))
		}
		if err := it.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// program runs the program as the administrator of a house.
func program(t *testing.T, h *house.House, args ...string) string {
	t.Helper()
	cmd := exec.Command(house.Binary(t), args...)
	cmd.Env = h.Environ(h.Admin)
	cmd.Dir = t.TempDir()
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return string(text)
}

// exported exports a workspace and returns what the blocks hold.
func exported(t *testing.T, h *house.House, workspace string, from time.Time) []string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "blocks")
	program(t, h, "amp", "export", workspace, dir, "--from", from.Add(-time.Hour).UTC().Format(time.RFC3339))
	promtool(t, dir)
	return seriesIn(t, dir)
}

// promtool has Prometheus's own tool read the blocks, and looks whether it finds all samples in them.
func promtool(t *testing.T, dir string) {
	t.Helper()
	t.Run("promtool", func(t *testing.T) {
		tool, err := exec.LookPath("promtool")
		if err != nil {
			outside.Missing(t, "promtool, of Debian's package prometheus, is not installed")
		}
		blocks, err := filepath.Glob(filepath.Join(dir, "*", "meta.json"))
		if err != nil || len(blocks) == 0 {
			t.Fatalf("%d blocks, %v", len(blocks), err)
		}
		run := func(args ...string) string {
			t.Helper()
			var out, errs strings.Builder
			cmd := exec.Command(tool, append([]string{"tsdb"}, args...)...)
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				t.Fatalf("promtool tsdb %s: %v\n%s%s", args[0], err, &out, &errs)
			}
			return out.String()
		}
		list := run("list", dir)
		for _, b := range blocks {
			if id := filepath.Base(filepath.Dir(b)); !strings.Contains(list, id) {
				t.Errorf("promtool tsdb list: block %s is missing in\n%s", id, list)
			}
		}
		run("analyze", dir)
		var got []string
		for line := range strings.Lines(run("dump", dir)) {
			f := strings.Fields(line)
			if n := len(f); n >= 3 {
				got = append(got, strings.Join(f[:n-2], " ")+" "+f[n-1]+" "+f[n-2])
			}
		}
		want := seriesIn(t, dir)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("promtool tsdb dump: %d samples, want %d", len(got), len(want))
		}
	})
}

func customerWorkspace(t *testing.T, h *house.House) string {
	t.Helper()
	key, err := h.AsAdmin().KMS().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return h.AsAdmin().NewWorkspace(t, *key.KeyMetadata.Arn)
}

// TestSeriesMove brings what a Prometheus has stored into a workspace, and looks for all of it after a kill, in a backup that was restored, after the
// root key was rotated, and in the blocks that come out. No name and no value of a label is found in the data directory.
func TestSeriesMove(t *testing.T) {
	begin := time.Now().Add(-6 * time.Hour).Truncate(time.Minute)
	data := t.TempDir()
	want := prometheusData(t, data, begin, 5)
	temporary := t.TempDir()
	h := house.New(t)
	h.Env = append(h.Env, "TMPDIR="+temporary)
	h.Restart()
	ws := customerWorkspace(t, h)
	program(t, h, "amp", "import", ws, data)
	check := func(what string, h *house.House) {
		t.Helper()
		if got := exported(t, h, ws, begin); !slices.Equal(got, want) {
			t.Errorf("%s: %d samples came out, want %d", what, len(got), len(want))
		}
	}
	check("imported", h)
	h.Kill()
	h.Restart()
	check("killed", h)
	hunt(t, h, temporary)
	if text, err := h.Run("check"); err != nil || !strings.Contains(text, ws) || strings.Contains(text, "NOT") {
		t.Errorf("check of the house that runs: %v\n%s", err, text)
	}
	backup := filepath.Join(t.TempDir(), "backup")
	if text, err := h.Run("backup", backup); err != nil {
		t.Fatalf("backup: %v\n%s", err, text)
	}
	restored := house.New(t)
	restored.RootKey, restored.Account, restored.Admin = h.RootKey, h.Account, h.Admin
	if text, err := restored.Run("restore", backup); err != nil {
		t.Fatalf("restore: %v\n%s", err, text)
	}
	restored.Restart()
	check("restored", restored)
	restored.Stop()
	if text, err := restored.Run("rootkey", "rotate"); err != nil {
		t.Fatalf("rotate: %v\n%s", err, text)
	}
	if text, err := restored.Run("check"); err != nil || !strings.Contains(text, ws) {
		t.Errorf("check after the rotation: %v\n%s", err, text)
	}
	restored.Restart()
	check("root key rotated", restored)
}

// hunt looks for what went into the workspace in all that the house has on disk.
func hunt(t *testing.T, h *house.House, temporary string) {
	t.Helper()
	var hunt canary.Hunt
	for _, c := range []string{canaryMetric, canaryLabel, canaryValue} {
		hunt.Add(c, []byte(c))
	}
	for _, dir := range []string{h.Dir, temporary} {
		findings, read, err := hunt.Dir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if dir == h.Dir && read < 100_000 {
			t.Errorf("only %d bytes were looked at", read)
		}
		for _, f := range findings {
			t.Error(f)
		}
	}
	if findings := hunt.Bytes("the output", []byte(h.Output())); len(findings) > 0 {
		t.Error(findings)
	}
	if _, err := os.Stat(filepath.Join(h.Dir, "services", "aps")); err != nil {
		t.Errorf("there is no log where it was looked for: %v", err)
	}
}
