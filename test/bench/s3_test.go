package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/test/house"
)

const (
	small = 4 << 10
	large = 64 << 20
)

// bucket makes a bucket whose objects are encrypted as named: "AES256", or "aws:kms" with
// one key and bucket keys.
func bucket(b *testing.B, h *house.House, algorithm types.ServerSideEncryption) string {
	b.Helper()
	ctx := context.Background()
	a := h.AsAdmin()
	name := "bench-" + map[types.ServerSideEncryption]string{types.ServerSideEncryptionAes256: "owned", types.ServerSideEncryptionAwsKms: "customer"}[algorithm]
	_, err := a.S3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: house.Region}})
	if err != nil {
		b.Fatal(err)
	}
	rule := types.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: algorithm}}
	if algorithm == types.ServerSideEncryptionAwsKms {
		key, err := a.KMS().CreateKey(ctx, &kms.CreateKeyInput{})
		if err != nil {
			b.Fatal(err)
		}
		rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID = key.KeyMetadata.Arn
		rule.BucketKeyEnabled = aws.Bool(true)
	}
	_, err = a.S3().PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &name, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{rule}}})
	if err != nil {
		b.Fatal(err)
	}
	return name
}

// objects makes the requests of one connection after the other: each its own name.
func (s *server) objects(b *testing.B, method, folder string, round, conns, perConn int, body []byte) [][][]byte {
	b.Helper()
	requests := make([][][]byte, conns)
	for c := range conns {
		for n := range perConn {
			path := fmt.Sprintf("%s/object-%d-%d-%d", folder, round, c, n)
			requests[c] = append(requests[c], s.signed(b, "s3", method, path, nil, body))
		}
	}
	return requests
}

// BenchmarkS3 puts and gets objects, sealed, durable and recorded, against a bare server that
// receives the same bytes to a synced file, or sends them, in the clear. Small ones it receives
// into a log with a group sync, and sends after a group sync of a record: nobody who answers
// only what is durable is faster.
func BenchmarkS3(b *testing.B) {
	h := house.Start(b)
	ours, bare := of(h), startBare(b, b.TempDir())
	for _, algorithm := range []types.ServerSideEncryption{types.ServerSideEncryptionAwsKms, types.ServerSideEncryptionAes256} {
		folder := "/" + bucket(b, h, algorithm)
		for _, size := range []struct {
			name           string
			bytes          int
			conns, perConn int
		}{{"64MiB", large, 2, 3}, {"4KiB", small, 16, 250}} {
			body := make([]byte, size.bytes)
			for _, method := range []string{"PUT", "GET"} {
				b.Run(fmt.Sprintf("%s/%s/%s", algorithm, size.name, method), func(b *testing.B) {
					idle, _ := h.Memory()
					run := func(s *server, folder string) func() result {
						round := 0
						return func() result {
							if method == "PUT" {
								round++
							}
							sent := body
							if method == "GET" {
								round, sent = 1, nil
							}
							requests := s.objects(b, method, folder, round, size.conns, size.perConn, sent)
							return s.load(b, size.conns, size.perConn, func(conn, n int) []byte { return requests[conn][n] })
						}
					}
					theirs := ""
					if size.bytes == small {
						theirs = "/log"
					}
					a, c := run(ours, folder), run(bare, theirs)
					for range b.N {
						pair(b, method, 3, a, c)
					}
					_, peak := h.Memory()
					b.Logf("memory: %d MiB before, %d MiB at most since the start", idle>>20, peak>>20)
				})
			}
		}
	}
}

// BenchmarkStart is the time from exec to the first answer on a store of 100,000 keys and objects,
// and the memory of the idle house.
func BenchmarkStart(b *testing.B) {
	h := house.Start(b)
	ours := of(h)
	folder := "/" + bucket(b, h, types.ServerSideEncryptionAes256)
	create := ours.signed(b, "kms", "POST", "/", map[string]string{"X-Amz-Target": "TrentService.CreateKey", "Content-Type": "application/x-amz-json-1.1"}, []byte("{}"))
	ours.load(b, 64, 50000/64, func(int, int) []byte { return create })
	puts := ours.objects(b, "PUT", folder, 1, 64, 50000/64, []byte("x"))
	ours.load(b, 64, 50000/64, func(conn, n int) []byte { return puts[conn][n] })
	for range b.N {
		for _, how := range []string{"stop", "kill"} {
			if how == "stop" {
				h.Stop()
			} else {
				h.Kill()
			}
			began := time.Now()
			h.Restart()
			if _, err := h.AsAdmin().KMS().ListKeys(context.Background(), &kms.ListKeysInput{Limit: aws.Int32(1)}); err != nil {
				b.Fatal(err)
			}
			took := time.Since(began)
			b.ReportMetric(took.Seconds()*1e3, "ms-after-"+how)
			time.Sleep(2 * time.Second)
			now, _ := h.Memory()
			b.ReportMetric(float64(now>>20), "idle-MiB-after-"+how)
		}
	}
}
