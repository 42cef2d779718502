package tpm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/strongroom/strongroom/secret"
)

const (
	nonceSize = 16
	maxPCR    = 23
)

// primary is the storage root key, loaded.
type primary struct {
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public tpm2.TPMTPublic
}

// openPrimary has the TPM make its storage root key.
func openPrimary(t transport.TPM) (*primary, error) {
	rsp, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("storage root key: %w", err)
	}
	public, err := rsp.OutPublic.Contents()
	if err != nil {
		flush(t, rsp.ObjectHandle)
		return nil, fmt.Errorf("storage root key: %w", err)
	}
	// The name is computed from the public area, not believed: the salt is encrypted to that.
	name, err := tpm2.ObjectName(public)
	if err != nil {
		flush(t, rsp.ObjectHandle)
		return nil, fmt.Errorf("storage root key: %w", err)
	}
	return &primary{handle: rsp.ObjectHandle, name: *name, public: *public}, nil
}

func flush(t transport.TPM, handle tpm2.TPMHandle) {
	_, _ = tpm2.FlushContext{FlushHandle: handle}.Execute(t)
}

// authValue is what a PIN is to the TPM, whose values are as long as a hash at most.
func authValue(pin secret.Bytes) []byte {
	h := sha256.New()
	h.Write([]byte("strongroom/v1/tpm-pin\x00"))
	h.Write(pin.Reveal())
	return h.Sum(nil)
}

// selection names PCRs to the TPM.
func selection(pcrs []uint) tpm2.TPMLPCRSelection {
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{
		{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(pcrs...)},
	}}
}

// parsePCRs reads "7+11".
func parsePCRs(text string) (pcrs []uint, err error) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, "+") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || n > maxPCR || part != strconv.FormatUint(n, 10) || slices.Contains(pcrs, uint(n)) {
			return nil, fmt.Errorf("PCRs are numbers from 0 to %d, each once, as in 7+11, and not %q", maxPCR, text)
		}
		pcrs = append(pcrs, uint(n))
	}
	return pcrs, nil
}

// policy runs the object's policy in a session.
func policy(t transport.TPM, session tpm2.TPMISHPolicy, pcrs []uint, pin bool) error {
	if _, err := (tpm2.PolicyPCR{PolicySession: session, Pcrs: selection(pcrs)}).Execute(t); err != nil {
		return err
	}
	if !pin {
		return nil
	}
	_, err := tpm2.PolicyAuthValue{PolicySession: session}.Execute(t)
	return err
}

// policyDigest is the digest of the object's policy with the PCRs as they are now.
func policyDigest(t transport.TPM, pcrs []uint, pin bool) (digest tpm2.TPM2BDigest, err error) {
	session, closeSession, err := tpm2.PolicySession(t, tpm2.TPMAlgSHA256, nonceSize, tpm2.Trial())
	if err != nil {
		return digest, err
	}
	defer func() { _ = closeSession() }()
	if err := policy(t, session.Handle(), pcrs, pin); err != nil {
		return digest, err
	}
	rsp, err := tpm2.PolicyGetDigest{PolicySession: session.Handle()}.Execute(t)
	if err != nil {
		return digest, err
	}
	return rsp.PolicyDigest, nil
}

// sealObject seals data and returns the object's public and private area.
func sealObject(t transport.TPM, srk *primary, data secret.Bytes, pin *secret.Bytes, pcrs []uint) (public, private []byte, err error) {
	template := tpm2.TPMTPublic{
		Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
		// Without a PIN there is nothing to guess, so nothing to lock the TPM for.
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: len(pcrs) == 0, NoDA: pin == nil},
	}
	if len(pcrs) > 0 {
		if template.AuthPolicy, err = policyDigest(t, pcrs, pin != nil); err != nil {
			return nil, nil, fmt.Errorf("policy: %w", err)
		}
	}
	sensitive := &tpm2.TPMSSensitiveCreate{Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: data.Reveal()})}
	if pin != nil {
		sensitive.UserAuth = tpm2.TPM2BAuth{Buffer: authValue(*pin)}
	}
	rsp, err := tpm2.Create{
		ParentHandle: tpm2.AuthHandle{Handle: srk.handle, Name: srk.name, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, nonceSize,
			tpm2.AESEncryption(128, tpm2.EncryptIn), tpm2.Salted(srk.handle, srk.public))},
		InSensitive: tpm2.TPM2BSensitiveCreate{Sensitive: sensitive},
		InPublic:    tpm2.New2B(template),
	}.Execute(t)
	if err != nil {
		return nil, nil, fmt.Errorf("seal: %w", err)
	}
	return tpm2.Marshal(rsp.OutPublic), tpm2.Marshal(rsp.OutPrivate), nil
}

// unsealObject loads an object and returns what is sealed in it.
func unsealObject(t transport.TPM, srk *primary, public, private []byte, pin *secret.Bytes, pcrs []uint) (secret.Bytes, error) {
	pub, err := tpm2.Unmarshal[tpm2.TPM2BPublic](public)
	if err != nil {
		return secret.Bytes{}, errParameter
	}
	priv, err := tpm2.Unmarshal[tpm2.TPM2BPrivate](private)
	if err != nil {
		return secret.Bytes{}, errParameter
	}
	object, err := tpm2.Load{
		ParentHandle: tpm2.AuthHandle{Handle: srk.handle, Name: srk.name, Auth: tpm2.PasswordAuth(nil)},
		InPrivate:    *priv, InPublic: *pub,
	}.Execute(t)
	if errors.Is(err, tpm2.TPMRCSize) || errors.Is(err, tpm2.TPMRCInsufficient) {
		return secret.Bytes{}, errParameter
	}
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("load: %w", err)
	}
	defer flush(t, object.ObjectHandle)
	options := []tpm2.AuthOption{tpm2.AESEncryption(128, tpm2.EncryptOut), tpm2.Salted(srk.handle, srk.public)}
	if pin != nil {
		options = append(options, tpm2.Auth(authValue(*pin)))
	}
	session := tpm2.HMAC(tpm2.TPMAlgSHA256, nonceSize, options...)
	if len(pcrs) > 0 {
		session = tpm2.Policy(tpm2.TPMAlgSHA256, nonceSize, func(t transport.TPM, handle tpm2.TPMISHPolicy, _ tpm2.TPM2BNonce) error {
			return policy(t, handle, pcrs, pin != nil)
		}, options...)
	}
	rsp, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: object.ObjectHandle, Name: object.Name, Auth: session}}.Execute(t)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("unseal: %w", err)
	}
	return secret.New(rsp.OutData.Buffer), nil
}
