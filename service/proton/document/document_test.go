package document

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	n, err := Read("f", []byte("b: 1\na: [x, 1.5, true, null]\nversion: 1.10\ndate: 2024-01-02\nbase: &b {k: v, w: 1}\nmore: {<<: *b, w: 2}\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(n.Value())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"b":1,"a":["x",1.5,true,null],"version":1.1,"date":"2024-01-02","base":{"k":"v","w":1},"more":{"w":2,"k":"v"}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := n.Get("version").Text(); got != "1.10" {
		t.Errorf("Text: got %s, want 1.10", got)
	}
	if at := n.Find("a[1]"); at.Line != 2 || at.Column != 8 {
		t.Errorf("Find: got %d:%d, want 2:8", at.Line, at.Column)
	}
	if at := n.Find("more.w"); at.Line != 6 {
		t.Errorf("Find: got line %d, want 6", at.Line)
	}
}

func TestValue(t *testing.T) {
	var m map[string]any
	if err := json.Unmarshal([]byte(`{"b": 80, "a": [1.5, {"x": null}], "c": "s"}`), &m); err != nil {
		t.Fatal(err)
	}
	o := NewObject(m)
	if v, _ := o.Get("b"); v != int64(80) {
		t.Errorf("got %T %v, want the whole number 80", v, v)
	}
	got, err := json.Marshal(o)
	if err != nil || string(got) != `{"a":[1.5,{"x":null}],"b":80,"c":"s"}` {
		t.Errorf("got %s, %v", got, err)
	}
}

// bomb is nine lists that each hold the one before nine times.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 9; i++ {
		name, before := string(rune('0'+i)), string(rune('0'+i-1))
		b.WriteString("a" + name + ": &a" + name + " [" + strings.Repeat("*a"+before+",", 9) + "]\n")
	}
	return b.String()
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		bomb():                     "aliases make this document too large",
		"a: &a [*a]":               "f:1",
		"a: 1\nb: 2\na: 3":         `f:3:1: the key "a" is there twice`,
		"a: 1\n---\nb: 2":          "more than one YAML document",
		"a: !Ref x":                "f:1:4: the tag !Ref is not supported here",
		"a: [":                     "not valid YAML",
		"a:\n\t- b":                "f:2: not valid YAML",
		"a: .nan":                  "not a finite number",
		"? [a]\n: b":               "a key must be a plain name",
		strings.Repeat("[", 20000): "f",
		"a: !!binary aGk=":         "not supported here",
	} {
		_, err := Read("f", []byte(text))
		var placed *Error
		if !errors.As(err, &placed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: got %v, want %s", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"a: 1", "- x\n- [1, 2]", "a: &x {b: c}\nd: *x\n<<: *x", "\"q\": 'z'", "a: |\n  text\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := Read("f", []byte(text))
		if err != nil {
			var placed *Error
			if !errors.As(err, &placed) {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		if _, err := json.Marshal(n.Value()); err != nil {
			t.Fatal(err)
		}
	})
}
