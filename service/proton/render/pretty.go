package render

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/service/proton/document"
)

// pretty writes JSON as Jackson's default pretty printer does, which AWS Proton used:
// a space on both sides of the colon, empty objects as { }, lists on one line.
func pretty(v any) string {
	var b strings.Builder
	writePretty(&b, v, "\n")
	return b.String()
}

// writePretty writes v; newline is a line break with the indentation of what is around.
func writePretty(b *strings.Builder, v any, newline string) {
	switch v := v.(type) {
	case *document.Object:
		if v.Len() == 0 {
			b.WriteString("{ }")
			return
		}
		mark := "{"
		for name, member := range v.All() {
			b.WriteString(mark + newline + "  " + quoted(name) + " : ")
			writePretty(b, member, newline+"  ")
			mark = ","
		}
		b.WriteString(newline + "}")
	case []any:
		mark := "[ "
		for _, item := range v {
			b.WriteString(mark)
			writePretty(b, item, newline)
			mark = ", "
		}
		if len(v) == 0 {
			b.WriteString(mark)
			b.WriteString("]")
			return
		}
		b.WriteString(" ]")
	default:
		b.WriteString(scalar(v))
	}
}

func quoted(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		s := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	case string:
		return quoted(v)
	}
	return "null"
}

// hclText writes the members of an object as HCL attributes, as a .tfvars file has them.
func hclText(o *document.Object) string {
	var b strings.Builder
	for name, v := range o.All() {
		b.WriteString(name + " = ")
		writeHCL(&b, v, "\n")
		b.WriteString("\n")
	}
	return b.String()
}

func writeHCL(b *strings.Builder, v any, newline string) {
	switch v := v.(type) {
	case *document.Object:
		b.WriteString("{")
		for name, member := range v.All() {
			b.WriteString(newline + "  " + hclQuoted(name) + " = ")
			writeHCL(b, member, newline+"  ")
		}
		if v.Len() > 0 {
			b.WriteString(newline)
		}
		b.WriteString("}")
	case []any:
		b.WriteString("[")
		for i, item := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			writeHCL(b, item, newline)
		}
		b.WriteString("]")
	case string:
		b.WriteString(hclQuoted(v))
	default:
		b.WriteString(scalar(v))
	}
}

// hclQuoted writes a string so that nothing in it is a template of HCL. JSON's escapes
// are HCL's, but for those of characters beyond 16 bits, which JSON here leaves alone,
// and \b and \f.
func hclQuoted(s string) string {
	s = strings.NewReplacer("${", "$${", "%{", "%%{").Replace(quoted(s))
	return strings.NewReplacer(`\\`, `\\`, `\b`, `\u0008`, `\f`, `\u000c`).Replace(s)
}
