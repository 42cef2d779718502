package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestBytesNeverPrint(t *testing.T) {
	const canary = "correct-horse-battery"
	s := FromString(canary)
	holder := struct{ Key Bytes }{s}
	hidden := struct {
		key  Bytes
		keys []Bytes
	}{s, []Bytes{s}}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "key", s, "holder", holder)
	js, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	bytesOf := strings.Trim(fmt.Sprint([]byte(canary)), "[]")
	unexported := ""
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		unexported += fmt.Sprintf(verb, hidden)
	}
	hex := fmt.Sprintf("%x", canary)
	for name, got := range map[string]string{
		"v": fmt.Sprintf("%v", s), "+v": fmt.Sprintf("%+v", holder), "#v": fmt.Sprintf("%#v", holder),
		"s": fmt.Sprintf("%s", s), "x": fmt.Sprintf("%x", s), "q": fmt.Sprintf("%q", s), "d": fmt.Sprintf("%d", s),
		"json": string(js), "log": log.String(), "unexported": unexported,
	} {
		if strings.Contains(got, canary) || strings.Contains(got, hex) || strings.Contains(got, bytesOf) {
			t.Errorf("%s prints the secret: %q", name, got)
		}
	}
}

func TestEqualAndWipe(t *testing.T) {
	a, b := FromString("abc"), FromString("abc")
	if !a.Equal(b) || a.Equal(FromString("abd")) || a.Equal(FromString("ab")) {
		t.Fatal("Equal is wrong")
	}
	alias := a
	a.Wipe()
	if !bytes.Equal(alias.Reveal(), []byte{0, 0, 0}) {
		t.Fatalf("Wipe left %v", alias.Reveal())
	}
}
