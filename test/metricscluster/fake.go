package metricscluster

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/prompb"
	"gopkg.in/yaml.v3"
)

// Request is one that the fake was asked.
type Request struct {
	Method, URI, Tenant string
	Header              http.Header
	Body                string
}

// Fake is a server with certificates on both sides. Its methods may be called together.
type Fake struct {
	*httptest.Server
	*Certificates
	Overrides string // the file that it says is its runtime configuration

	mu      sync.Mutex
	asked   []Request
	answers map[string]http.HandlerFunc // by path, in place of its own
	rules   map[string]map[string]map[string]string
	alerts  map[string]string
	deleted map[string]bool
}

// New starts a fake, which is stopped when the test ends. Its files lie in dir.
func New(t testing.TB, dir string) *Fake {
	t.Helper()
	f := &Fake{
		Certificates: NewCertificates(t, dir), Overrides: dir + "/overrides.yaml", answers: map[string]http.HandlerFunc{},
		rules: map[string]map[string]map[string]string{}, alerts: map[string]string{}, deleted: map[string]bool{},
	}
	f.Server = httptest.NewUnstartedServer(f)
	f.Server.TLS = f.serverTLS(t, tls.RequireAndVerifyClientCert)
	f.Server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (c *Certificates) serverTLS(t testing.TB, auth tls.ClientAuthType) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.Server, c.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: auth, ClientCAs: c.Roots(t)}
}

// Careless starts a server that takes whoever comes.
func (c *Certificates) Careless(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = c.serverTLS(t, tls.NoClientCert)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// Roots returns the authority of both certificates.
func (c *Certificates) Roots(t testing.TB) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(c.Authority)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// Answer lets the fake answer requests of a path in another way; nil for its own again.
func (f *Fake) Answer(path string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[path] = h
}

// Writes returns what came as remote writes, by tenant.
func (f *Fake) Writes(t testing.TB) (all map[string][]prompb.WriteRequest) {
	t.Helper()
	all = map[string][]prompb.WriteRequest{}
	for _, r := range f.Asked("/api/v1/push") {
		body, err := s2.Decode(nil, []byte(r.Body))
		var m prompb.WriteRequest
		if err == nil {
			err = m.Unmarshal(body)
		}
		if err != nil {
			t.Fatal(err)
		}
		all[r.Tenant] = append(all[r.Tenant], m)
	}
	return all
}

// Asked returns the requests whose URI begins with a prefix, in their order.
func (f *Fake) Asked(prefix string) (list []Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.asked {
		if strings.HasPrefix(r.URI, prefix) {
			list = append(list, r)
		}
	}
	return list
}

// Rules returns the rule groups that a tenant has, as "namespace/group".
func (f *Fake) Rules(tenant string) (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for space, groups := range f.rules[tenant] {
		for name := range groups {
			names = append(names, space+"/"+name)
		}
	}
	slices.Sort(names)
	return names
}

// Definition returns the definition of the alert manager that a tenant has.
func (f *Fake) Definition(tenant string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.alerts[tenant]
}

// Finish says that the blocks of a tenant are gone.
func (f *Fake) Finish(tenant string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deleted[tenant] = true
}

// ServeHTTP writes the request down and answers it.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.asked = append(f.asked, Request{r.Method, r.RequestURI, r.Header.Get("X-Scope-OrgID"), r.Header.Clone(), string(body)})
	own := f.answers[r.URL.Path]
	f.mu.Unlock()
	if own != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		own(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serve(w, r, r.Header.Get("X-Scope-OrgID"), body)
}

func (f *Fake) serve(w http.ResponseWriter, r *http.Request, tenant string, body []byte) {
	space, isRules := strings.CutPrefix(r.URL.Path, "/api/v1/rules")
	switch {
	case r.URL.Path == "/runtime_config":
		text, err := os.ReadFile(f.Overrides)
		if err != nil {
			text = []byte("runtime config file doesn't exist")
		}
		_, _ = w.Write(text) // a client that has gone has no answer
	case tenant == "":
		http.Error(w, "no org id", http.StatusUnauthorized)
	case isRules:
		f.serveRules(w, r, tenant, strings.TrimPrefix(space, "/"), body)
	case r.URL.Path == "/api/v1/alerts" && r.Method == http.MethodPost:
		f.alerts[tenant] = string(body)
		w.WriteHeader(http.StatusCreated)
	case r.URL.Path == "/api/v1/alerts":
		delete(f.alerts, tenant)
	case r.URL.Path == "/purger/delete_tenant":
	case r.URL.Path == "/purger/delete_tenant_status":
		fmt.Fprintf(w, `{"tenant_id":%q,"blocks_deleted":%t}`, tenant, f.deleted[tenant])
	case r.URL.Path == "/api/v1/push", r.URL.Path == "/api/v1/otlp/v1/metrics":
	case strings.HasPrefix(r.URL.Path, "/prometheus/api/v1/"), strings.HasPrefix(r.URL.Path, "/alertmanager/api/v2/"):
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[],"tenant":%q}}`, tenant)
	default:
		http.NotFound(w, r)
	}
}

func (f *Fake) serveRules(w http.ResponseWriter, r *http.Request, tenant, space string, body []byte) {
	switch r.Method {
	case http.MethodGet:
		f.listRules(w, tenant)
	case http.MethodDelete:
		if f.rules[tenant][space] == nil {
			http.Error(w, "no such namespace", http.StatusNotFound)
			return
		}
		delete(f.rules[tenant], space)
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPost:
		var g struct {
			Name string `yaml:"name"`
		}
		if yaml.Unmarshal(body, &g) != nil || g.Name == "" {
			http.Error(w, "invalid rule group", http.StatusBadRequest)
			return
		}
		if f.rules[tenant] == nil {
			f.rules[tenant] = map[string]map[string]string{}
		}
		if f.rules[tenant][space] == nil {
			f.rules[tenant][space] = map[string]string{}
		}
		f.rules[tenant][space][g.Name] = string(body)
		w.WriteHeader(http.StatusAccepted)
	}
}

func (f *Fake) listRules(w http.ResponseWriter, tenant string) {
	if len(f.rules[tenant]) == 0 {
		http.Error(w, "no rule groups found", http.StatusNotFound)
		return
	}
	all := map[string][]map[string]string{}
	for space, groups := range f.rules[tenant] {
		for name := range groups {
			all[space] = append(all[space], map[string]string{"name": name})
		}
	}
	text, _ := yaml.Marshal(all) // strings always marshal
	_, _ = w.Write(text)         // a client that has gone has no answer
}
