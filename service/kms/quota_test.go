package kms

import (
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

func TestBucket(t *testing.T) {
	start := time.Now()
	for _, c := range []struct {
		name       string
		rate, cost float64
		at         []time.Duration
		want       string // y or n for each
	}{
		{"three a second", 3, 1, []time.Duration{0, 0, 0, 0, 0}, "yyynn"},
		{"room comes back", 2, 1, []time.Duration{0, 0, 0, time.Second / 2, time.Second / 2, 2 * time.Second, 2 * time.Second, 2 * time.Second}, "yynynyyn"},
		{"one in ten seconds", 0.1, 1, []time.Duration{0, time.Second, 9 * time.Second, 10 * time.Second, 11 * time.Second}, "ynnyn"},
		{"dear ones", 6, 3, []time.Duration{0, 0, 0, time.Second / 2}, "yyny"},
		{"dearer than a second", 1, 3, []time.Duration{0, 2 * time.Second, 3 * time.Second}, "yny"},
		{"out of order", 1, 1, []time.Duration{time.Second, 0, time.Second, 2 * time.Second}, "ynny"},
	} {
		b, got := new(bucket), ""
		for _, at := range c.at {
			if b.take(start.Add(at), c.rate, c.cost) {
				got += "y"
			} else {
				got += "n"
			}
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestOpenQuotas(t *testing.T) {
	for _, chosen := range []map[string]float64{nil, {}, {"published": 0}, {"CreateKey": 0}} {
		if q, err := openQuotas(chosen); q != nil || err != nil {
			t.Errorf("%v: got %v, %v, want none", chosen, q, err)
		}
	}
	for _, chosen := range []map[string]float64{{"Encrypt": 1}, {"GenerateDataKeyPair": 1}, {"rsa": -1}, {"published": -1}, {"createkey": 1}, {"": 1}} {
		if q, err := openQuotas(chosen); err == nil {
			t.Errorf("%v: got %v, want an error", chosen, q)
		}
	}
	q, err := openQuotas(map[string]float64{"published": 2, "rsa": 7, "ecc": 0, "GetKeyLastUsage": 3})
	if err != nil {
		t.Fatal(err)
	}
	for group, want := range map[string]float64{"symmetric": 20_000, "rsa": 7, "ecc": 0, "CreateKey": 10, "GetKeyLastUsage": 3, "GenerateDataKeyPair-RSA_4096": 0.2} {
		if got := q.rates[group]; got != want {
			t.Errorf("%s: got %v, want %v", group, got, want)
		}
	}
}

// TestEveryOperationHasAQuota says that no operation with a published quota is forgotten.
func TestEveryOperationHasAQuota(t *testing.T) {
	for _, op := range api.API.Operations {
		switch name := op.Name; {
		case cryptographic[name], name == "GenerateDataKeyPair", name == "GenerateDataKeyPairWithoutPlaintext":
		case name == "GetKeyLastUsage": // AWS publishes none
		case publishedRates[name] == 0:
			t.Errorf("%s has no quota", name)
		}
	}
}

func TestGroupOf(t *testing.T) {
	for _, c := range []struct {
		spec   api.KeySpec
		origin api.OriginType
		want   string
	}{
		{"SYMMETRIC_DEFAULT", "AWS_KMS", "symmetric"}, {"HMAC_256", "AWS_KMS", "symmetric"}, {"SYMMETRIC_DEFAULT", "EXTERNAL", "symmetric"},
		{"RSA_2048", "AWS_KMS", "rsa"}, {"ECC_NIST_P256", "AWS_KMS", "ecc"}, {"SM2", "AWS_KMS", "ecc"}, {"ML_DSA_65", "AWS_KMS", "ml-dsa"}, {"ML_KEM_768", "AWS_KMS", "ml-kem"},
		{"SYMMETRIC_DEFAULT", "AWS_CLOUDHSM", "custom-key-store\x00cks-1"}, {"SYMMETRIC_DEFAULT", "EXTERNAL_KEY_STORE", "custom-key-store\x00cks-1"},
	} {
		if got := groupOf(&record{Spec: c.spec, Origin: c.origin, Store: "cks-1"}); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.spec, c.origin, got, c.want)
		}
	}
}

// TestThrottling says whose calls count, where, and together with which.
func TestThrottling(t *testing.T) {
	h := open(t)
	k := h.newKey(statement(`{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`))
	var err error
	if h.quotas, err = openQuotas(map[string]float64{"symmetric": 0.001, "ListKeys": 0.001}); err != nil {
		t.Fatal(err)
	}
	const words = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
	encrypt := &api.EncryptInput{KeyId: k.Arn, Plaintext: []byte("x")}
	who, friend := admin(t), user(t, other, "friend", fullAccess)
	must[api.EncryptOutput](h, who, encrypt)
	fails[api.EncryptOutput](h, who, encrypt, "ThrottlingException", words)
	fails[api.EncryptOutput](h, user(t, account, "another"), encrypt, "ThrottlingException", words)
	fails[api.EncryptOutput](h, who.through("s3.amazonaws.com"), encrypt, "ThrottlingException", words)
	fails[api.GenerateRandomOutput](h, who, &api.GenerateRandomInput{NumberOfBytes: wire.Ptr[int32](1)}, "ThrottlingException", words)
	// Before the decision, and also for a key that is not there.
	fails[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: wire.Ptr(newKeyID()), Plaintext: []byte("x")}, "ThrottlingException", words)
	must[api.DescribeKeyOutput](h, who, &api.DescribeKeyInput{KeyId: k.Arn})
	must[api.ListKeysOutput](h, who, &api.ListKeysInput{})
	fails[api.ListKeysOutput](h, who, &api.ListKeysInput{}, "ThrottlingException", words)
	must[api.EncryptOutput](h, friend, encrypt) // the quota is the caller's account's
	fails[api.EncryptOutput](h, friend, encrypt, "ThrottlingException", words)
	if _, err := run[api.GenerateRandomOutput](h, who.in("eu-central-1"), &api.GenerateRandomInput{NumberOfBytes: wire.Ptr[int32](1)}); err != nil {
		t.Errorf("in another region: %v", err)
	}
	// Each key store has a quota of its own, and making data keys takes three times as much of it.
	if h.quotas, err = openQuotas(map[string]float64{"custom-key-store": 3.001}); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	inStore := func(id, operation string) error {
		cond := &conditions{key: &entry{record: record{Origin: api.OriginTypeExternalKeyStore, Store: id}}}
		c := &call.Call{Time: at, Principal: who.Principal, Region: region, Op: api.API.Operation(operation), In: encrypt}
		return h.quotas.take(c, []call.Check{{Conditions: cond}})
	}
	for _, id := range []string{"cks-1", "cks-2"} {
		if err := inStore(id, "GenerateDataKey"); err != nil {
			t.Errorf("the first data key of %s: %v", id, err)
		}
		if err := inStore(id, "Encrypt"); !wire.IsCode(err, "ThrottlingException") {
			t.Errorf("one more call in %s: %v", id, err)
		}
	}
	owned := &api.GenerateDataKeyInput{KeyId: wire.Ptr("alias/owned/s3/" + account), KeySpec: "AES_256"}
	for range 3 {
		must[api.GenerateDataKeyOutput](h, asService("s3.amazonaws.com"), owned)
	}
}
