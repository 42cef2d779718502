package jsonbody

import (
	"reflect"
	"strings"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

// AppendError appends e as a JSON error. typ is its __type, or "" for none;
// messageName is how the service spells the message member.
func AppendError(b []byte, errs *plan.Errors, e *wire.Error, typ, messageName string) ([]byte, error) {
	b = append(b, '{')
	if typ != "" {
		b = AppendString(append(b, `"__type":`...), typ)
	}
	if e.Message != "" {
		b = AppendString(append(AppendString(comma(b), messageName), ':'), e.Message)
	}
	var err error
	if members, src := errs.Detail(e); members != nil {
		n := len(b)
		if b, err = AppendMembers(comma(b), members, src); len(b) == n+1 {
			b = b[:n] // there were none after the comma
		}
	}
	return append(b, '}'), err
}

func comma(b []byte) []byte {
	if b[len(b)-1] == '{' {
		return b
	}
	return append(b, ',')
}

// envelope is what every JSON error may hold.
type envelope struct {
	Type, Code, Message, Capital string
}

// DecodeError reads data, a JSON error with this status. code is what a header said
// already, or "". Anything that is no JSON makes an error without a message.
func DecodeError(errs *plan.Errors, data []byte, code string, status int) (*wire.Error, *plan.Struct, reflect.Value) {
	var env envelope
	if Decode(envelopePlan, data, reflect.ValueOf(&env).Elem(), Answer) != nil {
		env = envelope{}
	}
	for _, c := range []string{env.Type, env.Code} {
		if code == "" {
			code = c
		}
	}
	if env.Message == "" {
		env.Message = env.Capital
	}
	e, members, detail := errs.New(shortCode(code), env.Message, status)
	if members != nil && Decode(members, data, detail, Answer) != nil {
		e.Detail = nil // better none than half
	}
	return e, members, detail
}

// shortCode takes the namespace before and the address after an error's name away.
func shortCode(code string) string {
	code, _, _ = strings.Cut(code, ":")
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:]
	}
	if code == "" {
		return "UnknownError"
	}
	return code
}

// envelopePlan is the plan of envelope, made by hand: its strings are plain.
var envelopePlan = func() *plan.Struct {
	str := &wire.Shape{Name: "String", Kind: wire.String}
	shape := &wire.Shape{Name: "Error", Kind: wire.Structure, Type: reflect.TypeFor[envelope]()}
	for i, name := range []string{"__type", "code", "message", "Message"} {
		shape.Members = append(shape.Members, &wire.Member{Name: name, WireName: name, Field: i, Shape: str})
	}
	s, err := plan.New().Top(shape)
	if err != nil {
		panic(err) // the two lists above are of one length
	}
	return s
}()
