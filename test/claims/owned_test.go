package claims

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trail "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/test/house"
)

// tenant is an account that keeps objects without having named a key.
type tenant struct {
	house.Account
	credentials aws.Credentials
	id, bucket  string
}

// again is the tenant after a restart, which may have moved the house to another port.
func (x tenant) again(h *house.House) tenant {
	x.Account = h.As(x.credentials)
	return x
}

// twoTenants keep an object in a record and one in a file each.
func twoTenants(t *testing.T, h *house.House) []tenant {
	t.Helper()
	id, credentials := h.NewAccount("second")
	tenants := []tenant{{h.AsAdmin(), h.Admin, h.Account, "first-tenant"}, {h.As(credentials), credentials, id, "second-tenant"}}
	for _, tenant := range tenants {
		newBucket(t, tenant.Account, tenant.bucket, "")
		put(t, tenant.Account, tenant.bucket, "small", []byte("belongs to "+tenant.id))
		put(t, tenant.Account, tenant.bucket, "large", bytes.Repeat([]byte(tenant.id), 10000))
	}
	return tenants
}

func (x tenant) reads() error {
	small, err := get(x.Account, x.bucket, "small")
	large, err2 := get(x.Account, x.bucket, "large")
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if string(small) != "belongs to "+x.id || !bytes.Equal(large, bytes.Repeat([]byte(x.id), 10000)) {
		return errors.New("other bytes came back")
	}
	return nil
}

// TestM7_EachCustomerHasAnOwnedKey looks, as an operator with the root key in hand could, which
// keys wrap the data keys of two accounts; then it destroys one of them and starts the house
// again: that account's objects are lost, and the other's are not touched.
func TestM7_EachCustomerHasAnOwnedKey(t *testing.T) {
	h := house.Start(t)
	tenants := twoTenants(t, h)
	for _, x := range tenants {
		want(t, "reading what was stored", x.reads(), "")
	}
	h.Stop()
	arns := ownedKeys(t, h)
	if len(arns) != 2 || arns[0] == arns[1] {
		t.Fatalf("the data keys of two accounts are under %v, want two keys", arns)
	}
	destroyOwnedKey(t, h, tenants[0].id)

	h.Restart()
	for _, key := range []string{"small", "large"} {
		if _, err := get(tenants[0].again(h).Account, tenants[0].bucket, key); err == nil {
			t.Errorf("the %s object whose owned key is gone can be read", key)
		}
	}
	want(t, "the other tenant's objects", tenants[1].again(h).reads(), "")
}

// openStore opens the records of a house that does not run.
func openStore(t *testing.T, h *house.House) *store.File {
	t.Helper()
	root, err := rootkey.Open(h.Dir+"/seal.json", rootkey.FileProvider(h.RootKey))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(root.Close)
	db, err := store.OpenFile(h.Dir+"/store", root, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// records returns the keys and values of the store that begin with the prefix.
func records(t *testing.T, db *store.File, prefix string) (keys, values [][]byte) {
	t.Helper()
	err := db.View(ctx, func(r store.Reader) error {
		for kv, err := range r.Scan(store.Prefix([]byte(prefix))) {
			if err != nil {
				return err
			}
			keys, values = append(keys, bytes.Clone(kv.Key)), append(values, bytes.Clone(kv.Value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys, values
}

// ownedKeys returns the keys under which S3 keeps the data keys of accounts.
func ownedKeys(t *testing.T, h *house.House) (arns []string) {
	t.Helper()
	db := openStore(t, h)
	defer db.Close()
	_, values := records(t, db, "s3/k\x00")
	for _, v := range values {
		var wrapped struct{ KeyARN string }
		if err := json.Unmarshal(v, &wrapped); err != nil {
			t.Fatal(err)
		}
		arns = append(arns, wrapped.KeyARN)
	}
	return arns
}

// destroyOwnedKey takes the material of the account's owned key out of the store.
func destroyOwnedKey(t *testing.T, h *house.House, account string) {
	t.Helper()
	db := openStore(t, h)
	defer db.Close()
	names, _ := records(t, db, "kms/n\x00")
	at := slices.IndexFunc(names, func(k []byte) bool { return bytes.HasSuffix(k, []byte("alias/owned/s3/"+account)) })
	if at < 0 {
		t.Fatalf("account %s has no owned key among %q", account, names)
	}
	parts := strings.Split(string(names[at]), "\x00") // tag, region, account, key, alias
	material, _ := records(t, db, "kms/b\x00"+strings.Join(parts[1:4], "\x00")+"\x00")
	if len(material) == 0 {
		t.Fatal("the owned key has no material")
	}
	err := db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		for _, k := range material {
			if err := tx.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestM7_A8_OwnedKeysAreNeverListed(t *testing.T) {
	h := house.Start(t)
	for _, x := range twoTenants(t, h) {
		client := x.KMS()
		own := newKey(t, x.Account, "")
		keys, err := client.ListKeys(ctx, &kms.ListKeysInput{})
		if err != nil || len(keys.Keys) != 1 || *keys.Keys[0].KeyArn != own {
			t.Errorf("ListKeys shows %d keys, %v; want the customer's own one", len(keys.Keys), err)
		}
		aliases, err := client.ListAliases(ctx, &kms.ListAliasesInput{})
		if err != nil || len(aliases.Aliases) != 0 {
			t.Errorf("ListAliases shows %d aliases, %v; want none", len(aliases.Aliases), err)
		}
		head, err := x.S3().HeadObject(ctx, &s3.HeadObjectInput{Bucket: &x.bucket, Key: aws.String("small")})
		if err != nil || head.SSEKMSKeyId != nil {
			t.Errorf("HeadObject names the key %v, %v", aws.ToString(head.SSEKMSKeyId), err)
		}
	}
}

// TestA8_OwnedKeysCannotBeReached: an administrator who knows the names, as the source tells
// them, and even the ARN, gets nowhere.
func TestA8_OwnedKeysCannotBeReached(t *testing.T) {
	h := house.Start(t)
	first := twoTenants(t, h)[0]
	h.Stop()
	arn := ownedKeys(t, h)[0]
	h.Restart()
	admin := h.AsAdmin()
	client := admin.KMS()
	for _, name := range []string{
		"alias/owned/s3/" + h.Account, "arn:aws:kms:" + house.Region + ":" + h.Account + ":alias/owned/s3/" + h.Account,
		"arn:aws:kms:" + house.Region + ":000000000000:alias/owned/s3/" + h.Account, arn, arn[strings.LastIndex(arn, "/")+1:],
		strings.Replace(arn, "000000000000", h.Account, 1),
	} {
		_, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name})
		if code := house.ErrorCode(err); code != "NotFoundException" && code != refused {
			t.Errorf("DescribeKey %s: %v, want a refusal", name, err)
		}
		_, err = encrypt(admin, name, nil)
		if code := house.ErrorCode(err); code != "NotFoundException" && code != refused {
			t.Errorf("Encrypt under %s: %v, want a refusal", name, err)
		}
		_, err = client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &name})
		if err == nil {
			t.Errorf("DisableKey %s succeeded", name)
		}
	}
	// A customer's bucket cannot be put under one either.
	newBucket(t, admin, "greedy-bucket", "")
	_, err := admin.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("greedy-bucket"), Key: aws.String("x"), ServerSideEncryption: "aws:kms", SSEKMSKeyId: &arn})
	if err == nil {
		t.Error("an object was put under an owned key by its ARN")
	}
	if err := first.again(h).reads(); err != nil {
		t.Errorf("after all the objects cannot be read: %v", err)
	}
}

func TestA8_NoUseOfOwnedKeysInTheTrail(t *testing.T) {
	h := house.Start(t)
	for _, x := range twoTenants(t, h) {
		if err := x.reads(); err != nil {
			t.Fatal(err)
		}
		out, err := x.CloudTrail().LookupEvents(ctx, &cloudtrail.LookupEventsInput{LookupAttributes: []trail.LookupAttribute{
			{AttributeKey: trail.LookupAttributeKeyEventSource, AttributeValue: aws.String("kms.amazonaws.com")},
		}})
		if err != nil || len(out.Events) != 0 {
			t.Errorf("the trail has %d events of kms, %v; want none", len(out.Events), err)
		}
		all := events(t, x.Account, "")
		if len(all) < 4 {
			t.Errorf("the trail has only %d events", len(all))
		}
		for _, e := range all {
			if strings.Contains(e.text, "alias/owned/") || strings.Contains(e.text, ":000000000000:") {
				t.Errorf("an event tells of an owned key\n%s", e.text)
			}
		}
		// The contrast: a key of the customer's own leaves its uses in the trail.
		newBucket(t, x.Account, x.bucket+"-own", newKey(t, x.Account, ""))
		put(t, x.Account, x.bucket+"-own", "object", []byte("x"))
		latest(t, x.Account, "GenerateDataKey", nil)
	}
}
