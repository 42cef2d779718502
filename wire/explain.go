package wire

import (
	"reflect"
	"slices"
	"strings"
)

// Reasons that a service may give beside the error that an input is wrong, as members of its error: Managed Prometheus does,
// and Panorama.
const (
	ReasonFields      = "FIELD_VALIDATION_FAILED"
	ReasonCannotParse = "CANNOT_PARSE"
	ReasonOther       = "OTHER"
)

// failure is a member that breaks a constraint.
type failure struct {
	path       string // as messages have it
	shown      string // its value, or nothing
	constraint string
}

func (f failure) text() string {
	shown := f.shown
	if shown != "" {
		shown += " "
	}
	return "Value " + shown + "at '" + f.path + "' failed to satisfy constraint: " + f.constraint
}

// Explain makes the detail of the error that travels as code: its member reason, and the list of fields where it has one. It
// returns nil when the service's error has no such reason.
func (s *Service) Explain(code, reason string) any { return s.explain(code, reason, nil) }

func (s *Service) explain(code, reason string, fields []failure) any {
	if s == nil {
		return nil
	}
	for _, e := range s.Errors {
		if e.Code != code || e.Shape == nil {
			continue
		}
		detail, said := reflect.New(e.Shape.Type), false
		for _, m := range e.Shape.Members {
			switch {
			case strings.EqualFold(m.Name, "reason") && slices.Contains(m.Shape.Enum, reason):
				detail.Elem().Field(m.Field).SetString(reason)
				said = true
			case m.Shape.Kind == List && m.Shape.Elem.Shape.Kind == Structure:
				m.Shape.Elem.Shape.list(detail.Elem().Field(m.Field), fields)
			}
		}
		if said {
			return detail.Interface()
		}
	}
	return nil
}

// list puts failures into a list of structures that have a name and a message.
func (s *Shape) list(into reflect.Value, fields []failure) {
	for _, f := range fields {
		one, set := reflect.New(s.Type).Elem(), 0
		for _, m := range s.Members {
			var text string
			switch strings.ToLower(m.Name) {
			case "name":
				text = f.path
			case "message":
				text = f.constraint
			default:
				continue
			}
			one.Field(m.Field).Set(reflect.ValueOf(&text))
			set++
		}
		if set == 2 {
			into.Set(reflect.Append(into, one))
		}
	}
}
