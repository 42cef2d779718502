package object

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/url"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
)

func TestBucketNames(t *testing.T) {
	good := []string{"abc", "a-b.c9", "0bucket", strings.Repeat("a", 63), "a.b.c", "1.2.3"}
	bad := []string{"", "ab", strings.Repeat("a", 64), "Abc", "a_b", "a..b", "-ab", "ab-", ".ab", "ab.", "1.2.3.4", "xn--abc", "sthree-abc", "amzn-s3-demo-x",
		"abc-s3alias", "abc--ol-s3", "abc.mrap", "abc--x-s3", "abc--table-s3", "a/b", "../etc", "a\x00b", "ä-b-c"}
	for _, n := range good {
		if err := CheckBucketName(n); err != nil {
			t.Errorf("%q: %v", n, err)
		}
	}
	for _, n := range bad {
		if err := CheckBucketName(n); !errors.Is(err, ErrBucketName) {
			t.Errorf("%q: %v", n, err)
		}
	}
}

func TestKeys(t *testing.T) {
	for key, want := range map[string]error{
		"": ErrKey, "a": nil, "../..": nil, "\x00": nil, "\xff": ErrKey, strings.Repeat("k", 1024): nil, strings.Repeat("k", 1025): ErrKeyTooLong,
		strings.Repeat("é", 512): nil, strings.Repeat("é", 513): ErrKeyTooLong,
	} {
		if err := CheckKey(key); !errors.Is(err, want) {
			t.Errorf("%.20q: got %v, want %v", key, err, want)
		}
	}
}

func TestParseSource(t *testing.T) {
	for header, want := range map[string]Source{
		"bucket/key":                    {"bucket", "key", ""},
		"/bucket/key":                   {"bucket", "key", ""},
		"bucket/a/b%20c%2Fd":            {"bucket", "a/b c/d", ""},
		"bucket%2Fkey":                  {"bucket", "key", ""},
		"bucket/k?versionId=null":       {"bucket", "k", "null"},
		"bucket/a+b":                    {"bucket", "a+b", ""},
		"bucket/k%3FversionId=x":        {"bucket", "k?versionId=x", ""},
		"/bucket//x":                    {"bucket", "/x", ""},
		"bucket/../../etc/passwd":       {"bucket", "../../etc/passwd", ""},
		"bucket/%E4%BD%A0?versionId=a1": {"bucket", "你", "a1"},
	} {
		if got, err := ParseSource(header); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", header, got, err)
		}
	}
	for _, header := range []string{"", "bucket", "/bucket/", "bucket/%zz", "bucket/k?x=1", "//k"} {
		if got, err := ParseSource(header); !errors.Is(err, ErrCopySource) {
			t.Errorf("%q: got %+v, %v", header, got, err)
		}
	}
}

func TestParseCopySpan(t *testing.T) {
	for header, want := range map[string]Span{"bytes=0-0": {0, 1}, "bytes=5-9": {5, 5}} {
		if got, err := ParseCopySpan(header, 10); err != nil || got != want {
			t.Errorf("%q: got %v, %v", header, got, err)
		}
	}
	for _, header := range []string{"", "bytes=0-", "bytes=-5", "bytes=0-10", "bytes=5-4", "0-1", "bytes=a-b"} {
		if got, err := ParseCopySpan(header, 10); !errors.Is(err, ErrSpan) {
			t.Errorf("%q: got %v, %v", header, got, err)
		}
	}
}

func TestETags(t *testing.T) {
	e := ETag{Sum: [16]byte{0xab}}
	if got := e.String(); got != `"ab000000000000000000000000000000"` {
		t.Errorf("got %s", got)
	}
	if got := ETagOfParts([][16]byte{{1}, {2}}).Bare(); !strings.HasSuffix(got, "-2") {
		t.Errorf("got %s", got)
	}
	for in, want := range map[string]string{`"a"`: "a", "a": "a", ` "a" `: "a", `"`: `"`, "": ""} {
		if got := Unquote(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

func TestParseTagging(t *testing.T) {
	got, err := ParseTagging("a=1&b=x%20y+z&c&&d=")
	if err != nil || len(got) != 4 || got["b"] != "x y z" || got["c"] != "" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"a=1&a=2", "=1", "a=%zz", "%zz=1"} {
		if _, err := ParseTagging(bad); !errors.Is(err, ErrTagging) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestEncodeName(t *testing.T) {
	for in, want := range map[string]string{"a/b": "a/b", "a b": "a+b", "a+b": "a%2Bb", "ü\x00": "%C3%BC%00"} {
		got := EncodeName(in)
		if back, err := url.QueryUnescape(got); got != want || err != nil || back != in {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

// keys is a set of names that counts how many it yields.
type keys struct {
	sorted []string
	seen   int
}

func (k *keys) Scan(from, to string) iter.Seq2[Named[string], error] {
	return func(yield func(Named[string], error) bool) {
		for i := sort.SearchStrings(k.sorted, from); i < len(k.sorted) && (to == "" || k.sorted[i] < to); i++ {
			k.seen++
			if !yield(Named[string]{k.sorted[i], k.sorted[i]}, nil) {
				return
			}
		}
	}
}

// slow lists by definition: everything, one by one.
func slow(all []string, q Query) (entries, prefixes []string) {
	seen := map[string]bool{}
	for _, k := range all {
		if !strings.HasPrefix(k, q.Prefix) {
			continue
		}
		name := k
		if i := strings.Index(k[len(q.Prefix):], q.Delimiter); q.Delimiter != "" && i >= 0 {
			name = k[:len(q.Prefix)+i+len(q.Delimiter)]
			if !seen[name] && name > q.After {
				prefixes = append(prefixes, name)
			}
			seen[name] = true
		} else if name > q.After {
			entries = append(entries, name)
		}
	}
	return entries, prefixes
}

func TestListAgainstDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	letters := []string{"a", "b", "/", "\xff", "\x00", "é"}
	word := func(n int) string {
		var b strings.Builder
		for range random.IntN(n) {
			b.WriteString(letters[random.IntN(len(letters))])
		}
		return b.String()
	}
	for range 3000 {
		set := map[string]bool{}
		for range random.IntN(30) {
			if w := word(7); w != "" {
				set[w] = true
			}
		}
		k := &keys{}
		for w := range set {
			k.sorted = append(k.sorted, w)
		}
		slices.Sort(k.sorted)
		q := Query{Prefix: word(3), Delimiter: []string{"", "/", "a", "/a"}[random.IntN(4)], After: word(4), Limit: 1 + random.IntN(4)}
		wantEntries, wantPrefixes := slow(k.sorted, q)
		var entries, prefixes []string
		start := q.After
		for page := 0; ; page++ {
			got, err := List(k, q)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(got.Entries) + len(got.Prefixes); n > q.Limit || got.Truncated() && n != q.Limit {
				t.Fatalf("a page of %d, limit %d", n, q.Limit)
			}
			entries, prefixes = append(entries, got.Entries...), append(prefixes, got.Prefixes...)
			if !got.Truncated() {
				break
			}
			q.After = got.Next
			if page > 100 {
				t.Fatalf("no end: %q %+v", k.sorted, q)
			}
		}
		if !slices.Equal(entries, wantEntries) || !slices.Equal(prefixes, wantPrefixes) {
			t.Fatalf("%q prefix %q delimiter %q after %q:\ngot  %q %q\nwant %q %q", k.sorted, q.Prefix, q.Delimiter, start, entries, prefixes, wantEntries, wantPrefixes)
		}
	}
}

func TestListSeeksBehindCommonPrefixes(t *testing.T) {
	k := &keys{}
	for d := range 10 {
		for f := range 1000 {
			k.sorted = append(k.sorted, fmt.Sprintf("dir%d/%04d", d, f))
		}
	}
	page, err := List(k, Query{Delimiter: "/", Limit: 1000})
	if err != nil || len(page.Prefixes) != 10 || page.Truncated() {
		t.Fatalf("got %+v, %v", page, err)
	}
	if k.seen > 20 {
		t.Errorf("%d keys were read for 10 common prefixes", k.seen)
	}
}

func TestListStopsAtErrors(t *testing.T) {
	broken := errors.New("broken")
	_, err := List(failing{broken}, Query{Limit: 1})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Scan(string, string) iter.Seq2[Named[string], error] {
	return func(yield func(Named[string], error) bool) { yield(Named[string]{}, f.err) }
}

func TestConditions(t *testing.T) {
	tag := ETag{Sum: [16]byte{1}}
	is, other := tag.String(), `"no"`
	at := time.Date(2024, 5, 6, 7, 8, 9, 500_000_000, time.UTC) // objects keep milliseconds, headers seconds
	second := at.Truncate(time.Second)
	for name, c := range map[string]struct {
		c    Conditions
		want Verdict
	}{
		"none":                     {Conditions{}, Proceed},
		"match":                    {Conditions{Match: is}, Proceed},
		"weak":                     {Conditions{Match: "W/" + is}, Proceed},
		"no match":                 {Conditions{Match: other}, Failed},
		"none match":               {Conditions{NoneMatch: other + "," + is}, NotModified},
		"both":                     {Conditions{Match: is, NoneMatch: is}, NotModified},
		"same second":              {Conditions{ModifiedSince: second}, NotModified},
		"second before":            {Conditions{ModifiedSince: second.Add(-time.Second)}, Proceed},
		"unmodified: same second":  {Conditions{UnmodSince: second}, Proceed},
		"unmodified: before":       {Conditions{UnmodSince: second.Add(-time.Second)}, Failed},
		"match over unmodified":    {Conditions{Match: is, UnmodSince: second.Add(-time.Hour)}, Proceed},
		"none match over modified": {Conditions{NoneMatch: other, ModifiedSince: second}, Proceed},
		"time to come":             {Conditions{ModifiedSince: time.Now().Add(time.Hour)}, Proceed},
	} {
		if got := c.c.Read(tag, at); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
		want := c.want
		if want == NotModified {
			want = Failed
		}
		if got := c.c.Copy(tag, at); got != want {
			t.Errorf("copy, %s: got %v, want %v", name, got, want)
		}
	}
}

func TestGuards(t *testing.T) {
	tag := ETag{Sum: [16]byte{1}}
	for name, c := range map[string]struct {
		g     Guard
		there bool
		want  GuardVerdict
	}{
		"nothing asked":       {Guard{}, true, Write},
		"new":                 {Guard{NoneMatch: "*"}, false, Write},
		"new, but there":      {Guard{NoneMatch: "*"}, true, Refuse},
		"match":               {Guard{Match: tag.String()}, true, Write},
		"match, but other":    {Guard{Match: `"x"`}, true, Refuse},
		"match, but nothing":  {Guard{Match: tag.String()}, false, Absent},
		"match star, nothing": {Guard{Match: "*"}, false, Absent},
	} {
		var have *ETag
		if c.there {
			have = &tag
		}
		if got := c.g.Decide(have); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	for g, want := range map[Guard]bool{{}: true, {NoneMatch: "*"}: true, {Match: "x"}: true, {NoneMatch: "x"}: false, {Match: "x", NoneMatch: "*"}: false} {
		if g.Supported() != want {
			t.Errorf("%+v: supported %v", g, !want)
		}
	}
}

func TestContentRange(t *testing.T) {
	if got := (Span{5, 10}).ContentRange(100); got != "bytes 5-14/100" {
		t.Errorf("got %s", got)
	}
	if got := Whole(7); got != (Span{0, 7}) {
		t.Errorf("got %+v", got)
	}
}

func FuzzParseSpan(f *testing.F) {
	for _, s := range []string{"bytes=0-0", "bytes=-1", "bytes=5-", "bytes=0-99999999999999999999", "bytes=--1", "bytes=1-2,3-4", "bytes=", "items=1-2"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		s, ok, err := ParseSpan(header, size)
		if ok && (err != nil || s.Offset < 0 || s.Length < 1 || s.Offset+s.Length > size) {
			t.Errorf("%q of %d: %+v, %v", header, size, s, err)
		}
		if c, err := ParseCopySpan(header, size); err == nil && (c.Offset < 0 || c.Length < 1 || c.Offset+c.Length > size) {
			t.Errorf("%q of %d: %+v", header, size, c)
		}
	})
}

func FuzzConditions(f *testing.F) {
	f.Add(`"abc", W/"def"`, "*")
	f.Add(",,,", `"`)
	f.Fuzz(func(t *testing.T, match, none string) {
		tag := ETag{Sum: [16]byte{1}}
		c := Conditions{Match: match, NoneMatch: none, UnmodSince: time.Unix(1, 0)}
		v := c.Read(tag, time.Unix(1, 0))
		if match != "" && !strings.Contains(match, "*") && !strings.Contains(match, tag.Bare()) && v != Failed {
			t.Errorf("%q %q: %v", match, none, v)
		}
		if c.Copy(tag, time.Unix(1, 0)) == NotModified {
			t.Error("a copy is never NotModified")
		}
		g := Guard{Match: match, NoneMatch: none}
		if g.Decide(nil) == Refuse || none != "" && g.Decide(&tag) == Write {
			t.Errorf("%+v", g)
		}
	})
}

func FuzzParseTagging(f *testing.F) {
	f.Add("a=1&b=%20")
	f.Add("&&=&")
	f.Fuzz(func(t *testing.T, header string) {
		tags, err := ParseTagging(header)
		if err != nil && !errors.Is(err, ErrTagging) {
			t.Errorf("%q: %v", header, err)
		}
		if _, ok := tags[""]; ok {
			t.Errorf("%q: an empty key", header)
		}
	})
}

func FuzzParseSource(f *testing.F) {
	f.Add("/bucket/key?versionId=x")
	f.Add("%2F%2F")
	f.Fuzz(func(t *testing.T, header string) {
		s, err := ParseSource(header)
		if err == nil && (s.Bucket == "" || s.Key == "" || strings.Contains(s.Bucket, "/")) {
			t.Errorf("%q: %+v", header, s)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add("Color", "blue")
	f.Fuzz(func(t *testing.T, name, value string) {
		got, err := Metadata(map[string]string{name: value})
		if (err != nil) != (len(name)+len(value) > MaxMetadata) || err == nil && got[strings.ToLower(name)] != value {
			t.Errorf("%q %q: %v, %v", name, value, got, err)
		}
	})
}
