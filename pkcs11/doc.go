// Package pkcs11 uses the keys of a PKCS#11 token: a hardware security module, a smart
// card, or a program that behaves like one.
//
// A PKCS#11 module is a C library that is loaded into the process that uses it. The main
// program has no C in it and stays one static file, and a faulty module must not take
// it down or read its memory; so the module lives in a helper process, cmd/strongroom-pkcs11.
// This package starts the helper, speaks to it (package frame), bounds every wait and
// every message, and starts it again when it has ended.
//
//	s, err := pkcs11.Open(ctx, pkcs11.Config{Module: "/usr/lib/softhsm/libsofthsm2.so", Token: "house", PIN: pin})
//	k, err := s.Key(ctx, "strongroom-root")          // or s.GenerateKey
//	sealed, err := k.Encrypt(ctx, context, plaintext) // nonce | ciphertext | tag
//	plain, err := k.Decrypt(ctx, context, sealed)
//
// Keys are AES-256, made in the token, sensitive and not extractable; a key that could
// leave its token is refused. Encryption is CKM_AES_GCM and nothing else: a token without
// it is refused with ErrUnsupported.
//
// # The PIN
//
// The PIN crosses to the helper once for each of its lives, over a pipe. It is in no argument, no
// environment variable, no error and no log. A token counts wrong PINs and locks itself, so a
// Session whose PIN was refused never tries again, and a token with one try left is
// refused before it is tried.
//
// # Files
//
//	session.go   Session, Key and what can be asked of them
//	helper.go    the helper process: find, start, call, end
//	errors.go    sentinels
package pkcs11
