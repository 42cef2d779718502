package transfer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxData   = 256 << 20 // bytes of an answer, as the house has it
	askedOver = 3         // how often a question that failed is asked again: where a key cannot be used, waiting is no help
)

// Get asks the HTTP API of the workspace by a path below /api/v1/, and reads the data of the answer. What is refused at the moment is asked again a few
// times, and for ten minutes where the workspace is only asked too often.
func (w *Workspace) Get(ctx context.Context, path string, params url.Values, data any) error {
	return w.ask(ctx, http.MethodGet, path+"?"+params.Encode(), "", data)
}

// Post is Get with the parameters in the body, so that no address holds them.
func (w *Workspace) Post(ctx context.Context, path string, params url.Values, data any) error {
	return w.ask(ctx, http.MethodPost, path, params.Encode(), data)
}

func (w *Workspace) ask(ctx context.Context, method, path, body string, data any) error {
	return persist(ctx, askedOver, func(ctx context.Context) (time.Duration, error) {
		q, err := http.NewRequestWithContext(ctx, method, w.Address+"/api/v1/"+path, strings.NewReader(body))
		if err != nil {
			return 0, err
		}
		if body != "" {
			q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		a, after, err := w.send(q)
		if err != nil {
			return after, err
		}
		defer a.Body.Close()
		text := &io.LimitedReader{R: a.Body, N: maxData}
		err = json.NewDecoder(text).Decode(&struct {
			Data any `json:"data"`
		}{data})
		if err != nil && text.N == 0 {
			return 0, &refusal{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("the answer is longer than %d MiB", maxData>>20)}
		}
		return 0, err
	})
}
