package amp

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/amp/detect"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// detector is the record of an anomaly detector. What it is told, a query and labels, is a sealed document of the workspace.
type detector struct {
	ID       string    `json:"id"`
	Alias    string    `json:"alias"`
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
	Rev      string    `json:"rev"` // of the configuration
}

// detectorDocuments begins the names of the documents that hold configurations of detectors.
const detectorDocuments = "detector/"

// detectorMemory is what the models of all detectors of the house take at most.
const detectorMemory = 1 << 30

func detectorDocument(id string) string { return detectorDocuments + id }

func detectorKey(w tenant.ID, id string) []byte { return tenant.Key(w, "detector", id) }
func detectorsOf(w tenant.ID) []byte            { return tenant.Key(w, "detector", "") }

func detectorARN(w tenant.ID, id string) string {
	return placeOf(w).arn(kindDetector + "/" + w.Workspace + "/" + id)
}

func decodeDetector(text []byte) (d detector, err error) { return d, json.Unmarshal(text, &d) }

// readDetector returns the record of a detector.
func (s *Service) readDetector(ctx context.Context, w tenant.ID, id string) (d detector, tags tagMap, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		var found bool
		if d, found, err = get[detector](r, detectorKey(w, id)); err == nil && !found {
			return notFound(kindDetector, id)
		}
		if err == nil {
			tags, err = readTags(r, detectorARN(w, id))
		}
		return err
	})
	return d, tags, err
}

// detectorStatus is the status of a detector: it is active when it was evaluated as it is now, and has failed as long as that fails.
func (s *Service) detectorStatus(w tenant.ID, d detector) *api.AnomalyDetectorStatus {
	status := func(code api.AnomalyDetectorStatusCode, why error) *api.AnomalyDetectorStatus {
		out := &api.AnomalyDetectorStatus{StatusCode: code}
		if why != nil {
			out.StatusReason = wire.Ptr(why.Error())
		}
		return out
	}
	fresh, st := d.Created.Equal(d.Modified), s.alerting.detecting(w, d.ID)
	switch {
	case st.Revision == d.Rev && st.Trained && (st.Err == nil || errors.Is(st.Err, detect.ErrTooMany)):
		return status(api.AnomalyDetectorStatusCodeActive, st.Err)
	case st.Revision == d.Rev && st.Trained && fresh:
		return status(api.AnomalyDetectorStatusCodeCreationFailed, st.Err)
	case st.Revision == d.Rev && st.Trained:
		return status(api.AnomalyDetectorStatusCodeUpdateFailed, st.Err)
	case d.Modified.Before(s.alerting.began): // it was, before the house began again
		return status(api.AnomalyDetectorStatusCodeActive, nil)
	case fresh:
		return status(api.AnomalyDetectorStatusCodeCreating, nil)
	}
	return status(api.AnomalyDetectorStatusCodeUpdating, nil)
}

// detectorConfig makes a configuration of what a request says.
func detectorConfig(c *api.AnomalyDetectorConfiguration, missing *api.AnomalyDetectorMissingDataAction, seconds *int32, labels map[string]string) ([]byte, error) {
	if c == nil || c.RandomCutForest == nil {
		return nil, invalid("configuration", "There is no algorithm configuration.")
	}
	f := c.RandomCutForest
	out := detect.Config{
		Query: wire.Val(f.Query), Labels: labels, Interval: time.Duration(wire.Val(seconds)) * time.Second,
		Shingle: int(wire.Val(f.ShingleSize)), Sample: int(wire.Val(f.SampleSize)), Above: near(f.IgnoreNearExpectedFromAbove), Below: near(f.IgnoreNearExpectedFromBelow),
	}
	if missing != nil {
		out.MarkMissing, out.SkipMissing = missing.MarkAsAnomaly, missing.Skip
	}
	switch err := out.Check(); {
	case errors.Is(err, detect.ErrLabels):
		return nil, secretly(invalid("labels", "%s", err.Error()))
	case errors.Is(err, detect.ErrQuery):
		return nil, secretly(invalid("configuration.randomCutForest.query", "%s", err.Error()))
	case err != nil:
		return nil, invalid("configuration.randomCutForest", "%s", err.Error())
	}
	return json.Marshal(&out)
}

// secretly marks an error that repeats words of what was sent.
func secretly(e *wire.Error) error {
	e.Sensitive = true
	return e
}

func near(n *api.IgnoreNearExpected) *detect.Near {
	if n == nil {
		return nil
	}
	return &detect.Near{Amount: n.Amount, Ratio: n.Ratio}
}

func shownNear(n *detect.Near) *api.IgnoreNearExpected {
	if n == nil {
		return nil
	}
	return &api.IgnoreNearExpected{Amount: n.Amount, Ratio: n.Ratio}
}

// describeDetector is a detector as the API shows it.
func (s *Service) describeDetector(w tenant.ID, d detector, tags tagMap, text []byte) (*api.AnomalyDetectorDescription, error) {
	var c detect.Config
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, err
	}
	out := &api.AnomalyDetectorDescription{
		AnomalyDetectorId: &d.ID, Arn: wire.Ptr(detectorARN(w, d.ID)), Alias: &d.Alias, CreatedAt: &d.Created, ModifiedAt: &d.Modified, Tags: tags,
		Status: s.detectorStatus(w, d), EvaluationIntervalInSeconds: wire.Ptr(int32(c.Interval / time.Second)), Labels: c.Labels,
		Configuration: &api.AnomalyDetectorConfiguration{RandomCutForest: &api.RandomCutForestConfiguration{
			Query: &c.Query, ShingleSize: wire.Ptr(int32(c.Shingle)), SampleSize: wire.Ptr(int32(c.Sample)),
			IgnoreNearExpectedFromAbove: shownNear(c.Above), IgnoreNearExpectedFromBelow: shownNear(c.Below),
		}},
	}
	if c.MarkMissing != nil || c.SkipMissing != nil {
		out.MissingDataAction = &api.AnomalyDetectorMissingDataAction{MarkAsAnomaly: c.MarkMissing, Skip: c.SkipMissing}
	}
	return out, nil
}

// makeDetector keeps a new detector. Its alias is that of no other in the workspace: what both write would be the same series.
func (s *Service) makeDetector(ctx context.Context, w tenant.ID, alias string, text []byte, also func(store.Tx, detector) error) (d detector, err error) {
	now := s.at()
	d = detector{ID: "ad-" + call.NewID(), Alias: alias, Created: now, Modified: now, Rev: newRevision()}
	return d, s.inWorkspace(ctx, w, func(t *tenant.Tenant) error {
		if _, err := s.seriesOf(t); err != nil {
			return err
		}
		return t.PutDocument(ctx, detectorDocument(d.ID), text, func(tx store.Tx) error {
			for rec, err := range tx.Scan(store.Prefix(detectorsOf(w))) {
				if err != nil {
					return err
				}
				other, err := decodeDetector(rec.Value)
				if err != nil {
					return err
				}
				if other.Alias == alias {
					return conflict(kindDetector, other.ID, "AnomalyDetector already exists: %s", alias)
				}
			}
			if err := room(tx, detectorsOf(w), kindDetector, d.ID, quotaDetectors, maxDetectors); err != nil {
				return err
			}
			if err := also(tx, d); err != nil {
				return err
			}
			return put(tx, detectorKey(w, d.ID), d)
		})
	})
}

// readDetectors begins, changes or ends the detectors of a workspace.
func (w *worker) readDetectors(ctx context.Context, t *tenant.Tenant) error {
	ctx = alone(ctx)
	names, err := t.Documents(ctx, detectorDocuments)
	if err != nil {
		return err
	}
	var all []detect.Detector
	for _, name := range names {
		d, _, err := w.a.s.readDetector(ctx, w.id, name[len(detectorDocuments):])
		if err != nil {
			continue // it is gone by now
		}
		text, err := t.Document(ctx, name)
		if errors.Is(err, tenant.ErrNoDocument) {
			continue
		}
		if err != nil {
			return err
		}
		one := detect.Detector{ID: d.ID, Alias: d.Alias, Revision: d.Rev}
		if err := json.Unmarshal(text, &one.Config); err != nil {
			return err
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		w.stopDetectors()
		return nil
	}
	if w.detectors == nil {
		w.detectors = detect.New(detect.Options{Source: watched{w}, Memory: w.a.memory, Turns: w.a.turns, Lost: w.lose})
	}
	w.detectors.Set(all)
	return nil
}

// watched lends the series of the workspace to its detectors.
type watched struct{ w *worker }

// Use opens the workspace, after its key was found usable.
func (x watched) Use(ctx context.Context) (detect.Store, func(), error) {
	t, release, err := x.w.a.s.tenants.Use(alone(ctx), x.w.id)
	if err != nil {
		return nil, nil, err
	}
	store, err := x.w.a.s.seriesOf(t)
	if err != nil {
		release()
		return nil, nil, err
	}
	return store, release, nil
}

func (w *worker) stopDetectors() {
	if w.detectors != nil {
		w.detectors.Stop()
		w.detectors = nil
	}
}

// detecting returns how a detector of a workspace is.
func (a *alerting) detecting(id tenant.ID, detector string) detect.State {
	a.mu.Lock()
	w := a.workers[id]
	a.mu.Unlock()
	if w == nil {
		return detect.State{}
	}
	w.mu.Lock()
	m := w.detectors
	w.mu.Unlock()
	if m == nil {
		return detect.State{}
	}
	return m.State(detector)
}
