package alerts

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
)

func TestDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, io.LimitReader(zeros{}, 2*maxAnswer)) // until the other side has enough
			c.Close()
		}
	}()
	if c, err := (Outgoing{}).dial(context.Background(), "tcp", l.Addr().String()); err == nil || !strings.Contains(err.Error(), "not public") {
		t.Errorf("connected to %v: %v", c, err)
	}
	c, err := Outgoing{Addresses: map[string]string{"hook.example": l.Addr().String()}}.dial(context.Background(), "tcp", "hook.example:443")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := io.Copy(io.Discard, c); n != maxAnswer || err == nil {
		t.Errorf("read %d bytes, %v; want %d and an error", n, err, maxAnswer)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestOutgoing_check(t *testing.T) {
	for name, o := range map[string]Outgoing{
		"address": {Addresses: map[string]string{"a": "b"}},
		"topic":   {Topics: map[string]string{"arn:x": "http://a"}},
	} {
		if o.Check() == nil {
			t.Errorf("%s: nothing is wrong", name)
		}
	}
	if err := (Outgoing{Addresses: map[string]string{"a": "127.0.0.1:1"}, Topics: map[string]string{"arn:x": "https://a/b"}}).Check(); err != nil {
		t.Error(err)
	}
}
