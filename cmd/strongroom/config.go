package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"github.com/strongroom/strongroom/gateway"
)

// config is everything an operator can choose. The YAML file and the flags set the
// same fields; a flag wins.
type config struct {
	Data        string   `yaml:"data"`         // data directory
	Listen      string   `yaml:"listen"`       // address and port of the one HTTPS port
	Metrics     string   `yaml:"metrics"`      // address and port of /healthz and /metrics; "off" for none
	Regions     []string `yaml:"regions"`      // regions served, the home region first
	Names       []string `yaml:"names"`        // host names and addresses that clients use, for the certificate
	BucketHosts []string `yaml:"bucket-hosts"` // names below which buckets have names of their own
	RootKey     string   `yaml:"root-key"`     // key file; outside the data directory
	Passphrase  string   `yaml:"passphrase"`   // "ask", or a file that holds it; instead of a key file
	// RootKeyPKCS11 and RootKeyTPM say which token or TPM opens the root key, instead of a key file; see way.
	RootKeyPKCS11 string `yaml:"root-key-pkcs11"`
	RootKeyTPM    string `yaml:"root-key-tpm"`

	Certificate string `yaml:"certificate"` // PEM files, instead of the local authority
	Key         string `yaml:"key"`
	// GitConnections is the file that says how Proton reaches Git repositories.
	GitConnections string `yaml:"git-connections"`
	// MetricsBackend is the file that says which Cortex or Mimir cluster keeps workspaces of Managed Prometheus.
	MetricsBackend string `yaml:"metrics-backend"`
	// ScrapeAddresses are where scrapers of Managed Prometheus may connect to.
	ScrapeAddresses []string `yaml:"scrape-addresses"`
	Reads           string   `yaml:"reads"` // when plain reads answer: "synced" (default) or "written", with regard to their record
	Log             string   `yaml:"log"`   // "error", "warn", "info" or "debug"
	Limits          limits   `yaml:"limits"`
	// Quotas are requests a second of an account in a region: by service, then by group of
	// operations. What is not named has none.
	Quotas    map[string]map[string]float64 `yaml:"quotas"`
	KeyStores keyStores                     `yaml:"key-stores"`      // of KMS, outside of the house
	Receivers alertReceivers                `yaml:"alert-receivers"` // of Managed Prometheus
}

// limits are the gateway's, as an operator writes them. Zero takes the default.
type limits struct {
	Body        int64         `yaml:"body-bytes"`
	Header      int           `yaml:"header-bytes"`
	Calls       int           `yaml:"calls"`
	Connections int           `yaml:"connections"`
	CallTime    time.Duration `yaml:"call-time"`
}

func (l limits) gateway() gateway.Limits {
	return gateway.Limits{Body: l.Body, Header: l.Header, Calls: l.Calls, Connections: l.Connections, CallTime: l.CallTime}
}

const (
	defaultListen  = "127.0.0.1:8443"
	defaultMetrics = "127.0.0.1:9464"
	defaultRegion  = "us-east-1"
)

// bindHouse adds the flags that say which house is meant and how its root key opens.
func (c *config) bindHouse(f *pflag.FlagSet) {
	f.StringVar(&c.Data, "data", "", "data directory (default: strongroom in your state folder)")
	f.StringVar(&c.RootKey, "root-key", "", "file with the root key, outside the data directory (default: in your configuration folder)")
	f.StringVar(&c.Passphrase, "passphrase", "", `open with a passphrase instead of a key file: "ask", or a file that holds it`)
	f.StringVar(&c.RootKeyPKCS11, "root-key-pkcs11", "", "open with a PKCS#11 token instead of a key file: module=FILE,token=LABEL,pin-file=FILE")
	f.StringVar(&c.RootKeyTPM, "root-key-tpm", "", "open with a TPM 2.0 instead of a key file: device=/dev/tpmrm0[,pcrs=7+11][,pin-file=FILE]")
}

// bindServe adds the flags of serve.
func (c *config) bindServe(f *pflag.FlagSet) {
	f.StringVar(&c.Listen, "listen", "", "address and port to serve HTTPS on; port 0 picks one (default "+defaultListen+")")
	f.StringVar(&c.Metrics, "metrics", "", `loopback address and port for /healthz and /metrics, or "off" (default `+defaultMetrics+")")
	f.StringSliceVar(&c.Regions, "region", nil, "region to serve; may be repeated, the first one ever given is the home region (default "+defaultRegion+")")
	f.StringSliceVar(&c.Names, "name", nil, "host name or address that clients use, for the certificate; may be repeated")
	f.StringSliceVar(&c.BucketHosts, "bucket-host", nil, "name below which buckets have host names of their own; may be repeated")
	f.StringVar(&c.Certificate, "certificate", "", "PEM file with the server's certificate, instead of the local authority's")
	f.StringVar(&c.Key, "key", "", "PEM file with the key of --certificate")
	f.StringSliceVar(&c.ScrapeAddresses, "scrape-address", nil, "address that scrapers of Managed Prometheus may connect to, such as 10.1.0.0/16:9100; may be repeated")
	f.StringVar(&c.MetricsBackend, "metrics-backend", "", "YAML file with the Cortex or Mimir cluster that keeps new workspaces of Managed Prometheus")
	f.StringVar(&c.GitConnections, "git-connections", "", "YAML file with the connections through which Proton delivers files to Git repositories")
	f.StringVar(&c.Log, "log", "", "how much to log: error, warn, info or debug (default info)")
}

// load reads the configuration file under the flags and fills in defaults.
func (c *config) load(file string) error {
	if file != "" {
		var from config
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true)
		if err := decoder.Decode(&from); err != nil {
			return fmt.Errorf("configuration %s: %s", file, inOneLine(err))
		}
		c.under(&from)
	}
	return c.complete()
}

// inOneLine words what package yaml has found, which lists it over several lines and
// speaks of Go's types.
func inOneLine(err error) string {
	var all *yaml.TypeError
	if !errors.As(err, &all) {
		return err.Error()
	}
	return typeName.ReplaceAllString(strings.Join(all.Errors, "; "), "")
}

var typeName = regexp.MustCompile(` in type [\w.]+`)

// under takes from another configuration what c leaves open.
func (c *config) under(from *config) {
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&c.Data, from.Data}, {&c.Listen, from.Listen}, {&c.Metrics, from.Metrics}, {&c.RootKey, from.RootKey}, {&c.Passphrase, from.Passphrase},
		{&c.RootKeyPKCS11, from.RootKeyPKCS11}, {&c.RootKeyTPM, from.RootKeyTPM},
		{&c.Certificate, from.Certificate}, {&c.Key, from.Key}, {&c.GitConnections, from.GitConnections}, {&c.MetricsBackend, from.MetricsBackend}, {&c.Reads, from.Reads}, {&c.Log, from.Log},
	} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
	if len(c.Regions) == 0 {
		c.Regions = from.Regions
	}
	c.Names = append(c.Names, from.Names...)
	c.BucketHosts = append(c.BucketHosts, from.BucketHosts...)
	c.ScrapeAddresses = append(c.ScrapeAddresses, from.ScrapeAddresses...)
	c.Limits, c.Quotas, c.KeyStores, c.Receivers = from.Limits, from.Quotas, from.KeyStores, from.Receivers
}

var regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)

// complete fills in defaults and refuses what cannot be.
func (c *config) complete() error {
	if err := c.paths(); err != nil {
		return err
	}
	if c.Listen == "" {
		c.Listen = defaultListen
	}
	if c.Metrics == "" {
		c.Metrics = defaultMetrics
	}
	for _, address := range []string{c.Listen, c.Metrics} {
		if _, _, err := net.SplitHostPort(address); err != nil && address != "off" {
			return fmt.Errorf("%q is not an address and port such as %s", address, defaultListen)
		}
	}
	if c.Metrics != "off" && !loopback(c.Metrics) {
		return fmt.Errorf("metrics are for this machine only: %q is not a loopback address", c.Metrics)
	}
	for _, r := range c.Regions {
		if !regionName.MatchString(r) {
			return fmt.Errorf("%q is not a region name such as %s", r, defaultRegion)
		}
	}
	if (c.Certificate == "") != (c.Key == "") {
		return errors.New("--certificate and --key go together")
	}
	if err := c.way().check(); err != nil {
		return err
	}
	for name := range c.Quotas {
		if name != "kms" {
			return fmt.Errorf("only the service kms has quotas, not %q", name)
		}
	}
	if c.Reads != "" && c.Reads != "synced" && c.Reads != "written" {
		return fmt.Errorf("reads are %q or %q, not %q", "synced", "written", c.Reads)
	}
	return errors.Join(c.KeyStores.check(), c.Receivers.check())
}

// loopback reports whether an address and port can only be reached from this machine.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// paths settles where the data directory and the root key are.
func (c *config) paths() error {
	home, homeErr := os.UserHomeDir()
	standard := filepath.Join(folder("XDG_STATE_HOME", home, ".local/state"), "strongroom")
	if c.Data == "" {
		if homeErr != nil && os.Getenv("XDG_STATE_HOME") == "" {
			return errors.New("there is no home folder to keep data in: say --data DIR")
		}
		c.Data = standard
	}
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return err
	}
	c.Data = data
	if c.RootKey != "" {
		// What is printed about the key must be true wherever it is read.
		c.RootKey, err = filepath.Abs(c.RootKey)
		return err
	}
	if !c.way().none() {
		return nil
	}
	if homeErr != nil && os.Getenv("XDG_CONFIG_HOME") == "" {
		return errors.New("there is no home folder to keep the root key in: say --root-key FILE, outside the data directory")
	}
	name := "root.key"
	if data != standard {
		// One key file a house: the name says which, and stays the same for the directory.
		sum := sha256.Sum256([]byte(data))
		name = fmt.Sprintf("root-%s-%x.key", filepath.Base(data), sum[:4])
	}
	c.RootKey = filepath.Join(folder("XDG_CONFIG_HOME", home, ".config"), "strongroom", name)
	return nil
}

// folder returns one of the user's own folders, after the XDG base directory specification.
func folder(variable, home, standard string) string {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(home, standard)
}
