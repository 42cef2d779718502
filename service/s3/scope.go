package s3

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/strongroom/strongroom/arn"
)

// words is a string or a list of strings, as policies write both.
type words []string

// UnmarshalJSON reads either form.
func (w *words) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		var one string
		err := json.Unmarshal(b, &one)
		*w = words{one}
		return err
	}
	return json.Unmarshal(b, (*[]string)(w))
}

type scopeStatement struct{ Action, NotAction, Resource, NotResource words }

// scopeStatements is a statement or a list of them.
type scopeStatements []scopeStatement

// UnmarshalJSON reads either form.
func (l *scopeStatements) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte("{")) {
		*l = make(scopeStatements, 1)
		return json.Unmarshal(b, &(*l)[0])
	}
	return json.Unmarshal(b, (*[]scopeStatement)(l))
}

// checkScope checks that a bucket policy, whose grammar has been checked, speaks only of
// S3's actions and of its own bucket. S3 refuses others, because they can only be a mistake.
func checkScope(text, bucket string) error {
	var doc struct{ Statement scopeStatements }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return badRequest("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'").WithCause(err)
	}
	for i := range doc.Statement {
		st := &doc.Statement[i]
		for _, list := range []words{st.Action, st.NotAction} {
			for _, action := range list {
				if action != "*" && !strings.HasPrefix(strings.ToLower(action), "s3:") {
					return badRequest("MalformedPolicy", "Policy has invalid action")
				}
			}
		}
		for _, list := range []words{st.Resource, st.NotResource} {
			for _, resource := range list {
				if !speaksOf(resource, bucket) {
					return badRequest("MalformedPolicy", "Policy has invalid resource")
				}
			}
		}
	}
	return nil
}

// speaksOf reports whether a pattern of resources may mean a bucket or what is in it.
func speaksOf(resource, bucket string) bool {
	if resource == "*" {
		return true
	}
	name, ok := strings.CutPrefix(resource, "arn:aws:s3:::")
	if !ok {
		return false
	}
	name, _, _ = strings.Cut(name, "/")
	return arn.Glob(name, bucket)
}
