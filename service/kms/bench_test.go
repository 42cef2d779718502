package kms

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/kms/grant"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// app is the i-th role that has a grant of every key.
func app(i int) grant.Party {
	name := fmt.Sprint("app", i)
	return grant.Party{Name: "arn:aws:iam::" + account + ":role/" + name, ID: uniqueID("AROA", account, name)}
}

// fillKeys makes n keys with grants each, past the road.
func (h *testHouse) fillKeys(n, grants int) []string {
	var arns []string
	for len(arns) < n {
		var made []string
		err := h.update(h.Context(), func(tx store.Tx) error {
			made = nil
			for range min(20, n-len(arns)) {
				at, r := home{region, account, newKeyID()}, newRecord()
				r.Policy = defaultPolicy(account)
				if err := h.addKey(tx, at, &r, key.New()); err != nil {
					return err
				}
				for i := range grants {
					g := &grant.Grant{
						ID: randomHex(32), Grantee: app(i), Issuer: account,
						Operations: []string{"Decrypt", "Encrypt"}, Created: now(),
					}
					if err := putGrant(tx, at, g, i); err != nil {
						return err
					}
				}
				made = append(made, at.arn())
			}
			return nil
		})
		if err != nil {
			h.Fatal(err)
		}
		arns = append(arns, made...)
	}
	return arns
}

// bench runs target and handler, which is what this package adds to the road.
func (h *testHouse) bench(b *testing.B, who *person, operation string, in func() any) {
	c := &call.Call{Principal: who.Principal, Via: who.via, Region: region, Op: api.API.Operation(operation), Time: time.Now()}
	ctx := call.With(context.Background(), c)
	b.ReportAllocs()
	for b.Loop() {
		c.In = in()
		var err error
		if c.Target, err = h.Target(ctx, c); err != nil {
			b.Fatal(err)
		}
		if _, err = c.Op.Invoke(ctx, h.Service, c.In); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUse(b *testing.B) {
	h := open(b)
	who := admin(b)
	arn := h.fillKeys(1, 0)[0]
	app := roleSession(account, "app0")
	granted := h.fillKeys(1, 10)[0]
	ctx := pairs{"aws:s3:arn": "arn:aws:s3:::bucket/some/object"}
	blob := h.encrypt(who, &arn, ctx)
	for name, run := range map[string]func(b *testing.B){
		"Encrypt": func(b *testing.B) {
			in := &api.EncryptInput{KeyId: &arn, Plaintext: make([]byte, 32), EncryptionContext: ctx}
			h.bench(b, who, "Encrypt", func() any { return in })
		},
		"EncryptByGrant": func(b *testing.B) {
			in := &api.EncryptInput{KeyId: &granted, Plaintext: make([]byte, 32), EncryptionContext: ctx}
			h.bench(b, app, "Encrypt", func() any { return in })
		},
		"Decrypt": func(b *testing.B) {
			in := &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: ctx}
			h.bench(b, who, "Decrypt", func() any { return in })
		},
		"GenerateDataKey": func(b *testing.B) {
			in := &api.GenerateDataKeyInput{KeyId: &arn, KeySpec: "AES_256", EncryptionContext: ctx}
			h.bench(b, who, "GenerateDataKey", func() any { return in })
		},
		"OwnedKey": func(b *testing.B) {
			in := &api.GenerateDataKeyInput{KeyId: wire.Ptr("alias/owned/s3/" + account), KeySpec: "AES_256", EncryptionContext: ctx}
			h.bench(b, asService("s3.amazonaws.com"), "GenerateDataKey", func() any { return in })
		},
	} {
		b.Run(name, run)
	}
}

// BenchmarkManyKeys goes through many keys at random: once as they come out of the store, and
// again from memory.
func BenchmarkManyKeys(b *testing.B) {
	h := open(b)
	who := admin(b)
	arns := h.fillKeys(2000, 10)
	start := time.Now()
	dir := h.dir
	h.shut()
	h = openIn(b, dir)
	b.Logf("closed and opened in %v", time.Since(start))
	in := &api.EncryptInput{Plaintext: make([]byte, 32)}
	for _, name := range []string{"FromStore", "FromMemory"} {
		b.Run(name, func(b *testing.B) {
			h.bench(b, who, "Encrypt", func() any {
				in.KeyId = &arns[rand.IntN(len(arns))]
				return in
			})
		})
	}
}
