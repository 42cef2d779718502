package s3

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/wire"
)

// mode is how an object is encrypted. Its numbers are stored.
type mode uint8

const (
	sseS3   mode = iota + 1 // under a data key of the account
	sseKMS                  // under a data key of its own, from KMS
	dsseKMS                 // two layers, each under a data key of its own
	sseC                    // under the customer's key
)

// sealing is how an object, or an upload, is sealed: all that is needed to get its data
// keys again, except for what only KMS or the customer has.
type sealing struct {
	Mode       mode
	Generation int64             // sseS3: of the account's data key
	KeyARN     string            // sseKMS, dsseKMS
	BucketKey  bool              // sseKMS: the context names the bucket, not the object
	Context    map[string]string // sseKMS, dsseKMS: the client's pairs
	Wrapped    [2][]byte         // sseKMS: the first; dsseKMS: inner and outer layer
	Salt       [16]byte          // sseC: of the verifier
	Verifier   []byte            // sseC: tells the right key from others; useless without the salt and the key
}

func (p *packer) sealing(s *sealing) {
	p.number(int64(s.Mode))
	p.number(s.Generation)
	p.text(s.KeyARN)
	p.flag(s.BucketKey)
	p.pairs(s.Context)
	p.bytes(s.Wrapped[0])
	p.bytes(s.Wrapped[1])
	p.fixed(s.Salt)
	p.bytes(s.Verifier)
}

func (u *unpacker) sealing(s *sealing) {
	s.Mode = mode(u.number())
	s.Generation = u.number()
	s.KeyARN = u.text()
	s.BucketKey = u.flag()
	s.Context = u.pairs()
	s.Wrapped = [2][]byte{u.bytes(), u.bytes()}
	s.Salt = u.fixed()
	s.Verifier = u.bytes()
	if s.Mode < sseS3 || s.Mode > sseC {
		u.fail()
	}
}

// plain reports whether objects sealed this way have the MD5 of their bytes as ETag.
// For the others S3 promises only an opaque tag.
func (m mode) plain() bool { return m == sseS3 }

// name returns the value of x-amz-server-side-encryption; "" for sseC, which has
// headers of its own.
func (m mode) name() api.ServerSideEncryption {
	switch m {
	case sseS3:
		return api.ServerSideEncryptionAes256
	case sseKMS:
		return api.ServerSideEncryptionAwsKms
	case dsseKMS:
		return api.ServerSideEncryptionAwsKmsDsse
	}
	return ""
}

// wish is the encryption that a request asks for, before the bucket's default fills it.
type wish struct {
	Algorithm api.ServerSideEncryption
	KeyID     *string
	Context   *string // base64 of JSON
	BucketKey *bool
	Customer  customerHeaders
}

// plan is the encryption that an object gets.
type plan struct {
	mode      mode
	byDefault bool // the request said nothing
	keyID     string
	bucketKey bool
	context   map[string]string
	customer  customerKey
}

// managedKey is the service managed key that KMS encryption uses when none is named.
const managedKey = "alias/aws/s3"

// plan fills the wish from the bucket's default and checks that it makes sense.
func (w wish) plan(c *call.Call, b *bucket) (plan, error) {
	customer, err := w.Customer.read(c)
	if err != nil {
		return plan{}, err
	}
	if customer.given() {
		if b.Encryption.NoCustomerKeys {
			return plan{}, accessDenied().WithCause(errors.New("SSE-C is blocked for the bucket"))
		}
		if w.Algorithm != "" || w.KeyID != nil {
			return plan{}, invalidArgument("Server Side Encryption with Customer provided key is incompatible with the encryption method specified")
		}
		return plan{mode: sseC, customer: customer}, nil
	}
	algorithm, p := w.Algorithm, plan{}
	if algorithm == "" {
		if w.KeyID != nil || w.Context != nil {
			return plan{}, invalidArgument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		algorithm, p.keyID, p.bucketKey = b.Encryption.Algorithm, b.Encryption.KeyID, b.Encryption.BucketKey
		p.byDefault = true
	} else if algorithm == b.Encryption.Algorithm && w.KeyID == nil {
		p.keyID, p.bucketKey = b.Encryption.KeyID, b.Encryption.BucketKey
	}
	if p.mode, err = parseMode(algorithm); err != nil {
		return plan{}, err
	}
	if p.mode == sseS3 {
		if w.KeyID != nil || w.Context != nil {
			return plan{}, invalidArgument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		return plan{mode: sseS3, byDefault: p.byDefault}, nil
	}
	return p, p.kms(w)
}

// kms fills in what only encryption under a KMS key has.
func (p *plan) kms(w wish) (err error) {
	if w.KeyID != nil {
		p.keyID = *w.KeyID
	}
	if p.keyID == "" {
		p.keyID = managedKey
	}
	if w.BucketKey != nil {
		p.bucketKey = *w.BucketKey
	}
	if p.mode == dsseKMS {
		p.bucketKey = false // dual-layer encryption has no bucket keys
	}
	p.context, err = parseContext(wire.Val(w.Context))
	return err
}

func parseMode(algorithm api.ServerSideEncryption) (mode, error) {
	switch algorithm {
	case api.ServerSideEncryptionAes256:
		return sseS3, nil
	case api.ServerSideEncryptionAwsKms:
		return sseKMS, nil
	case api.ServerSideEncryptionAwsKmsDsse:
		return dsseKMS, nil
	}
	return 0, badRequest("InvalidEncryptionAlgorithmError", "The encryption request you specified is not valid. Supported value: AES256, aws:kms or aws:kms:dsse.")
}

// arnContext is the key of the encryption context that S3 sets itself.
const arnContext = "aws:s3:arn"

// maxContext bounds the header; KMS has the limit on the pairs.
const maxContext = 8 << 10

// parseContext reads x-amz-server-side-encryption-context.
func parseContext(header string) (map[string]string, error) {
	if header == "" {
		return nil, nil
	}
	malformed := invalidArgument("The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map")
	raw, err := base64.StdEncoding.DecodeString(header)
	if err != nil || len(raw) > maxContext {
		return nil, malformed
	}
	var pairs map[string]string
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return nil, malformed.WithCause(err)
	}
	return pairs, nil
}

// kmsContext returns the encryption context of an object: the client's pairs and the
// name of the object, or of its bucket when a bucket key is used.
func (s *sealing) kmsContext(b *bucket, key string) map[string]string {
	pairs := make(map[string]string, len(s.Context)+1)
	for k, v := range s.Context {
		pairs[k] = v
	}
	pairs[arnContext] = b.arn()
	if !s.BucketKey {
		pairs[arnContext] = b.objectARN(key)
	}
	return pairs
}

// dataKeys are the keys that an object is sealed under, the inner layer's first.
type dataKeys [2]secret.Bytes

// layers returns how many there are.
func (d *dataKeys) layers() int {
	if d[1].Len() > 0 {
		return 2
	}
	return 1
}

// applied returns the encryption as CloudTrail's additionalEventData names it.
func (p *plan) applied() string {
	name := [...]string{sseS3: "SSE_S3", sseKMS: "SSE_KMS", dsseKMS: "DSSE_KMS", sseC: "SSE_C"}[p.mode]
	if p.byDefault {
		return "Default_" + name
	}
	return name
}

// newKeys gets the data keys for a new object, and what is stored to get them again.
func (s *Service) newKeys(ctx context.Context, p plan, b *bucket, key string) (keys dataKeys, how sealing, err error) {
	call.From(ctx).Note("SSEApplied", p.applied())
	how = sealing{Mode: p.mode, BucketKey: p.bucketKey, Context: p.context}
	switch p.mode {
	case sseS3:
		keys[0], how.Generation, err = s.ring.current(ctx, b.Region, b.Account)
	case sseC:
		keys[0] = p.customer.key
		rand.Read(how.Salt[:])
		how.Verifier, err = p.customer.verifier(how.Salt)
	default:
		layers := 1
		if p.mode == dsseKMS {
			layers = 2
		}
		pairs := how.kmsContext(b, key)
		for i := range layers {
			dk, err := s.kms.Make(inRegion(ctx, b.Region), p.keyID, pairs)
			if err != nil {
				return keys, how, kmsError(err)
			}
			keys[i], how.Wrapped[i], how.KeyARN = dk.Plaintext, dk.Wrapped, dk.KeyARN
		}
	}
	return keys, how, err
}

// openKeys gets the data keys of an object that is there. KMS is asked every time, so
// that disabling a key, or taking a permission away, takes effect on the next read.
func (s *Service) openKeys(ctx context.Context, how *sealing, b *bucket, key string, customer customerKey) (keys dataKeys, err error) {
	if err := how.accepts(customer); err != nil {
		return keys, err
	}
	switch how.Mode {
	case sseS3:
		keys[0], err = s.ring.open(ctx, b.Region, b.Account, how.Generation)
		return keys, err
	case sseC:
		keys[0] = customer.key
		return keys, nil
	}
	pairs := how.kmsContext(b, key)
	for i, wrapped := range how.Wrapped {
		if len(wrapped) == 0 {
			break
		}
		if keys[i], err = s.kms.Open(inRegion(ctx, b.Region), how.KeyARN, wrapped, pairs); err != nil {
			return keys, kmsError(err)
		}
	}
	return keys, nil
}

// accepts checks that a customer's key came when, and only when, it is needed, and that
// it is the right one.
func (s *sealing) accepts(customer customerKey) error {
	switch {
	case s.Mode == sseC && !customer.given():
		return invalidRequest("The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	case s.Mode != sseC && customer.given():
		return invalidRequest("The encryption parameters are not applicable to this object.")
	case s.Mode != sseC:
		return nil
	}
	got, err := customer.verifier(s.Salt)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(got, s.Verifier) != 1 {
		return accessDenied().WithCause(errors.New("another customer key"))
	}
	return nil
}

// inRegion returns ctx for a call to KMS in the region of a bucket, which differs from
// the call's own only for the source of a copy.
func inRegion(ctx context.Context, region string) context.Context {
	if c := call.From(ctx); c != nil && c.Region == region {
		return ctx
	}
	return call.InRegion(ctx, region)
}

// wipe clears keys that no other object shares.
func (s *sealing) wipe(keys *dataKeys) {
	if s.Mode == sseKMS || s.Mode == dsseKMS {
		keys[0].Wipe()
		keys[1].Wipe()
	}
}

// encryptionHeaders are the headers with which answers say how an object is encrypted.
type encryptionHeaders struct {
	Algorithm         api.ServerSideEncryption
	KeyID             *string
	BucketKey         *bool
	CustomerAlgorithm *string
	CustomerKeyMD5    *string
	Context           *string
}

// headers returns what an answer says of s; customer is the key the request came with.
func (s *sealing) headers(customer customerKey) (h encryptionHeaders) {
	h.Algorithm = s.Mode.name()
	if s.Mode == sseC {
		h.CustomerAlgorithm, h.CustomerKeyMD5 = wire.Ptr("AES256"), wire.Ptr(customer.md5)
		if customer.md5 == "" {
			h.CustomerKeyMD5 = nil
		}
		return h
	}
	if s.KeyARN != "" {
		h.KeyID = wire.Ptr(s.KeyARN)
	}
	if s.BucketKey {
		h.BucketKey = wire.Ptr(true)
	}
	if len(s.Context) > 0 {
		if raw, err := json.Marshal(s.Context); err == nil {
			h.Context = wire.Ptr(base64.StdEncoding.EncodeToString(raw))
		}
	}
	return h
}
