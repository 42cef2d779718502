//go:build cgo

package main

import (
	"errors"

	"github.com/miekg/pkcs11"

	"github.com/strongroom/strongroom/pkcs11/frame"
)

// told puts a module's error into the protocol's words. what says in which step it arose.
func told(what string, err error) error {
	if err == nil {
		return nil
	}
	var f *failure
	if errors.As(err, &f) {
		return err
	}
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return &failure{frame.Unavailable, what + ": " + err.Error()}
	}
	return &failure{kindOf(code), what + ": " + code.Error()}
}

// kindOf is the protocol's word for a return value of a module. What says nothing about the
// request says that the token cannot be relied on.
func kindOf(code pkcs11.Error) string {
	switch code {
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE:
		return frame.WrongPIN
	case pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_PIN_EXPIRED:
		return frame.Locked
	case pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_FUNCTION_NOT_SUPPORTED,
		pkcs11.CKR_TEMPLATE_INCONSISTENT, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID,
		pkcs11.CKR_KEY_SIZE_RANGE, pkcs11.CKR_TOKEN_WRITE_PROTECTED, pkcs11.CKR_ATTRIBUTE_READ_ONLY,
		pkcs11.CKR_RANDOM_NO_RNG, pkcs11.CKR_ACTION_PROHIBITED:
		return frame.Unsupported
	case pkcs11.CKR_KEY_TYPE_INCONSISTENT, pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED:
		return frame.Unfit
	case pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_OBJECT_HANDLE_INVALID:
		return frame.NotFound
	case pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, pkcs11.CKR_SIGNATURE_INVALID:
		return frame.Corrupt
	}
	return frame.Unavailable
}

// is reports whether err is one of the return values of a module.
func is(err error, codes ...pkcs11.Error) bool {
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return false
	}
	for _, c := range codes {
		if code == c {
			return true
		}
	}
	return false
}
