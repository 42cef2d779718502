//go:build cgo

package main

import (
	"crypto/rand"
	"slices"
	"unicode/utf8"

	"github.com/miekg/pkcs11"

	"github.com/strongroom/strongroom/pkcs11/frame"
)

const (
	keyBytes = 32
	maxKeys  = 10_000 // that a list looks at
)

// search returns the AES keys with these attributes, at most limit.
func (t *p11Token) search(s pkcs11.SessionHandle, limit int, more ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	template := append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
	}, more...)
	if err := t.ctx.FindObjectsInit(s, template); err != nil {
		return nil, told("look for keys", err)
	}
	var all []pkcs11.ObjectHandle
	for len(all) < limit {
		found, _, err := t.ctx.FindObjects(s, min(256, limit-len(all)))
		if err != nil {
			_ = t.ctx.FindObjectsFinal(s)
			return nil, told("look for keys", err)
		}
		if len(found) == 0 {
			break
		}
		all = append(all, found...)
	}
	return all, told("look for keys", t.ctx.FindObjectsFinal(s))
}

// one returns the one key with this label.
func (t *p11Token) one(s pkcs11.SessionHandle, label string) (pkcs11.ObjectHandle, error) {
	found, err := t.search(s, 2, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	switch {
	case err != nil:
		return 0, err
	case len(found) == 0:
		return 0, &failure{frame.NotFound, ""}
	case len(found) > 1:
		return 0, &failure{frame.Ambiguous, "the token has more than one key with it"}
	}
	return found[0], nil
}

// key returns the handle of a key that may be used.
func (t *p11Token) key(s pkcs11.SessionHandle, label string) (pkcs11.ObjectHandle, error) {
	t.mu.Lock()
	handle, ok := t.handles[label]
	t.mu.Unlock()
	if ok {
		return handle, nil
	}
	handle, err := t.one(s, label)
	if err != nil {
		return 0, err
	}
	if err := t.fit(s, handle); err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.handles[label] = handle
	return handle, nil
}

func (t *p11Token) forget(label string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.handles, label)
}

// fit refuses a key that can leave the token in the clear or is not for what it would be used for.
func (t *p11Token) fit(s pkcs11.SessionHandle, handle pkcs11.ObjectHandle) error {
	for _, a := range []struct {
		kind uint
		want bool
		text string
	}{
		{pkcs11.CKA_EXTRACTABLE, false, "it can be extracted (CKA_EXTRACTABLE)"},
		{pkcs11.CKA_SENSITIVE, true, "it can be read in the clear (CKA_SENSITIVE is false)"},
		{pkcs11.CKA_ENCRYPT, true, "it is not for encryption (CKA_ENCRYPT is false)"},
		{pkcs11.CKA_DECRYPT, true, "it is not for decryption (CKA_DECRYPT is false)"},
	} {
		got, err := t.ctx.GetAttributeValue(s, handle, []*pkcs11.Attribute{pkcs11.NewAttribute(a.kind, nil)})
		if err != nil {
			return told("read a key's attributes", err)
		}
		if len(got) != 1 || len(got[0].Value) != 1 || (got[0].Value[0] != 0) != a.want {
			return &failure{frame.Unfit, a.text}
		}
	}
	got, err := t.ctx.GetAttributeValue(s, handle, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, nil)})
	if err != nil {
		return told("read a key's length", err)
	}
	if want := pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, keyBytes); len(got) != 1 || string(got[0].Value) != string(want.Value) {
		return &failure{frame.Unfit, "it has not 256 bits"}
	}
	return nil
}

func (t *p11Token) find(label string) error {
	t.forget(label)
	return t.with(func(s pkcs11.SessionHandle) error {
		_, err := t.key(s, label)
		return err
	})
}

func (t *p11Token) generate(label string) error {
	return t.with(func(s pkcs11.SessionHandle) error {
		found, err := t.search(s, 1, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return &failure{frame.Exists, ""}
		}
		id := make([]byte, 16)
		_, _ = rand.Read(id)
		_, err = t.ctx.GenerateKey(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, keyBytes),
			pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
			pkcs11.NewAttribute(pkcs11.CKA_ID, id),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
			pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
			pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
			pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
			pkcs11.NewAttribute(pkcs11.CKA_WRAP, false),
			pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, false),
		})
		if err != nil {
			return told("make a key", err)
		}
		_, err = t.key(s, label) // two of us at once made two: neither may go on
		return err
	})
}

func (t *p11Token) remove(label string) error {
	t.forget(label)
	return t.with(func(s pkcs11.SessionHandle) error {
		handle, err := t.one(s, label)
		if err != nil {
			return err
		}
		return told("destroy the key", t.ctx.DestroyObject(s, handle))
	})
}

// labels lists the labels of AES keys, ascending, each once. Keys without one, or with one that is
// not UTF-8, cannot be asked for and are left out.
func (t *p11Token) labels() ([]string, error) {
	var all []string
	err := t.with(func(s pkcs11.SessionHandle) error {
		found, err := t.search(s, maxKeys)
		if err != nil {
			return err
		}
		for _, handle := range found {
			got, err := t.ctx.GetAttributeValue(s, handle, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, nil)})
			if is(err, pkcs11.CKR_OBJECT_HANDLE_INVALID) {
				continue // it was destroyed meanwhile
			}
			if err != nil {
				return told("read a key's label", err)
			}
			if label := string(got[0].Value); label != "" && len(label) <= frame.MaxLabel && utf8.ValidString(label) {
				all = append(all, label)
			}
		}
		return nil
	})
	slices.Sort(all)
	return slices.Compact(all), err
}
