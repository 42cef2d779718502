package xks

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
)

// Limits of the specification.
const (
	MaxPlaintext = 4300 // bytes that every proxy can encrypt
	MaxAAD       = 8192
	MaxMetadata  = 20 // ciphertext metadata
	TagSize      = 16

	maxManagers = 10
	maxUsages   = 10
	maxReply    = 64 << 10 // the largest legal answer is under 8 KiB
)

// Request says for whom and why a proxy is asked (specification, Appendix B). Empty members
// are left out.
type Request struct {
	Principal string `json:"awsPrincipalArn,omitempty"` // ARN, or the name of a service
	Key       string `json:"kmsKeyArn,omitempty"`
	Operation string `json:"kmsOperation"`
	ID        string `json:"kmsRequestId"` // the one in the audit record
	Via       string `json:"kmsViaService,omitempty"`
}

// Sealed is what a proxy makes of a plaintext. Decrypt needs all of it.
type Sealed struct {
	Metadata   []byte // of the proxy, to itself; at most MaxMetadata bytes
	IV         []byte // 12 or 16 bytes
	Tag        []byte // TagSize bytes
	Ciphertext []byte // as long as the plaintext
}

type healthRequest struct {
	Metadata Request `json:"requestMetadata"`
}

type encryptRequest struct {
	Metadata  Request `json:"requestMetadata"`
	AAD       []byte  `json:"additionalAuthenticatedData,omitempty"`
	Plaintext []byte  `json:"plaintext"`
	Algorithm string  `json:"encryptionAlgorithm"`
	Integrity string  `json:"ciphertextDataIntegrityValueAlgorithm"`
}

type decryptRequest struct {
	Metadata           Request `json:"requestMetadata"`
	AAD                []byte  `json:"additionalAuthenticatedData,omitempty"`
	Ciphertext         []byte  `json:"ciphertext"`
	CiphertextMetadata []byte  `json:"ciphertextMetadata,omitempty"`
	Algorithm          string  `json:"encryptionAlgorithm"`
	IV                 []byte  `json:"initializationVector"`
	Tag                []byte  `json:"authenticationTag"`
}

const (
	aesGCM    = "AES_GCM"
	sumSHA256 = "SHA_256"
)

// parse reads one JSON object and nothing after it. Members that v does not have are ignored, as
// a later version of the specification may add some.
func parse(body []byte, v any) bool {
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 || bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
		return false // null would do for json.Unmarshal
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if d.Decode(v) != nil {
		return false
	}
	_, err := d.Token()
	return err == io.EOF
}

// blob decodes a member that holds bytes: strict base64, of one of the sizes.
func blob(text *string, sizes ...int) ([]byte, bool) {
	if text == nil {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(*text)
	return b, err == nil && slices.Contains(sizes, len(b))
}

// parseFailure reads an answer whose status is not 200. An error that is named counts as what it
// is called, also under another status than the specification has for it.
func parseFailure(body []byte) error {
	var m struct {
		Name *string `json:"errorName"`
	}
	if !parse(body, &m) || m.Name == nil || named[*m.Name] == 0 {
		return failed(Malformed)
	}
	return failed(named[*m.Name])
}

// parseHealth reads the answer of health, and fails when no key manager is available.
func parseHealth(body []byte) error {
	var m struct {
		Size         *int64  `json:"xksProxyFleetSize"`
		Vendor       *string `json:"xksProxyVendor"`
		Model        *string `json:"xksProxyModel"`
		ManagerMaker *string `json:"ekmVendor"`
		Managers     []struct {
			ID     *string `json:"id"`
			Model  *string `json:"model"`
			Status *string `json:"healthStatus"`
		} `json:"ekmFleetDetails"`
	}
	if !parse(body, &m) || m.Size == nil || m.Vendor == nil || m.Model == nil || m.ManagerMaker == nil ||
		len(m.Managers) == 0 || len(m.Managers) > maxManagers {
		return failed(Malformed)
	}
	available := false
	for _, one := range m.Managers {
		if one.ID == nil || one.Model == nil || one.Status == nil {
			return failed(Malformed)
		}
		switch *one.Status {
		case "ACTIVE", "DEGRADED":
			available = true
		case "UNAVAILABLE":
		default:
			return failed(Malformed)
		}
	}
	if !available {
		return failed(Unavailable)
	}
	return nil
}

// parseMetadata reads the answer of metadata.
func parseMetadata(body []byte) (*KeyMetadata, error) {
	var m struct {
		Spec   *string   `json:"keySpec"`
		Usage  []*string `json:"keyUsage"`
		Status *string   `json:"keyStatus"`
	}
	if !parse(body, &m) || m.Spec == nil || m.Status == nil || m.Usage == nil || len(m.Usage) > maxUsages {
		return nil, failed(Malformed)
	}
	if *m.Status != "ENABLED" && *m.Status != "DISABLED" {
		return nil, failed(Malformed)
	}
	k := &KeyMetadata{AES256: *m.Spec == "AES_256", Enabled: *m.Status == "ENABLED"}
	for _, u := range m.Usage {
		if u == nil {
			return nil, failed(Malformed)
		}
		k.Encrypts = k.Encrypts || *u == "ENCRYPT"
		k.Decrypts = k.Decrypts || *u == "DECRYPT"
	}
	return k, nil
}

// parseEncrypt reads the answer of encrypt for a plaintext of n bytes.
func parseEncrypt(body []byte, n int, aad []byte) (*Sealed, error) {
	var m struct {
		Ciphertext *string `json:"ciphertext"`
		Metadata   *string `json:"ciphertextMetadata"`
		IV         *string `json:"initializationVector"`
		Tag        *string `json:"authenticationTag"`
		Integrity  *string `json:"ciphertextDataIntegrityValue"`
	}
	if !parse(body, &m) {
		return nil, failed(Malformed)
	}
	var s Sealed
	var ok [5]bool
	s.Ciphertext, ok[0] = blob(m.Ciphertext, n)
	s.IV, ok[1] = blob(m.IV, 12, 16)
	s.Tag, ok[2] = blob(m.Tag, TagSize)
	if m.Metadata != nil {
		var err error
		s.Metadata, err = base64.StdEncoding.Strict().DecodeString(*m.Metadata)
		ok[3] = err == nil && len(s.Metadata) <= MaxMetadata
	} else {
		ok[3] = true
	}
	sum, isSum := blob(m.Integrity, sha256.Size)
	want := s.integrity(aad)
	ok[4] = isSum && subtle.ConstantTimeCompare(sum, want[:]) == 1
	if slices.Contains(ok[:], false) {
		return nil, failed(Malformed)
	}
	return &s, nil
}

// integrity is the ciphertext data integrity value (specification, Appendix C).
func (s *Sealed) integrity(aad []byte) [sha256.Size]byte {
	return sha256.Sum256(slices.Concat(aad, s.Metadata, s.IV, s.Ciphertext, s.Tag))
}

// parseDecrypt reads the answer of decrypt for a ciphertext of n bytes.
func parseDecrypt(body []byte, n int) ([]byte, error) {
	var m struct {
		Plaintext *string `json:"plaintext"`
	}
	if !parse(body, &m) {
		return nil, failed(Malformed)
	}
	plaintext, ok := blob(m.Plaintext, n)
	if !ok {
		return nil, failed(Malformed)
	}
	return plaintext, nil
}

// readReply reads the body of an answer, up to its limit.
func readReply(r *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxReply+1))
	if err == nil && len(body) > maxReply {
		err = failed(Malformed)
	}
	return body, err
}
