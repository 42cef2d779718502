package resource

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/secret"
)

func TestCheckTag(t *testing.T) {
	for name, c := range map[string]struct {
		key, value string
		ok         bool
	}{
		"plain":           {"team", "pumps", true},
		"empty value":     {"team", "", true},
		"unicode":         {"größe", "zwölf µ", true},
		"punctuation":     {"a_b.c:d/e=f+g-h@i", "a_b.c:d/e=f+g-h@i", true},
		"empty key":       {"", "v", false},
		"reserved":        {"aws:team", "v", false},
		"reserved case":   {"AWS:team", "v", false},
		"reserved inside": {"my-aws:team", "v", true},
		"long key":        {strings.Repeat("k", 129), "v", false},
		"longest key":     {strings.Repeat("ö", 128), "v", true},
		"long value":      {"k", strings.Repeat("v", 257), false},
		"control":         {"k", "a\x00b", false},
		"not UTF-8":       {"k", "\xff", false},
		"angle":           {"k", "<b>", false},
	} {
		err := CheckTag(c.key, c.value)
		if (err == nil) != c.ok {
			t.Errorf("%s: got %v, want ok %v", name, err, c.ok)
		}
		if err != nil && !errors.Is(err, ErrTag) {
			t.Errorf("%s: %v is no ErrTag", name, err)
		}
	}
}

func TestMergeAndWithout(t *testing.T) {
	old := Tags{"a": "1", "b": "2"}
	got, err := old.Merge(Tags{"b": "3", "c": "4"})
	if err != nil || fmt.Sprint(got) != "map[a:1 b:3 c:4]" {
		t.Fatalf("Merge: %v %v", got, err)
	}
	if rest := got.Without([]string{"a", "zz"}); fmt.Sprint(rest) != "map[b:3 c:4]" {
		t.Fatalf("Without: %v", rest)
	}
	if fmt.Sprint(old) != "map[a:1 b:2]" {
		t.Fatalf("Merge changed its receiver: %v", old)
	}
	many := Tags{}
	for i := range MaxTags {
		many[fmt.Sprint("k", i)] = ""
	}
	if _, err := many.Merge(Tags{"one more": ""}); !errors.Is(err, ErrTooManyTags) {
		t.Fatalf("51 tags: %v", err)
	}
}

func TestPageTokens(t *testing.T) {
	p := NewPager(secret.FromString("0123456789abcdef"))
	token := p.Token("111122223333/kms:ListKeys", "key-17")
	if got, err := p.Position("111122223333/kms:ListKeys", token); err != nil || got != "key-17" {
		t.Fatalf("Position: %q %v", got, err)
	}
	if _, err := p.Position("444455556666/kms:ListKeys", token); !errors.Is(err, ErrToken) {
		t.Fatalf("another account's token: %v", err)
	}
	for i := range token {
		for _, c := range []byte("AZ09-_!") {
			if token[i] == c {
				continue
			}
			bad := token[:i] + string(c) + token[i+1:]
			if got, err := p.Position("111122223333/kms:ListKeys", bad); err == nil {
				t.Fatalf("changed token %q opened as %q", bad, got)
			}
		}
	}
}

func FuzzPosition(f *testing.F) {
	p := NewPager(secret.FromString("0123456789abcdef"))
	f.Add("s", p.Token("s", "x"))
	f.Add("s", p.Token("s", "x")[:5]+"\r"+p.Token("s", "x")[5:])
	f.Fuzz(func(t *testing.T, scope, token string) {
		if got, err := p.Position(scope, token); err == nil && p.Token(scope, got) != token {
			t.Errorf("token %q opened but is not ours", token)
		}
	})
}
