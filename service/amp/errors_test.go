package amp

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/restjson"
)

// TestValidationErrors sends inputs that the model does not allow, and reads the reason as SDKs do.
func TestValidationErrors(t *testing.T) {
	codec, err := restjson.New(api.API)
	if err != nil {
		t.Fatal(err)
	}
	type field struct{ Name, Message string }
	for name, c := range map[string]struct {
		method, path, body, reason string
		fields                     []field
	}{
		"no JSON":         {"POST", "/workspaces", "{", "CANNOT_PARSE", nil},
		"another type":    {"POST", "/workspaces", `{"alias":7}`, "CANNOT_PARSE", nil},
		"a missing field": {"POST", "/scrapers", `{"alias":"a"}`, "FIELD_VALIDATION_FAILED", []field{{"destination", "Member must not be null"}, {"scrapeConfiguration", "Member must not be null"}, {"source", "Member must not be null"}}},
		"a long field":    {"POST", "/workspaces", `{"clientToken":""}`, "FIELD_VALIDATION_FAILED", []field{{"clientToken", "Member must have length greater than or equal to 1"}, {"clientToken", "Member must satisfy regular expression pattern: ^[!-~]+$"}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &wire.Request{Method: c.method, Path: c.path, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(c.body)}
			op, err := codec.Route(r)
			if err != nil {
				t.Fatal(err)
			}
			in := op.NewInput()
			if err = codec.DecodeInput(op, r, in); err == nil {
				err = op.Validate(in)
			}
			w := wire.Response{Header: http.Header{}}
			codec.EncodeError(op, wire.AsError(err), wire.Meta{}, &w)
			var got struct {
				Message, Reason string
				FieldList       []field
			}
			if err := json.Unmarshal(w.Body, &got); err != nil {
				t.Fatal(err)
			}
			if w.Status != 400 || w.Header.Get("X-Amzn-Errortype") != "ValidationException" || got.Message == "" || got.Reason != c.reason || !reflect.DeepEqual(got.FieldList, c.fields) {
				t.Errorf("got %d %s", w.Status, w.Body)
			}
		})
	}
}
