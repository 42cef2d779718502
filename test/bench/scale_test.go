package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

// grantees is how many grants each key of BenchmarkScale has, each to a user of its own.
const grantees = 10

// BenchmarkScale is each kind of call on keys at random among very many, against the same call on
// the only key of another house; every key has ten grants. STRONGROOM_BENCH_KEYS says how many are
// many: 99,000 are nearly all that an account may have, and take half an hour.
func BenchmarkScale(b *testing.B) {
	many := 1000
	if s := os.Getenv("STRONGROOM_BENCH_KEYS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		many = n
	}
	one, all := newScaled(b, 1), newScaled(b, many)
	for _, op := range []struct {
		name, operation, body string
		granted               bool
	}{
		// First what uses keys; when each was used last is written five minutes later. What writes comes last.
		{"Encrypt", "Encrypt", `{"KeyId":%q,"Plaintext":"AAAAAAAAAAAAAAAAAAAAAA=="}`, false},
		{"EncryptByGrant", "Encrypt", `{"KeyId":%q,"Plaintext":"AAAAAAAAAAAAAAAAAAAAAA=="}`, true},
		{"GenerateDataKey", "GenerateDataKey", `{"KeyId":%q,"KeySpec":"AES_256"}`, false},
		{"DescribeKey", "DescribeKey", `{"KeyId":%q}`, false},
		{"GetKeyPolicy", "GetKeyPolicy", `{"KeyId":%q}`, false},
		{"ListGrants", "ListGrants", `{"KeyId":%q}`, false},
		{"ListKeys", "ListKeys", `{"Limit":1}`, false},
		{"ListAliases", "ListAliases", `{"KeyId":%q}`, false},
		{"RepeatGrant", "CreateGrant", `{"KeyId":%q,"GranteePrincipal":"kms.amazonaws.com","Operations":["Encrypt"],"Name":"again"}`, false},
		{"CreateGrant", "CreateGrant", `{"KeyId":%q,"GranteePrincipal":"kms.amazonaws.com","Operations":["Encrypt"]}`, false}, // the one key comes to have 48,000 more
		{"TagResource", "TagResource", `{"KeyId":%q,"Tags":[{"TagKey":"a","TagValue":"b"}]}`, false},
	} {
		b.Run(op.name, func(b *testing.B) {
			if op.name == "DescribeKey" && many > 10_000 {
				time.Sleep(5*time.Minute + 10*time.Second)
			}
			if op.name != "CreateGrant" {
				all.each(b, op.operation, op.body)
				all.each(b, op.operation, op.body) // what the first has changed is read anew by the second, as of the one key long ago
				all.calm(b)
			}
			rounds := 15
			if op.name == "CreateGrant" {
				rounds = 5 // a key may have 50,000
			}
			compareScaled(b, op.name, rounds, all.calls(op.operation, op.body, op.granted), one.calls(op.operation, op.body, op.granted))
		})
	}
}

func compareScaled(b *testing.B, name string, rounds int, all, one func(b *testing.B) result) {
	all(b) // each has been in use before
	one(b)
	for range b.N {
		pair(b, name, rounds, func() result { return all(b) }, func() result { return one(b) })
	}
}

// scaled is a house with a number of keys.
type scaled struct {
	h    *house.House
	keys []string
	apps []*server // the house, as each grantee calls it
}

func newScaled(b *testing.B, n int) *scaled {
	s, ctx := &scaled{h: house.Start(b)}, context.Background()
	admin, users := of(s.h), s.h.AsAdmin().IAM()
	for i := range grantees {
		name := aws.String(fmt.Sprint("app", i))
		if _, err := users.CreateUser(ctx, &iam.CreateUserInput{UserName: name}); err != nil {
			b.Fatal(err)
		}
		k, err := users.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
		if err != nil {
			b.Fatal(err)
		}
		app := *admin
		app.creds = aws.Credentials{AccessKeyID: *k.AccessKey.AccessKeyId, SecretAccessKey: *k.AccessKey.SecretAccessKey}
		s.apps = append(s.apps, &app)
	}
	conns := min(n, 64)
	admin.load(b, conns, n/conns, func(int, int) []byte { return admin.call(b, "CreateKey", "{}") })
	for p := kms.NewListKeysPaginator(s.h.AsAdmin().KMS(), &kms.ListKeysInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			b.Fatal(err)
		}
		for _, k := range page.Keys {
			s.keys = append(s.keys, *k.KeyId)
		}
	}
	perConn := len(s.keys) / conns
	s.keys = s.keys[:perConn*conns]
	admin.load(b, conns, perConn*grantees, func(conn, n int) []byte {
		key, user := s.keys[conn*perConn+n/grantees], n%grantees
		return admin.call(b, "CreateGrant", fmt.Sprintf(
			`{"KeyId":%q,"GranteePrincipal":"arn:aws:iam::%s:user/app%d","Operations":["Decrypt","Encrypt"]}`, key, s.h.Account, user))
	})
	s.calm(b) // the store sorts what was written
	s.each(b, "Encrypt", `{"KeyId":%q,"Plaintext":"AAAAAAAAAAAAAAAAAAAAAA=="}`)
	s.calm(b)
	b.Logf("%d keys with %d grants each", len(s.keys), grantees)
	return s
}

// each calls an operation once on each key: what is measured then is what was in use before, as the one key is.
func (s *scaled) each(b *testing.B, operation, body string) {
	b.Helper()
	conns := min(len(s.keys), 64)
	perConn, admin := len(s.keys)/conns, of(s.h)
	admin.load(b, conns, perConn, func(conn, n int) []byte {
		if operation == "ListKeys" {
			return admin.call(b, operation, body)
		}
		return admin.call(b, operation, fmt.Sprintf(body, s.keys[conn*perConn+n]))
	})
}

// calm waits until the house has nothing to do.
func (s *scaled) calm(b *testing.B) {
	b.Helper()
	for last := of(s.h).cpu(b); ; {
		time.Sleep(2 * time.Second)
		now := of(s.h).cpu(b)
		if now-last < 100*time.Millisecond {
			return
		}
		last = now
	}
}

// calls returns rounds of an operation on keys at random, as the administrator or as a grantee.
func (s *scaled) calls(operation, body string, granted bool) func(b *testing.B) result {
	return func(b *testing.B) result {
		const conns, perConn = 16, 500
		requests := make([][perConn][]byte, conns)
		var wg sync.WaitGroup
		for conn := range conns {
			wg.Go(func() {
				for n := range perConn {
					caller, text := of(s.h), body
					if granted {
						caller = s.apps[rand.IntN(grantees)]
					}
					if operation != "ListKeys" {
						text = fmt.Sprintf(body, s.keys[rand.IntN(len(s.keys))])
					}
					requests[conn][n] = caller.call(b, operation, text)
				}
			})
		}
		wg.Wait()
		return of(s.h).load(b, conns, perConn, func(conn, n int) []byte { return requests[conn][n] })
	}
}
