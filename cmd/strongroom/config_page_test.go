package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// row is a line of a table in docs/configuration.md.
type row struct{ flag, key, value, says string }

var code = regexp.MustCompile("^`([^`]+)`$")

// rows returns the lines of the page's tables with four columns, and, of
// those with three, each flag with its command.
func rows(t *testing.T) (options []row, single map[string]bool) {
	t.Helper()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	single = make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
			if m := code.FindStringSubmatch(cells[i]); m != nil {
				cells[i] = m[1]
			}
		}
		switch {
		case len(cells) == 4 && cells[0] != "flag" && cells[0] != "---":
			options = append(options, row{cells[0], cells[1], cells[2], cells[3]})
		case len(cells) == 3 && strings.HasPrefix(cells[0], "--") && cells[0] != "---":
			for _, cmd := range strings.Split(cells[1], ", ") {
				single[cells[0]+" "+strings.Trim(cmd, "`")] = true
			}
		}
	}
	return options, single
}

// flagsOf calls fn with the own flags of every command.
func flagsOf(cmd *cobra.Command, fn func(*cobra.Command, *pflag.Flag)) {
	seen := func(f *pflag.Flag) { fn(cmd, f) }
	cmd.LocalNonPersistentFlags().VisitAll(seen)
	cmd.PersistentFlags().VisitAll(seen)
	for _, sub := range cmd.Commands() {
		flagsOf(sub, fn)
	}
}

// keysOf returns the keys of the configuration file.
func keysOf(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("yaml"))
	}
	return keys
}

// TestConfigurationPage compares docs/configuration.md with the flags and keys that there are.
func TestConfigurationPage(t *testing.T) {
	options, single := rows(t)
	flags, keys := map[string]row{}, map[string]row{}
	for _, r := range options {
		if len(r.says) < 8 {
			t.Errorf("the page says nothing of %s %s", r.flag, r.key)
		}
		if r.flag != "" {
			flags[r.flag] = r
		}
		if r.key != "" {
			keys[r.key] = r
		}
	}
	flagsOf(command(), func(cmd *cobra.Command, f *pflag.Flag) {
		name := "--" + f.Name
		if _, ok := flags[name]; ok && (cmd.Name() == "serve" || !cmd.HasParent()) {
			delete(flags, name)
		} else if of := name + " " + cmd.Name(); single[of] {
			delete(single, of)
		} else {
			t.Errorf("the page does not have the flag %s of %s", name, cmd.Name())
		}
	})
	for name := range flags {
		t.Errorf("the page has %s, which is no flag", name)
	}
	for name := range single {
		t.Errorf("the page has the flag and command %s, which are not", name)
	}
	all := slices.Concat(keysOf(reflect.TypeFor[config]()), keysOf(reflect.TypeFor[limits]()), keysOf(reflect.TypeFor[keyStores]()), keysOf(reflect.TypeFor[cluster]()),
		keysOf(reflect.TypeFor[alertReceivers]()))
	for _, key := range all {
		if _, ok := keys[key]; !ok {
			t.Errorf("the page does not have the key %s", key)
		}
		delete(keys, key)
	}
	for key := range keys {
		t.Errorf("the page has %s, which is no key", key)
	}
}

// TestConfigurationPageOfTheMetricsBackend compares the page with the keys of that file.
func TestConfigurationPageOfTheMetricsBackend(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## A cluster for metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	keys := keysOf(reflect.TypeFor[metricsBackend]())
	for _, key := range keys {
		if !strings.Contains(section, "\n| `"+key+"` |") {
			t.Errorf("the page does not have the key %s", key)
		}
	}
	if n := strings.Count(section, "\n| `"); n != len(keys) {
		t.Errorf("the page has %d keys, there are %d", n, len(keys))
	}
}

// TestConfigurationPageDefaults compares the defaults on the page with those in force.
func TestConfigurationPageDefaults(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	c := &config{}
	if err := c.load(""); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"data": c.Data, "root-key": c.RootKey, "listen": c.Listen, "metrics": c.Metrics, "regions": defaultRegion,
	}
	options, _ := rows(t)
	for _, r := range options {
		got := strings.Replace(r.value, "~", "/home/u", 1)
		if w, ok := want[r.key]; ok && got != w {
			t.Errorf("the default of %s is %s, and the page says %s", r.key, w, r.value)
		}
		delete(want, r.key)
	}
	if len(want) > 0 {
		t.Errorf("the page has no default of %v", want)
	}
}
