//go:build cgo

package main

import (
	"crypto/rand"
	"crypto/subtle"
	"slices"

	"github.com/miekg/pkcs11"

	"github.com/strongroom/strongroom/pkcs11/frame"
)

const (
	nonceSize = 12
	tagSize   = 16
)

// keyed runs fn with the key's handle, and once more with a fresh one if the one that is
// remembered is no longer good.
func (t *p11Token) keyed(label string, fn func(s pkcs11.SessionHandle, key pkcs11.ObjectHandle) error) error {
	return t.with(func(s pkcs11.SessionHandle) error {
		for try := 0; ; try++ {
			key, err := t.key(s, label)
			if err != nil {
				return err
			}
			err = fn(s, key)
			if !is(err, pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_OBJECT_HANDLE_INVALID) || try > 0 {
				return err
			}
			t.forget(label)
		}
	})
}

func (t *p11Token) encrypt(label string, aad, plaintext []byte) (out []byte, err error) {
	err = t.keyed(label, func(s pkcs11.SessionHandle, key pkcs11.ObjectHandle) (err error) {
		out, err = sealed(func(nonce []byte) ([]byte, []byte, error) { return t.gcm(s, key, nonce, aad, plaintext) })
		return err
	})
	return out, told("encrypt", err)
}

// sealed encrypts with a random nonce. Some tokens insist on making the nonce themselves: they
// want to be given zeros and put theirs in its place.
func sealed(encrypt func(nonce []byte) (ciphertext, used []byte, err error)) ([]byte, error) {
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce)
	ciphertext, used, err := encrypt(nonce)
	if is(err, pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_ARGUMENTS_BAD) {
		ciphertext, used, err = encrypt(make([]byte, nonceSize))
	}
	if err != nil {
		return nil, err
	}
	if len(used) != nonceSize || subtle.ConstantTimeCompare(used, make([]byte, nonceSize)) == 1 {
		return nil, &failure{frame.Unsupported, "it encrypts with AES-GCM but does not make a nonce of its own, nor takes ours"}
	}
	return append(used, ciphertext...), nil
}

// gcm encrypts in the token and returns the nonce that it used.
func (t *p11Token) gcm(s pkcs11.SessionHandle, key pkcs11.ObjectHandle, nonce, aad, plaintext []byte) (ciphertext, used []byte, err error) {
	params := pkcs11.NewGCMParams(nonce, aad, tagSize*8)
	defer params.Free()
	if err := t.ctx.EncryptInit(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, key); err != nil {
		return nil, nil, err
	}
	if ciphertext, err = t.ctx.Encrypt(s, plaintext); err != nil {
		return nil, nil, err
	}
	return ciphertext, slices.Clone(params.IV()), nil
}

func (t *p11Token) decrypt(label string, aad, ciphertext []byte) (out []byte, err error) {
	if len(ciphertext) < nonceSize+tagSize {
		return nil, &failure{frame.Corrupt, ""}
	}
	err = t.keyed(label, func(s pkcs11.SessionHandle, key pkcs11.ObjectHandle) (err error) {
		out, err = t.open(s, key, aad, ciphertext)
		if is(err, pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_DEVICE_ERROR) && t.works(s, key) {
			// Modules say so of a tag that does not match, and of a token that has broken. This
			// one has not.
			return &failure{frame.Corrupt, ""}
		}
		return err
	})
	return out, told("decrypt", err)
}

func (t *p11Token) open(s pkcs11.SessionHandle, key pkcs11.ObjectHandle, aad, ciphertext []byte) ([]byte, error) {
	params := pkcs11.NewGCMParams(ciphertext[:nonceSize], aad, tagSize*8)
	defer params.Free()
	if err := t.ctx.DecryptInit(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, key); err != nil {
		return nil, err
	}
	return t.ctx.Decrypt(s, ciphertext[nonceSize:])
}

// works reports whether the token decrypts what it encrypts.
func (t *p11Token) works(s pkcs11.SessionHandle, key pkcs11.ObjectHandle) bool {
	const probe = "probe"
	ciphertext, err := sealed(func(nonce []byte) ([]byte, []byte, error) { return t.gcm(s, key, nonce, nil, []byte(probe)) })
	if err != nil {
		return false
	}
	plain, err := t.open(s, key, nil, ciphertext)
	return err == nil && string(plain) == probe
}
