package plan

import (
	"reflect"

	"github.com/strongroom/strongroom/wire"
)

// Errors is the plans of a service's errors.
type Errors struct {
	byCode map[string]*Error
}

// Error is the plan of an error. Members is nil when there are none beyond the message.
type Error struct {
	Shape   *wire.ErrorShape
	Members *Struct
}

// Errors plans the errors of svc.
func (p *Plans) Errors(svc *wire.Service) (*Errors, error) {
	out := &Errors{byCode: make(map[string]*Error, len(svc.Errors))}
	for _, s := range svc.Errors {
		e := &Error{Shape: s}
		if s.Shape != nil {
			var err error
			if e.Members, err = p.Top(s.Shape); err != nil {
				return nil, err
			}
		}
		if old := out.byCode[s.Code]; old == nil || old.Members == nil {
			out.byCode[s.Code] = e // of errors that share a code the one that says more
		}
	}
	return out, nil
}

// Of returns the plan of the error that travels as code, or nil.
func (e *Errors) Of(code string) *Error { return e.byCode[code] }

// Detail returns the members of e beyond its message, when it has any.
func (e *Errors) Detail(err *wire.Error) (*Struct, reflect.Value) {
	p := e.byCode[err.Code]
	if p == nil || p.Members == nil || err.Detail == nil {
		return nil, reflect.Value{}
	}
	v, fit := p.Members.Of(err.Detail)
	if fit != nil {
		return nil, reflect.Value{}
	}
	return p.Members, v
}

// New makes the error that a client gets for an answer with this status and code.
// detail points to its members, zero, or is invalid when it has none; it is
// reachable as the error's Detail.
func (e *Errors) New(code, message string, status int) (err *wire.Error, members *Struct, detail reflect.Value) {
	err = &wire.Error{Code: code, Message: message, Status: status, Fault: status >= 500}
	p := e.byCode[code]
	if p == nil {
		return err, nil, reflect.Value{}
	}
	err.Fault = err.Fault || p.Shape.Fault
	if p.Members == nil {
		return err, nil, reflect.Value{}
	}
	d := reflect.New(p.Members.Type)
	err.Detail = d.Interface()
	return err, p.Members, d.Elem()
}
