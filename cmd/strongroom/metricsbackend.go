package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/strongroom/strongroom/service"
)

// metricsBackend is what the file of --metrics-backend holds.
type metricsBackend struct {
	Kind        string        `yaml:"kind"`        // "cortex" or "mimir"
	Address     string        `yaml:"address"`     // https
	Authorities []string      `yaml:"authorities"` // PEM files: whom the cluster's certificate comes from
	ServerName  string        `yaml:"server-name"` // in that certificate
	Certificate string        `yaml:"certificate"` // PEM file with the client certificate of the house
	Key         string        `yaml:"key"`         // PEM file with its key
	Timeout     time.Duration `yaml:"timeout"`
	Overrides   string        `yaml:"overrides"` // file of the cluster's runtime configuration, written by the house
	Base        string        `yaml:"base"`      // runtime configuration of the operator's own, written into that
	Principal   string        `yaml:"principal"` // whose access key the cluster has
}

// openMetricsBackend reads the file, and what it names. It returns nil where there is none. Files are found from the folder
// of the file that names them.
func openMetricsBackend(file string) (*service.MetricsBackend, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("metrics-backend: %w", err)
	}
	var b metricsBackend
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&b); err != nil {
		return nil, fmt.Errorf("metrics-backend %s: %s", file, inOneLine(err))
	}
	out, err := b.open(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("metrics-backend %s: %w", file, err)
	}
	return out, nil
}

// open reads the certificates, and refuses what cannot be.
func (b *metricsBackend) open(folder string) (*service.MetricsBackend, error) {
	for _, f := range []struct{ name, value string }{
		{"kind", b.Kind}, {"address", b.Address}, {"certificate", b.Certificate}, {"key", b.Key}, {"overrides", b.Overrides},
	} {
		if f.value == "" {
			return nil, fmt.Errorf("%s is missing", f.name)
		}
	}
	if len(b.Authorities) == 0 {
		return nil, errors.New("authorities are missing: say whom the cluster's certificate comes from")
	}
	if b.Timeout < 0 || b.Timeout > 10*time.Minute {
		return nil, fmt.Errorf("timeout is %v; it may be up to 10m", b.Timeout)
	}
	at := func(name string) string {
		if name == "" || filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(folder, name)
	}
	files := make([]string, len(b.Authorities))
	for i, name := range b.Authorities {
		files[i] = at(name)
	}
	only, err := onlyAuthorities(files)
	if err != nil {
		return nil, err
	}
	certificate, key := at(b.Certificate), at(b.Key)
	load := func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(certificate, key)
		return &c, err
	}
	if _, err := load(); err != nil {
		return nil, err
	}
	return &service.MetricsBackend{
		Kind: b.Kind, Address: b.Address, Roots: only, ServerName: b.ServerName, Certificate: load, Timeout: b.Timeout,
		Overrides: at(b.Overrides), Base: at(b.Base), Principal: b.Principal,
	}, nil
}
