package wire

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is the one error that crosses the wire. Generated constructors make the
// modelled ones. Its cause stays inside: it is for the operator's log only.
type Error struct {
	Code    string // what travels: "NotFoundException"
	Status  int    // HTTP status
	Fault   bool   // the server's fault, not the sender's
	Message string
	// Sensitive says that the message is for the caller alone, as the model has it: it may repeat what
	// he sent. It stands in no log and no record.
	Sensitive bool
	Detail    any   // pointer to the error's generated struct when it has members beyond the message, else nil
	Cause     error // never travels
}

// Error returns the code and the message.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// WithCause returns a copy of e that carries cause for the operator's log.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// Errorf makes a client error with a formatted message.
func Errorf(code string, status int, format string, args ...any) *Error {
	return &Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// AsError returns err as it crosses the wire: the Error in its chain, or else an
// InternalFailure that carries err as its cause.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{
		Code: "InternalFailure", Status: http.StatusInternalServerError, Fault: true, Cause: err,
		Message: "The request processing has failed because of an unknown error, exception or failure.",
	}
}

// IsCode reports whether err is, or wraps, an Error with this code.
func IsCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
