package damage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/test/house"
)

// diskSize is the size of the small disk: enough for a house, the space it keeps in reserve, and
// a few objects.
const diskSize = "112m"

// smallDisk mounts a file system of diskSize at dir. Where that is not allowed the test is
// skipped; what the store, the audit log and the blobs do when a write fails is in their own
// tests as well.
func smallDisk(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+diskSize); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill writes a file until the disk is full, and returns its path.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "somebody else's file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for b := make([]byte, 1<<20); len(b) > 0; b = b[:len(b)/2] {
		for err = nil; err == nil; {
			_, err = f.Write(b)
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk does not fill: %v", err)
	}
	return path
}

// writer tries to write something, and says how to see later whether it is there.
type writer struct {
	name string
	do   func(a house.Account, n int) error
	seen func(a house.Account, n int) (bool, error)
}

const largePuts = "PutObject, large"

func writers(key string) []writer {
	name := func(n int) *string { return aws.String(fmt.Sprintf("full-%d", n)) }
	body := func(n, size int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%08d", n), size/8) }
	put := func(prefix string, size int) writer {
		key := func(n int) string { return fmt.Sprintf("%s-%d", prefix, n) }
		return writer{"PutObject, " + prefix,
			func(a house.Account, n int) error {
				_, err := a.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("full-disk"), Key: aws.String(key(n)), Body: bytes.NewReader(body(n, size))})
				return err
			},
			func(a house.Account, n int) (bool, error) {
				got, err := read(a, "full-disk", key(n))
				if house.ErrorCode(err) == "NoSuchKey" {
					return false, nil
				}
				if err == nil && !bytes.Equal(got, body(n, size)) {
					err = errors.New("it has other bytes")
				}
				return true, err
			}}
	}
	return []writer{
		put("small", 1<<10), put("large", 2<<20),
		{"CreateUser",
			func(a house.Account, n int) error {
				_, err := a.IAM().CreateUser(ctx, &iam.CreateUserInput{UserName: name(n)})
				return err
			},
			func(a house.Account, n int) (bool, error) {
				_, err := a.IAM().GetUser(ctx, &iam.GetUserInput{UserName: name(n)})
				if house.ErrorCode(err) == "NoSuchEntity" {
					return false, nil
				}
				return true, err
			}},
		{"CreateAlias",
			func(a house.Account, n int) error {
				_, err := a.KMS().CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/" + *name(n)), TargetKeyId: &key})
				return err
			},
			func(a house.Account, n int) (bool, error) {
				_, err := a.KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/" + *name(n))})
				if house.ErrorCode(err) == "NotFoundException" {
					return false, nil
				}
				return true, err
			}},
	}
}

// ledger is the writes that were tried, and which of them were answered with success.
type ledger struct {
	all      []writer
	answered map[string]map[int]bool // by writer and number
}

// attempt tries numbers of all writes and returns how many failed. On a full disk a failure is an
// answer; only a body on its way may be cut off.
func (l *ledger) attempt(t *testing.T, a house.Account, from, to int) (failed int) {
	t.Helper()
	for _, w := range l.all {
		if l.answered[w.name] == nil {
			l.answered[w.name] = map[int]bool{}
		}
		for n := from; n < to; n++ {
			err := w.do(a, n)
			l.answered[w.name][n] = err == nil
			if err == nil {
				continue
			}
			failed++
			if house.ErrorCode(err) == "" && w.name != largePuts {
				t.Errorf("%s: want an answer, got %v", w.name, err)
			}
		}
	}
	return failed
}

// look fails the test unless everything that was answered is there, and nothing is half.
func (l *ledger) look(t *testing.T, a house.Account, when string) {
	t.Helper()
	for _, w := range l.all {
		for n, ok := range l.answered[w.name] {
			there, err := w.seen(a, n)
			if err != nil || ok && !there {
				t.Errorf("%s: %s number %d, answered with success: %v; there: %v, %v", when, w.name, n, ok, there, err)
			}
		}
	}
}

// TestFullDisk fills the disk under a running house, and makes space again, twice: once the house
// lives through it, once it is killed. While the disk is full writes are answered with an error;
// what was answered is there after, and the house serves again.
func TestFullDisk(t *testing.T) {
	h := house.New(t)
	smallDisk(t, h.Dir)
	t.Cleanup(h.Kill) // before the disk goes
	h.Restart()
	a := h.AsAdmin()
	key, err := a.KMS().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.S3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("full-disk"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: house.Region}}); err != nil {
		t.Fatal(err)
	}
	l := &ledger{append(writers(*key.KeyMetadata.Arn), newSamples(t, h, a, *key.KeyMetadata.Arn)), map[string]map[int]bool{}}
	if failed := l.attempt(t, a, 0, 2); failed != 0 {
		t.Fatalf("%d writes failed while there was space", failed)
	}

	filler := fill(t, h.Dir)
	if failed := l.attempt(t, a, 100, 130); failed == 0 {
		t.Error("nothing failed on a full disk")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	again(t, a, l.all[0])
	if failed := l.attempt(t, a, 200, 202); failed != 0 {
		t.Errorf("%d writes failed after there was space again", failed)
	}
	l.look(t, a, "after there was space again")

	filler = fill(t, h.Dir)
	l.attempt(t, a, 300, 310)
	h.Kill()
	text, err := run(t, h, h.Dir, "serve", "--listen", "127.0.0.1:0", "--metrics", "off")
	if err == nil || !sentence.MatchString(text) || !regexp.MustCompile("full|no space left").MatchString(text) || strange.MatchString(text) {
		t.Errorf("a start on a full disk: %v\n%s", err, text)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.Restart()
	a = h.AsAdmin()
	l.look(t, a, "after a crash on a full disk")
	if failed := l.attempt(t, a, 400, 402); failed != 0 {
		t.Errorf("%d writes failed after a restart", failed)
	}
	if text, err := h.Run("check"); err != nil {
		t.Errorf("check: %v\n%s", err, text)
	}
	h.Stop()
}

// again waits until a write succeeds: how much space there is the house looks up now and then.
func again(t *testing.T, a house.Account, w writer) {
	t.Helper()
	var err error
	for range 100 {
		if err = w.do(a, 9_999); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s still fails after there was space again: %v", w.name, err)
}
