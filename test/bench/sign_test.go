package bench

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"golang.org/x/sys/unix"

	"github.com/strongroom/strongroom/test/house"
)

// BenchmarkSign is the server's CPU for a Sign against what nobody can do without: the primitive
// of the standard library, and the road, which is what an Encrypt costs. The three are measured one
// after the other in every round.
func BenchmarkSign(b *testing.B) {
	h := house.Start(b)
	ours := of(h)
	for _, c := range []struct {
		spec      types.KeySpec
		algorithm types.SigningAlgorithmSpec
		perConn   int
		primitive func() error
	}{
		{types.KeySpecEccNistP256, types.SigningAlgorithmSpecEcdsaSha256, 500, ecdsaPrimitive(b)},
		{types.KeySpecRsa2048, types.SigningAlgorithmSpecRsassaPssSha256, 100, rsaPrimitive(b)},
	} {
		b.Run(fmt.Sprintf("%s/16", c.spec), func(b *testing.B) {
			signs := ours.call(b, "Sign", fmt.Sprintf(`{"KeyId":%q,"Message":%q,"SigningAlgorithm":%q}`,
				newBenchKey(b, h, c.spec, types.KeyUsageTypeSignVerify), base64.StdEncoding.EncodeToString(make([]byte, 32)), c.algorithm))
			encrypts := ours.call(b, "Encrypt", fmt.Sprintf(`{"KeyId":%q,"Plaintext":%q}`,
				newBenchKey(b, h, types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt), base64.StdEncoding.EncodeToString(make([]byte, 32))))
			load := func(request []byte) float64 {
				return ours.load(b, 16, c.perConn, func(int, int) []byte { return request }).perRequest()
			}
			load(signs) // warm up
			load(encrypts)
			for range b.N {
				var sign, road, bare, ratio []float64
				for range 5 {
					s, e, p := load(signs), load(encrypts), threadCPU(b, c.perConn*4, c.primitive)
					sign, road, bare, ratio = append(sign, s), append(road, e), append(bare, p), append(ratio, s/(e+p))
				}
				b.ReportMetric(median(ratio), "Sign-cpu-ratio")
				b.Logf("Sign %s: server CPU per request %.1f us; the primitive %.1f us, the road %.1f us; ratio %.2f",
					c.spec, median(sign), median(bare), median(road), median(ratio))
			}
		})
	}
}

// call is a signed request for an operation of KMS.
func (s *server) call(b testing.TB, operation, body string) []byte {
	b.Helper()
	return s.signed(b, "kms", "POST", "/", map[string]string{
		"X-Amz-Target": "TrentService." + operation, "Content-Type": "application/x-amz-json-1.1",
	}, []byte(body))
}

func newBenchKey(b testing.TB, h *house.House, spec types.KeySpec, usage types.KeyUsageType) string {
	b.Helper()
	out, err := h.AsAdmin().KMS().CreateKey(context.Background(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
	if err != nil {
		b.Fatal(err)
	}
	return *out.KeyMetadata.KeyId
}

// threadCPU returns the processor time of one run of fn, in microseconds, while every processor runs
// it: a server under load has no quiet processor beside it either.
func threadCPU(b testing.TB, runs int, fn func() error) float64 {
	b.Helper()
	threads := runtime.GOMAXPROCS(0)
	took, errs := make([]time.Duration, threads), make([]error, threads)
	var wg sync.WaitGroup
	for i := range threads {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			before := threadTime()
			for n := 0; n < runs && errs[i] == nil; n++ {
				errs[i] = fn()
			}
			took[i] = threadTime() - before
		})
	}
	wg.Wait()
	total := time.Duration(0)
	for i := range threads {
		if errs[i] != nil {
			b.Fatal(errs[i])
		}
		total += took[i]
	}
	return float64(total.Nanoseconds()) / 1e3 / float64(runs*threads)
}

func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err) // it has one argument, which is right
	}
	return time.Duration(ts.Nano())
}

func ecdsaPrimitive(b testing.TB) func() error {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	return func() error {
		digest := sha256.Sum256(make([]byte, 32))
		_, err := ecdsa.SignASN1(rand.Reader, k, digest[:])
		return err
	}
}

func rsaPrimitive(b testing.TB) func() error {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	return func() error {
		digest := sha256.Sum256(make([]byte, 32))
		_, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		return err
	}
}
