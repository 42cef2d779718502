package xmlbody

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

type grantee struct {
	Type *string
	ID   *string
}

type doc struct {
	S    *string
	N    *int64
	T    *time.Time
	X    []byte
	L    []string
	Flat []string
	M    map[string]string
	G    *grantee
	D    *doc
	Docs []doc
}

func docPlan(tb testing.TB) *plan.Struct {
	tb.Helper()
	str := &wire.Shape{Name: "String", Kind: wire.String}
	strs := &wire.Shape{Name: "Strings", Kind: wire.List, Elem: &wire.Member{Shape: str}}
	self := &wire.Shape{Name: "Doc", Kind: wire.Structure, Type: reflect.TypeFor[doc]()}
	g := &wire.Shape{Name: "Grantee", Kind: wire.Structure, Type: reflect.TypeFor[grantee](), XMLPrefix: "xsi",
		XMLNamespace: "http://www.w3.org/2001/XMLSchema-instance", Members: []*wire.Member{
			{Name: "Type", WireName: "xsi:type", Shape: str, XMLAttribute: true}, {Name: "ID", WireName: "ID", Shape: str, Field: 1},
		}}
	self.Members = []*wire.Member{
		{Name: "S", Shape: str}, {Name: "N", Shape: &wire.Shape{Name: "Long", Kind: wire.Long}},
		{Name: "T", Shape: &wire.Shape{Name: "Time", Kind: wire.Timestamp}}, {Name: "X", Shape: &wire.Shape{Name: "Blob", Kind: wire.Blob}},
		{Name: "L", Shape: strs}, {Name: "Flat", WireName: "F", Shape: strs, Flattened: true},
		{Name: "M", Shape: &wire.Shape{Name: "Map", Kind: wire.Map, Key: &wire.Member{Shape: str}, Elem: &wire.Member{Shape: str}}},
		{Name: "G", Shape: g}, {Name: "D", Shape: self},
		{Name: "Docs", WireName: "Doc", Flattened: true, Shape: &wire.Shape{Name: "Docs", Kind: wire.List, Elem: &wire.Member{Shape: self}}},
	}
	for i, m := range self.Members {
		m.Field = i
	}
	p, err := plan.New().Top(self)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func decode(p *plan.Struct, data string) (*doc, error) {
	d, err := Open([]byte(data), Request)
	if err != nil {
		return nil, err
	}
	out := &doc{}
	if err := d.Struct(p, reflect.ValueOf(out).Elem()); err != nil {
		return nil, err
	}
	return out, d.Close()
}

func TestDecode(t *testing.T) {
	p := docPlan(t)
	for _, c := range []struct {
		name, data string
		want       doc
	}{
		{"empty", `<Doc/>`, doc{}},
		{"prolog", "\ufeff<?xml version=\"1.0\" encoding='UTF-8' standalone='yes'?>\n<!-- c --><?pi x?>\n<Doc></Doc>\n<!-- d -->\n", doc{}},
		{"namespaces and prefixes", `<a:Doc xmlns:a="x" xmlns="y"><a:S>s</a:S></a:Doc>`, doc{S: wire.Ptr("s")}},
		{"unknown elements", `<Doc><Z a="1"><S>no</S></Z><S>s</S>text</Doc>`, doc{S: wire.Ptr("s")}},
		{"references", `<Doc><S>&lt;&amp;&gt;&quot;&apos;&#65;&#x1F600;&#xa;</S></Doc>`, doc{S: wire.Ptr("<&>\"'A😀\n")}},
		{"CDATA and comments in text", `<Doc><S>a<![CDATA[<b>&amp;]]><!-- x -->c</S></Doc>`, doc{S: wire.Ptr("a<b>&amp;c")}},
		{"ends of lines", "<Doc><S>a\r\nb\rc&#13;</S></Doc>", doc{S: wire.Ptr("a\nb\nc\r")}},
		{"white space counts in text", `<Doc><S> a </S><N> 7 </N></Doc>`, doc{S: wire.Ptr(" a "), N: wire.Ptr(int64(7))}},
		{"lists", `<Doc><L><member>a</member><other/><member></member></L><F>x</F><S/><F>y</F></Doc>`,
			doc{L: []string{"a", ""}, Flat: []string{"x", "y"}, S: wire.Ptr("")}},
		{"empty list", `<Doc><L/><M></M></Doc>`, doc{L: []string{}, M: map[string]string{}}},
		{"map", `<Doc><M><entry><value>1</value><key>a</key></entry></M></Doc>`, doc{M: map[string]string{"a": "1"}}},
		{"attribute", `<Doc><G xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type = 'Canonical&#x20;User'><ID>i</ID></G></Doc>`,
			doc{G: &grantee{Type: wire.Ptr("Canonical User"), ID: wire.Ptr("i")}}},
		{"attribute with another prefix", `<Doc><G xmlns:q="u" q:type="T"/></Doc>`, doc{G: &grantee{Type: wire.Ptr("T")}}},
		{"nested", `<Doc><D><D><S>s</S></D></D><Doc><N>1</N></Doc><Doc/></Doc>`,
			doc{D: &doc{D: &doc{S: wire.Ptr("s")}}, Docs: []doc{{N: wire.Ptr(int64(1))}, {}}}},
	} {
		got, err := decode(p, c.data)
		if err != nil || !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: got %+v, %v", c.name, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	p := docPlan(t)
	deep := func(n int, open, shut string) string {
		return "<Doc>" + strings.Repeat(open, n) + strings.Repeat(shut, n) + "</Doc>"
	}
	for name, data := range map[string]string{
		"nothing": "", "text": "hello", "no end": "<Doc>", "cut in a tag": "<Doc", "cut in an attribute": `<Doc a="`, "wrong end": "<Doc></Dox>",
		"crossed": "<Doc><S><N></S></N></Doc>", "end alone": "</Doc>", "two roots": "<Doc/><Doc/>", "text before": "x<Doc/>", "text after": "<Doc/>x",
		"document type": `<!DOCTYPE Doc [<!ENTITY a "b">]><Doc/>`, "entity": "<Doc><S>&a;</S></Doc>", "cut entity": "<Doc><S>&amp</S></Doc>",
		"long entity": "<Doc><S>&" + strings.Repeat("a", 100) + ";</S></Doc>", "reference to nothing": "<Doc><S>&#0;</S></Doc>",
		"reference to a surrogate": "<Doc><S>&#xD800;</S></Doc>", "reference too large": "<Doc><S>&#x110000;</S></Doc>", "sign in a reference": "<Doc><S>&#+65;</S></Doc>",
		"control character": "<Doc><S>\x01</S></Doc>", "U+FFFE": "<Doc><S>\ufffe</S></Doc>", "invalid UTF-8": "<Doc><S>\xff</S></Doc>", "UTF-16": "\xff\xfe<\x00D\x00",
		"another encoding": `<?xml version="1.0" encoding="ISO-8859-1"?><Doc/>`, "late declaration": `<Doc><?xml version="1.0"?></Doc>`,
		"CDATA end in text": "<Doc><S>]]></S></Doc>", "open CDATA": "<Doc><S><![CDATA[x</S></Doc>", "open comment": "<Doc><!-- </Doc>", "dashes in a comment": "<Doc><!-- a -- b --></Doc>",
		"attribute twice": `<Doc a="1" a="2"/>`, "attribute without quotes": `<Doc a=1/>`, "attribute without a value": `<Doc a/>`, "attributes without space": `<Doc a="1"b="2"/>`,
		"less-than in an attribute": `<Doc a="<"/>`, "bad name": "<1/>", "space before the name": "< Doc/>", "element in text": "<Doc><S><b/></S></Doc>",
		"bad number": "<Doc><N>x</N></Doc>", "empty number": "<Doc><N/></Doc>", "bad base64": "<Doc><X>?</X></Doc>", "bad time": "<Doc><T>soon</T></Doc>",
		"map without a key": "<Doc><M><entry><value>1</value></entry></M></Doc>", "map without a value": "<Doc><M><entry><key>1</key></entry></M></Doc>",
		"too deep": deep(plan.MaxDepth+1, "<D>", "</D>"), "too deep in an unknown element": deep(plan.MaxDepth+5, "<z>", "</z>"),
		"too many attributes": "<Doc" + manyAttrs() + "/>",
	} {
		if got, err := decode(p, data); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if _, err := decode(p, deep(plan.MaxDepth, "<D>", "</D>")); err != nil {
		t.Errorf("the depth that is allowed: %v", err)
	}
}

func manyAttrs() string {
	var b strings.Builder
	for i := range maxAttrs + 1 {
		b.WriteString(" a" + strings.Repeat("x", i) + `="1"`)
	}
	return b.String()
}

func TestEncode(t *testing.T) {
	p := docPlan(t)
	in := doc{
		S: wire.Ptr("<a> & \"b\" 'c'\r\n\x01ü\xff\ufffe"), T: wire.Ptr(time.Unix(1422172800, 0)), X: []byte("hi"), L: []string{}, Flat: []string{"x", "y"},
		M: map[string]string{"b": "2", "a": "1"}, G: &grantee{Type: wire.Ptr(`T"`), ID: wire.Ptr("i")}, D: &doc{},
	}
	e := Encoder{Time: plan.ISO8601Ms}
	if err := e.Struct("Doc", "urn:x", p, reflect.ValueOf(&in).Elem()); err != nil {
		t.Fatal(err)
	}
	want := `<Doc xmlns="urn:x"><S>&lt;a&gt; &amp; &quot;b&quot; &apos;c&apos;&#xD;&#xA;&#x1;ü` + "\ufffd\ufffd" + `</S><T>2015-01-25T08:00:00.000Z</T><X>aGk=</X><L></L><F>x</F><F>y</F>` +
		`<M><entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry></M>` +
		`<G xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="T&quot;"><ID>i</ID></G><D></D></Doc>`
	if string(e.Buf) != want {
		t.Errorf("got  %s\nwant %s", e.Buf, want)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`<?xml version="1.0"?><Doc xmlns="x"><S>a&amp;&#65;<![CDATA[b]]></S><N>1</N><T>2015-01-25T08:00:00Z</T><X>aGk=</X></Doc>`,
		`<Doc><L><member>a</member></L><F>x</F><F/><M><entry><key>k</key><value>v</value></entry></M><z:Z q='1'/></Doc>`,
		`<Doc><G xmlns:xsi="u" xsi:type="T"><ID/></G><D><Doc><D/></Doc></D><!-- c --></Doc>`, ``, `<!DOCTYPE a>`,
	} {
		f.Add([]byte(s))
	}
	p := docPlan(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decode(p, string(data))
		if err != nil {
			return
		}
		e := Encoder{Time: plan.ISO8601}
		if err := e.Struct("Doc", "", p, reflect.ValueOf(got).Elem()); err != nil {
			t.Fatal(err)
		}
		back, err := decode(p, string(e.Buf))
		if err != nil {
			t.Fatalf("reading %s: %v", e.Buf, err)
		}
		again := Encoder{Time: plan.ISO8601}
		if err := again.Struct("Doc", "", p, reflect.ValueOf(back).Elem()); err != nil || !bytes.Equal(e.Buf, again.Buf) {
			t.Fatalf("wrote %s, then %s, %v", e.Buf, again.Buf, err)
		}
		if !bytes.Contains(e.Buf, []byte("&#x")) { // control characters are S3's own
			wellFormed(t, e.Buf)
		}
	})
}

func wellFormed(t *testing.T, data []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in %s", err, data)
		}
	}
}
