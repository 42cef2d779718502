package xks

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
)

// TestIntegrityExample is the example of the specification's Appendix C.
func TestIntegrityExample(t *testing.T) {
	body := `{"authenticationTag": "vBxN2ncH1oEkR8WVXpmyYQ==", "ciphertext": "ghxkK1txeDNn3q8Y",
		"ciphertextDataIntegrityValue": "qHA/ImC9h5HsLRXqCyPmWgYx7tzyoTplzILbP0fPXsc=",
		"ciphertextMetadata": "a2V5X3ZlcnNpb249MQ==", "initializationVector": "HMrlRw85cAJUd5Ax"}`
	aad, err := base64.StdEncoding.DecodeString("cHJvamVjdD1uaWxlLGRlcGFydG1lbnQ9bWFya2V0aW5n")
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseEncrypt([]byte(body), 12, aad)
	if err != nil || string(s.Metadata) != "key_version=1" || len(s.IV) != 12 {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := parseEncrypt([]byte(body), 12, aad[1:]); err == nil {
		t.Error("the integrity value does not cover the associated data")
	}
}

// FuzzReplies gives every parser of answers the same bytes: each fails as it should or returns
// what the specification allows.
func FuzzReplies(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", `{"errorName":"InternalException"}`, `{"plaintext":"aGVsbG8="}`, `{"keySpec":"AES_256","keyUsage":["ENCRYPT"],"keyStatus":"ENABLED"}`,
		`{"xksProxyFleetSize":1,"xksProxyVendor":"a","xksProxyModel":"b","ekmVendor":"c","ekmFleetDetails":[{"id":"1","model":"m","healthStatus":"ACTIVE"}]}`,
		`{"ciphertext":"aGVsbG8=","initializationVector":"AAAAAAAAAAAAAAAA","authenticationTag":"AAAAAAAAAAAAAAAAAAAAAA==","ciphertextDataIntegrityValue":"AA=="}`,
		`{"plaintext":"aGVsbG8="}{"plaintext":"aGVsbG8="}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		check := func(what string, err error) bool {
			var e *Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("%s: %v is no *Error", what, err)
			}
			if err == nil && !json.Valid(body) {
				t.Errorf("%s: took what is not JSON", what)
			}
			return err == nil
		}
		check("health", parseHealth(body))
		_, err := parseMetadata(body)
		check("metadata", err)
		if plain, err := parseDecrypt(body, 5); check("decrypt", err) && len(plain) != 5 {
			t.Errorf("decrypt: %d bytes", len(plain))
		}
		if s, err := parseEncrypt(body, 5, []byte("aad")); check("encrypt", err) {
			sum := s.integrity([]byte("aad"))
			if len(s.Ciphertext) != 5 || len(s.Tag) != TagSize || len(s.IV) != 12 && len(s.IV) != 16 || len(s.Metadata) > MaxMetadata ||
				!bytes.Contains(body, []byte(base64.StdEncoding.EncodeToString(sum[:3]))) {
				t.Errorf("encrypt: %+v", s)
			}
		}
		if err := parseFailure(body); err == nil {
			t.Error("a failure that is none")
		}
	})
}
