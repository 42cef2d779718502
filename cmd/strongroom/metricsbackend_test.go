package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/test/metricscluster"
)

func TestOpenMetricsBackend(t *testing.T) {
	dir := t.TempDir()
	metricscluster.NewCertificates(t, dir)
	file := filepath.Join(dir, "backend.yaml")
	open := func(text string) error {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := openMetricsBackend(file)
		if err == nil && (b.Overrides != filepath.Join(dir, "o.yaml") || b.Roots == nil) {
			t.Errorf("read as %+v", b)
		}
		return err
	}
	whole := map[string]string{
		"kind": "cortex", "address": "https://127.0.0.1:1", "authorities": "[ca.pem]", "certificate": "client.pem", "key": "client.key", "overrides": "o.yaml",
	}
	with := func(change map[string]string) string {
		var b strings.Builder
		for k, v := range whole {
			if c, ok := change[k]; ok {
				v = c
			}
			if v != "" {
				fmt.Fprintf(&b, "%s: %s\n", k, v)
			}
		}
		for k, v := range change {
			if _, ok := whole[k]; !ok {
				fmt.Fprintf(&b, "%s: %s\n", k, v)
			}
		}
		return b.String()
	}
	if err := open(with(nil)); err != nil {
		t.Error(err)
	}
	for says, change := range map[string]map[string]string{
		"kind is missing": {"kind": ""}, "address is missing": {"address": ""}, "authorities are missing": {"authorities": ""}, "certificate is missing": {"certificate": ""},
		"key is missing": {"key": ""}, "overrides is missing": {"overrides": ""}, "timeout is 1h0m0s": {"timeout": "1h"}, "holds no certificate": {"authorities": "[client.key]"},
		"private key": {"key": "server.key"}, "no such file": {"certificate": "nowhere.pem"}, "field adress not found": {"adress": "x"},
	} {
		if err := open(with(change)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: got %v, want %q", change, err, says)
		}
	}
	if b, err := openMetricsBackend(""); b != nil || err != nil {
		t.Errorf("no file: %v, %v", b, err)
	}
}
