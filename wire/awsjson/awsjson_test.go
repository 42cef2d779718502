package awsjson_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/awsjson"
)

func request(target, body string) *wire.Request {
	return &wire.Request{Method: "POST", Path: "/", Header: http.Header{"X-Amz-Target": {target}}, Body: []byte(body)}
}

func TestRoute(t *testing.T) {
	c, err := awsjson.New(kms.API)
	if err != nil {
		t.Fatal(err)
	}
	if op, err := c.Route(request("TrentService.Encrypt", "")); err != nil || op.Name != "Encrypt" {
		t.Errorf("got %v, %v", op, err)
	}
	get := request("TrentService.Encrypt", "")
	get.Method = "GET"
	twice := request("TrentService.Encrypt", "")
	twice.Header.Add("X-Amz-Target", "TrentService.Decrypt")
	for name, r := range map[string]*wire.Request{
		"no target": {Method: "POST"}, "no dot": request("Encrypt", ""), "no operation": request("TrentService.", ""),
		"another service": request("secretsmanager.Encrypt", ""), "unknown": request("TrentService.Burn", ""),
		"case": request("TrentService.encrypt", ""), "GET": get, "two targets": twice,
	} {
		if op, err := c.Route(r); !wire.IsCode(err, "UnknownOperationException") {
			t.Errorf("%s: got %v, %v", name, op, err)
		}
	}
}

func TestDecodeInput(t *testing.T) {
	c, err := awsjson.New(kms.API)
	if err != nil {
		t.Fatal(err)
	}
	op := kms.API.Operation("Encrypt")
	var in kms.EncryptInput
	if err := c.DecodeInput(op, request("", `{"KeyId":"k","Plaintext":"aGk=","EncryptionContext":{"a":"b"},"DryRun":true}`), &in); err != nil {
		t.Fatal(err)
	}
	want := kms.EncryptInput{KeyId: wire.Ptr("k"), Plaintext: []byte("hi"), EncryptionContext: map[string]string{"a": "b"}, DryRun: wire.Ptr(true)}
	if !reflect.DeepEqual(in, want) {
		t.Errorf("got %+v", in)
	}
	for _, body := range []string{`{"KeyId":1}`, `{`, `[]`, `{"EncryptionContext":{"a":null}}`} {
		if err := c.DecodeInput(op, request("", body), op.NewInput()); !wire.IsCode(err, "SerializationException") {
			t.Errorf("%s: got %v", body, err)
		}
	}
	if err := c.DecodeInput(op, request("", `{}`), &kms.DecryptInput{}); err == nil {
		t.Error("the input of another operation was taken")
	}
	if err := c.DecodeInput(&wire.Operation{}, request("", `{}`), &in); err == nil {
		t.Error("an operation of another service was taken")
	}
}

func TestErrors(t *testing.T) {
	old := *kms.API
	old.Protocol, old.ID, old.MessageName = wire.JSON10, "Proton", "Message"
	for _, c := range []struct {
		svc  *wire.Service
		e    *wire.Error
		body string
	}{
		{kms.API, kms.NotFoundException("Key %q does not exist", "k"), `{"__type":"NotFoundException","message":"Key \"k\" does not exist"}`},
		{kms.API, wire.Errorf("UnknownOperationException", 400, ""), `{"__type":"UnknownOperationException"}`},
		{&old, kms.NotFoundException("gone"), `{"__type":"com.amazonaws.proton#NotFoundException","Message":"gone"}`},
	} {
		codec, err := awsjson.New(c.svc)
		if err != nil {
			t.Fatal(err)
		}
		w := &wire.Response{Header: http.Header{}}
		codec.EncodeError(nil, c.e, wire.Meta{RequestID: "r-1"}, w)
		if string(w.Body) != c.body || w.Status != 400 || w.Header.Get("x-amzn-RequestId") != "r-1" {
			t.Errorf("got %d %s %v, want %s", w.Status, w.Body, w.Header, c.body)
		}
		back := codec.DecodeError(nil, w)
		if back.Code != c.e.Code || back.Message != c.e.Message || back.Status != 400 {
			t.Errorf("got back %+v", back)
		}
	}
}

func TestContentType(t *testing.T) {
	c, err := awsjson.New(kms.API)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire.Response{Header: http.Header{}}
	if err := c.EncodeOutput(kms.API.Operation("EnableKey"), &kms.EnableKeyOutput{}, wire.Meta{RequestID: "r"}, w); err != nil {
		t.Fatal(err)
	}
	if got := w.Header.Get("Content-Type"); got != "application/x-amz-json-1.1" || w.Status != 200 || string(w.Body) != "{}" {
		t.Errorf("got %s %d %s", got, w.Status, w.Body)
	}
}
