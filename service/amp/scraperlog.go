package amp

import (
	"context"
	"slices"
	"time"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/service/amp/scrape"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

const kindScraperLogging = "ScraperLoggingConfiguration"

// scraperLogging is a logging configuration of a scraper.
type scraperLogging struct {
	logging
	Components []api.ScraperComponent `json:"components,omitempty"`
}

func (l *scraperLogging) apiStatus() *api.ScraperLoggingConfigurationStatus {
	code, reason := l.status()
	return &api.ScraperLoggingConfigurationStatus{StatusCode: api.ScraperLoggingConfigurationStatusCode(code), StatusReason: reason}
}

// wants reports whether records of a component are to be delivered. Without components, those of all are.
func (l *scraperLogging) wants(component string) bool {
	return len(l.Components) == 0 || slices.ContainsFunc(l.Components, func(c api.ScraperComponent) bool { return string(c.Type) == component })
}

// scraperSource is the scraper as deliveries know it.
func scraperSource(p place, id string) tenant.ID { return p.workspace(id) }

// UpdateScraperLoggingConfiguration says where the logs of a scraper are to go. The status of the configuration says whether they do.
func (s *Service) UpdateScraperLoggingConfiguration(ctx context.Context, in *api.UpdateScraperLoggingConfigurationInput) (*api.UpdateScraperLoggingConfigurationOutput, error) {
	x, err := s.scraper(ctx, in.ScraperId)
	if err != nil {
		return nil, err
	}
	if in.LoggingDestination == nil || in.LoggingDestination.CloudWatchLogs == nil {
		return nil, invalid("loggingDestination", "The destination must be a CloudWatch Logs log group.")
	}
	now, failed := s.at(), loggingFailed
	l := &scraperLogging{logging{Group: wire.Val(in.LoggingDestination.CloudWatchLogs.LogGroupArn), Created: now, Modified: now}, in.ScraperComponents}
	if x.Logging != nil {
		l.Created, failed = x.Logging.Created, updateFailed
	}
	if err := s.attach(ctx, scraperSource(x.place(), x.ID), &l.logging, scraperStream, failed); err != nil {
		return nil, err
	}
	return &api.UpdateScraperLoggingConfigurationOutput{Status: l.apiStatus()}, s.changeScraper(ctx, in.ScraperId, func(x *scraper) error {
		x.Logging = l
		return nil
	})
}

// DescribeScraperLoggingConfiguration describes where the logs of a scraper go.
func (s *Service) DescribeScraperLoggingConfiguration(ctx context.Context, in *api.DescribeScraperLoggingConfigurationInput) (*api.DescribeScraperLoggingConfigurationOutput, error) {
	x, err := s.scraper(ctx, in.ScraperId)
	if err != nil {
		return nil, err
	}
	l := x.Logging
	if l == nil {
		return nil, notFound(kindScraperLogging, x.ID)
	}
	return &api.DescribeScraperLoggingConfigurationOutput{
		Status: l.apiStatus(), ScraperId: &x.ID, ScraperComponents: l.Components, ModifiedAt: &l.Modified,
		LoggingDestination: &api.ScraperLoggingDestination{CloudWatchLogs: &api.CloudWatchLogDestination{LogGroupArn: &l.Group}},
	}, nil
}

// DeleteScraperLoggingConfiguration deletes the logging configuration of a scraper. What was delivered stays where it is.
func (s *Service) DeleteScraperLoggingConfiguration(ctx context.Context, in *api.DeleteScraperLoggingConfigurationInput) (*api.DeleteScraperLoggingConfigurationOutput, error) {
	return &api.DeleteScraperLoggingConfigurationOutput{}, s.changeScraper(ctx, in.ScraperId, func(x *scraper) error {
		if x.Logging == nil {
			return notFound(kindScraperLogging, x.ID)
		}
		x.Logging = nil
		return nil
	})
}

// changeScraper changes the record of a scraper of the caller's place, and nothing of how it runs.
func (s *Service) changeScraper(ctx context.Context, id *string, change func(*scraper) error) error {
	k := scraperKey(here(ctx), wire.Val(id))
	return s.update(ctx, func(tx store.Tx) error {
		x, found, err := get[scraper](tx, k)
		if err == nil && !found {
			err = notFound(kindScraper, wire.Val(id))
		}
		if err != nil {
			return err
		}
		if err := change(&x); err != nil {
			return err
		}
		return put(tx, k, x)
	})
}

// scraperRecord is a record of the log of a scraper ("Monitor collectors with vended logs", Amazon Managed Service for Prometheus User Guide). The
// examples there name the scraper in two ways: whoever looks for one of them finds it.
type scraperRecord struct {
	Component string         `json:"component"`
	Timestamp string         `json:"timestamp"`
	Message   scraperMessage `json:"message"`
	Config    string         `json:"scrapeConfigId"`
	Scraper   string         `json:"scraperId"`
}

type scraperMessage struct {
	Message string `json:"message"`
	Level   string `json:"level"`
	Pool    string `json:"scrape_pool,omitempty"`
	Target  string `json:"target,omitempty"`
	Error   string `json:"error,omitempty"`
}

// scraperTold logs what went wrong with a scraper.
func (s *Service) scraperTold(p place, id string, e scrape.Event) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var x scraper
	err := s.db.View(ctx, func(r store.Reader) (err error) {
		x, _, err = get[scraper](r, scraperKey(p, id))
		return err
	})
	if err != nil || x.Logging == nil || !x.Logging.active() || !x.Logging.wants(e.Component) {
		return
	}
	s.postRecord(scraperSource(p, id), &x.Logging.logging, scraperStream, scraperRecord{
		Component: e.Component, Timestamp: s.at().Format("2006-01-02T15:04:05.000Z07:00"), Config: id, Scraper: id,
		Message: scraperMessage{Message: e.Text, Level: e.Level, Pool: e.Job, Target: e.Target, Error: e.Error},
	})
}
