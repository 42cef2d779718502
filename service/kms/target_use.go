package kms

import (
	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/policy"
)

// The targets of the operations on key pairs, MAC keys and data key pairs. All take a key by any of
// its names, and can be allowed by a grant.

func (a *ask) sign() (call.Target, error) {
	in := a.c.In.(*api.SignInput)
	return a.useNamed(in.KeyId, signing(in.SigningAlgorithm, in.MessageType))
}

func (a *ask) verify() (call.Target, error) {
	in := a.c.In.(*api.VerifyInput)
	return a.useNamed(in.KeyId, signing(in.SigningAlgorithm, in.MessageType))
}

func signing(a api.SigningAlgorithmSpec, t api.MessageType) *conditions {
	return &conditions{more: policy.Map{"signingalgorithm": policy.One(string(a)), "messagetype": policy.One(string(messageType(t)))}}
}

func (a *ask) generateMac() (call.Target, error) {
	in := a.c.In.(*api.GenerateMacInput)
	return a.useNamed(in.KeyId, one("macalgorithm", string(in.MacAlgorithm)))
}

func (a *ask) verifyMac() (call.Target, error) {
	in := a.c.In.(*api.VerifyMacInput)
	return a.useNamed(in.KeyId, one("macalgorithm", string(in.MacAlgorithm)))
}

func (a *ask) getPublicKey() (call.Target, error) {
	in := a.c.In.(*api.GetPublicKeyInput)
	return a.useNamed(in.KeyId, new(conditions))
}

func (a *ask) deriveSharedSecret() (call.Target, error) {
	in := a.c.In.(*api.DeriveSharedSecretInput)
	return a.useNamed(in.KeyId, one("keyagreementalgorithm", string(in.KeyAgreementAlgorithm)))
}

func (a *ask) encapsulate() (call.Target, error) {
	in := a.c.In.(*api.EncapsulateInput)
	return a.useNamed(in.KeyId, one("encapsulationalgorithm", string(in.EncapsulationAlgorithm)))
}

func (a *ask) decapsulate() (call.Target, error) {
	in := a.c.In.(*api.DecapsulateInput)
	return a.useNamed(in.KeyId, one("encapsulationalgorithm", string(in.EncapsulationAlgorithm)))
}

func (a *ask) generateDataKeyPair() (call.Target, error) {
	in := a.c.In.(*api.GenerateDataKeyPairInput)
	return a.pair(in.KeyId, in.EncryptionContext, in.KeyPairSpec)
}

func (a *ask) generateDataKeyPairWithoutPlaintext() (call.Target, error) {
	in := a.c.In.(*api.GenerateDataKeyPairWithoutPlaintextInput)
	return a.pair(in.KeyId, in.EncryptionContext, in.KeyPairSpec)
}

func (a *ask) pair(name *string, context map[string]string, spec api.DataKeyPairSpec) (call.Target, error) {
	if err := onlyInChina(a.c, "KeyPairSpec", string(spec)); err != nil {
		return call.Target{}, err
	}
	cond := one("datakeypairspec", string(spec))
	cond.context, cond.cryptor = context, algorithm("")
	return a.useNamed(name, cond)
}

// one is the conditions of an operation with one condition key of its own.
func one(name, value string) *conditions {
	return &conditions{more: policy.Map{name: policy.One(value)}}
}
