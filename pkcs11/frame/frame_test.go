package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestFrames(t *testing.T) {
	var stream bytes.Buffer
	in := []Request{
		{ID: 1, Op: Open, Version: Version, Module: "/m.so", Token: "t", PIN: []byte("1234")},
		{ID: 1<<64 - 1, Op: Encrypt, Label: "é", AAD: make([]byte, MaxData), Data: make([]byte, MaxData+28)},
	}
	for _, r := range in {
		if err := Write(&stream, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range in {
		var got Request
		if err := Read(&stream, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if err := Read(&stream, &Request{}); err != io.EOF {
		t.Errorf("end of stream: got %v", err)
	}
	full := Reply{Labels: make([]string, MaxList)}
	for i := range full.Labels {
		full.Labels[i] = strings.Repeat("x", MaxLabel)
	}
	if err := Write(io.Discard, full); err != nil {
		t.Errorf("a full list does not fit: %v", err)
	}
	if err := Write(io.Discard, Request{Data: make([]byte, MaxFrame)}); !errors.Is(err, ErrMalformed) {
		t.Errorf("too long: got %v", err)
	}
}

// framed puts a length before text.
func framed(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func TestMalformedFrames(t *testing.T) {
	for name, data := range map[string][]byte{
		"cut in the length": {0, 0},
		"cut in the text":   framed(`{"id":1}`)[:9],
		"too long":          binary.BigEndian.AppendUint32(nil, MaxFrame+1),
		"empty":             framed(""),
		"no JSON":           framed("pin=1234"),
		"unknown field":     framed(`{"id":1,"canary-1234":2}`),
		"two values":        framed(`{"id":1}{}`),
	} {
		err := Read(bytes.NewReader(data), &Reply{})
		if !errors.Is(err, ErrMalformed) || strings.Contains(err.Error(), "1234") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(framed(`{"id":1,"op":"open","version":1,"pin":"MTIzNA=="}`))
	f.Add(framed(`{"id":1,"kind":"pin","labels":["a"],"info":{"label":"t"}}`))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		var request Request
		if err := Read(bytes.NewReader(data), &request); err == nil {
			again(t, request)
		}
		var reply Reply
		if err := Read(bytes.NewReader(data), &reply); err == nil {
			again(t, reply)
		}
	})
}

// again writes what was read and reads it back.
func again[T any](t *testing.T, v T) {
	var stream bytes.Buffer
	if err := Write(&stream, v); err != nil {
		if !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
		return // longer in its true form
	}
	var second bytes.Buffer
	var got T
	if err := Read(bytes.NewReader(stream.Bytes()), &got); err != nil {
		t.Fatal(err)
	}
	if err := Write(&second, got); err != nil || !bytes.Equal(stream.Bytes(), second.Bytes()) {
		t.Errorf("%+v became %+v, %v", v, got, err)
	}
}
