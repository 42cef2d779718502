package git

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxReply bounds what the API of a host answers.
const maxReply = 4 << 20

// pull is what both interfaces say of a pull request.
type pull struct {
	Number int    `json:"number"`
	URL    string `json:"html_url"`
	State  string `json:"state"`
	Merged bool   `json:"merged"`
	// GitHub's lists say when, and not whether.
	MergedAt *string `json:"merged_at"`
	Head     struct {
		Ref string `json:"ref"`
		SHA string `json:"sha"`
	} `json:"head"`
}

// standing reads what became of a pull request.
func (p *pull) standing() (Standing, error) {
	switch {
	case p.Merged || p.MergedAt != nil && *p.MergedAt != "":
		return Merged, nil
	case p.State == "open":
		return Open, nil
	case p.State == "closed":
		return Closed, nil
	}
	return "", errors.New("the answer of the remote cannot be read")
}

// readPull reads a pull request.
func readPull(text []byte) (*pull, error) {
	var p pull
	if err := json.Unmarshal(text, &p); err != nil || p.Number <= 0 {
		return nil, errors.New("the answer of the remote cannot be read")
	}
	if u, err := url.Parse(p.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || len(p.URL) > 1024 {
		p.URL = ""
	}
	return &p, nil
}

// answered is an answer that is not a success.
type answered struct {
	status  int
	message string
}

func (a *answered) Error() string {
	if a.message == "" {
		return refusal(a.status).Error()
	}
	return fmt.Sprintf("%v: %s", refusal(a.status), a.message)
}

// Unwrap tells what may pass from what is refused.
func (a *answered) Unwrap() error { return refusal(a.status) }

// request opens the pull request of a proposal, or finds it from an earlier try.
func (r *Remote) request(ctx context.Context, c *Change, p *Proposal) error {
	found, err := r.findPull(ctx, p)
	if err != nil {
		return err
	}
	if found == nil {
		text, err := r.ask(ctx, http.MethodPost, r.repository()+"/pulls", map[string]string{
			"title": sentence(c.Title), "head": p.Branch, "base": p.Target, "body": strings.TrimSpace(c.Body + "\n\n" + c.trailer()),
		})
		if err != nil {
			return err
		}
		if found, err = readPull(text); err != nil {
			return err
		}
	}
	p.Number, p.URL = found.Number, found.URL
	return nil
}

// findPull looks for the pull request of a branch; nil for none.
func (r *Remote) findPull(ctx context.Context, p *Proposal) (*pull, error) {
	if r.c.API == Gitea {
		text, err := r.ask(ctx, http.MethodGet, r.repository()+"/pulls/"+url.PathEscape(p.Target)+"/"+url.PathEscape(p.Branch), nil)
		var a *answered
		if errors.As(err, &a) && a.status == http.StatusNotFound {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return readPull(text)
	}
	owner, _, _ := strings.Cut(r.name, "/")
	query := url.Values{"state": {"all"}, "head": {owner + ":" + p.Branch}, "base": {p.Target}, "per_page": {"10"}}
	text, err := r.ask(ctx, http.MethodGet, r.repository()+"/pulls?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return pickPull(text, p)
}

// pickPull finds a proposal's pull request in a list.
func pickPull(text []byte, p *Proposal) (*pull, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, errors.New("the answer of the remote cannot be read")
	}
	for _, one := range list {
		found, err := readPull(one)
		if err != nil {
			return nil, err
		}
		if found.Head.Ref == p.Branch {
			return found, nil
		}
	}
	return nil, nil
}

// pullState asks what became of the pull request.
func (r *Remote) pullState(ctx context.Context, p *Proposal) (Standing, error) {
	text, err := r.ask(ctx, http.MethodGet, fmt.Sprintf("%s/pulls/%d", r.repository(), p.Number), nil)
	if err != nil {
		return "", err
	}
	found, err := readPull(text)
	if err != nil {
		return "", err
	}
	return found.standing()
}

// closePull closes the pull request, unless it is no more open.
func (r *Remote) closePull(ctx context.Context, p *Proposal) error {
	standing, err := r.pullState(ctx, p)
	var a *answered
	if errors.As(err, &a) && a.status == http.StatusNotFound {
		return nil
	}
	if err != nil || standing != Open {
		return err
	}
	_, err = r.ask(ctx, http.MethodPatch, fmt.Sprintf("%s/pulls/%d", r.repository(), p.Number), map[string]string{"state": "closed"})
	return err
}

func (r *Remote) repository() string { return r.c.APIURL + "/repos/" + r.name }

// ask makes one call of the host's API. An answer that is not a success is an *answered.
func (r *Remote) ask(ctx context.Context, method, address string, in any) ([]byte, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	scheme := "Bearer "
	if r.c.API == Gitea {
		scheme = "token "
	}
	req.Header.Set("Authorization", scheme+string(r.c.token.Reveal()))
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "strongroom")
	res, err := r.c.client().Do(req)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxReply {
		return nil, errors.New("the answer of the remote is too long")
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, &answered{res.StatusCode, readMessage(text)}
	}
	return text, nil
}

// readMessage finds what a host says of a failure.
func readMessage(text []byte) string {
	var said struct {
		Message string `json:"message"`
		Errors  []any  `json:"errors"`
	}
	if json.Unmarshal(text, &said) != nil {
		return ""
	}
	for _, e := range said.Errors {
		if fields, ok := e.(map[string]any); ok {
			if m, ok := fields["message"].(string); ok {
				return sentence(m)
			}
		}
	}
	return sentence(said.Message)
}
