package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigDefaults(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	c := &config{}
	if err := c.load(""); err != nil {
		t.Fatal(err)
	}
	if c.Data != "/home/u/.local/state/strongroom" || c.RootKey != "/home/u/.config/strongroom/root.key" || c.Listen != defaultListen {
		t.Errorf("got %+v", c)
	}
	other := &config{Data: "/srv/plant"}
	if err := other.load(""); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(other.RootKey, "/home/u/.config/strongroom/root-plant-") || other.RootKey == c.RootKey {
		t.Errorf("another directory's key is %s", other.RootKey)
	}
}

func TestConfigFile(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	path := filepath.Join(t.TempDir(), "strongroom.yaml")
	text := `
data: /srv/strongroom
listen: 0.0.0.0:443
regions: [eu-central-1, us-east-1]
names: [strongroom.example.org]
root-key: /etc/strongroom/root.key
reads: written
limits:
  calls: 100
  call-time: 90s
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &config{Listen: "127.0.0.1:0"}
	if err := c.load(path); err != nil {
		t.Fatal(err)
	}
	if c.Data != "/srv/strongroom" || c.Listen != "127.0.0.1:0" || len(c.Regions) != 2 || c.Limits.CallTime != 90*time.Second || c.Reads != "written" {
		t.Errorf("got %+v", c)
	}
}

func TestConfigRefusals(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		config config
		file   string
		want   string
	}{
		"unknown key":        {file: file("lisen: x"), want: "lisen"},
		"no YAML":            {file: file("{"), want: "configuration"},
		"missing file":       {file: "/nowhere/c.yaml", want: "/nowhere/c.yaml"},
		"address":            {config: config{Listen: "8443"}, want: "8443"},
		"public metrics":     {config: config{Metrics: "0.0.0.0:9464"}, want: "loopback"},
		"region":             {config: config{Regions: []string{"Frankfurt"}}, want: "Frankfurt"},
		"certificate alone":  {config: config{Certificate: "a.pem"}, want: "--key"},
		"two root keys":      {config: config{RootKey: "a", Passphrase: "ask"}, want: "not two"},
		"token and TPM":      {config: config{RootKeyPKCS11: "module=m,token=t", RootKeyTPM: "device=/dev/tpm0"}, want: "not two"},
		"token without":      {config: config{RootKeyPKCS11: "module=m"}, want: "token="},
		"token's PIN":        {config: config{RootKeyPKCS11: "module=m,token=t,pin=1234"}, want: "pin-file"},
		"token twice":        {config: config{RootKeyPKCS11: "module=m,token=t,token=u"}, want: "commas"},
		"TPM's PCRs":         {config: config{RootKeyTPM: "pcrs=7-11"}, want: "7+11"},
		"TPM's parts":        {config: config{RootKeyTPM: "/dev/tpmrm0"}, want: "device=..."},
		"reads":              {config: config{Reads: "sometimes"}, want: "sometimes"},
		"key store timeout":  {file: file("key-stores: {timeout: 1m}"), want: "10s"},
		"proxy's address":    {file: file("key-stores: {addresses: {xks.example: 10.0.0.1}}"), want: "10.0.0.1"},
		"cluster id":         {file: file("key-stores: {clusters: {hsm: {module: /m.so, token: t, account: '111122223333'}}}"), want: "hsm"},
		"cluster's module":   {file: file("key-stores: {clusters: {cluster-22222222222: {token: t, account: '111122223333'}}}"), want: "module"},
		"cluster's account":  {file: file("key-stores: {clusters: {cluster-22222222222: {module: /m.so, token: t}}}"), want: "account"},
		"region of one word": {config: config{Regions: []string{"local"}}, want: "local"},
	} {
		err := c.config.load(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.want)
		}
	}
}

func TestConfigWithoutHome(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	if err := (&config{}).load(""); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("got %v", err)
	}
	if err := (&config{Data: "/srv/x"}).load(""); err == nil || !strings.Contains(err.Error(), "--root-key") {
		t.Errorf("got %v", err)
	}
	if err := (&config{Data: "/srv/x", RootKey: "/etc/k"}).load(""); err != nil {
		t.Errorf("got %v", err)
	}
}

// TestCommandLine looks that every command says what it is for and that every flag does.
func TestCommandLine(t *testing.T) {
	for _, c := range command().Commands() {
		if c.Short == "" {
			t.Errorf("%s has no short help", c.Name())
		}
	}
	for _, s := range implementations {
		if len(operations(s.api, s.impl, true)) == 0 {
			t.Errorf("%s implements nothing", s.api.Name)
		}
		if n := len(operations(s.api, s.impl, true)) + len(operations(s.api, s.impl, false)); n != len(s.api.Operations) {
			t.Errorf("%s: %d operations listed of %d", s.api.Name, n, len(s.api.Operations))
		}
	}
}

func TestKeyStoreFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := write("empty.pem", "no certificate")
	const id = "cluster-22222222222"
	for name, k := range map[string]keyStores{
		"missing authority": {Roots: []string{filepath.Join(dir, "nowhere.pem")}},
		"no authority":      {Roots: []string{text}},
		"missing anchor":    {Clusters: map[string]cluster{id: {Anchor: filepath.Join(dir, "nowhere.pem")}}},
		"no anchor":         {Clusters: map[string]cluster{id: {Anchor: text}}},
	} {
		if _, err := k.open(); err == nil || !strings.Contains(err.Error(), "key-stores") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	k := keyStores{Timeout: time.Second, Addresses: map[string]string{"a": "b:1"}, Clusters: map[string]cluster{id: {Module: "/m", Token: "t", Account: "1"}}}
	out, err := k.open()
	if err != nil || out.Roots != nil || out.Timeout != time.Second || out.Addresses["a"] != "b:1" || out.Clusters[id].Token != "t" || out.Clusters[id].Anchor != nil {
		t.Errorf("got %+v, %v", out, err)
	}
}
