package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/service"
)

// keyStores is what an operator says about custom key stores of KMS.
type keyStores struct {
	Roots     []string           `yaml:"roots"`     // PEM files with authorities, beside the system's
	Addresses map[string]string  `yaml:"addresses"` // where a host name, or a VPC endpoint service, is reached
	Timeout   time.Duration      `yaml:"timeout"`   // of a call of a proxy
	Clusters  map[string]cluster `yaml:"clusters"`  // PKCS#11 tokens by CloudHSM cluster id
}

// cluster is a PKCS#11 token that stands for a CloudHSM cluster.
type cluster struct {
	Module  string `yaml:"module"`
	Token   string `yaml:"token"`
	Account string `yaml:"account"`
	Anchor  string `yaml:"trust-anchor"`
}

// longestTimeout is more than any proxy should need, and less than a call may take.
const longestTimeout = 10 * time.Second

var clusterID = regexp.MustCompile(`^cluster-[2-7a-zA-Z]{11,16}$`) // as the API has it

// check refuses what cannot be, without reading any file.
func (k *keyStores) check() error {
	if k.Timeout < 0 || k.Timeout > longestTimeout {
		return fmt.Errorf("key-stores: timeout: at most %v, not %v", longestTimeout, k.Timeout)
	}
	for name, to := range k.Addresses {
		if host, port, err := net.SplitHostPort(to); err != nil || host == "" || port == "" || name == "" {
			return fmt.Errorf("key-stores: %q is not an address and port such as 10.1.2.3:443", to)
		}
	}
	for id, c := range k.Clusters {
		switch {
		case !clusterID.MatchString(id):
			return fmt.Errorf("key-stores: %q is not a cluster id such as cluster-1a23b4cdefg", id)
		case !filepath.IsAbs(c.Module) || c.Token == "":
			return fmt.Errorf("key-stores: %s: say the path of the module and the label of the token", id)
		case !arn.ValidAccount(c.Account):
			return fmt.Errorf("key-stores: %s: say the account of twelve digits that may use it", id)
		}
	}
	return nil
}

// open reads the files that are named.
func (k *keyStores) open() (service.KeyStores, error) {
	out := service.KeyStores{Addresses: k.Addresses, Timeout: k.Timeout, Clusters: make(map[string]service.Cluster)}
	roots, err := authorities(k.Roots)
	if err != nil {
		return out, fmt.Errorf("key-stores: %w", err)
	}
	out.Roots = roots
	for id, c := range k.Clusters {
		anchor, err := readCertificate(c.Anchor)
		if err != nil {
			return out, fmt.Errorf("key-stores: %s: trust anchor: %w", id, err)
		}
		out.Clusters[id] = service.Cluster{Module: c.Module, Token: c.Token, Account: c.Account, Anchor: anchor}
	}
	return out, nil
}

// authorities returns the system's certificate authorities and those of PEM files; nil where there are no files.
func authorities(files []string) (*x509.CertPool, error) {
	if len(files) == 0 {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's certificate authorities: %w", err)
	}
	return roots, addAuthorities(roots, files)
}

// onlyAuthorities returns the certificate authorities of PEM files, and no others.
func onlyAuthorities(files []string) (*x509.CertPool, error) {
	roots := x509.NewCertPool()
	return roots, addAuthorities(roots, files)
}

func addAuthorities(roots *x509.CertPool, files []string) error {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !roots.AppendCertsFromPEM(text) {
			return fmt.Errorf("%s holds no certificate", file)
		}
	}
	return nil
}

// readCertificate reads the one certificate of a PEM file; no file is no certificate.
func readCertificate(file string) (*x509.Certificate, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("the file holds no certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}
