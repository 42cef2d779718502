package scrape

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// Bounds of a configuration.
const (
	MaxSize     = 1 << 20     // bytes
	minInterval = time.Second // between two scrapes of a target
	maxBody     = 64 << 20    // bytes of an answer
	maxTargets  = 1000
	maxJobs     = 100
)

// ErrConfig is wrapped by every error about a configuration.
var ErrConfig = errors.New("scrape configuration is not valid")

// Config is a scrape configuration that a scraper may run.
type Config struct {
	whole   *config.Config
	targets map[string][]*targetgroup.Group
}

// Parse reads a scrape configuration: global settings and scrape_configs with static_configs. Anything that would read
// a file of the house or find targets elsewhere is refused.
func Parse(text []byte) (*Config, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrConfig, MaxSize)
	}
	whole, err := config.Load(string(text), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if err := plain(whole); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	c := &Config{whole: whole, targets: map[string][]*targetgroup.Group{}}
	for _, s := range whole.ScrapeConfigs {
		if err := c.add(s); err != nil {
			return nil, fmt.Errorf("%w: job %s: %w", ErrConfig, s.JobName, err)
		}
	}
	return c, nil
}

// plain refuses what belongs to a server of Prometheus and not to a scraper.
func plain(c *config.Config) error {
	switch {
	case len(c.ScrapeConfigs) == 0:
		return errors.New("there are no scrape_configs")
	case len(c.ScrapeConfigs) > maxJobs:
		return fmt.Errorf("there are more than %d scrape_configs", maxJobs)
	case len(c.RuleFiles)+len(c.ScrapeConfigFiles) > 0:
		return errors.New("rule_files and scrape_config_files are not for scrapers")
	case len(c.RemoteWriteConfigs)+len(c.RemoteReadConfigs) > 0:
		return errors.New("remote_write and remote_read are not for scrapers: the destination is the workspace")
	case len(c.AlertingConfig.AlertmanagerConfigs)+len(c.AlertingConfig.AlertRelabelConfigs) > 0:
		return errors.New("alerting is not for scrapers")
	case c.TracingConfig.Endpoint != "":
		return errors.New("tracing is not for scrapers")
	case c.GlobalConfig.ExternalLabels.Len() > 0:
		return errors.New("external_labels are not supported: set labels in static_configs or relabel_configs")
	case c.GlobalConfig.QueryLogFile != "" || c.GlobalConfig.ScrapeFailureLogFile != "":
		return errors.New("query_log_file and scrape_failure_log_file are not for scrapers")
	}
	return nil
}

// add takes the targets of a job, after it has been looked at.
func (c *Config) add(s *config.ScrapeConfig) error {
	if s.ScrapeFailureLogFile != "" {
		return errors.New("scrape_failure_log_file is not for scrapers")
	}
	if time.Duration(s.ScrapeInterval) < minInterval {
		return fmt.Errorf("scrape_interval is less than %s", model.Duration(minInterval))
	}
	if err := noFiles(reflect.ValueOf(s.HTTPClientConfig), "", 0); err != nil {
		return err
	}
	if s.BodySizeLimit <= 0 || s.BodySizeLimit > maxBody {
		s.BodySizeLimit = maxBody
	}
	n := 0
	for _, d := range s.ServiceDiscoveryConfigs {
		static, ok := d.(discovery.StaticConfig)
		if !ok {
			return fmt.Errorf("%s_sd_configs are not supported: name the targets in static_configs", d.Name())
		}
		for i, g := range static {
			group := *g
			group.Source = fmt.Sprint(len(c.targets[s.JobName]) + i)
			c.targets[s.JobName] = append(c.targets[s.JobName], &group)
			n += len(group.Targets)
		}
	}
	if n > maxTargets {
		return fmt.Errorf("there are more than %d targets", maxTargets)
	}
	return nil
}

// noFiles refuses settings of HTTP clients that name a file of the house, a secret of its, or a proxy from its environment.
func noFiles(v reflect.Value, name string, depth int) error {
	if depth > 8 {
		return errors.New("settings are nested too deep")
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return noFiles(v.Elem(), name, depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			if err := noFiles(v.Field(i), f.Name, depth+1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if err := noFiles(it.Value(), name, depth+1); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := noFiles(v.Index(i), name, depth+1); err != nil {
				return err
			}
		}
		if v.Len() > 0 && (name == "Files" || strings.HasSuffix(name, "Files")) {
			return fmt.Errorf("%s name files of the house", name)
		}
	case reflect.String:
		if v.String() != "" && (strings.HasSuffix(name, "File") || strings.HasSuffix(name, "Ref")) {
			return fmt.Errorf("%s names a file or a secret of the house", name)
		}
	case reflect.Bool:
		if v.Bool() && name == "ProxyFromEnvironment" {
			return errors.New("proxy_from_environment takes a proxy from the environment of the house")
		}
	}
	return nil
}
