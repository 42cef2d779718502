package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
)

// Storage keeps the state of one workspace, sealed under its key. Save replaces what was saved under the name and
// is durable when it returns nil; Load returns nil where nothing was saved. Both fail when the key cannot be used.
type Storage interface {
	Load(ctx context.Context, name string) ([]byte, error)
	Save(ctx context.Context, name string, data []byte) error
}

// The names of what is kept.
const (
	silencesName = "silences"
	nflogName    = "notifications"
	alertsName   = "alerts"
)

// Names are the names under which a Manager saves its state.
func Names() []string { return []string{silencesName, nflogName, alertsName} }

// retention is how long silences that are over and notifications are remembered, as Alertmanager does.
const retention = 120 * time.Hour

// Bounds of silences, which AWS does not tell.
const (
	maxSilences     = 1000
	maxSilenceBytes = 16 << 10
)

// patience is how long an alert that was active when the manager stopped may be silent afterwards.
const patience = 5 * time.Minute

// openSilences reads the silences that were kept.
func (m *Manager) openSilences(ctx context.Context) error {
	b, err := m.o.Storage.Load(ctx, silencesName)
	if err != nil {
		return err
	}
	o := silence.Options{
		Retention: retention, Logger: quiet, Metrics: prometheus.NewRegistry(),
		Limits: silence.Limits{MaxSilences: func() int { return maxSilences }, MaxSilenceSizeBytes: func() int { return maxSilenceBytes }},
	}
	if b != nil {
		o.SnapshotReader = bytes.NewReader(b)
	}
	if m.silences, err = silence.New(o); err != nil {
		return fmt.Errorf("silences that were kept: %w", err)
	}
	m.silences.SetBroadcast(func([]byte) { m.dirtySilences.Store(true) })
	return nil
}

// openLog reads the notification log that was kept.
func (m *Manager) openLog(ctx context.Context) error {
	b, err := m.o.Storage.Load(ctx, nflogName)
	if err != nil {
		return err
	}
	o := nflog.Options{Retention: retention, Logger: quiet, Metrics: prometheus.NewRegistry()}
	if b != nil {
		o.SnapshotReader = bytes.NewReader(b)
	}
	if m.log, err = nflog.New(o); err != nil {
		return fmt.Errorf("notification log that was kept: %w", err)
	}
	m.log.SetBroadcast(func([]byte) { m.dirtyLog.Store(true) })
	return nil
}

// kept is an alert as it is kept.
type kept struct {
	Alert   model.Alert
	Updated time.Time
	Timeout bool
}

type keptAlerts struct {
	At     time.Time
	Alerts []kept
}

// openAlerts puts back the alerts that were kept. One that was active then is given time to be told of again before it counts
// as over: nobody could tell of it meanwhile.
func (m *Manager) openAlerts(ctx context.Context) error {
	b, err := m.o.Storage.Load(ctx, alertsName)
	if err != nil || b == nil {
		return err
	}
	var from keptAlerts
	if err := json.Unmarshal(b, &from); err != nil {
		return fmt.Errorf("alerts that were kept: %w", err)
	}
	now := time.Now()
	for _, k := range from.Alerts {
		if k.Alert.EndsAt.After(from.At) && k.Alert.EndsAt.Before(now.Add(patience)) {
			k.Alert.EndsAt = now.Add(patience)
		}
		if err := m.alerts.Put(ctx, alert.New(k.Alert, k.Updated, k.Timeout)); err != nil {
			return err
		}
	}
	return nil
}

// save keeps what has changed. What could not be saved is tried again with the next change or the next time.
func (m *Manager) save(ctx context.Context) error {
	m.saving.Lock()
	defer m.saving.Unlock()
	if m.dirtySilences.Swap(false) {
		if err := m.saveOne(ctx, silencesName, m.silences.MarshalBinary); err != nil {
			m.dirtySilences.Store(true)
			return err
		}
	}
	if m.dirtyLog.Swap(false) {
		if err := m.saveOne(ctx, nflogName, m.log.MarshalBinary); err != nil {
			m.dirtyLog.Store(true)
			return err
		}
	}
	if m.dirtyAlerts.Swap(false) {
		if err := m.saveOne(ctx, alertsName, m.marshalAlerts); err != nil {
			m.dirtyAlerts.Store(true)
			return err
		}
	}
	return nil
}

func (m *Manager) saveOne(ctx context.Context, name string, marshal func() ([]byte, error)) error {
	b, err := marshal()
	if err != nil {
		return err
	}
	return m.o.Storage.Save(ctx, name, b)
}

func (m *Manager) marshalAlerts() ([]byte, error) {
	out := keptAlerts{At: time.Now()}
	it := m.alerts.GetPending()
	defer it.Close()
	for a := range it.Next() {
		out.Alerts = append(out.Alerts, kept{a.Data.Alert, a.Data.UpdatedAt, a.Data.Timeout})
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// keep saves what has changed, again and again until the manager closes.
func (m *Manager) keep() {
	defer close(m.kept)
	t := time.NewTicker(or(m.o.SaveEvery, 5*time.Second))
	defer t.Stop()
	collect := time.Now()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-t.C:
		}
		if time.Since(collect) > 15*time.Minute {
			collect = time.Now()
			_, _ = m.silences.GC()
			_, _ = m.log.GC()
			m.dirtySilences.Store(true)
			m.dirtyLog.Store(true)
		}
		if err := m.save(m.ctx); err != nil && m.ctx.Err() == nil && m.o.Lost != nil {
			m.o.Lost(err)
		}
	}
}
