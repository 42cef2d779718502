package wire

import (
	"context"
	"strings"
	"testing"
)

type proxyInput struct{ Endpoint, Path, Note *string }

type proxyOutput struct{}

type proxyService interface {
	Proxy(context.Context, *proxyInput) (*proxyOutput, error)
}

// TestCredentialsInURLs looks that a credential in a URL that is refused is neither repeated to the
// caller nor recorded (claim C8).
func TestCredentialsInURLs(t *testing.T) {
	service := Define(&Definition{
		Service: Service{Name: "proxies", Protocol: JSON11},
		Shapes: []ShapeDef{
			{Name: "ProxyInput", Kind: Structure, Zero: (*proxyInput)(nil), Members: []MemberDef{
				{Name: "Endpoint", Shape: "ProxyUriEndpoint"}, {Name: "Path", Shape: "ProxyUriPath"}, {Name: "Note", Shape: "Note"},
			}},
			{Name: "ProxyOutput", Kind: Structure, Zero: (*proxyOutput)(nil)},
			{Name: "ProxyUriEndpoint", Kind: String, Pattern: `^https://[a-zA-Z0-9.-]+$`},
			{Name: "ProxyUriPath", Kind: String, Pattern: `^/[a-z/]+$`},
			{Name: "Note", Kind: String, Pattern: `[a-z]+`},
		},
		Operations: []OperationDef{{
			Operation: Operation{Name: "Proxy", Method: "POST", Path: "/", Status: 200,
				Invoke: func(ctx context.Context, impl, in any) (any, error) {
					return Answer(impl.(proxyService).Proxy(ctx, in.(*proxyInput)))
				}},
			Input: "ProxyInput", Output: "ProxyOutput",
		}},
	})
	op := service.Operation("Proxy")
	for name, c := range map[string]struct {
		in              proxyInput
		recorded, value string // value as the message shows it; "" when it does not
	}{
		"good":     {proxyInput{Endpoint: Ptr("https://xks.example"), Path: Ptr("/a")}, `{"endpoint":"https://xks.example","path":"/a"}`, ""},
		"userinfo": {proxyInput{Endpoint: Ptr("https://user:hunter2@xks.example")}, `{"endpoint":"***"}`, ""},
		"token":    {proxyInput{Path: Ptr("/a?token=hunter2")}, `{"path":"***"}`, ""},
		"harmless": {proxyInput{Endpoint: Ptr("http://xks.example")}, `{"endpoint":"http://xks.example"}`, "'http://xks.example'"},
		"no URL":   {proxyInput{Note: Ptr("who? me@work")}, `{"note":"who? me@work"}`, "'who? me@work'"},
	} {
		if got := string(AppendParameters(nil, op.Input, &c.in)); got != c.recorded {
			t.Errorf("%s: recorded %s, want %s", name, got, c.recorded)
		}
		err := op.Validate(&c.in)
		if (err == nil) != (name == "good") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), c.value)) {
			t.Errorf("%s: message %s, want it to show %q", name, err, c.value)
		}
	}
}
