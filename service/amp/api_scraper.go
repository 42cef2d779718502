package amp

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// defaultScrape is what GetDefaultScraperConfiguration gives: a beginning to write a configuration of.
const defaultScrape = `global:
  scrape_interval: 30s
scrape_configs:
- job_name: node
  static_configs:
  - targets: ["192.0.2.1:9100"]
`

// GetDefaultScraperConfiguration returns a configuration to begin with.
func (s *Service) GetDefaultScraperConfiguration(context.Context, *api.GetDefaultScraperConfigurationInput) (*api.GetDefaultScraperConfigurationOutput, error) {
	return &api.GetDefaultScraperConfigurationOutput{Configuration: []byte(defaultScrape)}, nil
}

// unsupported refuses what this house has nothing for.
func unsupported(source *api.Source, role *api.RoleConfiguration, exporters []api.ExporterConfiguration) error {
	switch {
	case source != nil && source.EksConfiguration != nil:
		return invalid("source", "This house has no EKS clusters. Name the targets in static_configs, and use a vpcConfiguration as the source.")
	case role != nil && (role.SourceRoleArn != nil || role.TargetRoleArn != nil):
		return invalid("roleConfiguration", "Scrapers of this house write to workspaces of their own account only.")
	case len(exporters) > 0:
		return invalid("exporters", "This house has no managed exporters.")
	}
	return nil
}

// CreateScraper makes a scraper, which begins to scrape at once.
func (s *Service) CreateScraper(ctx context.Context, in *api.CreateScraperInput) (*api.CreateScraperOutput, error) {
	p := here(ctx)
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	w, err := s.destination(ctx, in.Destination)
	if err != nil {
		return nil, err
	}
	if err := unsupported(in.Source, in.RoleConfiguration, in.Exporters); err != nil {
		return nil, err
	}
	text, err := s.configurationOf(in.ScrapeConfiguration)
	if err != nil {
		return nil, err
	}
	token := s.clientToken(ctx, "CreateScraper", in.ClientToken, *in)
	made, err := token.Earlier(ctx)
	if err != nil {
		return nil, err
	}
	if made != nil {
		return s.madeScraper(ctx, *made)
	}
	now := s.at()
	x := &scraper{
		ID: newScraperID(), Place: [2]string{p.region, p.account}, Workspace: w.ID.Workspace, Alias: wire.Val(in.Alias), Created: now, Modified: now,
		Rev: newRevision(), Source: in.Source.VpcConfiguration,
	}
	err = s.keepScraper(ctx, x, text, func(tx store.Tx) error {
		if err := token.Put(tx, x.ID); err != nil {
			return err
		}
		if err := room(tx, scrapersOf(p), kindScraper, x.ID, quotaScrapers, maxScrapers); err != nil {
			return err
		}
		return putTags(tx, x.arn(), tags)
	})
	if err != nil {
		return nil, err
	}
	return s.madeScraper(ctx, x.ID)
}

func (s *Service) madeScraper(ctx context.Context, id string) (*api.CreateScraperOutput, error) {
	x, err := s.scraper(ctx, &id)
	if err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, x.arn())
	d := x.summary(tags)
	return &api.CreateScraperOutput{Arn: d.Arn, ScraperId: d.ScraperId, Status: d.Status, Tags: tags}, err
}

// DescribeScraper describes a scraper with its configuration.
func (s *Service) DescribeScraper(ctx context.Context, in *api.DescribeScraperInput) (*api.DescribeScraperOutput, error) {
	x, err := s.scraper(ctx, in.ScraperId)
	if err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, x.arn())
	if err != nil {
		return nil, err
	}
	t, done, err := s.tenants.Use(ctx, x.workspace())
	if err != nil {
		return nil, tenantError(x.Workspace, err)
	}
	defer done()
	text, err := t.Document(ctx, x.document())
	if err != nil {
		return nil, tenantError(x.Workspace, err)
	}
	d := x.summary(tags)
	return &api.DescribeScraperOutput{Scraper: &api.ScraperDescription{
		Alias: d.Alias, Arn: d.Arn, CreatedAt: d.CreatedAt, Destination: d.Destination, LastModifiedAt: d.LastModifiedAt, RoleArn: d.RoleArn, ScraperId: d.ScraperId,
		Source: d.Source, Status: d.Status, Tags: d.Tags, ScrapeConfiguration: &api.ScrapeConfiguration{ConfigurationBlob: text},
	}}, nil
}

// ListScrapers lists the scrapers of the caller's account in a region.
func (s *Service) ListScrapers(ctx context.Context, in *api.ListScrapersInput) (*api.ListScrapersOutput, error) {
	p := here(ctx)
	scope := []string{p.region, p.account, "scrapers"}
	for _, name := range slices.Sorted(maps.Keys(in.Filters)) {
		scope = append(scope, name, strings.Join(in.Filters[name], "\x1e"))
	}
	var wrong error
	keep := func(x *scraper) bool {
		ok, err := x.fits(in.Filters)
		wrong = err
		return ok
	}
	items, next, err := list(ctx, s, scrapersOf(p), page{strings.Join(scope, "\x1f"), in.NextToken, in.MaxResults, 1000}, decodeScraper, keep)
	if err == nil {
		err = wrong
	}
	if err != nil {
		return nil, err
	}
	out := &api.ListScrapersOutput{NextToken: next, Scrapers: []api.ScraperSummary{}}
	for _, x := range items {
		tags, err := s.tagsOf(ctx, x.arn())
		if err != nil {
			return nil, err
		}
		out.Scrapers = append(out.Scrapers, x.summary(tags))
	}
	return out, nil
}

// UpdateScraper changes a scraper's alias or configuration. The workspace stays the same one.
func (s *Service) UpdateScraper(ctx context.Context, in *api.UpdateScraperInput) (*api.UpdateScraperOutput, error) {
	x, err := s.scraper(ctx, in.ScraperId)
	if err != nil {
		return nil, err
	}
	if err := unsupported(nil, in.RoleConfiguration, in.Exporters); err != nil {
		return nil, err
	}
	if in.Destination != nil {
		w, err := s.destination(ctx, in.Destination)
		if err != nil {
			return nil, err
		}
		if w.ID.Workspace != x.Workspace {
			return nil, invalid("destination", "A scraper of this house keeps its workspace. Make another scraper.")
		}
	}
	x.Modified = s.at()
	if in.Alias != nil {
		x.Alias = *in.Alias
	}
	if in.ScrapeConfiguration == nil {
		err = s.update(ctx, func(tx store.Tx) error { return s.replaceScraper(tx, x) })
	} else {
		var text []byte
		if text, err = s.configurationOf(in.ScrapeConfiguration); err != nil {
			return nil, err
		}
		x.Rev = newRevision()
		err = s.keepScraper(ctx, x, text, func(tx store.Tx) error { return s.replaceScraper(tx, x) })
	}
	if err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, x.arn())
	d := x.summary(tags)
	return &api.UpdateScraperOutput{Arn: d.Arn, ScraperId: d.ScraperId, Status: d.Status, Tags: tags}, err
}

// replaceScraper writes a scraper that must be there.
func (s *Service) replaceScraper(tx store.Tx, x *scraper) error {
	now, found, err := get[scraper](tx, scraperKey(x.place(), x.ID))
	if err == nil && !found {
		err = notFound(kindScraper, x.ID)
	}
	if err != nil {
		return err
	}
	x.Logging = now.Logging // which is set on its own
	return put(tx, scraperKey(x.place(), x.ID), x)
}

// DeleteScraper ends a scraper. Nothing more comes of it when the answer leaves.
func (s *Service) DeleteScraper(ctx context.Context, in *api.DeleteScraperInput) (*api.DeleteScraperOutput, error) {
	x, err := s.scraper(ctx, in.ScraperId)
	if err != nil {
		return nil, err
	}
	gone := func(tx store.Tx) error {
		if err := tx.Delete(tagsKey(x.arn())); err != nil {
			return err
		}
		return tx.Delete(scraperKey(x.place(), x.ID))
	}
	t, done, err := s.tenants.Use(ctx, x.workspace())
	if err == nil {
		defer done()
		err = t.DeleteDocument(ctx, x.document(), gone)
	} else {
		err = s.update(ctx, gone) // the document goes with its workspace
	}
	if err != nil {
		return nil, storeError(err)
	}
	s.syncScrapers(ctx)
	return &api.DeleteScraperOutput{ScraperId: &x.ID, Status: &api.ScraperStatus{StatusCode: api.ScraperStatusCodeDeleting}}, nil
}
