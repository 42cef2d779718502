package kms

import (
	"errors"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/wire"
)

// spec returns the key's spec as package key names it.
func (r *record) spec() key.Spec { return key.Spec(r.Spec) }

// symmetric reports whether the key is a symmetric encryption key.
func (r *record) symmetric() bool { return r.Spec == api.KeySpecSymmetricDefault }

// ready returns the error for the use of the key for an operation by an algorithm: its state
// first, then its usage, then the algorithm.
func (e *entry) ready(operation string, u key.Usage, a key.Algorithm) error {
	if err := e.usable(e.arn); err != nil {
		return err
	}
	if u == key.Ciphers && a == key.AESGCM && e.symmetric() {
		return nil // nearly every call
	}
	if key.Usage(e.Usage) != u {
		return api.InvalidKeyUsageException("%s key usage is %s which is not valid for %s.", e.arn, e.Usage, operation)
	}
	if !slices.Contains(e.spec().Algorithms(u), a) {
		return api.InvalidKeyUsageException("Algorithm %s is incompatible with key spec %s.", a, e.Spec)
	}
	return notApproved(e.spec().Approved(a))
}

// cryptor returns the algorithm of a request; an absent one is the symmetric one.
func cryptor(a api.EncryptionAlgorithmSpec) key.Algorithm {
	if a == "" {
		return key.AESGCM
	}
	return key.Algorithm(a)
}

// notApproved is the refusal of what a house under GODEBUG=fips140=only does not do. Any other error
// is nil.
func notApproved(err error) error {
	if errors.Is(err, key.ErrNotApproved) {
		return api.UnsupportedOperationException("The operation is not available: the service runs in FIPS 140-3 only mode, and %s.", err)
	}
	return nil
}

// unusable turns an error of package key into the one of AWS. What it does not know is a fault of ours.
func unusable(e *entry, a key.Algorithm, t key.MessageType, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, key.ErrCiphertext):
		return badCiphertext()
	case errors.Is(err, key.ErrSignature):
		return api.KMSInvalidSignatureException("")
	case errors.Is(err, key.ErrMAC):
		return api.KMSInvalidMacException("")
	case errors.Is(err, key.ErrPublicKey):
		return invalid("The public key is not valid for key spec %s: it must be a DER-encoded X.509 public key on the same curve.", e.Spec)
	case errors.Is(err, key.ErrMessageType):
		return invalid("Message type %s is incompatible with algorithm %s.", t, a)
	case errors.Is(err, key.ErrMessage) && t == key.ExternalMu:
		return invalid("External Mu is invalid length for algorithm %s.", a)
	case errors.Is(err, key.ErrMessage) && t != "":
		return invalid("Digest is invalid length for algorithm %s.", a)
	case errors.Is(err, key.ErrMessage):
		return invalid("Algorithm %s and key spec %s cannot encrypt data larger than %d bytes.", a, e.Spec, e.spec().MaxPlaintext(a))
	}
	if refused := notApproved(err); refused != nil {
		return refused
	}
	return internal("%s with %s: %w", e.arn, a, err)
}

// algorithmsOf returns the algorithms of a key whose usage is u, as the API has them.
func algorithmsOf[T ~string](r *record, u key.Usage) []T {
	if key.Usage(r.Usage) != u {
		return nil
	}
	var list []T
	for _, a := range r.spec().Algorithms(u) {
		list = append(list, T(a))
	}
	return list
}

// usageFor returns the usage that a request for a key asks for, or an error when no key of the spec
// has it.
func usageFor(in *api.CreateKeyInput) (api.KeyUsageType, error) {
	spec, usage := keySpec(in), in.KeyUsage
	if usage == "" {
		if spec != api.KeySpecSymmetricDefault {
			return "", invalid("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
		}
		usage = api.KeyUsageTypeEncryptDecrypt
	}
	if key.Spec(spec).Algorithms(key.Usage(usage)) == nil {
		return "", invalid("KeyUsage %s is not compatible with KeySpec %s", usage, spec)
	}
	return usage, nil
}

// onlyInChina refuses SM2 in a member of the request, as AWS does outside of its China Regions, where
// the model does not have the word.
func onlyInChina(c *call.Call, member, value string) error {
	if value != string(api.KeySpecSm2) {
		return nil
	}
	i := slices.IndexFunc(c.Op.Input.Members, func(m *wire.Member) bool { return m.Name == member })
	words := slices.DeleteFunc(slices.Clone(c.Op.Input.Members[i].Shape.Enum), func(w string) bool { return w == value })
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
		value, strings.ToLower(member[:1])+member[1:], strings.Join(words, ", "))
}
