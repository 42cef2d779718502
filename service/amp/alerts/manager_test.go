package alerts

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	promrules "github.com/prometheus/prometheus/rules"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
)

// storage keeps state sealed, in memory, as long as its key is there.
type storage struct {
	mu   sync.Mutex
	kept map[string][]byte
	away atomic.Bool
}

var (
	storageKey = secret.New(bytes.Repeat([]byte{3}, seal.KeySize))
	errKey     = errors.New("the key cannot be used")
)

func newStorage() *storage { return &storage{kept: make(map[string][]byte)} }

func (s *storage) Load(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away.Load() {
		return nil, errKey
	}
	if s.kept[name] == nil {
		return nil, nil
	}
	return seal.OpenBytes(storageKey, s.kept[name], []byte(name))
}

func (s *storage) Save(_ context.Context, name string, data []byte) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away.Load() {
		return errKey
	}
	s.kept[name], err = seal.Bytes(storageKey, data, []byte(name))
	return err
}

// receiver is an HTTPS server on the loopback that keeps what it was sent.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	heads  []http.Header
	status atomic.Int64
}

func newReceiver(t *testing.T) *receiver {
	r := new(receiver)
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		if s := r.status.Load(); s != 0 {
			w.WriteHeader(int(s))
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies, r.heads = append(r.bodies, string(b)), append(r.heads, req.Header)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.bodies, "\n")
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

// outgoing lets "example.com" lead to the receiver.
func (r *receiver) outgoing() Outgoing {
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	return Outgoing{
		Roots:     roots,
		Addresses: map[string]string{"example.com": r.Listener.Addr().String()},
		Topics:    map[string]string{topicARN: "https://example.com/topic"},
	}
}

// definition makes one with a receiver of these lines, which notifies at once.
func definition(t *testing.T, o Outgoing, lines ...string) *Definition {
	t.Helper()
	file := "alertmanager_config: |\n  route: {receiver: x, group_by: [alertname], group_wait: 1ms, group_interval: 50ms, repeat_interval: 1h}\n" +
		"  receivers:\n    - name: x\n      " + strings.Join(lines, "\n      ") + "\n"
	d, err := Parse([]byte(file), Limits{}, Reach{Topic: o.Topic, Incidents: true})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func openManager(t *testing.T, d *Definition, o Options) *Manager {
	t.Helper()
	o.ARN, o.URL, o.SaveEvery = "arn:aws:aps:us-east-1:111122223333:workspace/ws-1", "https://house.example/workspaces/ws-1/", 20*time.Millisecond
	if o.Storage == nil {
		o.Storage = newStorage()
	}
	m, err := Open(context.Background(), d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	return m
}

func fire(m *Manager, name string, more ...string) {
	m.Notify(context.Background(), "up == 0", &promrules.Alert{
		Labels: labels.FromStrings(append([]string{"alertname", name}, more...)...), Annotations: labels.FromStrings("summary", "canary-summary"),
		FiredAt: time.Now().Add(-time.Minute), ValidUntil: time.Now().Add(time.Hour),
	})
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 1000 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not in time: %s", what)
}

// ask calls the API.
func ask(t *testing.T, m *Manager, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestWebhook(t *testing.T) {
	r := newReceiver(t)
	d := definition(t, r.outgoing(), "webhook_configs:", "  - url: https://example.com/hook?token=topsecret", "    http_config: {authorization: {credentials: topsecret}, http_headers: {X-Key: {values: [topsecret]}}}")
	m := openManager(t, d, Options{Outgoing: r.outgoing()})
	fire(m, "Hot", "job", "api")
	until(t, "delivery", func() bool { return r.count() > 0 })
	var got struct {
		Status string
		Alerts []struct{ Labels, Annotations map[string]string }
	}
	if err := json.Unmarshal([]byte(r.all()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status != "firing" || len(got.Alerts) != 1 || got.Alerts[0].Labels["job"] != "api" || got.Alerts[0].Annotations["summary"] != "canary-summary" {
		t.Errorf("got %+v", got)
	}
	r.mu.Lock()
	if h := r.heads[0]; h.Get("Authorization") != "Bearer topsecret" || h.Get("X-Key") != "topsecret" {
		t.Errorf("headers: %v", h)
	}
	r.mu.Unlock()
	m.Notify(context.Background(), "", &promrules.Alert{
		Labels: labels.FromStrings("alertname", "Hot", "job", "api"), FiredAt: time.Now().Add(-time.Minute), ResolvedAt: time.Now(),
	})
	until(t, "resolved", func() bool { return strings.Contains(r.all(), `"status":"resolved"`) })
	for _, path := range []string{"/api/v2/status", "/api/v2/receivers", "/api/v2/alerts", "/api/v2/alerts/groups"} {
		status, body := ask(t, m, "GET", path, "")
		if status != 200 || strings.Contains(body, "topsecret") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestReceivers_notAllowed(t *testing.T) {
	r := newReceiver(t)
	o := r.outgoing()
	o.Addresses = nil // example.com is then a public name, and the address below is none
	address := "https://" + r.Listener.Addr().String() + "/hook"
	m := openManager(t, definition(t, o, "webhook_configs:", "  - url: "+address), Options{Outgoing: o})
	fire(m, "Hot")
	until(t, "failure", func() bool { return m.Failures() > 0 })
	if r.count() != 0 {
		t.Error("something was delivered to the loopback")
	}
}

func TestTopic(t *testing.T) {
	r := newReceiver(t)
	m := openManager(t, definition(t, r.outgoing(), "sns_configs:", "  - topic_arn: "+topicARN, "    attributes: {severity: page}"), Options{Outgoing: r.outgoing()})
	r.status.Store(503) // tried again
	fire(m, "Hot")
	until(t, "failure", func() bool { return m.Failures() > 0 })
	r.status.Store(0)
	until(t, "delivery", func() bool { return r.count() > 0 })
	var got notification
	if err := json.Unmarshal([]byte(r.all()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "Notification" || got.TopicARN != topicARN || !strings.Contains(got.Subject, "[FIRING:1]") || got.MessageAttributes["severity"].Value != "page" {
		t.Errorf("got %+v", got)
	}
	if h := r.heads[0]; h.Get("X-Amz-Sns-Message-Type") != "Notification" || h.Get("X-Amz-Sns-Topic-Arn") != topicARN {
		t.Errorf("headers: %v", h)
	}
}

func TestPagerDuty(t *testing.T) {
	r := newReceiver(t)
	m := openManager(t, definition(t, r.outgoing(), "pagerduty_configs:", "  - {routing_key: topsecret, url: https://example.com/v2/enqueue}"), Options{Outgoing: r.outgoing()})
	fire(m, "Hot")
	until(t, "delivery", func() bool {
		return strings.Contains(r.all(), `"routing_key":"topsecret"`) && strings.Contains(r.all(), `"event_action":"trigger"`)
	})
	if _, body := ask(t, m, "GET", "/api/v2/status", ""); strings.Contains(body, "topsecret") {
		t.Error("the routing key is shown")
	}
}

// taker takes incidents.
type taker struct {
	mu    sync.Mutex
	taken []Incident
}

func (k *taker) Alert(_ context.Context, in Incident) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.taken = append(k.taken, in)
	return nil
}

func TestIncidents(t *testing.T) {
	k := new(taker)
	d := definition(t, Outgoing{}, "incident_configs:", "  - {response_plan_arn: 'arn:aws:ssm-incidents::1:response-plan/p', impact: 1, title: 'it is {{ .GroupLabels.alertname }}'}")
	m := openManager(t, d, Options{Incidents: k})
	fire(m, "Hot")
	until(t, "incident", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return len(k.taken) > 0 })
	if in := k.taken[0]; in.Title != "it is Hot" || in.Impact != 1 || in.Resolved || in.Group == "" || in.Workspace != m.o.ARN {
		t.Errorf("got %+v", in)
	}
}

const silenceCanary = `{"matchers":[{"name":"alertname","value":"Hot","isRegex":false,"isEqual":true}],"startsAt":"2020-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"canary-user","comment":"canary-comment"}`

func TestState_survives(t *testing.T) {
	r, s := newReceiver(t), newStorage()
	o := Options{Outgoing: r.outgoing(), Storage: s}
	d := definition(t, r.outgoing(), "webhook_configs:", "  - url: https://example.com/")
	m := openManager(t, d, o)
	if status, body := ask(t, m, "POST", "/api/v2/silences", silenceCanary); status != 200 || !strings.Contains(body, "silenceID") {
		t.Fatalf("%d %s", status, body)
	}
	if s.kept[silencesName] == nil {
		t.Fatal("a silence was answered and is not kept")
	}
	fire(m, "Hot")
	fire(m, "Cold")
	until(t, "delivery", func() bool { return strings.Contains(r.all(), "Cold") })
	until(t, "state is kept", func() bool {
		b, _ := s.Load(context.Background(), nflogName)
		a, _ := s.Load(context.Background(), alertsName)
		return len(b) > 0 && bytes.Contains(a, []byte("Cold"))
	})
	for name, b := range s.kept {
		if bytes.Contains(b, []byte("canary")) || bytes.Contains(b, []byte("alertname")) {
			t.Errorf("%s can be read without the key", name)
		}
	}
	// Nobody says good-bye: the second manager has what was kept, and no more.
	n := r.count()
	again := openManager(t, d, o)
	if status, body := ask(t, again, "GET", "/api/v2/silences", ""); status != 200 || !strings.Contains(body, "canary-comment") {
		t.Errorf("%d %s", status, body)
	}
	if _, body := ask(t, again, "GET", "/api/v2/alerts", ""); !strings.Contains(body, "Cold") || !strings.Contains(body, `"suppressed"`) {
		t.Errorf("alerts: %s", body)
	}
	fire(again, "New")
	until(t, "delivery", func() bool { return strings.Contains(r.all(), "New") })
	if strings.Contains(r.all(), "Hot") {
		t.Error("a silenced alert was delivered")
	}
	if r.count() != n+1 {
		t.Errorf("%d deliveries after the restart, want 1", r.count()-n)
	}
}

func TestState_withoutKey(t *testing.T) {
	s := newStorage()
	var lost atomic.Int64
	d := definition(t, Outgoing{}, "webhook_configs:", "  - url: https://example.com/")
	m := openManager(t, d, Options{Storage: s, Lost: func(error) { lost.Add(1) }})
	s.away.Store(true)
	if status, body := ask(t, m, "POST", "/api/v2/silences", silenceCanary); status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", status, body)
	}
	until(t, "lost", func() bool { return lost.Load() > 0 })
	if _, err := Open(context.Background(), d, Options{Storage: s}); !errors.Is(err, errKey) {
		t.Errorf("got %v, want errKey", err)
	}
	s.away.Store(false)
	until(t, "kept", func() bool { b, _ := s.Load(context.Background(), silencesName); return b != nil })
}

func TestLimits(t *testing.T) {
	d := definition(t, Outgoing{}, "webhook_configs:", "  - url: https://example.com/")
	var told []string // before the next alert is sent
	m := openManager(t, d, Options{Limits: Limits{Alerts: 2, AlertBytes: 200}, Refused: func(text string) { told = append(told, text) }})
	fire(m, "A")
	fire(m, "B", "long", strings.Repeat("x", 200))
	fire(m, "C")
	fire(m, "D")
	fire(m, "E")
	if want := []string{"alerts too big, total size limit: 200 bytes", "too many alerts, limit: 2"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	var got []struct{ Labels map[string]string }
	if _, body := ask(t, m, "GET", "/api/v2/alerts", ""); json.Unmarshal([]byte(body), &got) != nil || len(got) != 2 {
		t.Errorf("got %s, want A and C", body)
	}
	if status, _ := ask(t, m, "POST", "/api/v2/alerts", `[{"labels":{"a":"`+strings.Repeat("x", maxBody)+`"}}]`); status < 400 {
		t.Errorf("a body that is too long: %d", status)
	}
}

func TestApply(t *testing.T) {
	r := newReceiver(t)
	m := openManager(t, definition(t, r.outgoing(), "webhook_configs:", "  - url: https://example.com/one", "    http_config: {http_headers: {X-Which: {values: [one]}}}"), Options{Outgoing: r.outgoing()})
	fire(m, "A")
	until(t, "delivery", func() bool { return r.count() == 1 })
	d := definition(t, r.outgoing(), "webhook_configs:", "  - url: https://example.com/two", "    http_config: {http_headers: {X-Which: {values: [two]}}}")
	if err := m.Apply(d); err != nil {
		t.Fatal(err)
	}
	fire(m, "B")
	until(t, "delivery", func() bool { return r.count() == 2 })
	r.mu.Lock()
	if one, two := r.heads[0].Get("X-Which"), r.heads[1].Get("X-Which"); one != "one" || two != "two" {
		t.Errorf("delivered to %q and %q", one, two)
	}
	r.mu.Unlock()
	if err := m.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := m.Apply(d); err == nil {
		t.Error("a closed manager takes a definition")
	}
}

func TestIsolation(t *testing.T) {
	r := newReceiver(t)
	d := definition(t, r.outgoing(), "webhook_configs:", "  - url: https://example.com/")
	a, b := openManager(t, d, Options{Outgoing: r.outgoing()}), openManager(t, d, Options{Outgoing: r.outgoing()})
	fire(a, "OnlyA")
	if status, _ := ask(t, a, "POST", "/api/v2/silences", silenceCanary); status != 200 {
		t.Fatal("no silence")
	}
	for _, path := range []string{"/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/silences"} {
		if _, body := ask(t, b, "GET", path, ""); strings.TrimSpace(body) != "[]" {
			t.Errorf("%s of the other workspace: %s", path, body)
		}
	}
}
