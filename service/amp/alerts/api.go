package alerts

import (
	"bytes"
	"net/http"
	"strings"
)

// maxBody bounds what a client sends to api/v2.
const maxBody = 1 << 20

// Handler answers the API of Alertmanager: alerts, alerts/groups, silences, silence/<id>, status and receivers, at paths
// that begin with /api/v2/. A change of silences is durable when it is answered. Who may ask is decided before.
func (m *Manager) Handler() http.Handler { return m.handler }

func (m *Manager) newHandler() http.Handler {
	inner := http.MaxBytesHandler(m.api.Handler, maxBody)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || !strings.HasPrefix(r.URL.Path, "/api/v2/silence") {
			inner.ServeHTTP(w, r)
			return
		}
		answer := &held{header: make(http.Header), status: http.StatusOK}
		inner.ServeHTTP(answer, r)
		if answer.status/100 == 2 {
			if err := m.save(r.Context()); err != nil {
				http.Error(w, "the change could not be saved", http.StatusServiceUnavailable)
				return
			}
		}
		answer.send(w)
	})
}

// held is an answer that waits until what it says is true.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header         { return h.header }
func (h *held) WriteHeader(status int)      { h.status = status }
func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *held) send(w http.ResponseWriter) {
	for name, values := range h.header {
		w.Header()[name] = values
	}
	w.WriteHeader(h.status)
	_, _ = w.Write(h.body.Bytes()) // the client has gone
}
