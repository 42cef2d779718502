package xmlbody

import (
	"errors"
	"reflect"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

var errNoError = errors.New("the document holds no error")

// DecodeError reads an error answer with this status: an Error element, which is
// the root (S3) or inside an ErrorResponse (Query and other REST-XML services).
func DecodeError(errs *plan.Errors, data []byte, status int) (*wire.Error, error) {
	code, message, err := findError(data)
	if err != nil {
		return nil, err
	}
	e, members, detail := errs.New(code, message, status)
	if members != nil && decodeDetail(data, members, detail) != nil {
		e.Detail = nil // better none than half
	}
	return e, nil
}

// toError moves a new document over data to its Error element.
func toError(data []byte) (*Document, error) {
	d, err := Open(data, Answer)
	if err != nil {
		return nil, err
	}
	if d.Root() == "Error" {
		return d, nil
	}
	for {
		name, err := d.Child()
		switch {
		case err != nil:
			return nil, err
		case name == "":
			return nil, errNoError
		case name == "Error":
			return d, nil
		}
		if err := d.Skip(); err != nil {
			return nil, err
		}
	}
}

func findError(data []byte) (code, message string, err error) {
	d, err := toError(data)
	if err != nil {
		return "", "", err
	}
	for {
		name, err := d.Child()
		switch {
		case err != nil:
			return "", "", err
		case name == "" && code == "":
			return "", "", errNoError
		case name == "":
			return code, message, nil
		case name == "Code":
			code, err = d.Text()
		case name == "Message":
			message, err = d.Text()
		default:
			err = d.Skip()
		}
		if err != nil {
			return "", "", err
		}
	}
}

func decodeDetail(data []byte, s *plan.Struct, dst reflect.Value) error {
	d, err := toError(data)
	if err != nil {
		return err
	}
	return d.Struct(s, dst)
}
