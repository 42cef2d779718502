package main

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/pkcs11/frame"
)

// plainToken is a token without any secrets.
type plainToken struct{ closed bool }

func (*plainToken) info() *frame.Info                             { return &frame.Info{Label: "t"} }
func (*plainToken) find(string) error                             { return &failure{frame.NotFound, ""} }
func (*plainToken) generate(string) error                         { return nil }
func (*plainToken) remove(string) error                           { return errors.New("broken") }
func (*plainToken) labels() ([]string, error)                     { return []string{"a", "b"}, nil }
func (*plainToken) encrypt(_ string, _, p []byte) ([]byte, error) { return bytes.Clone(p), nil }
func (*plainToken) decrypt(_ string, _, c []byte) ([]byte, error) { return c, nil }
func (*plainToken) random(n int) ([]byte, error)                  { return make([]byte, n), nil }
func (*plainToken) ping() error                                   { return nil }
func (t *plainToken) close()                                      { t.closed = true }

func TestServe(t *testing.T) {
	var in, out bytes.Buffer
	requests := []frame.Request{
		{ID: 1, Op: frame.Ping},
		{ID: 2, Op: frame.Open, Version: frame.Version + 1},
		{ID: 3, Op: frame.Open, Version: frame.Version, PIN: []byte("1234")},
		{ID: 4, Op: frame.Open, Version: frame.Version},
		{ID: 5, Op: frame.Find}, {ID: 6, Op: frame.Generate}, {ID: 7, Op: frame.Delete}, {ID: 8, Op: frame.List, Label: "a"},
		{ID: 9, Op: frame.Encrypt, Data: []byte("p")}, {ID: 10, Op: frame.Encrypt, Data: make([]byte, frame.MaxData+1)},
		{ID: 11, Op: frame.Decrypt, Data: []byte("c")}, {ID: 12, Op: frame.Random, Count: 3}, {ID: 13, Op: frame.Random, Count: 1 << 30},
		{ID: 14, Op: frame.Ping}, {ID: 15, Op: "sing"},
	}
	for _, r := range requests {
		if err := frame.Write(&in, r); err != nil {
			t.Fatal(err)
		}
	}
	opened, pin := &plainToken{}, ""
	err := serve(&in, &out, func(_, _, p string) (token, error) { pin = p; return opened, nil })
	if err != nil || !opened.closed || pin != "1234" {
		t.Errorf("got %v, closed %v", err, opened.closed)
	}
	want := map[uint64]string{
		1: frame.Unusable, 2: frame.Unusable, 4: frame.Unusable, 5: frame.NotFound, 7: frame.Unavailable,
		10: frame.Unusable, 13: frame.Unusable, 15: frame.Unusable,
	}
	for range requests {
		var r frame.Reply
		if err := frame.Read(&out, &r); err != nil {
			t.Fatal(err)
		}
		if r.Kind != want[r.ID] {
			t.Errorf("request %d: got %q (%s), want %q", r.ID, r.Kind, r.Error, want[r.ID])
		}
		if r.ID == 8 && !slices.Equal(r.Labels, []string{"b"}) || r.ID == 9 && string(r.Data) != "p" || r.ID == 12 && len(r.Data) != 3 {
			t.Errorf("request %d: got %+v", r.ID, r)
		}
	}
}

func TestServeMalformed(t *testing.T) {
	none := func(_, _, _ string) (token, error) { return nil, errors.New("none") }
	if err := serve(strings.NewReader("\xff\xff\xff\xff"), io.Discard, none); !errors.Is(err, frame.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestPage(t *testing.T) {
	var all []string
	for i := range 1000 {
		all = append(all, strings.Repeat("x", 200)+string(rune(0x4e00+i)))
	}
	var got []string
	for after := ""; ; after = got[len(got)-1] {
		next := page(all, after)
		if len(next) == 0 {
			break
		}
		if err := frame.Write(io.Discard, frame.Reply{Labels: next}); err != nil {
			t.Fatal(err)
		}
		got = append(got, next...)
	}
	if !slices.Equal(got, all) {
		t.Errorf("got %d labels of %d", len(got), len(all))
	}
}

func FuzzServe(f *testing.F) {
	var in bytes.Buffer
	for _, r := range []frame.Request{{ID: 1, Op: frame.Open, Version: frame.Version}, {ID: 2, Op: frame.Encrypt, Data: []byte("x")}} {
		if err := frame.Write(&in, r); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(in.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		_ = serve(bytes.NewReader(data), &out, func(_, _, _ string) (token, error) { return &plainToken{}, nil })
		for {
			var r frame.Reply
			if err := frame.Read(&out, &r); err == io.EOF {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}
