package main

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/strongroom/strongroom/service"
)

// alertReceivers is what an operator says about those to whom Managed Prometheus delivers alerts.
type alertReceivers struct {
	Authorities []string          `yaml:"authorities"` // PEM files, beside the system's
	Hosts       map[string]string `yaml:"hosts"`       // where a host name is reached
	Topics      map[string]string `yaml:"topics"`      // https addresses that stand for SNS topics, by ARN
}

// check refuses what cannot be, without reading any file.
func (r *alertReceivers) check() error {
	for name, to := range r.Hosts {
		if host, port, err := net.SplitHostPort(to); err != nil || host == "" || port == "" || name == "" {
			return fmt.Errorf("alert-receivers: %q is not an address and port such as 10.1.2.3:443", to)
		}
	}
	for arn, to := range r.Topics {
		if u, err := url.Parse(to); err != nil || u.Scheme != "https" || u.Hostname() == "" || !strings.Contains(arn, ":sns:") {
			return fmt.Errorf("alert-receivers: topic %q: say its ARN, and an https address", arn)
		}
	}
	return nil
}

// open reads the files that are named.
func (r *alertReceivers) open() (out service.AlertReceivers, err error) {
	out = service.AlertReceivers{Addresses: r.Hosts, Topics: r.Topics}
	if out.Roots, err = authorities(r.Authorities); err != nil {
		return out, fmt.Errorf("alert-receivers: %w", err)
	}
	return out, nil
}
