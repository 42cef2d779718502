package policy

import "testing"

func TestJoin(t *testing.T) {
	parse := func(text string) *Document {
		t.Helper()
		d, err := Parse([]byte(text), Resource)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	allow := parse(`{"Version":"2012-10-17","Statement":{"Sid":"a","Effect":"Allow","Principal":{"Service":"a.amazonaws.com"},"Action":"logs:*","Resource":"*"}}`)
	deny := parse(`{"Version":"2008-10-17","Statement":{"Sid":"a","Effect":"Deny","Principal":"*","Action":"logs:Delete*","Resource":"*"}}`)
	for name, c := range map[string]struct {
		doc  *Document
		want map[string]bool
	}{
		"none":     {Join("none"), map[string]bool{"logs:PutLogEvents": false}},
		"one":      {Join("one", allow), map[string]bool{"logs:PutLogEvents": true, "logs:DeleteLogGroup": true, "s3:GetObject": false}},
		"both":     {Join("both", allow, deny), map[string]bool{"logs:PutLogEvents": true, "logs:DeleteLogGroup": false}},
		"in order": {Join("both", deny, allow), map[string]bool{"logs:PutLogEvents": true, "logs:DeleteLogGroup": false}},
	} {
		for action, want := range c.want {
			r := &Request{Principal: &Principal{Service: "a.amazonaws.com"}, Action: action, Resource: "arn:aws:logs:eu-west-1:111122223333:log-group:g"}
			if got := Decide(r, &Set{Resource: c.doc, ResourceAccount: "111122223333"}).Allowed; got != want {
				t.Errorf("%s: %s: got %v", name, action, got)
			}
		}
	}
	if len(allow.statements) != 1 || Join("x", allow).Name() != "x" {
		t.Error("what is joined must stay as it was, and the whole have the name")
	}
}
