package kms

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/wire"
)

// conditions are the condition keys of one check, answered when they are asked for, because
// most policies ask for few or none. It also carries the key from the target to the
// handler, so that what is used is what was authorized.
type conditions struct {
	call    *call.Call
	key     *entry            // nil when the check is about no key, or about one that is not to be seen
	alias   string            // as typed
	unnamed bool              // the caller named no key: the ciphertext does
	context map[string]string // encryption context, or the constraint of a grant
	source  source            // to be decrypted
	cipher  key.Ciphertext    // the same, when it is one of a symmetric key
	cryptor policy.Values     // kms:EncryptionAlgorithm
	more    policy.Map        // of this operation only, without the prefix; nil for none
	tags    []api.Tag         // of the request
	tagKeys []string          // of UntagResource
}

var _ policy.Context = (*conditions)(nil)

// formerly are the names that two condition keys had before keys were called keys. Policies with
// them go on to work ("deprecated", KMS developer guide, "Condition keys for AWS KMS").
var formerly = map[string]string{"customermasterkeyspec": "keyspec", "customermasterkeyusage": "keyusage"}

// Value answers a condition key of "Condition keys for AWS KMS" (KMS developer guide), and the
// tags of request and resource.
//
// What the guide lists and no request here can have are kms:RecipientAttestation:ImageSha384, :PCR0 and so
// on, and :NitroTPMPCR0 and so on: they are measurements in the attestation document of an enclave of
// AWS Nitro, which only AWS's hardware signs. A request with a Recipient is refused, and no condition
// that asks for a measurement is ever met.
func (c *conditions) Value(k string) policy.Values {
	name, ok := strings.CutPrefix(k, "kms:")
	if !ok {
		return c.tag(k)
	}
	if now := formerly[name]; now != "" {
		name = now
	}
	switch name {
	case "calleraccount":
		if p := c.call.Principal; p.Kind != identity.Service && p.Account != "" {
			return policy.One(p.Account)
		}
		return policy.Values{}
	case "viaservice":
		return via(c.call)
	case "requestalias":
		return optional(c.alias)
	case "encryptionalgorithm":
		return c.cryptor
	case "encryptioncontextkeys":
		return policy.Many(slices.Sorted(maps.Keys(c.context)))
	}
	if pair, ok := strings.CutPrefix(name, "encryptioncontext:"); ok {
		return c.pair(pair)
	}
	if v, ok := c.more[name]; ok {
		return v
	}
	return c.ofKey(name)
}

// ofKey answers what is known of the key itself.
func (c *conditions) ofKey(name string) policy.Values {
	if c.key == nil {
		return policy.Values{}
	}
	switch name {
	case "resourcealiases":
		return policy.Many(aliasNames(c.key.aliases))
	case "keyspec":
		return policy.One(string(c.key.Spec))
	case "keyusage":
		return policy.One(string(c.key.Usage))
	case "keyorigin":
		return policy.One(string(c.key.Origin))
	case "multiregion":
		return policy.Bool(c.key.Multi != nil)
	case "multiregionkeytype":
		return optional(string(c.key.multiType(c.key.home)))
	}
	return policy.Values{}
}

// pair answers kms:EncryptionContext:NAME. The name compares without letter case, so a
// context may hold it more than once; then all the values count.
func (c *conditions) pair(name string) policy.Values {
	if v, ok := c.context[name]; ok && len(c.context) == 1 {
		return policy.One(v)
	}
	var values []string
	for k, v := range c.context {
		if strings.ToLower(k) == name {
			values = append(values, v)
		}
	}
	if len(values) < 2 {
		return optionalOf(values)
	}
	slices.Sort(values)
	return policy.Many(values)
}

// tag answers aws:ResourceTag, aws:RequestTag and aws:TagKeys. Tag keys compare without
// letter case there.
func (c *conditions) tag(k string) policy.Values {
	if name, ok := strings.CutPrefix(k, "aws:resourcetag/"); ok && c.key != nil {
		for t, v := range c.key.Tags {
			if strings.EqualFold(t, name) {
				return policy.One(v)
			}
		}
	}
	if name, ok := strings.CutPrefix(k, "aws:requesttag/"); ok {
		for _, t := range c.tags {
			if strings.EqualFold(wire.Val(t.TagKey), name) {
				return policy.One(wire.Val(t.TagValue))
			}
		}
	}
	if k == "aws:tagkeys" {
		return policy.Many(c.tagNames())
	}
	return policy.Values{}
}

func (c *conditions) tagNames() []string {
	if c.tagKeys != nil {
		return c.tagKeys
	}
	var names []string
	for _, t := range c.tags {
		names = append(names, wire.Val(t.TagKey))
	}
	return names
}

// via answers kms:ViaService: the service through which a principal calls. A direct call
// has none, and neither has a service that acts as itself.
func via(c *call.Call) policy.Values {
	if c.Via == "" {
		return policy.Values{}
	}
	name, ok := serviceOf(c.Via)
	if !ok {
		return policy.One(c.Via)
	}
	return policy.One(name + "." + c.Region + ".amazonaws.com")
}

func optional(s string) policy.Values {
	if s == "" {
		return policy.Values{}
	}
	return policy.One(s)
}

func optionalOf(values []string) policy.Values {
	if len(values) == 0 {
		return policy.Values{}
	}
	return policy.One(values[0])
}

// algorithm returns the value of kms:EncryptionAlgorithm; an absent algorithm is the
// symmetric one.
func algorithm(a api.EncryptionAlgorithmSpec) policy.Values {
	if a == "" {
		a = api.EncryptionAlgorithmSpecSymmetricDefault
	}
	return policy.One(string(a))
}

func number(n int32) policy.Values { return policy.One(strconv.Itoa(int(n))) }
