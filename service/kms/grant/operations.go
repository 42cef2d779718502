package grant

import (
	"slices"
)

// Usages of keys, and the spec, by which grants tell kinds of keys apart. They are KMS's own words.
const (
	encrypts    = "ENCRYPT_DECRYPT"
	signs       = "SIGN_VERIFY"
	authorizes  = "GENERATE_VERIFY_MAC"
	agrees      = "KEY_AGREEMENT"
	capsules    = "ENCAPSULATE_DECAPSULATE"
	symmetrical = "SYMMETRIC_DEFAULT"
)

// withContext are the operations that have an encryption context.
var withContext = []string{
	"Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
	"GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
}

// anyKey are the operations that a grant of every key may list.
var anyKey = []string{"CreateGrant", "DescribeKey", "RetireGrant"}

// byUsage are those of asymmetric and HMAC keys (KMS developer guide, "Grant operations").
// An HMAC key has no public half.
var byUsage = map[string][]string{
	encrypts:   {"Decrypt", "Encrypt", "GetPublicKey", "ReEncryptFrom", "ReEncryptTo"},
	signs:      {"GetPublicKey", "Sign", "Verify"},
	authorizes: {"GenerateMac", "VerifyMac"},
	agrees:     {"DeriveSharedSecret", "GetPublicKey"},
	capsules:   {"Decapsulate", "Encapsulate", "GetPublicKey"},
}

// Operations returns the operations that grants of a key with this spec and usage may list,
// sorted. A kind of key that is not known here gets those of every key.
func Operations(spec, usage string) []string {
	special := byUsage[usage]
	if usage == encrypts && spec == symmetrical {
		special = withContext
	}
	all := slices.Concat(anyKey, special)
	slices.Sort(all)
	return all
}

// Grantable reports whether a grant of a key with this spec and usage may list the operation.
func Grantable(spec, usage, operation string) bool {
	return slices.Contains(Operations(spec, usage), operation)
}

// HasContext reports whether the operation has an encryption context, on a symmetric
// encryption key. Constraints about the context bear on these operations only.
func HasContext(operation string) bool {
	_, found := slices.BinarySearch(withContext, operation)
	return found
}

// Symmetric reports whether a key with this spec is one whose operations have an encryption
// context, and whose grants so may have constraints about it.
func Symmetric(spec string) bool { return spec == symmetrical }
