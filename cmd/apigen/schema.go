package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// printSchema prints the description of the API as a wire.Definition: data only, so
// that it costs nothing until Define links it.
func printSchema(a *api, b *bytes.Buffer) {
	imports := []string{"context", wirePath}
	a.begin(b, imports...)
	b.WriteString("// API describes the service.\nvar API = wire.Define(&definition)\n\n")
	b.WriteString("var definition = wire.Definition{\nService: ")
	a.printMeta(b)
	b.WriteString("Shapes: []wire.ShapeDef{\n")
	for _, list := range [][]*typ{a.types, a.enums, a.others} {
		for _, t := range list {
			printShape(b, t)
		}
	}
	b.WriteString("},\nErrors: []wire.ErrorDef{\n")
	for _, f := range a.errors {
		l := literal{b: b}
		l.open("")
		l.text("Name", f.name)
		if f.code() != f.name {
			l.text("Code", f.code())
		}
		l.raw("Status", strconv.Itoa(f.status()))
		l.flag("Fault", f.fault())
		if f.detail != nil {
			l.text("Shape", f.detail.name)
		}
		b.WriteString("},\n")
	}
	b.WriteString("},\nOperations: []wire.OperationDef{\n")
	for _, o := range a.ops {
		a.printOperation(b, o)
	}
	b.WriteString("},\n}\n")
}

func (a *api) printMeta(b *bytes.Buffer) {
	m := &a.meta
	l := literal{b: b}
	l.open("wire.Service")
	l.text("Name", or(m.ActionPrefix, a.pkg))
	l.text("ID", m.ServiceID)
	l.text("Version", m.APIVersion)
	l.raw("Protocol", "wire."+a.protocol())
	l.text("SigningName", or(m.SigningName, m.EndpointPrefix))
	l.text("EndpointPrefix", m.EndpointPrefix)
	l.text("EventSource", or(m.EventSource, m.EndpointPrefix+".amazonaws.com"))
	l.text("TargetPrefix", m.TargetPrefix)
	l.text("XMLNamespace", m.XMLNamespace)
	l.flag("Global", m.GlobalEndpoint != "")
	l.text("ValidationCode", m.ValidationCode)
	b.WriteString("},\n")
}

func (a *api) protocol() string {
	switch a.meta.Protocol {
	case "json":
		if a.meta.JSONVersion == "1.0" {
			return "JSON10"
		}
		return "JSON11"
	case "query":
		return "Query"
	case "rest-json":
		return "RESTJSON"
	case "rest-xml":
		return "RESTXML"
	}
	return "unknown protocol " + a.meta.Protocol // does not compile, and says why
}

func (a *api) printOperation(b *bytes.Buffer, o *op) {
	b.WriteString("{\nOperation: ")
	l := literal{b: b}
	l.open("wire.Operation")
	l.text("Name", o.Name)
	l.text("Method", o.HTTP.Method)
	l.text("Path", o.HTTP.RequestURI)
	status := o.HTTP.ResponseCode
	if status == 0 {
		status = 200
	}
	l.raw("Status", strconv.Itoa(status))
	l.text("InputName", o.Input.LocationName)
	l.text("InputXMLNS", o.Input.XMLNamespace.URI)
	l.text("OutputName", o.Output.LocationName)
	l.flag("Unwrapped", o.Output.Unwrapped)
	l.text("ResultWrapper", o.Output.ResultWrapper)
	l.flag("ReadOnly", o.readOnly())
	l.flag("Unsigned", o.unsigned())
	l.flag("Idempotent", o.Idempotent)
	l.text("Alias", o.Alias)
	if o.MaxBody > 0 {
		l.raw("MaxBody", strconv.FormatInt(o.MaxBody, 10))
	}
	fmt.Fprintf(b, "\nInvoke: func(ctx context.Context, impl, in any) (any, error) {\nreturn wire.Answer(impl.(Service).%s(ctx, in.(*%sInput)))\n},\n},\n", o.Name, o.Name)
	fmt.Fprintf(b, "Input: %q, Output: %q,\n", o.input.name, o.output.name)
	if len(o.Errors) > 0 {
		b.WriteString("Errors: []string{")
		for _, e := range o.Errors {
			fmt.Fprintf(b, "%q, ", e.Shape)
		}
		b.WriteString("},\n")
	}
	b.WriteString("},\n")
}

func printShape(b *bytes.Buffer, t *typ) {
	l := literal{b: b}
	l.open("")
	l.text("Name", t.name)
	l.raw("Kind", "wire."+kinds[t.Type].kind)
	if t.Type == "structure" {
		l.raw("Zero", "(*"+t.name+")(nil)")
	}
	if len(t.Enum) > 0 {
		quoted := make([]string, len(t.Enum))
		for i, v := range t.Enum {
			quoted[i] = strconv.Quote(v)
		}
		l.raw("Enum", "[]string{"+strings.Join(quoted, ", ")+"}")
	}
	l.text("Pattern", t.pattern)
	if t.pattern != t.Pattern {
		l.text("PatternText", t.Pattern)
	}
	if t.Min != nil {
		l.raw("Min", number(*t.Min))
	}
	if t.Max != nil {
		l.raw("Max", number(*t.Max))
	}
	l.flags(
		trait{"Sensitive", t.Sensitive}, trait{"Flattened", t.Flattened}, trait{"Union", t.Union},
		trait{"EventStream", t.EventStream}, trait{"HasMin", t.Min != nil}, trait{"HasMax", t.Max != nil},
	)
	l.text("TimestampFormat", t.TimestampFormat)
	l.text("Payload", t.Payload)
	l.text("XMLNamespace", t.XMLNamespace.URI)
	l.text("XMLPrefix", t.XMLNamespace.Prefix)
	l.text("LocationName", t.LocationName)
	if t.key != nil {
		b.WriteString("Key: &wire.MemberDef")
		printMember(b, "key", t.key, false)
	}
	if t.elem != nil {
		name := "member"
		if t.Type == "map" {
			name = "value"
		}
		b.WriteString("Elem: &wire.MemberDef")
		printMember(b, name, t.elem, false)
	}
	if len(t.fields) > 0 {
		b.WriteString("Members: []wire.MemberDef{\n")
		for i := range t.fields {
			f := &t.fields[i]
			printMember(b, f.member, &f.use, f.must)
			b.WriteByte('\n')
		}
		b.WriteString("},\n")
	}
	b.WriteString("},\n")
}

var locations = map[string]string{
	"": "", "uri": "wire.URI", "querystring": "wire.QueryString", "header": "wire.Header",
	"headers": "wire.HeaderPrefix", "statusCode": "wire.StatusCode",
}

func printMember(b *bytes.Buffer, name string, u *use, required bool) {
	l := literal{b: b}
	l.open("")
	l.text("Name", name)
	l.text("Shape", u.typ.name)
	l.raw("Location", locations[u.Location])
	if u.LocationName != name {
		l.text("WireName", u.LocationName)
	}
	l.text("QueryName", u.QueryName)
	l.text("RecordName", u.RecordName)
	l.flags(
		trait{"Required", required}, trait{"Sensitive", u.Sensitive}, trait{"Streaming", u.streaming()},
		trait{"IdempotencyToken", u.IdempotencyToken}, trait{"Flattened", u.Flattened},
		trait{"XMLAttribute", u.XMLAttribute}, trait{"JSONValue", u.JSONValue}, trait{"HostLabel", u.HostLabel},
	)
	l.text("XMLNamespace", u.XMLNamespace.URI)
	l.text("XMLPrefix", u.XMLNamespace.Prefix)
	l.text("TimestampFormat", u.TimestampFormat)
	b.WriteString("},")
}

// A literal prints the fields of a composite literal that are not zero.
type literal struct{ b *bytes.Buffer }

func (l literal) open(name string) { l.b.WriteString(name + "{") }

func (l literal) raw(field, expr string) {
	if expr != "" {
		fmt.Fprintf(l.b, "%s: %s, ", field, expr)
	}
}

func (l literal) text(field, s string) {
	if s == "" {
		return
	}
	if strings.ContainsRune(s, '\\') && strconv.CanBackquote(s) {
		l.raw(field, "`"+s+"`")
		return
	}
	l.raw(field, strconv.Quote(s))
}

func (l literal) flag(field string, v bool) {
	if v {
		l.raw(field, "true")
	}
}

type trait struct {
	name string
	has  bool
}

func (l literal) flags(traits ...trait) {
	var set []string
	for _, t := range traits {
		if t.has {
			set = append(set, "wire."+t.name)
		}
	}
	l.raw("Flags", strings.Join(set, " | "))
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
