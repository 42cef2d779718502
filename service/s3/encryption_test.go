package s3

import (
	"bytes"
	"encoding/base64"
	"maps"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

func encodedContext(json string) *string {
	return wire.Ptr(base64.StdEncoding.EncodeToString([]byte(json)))
}

func TestEncryptionContextNamesTheObject(t *testing.T) {
	for _, c := range []struct {
		name      string
		bucketKey bool
		context   *string
		want      map[string]string
	}{
		{"object", false, nil, map[string]string{"aws:s3:arn": "arn:aws:s3:::box/a/k"}},
		{"bucket key", true, nil, map[string]string{"aws:s3:arn": "arn:aws:s3:::box"}},
		{"client's pairs", false, encodedContext(`{"team":"blue","aws:s3:arn":"forged"}`), map[string]string{"aws:s3:arn": "arn:aws:s3:::box/a/k", "team": "blue"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			h.bucket("box")
			in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("a/k"), Body: strings.NewReader("x"), ServerSideEncryption: "aws:kms",
				SSEKMSKeyId: wire.Ptr("key/one"), BucketKeyEnabled: &c.bucketKey, SSEKMSEncryptionContext: c.context}
			out := must[api.PutObjectOutput](h, "PutObject", in)
			if *out.SSEKMSKeyId != arnOf("key/one") || wire.Val(out.BucketKeyEnabled) != c.bucketKey {
				t.Errorf("got %+v", out)
			}
			h.get(reading(in))
			if len(h.kms.asked) != 2 {
				t.Fatalf("kms was asked %+v", h.kms.asked)
			}
			for i, op := range []string{"GenerateDataKey", "Decrypt"} {
				if got := h.kms.asked[i]; got.op != op || got.key != "key/one" || got.region != region || !maps.Equal(got.context, c.want) {
					t.Errorf("got %+v, want %v", got, c.want)
				}
			}
		})
	}
}

func TestDisabledKeyClosesAtTheNextCall(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	for _, size := range []int{0, 10, 100_000} {
		for _, bucketKey := range []bool{false, true} {
			in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: bytes.NewReader(bytesOf(size)), ServerSideEncryption: "aws:kms",
				SSEKMSKeyId: wire.Ptr("key/one"), BucketKeyEnabled: &bucketKey}
			must[api.PutObjectOutput](h, "PutObject", in)
			h.get(reading(in))
			h.kms.disabled["key/one"] = true
			refused(h, "KMS.DisabledException", "GetObject", reading(in))
			in.Body = strings.NewReader("new")
			refused(h, "KMS.DisabledException", "PutObject", in)
			refused(h, "KMS.DisabledException", "CopyObject", &api.CopyObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("copy"), CopySource: wire.Ptr("box/k"), ServerSideEncryption: "AES256"})
			// What is known of an object is not under the key, unless its checksum is asked for.
			must[api.HeadObjectOutput](h, "HeadObject", &api.HeadObjectInput{Bucket: in.Bucket, Key: in.Key})
			refused(h, "KMS.DisabledException", "HeadObject", &api.HeadObjectInput{Bucket: in.Bucket, Key: in.Key, ChecksumMode: "ENABLED"})
			h.kms.disabled["key/one"] = false
			if _, got := h.get(reading(in)); got != string(bytesOf(size)) {
				t.Errorf("%d bytes: came back wrong after the key was enabled", size)
			}
		}
	}
	h.kms.denied = true
	refused(h, "AccessDenied", "GetObject", &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
}

func TestDefaultEncryptionFillsTheRequest(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	rule := api.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms", KMSMasterKeyID: wire.Ptr("key/two")}, BucketKeyEnabled: wire.Ptr(true)}
	must[api.PutBucketEncryptionOutput](h, "PutBucketEncryption", &api.PutBucketEncryptionInput{Bucket: wire.Ptr("box"),
		ServerSideEncryptionConfiguration: &api.ServerSideEncryptionConfiguration{Rules: []api.ServerSideEncryptionRule{rule}}})
	for _, c := range []struct {
		name      string
		in        api.PutObjectInput
		key       string // "" for SSE-S3
		bucketKey bool
	}{
		{"nothing said", api.PutObjectInput{}, "key/two", true},
		{"the same algorithm", api.PutObjectInput{ServerSideEncryption: "aws:kms"}, "key/two", true},
		{"another key", api.PutObjectInput{ServerSideEncryption: "aws:kms", SSEKMSKeyId: wire.Ptr("key/one")}, "key/one", false},
		{"another algorithm", api.PutObjectInput{ServerSideEncryption: "AES256"}, "", false},
		{"no bucket key", api.PutObjectInput{ServerSideEncryption: "aws:kms", BucketKeyEnabled: wire.Ptr(false)}, "key/two", false},
	} {
		c.in.Bucket, c.in.Key, c.in.Body = wire.Ptr("box"), wire.Ptr("k"), strings.NewReader("x")
		out := must[api.PutObjectOutput](h, "PutObject", &c.in)
		want := ""
		if c.key != "" {
			want = arnOf(c.key)
		}
		if wire.Val(out.SSEKMSKeyId) != want || wire.Val(out.BucketKeyEnabled) != c.bucketKey {
			t.Errorf("%s: got %v %v", c.name, wire.Val(out.SSEKMSKeyId), wire.Val(out.BucketKeyEnabled))
		}
	}
	must[api.DeleteBucketEncryptionOutput](h, "DeleteBucketEncryption", &api.DeleteBucketEncryptionInput{Bucket: wire.Ptr("box")})
	if out := h.put("box", "k", "x"); out.ServerSideEncryption != "AES256" {
		t.Errorf("got %q", out.ServerSideEncryption)
	}
	got := must[api.GetBucketEncryptionOutput](h, "GetBucketEncryption", &api.GetBucketEncryptionInput{Bucket: wire.Ptr("box")})
	if got.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != "AES256" {
		t.Errorf("got %+v", got)
	}
	if out := must[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader("x"), ServerSideEncryption: "aws:kms"}); *out.SSEKMSKeyId != arnOf(managedKey) {
		t.Errorf("got %v", *out.SSEKMSKeyId)
	}
}

func TestWishesThatMakeNoSense(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	algorithm, key, sum := customer('k')
	for name, c := range map[string]struct {
		in   api.PutObjectInput
		code string
	}{
		"unknown algorithm":      {api.PutObjectInput{ServerSideEncryption: "ROT13"}, "InvalidEncryptionAlgorithmError"},
		"key without algorithm":  {api.PutObjectInput{SSEKMSKeyId: wire.Ptr("key/one")}, "InvalidArgument"},
		"key with AES256":        {api.PutObjectInput{ServerSideEncryption: "AES256", SSEKMSKeyId: wire.Ptr("key/one")}, "InvalidArgument"},
		"context is no base64":   {api.PutObjectInput{ServerSideEncryption: "aws:kms", SSEKMSEncryptionContext: wire.Ptr("{}")}, "InvalidArgument"},
		"context is no map":      {api.PutObjectInput{ServerSideEncryption: "aws:kms", SSEKMSEncryptionContext: encodedContext(`{"a":1}`)}, "InvalidArgument"},
		"both kinds":             {api.PutObjectInput{ServerSideEncryption: "AES256", SSECustomerAlgorithm: algorithm, SSECustomerKey: key, SSECustomerKeyMD5: sum}, "InvalidArgument"},
		"customer: no algorithm": {api.PutObjectInput{SSECustomerKey: key, SSECustomerKeyMD5: sum}, "InvalidArgument"},
		"customer: no key":       {api.PutObjectInput{SSECustomerAlgorithm: algorithm, SSECustomerKeyMD5: sum}, "InvalidArgument"},
		"customer: no sum":       {api.PutObjectInput{SSECustomerAlgorithm: algorithm, SSECustomerKey: key}, "InvalidArgument"},
		"customer: wrong sum":    {api.PutObjectInput{SSECustomerAlgorithm: algorithm, SSECustomerKey: key, SSECustomerKeyMD5: key}, "InvalidArgument"},
		"customer: short key":    {api.PutObjectInput{SSECustomerAlgorithm: algorithm, SSECustomerKey: wire.Ptr("AAAA"), SSECustomerKeyMD5: sum}, "InvalidArgument"},
		"customer: other cipher": {api.PutObjectInput{SSECustomerAlgorithm: wire.Ptr("DES"), SSECustomerKey: key, SSECustomerKeyMD5: sum}, "InvalidEncryptionAlgorithmError"},
	} {
		c.in.Bucket, c.in.Key, c.in.Body = wire.Ptr("box"), wire.Ptr("k"), strings.NewReader("x")
		if _, err := do[api.PutObjectOutput](h, "PutObject", &c.in); !wire.IsCode(err, c.code) {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
	}
	h.plain = true
	refused(h, "InvalidRequest", "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), SSECustomerAlgorithm: algorithm, SSECustomerKey: key, SSECustomerKeyMD5: sum})
}

func TestCustomerKeyIsNeededForEveryReadAndNeverStored(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader("secret")}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = customer('k')
	out := must[api.PutObjectOutput](h, "PutObject", in)
	if *out.SSECustomerKeyMD5 != *in.SSECustomerKeyMD5 || *out.SSECustomerAlgorithm != "AES256" {
		t.Errorf("got %+v", out)
	}
	get := reading(in)
	if _, got := h.get(get); got != "secret" {
		t.Errorf("got %q", got)
	}
	without := &api.GetObjectInput{Bucket: in.Bucket, Key: in.Key}
	refused(h, "InvalidRequest", "GetObject", without)
	refused(h, "InvalidRequest", "HeadObject", &api.HeadObjectInput{Bucket: in.Bucket, Key: in.Key})
	get.SSECustomerAlgorithm, get.SSECustomerKey, get.SSECustomerKeyMD5 = customer('x')
	refused(h, "AccessDenied", "GetObject", get)
	h.put("box", "plain", "x")
	get.Key = wire.Ptr("plain")
	refused(h, "InvalidRequest", "GetObject", get)
	err := h.db.View(t.Context(), func(r store.Reader) error {
		for rec, err := range r.Scan(storePrefix("o")) {
			if err != nil {
				return err
			}
			if bytes.Contains(rec.Value, bytes.Repeat([]byte{'k'}, 16)) {
				t.Errorf("record %q holds the customer's key", rec.Key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rule := api.ServerSideEncryptionRule{BlockedEncryptionTypes: &api.BlockedEncryptionTypes{EncryptionType: []api.EncryptionType{"SSE-C"}}}
	must[api.PutBucketEncryptionOutput](h, "PutBucketEncryption", &api.PutBucketEncryptionInput{Bucket: wire.Ptr("box"),
		ServerSideEncryptionConfiguration: &api.ServerSideEncryptionConfiguration{Rules: []api.ServerSideEncryptionRule{rule}}})
	in.Body = strings.NewReader("secret")
	refused(h, "AccessDenied", "PutObject", in)
}

func TestAccountKeysAreOnePerAccountAndCheap(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	for range 10 {
		h.put("box", "k", "x")
		h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
	}
	if len(h.kms.asked) != 1 || h.kms.asked[0].key != "alias/owned/s3/"+account || !h.kms.asked[0].asService || h.kms.asked[0].region != region {
		t.Errorf("kms was asked %+v", h.kms.asked)
	}
	h.who = user("444455556666", "bob")
	h.bucket("other")
	h.put("other", "k", "x")
	if n := len(h.kms.asked); n != 2 || h.kms.asked[1].key != "alias/owned/s3/444455556666" {
		t.Errorf("kms was asked %+v", h.kms.asked)
	}
	// After a restart the key is opened again, and what it sealed is read.
	h.who = user(account, "ann")
	h.open()
	if _, got := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}); got != "x" {
		t.Errorf("got %q", got)
	}
	if last := h.kms.asked[len(h.kms.asked)-1]; last.op != "Decrypt" || !last.asService {
		t.Errorf("kms was asked %+v", last)
	}
	h.put("box", "k2", "y")
	if n := h.records("k"); n != 2 {
		t.Errorf("%d data keys, want 2", n)
	}
}

func TestAccountKeysAreRotated(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.put("box", "old", "x")
	owner := region + "\x00" + account
	h.ring.newest[owner].made = time.Now().Add(-2 * generationAge)
	h.put("box", "same", "x") // the stored one is still young: it is used again
	if n := h.records("k\x00"); n != 1 {
		t.Errorf("%d generations, want 1", n)
	}
	h.ring.newest[owner].uses = generationUses
	h.put("box", "new", "y")
	if n := h.records("k\x00"); n != 2 {
		t.Errorf("%d generations, want 2", n)
	}
	for _, k := range []string{"old", "same", "new"} {
		h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr(k)})
	}
}

func TestSealedBytesMovedElsewhereDoNotOpen(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	for _, size := range []int{10, 100_000} {
		h.put("box", "a", string(bytesOf(size)))
		err := h.db.Update(t.Context(), [16]byte{}, func(tx store.Tx) error {
			b, err := loadBucket(tx, bucketKey("box"))
			if err != nil {
				return err
			}
			v, err := tx.Get(objectKey(b.ID, "a"))
			if err != nil {
				return err
			}
			return tx.Put(objectKey(b.ID, "b"), v)
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := do[api.GetObjectOutput](h, "GetObject", &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("b")}); err == nil {
			t.Errorf("%d bytes opened under another name", size)
		}
	}
}
