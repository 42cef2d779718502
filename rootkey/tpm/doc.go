// Package tpm keeps the root key's slot in a TPM 2.0: the house opens on this machine only and,
// where PCRs are named, only as long as it boots the same software.
//
// The slot's key is 32 random bytes, sealed (TPM2_Create) under the storage root key: the ECC P-256
// primary of the owner hierarchy after the TCG's template, which a TPM makes again from
// its seed whenever it is asked and a cleared TPM never makes again. The slot records its name, so that
// another TPM, or somebody between us and the TPM, is found out before anything is said to it.
//
//	parameter  is
//	srk        the storage root key's name, hex
//	public     public area of the sealed object, hex (TPM2B_PUBLIC)
//	private    its private area, encrypted by the TPM, hex (TPM2B_PRIVATE)
//	pcrs       PCRs of the SHA-256 bank that must be what they were, as "7+11"; "" for none
//	pin        "yes" where the object has an authorization value
//
// The object cannot leave its TPM (fixedTPM, fixedParent). With PCRs its policy is TPM2_PolicyPCR
// over their values when the slot was made, and with a PIN TPM2_PolicyAuthValue after it; without
// PCRs the PIN authorizes by itself. A PIN is SHA-256("strongroom/v1/tpm-pin" | 0 | PIN); the TPM counts
// wrong ones and locks itself.
//
// Every command that carries the key or the PIN goes through an HMAC or policy session that is salted to
// the storage root key, with AES-128-CFB parameter encryption, so that a probe on the bus sees neither.
//
// # Files
//
//	provider.go  the Provider, and the words for a TPM's refusals
//	object.go    making, loading and unsealing the object
//	conn.go      commands and answers, over a device or a socket, each within a time
package tpm
