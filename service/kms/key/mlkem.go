package key

import (
	"crypto/mlkem"
	"crypto/x509/pkix"

	mlkem512 "github.com/cloudflare/circl/kem/mlkem/mlkem512"
)

// mlkemKey is a key of ML-KEM-768 or ML-KEM-1024, which the standard library has.
type mlkemKey struct {
	spec Spec
	d    interface {
		Bytes() []byte // the seed
		Decapsulate(ciphertext []byte) ([]byte, error)
	}
	e interface {
		Bytes() []byte
		Encapsulate() (shared, ciphertext []byte)
	}
}

func newMLKEM(spec Spec, seed []byte) (private, error) {
	switch spec {
	case MLKEM512:
		return newMLKEM512(seed)
	case MLKEM768:
		d, err := mlkem.NewDecapsulationKey768(seed)
		if err != nil {
			return nil, err
		}
		return &mlkemKey{spec, d, d.EncapsulationKey()}, nil
	}
	d, err := mlkem.NewDecapsulationKey1024(seed)
	if err != nil {
		return nil, err
	}
	return &mlkemKey{spec, d, d.EncapsulationKey()}, nil
}

func (k *mlkemKey) public() ([]byte, error) {
	return marshalPublic(pkix.AlgorithmIdentifier{Algorithm: oidSeeded[k.spec]}, k.e.Bytes())
}

func (k *mlkemKey) marshal() ([]byte, error) { return marshalSeeded(k.spec, k.d.Bytes()) }

func (k *mlkemKey) wipe() { // the standard library's keys are closed
	k.d, k.e = nil, nil
}

func (k *mlkemKey) encapsulate() (shared, ciphertext []byte, err error) {
	shared, ciphertext = k.e.Encapsulate()
	return shared, ciphertext, nil
}

func (k *mlkemKey) decapsulate(ciphertext []byte) ([]byte, error) {
	shared, err := k.d.Decapsulate(ciphertext)
	if err != nil {
		return nil, ErrCiphertext // of a wrong length
	}
	return shared, nil
}

// mlkem512Key is a key of ML-KEM-512, which the standard library leaves out.
type mlkem512Key struct {
	seed []byte
	d    *mlkem512.PrivateKey
	e    *mlkem512.PublicKey
}

func newMLKEM512(seed []byte) (private, error) {
	if len(seed) != mlkem512.KeySeedSize {
		return nil, errSeed
	}
	e, d := mlkem512.NewKeyFromSeed(seed)
	return &mlkem512Key{append([]byte(nil), seed...), d, e}, nil
}

func (k *mlkem512Key) public() ([]byte, error) {
	raw := make([]byte, mlkem512.PublicKeySize)
	k.e.Pack(raw)
	return marshalPublic(pkix.AlgorithmIdentifier{Algorithm: oidSeeded[MLKEM512]}, raw)
}

func (k *mlkem512Key) marshal() ([]byte, error) {
	return marshalSeeded(MLKEM512, append([]byte(nil), k.seed...))
}

func (k *mlkem512Key) wipe() {
	clear(k.seed)
	*k.d = mlkem512.PrivateKey{}
}

func (k *mlkem512Key) encapsulate() (shared, ciphertext []byte, err error) {
	shared, ciphertext = make([]byte, mlkem512.SharedKeySize), make([]byte, mlkem512.CiphertextSize)
	k.e.EncapsulateTo(ciphertext, shared, nil) // the randomness is crypto/rand's
	return shared, ciphertext, nil
}

func (k *mlkem512Key) decapsulate(ciphertext []byte) ([]byte, error) {
	if len(ciphertext) != mlkem512.CiphertextSize {
		return nil, ErrCiphertext
	}
	shared := make([]byte, mlkem512.SharedKeySize)
	k.d.DecapsulateTo(shared, ciphertext)
	return shared, nil
}
