package kms

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/wire"
)

// BenchmarkScale makes each kind of call on one key among few and on keys at random among very
// many, with ten grants each: no call may be slower there by more than a tenth of what it
// takes from end to end. STRONGROOM_BENCH_KEYS says how many are many; 100,000, the most that
// an account may have, take some minutes to make.
func BenchmarkScale(b *testing.B) {
	many := 2000
	if s := os.Getenv("STRONGROOM_BENCH_KEYS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		many = n
	}
	for _, n := range []int{1, many} {
		h := open(b)
		start := time.Now()
		arns := h.fillKeys(min(n, maxKeys-5000), 10) // with room for those that are made
		who := admin(b)
		blobs := make([][]byte, len(arns))
		for i := range arns { // each is in use
			blobs[i] = h.encrypt(who, &arns[i], nil)
			must[api.DecryptOutput](h, who, &api.DecryptInput{CiphertextBlob: blobs[i]})
		}
		b.Logf("%d keys made and used in %v", n, time.Since(start))
		for _, c := range scaleCalls(h, arns, blobs) {
			b.Run(fmt.Sprintf("%s/%d", c.operation, n), func(b *testing.B) {
				before := processorTime(b)
				c.run(b, h)
				b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
		h.shut()
	}
}

// processorTime is the time that the process has had on processors: it says what a call costs, with its part
// of collecting garbage and of the store's work behind it, also on a machine that others use.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// scaleCall makes calls of an operation on keys at random.
type scaleCall struct {
	operation string
	run       func(b *testing.B, h *testHouse)
}

func scaleCalls(h *testHouse, arns []string, blobs [][]byte) []scaleCall {
	who, pick := admin(h), func() *string { return &arns[rand.IntN(len(arns))] }
	apps := make([]*person, 10)
	for i := range apps {
		apps[i] = roleSession(account, fmt.Sprint("app", i))
	}
	call := func(operation string, who *person, in func() any) scaleCall {
		return scaleCall{operation, func(b *testing.B, h *testHouse) { h.bench(b, who, operation, in) }}
	}
	calls := []scaleCall{
		call("Encrypt", who, func() any { return &api.EncryptInput{KeyId: pick(), Plaintext: make([]byte, 32)} }),
		call("Decrypt", who, func() any { return &api.DecryptInput{CiphertextBlob: blobs[rand.IntN(len(blobs))]} }),
		call("GenerateDataKey", who, func() any { return &api.GenerateDataKeyInput{KeyId: pick(), KeySpec: "AES_256"} }),
		call("DescribeKey", who, func() any { return &api.DescribeKeyInput{KeyId: pick()} }),
		call("GetKeyPolicy", who, func() any { return &api.GetKeyPolicyInput{KeyId: pick()} }),
		call("ListGrants", who, func() any { return &api.ListGrantsInput{KeyId: pick()} }),
		call("ListKeys", who, func() any { return &api.ListKeysInput{Limit: wire.Ptr[int32](10)} }),
		call("ListAliases", who, func() any { return &api.ListAliasesInput{} }),
		call("CreateGrant", who, func() any {
			return &api.CreateGrantInput{KeyId: pick(), GranteePrincipal: wire.Ptr(rootARN(other)), Operations: ops{"Encrypt"}, Name: wire.Ptr("n")}
		}),
		call("TagResource", who, func() any {
			return &api.TagResourceInput{KeyId: pick(), Tags: []api.Tag{{TagKey: wire.Ptr("a"), TagValue: wire.Ptr(fmt.Sprint(rand.IntN(100)))}}}
		}),
		call("CreateKey", who, func() any { return &api.CreateKeyInput{} }),
	}
	granted := scaleCall{"EncryptByGrant", func(b *testing.B, h *testHouse) {
		b.ReportAllocs()
		for b.Loop() {
			in := &api.EncryptInput{KeyId: pick(), Plaintext: make([]byte, 32)}
			if c := h.do(apps[rand.IntN(len(apps))], "Encrypt", in); c.Err != nil {
				b.Fatal(c.Err)
			}
		}
	}}
	return append(calls, granted)
}
