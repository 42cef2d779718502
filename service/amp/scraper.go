package amp

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/storage"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/amp/scrape"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// scraper is the record of a scraper. Its configuration, which may hold passwords, is a sealed document of the workspace.
type scraper struct {
	ID        string                `json:"id"`
	Place     [2]string             `json:"place"` // region, account
	Workspace string                `json:"workspace"`
	Alias     string                `json:"alias,omitempty"`
	Source    *api.VpcConfiguration `json:"source,omitempty"`
	Created   time.Time             `json:"created"`
	Modified  time.Time             `json:"modified"`
	Rev       string                `json:"rev"` // of the configuration
	Logging   *scraperLogging       `json:"logging,omitempty"`
}

func (x *scraper) place() place         { return place{x.Place[0], x.Place[1]} }
func (x *scraper) arn() string          { return x.place().arn(kindScraper + "/" + x.ID) }
func (x *scraper) workspace() tenant.ID { return x.place().workspace(x.Workspace) }

func scraperKey(p place, id string) []byte { return key("c", p.region, p.account, id) }

func scrapersOf(p place) []byte { return append(key("c", p.region, p.account), 0) }

// document is the name of the sealed document with the configuration.
func (x *scraper) document() string { return "scraper/" + x.ID }

func decodeScraper(text []byte) (*scraper, error) {
	x := new(scraper)
	return x, json.Unmarshal(text, x)
}

// scraper returns the record of a scraper of the caller's place.
func (s *Service) scraper(ctx context.Context, id *string) (x *scraper, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		text, err := r.Get(scraperKey(here(ctx), wire.Val(id)))
		if errors.Is(err, store.ErrNotFound) {
			return notFound(kindScraper, wire.Val(id))
		}
		if err == nil {
			x, err = decodeScraper(text)
		}
		return err
	})
	return x, err
}

// destination returns the workspace that a scraper is to write into. One under a customer's key takes none ("Encryption at rest", Amazon
// Managed Service for Prometheus User Guide).
func (s *Service) destination(ctx context.Context, d *api.Destination) (*workspace, error) {
	arn := ""
	if d != nil && d.AmpConfiguration != nil {
		arn = wire.Val(d.AmpConfiguration.WorkspaceArn)
	}
	n, ok := parseName(arn)
	if !ok || n.kind != kindWorkspace || n.place != here(ctx) {
		return nil, invalid("destination", "The destination is not a workspace of this account and Region.")
	}
	w, err := s.workspace(ctx, &n.parts[0])
	if err != nil {
		return nil, err
	}
	switch {
	case w.Key != "":
		return nil, invalid("destination", "The workspace %s is encrypted with a customer managed key. Scrapers can't write to it.", w.ID.Workspace)
	case w.Cluster && s.cluster == nil:
		return nil, errNoCluster
	case !w.usable():
		return nil, busy(w)
	}
	return w, nil
}

// configurationOf checks the configuration of a request.
func (s *Service) configurationOf(c *api.ScrapeConfiguration) ([]byte, error) {
	if c == nil || len(c.ConfigurationBlob) == 0 {
		return nil, invalid("scrapeConfiguration", "There is no scrape configuration.")
	}
	if len(s.room.ScrapeAddresses) == 0 {
		return nil, invalid("scrapeConfiguration", "The operator of this house allows scrapers no address (scrape-addresses).")
	}
	if _, err := scrape.Parse(c.ConfigurationBlob); err != nil {
		return nil, invalid("scrapeConfiguration", "%s", err.Error())
	}
	return c.ConfigurationBlob, nil
}

// keepScraper writes a scraper with its configuration, and lets it run.
func (s *Service) keepScraper(ctx context.Context, x *scraper, text []byte, also func(store.Tx) error) error {
	t, done, err := s.tenants.Use(ctx, x.workspace())
	if err != nil {
		return tenantError(x.Workspace, err)
	}
	defer done()
	err = t.PutDocument(ctx, x.document(), text, func(tx store.Tx) error {
		if err := also(tx); err != nil {
			return err
		}
		return put(tx, scraperKey(x.place(), x.ID), x)
	})
	if err != nil {
		return tenantError(x.Workspace, storeError(err))
	}
	s.syncScrapers(ctx)
	return nil
}

// syncScrapers lets those scrapers run that there are records of, and no others. One that cannot start is tried again with
// the next upkeep.
func (s *Service) syncScrapers(ctx context.Context) {
	s.scraping.Lock()
	defer s.scraping.Unlock()
	want := map[string]*scraper{}
	err := s.db.View(ctx, func(r store.Reader) error {
		clear(want)
		for rec, err := range r.Scan(store.Prefix([]byte("c" + sep))) {
			if err != nil {
				return err
			}
			x, err := decodeScraper(rec.Value)
			if err != nil {
				return err
			}
			want[x.ID] = x
		}
		return nil
	})
	if err != nil {
		s.log.Error("scrapers cannot be read", "error", err)
		return
	}
	for _, id := range s.scrapers.IDs() {
		if want[id] == nil {
			s.scrapers.Stop(id)
		}
	}
	for id, x := range want {
		if s.scrapers.Revision(id) == x.Rev {
			continue
		}
		if err := s.startScraper(ctx, x); err != nil && ctx.Err() == nil {
			s.log.Warn("a scraper does not run", "scraper", x.arn(), "error", err)
		}
	}
}

func (s *Service) startScraper(ctx context.Context, x *scraper) error {
	t, done, err := s.tenants.Use(ctx, x.workspace())
	if err != nil {
		return err
	}
	defer done()
	text, err := t.Document(ctx, x.document())
	if err != nil {
		return err
	}
	c, err := scrape.Parse(text)
	if err != nil {
		return err
	}
	at, id := x.place(), x.ID
	return s.scrapers.Start(x.ID, x.Rev, c, &scraped{s, x.workspace()}, func(e scrape.Event) { s.scraperTold(at, id, e) })
}

// scraped is a workspace as a scraper writes to it: it is opened for each scrape, so that it may be closed between two.
type scraped struct {
	s  *Service
	id tenant.ID
}

var _ storage.AppendableV2 = (*scraped)(nil)

// AppenderV2 returns an appender whose Commit is durable, or one that takes nothing.
func (x *scraped) AppenderV2(ctx context.Context) storage.AppenderV2 {
	t, done, err := x.s.tenants.Use(context.WithoutCancel(ctx), x.id)
	if err != nil {
		return refusing{err: err}
	}
	to, err := x.s.seriesOf(t)
	if err != nil {
		done()
		return refusing{err: err}
	}
	return &releasing{AppenderV2: to.AppenderV2(ctx), done: done}
}

// releasing gives the workspace back with the end of the transaction.
type releasing struct {
	storage.AppenderV2
	done func()
}

// Commit ends the transaction.
func (r *releasing) Commit() error {
	defer r.done()
	return r.AppenderV2.Commit()
}

// Rollback ends the transaction.
func (r *releasing) Rollback() error {
	defer r.done()
	return r.AppenderV2.Rollback()
}

// summary is a scraper as the API shows it, without its configuration.
func (x *scraper) summary(tags tagMap) api.ScraperSummary {
	return api.ScraperSummary{
		ScraperId: &x.ID, Arn: wire.Ptr(x.arn()), Alias: some(x.Alias), CreatedAt: &x.Created, LastModifiedAt: &x.Modified, Tags: tags,
		RoleArn: wire.Ptr("arn:aws:iam::" + x.Place[1] + ":role/aws-service-role/scraper.aps.amazonaws.com/AWSServiceRoleForAmazonPrometheusScraper"),
		Status:  &api.ScraperStatus{StatusCode: api.ScraperStatusCodeActive}, Source: &api.Source{VpcConfiguration: x.Source},
		Destination: &api.Destination{AmpConfiguration: &api.AmpConfiguration{WorkspaceArn: wire.Ptr(x.workspace().ARN())}},
	}
}

// fits reports whether a scraper is one that filters ask for.
func (x *scraper) fits(filters map[string][]string) (bool, error) {
	for name, values := range filters {
		is := map[string]string{
			"status": string(api.ScraperStatusCodeActive), "sourceArn": "", "destinationArn": x.workspace().ARN(), "alias": x.Alias,
		}
		have, ok := is[name]
		if !ok {
			return false, invalid("filters", "There is no filter %s.", name)
		}
		if !slices.ContainsFunc(values, func(v string) bool { return v == have || name == "alias" && strings.HasPrefix(have, v) }) {
			return false, nil
		}
	}
	return true, nil
}

// deleteScrapers deletes the scrapers that write into a workspace.
func deleteScrapers(tx store.Tx, id tenant.ID) error {
	var gone []*scraper
	for rec, err := range tx.Scan(store.Prefix(scrapersOf(place{id.Region, id.Account}))) {
		if err != nil {
			return err
		}
		x, err := decodeScraper(rec.Value)
		if err != nil {
			return err
		}
		if x.Workspace == id.Workspace {
			gone = append(gone, x)
		}
	}
	for _, x := range gone {
		if err := errors.Join(tx.Delete(tagsKey(x.arn())), tx.Delete(scraperKey(x.place(), x.ID))); err != nil {
			return err
		}
	}
	return nil
}

func newScraperID() string { return "s-" + call.NewID() }
