package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	tests := []struct{ name, model, patch, want string }{
		{"members in order", `{"b":1,"a":{"y":1}}`, `{"c":2,"a":{"x":2}}`, `{"b":1,"a":{"y":1,"x":2},"c":2}`},
		{"replace", `{"a":{"min":1}}`, `{"a":{"min":2}}`, `{"a":{"min":2}}`},
		{"take out", `{"a":1,"b":2}`, `{"a":null}`, `{"b":2}`},
		{"add to a list", `{"enum":["A","B"]}`, `{"enum":["B","C"]}`, `{"enum":["A","B","C"]}`},
		{"a new list", `{}`, `{"enum":["A"]}`, `{"enum":["A"]}`},
		{"objects in a list", `{"errors":[{"shape":"A"}]}`, `{"errors":[{"shape":"A"},{"shape":"B"}]}`, `{"errors":[{"shape":"A"},{"shape":"B"}]}`},
		{"take out of a list", `{"required":["A","B"]}`, `{"required":{"remove":["A"]}}`, `{"required":["B"]}`},
		{"numbers as written", `{"max":2097152}`, `{"min":1e3}`, `{"max":2097152,"min":1e3}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			model, patch := tree(t, tt.model), tree(t, tt.patch)
			if err := merge(model, patch); err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(model)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func tree(t *testing.T, text string) *object {
	t.Helper()
	o, err := parseTree([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestMergeRefuses(t *testing.T) {
	for _, tt := range []struct{ model, patch, want string }{
		{`{}`, `{"a":null}`, "nothing to take out"},
		{`{"a":["x"]}`, `{"a":{"remove":["y"]}}`, "nothing to take out"},
		{`{"a":["x"]}`, `{"a":{"add":["y"]}}`, "over a list"},
	} {
		err := merge(tree(t, tt.model), tree(t, tt.patch))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s over %s: got %v, want %s", tt.patch, tt.model, err, tt.want)
		}
	}
	for _, text := range []string{`[]`, `{"a":1,"a":2}`, `{"a":`, ``} {
		if _, err := parseTree([]byte(text)); err == nil {
			t.Errorf("parsed %s", text)
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{"arnType": "ArnType", "__listOf": "ListOf", "SSEKMSKeyId": "SSEKMSKeyId", "x-amz-meta": "XAmzMeta"} {
		if got := exported(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	for _, tt := range [][3]string{
		{"KeySpec", "SYMMETRIC_DEFAULT", "KeySpecSymmetricDefault"},
		{"KeySpec", "ECC_NIST_P256", "KeySpecEccNistP256"},
		{"ServerSideEncryption", "aws:kms:dsse", "ServerSideEncryptionAwsKmsDsse"},
		{"ServerSideEncryption", "AES256", "ServerSideEncryptionAes256"},
		{"Event", "s3:ObjectCreated:*", "EventS3ObjectCreated"},
		{"AlgorithmSpec", "RSAES_PKCS1_V1_5", "AlgorithmSpecRsaesPkcs1V1_5"},
		{"StorageClass", "STANDARD_IA", "StorageClassStandardIa"},
	} {
		if got := constant(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s of %s: got %s, want %s", tt[1], tt[0], got, tt[2])
		}
	}
	s := scope{}
	for _, want := range []string{"A", "AShape", ""} {
		if got, err := s.take("a shape", "A", "AShape"); got != want || (err == nil) != (want != "") {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}
