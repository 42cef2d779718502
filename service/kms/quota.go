package kms

import (
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/wire"
)

// Groups of cryptographic operations that share a quota, by the kind of key. HMAC keys count
// as symmetric ones.
const (
	symmetricGroup = "symmetric"
	rsaGroup       = "rsa"
	eccGroup       = "ecc"
	mldsaGroup     = "ml-dsa"
	mlkemGroup     = "ml-kem"
	storeGroup     = "custom-key-store" // each key store for itself
	pairGroup      = "GenerateDataKeyPair-"
	published      = "published" // no group: all that AWS publishes, times the figure
)

// publishedRates are the requests a second that AWS lets an account make in a region (KMS
// developer guide, "Request quotas"); of the symmetric group, that of most regions. What is not
// in it has no published quota.
var publishedRates = map[string]float64{
	symmetricGroup: 10_000, rsaGroup: 1000, eccGroup: 1000, mldsaGroup: 1000, storeGroup: 1800,

	pairGroup + "ECC_NIST_P256": 100, pairGroup + "ECC_NIST_P384": 100, pairGroup + "ECC_NIST_P521": 100,
	pairGroup + "ECC_SECG_P256K1": 100, pairGroup + "RSA_2048": 1, pairGroup + "RSA_3072": 0.5, pairGroup + "RSA_4096": 0.1,

	"CancelKeyDeletion": 5, "ConnectCustomKeyStore": 5, "CreateAlias": 5, "CreateCustomKeyStore": 5, "CreateGrant": 50, "CreateKey": 5,
	"DeleteAlias": 15, "DeleteCustomKeyStore": 5, "DeleteImportedKeyMaterial": 15, "DescribeCustomKeyStores": 5, "DescribeKey": 2000,
	"DisableKey": 5, "DisableKeyRotation": 5, "DisconnectCustomKeyStore": 5, "EnableKey": 5, "EnableKeyRotation": 15,
	"GetKeyPolicy": 1000, "GetKeyRotationStatus": 1000, "GetParametersForImport": 0.25, "GetPublicKey": 2000, "ImportKeyMaterial": 15,
	"ListAliases": 500, "ListGrants": 100, "ListKeyPolicies": 100, "ListKeyRotations": 100, "ListKeys": 500, "ListResourceTags": 2000,
	"ListRetirableGrants": 100, "PutKeyPolicy": 15, "ReplicateKey": 5, "RetireGrant": 30, "RevokeGrant": 30, "RotateKeyOnDemand": 5,
	"ScheduleKeyDeletion": 15, "TagResource": 10, "UntagResource": 5, "UpdateAlias": 5, "UpdateCustomKeyStore": 5,
	"UpdateKeyDescription": 5, "UpdatePrimaryRegion": 5,
}

// cryptographic are the operations that share the quota of a kind of key.
var cryptographic = map[string]bool{
	"Decrypt": true, "Encrypt": true, "GenerateDataKey": true, "GenerateDataKeyWithoutPlaintext": true, "GenerateMac": true,
	"GenerateRandom": true, "ReEncrypt": true, "VerifyMac": true, "Sign": true, "Verify": true, "DeriveSharedSecret": true,
	"Encapsulate": true, "Decapsulate": true,
}

// quotas count requests. A nil *quotas lets everything pass.
type quotas struct {
	rates   map[string]float64 // by group
	buckets sync.Map           // bucketName -> *bucket
}

// bucketName says whose requests a bucket counts.
type bucketName struct {
	region, account string
	group           string // and the key store, if it is one of those
}

// openQuotas returns the quotas that an operator has chosen, or nil for none.
func openQuotas(chosen map[string]float64) (*quotas, error) {
	q := &quotas{rates: make(map[string]float64)}
	for group, rate := range publishedRates {
		if times := chosen[published]; times > 0 {
			q.rates[group] = rate * times
		}
	}
	for group, rate := range chosen {
		if rate < 0 || math.IsNaN(rate) || math.IsInf(rate, 0) {
			return nil, internal("quota of %s: %v is no rate", group, rate)
		}
		if group == published {
			continue
		}
		if !quotaGroup(group) {
			return nil, internal("quota of %s: there is no such group of operations", group)
		}
		if q.rates[group] = rate; rate == 0 {
			delete(q.rates, group)
		}
	}
	if len(q.rates) == 0 {
		return nil, nil
	}
	return q, nil
}

// quotaGroup reports whether a group can have a quota.
func quotaGroup(group string) bool {
	_, ok := publishedRates[group]
	spec, pair := strings.CutPrefix(group, pairGroup)
	op := api.API.Operation(group)
	return ok || group == mlkemGroup || pair && spec != "" ||
		op != nil && !cryptographic[group] && !strings.HasPrefix(group, "GenerateDataKeyPair")
}

// take counts a call and what it acts on, and refuses it when its account makes too many. The account is
// the caller's, whoever owns the key; that of the resource it acts for, when a service calls for
// itself. The use of service owned keys does not count.
func (q *quotas) take(c *call.Call, checks []call.Check) error {
	account := c.Principal.Account
	if c.Principal.Kind == identity.Service {
		account = c.SourceAccount
	}
	if account == "" || account == identity.HouseAccount {
		return nil
	}
	var counted [2]string
	for i, group := range groupsOf(counted[:0], c, checks) {
		if i > 0 && group == counted[0] {
			continue
		}
		kind, _, _ := strings.Cut(group, sep)
		rate := q.rates[kind]
		if rate == 0 {
			continue
		}
		b, ok := q.buckets.Load(bucketName{c.Region, account, group})
		if !ok {
			b, _ = q.buckets.LoadOrStore(bucketName{c.Region, account, group}, new(bucket))
		}
		if !b.(*bucket).take(c.Time, rate, cost(c.Op.Name, kind)) {
			return wire.Errorf("ThrottlingException", http.StatusBadRequest, "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.")
		}
	}
	return nil
}

// groupsOf appends the groups that a call counts in: for ReEncrypt, those of both keys.
func groupsOf(dst []string, c *call.Call, checks []call.Check) []string {
	switch in := c.In.(type) {
	case *api.GenerateDataKeyPairInput:
		return append(dst, pairGroup+string(in.KeyPairSpec))
	case *api.GenerateDataKeyPairWithoutPlaintextInput:
		return append(dst, pairGroup+string(in.KeyPairSpec))
	}
	if !cryptographic[c.Op.Name] {
		return append(dst, c.Op.Name)
	}
	if len(checks) == 0 || c.Op.Name == "GenerateRandom" {
		return append(dst, symmetricGroup) // the key was not found
	}
	for i := range checks {
		group := symmetricGroup
		if cond, ok := checks[i].Conditions.(*conditions); ok && cond.key != nil {
			group = groupOf(&cond.key.record)
		}
		dst = append(dst, group)
	}
	return dst
}

// groupOf returns the group of the cryptographic operations with a key, and behind it the key
// store that the key is in.
func groupOf(r *record) string {
	if r.Origin == api.OriginTypeAwsCloudhsm || r.Origin == api.OriginTypeExternalKeyStore {
		return storeGroup + sep + r.Store
	}
	switch kind, _, _ := strings.Cut(string(r.Spec), "_"); {
	case kind == "RSA":
		return rsaGroup
	case kind == "ECC" || kind == "SM2":
		return eccGroup
	case strings.HasPrefix(string(r.Spec), "ML_DSA"):
		return mldsaGroup
	case strings.HasPrefix(string(r.Spec), "ML_KEM"):
		return mlkemGroup
	}
	return symmetricGroup
}

// cost is how much of a quota an operation uses: in a custom key store, making random bytes
// takes about three times as much as the rest.
func cost(operation, group string) float64 {
	if group == storeGroup && strings.HasPrefix(operation, "Generate") {
		return 3
	}
	return 1
}

// bucket is a token bucket that holds the requests of one second, or one request where a
// second has less than one. It begins full.
type bucket struct {
	mu   sync.Mutex
	used float64   // of what it holds
	at   time.Time // when used was right
}

// take reports whether there is room for a request at a time, and makes use of it.
func (b *bucket) take(at time.Time, rate, cost float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if passed := at.Sub(b.at); passed > 0 { // requests may come a little out of order
		b.used = max(0, b.used-rate*passed.Seconds())
		b.at = at
	}
	if b.used+cost > max(rate, cost, 1) {
		return false
	}
	b.used += cost
	return true
}
