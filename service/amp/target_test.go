package amp

import (
	"testing"

	api "github.com/strongroom/strongroom/api/amp"
)

func TestEveryOperationHasAScope(t *testing.T) {
	for _, op := range api.API.Operations {
		if _, ok := scopes[op.Name]; !ok {
			t.Errorf("%s has no scope", op.Name)
		}
	}
	for name := range scopes {
		if api.API.Operation(name) == nil {
			t.Errorf("there is no operation %s", name)
		}
	}
}

func TestParseName(t *testing.T) {
	const ok, bad = true, false
	for name, want := range map[string]bool{
		"arn:aws:aps:eu-central-1:111122223333:workspace/ws-1":                    ok,
		"arn:aws:aps:eu-central-1:111122223333:rulegroupsnamespace/ws-1/my rules": ok,
		"arn:aws:aps:eu-central-1:111122223333:rulegroupsnamespace/ws-1/a/b":      ok,
		"arn:aws:aps:eu-central-1:111122223333:scraper/s-1":                       ok,
		"arn:aws:aps:eu-central-1:111122223333:anomalydetector/ws-1/ad-1":         ok,
		"arn:aws:aps:eu-central-1:111122223333:workspace/ws-1/x":                  bad,
		"arn:aws:aps:eu-central-1:111122223333:rulegroupsnamespace/ws-1":          bad,
		"arn:aws:aps:eu-central-1:111122223333:other/x":                           bad,
		"arn:aws:kms:eu-central-1:111122223333:workspace/ws-1":                    bad,
		"arn:aws:aps:eu-central-1:111122223333:workspace/ws\x00-1":                bad,
		"workspace/ws-1": bad,
	} {
		if n, got := parseName(name); got != want {
			t.Errorf("%q: got %v, %v; want %v", name, n, got, want)
		}
	}
}
