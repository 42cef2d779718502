package key

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

// small are specs whose keys are quickly made, one of each form.
var small = []Spec{Symmetric, HMAC384, P256, Secp256k1, Ed25519, MLDSA44, MLKEM768, MLKEM512}

// FuzzImport says that what imports is kept in a form that imports as the same again, and that all
// else is ErrMaterial.
func FuzzImport(f *testing.F) {
	for i, spec := range small {
		f.Add(byte(i), of(f, spec).key.Reveal())
	}
	f.Add(byte(len(every)-3), []byte("0\x82\x04\xbc\x02\x01\x000\r\x06\t*\x86H\x86\xf7\r\x01\x01\x01\x05\x00\x04\x82\x04\xa6"))
	f.Fuzz(func(t *testing.T, n byte, raw []byte) {
		list := append(small[:len(small):len(small)], RSA2048, P384, P521)
		spec := list[int(n)%len(list)]
		m, err := Import(spec, bytes.Clone(raw))
		if err != nil {
			if !errors.Is(err, ErrMaterial) {
				t.Fatal(spec, err)
			}
			return
		}
		again, err := Import(spec, bytes.Clone(m.key.Reveal()))
		if err != nil || !again.Same(m) {
			t.Fatalf("%s: imported, and not again: %v", spec, err)
		}
	})
}

// FuzzAgree gives anything for a public key. A point that is not on the curve must never meet the
// private key; the standard library says which is.
func FuzzAgree(f *testing.F) {
	for _, spec := range []Spec{P256, P384, Ed25519, Secp256k1, MLKEM768} {
		public, err := of(f, spec).PublicKey()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(public)
	}
	m := of(f, P256)
	f.Fuzz(func(t *testing.T, public []byte) {
		shared, err := m.Agree(public)
		if err != nil && !errors.Is(err, ErrPublicKey) || err == nil && len(shared) != 32 {
			t.Fatalf("%x: %x, %v", public, shared, err)
		}
	})
}

// FuzzUnwrap says that wrapped material opens as it was wrapped or not at all.
func FuzzUnwrap(f *testing.F) {
	for _, text := range []string{goldenWrapped, goldenWrapped2, goldenWrappedMAC, goldenWrappedPair} {
		raw, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	d, err := OpenDomain(5, bytes.Repeat([]byte{9}, Size))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		m, err := d.Unwrap(wrapped, testARN, 2)
		if err == nil {
			switch hex.EncodeToString(wrapped) {
			case goldenWrapped, goldenWrapped2, goldenWrappedMAC, goldenWrappedPair:
			default:
				t.Fatalf("forged %v", m)
			}
		} else if !errors.Is(err, ErrWrapped) {
			t.Fatal(err)
		}
	})
}

// FuzzVerify gives anything for a signature to the verifiers that are not the standard library's.
func FuzzVerify(f *testing.F) {
	type signed struct {
		a  Algorithm
		t  MessageType
		on []byte
		m  *Material
	}
	all := []signed{
		{ECDSASHA256, Raw, []byte("m"), of(f, Secp256k1)},
		{MLDSA, ExternalMu, make([]byte, 64), of(f, MLDSA44)},
		{MLDSA, ExternalMu, make([]byte, 64), of(f, MLDSA87)},
	}
	for i, s := range all {
		signature, err := s.m.Sign(s.a, s.t, s.on)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), signature)
	}
	f.Fuzz(func(t *testing.T, n byte, signature []byte) {
		s := all[int(n)%len(all)]
		other := bytes.Clone(s.on)
		other[0] ^= 1
		if s.m.Verify(s.a, s.t, s.on, signature) == nil && s.m.Verify(s.a, s.t, other, signature) == nil {
			t.Fatalf("%x signs two messages", signature)
		}
	})
}
