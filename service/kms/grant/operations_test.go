package grant

import (
	"slices"
	"strings"
	"testing"
)

// TestOperations holds the table against the developer guide's.
func TestOperations(t *testing.T) {
	for _, c := range []struct{ spec, usage, want string }{
		{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "CreateGrant Decrypt DescribeKey Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext " +
			"GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo RetireGrant"},
		{"RSA_3072", "ENCRYPT_DECRYPT", "CreateGrant Decrypt DescribeKey Encrypt GetPublicKey ReEncryptFrom ReEncryptTo RetireGrant"},
		{"RSA_2048", "SIGN_VERIFY", "CreateGrant DescribeKey GetPublicKey RetireGrant Sign Verify"},
		{"ECC_NIST_P256", "SIGN_VERIFY", "CreateGrant DescribeKey GetPublicKey RetireGrant Sign Verify"},
		{"ECC_NIST_EDWARDS25519", "SIGN_VERIFY", "CreateGrant DescribeKey GetPublicKey RetireGrant Sign Verify"},
		{"ML_DSA_65", "SIGN_VERIFY", "CreateGrant DescribeKey GetPublicKey RetireGrant Sign Verify"},
		{"ECC_NIST_P384", "KEY_AGREEMENT", "CreateGrant DeriveSharedSecret DescribeKey GetPublicKey RetireGrant"},
		{"HMAC_256", "GENERATE_VERIFY_MAC", "CreateGrant DescribeKey GenerateMac RetireGrant VerifyMac"},
		{"ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "CreateGrant Decapsulate DescribeKey Encapsulate GetPublicKey RetireGrant"},
		{"NEW", "NEW", "CreateGrant DescribeKey RetireGrant"},
	} {
		want := strings.Fields(c.want)
		if got := Operations(c.spec, c.usage); !slices.Equal(got, want) {
			t.Errorf("%s %s: got %v, want %v", c.spec, c.usage, got, want)
		}
		for _, op := range want {
			if !Grantable(c.spec, c.usage, op) {
				t.Errorf("%s of %s is not grantable", op, c.spec)
			}
		}
		if Grantable(c.spec, c.usage, "DisableKey") {
			t.Errorf("DisableKey of %s is grantable", c.spec)
		}
	}
	if !slices.IsSorted(withContext) {
		t.Error("the operations with a context are not sorted")
	}
}

func TestSource(t *testing.T) {
	const bucket, another = "arn:aws:s3:::bucket", "arn:aws:s3:::another"
	g := &Grant{Operations: []string{"CreateGrant", "Decrypt", "DescribeKey", "RetireGrant", "Sign"}, Source: bucket}
	for _, op := range g.Operations {
		for _, source := range []string{"", bucket, another} {
			want := source == bucket || op == "RetireGrant"
			r := &Request{Operation: op, Source: source}
			if got := g.Allows(r); got != want {
				t.Errorf("%s for %q: got %v, want %v", op, source, got, want)
			}
			if got := NewSet([]*Grant{g}).Find(r) != nil; got != want {
				t.Errorf("a set: %s for %q: got %v, want %v", op, source, got, want)
			}
		}
	}
	child := &Grant{Operations: []string{"Decrypt"}, Source: bucket}
	if NewSet([]*Grant{g}).Parent(child, another) != nil || NewSet([]*Grant{g}).Parent(child, bucket) != g {
		t.Error("a parent is not bound to its source")
	}
}

func TestPartyKey(t *testing.T) {
	if got := (Party{Name: "arn", ID: "AIDA"}).Key(); got != "AIDA" {
		t.Errorf("got %s", got)
	}
	if got := (Party{Name: "arn"}).Key(); got != "arn" {
		t.Errorf("got %s", got)
	}
}
