package proton

import (
	"context"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// standing is where a subject's version stands beside the recommended ones of its template.
type standing int

const (
	upToDate standing = iota
	behindMinor
	behindMajor
)

// standings works out where subjects stand; it reads each template once.
type standings struct {
	p     place
	known map[string]*template
}

func (st *standings) of(r store.Reader, x *subject) (standing, error) {
	f := x.family()
	if f == nil {
		return upToDate, nil
	}
	k := string(key(f.template, st.p, wire.Val(x.TemplateName)))
	t := st.known[k]
	if t == nil {
		rec, err := peek[template](r, []byte(k))
		if err != nil {
			return upToDate, known(err, nil)
		}
		t = &rec.V
		st.known[k] = t
	}
	major, minor := wire.Val(x.TemplateMajorVersion), wire.Val(x.TemplateMinorVersion)
	for m := range t.Recommended {
		if padded(m) > padded(major) {
			return behindMajor, nil
		}
	}
	if best, ok := t.Recommended[major]; ok && padded(best) > padded(minor) {
		return behindMinor, nil
	}
	return upToDate, nil
}

// versionStatuses adds to keep the filter by how the deployed version stands.
func (s *Service) versionStatuses(ctx context.Context, p place, filters []api.ListServiceInstancesFilter, keep *func(*record[subject]) bool) error {
	var wanted []standing
	words := map[string]standing{"CURRENT": upToDate, "UP_TO_DATE": upToDate, "BEHIND_MINOR": behindMinor, "BEHIND_MAJOR": behindMajor}
	for _, f := range filters {
		if f.Key != api.ListServiceInstancesFilterByDeployedTemplateVersionStatus {
			continue
		}
		w, ok := words[wire.Val(f.Value)]
		if !ok {
			return invalid("The filter deployedTemplateVersionStatus takes UP_TO_DATE, BEHIND_MINOR and BEHIND_MAJOR.")
		}
		wanted = append(wanted, w)
	}
	if len(wanted) == 0 {
		return nil
	}
	st, before := &standings{p, map[string]*template{}}, *keep
	err := s.db.View(ctx, func(r store.Reader) error { // all templates, so that the filter reads nothing
		for rec, err := range r.Scan(store.Prefix(within("st", p))) {
			if err != nil {
				return err
			}
			t, err := decode[template](rec.Key, rec.Value)
			if err != nil {
				return err
			}
			st.known[string(rec.Key)] = &t.V
		}
		return nil
	})
	*keep = func(x *record[subject]) bool {
		if before != nil && !before(x) {
			return false
		}
		at, err := st.of(nothing{}, &x.V)
		for _, w := range wanted {
			if err == nil && w == at {
				return true
			}
		}
		return false
	}
	return err
}

// nothing is a snapshot without records.
type nothing struct{ store.Reader }

// Get finds no record.
func (nothing) Get([]byte) ([]byte, error) { return nil, store.ErrNotFound }

// GetResourcesSummary counts the resources of the account, and how their versions stand.
func (s *Service) GetResourcesSummary(ctx context.Context, _ *api.GetResourcesSummaryInput) (*api.GetResourcesSummaryOutput, error) {
	p, c := here(ctx), &api.CountsSummary{}
	err := s.db.View(ctx, func(r store.Reader) (err error) {
		st := &standings{p, map[string]*template{}}
		for _, k := range []struct {
			kind kind
			to   **api.ResourceCountsSummary
		}{{"en", &c.Environments}, {"si", &c.ServiceInstances}, {"pi", &c.Pipelines}, {"co", &c.Components}} {
			if *k.to, err = st.counted(r, k.kind); err != nil {
				return err
			}
		}
		for _, k := range []struct {
			kind kind
			to   **api.ResourceCountsSummary
		}{{"et", &c.EnvironmentTemplates}, {"st", &c.ServiceTemplates}, {"se", &c.Services}} {
			names, err := store.KeysBelow(r, within(k.kind, p), 0)
			if err != nil {
				return err
			}
			*k.to = &api.ResourceCountsSummary{Total: wire.Ptr(int32(len(names)))}
		}
		return nil
	})
	return &api.GetResourcesSummaryOutput{Counts: c}, err
}

// counted counts the subjects of a kind.
func (st *standings) counted(r store.Reader, k kind) (*api.ResourceCountsSummary, error) {
	var total, failed, current, minor, major int32
	for rec, err := range r.Scan(store.Prefix(within(k, st.p))) {
		if err != nil {
			return nil, err
		}
		x, err := decode[subject](rec.Key, rec.Value)
		if err != nil {
			return nil, err
		}
		total++
		switch x.V.DeploymentStatus {
		case api.DeploymentStatusFailed, api.DeploymentStatusDeleteFailed:
			failed++
		}
		at, err := st.of(r, &x.V)
		if err != nil {
			return nil, err
		}
		switch at {
		case upToDate:
			current++
		case behindMinor:
			minor++
		case behindMajor:
			major++
		}
	}
	out := &api.ResourceCountsSummary{Total: &total, Failed: &failed}
	if k != "co" {
		out.UpToDate, out.BehindMinor, out.BehindMajor = &current, &minor, &major
	}
	return out, nil
}
